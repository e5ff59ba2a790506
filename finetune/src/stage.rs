//! A task from its files to `classifier/NAME/`: results of all methods, predictions, the best model, the manifest.
//!
//! Done is done: the same settings, task files and pretrained model give the results that are there. Interrupted, it
//! goes on after the last seed that was finished.

mod runs;

use crate::baselines::{self, BaselineSettings};
use crate::classifier::{ClassifierSettings, Pretrained};
use crate::error::{Error, Result};
use crate::results::{self, Results};
use crate::task::{Task, TaskSettings};
use candle_core::Device;
use runs::Runs;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use tongues_pipeline::io::manifest::{FileRecord, Manifest, record};
use tongues_pipeline::progress::Progress;

/// Version of the folder's format.
pub const FORMAT: u32 = 1;
/// Folder of the best pretrained classifier.
const MODEL: &str = "model";
/// Folder of what is finished of an interrupted stage.
const UNITS: &str = "units";
const PREDICTIONS: &str = "predictions.jsonl";

/// Settings of all methods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinetuneSettings {
    /// Majority class and character n-grams.
    pub baselines: BaselineSettings,
    /// The model with a head, pretrained and from random weights.
    pub classifier: ClassifierSettings,
}

impl From<ClassifierSettings> for FinetuneSettings {
    /// Baselines that learn from the same examples: the same draws by the same seeds.
    fn from(classifier: ClassifierSettings) -> FinetuneSettings {
        let (labels_per_class, seeds) = (classifier.labels_per_class, classifier.seeds.clone());
        FinetuneSettings { baselines: BaselineSettings { labels_per_class, seeds, ..Default::default() }, classifier }
    }
}

/// Runs every method on `task` and writes `folder`. `model` is the `model/` of a pretraining stage; without it there are
/// only the baselines.
///
/// # Errors
/// Task files or a model that cannot be used, settings that cannot work,
/// [`tongues_pipeline::Error::Interrupted`] when asked to stop.
pub fn run(
    task: &TaskSettings,
    settings: &FinetuneSettings,
    model: Option<&Path>,
    folder: &Path,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Results> {
    settings.classifier.check()?;
    let inputs = inputs(task, model)?;
    // Paths stay out of the key: the hashes of the files say what they are.
    let value = json!({
        "name": task.name, "language": task.language, "validation": task.validation.is_some(),
        "text_column": task.text_column, "label_column": task.label_column, "finetune": settings,
    });
    let key = Manifest::key_of("classifier", FORMAT, &value, &inputs);
    if Manifest::done(folder, &key)?.is_some() {
        return Results::read(folder);
    }
    let task = Task::load(task)?;
    Manifest::withdraw(folder)?;
    let mut counts = json!({
        "train": task.train.len(), "validation": task.validation.len(), "test": task.test.len(),
        "irregular": { "train": task.irregular[0], "validation": task.irregular[1], "test": task.irregular[2] },
    });
    let mut methods = baselines::run(&task, &settings.baselines)?;
    let mut outputs = vec!["results.json".to_owned()];
    match model {
        None => clear(folder)?,
        Some(model) => {
            let pretrained = Pretrained::load(model, device)?;
            let runs = Runs::new(&task, &settings.classifier, &pretrained, folder, &key);
            if runs.nothing_done() {
                clear(folder)?;
            }
            let done = runs.run(device, progress)?;
            results::write_predictions(folder, &task.labels, &task.test, &done.probabilities)?;
            methods.extend(done.methods);
            counts["classifier"] = done.counts;
            outputs.push(PREDICTIONS.to_owned());
            let files = ["classifier.json", "config.json", "model.safetensors", pretrained.tokenizer.file_name()];
            outputs.extend(files.map(|name| format!("{MODEL}/{name}")));
        }
    }
    let results = Results::new(&task, methods);
    results.write(folder)?;
    outputs.sort();
    let outputs: Vec<FileRecord> =
        outputs.iter().map(|name| Ok(record(&folder.join(name), name)?)).collect::<Result<_>>()?;
    remove(&folder.join(UNITS))?;
    Manifest { stage: "classifier".into(), format: FORMAT, key, settings: value, inputs, counts, outputs }
        .write(folder)?;
    Ok(results)
}

/// Train, validation and test file, then the files of the model.
fn inputs(task: &TaskSettings, model: Option<&Path>) -> Result<Vec<FileRecord>> {
    let files = [Some(&task.train), task.validation.as_ref(), Some(&task.test)];
    let mut inputs: Vec<FileRecord> =
        files.into_iter().flatten().map(|path| Ok(record(path, &path.to_string_lossy())?)).collect::<Result<_>>()?;
    if let Some(model) = model {
        inputs.extend(Pretrained::records(model)?);
    }
    Ok(inputs)
}

/// Removes what another run with other settings left.
fn clear(folder: &Path) -> Result<()> {
    for name in [UNITS, MODEL, PREDICTIONS] {
        remove(&folder.join(name))?;
    }
    Ok(())
}

fn remove(path: &PathBuf) -> Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
