//! An interrupted training on disk: `training/state.safetensors` (weights and moments) and `training/state.json`, an exact resume.

use crate::error::{Error, Result};
use crate::models::decoder::{Decoder, DecoderConfig};
use crate::optimiser::AdamW;
use crate::parameters;
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;

/// What must survive beside tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Optimiser steps done; with the seed, the place in the data.
    pub step: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Sizes of the model.
    pub model: DecoderConfig,
    /// The best held-out bits per byte so far.
    pub best: Option<f64>,
    /// Evaluations since then.
    pub without_improvement: u32,
    /// XXH3 of the tensors that belong to this file.
    pub tensors: u64,
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

/// Restores weights and moments; `None` where there is no checkpoint. Refuses another seed, vocabulary or shape by name.
pub fn load(folder: &Path, seed: u64, decoder: &Decoder, optimiser: &mut AdamW) -> Result<Option<State>> {
    let (plain, tensors) = files(folder);
    let bytes = match std::fs::read(&plain) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(FileError::io("read", &plain))?,
    };
    let state: State = serde_json::from_slice(&bytes).map_err(FileError::format(&plain))?;
    let mismatch = |key: &str, found: String, expected: String| {
        Err(Error::Mismatch { place: format!("{}, {key}", plain.display()), found, expected })
    };
    if state.model.vocabulary_size != decoder.config.vocabulary_size {
        let expected = decoder.config.vocabulary_size.to_string();
        return mismatch("vocabulary_size", state.model.vocabulary_size.to_string(), expected);
    }
    if state.model != decoder.config {
        return mismatch("model", format!("{:?}", state.model), format!("{:?}", decoder.config));
    }
    if state.seed != seed {
        return mismatch("seed", state.seed.to_string(), seed.to_string());
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

fn hash(path: &Path) -> Result<u64> {
    let bytes = std::fs::read(path).map_err(FileError::io("read", path))?;
    Ok(xxhash_rust::xxh3::xxh3_64(&bytes))
}
