//! An interrupted training on disk: `training/state.safetensors` (weights and moments) and `training/state.json`, an exact resume.

use crate::error::{Error, Result};
use crate::models::decoder::Decoder;
use crate::optimiser::AdamW;
use crate::parameters;
use candle_core::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;

/// Version of the two files.
pub const FORMAT: u32 = 1;

/// What must survive beside tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Version of this file and of the tensors beside it.
    pub format: u32,
    /// Everything the run depends on: model, training settings, what the tokens are. Going on with other ones would be
    /// neither the old run nor the new.
    pub settings: Value,
    /// Optimiser steps done; with the seed, the place in the data.
    pub step: u64,
    /// The best held-out bits per byte so far.
    pub best: Option<f64>,
    /// Evaluations since then.
    pub without_improvement: u32,
    /// XXH3 of the tensors that belong to this file.
    pub tensors: u64,
}

impl State {
    /// Before the first step.
    pub fn new(settings: Value) -> State {
        State { format: FORMAT, settings, step: 0, best: None, without_improvement: 0, tensors: 0 }
    }
}

fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("training/state.json"), folder.join("training/state.safetensors"))
}

/// Writes the tensors, then the file that vouches for them.
pub fn save(folder: &Path, mut state: State, decoder: &Decoder, optimiser: &AdamW) -> Result<()> {
    let (plain, tensors) = files(folder);
    let mut all = optimiser.state();
    all.extend(decoder.parameters.detached().into_iter().map(|(name, value)| (format!("value.{name}"), value)));
    parameters::save(&all, &tensors)?;
    state.tensors = hash(&tensors)?;
    let bytes = serde_json::to_vec_pretty(&state).expect("a state is plain data");
    Ok(atomic::write(&plain, &bytes)?)
}

/// Restores weights and moments; `None` where there is no checkpoint. Refuses one of another version, of other settings
/// or other shapes, by the name of what differs.
pub fn load(folder: &Path, settings: &Value, decoder: &Decoder, optimiser: &mut AdamW) -> Result<Option<State>> {
    let (plain, tensors) = files(folder);
    let bytes = match std::fs::read(&plain) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(FileError::io("read", &plain))?,
    };
    let mismatch = |key: &str, found: String, expected: String| {
        Err(Error::Mismatch { place: format!("{}, {key}", plain.display()), found, expected })
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(FileError::format(&plain))?;
    if value["format"] != FORMAT {
        return mismatch("format", value["format"].to_string(), FORMAT.to_string());
    }
    let state: State = serde_json::from_value(value).map_err(FileError::format(&plain))?;
    if let Some((key, found, expected)) = difference("settings", &state.settings, settings) {
        let remedy = format!("{expected} (put it back, or remove {} to train anew)", folder.display());
        return mismatch(&key, found, remedy);
    }
    if hash(&tensors)? != state.tensors {
        return mismatch("tensors", "another state.safetensors beside it".into(), "the one written with it".into());
    }
    let stored = parameters::load(&tensors, &Device::Cpu)?;
    for (name, var) in decoder.parameters.iter() {
        let key = format!("value.{name}");
        match stored.get(&key) {
            Some(value) if value.dims() == var.dims() => var.set(&value.to_device(var.device())?)?,
            other => {
                let found = other.map_or("nothing".to_owned(), |value| format!("shape {:?}", value.dims()));
                return mismatch(&key, found, format!("shape {:?}", var.dims()));
            }
        }
    }
    optimiser.restore(&stored, state.step)?;
    Ok(Some(state))
}

/// The first place where two settings differ, as `settings.model.layers`, with both values.
fn difference(place: &str, found: &Value, expected: &Value) -> Option<(String, String, String)> {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let side = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                difference(&format!("{place}.{key}"), &side(a), &side(b))
            })
        }
        _ if found == expected => None,
        _ => Some((place.to_owned(), found.to_string(), expected.to_string())),
    }
}

fn hash(path: &Path) -> Result<u64> {
    let bytes = std::fs::read(path).map_err(FileError::io("read", path))?;
    Ok(xxhash_rust::xxh3::xxh3_64(&bytes))
}
