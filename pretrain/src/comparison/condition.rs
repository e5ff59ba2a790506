//! A mixture and how long it is trained: what "equal" means.

use super::{Comparison, Mixture};
use crate::schedule::Schedule;
use crate::stage::Settings;
use crate::train::TrainSettings;
use serde::{Deserialize, Serialize};

/// What is equal between the studied language alone and in a mixture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Equal {
    /// The windows of the studied language: a mixture is trained for more steps, by 1 / `share`. What does other text add?
    #[default]
    Own,
    /// The steps: alone, the studied language is read more often, by 1 / `share`. Is the time better spent on other text?
    Total,
    /// Both: the studied language alone is trained twice, the second time as `NAME-longer`.
    Both,
}

/// Added to the name of a mixture that is trained for as many steps as the others too.
pub const LONGER: &str = "-longer";

/// A model of the comparison, but for its seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Name of its folder.
    pub name: String,
    /// What it reads.
    pub mixture: Mixture,
    /// Optimiser steps.
    pub steps: u64,
}

impl Comparison {
    /// All conditions, where the studied language alone takes `own_steps` for the passes that were asked for.
    pub fn conditions(&self, own_steps: u64) -> Vec<Condition> {
        let total = (own_steps as f64 / self.share).round() as u64;
        let mut all = Vec::new();
        for (name, languages) in &self.mixtures {
            let mixture = self.mixture(languages);
            let mut add = |name: &str, steps| {
                all.push(Condition { name: name.to_owned(), mixture: mixture.clone(), steps });
            };
            match (*languages == [self.language], self.equal) {
                (true, Equal::Own) => add(name, own_steps),
                (true, Equal::Both) => {
                    add(name, own_steps);
                    add(&format!("{name}{LONGER}"), total);
                }
                (true, Equal::Total) | (false, _) => add(name, total),
            }
        }
        all
    }
}

impl Condition {
    /// The settings of one model. What counts steps is stretched with them, so that every window of the studied language
    /// comes at the same learning rate in all mixtures, and all are looked at equally often. No model stops early; each
    /// is its best look at the studied language's validation documents.
    pub fn settings(&self, base: &Settings, own_steps: u64, seed: u64) -> Settings {
        let stretched = |steps: u64| (steps as f64 * self.steps as f64 / own_steps as f64).round().max(1.0) as u64;
        let schedule = base.training.schedule;
        let warmup_steps = Some(stretched(schedule.warmup_over(own_steps)));
        let training = TrainSettings {
            seed,
            steps: Some(self.steps),
            patience: 0,
            samples: 0,
            evaluate_every: stretched(base.training.evaluate_every),
            schedule: Schedule { warmup_steps, ..schedule },
            ..base.training.clone()
        };
        Settings { training, mixture: Some(self.mixture.clone()), ..base.clone() }
    }

    /// Tokens of the studied language among the `tokens_a_step` of each step.
    pub fn studied_tokens(&self, tokens_a_step: u64) -> u64 {
        ((self.steps * tokens_a_step) as f64 * self.mixture.share) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tongues_languages::Tag;

    fn comparison(equal: Equal) -> Comparison {
        let tag = |text: &str| text.parse::<Tag>().unwrap();
        let (ltg, lvs) = (tag("ltg_Latn"), tag("lvs_Latn"));
        Comparison {
            language: ltg,
            mixtures: vec![("alone".into(), vec![ltg]), ("relatives".into(), vec![ltg, lvs])],
            seeds: vec![1],
            equal,
            share: 0.25,
            tokens_limit: None,
            other_tokens_limit: None,
        }
    }

    #[test]
    fn steps_follow_from_what_is_equal() {
        let steps = |equal| -> Vec<(String, u64)> {
            comparison(equal).conditions(100).into_iter().map(|one| (one.name, one.steps)).collect()
        };
        let [alone, longer, relatives] = [("alone", 100), ("alone-longer", 400), ("relatives", 400)];
        let named =
            |all: &[(&str, u64)]| all.iter().map(|(name, steps)| ((*name).to_owned(), *steps)).collect::<Vec<_>>();
        assert_eq!(steps(Equal::Own), named(&[alone, relatives]));
        assert_eq!(steps(Equal::Total), named(&[("alone", 400), relatives]));
        assert_eq!(steps(Equal::Both), named(&[alone, longer, relatives]));
    }

    #[test]
    fn a_window_of_the_studied_language_comes_at_the_same_rate_in_all_mixtures() {
        let conditions = comparison(Equal::Own).conditions(1000);
        for warmup_steps in [None, Some(150)] {
            let mut base = Settings::default();
            base.training.schedule.warmup_steps = warmup_steps;
            let [alone, relatives] = [0, 1].map(|at| conditions[at].settings(&base, 1000, 3).training);
            assert_eq!((alone.seed, alone.steps, alone.evaluate_every), (3, Some(1000), base.training.evaluate_every));
            for step in [1, 50, 100, 500, 1000] {
                let rates = [alone.schedule.at(step, 1000), relatives.schedule.at(4 * step, 4000)];
                assert!((rates[0] / rates[1] - 1.0).abs() < 1e-9, "step {step}: {rates:?}");
            }
        }
        assert_eq!((conditions[0].studied_tokens(8), conditions[1].studied_tokens(8)), (8000, 8000));
    }
}
