//! A running average of the weights, which is what is evaluated and kept once there is one: exponential (EMA; Polyak and
//! Juditsky 1992), or over all steps since the held-out figure stopped falling (NT-ASGD; Merity, Keskar and Socher 2018,
//! algorithm 1).

use crate::error::{Error, Result};
use crate::nn::slices;
use crate::nn::vector::vectorised;
use crate::optimiser::in_place;
use crate::parameters::Parameters;
use candle_core::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Elements one task handles.
const CHUNK: usize = 1 << 14;

/// Which average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// None: the weights are used as they are.
    Off,
    /// Each step moves the average by 1 - decay of the way to the weights. In the beginning by more, 9 / (10 + t) at
    /// step t, since the first weights are worth nothing (as TensorFlow's `ExponentialMovingAverage` with `num_updates`).
    Exponential(f64),
    /// The mean of all weights since the held-out figure was worse than the best but for the last so many looks.
    NonMonotone(usize),
}

/// What is to be remembered beside the average itself; part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Averaging {
    /// Steps in the average.
    updates: u64,
    /// Whether the mean has begun; of [`Policy::NonMonotone`].
    begun: bool,
    /// The held-out figures so far; of [`Policy::NonMonotone`].
    looks: Vec<f64>,
}

/// The average.
#[derive(Debug, Clone)]
pub struct Average {
    policy: Policy,
    plain: Averaging,
    values: Parameters,
}

impl Average {
    /// Nothing averaged yet.
    pub fn new(policy: Policy, parameters: &Parameters) -> Result<Average> {
        let mut values = Parameters::new();
        if policy != Policy::Off {
            for (name, var) in parameters.iter() {
                values.insert(name, var.as_tensor())?;
            }
        }
        Ok(Average { policy, plain: Averaging::default(), values })
    }

    /// What is to be stored beside [`Average::state`].
    pub fn plain(&self) -> &Averaging {
        &self.plain
    }

    /// Whether there is an average to be used in place of the weights.
    pub fn is_in_use(&self) -> bool {
        self.plain.updates > 0
    }

    /// Whether it is still to begin.
    pub fn is_awaited(&self) -> bool {
        matches!(self.policy, Policy::NonMonotone(_)) && !self.plain.begun
    }

    /// A step was taken.
    pub fn step(&mut self, parameters: &Parameters) -> Result<()> {
        let updates = self.plain.updates;
        let share = match self.policy {
            Policy::Off => return Ok(()),
            Policy::Exponential(decay) => (1.0 - decay).max(9.0 / (10.0 + updates as f64)),
            Policy::NonMonotone(_) if !self.plain.begun => return Ok(()),
            Policy::NonMonotone(_) => 1.0 / (updates + 1) as f64,
        };
        self.plain.updates += 1;
        for (name, average) in self.values.iter() {
            let weights = parameters.get(name)?;
            if slices::are_f32_on_cpu(&[average, weights]) {
                in_place(average, weights, |average, weights| {
                    let chunks = average.par_chunks_mut(CHUNK).zip(weights.par_chunks(CHUNK));
                    chunks.for_each(|(average, weights)| approach(average, weights, share as f32));
                })?;
            } else {
                let old = average.as_detached_tensor();
                let way = ((weights.as_detached_tensor() - &old)? * share)?;
                average.set(&(old + way)?)?;
            }
        }
        Ok(())
    }

    /// The held-out figure (lower is better) of a look; gives whether the mean begins here.
    pub fn looked(&mut self, figure: f64) -> bool {
        let Policy::NonMonotone(patience) = self.policy else { return false };
        let looks = &mut self.plain.looks;
        let before = looks.len().saturating_sub(patience);
        let begins = !self.plain.begun && looks[..before].iter().any(|earlier| figure > *earlier);
        looks.push(figure);
        self.plain.begun |= begins;
        begins
    }

    /// Puts the average in the place of the weights and the weights in the place of the average; twice is as before.
    pub fn exchange(&self, parameters: &Parameters) -> Result<()> {
        if self.is_in_use() {
            for (name, average) in self.values.iter() {
                let weights = parameters.get(name)?;
                let kept = weights.as_detached_tensor().copy()?;
                weights.set(&average.as_detached_tensor())?;
                average.set(&kept)?;
            }
        }
        Ok(())
    }

