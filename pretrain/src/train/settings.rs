//! How a model is trained: the section `[training]` of a recipe.

use crate::average::Policy;
use crate::batch::LanguagePer;
use crate::error::{Error, Result};
use crate::guard::GuardSettings;
use crate::optimiser::{OptimiserSettings, Rule};
use crate::optional;
use crate::precision::Precision;
use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sequences of 512 tokens in a batch for a corpus of at most so many bytes: 4, 8 and 32 are what Goldfish takes for 5, 10
/// and 100 MB (Chang et al. 2024, table 4), since a larger batch overfits a small corpus; the bounds here lie half-way
/// between its sizes, by their logarithms.
const SEQUENCES: [(u64, usize); 3] = [(7_000_000, 4), (32_000_000, 8), (316_000_000, 32)];

/// The same for a larger corpus; Goldfish's largest has 1 GB.
const LARGEST: usize = 64;

/// Windows that a row of a recurrent model's batch reads in succession where nothing else is asked for: some thousand
/// tokens, more than most documents of a small corpus, and still turns often enough for several languages.
const CARRIED_WINDOWS: usize = 32;

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainSettings {
    /// Seed of initial values, batches and dropout.
    pub seed: u64,
    /// Passes over as many tokens as there are; more than ten overfit a small corpus (Goldfish, Chang et al. 2024, table 4),
    /// and `patience` ends it earlier where fewer are enough.
    pub epochs: f64,
    /// Optimiser steps, in place of `epochs`.
    #[serde(deserialize_with = "optional::number")]
    pub steps: Option<u64>,
    /// Windows in one backward pass; 0: by the size of the corpus, see [`TrainSettings::for_corpus`].
    pub batch_size: usize,
    /// Backward passes for one step.
    pub accumulation: usize,
    /// Whether a token sees only its own document of those that are packed into a window; if not, the others too, as in
    /// GPT and RoBERTa.
    pub separate_documents: bool,
    /// Numbers of the matrix products in a step; what is measured on the way is measured in f32.
    pub precision: Precision,
    /// Whether each block runs again in the backward pass, in place of keeping what it computed: less memory, a quarter
    /// slower, the same to the bit (Chen et al. 2016).
    pub recompute: bool,
    /// Power of a language's tokens in its share of the batches: 1 as they come, 0 all alike.
    pub alpha: f64,
    /// Whether each row of a batch has a language of its own, or all have one.
    pub language_per: LanguagePer,
    /// Windows of one text that a row reads in succession before it goes elsewhere; none: 32 of a model that carries its
    /// state from one to the next, else 1.
    pub consecutive: Option<usize>,
    /// The learning rate.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// The optimiser.
    #[serde(flatten)]
    pub optimiser: OptimiserSettings,
    /// The gradient's global norm is cut to this; none, `"off"` in a recipe: as it is.
    #[serde(deserialize_with = "optional::number")]
    pub clip: Option<f64>,
    /// Decay of the exponential average of the weights that is evaluated and kept, near 1; 0: the weights themselves.
    pub average: f64,
    /// `nt_asgd`: the looks that are given a chance before averaging begins; n of algorithm 1, 5 as in the paper.
    pub average_patience: u32,
    /// Which steps are skipped.
    #[serde(flatten)]
    pub guard: GuardSettings,
    /// Steps between two looks at the held-out documents.
    pub evaluate_every: u64,
    /// Held-out documents of each language to look at.
    pub evaluate_documents: usize,
    /// Held-out documents of each language whose beginnings are gone on with at a look, for people to read; 0: none.
    pub samples: usize,
    /// Tokens of each of these at most.
    pub sample_tokens: usize,
    /// Looks without improvement before training stops; 0: never. `nt_asgd` does not count those before it averages.
    pub patience: u32,
    /// Steps between two checkpoints.
    pub save_every: u64,
    /// Steps between two checkpoints that are kept as models; 0: only the last and the best are.
    pub keep_every: u64,
}

impl Default for TrainSettings {
    fn default() -> TrainSettings {
        TrainSettings {
            seed: 1,
            epochs: 10.0,
            steps: None,
            batch_size: 0,
            accumulation: 1,
            separate_documents: false,
            precision: Precision::F32,
            recompute: false,
            alpha: 0.5,
            language_per: LanguagePer::Row,
            consecutive: None,
            schedule: Schedule::default(),
            optimiser: OptimiserSettings::default(),
            clip: Some(1.0),
            average: 0.0,
            average_patience: 5,
            guard: GuardSettings::default(),
            evaluate_every: 100,
            evaluate_documents: 64,
            samples: 1,
            sample_tokens: 32,
            patience: 5,
            save_every: 100,
            keep_every: 0,
        }
    }
}

