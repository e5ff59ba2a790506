//! Optimisers with their state in the open: what has to survive a restart is a tensor with a name.
//!
//! Every file is one idea: [`adamw`], [`sgd`] and [`muon`] are the rules, [`slots`] what they remember of a parameter,
//! [`gradients`] what they are given, [`rates`] how fast each parameter goes, [`kinds`] which parameters are alike.
//! NT-ASGD is plain SGD whose weights are averaged from some step on (`crate::average`).

pub mod adamw;
pub mod gradients;
pub mod kinds;
pub mod muon;
pub mod rates;
pub mod sgd;
mod slots;

pub(crate) use slots::in_place;

pub use adamw::{AdamW, AdamWSettings};
pub use gradients::Gradients;
pub use kinds::decays;
pub use rates::Rates;

use crate::error::Result;
use crate::parameters::{Parameters, Stored};
use candle_core::Tensor;
use muon::Muon;
use serde::{Deserialize, Serialize};
use sgd::Sgd;
use std::collections::BTreeMap;

/// Elements one task handles.
const CHUNK: usize = 1 << 14;

/// The rule by which a gradient becomes a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// AdamW (Loshchilov and Hutter 2019).
    #[default]
    #[serde(rename = "adamw")]
    AdamW,
    /// Gradient descent with momentum.
    Sgd,
    /// Muon for hidden matrices (Jordan et al. 2024), AdamW for the rest.
    Muon,
    /// Gradient descent without momentum; the weights are averaged once the held-out figure no longer falls (Merity,
    /// Keskar and Socher 2018, algorithm 1).
    NtAsgd,
}

/// A rule with its numbers. Each rule reads those it names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptimiserSettings {
    /// The rule.
    #[serde(rename = "optimiser")]
    pub rule: Rule,
    /// `adamw`, and `muon` but for hidden matrices.
    #[serde(flatten)]
    pub adamw: AdamWSettings,
    /// `sgd`, `muon`: the share of the last step's direction in this one; none: 0.9 and 0.95.
    pub momentum: Option<f64>,
}

impl Default for OptimiserSettings {
    fn default() -> OptimiserSettings {
        OptimiserSettings { rule: Rule::AdamW, adamw: AdamWSettings::default(), momentum: None }
    }
}

impl OptimiserSettings {
    /// What cannot work with rates up to `highest`, in words.
    pub fn faults(&self, highest: f64) -> Vec<String> {
        let mut faults = Vec::new();
        let shares =
            [("beta1", Some(self.adamw.beta1)), ("beta2", Some(self.adamw.beta2)), ("momentum", self.momentum)];
        for (name, share) in shares {
            if let Some(share) = share.filter(|share| !(0.0..1.0).contains(share)) {
                faults.push(format!("{name} is {share}; expected 0 or more, below 1"));
            }
        }
        let decay = self.adamw.weight_decay;
        if !(decay >= 0.0 && highest * decay < 1.0) {
            faults.push(format!(
                "weight_decay is {decay} at a learning_rate of {highest}; expected 0 or more, and their product below 1"
            ));
        }
        faults
    }
}

/// An optimiser of any rule.
#[derive(Debug, Clone)]
pub enum Optimiser {
    /// AdamW.
    AdamW(AdamW),
    /// SGD, and NT-ASGD's steps.
    Sgd(Sgd),
    /// Muon.
    Muon(Muon),
}

impl Optimiser {
    /// Remembers nothing yet.
    pub fn new(parameters: &Parameters, settings: OptimiserSettings) -> Result<Optimiser> {
        let decay = settings.adamw.weight_decay;
        Ok(match settings.rule {
            Rule::AdamW => Optimiser::AdamW(AdamW::new(parameters, settings.adamw)?),
            Rule::Sgd => Optimiser::Sgd(Sgd::new(parameters, settings.momentum.unwrap_or(0.9), decay)?),
            Rule::NtAsgd => Optimiser::Sgd(Sgd::new(parameters, 0.0, decay)?),
            Rule::Muon => Optimiser::Muon(Muon::new(parameters, settings.momentum.unwrap_or(0.95), settings.adamw)?),
        })
    }

    /// One step of every parameter that has a gradient and a rate.
    pub fn step<'a>(
        &mut self,
        parameters: &Parameters,
        gradients: &Gradients,
        rates: impl Into<Rates<'a>>,
    ) -> Result<()> {
        match self {
            Optimiser::AdamW(adamw) => adamw.step(parameters, gradients, rates),
            Optimiser::Sgd(sgd) => sgd.step(parameters, gradients, rates),
            Optimiser::Muon(muon) => muon.step(parameters, gradients, rates),
        }
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        match self {
            Optimiser::AdamW(adamw) => adamw.steps(),
            Optimiser::Sgd(sgd) => sgd.steps(),
            Optimiser::Muon(muon) => muon.steps(),
        }
    }

    /// What has to be stored beside the number of steps, by name.
    pub fn state(&self) -> BTreeMap<String, Stored<'_>> {
        match self {
            Optimiser::AdamW(adamw) => adamw.state(),
            Optimiser::Sgd(sgd) => sgd.state(),
            Optimiser::Muon(muon) => muon.state(),
        }
    }

    /// Takes what was stored out of `stored`; refuses missing tensors and other shapes by name.
    pub fn restore(&mut self, stored: &mut BTreeMap<String, Tensor>, steps: u64) -> Result<()> {
        match self {
            Optimiser::AdamW(adamw) => adamw.restore(stored, steps),
            Optimiser::Sgd(sgd) => sgd.restore(stored, steps),
            Optimiser::Muon(muon) => muon.restore(stored, steps),
        }
    }
}

#[cfg(test)]
mod tests;
