//! Gradient descent with momentum (Polyak 1964; Sutskever et al. 2013), the decay decoupled as in AdamW.

use super::slots::{Slot, Slots, in_place};
use super::{CHUNK, Gradients, Rates, decays};
use crate::error::Result;
use crate::nn::vector::vectorised;
use crate::parameters::{Parameters, Stored};
use candle_core::Tensor;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// v ← momentum · v + g, w ← (1 - rate · decay) · w - rate · v.
#[derive(Debug, Clone)]
pub struct Sgd {
    momentum: f64,
    weight_decay: f64,
    steps: u64,
    /// v; nothing where there is no momentum.
    velocity: Slots<1>,
}

vectorised! {
    fn fall(values: &mut [f32], gradient: &[f32], scale: f32, keep: f32, rate: f32) {
        values.iter_mut().zip(gradient).for_each(|(value, gradient)| *value = *value * keep - rate * scale * gradient);
    }
}

vectorised! {
    fn roll(values: &mut [f32], gradient: &[f32], velocity: &mut [f32], scale: f32, momentum: f32, keep: f32, rate: f32) {
        for ((value, gradient), velocity) in values.iter_mut().zip(gradient).zip(velocity) {
            *velocity = *velocity * momentum + gradient * scale;
            *value = *value * keep - rate * *velocity;
        }
    }
}

impl Sgd {
    /// At rest. A momentum of 0 remembers nothing.
    pub fn new(parameters: &Parameters, momentum: f64, weight_decay: f64) -> Result<Sgd> {
        let velocity = Slots::new(parameters, ["velocity"], |_| momentum > 0.0)?;
        Ok(Sgd { momentum, weight_decay, steps: 0, velocity })
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
        let rates = rates.into();
        self.steps += 1;
        for (name, var) in parameters.iter() {
            let (Some((gradient, scale)), Some(rate)) = (gradients.get(name), rates.of(name)) else { continue };
            let keep = 1.0 - if decays(parameters, name) { rate * self.weight_decay } else { 0.0 };
            let (by, kept, speed) = (scale as f32, keep as f32, rate as f32);
            match self.velocity.get_mut(name) {
                None if crate::nn::slices::are_f32_on_cpu(&[var]) => in_place(var, gradient, |values, gradient| {
                    let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
                    chunks.for_each(|(values, gradient)| fall(values, gradient, by, kept, speed));
                })?,
                None => {
                    let gradient = (gradient.to_dtype(var.dtype())? * (scale * rate))?;
                    var.set(&((var.as_detached_tensor() * keep)? - gradient)?)?;
                }
                Some(Slot::Slices([velocity])) => in_place(var, gradient, |values, gradient| {
                    let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
                    let momentum = self.momentum as f32;
                    chunks.zip(velocity.par_chunks_mut(CHUNK)).for_each(|((values, gradient), velocity)| {
                        roll(values, gradient, velocity, by, momentum, kept, speed);
                    });
                })?,
                Some(Slot::Tensors([velocity])) => {
                    *velocity = ((&*velocity * self.momentum)? + (gradient.to_dtype(var.dtype())? * scale)?)?;
                    var.set(&((var.as_detached_tensor() * keep)? - (&*velocity * rate)?)?)?;
                }
            }
        }
        Ok(())
    }

    /// `velocity.NAME`.
    pub fn state(&self) -> BTreeMap<String, Stored<'_>> {
        self.velocity.state()
    }

    /// Takes what was stored out of `stored`; refuses missing tensors and other shapes by name.
    pub fn restore(&mut self, stored: &mut BTreeMap<String, Tensor>, steps: u64) -> Result<()> {
        self.velocity.restore(stored)?;
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimiser::tests::{gradients, one, values};

    #[test]
    fn two_steps_by_hand() {
        let near = |found: f32, expected: f32| assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
        // v = 2: 1 - 0.1 · 2 = 0.8; v = 0.9 · 2 + 2 = 3.8: 0.8 - 0.38 = 0.42.
        let vector = one("norm.weight", &[1]);
        let mut rolling = Sgd::new(&vector, 0.9, 0.5).unwrap();
        for expected in [0.8, 0.42] {
            rolling.step(&vector, &gradients(&vector, &[2.0]), 0.1).unwrap();
            near(values(&vector)[0], expected);
        }
        near(rolling.state()["velocity.norm.weight"].tensor().unwrap().to_vec1::<f32>().unwrap()[0], 3.8);
        // Without momentum, with decay: 1 · (1 - 0.1 · 0.5) - 0.2 = 0.75, then 0.75 · 0.95 - 0.2 = 0.5125.
        let matrix = one("proj.weight", &[1, 1]);
        let mut falling = Sgd::new(&matrix, 0.0, 0.5).unwrap();
        for expected in [0.75, 0.5125] {
            falling.step(&matrix, &gradients(&matrix, &[2.0]), 0.1).unwrap();
            near(values(&matrix)[0], expected);
        }
    }
}