    /// The average as tensors to store, `average.NAME`; nothing before it is in use.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let values = if self.is_in_use() { self.values.detached() } else { BTreeMap::new() };
        values.into_iter().map(|(name, value)| (format!("average.{name}"), value)).collect()
    }

    /// Takes what was stored; refuses missing tensors and other shapes by name.
    pub fn restore(&mut self, stored: &BTreeMap<String, Tensor>, plain: Averaging) -> Result<()> {
        self.plain = plain;
        for (name, average) in self.values.iter().filter(|_| self.is_in_use()) {
            let key = format!("average.{name}");
            match stored.get(&key) {
                Some(value) if value.dims() == average.dims() => average.set(&value.to_device(average.device())?)?,
                other => {
                    let found = other.map_or("nothing".to_owned(), |value| format!("shape {:?}", value.dims()));
                    let expected = format!("shape {:?}", average.dims());
                    return Err(Error::Mismatch { place: format!("average of the weights, {key}"), found, expected });
                }
            }
        }
        Ok(())
    }
}

vectorised! {
    fn approach(average: &mut [f32], weights: &[f32], share: f32) {
        average.iter_mut().zip(weights).for_each(|(average, weight)| *average += (weight - *average) * share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn weights(value: f32) -> Parameters {
        let mut parameters = Parameters::new();
        parameters.insert("w", &Tensor::new(&[value, -value], &Device::Cpu).unwrap()).unwrap();
        parameters
    }

    fn set(parameters: &Parameters, value: f32) {
        parameters.get("w").unwrap().set(&Tensor::new(&[value, -value], &Device::Cpu).unwrap()).unwrap();
    }

    fn value(parameters: &Parameters) -> f32 {
        let both = parameters.get("w").unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(both[0], -both[1]);
        both[0]
    }

    #[test]
    fn exponential_by_hand() {
        let parameters = weights(0.0);
        let mut average = Average::new(Policy::Exponential(0.5), &parameters).unwrap();
        assert!(!average.is_in_use());
        // Shares 9/10, 9/11, then, from 9/18 on, 1 - 0.5: 0 → 0.9 → 0.9 + 1.1 · 9/11 = 1.8.
        set(&parameters, 1.0);
        average.step(&parameters).unwrap();
        set(&parameters, 2.0);
        average.step(&parameters).unwrap();
        assert!((value(&average.values) - 1.8).abs() < 1e-6);
        average.plain.updates = 20;
        average.step(&parameters).unwrap();
        assert!((value(&average.values) - 1.9).abs() < 1e-6);
        // Exchanged, it stands where the weights were; exchanged back, nothing has happened.
        average.exchange(&parameters).unwrap();
        assert!((value(&parameters) - 1.9).abs() < 1e-6 && value(&average.values) == 2.0);
        average.exchange(&parameters).unwrap();
        assert!(value(&parameters) == 2.0);
    }

    #[test]
    fn non_monotone_begins_when_the_figure_is_worse_than_the_best_but_for_the_last() {
        let parameters = weights(0.0);
        let mut average = Average::new(Policy::NonMonotone(2), &parameters).unwrap();
        // 4 is worse than 3, but that is one of the last two; at the next look 3 is older than two looks.
        let begins: Vec<bool> = [5.0, 3.0, 4.0, 3.5, 3.2].iter().map(|figure| average.looked(*figure)).collect();
        assert_eq!(begins, [false, false, false, false, true]);
        assert!(!average.is_awaited() && !average.is_in_use());
        // The mean of 1, 2 and 6 is 3; the 0 before is no part of it.
        for weight in [1.0, 2.0, 6.0] {
            set(&parameters, weight);
            average.step(&parameters).unwrap();
        }
        assert!((value(&average.values) - 3.0).abs() < 1e-6);
        assert!(!average.looked(9.0), "it begins once");
        let mut other = Average::new(Policy::NonMonotone(2), &parameters).unwrap();
        other.restore(&average.state(), average.plain().clone()).unwrap();
        assert!((value(&other.values) - 3.0).abs() < 1e-6 && other.is_in_use());
        let error = other.restore(&BTreeMap::new(), average.plain().clone()).unwrap_err().to_string();
        assert!(error.contains("average.w: found nothing; expected shape [2]"), "{error}");
    }
}
