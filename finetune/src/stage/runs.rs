//! Every seed of the pretrained network and of the one from random weights. A finished seed is a file in `units/`.

use super::{MODEL, UNITS};
use crate::classifier::training::{self, Course, Labelled, Validation};
use crate::classifier::{self, Card, Classifier, ClassifierSettings, Network, Pretrained};
use crate::error::Result;
use crate::metrics::Scores;
use crate::results::{Method, MethodResult};
use crate::task::{Example, Task};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tongues_languages::Tag;
use tongues_pipeline::io::atomic;
use tongues_pipeline::progress::Progress;
use tongues_pretrain::models;

/// One seed of one method, finished.
#[derive(Debug, Serialize, Deserialize)]
struct Unit {
    /// Of the stage: a unit of other settings or inputs does not count.
    key: String,
    method: Method,
    seed: u64,
    labels_used: usize,
    /// Every epoch.
    history: Vec<Validation>,
    /// Of the test set.
    probabilities: Vec<Vec<f32>>,
}

impl Unit {
    fn best(&self) -> Option<Validation> {
        self.history.iter().copied().reduce(|best, now| if now.is_better_than(&best) { now } else { best })
    }

    /// For the manifest.
    fn told(&self) -> Value {
        json!({ "seed": self.seed, "best": self.best(), "validation": self.history })
    }
}

/// On the validation set; without one the first seed stays the best.
fn is_better(unit: &Unit, other: &Unit) -> bool {
    match (unit.best(), other.best()) {
        (Some(unit), Some(other)) => unit.is_better_than(&other),
        _ => false,
    }
}

/// What came of it.
pub struct Done {
    /// From scratch, then pretrained.
    pub methods: Vec<MethodResult>,
    /// Of the test set, by the best pretrained seed on the validation set.
    pub probabilities: Vec<Vec<f32>>,
    /// For the manifest.
    pub counts: Value,
}

/// A task, made into ids, and where its units go.
pub struct Runs<'a> {
    task: &'a Task,
    settings: &'a ClassifierSettings,
    pretrained: &'a Pretrained,
    folder: &'a Path,
    key: &'a str,
    maximum_tokens: usize,
    validation: Labelled,
    test: Labelled,
}

