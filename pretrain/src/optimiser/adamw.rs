//! AdamW (Loshchilov and Hutter 2019). In main memory a step is one pass over each parameter.

use super::slots::{Slot, Slots, in_place};
use super::{CHUNK, Gradients, Rates, decays};
use crate::error::Result;
use crate::nn::vector::vectorised;
use crate::parameters::{Parameters, Stored};
use candle_core::{Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Constants of AdamW.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamWSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled decay of matrices other than the embedding; norms and the embedding do not decay. The other rules read
    /// it too.
    pub weight_decay: f64,
}

impl Default for AdamWSettings {
    fn default() -> AdamWSettings {
        AdamWSettings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1 }
    }
}

/// AdamW and its moments, by parameter name.
#[derive(Debug, Clone)]
pub struct AdamW {
    settings: AdamWSettings,
    steps: u64,
    moments: Slots<2>,
}

/// The numbers of one step for one parameter.
#[derive(Debug, Clone, Copy)]
struct Update {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    /// What the gradient is multiplied by first.
    scale: f64,
    /// What the moments are divided by: 1 - betaᵗ.
    shares: (f64, f64),
    rate: f64,
    decay: f64,
}

impl Update {
    /// A step of a parameter whose moments are tensors.
    fn on_tensors(&self, var: &Var, gradient: &Tensor, [first, second]: &mut [Tensor; 2]) -> Result<()> {
        let gradient = (gradient.to_dtype(first.dtype())? * self.scale)?;
        *first = ((&*first * self.beta1)? + (&gradient * (1.0 - self.beta1))?)?;
        *second = ((&*second * self.beta2)? + (gradient.sqr()? * (1.0 - self.beta2))?)?;
        let root = ((&*second / self.shares.1)?.sqrt()? + self.epsilon)?;
        let change = ((&*first / self.shares.0)? / root)?;
        let value = ((var.as_detached_tensor() * (1.0 - self.rate * self.decay))? - (change * self.rate)?)?;
        Ok(var.set(&value)?)
    }

    /// A step of a parameter whose moments are slices.
    fn on_slices(&self, values: &mut [f32], gradient: &[f32], [first, second]: &mut [Vec<f32>; 2]) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let chunks = chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
        chunks.for_each(|(((values, gradient), first), second)| update(values, gradient, first, second, *self));
    }
}

vectorised! {
    fn update(values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], by: Update) {
        let (old1, new1) = (by.beta1 as f32, ((1.0 - by.beta1) * by.scale) as f32);
        let (old2, new2) = (by.beta2 as f32, ((1.0 - by.beta2) * by.scale * by.scale) as f32);
        let (keep, rate, epsilon) = ((1.0 - by.rate * by.decay) as f32, (by.rate / by.shares.0) as f32, by.epsilon as f32);
        let share = (1.0 / by.shares.1) as f32;
        for (((value, gradient), first), second) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            *first = *first * old1 + gradient * new1;
            *second = *second * old2 + gradient * gradient * new2;
            *value = *value * keep - rate * *first / ((*second * share).sqrt() + epsilon);
        }
    }
}

impl AdamW {
    /// Moments of zero for every parameter.
    pub fn new(parameters: &Parameters, settings: AdamWSettings) -> Result<AdamW> {
        AdamW::of(parameters, settings, |_| true)
    }

    /// Moments of zero for those parameters that are `wanted`; the others are left as they are.
    pub fn of(parameters: &Parameters, settings: AdamWSettings, wanted: impl Fn(&str) -> bool) -> Result<AdamW> {
        Ok(AdamW { settings, steps: 0, moments: Slots::new(parameters, ["first", "second"], wanted)? })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step with `gradients` (by name).
    pub fn step<'a>(
        &mut self,
        parameters: &Parameters,
        gradients: &Gradients,
        rates: impl Into<Rates<'a>>,
    ) -> Result<()> {
        let (rates, AdamWSettings { beta1, beta2, epsilon, weight_decay }) = (rates.into(), self.settings);
        self.steps += 1;
        let shares = (1.0 - beta1.powf(self.steps as f64), 1.0 - beta2.powf(self.steps as f64));
        for (name, var) in parameters.iter() {
            let Some((gradient, scale)) = gradients.get(name) else { continue };
            let (Some(rate), Some(moments)) = (rates.of(name), self.moments.get_mut(name)) else { continue };
            let decay = if decays(parameters, name) { weight_decay } else { 0.0 };
            let update = Update { beta1, beta2, epsilon, scale, shares, rate, decay };
            match moments {
                Slot::Tensors(moments) => update.on_tensors(var, gradient, moments)?,
                Slot::Slices(moments) => {
                    in_place(var, gradient, |values, gradient| update.on_slices(values, gradient, moments))?;
                }
            }
        }
        Ok(())
    }

    /// The moments as tensors to store: `first.NAME`, `second.NAME`.
    pub fn state(&self) -> BTreeMap<String, Stored<'_>> {
        self.moments.state()
    }

    /// Takes stored moments out of `stored`, and the step count; refuses missing ones and other shapes by name.
    pub fn restore(&mut self, stored: &mut BTreeMap<String, Tensor>, steps: u64) -> Result<()> {
        self.moments.restore(stored)?;
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimiser::tests::{gradients, one, values};

    #[test]
    fn the_first_step_by_hand() {
        // After bias correction the moments are g and g²: the change is the rate, whatever the gradient.
        let vector = one("norm.weight", &[1]);
        let mut optimiser = AdamW::new(&vector, AdamWSettings::default()).unwrap();
        let mut three = gradients(&vector, &[3.0]);
        assert!((three.clip(Some(1.0)).unwrap() - 3.0).abs() < 1e-6);
        optimiser.step(&vector, &three, 0.01).unwrap();
        assert!((values(&vector)[0] - 0.99).abs() < 1e-6);
        // A matrix decays too: 1 · (1 - 0.01 · 0.1) - 0.01 = 0.989.
        let matrix = one("proj.weight", &[1, 1]);
        let three = gradients(&matrix, &[3.0]);
        AdamW::new(&matrix, AdamWSettings::default()).unwrap().step(&matrix, &three, 0.01).unwrap();
        assert!((values(&matrix)[0] - 0.989).abs() < 1e-6);
        // Clipping to norm 1: the first moment is (1 - 0.9) · 1, not · 3.
        let first = optimiser.state()["first.norm.weight"].tensor().unwrap().to_vec1::<f32>().unwrap()[0];
        assert!((first - 0.1).abs() < 1e-6);
    }
}