impl TrainSettings {
    /// Refuses what cannot work, all faults together.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            ("accumulation", self.accumulation as u64),
            ("evaluate_every", self.evaluate_every),
            ("save_every", self.save_every),
            ("steps", self.steps.unwrap_or(1)),
            ("spike_steps", self.guard.spike_steps),
            ("sample_tokens", self.sample_tokens as u64),
            ("consecutive", self.consecutive.unwrap_or(1) as u64),
        ];
        let mut faults: Vec<String> =
            sizes.iter().filter(|(_, n)| *n == 0).map(|(name, _)| format!("{name} is 0; expected 1 or more")).collect();
        let above = [("epochs", Some(self.epochs)), ("clip", self.clip)];
        for (name, value) in above {
            if let Some(value) = value.filter(|value| !(value.is_finite() && *value > 0.0)) {
                faults.push(format!("{name} is {value}; expected more than 0"));
            }
        }
        faults.extend(self.schedule.faults());
        faults.extend(self.optimiser.faults(self.schedule.learning_rate));
        if !(0.0..=1.0).contains(&self.alpha) {
            faults.push(format!("alpha is {}; expected 0 to 1", self.alpha));
        }
        if !(0.0..1.0).contains(&self.average) {
            faults.push(format!("average is {}; expected 0 or more, below 1", self.average));
        }
        if self.average > 0.0 && self.optimiser.rule == Rule::NtAsgd {
            faults.push(format!(
                "average is {} with optimiser nt_asgd, which averages by itself; expected 0",
                self.average
            ));
        }
        if self.guard.spike_deviations.is_nan() || self.guard.spike_deviations < 0.0 {
            faults.push(format!("spike_deviations is {}; expected 0 or more", self.guard.spike_deviations));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Settings(format!("training: {}", faults.join("; ")))) }
    }

    /// The same with a batch that suits `bytes` of training text, where none is asked for: as many windows of `window`
    /// tokens as have the tokens of [`SEQUENCES`].
    pub fn for_corpus(&self, bytes: u64, window: usize) -> TrainSettings {
        let mut settings = self.clone();
        if settings.batch_size == 0 {
            let sequences = SEQUENCES.iter().find(|(most, _)| bytes <= *most).map_or(LARGEST, |(_, count)| *count);
            settings.batch_size = (512 * sequences / (window * self.accumulation.max(1))).max(1);
        }
        settings
    }

    /// All that the result depends on, as plain data; not whether it is computed in one way or another.
    pub fn of_result(&self) -> Value {
        let mut value = serde_json::to_value(self).expect("settings are plain data");
        value.as_object_mut().expect("a struct").remove("recompute");
        value
    }

    /// Optimiser steps over `tokens` training tokens with windows of `window` tokens.
    pub fn steps_over(&self, tokens: u64, window: usize) -> u64 {
        let at_once = (self.batch_size * self.accumulation * window) as f64;
        self.steps.unwrap_or_else(|| (self.epochs * tokens as f64 / at_once).ceil().max(1.0) as u64)
    }

    /// Windows that a row reads in succession, of a model that carries its state or does not.
    pub fn consecutive_windows(&self, carries_state: bool) -> usize {
        self.consecutive.unwrap_or(if carries_state { CARRIED_WINDOWS } else { 1 })
    }

    /// Which average of the weights is evaluated.
    pub fn averaging(&self) -> Policy {
        match self.optimiser.rule {
            Rule::NtAsgd => Policy::NonMonotone(self.average_patience as usize),
            _ if self.average > 0.0 => Policy::Exponential(self.average),
            _ => Policy::Off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_from_epochs_and_faults_come_together() {
        let settings = TrainSettings { epochs: 2.0, batch_size: 4, accumulation: 2, ..Default::default() };
        assert_eq!(settings.steps_over(1001, 16), 16); // 2 · 1001 / (4 · 2 · 16) = 15.6
        assert_eq!(TrainSettings { steps: Some(3), ..settings.clone() }.steps_over(1001, 16), 3);
        assert_eq!([true, false].map(|carries| settings.consecutive_windows(carries)), [32, 1]);
        assert_eq!(TrainSettings { consecutive: Some(5), ..settings.clone() }.consecutive_windows(false), 5);
        let wrong = TrainSettings { accumulation: 0, alpha: 2.0, average: 1.0, clip: Some(0.0), ..settings.clone() };
        let message = wrong.check().unwrap_err().to_string();
        for part in ["accumulation is 0", "alpha is 2", "average is 1", "clip is 0"] {
            assert!(message.contains(part), "{message}");
        }
        // 4 · 512 tokens in windows of 128; a quarter as many with four passes a step; 64 · 512 for a gigabyte.
        let by_size = |accumulation, bytes| TrainSettings { accumulation, ..Default::default() }.for_corpus(bytes, 128);
        assert_eq!((by_size(1, 5_000_000).batch_size, by_size(4, 5_000_000).batch_size), (16, 4));
        assert_eq!((by_size(1, 100_000_000).batch_size, by_size(1, 1_000_000_000).batch_size), (128, 256));
        assert_eq!(by_size(100, 1).batch_size, 1);
        assert_eq!(settings.for_corpus(1, 128), settings);
        let wrong = r#"{"optimiser":"nt_asgd","average":0.9,"weight_decay":2000,"spike_deviations":-1}"#;
        let message = serde_json::from_str::<TrainSettings>(wrong).unwrap().check().unwrap_err().to_string();
        for part in ["averages by itself", "weight_decay is 2000", "spike_deviations is -1"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