impl<'a> Runs<'a> {
    /// Encodes validation and test set.
    pub fn new(
        task: &'a Task,
        settings: &'a ClassifierSettings,
        pretrained: &'a Pretrained,
        folder: &'a Path,
        key: &'a str,
    ) -> Runs<'a> {
        let context = pretrained.model.config().context_length();
        let maximum_tokens = context.map_or(settings.maximum_tokens, |context| settings.maximum_tokens.min(context));
        let [validation, test] = [&task.validation, &task.test]
            .map(|examples| labelled(examples, task.language, pretrained, maximum_tokens));
        Runs { task, settings, pretrained, folder, key, maximum_tokens, validation, test }
    }

    /// Whether no unit of this key is on disk.
    pub fn nothing_done(&self) -> bool {
        let methods = [Method::Pretrained, Method::FromScratch];
        let mut all = methods.iter().flat_map(|&method| self.settings.seeds.iter().map(move |&seed| (method, seed)));
        all.all(|(method, seed)| self.finished(method, seed).is_none())
    }

    /// Runs what is not finished. The best pretrained seed so far is always in `model/`.
    pub fn run(&self, device: &Device, progress: &dyn Progress) -> Result<Done> {
        let (mut pretrained, mut best): (Vec<Unit>, usize) = (Vec::new(), 0);
        for &seed in &self.settings.seeds {
            let (unit, network) = self.unit(Method::Pretrained, seed, device, progress)?;
            let better = pretrained.get(best).is_none_or(|best| is_better(&unit, best));
            if let Some(network) = network {
                if better {
                    self.classifier(network, &unit)?.save(&self.folder.join(MODEL))?;
                }
                // After the model: a unit on disk vouches for it.
                self.finish(&unit)?;
            }
            if better {
                best = pretrained.len();
            }
            pretrained.push(unit);
        }
        let mut from_scratch = Vec::new();
        for &seed in &self.settings.seeds {
            let (unit, network) = self.unit(Method::FromScratch, seed, device, progress)?;
            if network.is_some() {
                self.finish(&unit)?;
            }
            from_scratch.push(unit);
        }
        let methods = vec![self.method(&from_scratch), self.method(&pretrained)];
        let at_maximum = |set: &Labelled| set.texts.iter().filter(|ids| ids.len() == self.maximum_tokens).count();
        let counts = json!({
            "vocabulary_sha256": self.pretrained.tokenizer.sha256(),
            "parameters": self.pretrained.model.parameters().count(),
            "maximum_tokens": self.maximum_tokens,
            "texts_of_maximum_tokens": {
                "train": at_maximum(&self.labelled(&self.task.train)),
                "validation": at_maximum(&self.validation), "test": at_maximum(&self.test),
            },
            "best_seed": pretrained[best].seed,
            "from_scratch": from_scratch.iter().map(Unit::told).collect::<Vec<_>>(),
            "pretrained": pretrained.iter().map(Unit::told).collect::<Vec<_>>(),
        });
        Ok(Done { methods, probabilities: pretrained.swap_remove(best).probabilities, counts })
    }

    fn method(&self, units: &[Unit]) -> MethodResult {
        let seeds: Vec<u64> = units.iter().map(|unit| unit.seed).collect();
        let scores: Vec<Scores> =
            units.iter().map(|unit| training::scores(&self.test.labels, &unit.probabilities)).collect();
        MethodResult::new(units[0].method, units[0].labels_used, &seeds, &scores)
    }

    /// One seed: from disk, or trained now, and then with its network.
    fn unit(
        &self,
        method: Method,
        seed: u64,
        device: &Device,
        progress: &dyn Progress,
    ) -> Result<(Unit, Option<Network>)> {
        if let Some(unit) = self.finished(method, seed) {
            return Ok((unit, None));
        }
        let ClassifierSettings { labels_per_class, dropout, .. } = *self.settings;
        let drawn = labels_per_class.map(|per_class| self.task.draw(per_class, seed));
        let examples: &[Example] = drawn.as_deref().unwrap_or(&self.task.train);
        let train = self.labelled(examples);
        let (labels, base) = (self.task.labels.len(), &*self.pretrained.model);
        let (course, name, network) = if method == Method::Pretrained {
            let (epochs, learning_rate) = (self.settings.epochs, self.settings.learning_rate);
            let network = Network::new(base, labels, dropout, seed)?;
            (Course { epochs, learning_rate, seed }, "pretrained", network)
        } else {
            let (epochs, learning_rate) = (self.settings.from_scratch_epochs, self.settings.from_scratch_learning_rate);
            let network = Network::new(&*models::new(&base.config(), seed, device)?, labels, dropout, seed)?;
            (Course { epochs, learning_rate, seed }, "from scratch", network)
        };
        let steps = training::steps(train.texts.len(), self.settings, course);
        progress.begin(&format!("fine-tuning {} {name} seed {seed}", self.task.name), Some(steps), "steps");
        let history = training::train(&network, &train, &self.validation, self.settings, course, progress);
        progress.end();
        let unit = Unit {
            key: self.key.to_owned(),
            method,
            seed,
            labels_used: train.texts.len(),
            history: history?,
            probabilities: network.probabilities(&self.test.texts)?,
        };
        Ok((unit, Some(network)))
    }

    fn path(&self, method: Method, seed: u64) -> PathBuf {
        let method = serde_json::to_value(method).expect("a method is plain data");
        self.folder.join(UNITS).join(format!("{}-{seed}.json", method.as_str().unwrap_or_default()))
    }

    /// A unit that cannot be read is one that is not there: it is run again.
    fn finished(&self, method: Method, seed: u64) -> Option<Unit> {
        let bytes = std::fs::read(self.path(method, seed)).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|unit: &Unit| unit.key == self.key)
    }

    fn finish(&self, unit: &Unit) -> Result<()> {
        let bytes = serde_json::to_vec(unit).expect("a unit is plain data");
        Ok(atomic::write(&self.path(unit.method, unit.seed), &bytes)?)
    }

    fn labelled(&self, examples: &[Example]) -> Labelled {
        labelled(examples, self.task.language, self.pretrained, self.maximum_tokens)
    }

    fn classifier(&self, network: Network, unit: &Unit) -> Result<Classifier> {
        let best = unit.best();
        let card = Card {
            format: classifier::FORMAT,
            task: self.task.name.clone(),
            language: self.task.language,
            labels: self.task.labels.clone(),
            pooling: network.pooling().name().to_owned(),
            maximum_tokens: self.maximum_tokens,
            seed: unit.seed,
            vocabulary_sha256: self.pretrained.tokenizer.sha256().to_owned(),
            validation_accuracy: best.map(|best| best.accuracy),
            validation_macro_f1: best.map(|best| best.macro_f1),
        };
        Classifier::new(network, Arc::clone(&self.pretrained.tokenizer), card)
    }
}

fn labelled(examples: &[Example], language: Tag, pretrained: &Pretrained, maximum_tokens: usize) -> Labelled {
    let ids = |example: &Example| pretrained.tokenizer.encode(&example.text, language, maximum_tokens);
    Labelled {
        texts: examples.iter().map(ids).collect(),
        labels: examples.iter().map(|example| example.label).collect(),
    }
}
