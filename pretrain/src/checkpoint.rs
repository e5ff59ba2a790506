//! Checkpoints. `training/step-00000012/` is a model by itself and holds what the optimiser remembers;
//! `training/state.json`, written last, vouches for one of these folders: an exact resume. A kill between the two leaves
//! the folder before, and the state that belongs to it.

use crate::average::{Average, Averaging};
use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::models::{Model, State as Carried};
use crate::optimiser::Optimiser;
use crate::parameters::{self, Stored};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;

/// Version of what is written.
pub const FORMAT: u32 = 3;

/// The weights; with `config.json` beside them, a model.
const MODEL: &str = "model.safetensors";
/// What optimiser, average and a model that carries a state remember.
const OPTIMISER: &str = "optimiser.safetensors";
/// What the names of the model's state begin with there.
const CARRIED: &str = "state.";

/// What must survive beside tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Version of this file and of the folder it vouches for.
    pub format: u32,
    /// Everything the run depends on: model, training settings, what the tokens are. Going on with other ones would be
    /// neither the old run nor the new.
    pub settings: Value,
    /// Steps done, the skipped ones with them; with the seed, the place in the data.
    pub step: u64,
    /// Steps the optimiser has taken.
    pub optimiser_steps: u64,
    /// The best held-out figure so far: bits per byte, or an encoder's masked loss.
    pub best: Option<f64>,
    /// Evaluations since then.
    pub without_improvement: u32,
    /// What tells a loss that jumps.
    pub guard: Guard,
    /// What the average of the weights has seen.
    pub averaging: Averaging,
    /// XXH3 of `model.safetensors` and `optimiser.safetensors` of the step's folder.
    pub tensors: [u64; 2],
}

impl State {
    /// Before the first step.
    pub fn new(settings: Value) -> State {
        State {
            format: FORMAT,
            settings,
            step: 0,
            optimiser_steps: 0,
            best: None,
            without_improvement: 0,
            guard: Guard::default(),
            averaging: Averaging::default(),
            tensors: [0; 2],
        }
    }
}

fn state_file(folder: &Path) -> PathBuf {
    folder.join("training/state.json")
}

/// The folder of the checkpoint after `step`.
pub fn step_folder(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("training/step-{step:08}"))
}

/// Writes the step's folder, then the file that vouches for it. Of the folders before, those of every `keep_every`-th
/// step stay as models (0: none); the others go.
pub fn save(
    folder: &Path,
    mut state: State,
    keep_every: u64,
    model: &dyn Model,
    optimiser: &Optimiser,
    average: &Average,
    carried: &Carried,
) -> Result<()> {
    let here = step_folder(folder, state.step);
    model.save(&here)?;
    let mut remembered = optimiser.state();
    remembered.extend(average.state().into_iter().map(|(name, values)| (name, Stored::Tensor(values))));
    let named = carried.iter().map(|(name, values)| (format!("{CARRIED}{name}"), Stored::Tensor(values.clone())));
    remembered.extend(named);
    parameters::write(&remembered, &here.join(OPTIMISER))?;
    state.tensors = [hash(&here.join(MODEL))?, hash(&here.join(OPTIMISER))?];
    state.optimiser_steps = optimiser.steps();
    state.averaging = average.plain().clone();
    let bytes = serde_json::to_vec_pretty(&state).expect("a state is plain data");
    atomic::write(&state_file(folder), &bytes)?;
    for (step, path) in steps(folder)?.into_iter().filter(|(step, _)| *step != state.step) {
        let (kept, spent) = (keep_every > 0 && step.is_multiple_of(keep_every), path.join(OPTIMISER));
        if !kept {
            std::fs::remove_dir_all(&path).map_err(FileError::io("remove", &path))?;
        } else if spent.exists() {
            std::fs::remove_file(&spent).map_err(FileError::io("remove", &spent))?;
        }
    }
    Ok(())
}

/// The folders of checkpoints that are there, with their steps.
fn steps(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let training = folder.join("training");
    let entries = std::fs::read_dir(&training).map_err(FileError::io("read", &training))?;
    let named = entries.flatten().filter_map(|entry| {
        let step = entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok()?;
        Some((step, entry.path()))
    });
    Ok(named.collect())
}

/// Restores weights, optimiser, average and the model's state; `None` where there is no checkpoint. Refuses one of another version, of other
/// settings or other shapes, by the name of what differs.
pub fn load(
    folder: &Path,
    settings: &Value,
    model: &dyn Model,
    optimiser: &mut Optimiser,
    average: &mut Average,
    carried: &mut Carried,
) -> Result<Option<State>> {
    let plain = state_file(folder);
    let bytes = match std::fs::read(&plain) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(FileError::io("read", &plain))?,
    };
    let anew = format!("put it back, or remove {} to train anew", folder.display());
    let mismatch = |place: &Path, key: &str, found: String, expected: String| {
        Err(Error::Mismatch { place: format!("{}, {key}", place.display()), found, expected })
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(FileError::format(&plain))?;
    if value["format"] != FORMAT {
        let remedy = format!("{FORMAT} (remove {} to train anew)", folder.display());
        return mismatch(&plain, "format", value["format"].to_string(), remedy);
    }
    let state: State = serde_json::from_value(value).map_err(FileError::format(&plain))?;
    if let Some((key, found, expected)) = difference("settings", &state.settings, settings) {
        return mismatch(&plain, &key, found, format!("{expected} ({anew})"));
    }
    let here = step_folder(folder, state.step);
    for (name, expected) in [MODEL, OPTIMISER].into_iter().zip(state.tensors) {
        if hash(&here.join(name))? != expected {
            return mismatch(
                &here,
                name,
                "another file".into(),
                format!("the one state.json was written for ({anew})"),
            );
        }
    }
    model.parameters().load_values(&here.join(MODEL), model.device())?;
    let mut remembered = parameters::load(&here.join(OPTIMISER), &Device::Cpu)?;
    optimiser.restore(&mut remembered, state.optimiser_steps)?;
    average.restore(&remembered, state.averaging.clone())?;
    let named = remembered.iter().filter_map(|(name, values)| Some((name.strip_prefix(CARRIED)?.to_owned(), values)));
    *carried = named.map(|(name, values)| Ok((name, values.to_device(model.device())?))).collect::<Result<_>>()?;
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
    let mut file = File::open(path).map_err(FileError::io("read", path))?;
    let (mut hasher, mut block) = (xxhash_rust::xxh3::Xxh3::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut block).map_err(FileError::io("read", path))? {
            0 => return Ok(hasher.digest()),
            bytes => hasher.update(&block[..bytes]),
        }
    }
}
