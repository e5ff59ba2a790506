//! AdamW (Loshchilov and Hutter 2019) with its state in the open, and clipping by the global norm.

use crate::error::{Error, Result};
use crate::parameters::Parameters;
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};
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
    /// Decoupled decay of matrices other than the embedding; norms and the embedding do not decay.
    pub weight_decay: f64,
    /// The gradient's global norm is cut to this; none: as it is.
    pub clip: Option<f64>,
}

impl Default for AdamWSettings {
    fn default() -> AdamWSettings {
        AdamWSettings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1, clip: Some(1.0) }
    }
}

/// AdamW and its moments, by parameter name.
#[derive(Debug, Clone)]
pub struct AdamW {
    settings: AdamWSettings,
    steps: u64,
    moments: BTreeMap<String, (Tensor, Tensor)>,
}

/// Whether weight decay applies: matrices, but not the embedding.
pub fn decays(name: &str, tensor: &Tensor) -> bool {
    tensor.rank() >= 2 && !name.contains("embed")
}

impl AdamW {
    /// Moments of zero for every parameter.
    pub fn new(parameters: &Parameters, settings: AdamWSettings) -> Result<AdamW> {
        let mut moments = BTreeMap::new();
        for (name, var) in parameters.iter() {
            let zeros = Tensor::zeros(var.dims(), DType::F32, var.device())?;
            moments.insert(name.to_owned(), (zeros.clone(), zeros));
        }
        Ok(AdamW { settings, steps: 0, moments })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step with `gradients` (by name) at `rate`; gives the gradient's global norm before clipping.
    pub fn step(&mut self, parameters: &Parameters, gradients: &Gradients, rate: f64) -> Result<f64> {
        let AdamWSettings { beta1, beta2, epsilon, weight_decay, clip } = self.settings;
        let norm = gradients.norm()?;
        let scale = clip.map_or(1.0, |most| (most / norm.max(1e-12)).min(1.0));
        self.steps += 1;
        let (first_share, second_share) = (1.0 - beta1.powf(self.steps as f64), 1.0 - beta2.powf(self.steps as f64));
        for (name, var) in parameters.iter() {
            let Some(gradient) = gradients.by_name.get(name) else { continue };
            let (first, second) = self.moments.get_mut(name).expect("made for every parameter in `new`");
            let gradient = (gradient.to_dtype(DType::F32)? * scale)?;
            *first = ((&*first * beta1)? + (&gradient * (1.0 - beta1))?)?;
            *second = ((&*second * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
            let root = ((&*second / second_share)?.sqrt()? + epsilon)?;
            let change = ((&*first / first_share)? / root)?;
            let decay = if decays(name, var) { weight_decay } else { 0.0 };
            let value = ((var.as_detached_tensor() * (1.0 - rate * decay))? - (change * rate)?)?;
            var.set(&value)?;
        }
        Ok(norm)
    }

    /// The moments as tensors to store: `first.NAME`, `second.NAME`.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let pairs = self.moments.iter();
        pairs
            .flat_map(|(name, (first, second))| {
                [(format!("first.{name}"), first.clone()), (format!("second.{name}"), second.clone())]
            })
            .collect()
    }

    /// Takes stored moments and the step count; refuses missing ones and other shapes by name.
    pub fn restore(&mut self, stored: &BTreeMap<String, Tensor>, steps: u64) -> Result<()> {
        for (name, (first, second)) in &mut self.moments {
            for (kind, moment) in [("first", first), ("second", second)] {
                let key = format!("{kind}.{name}");
                let found = stored.get(&key).map(|tensor| tensor.dims().to_vec());
                if found.as_deref() != Some(moment.dims()) {
                    let found = found.map_or("nothing".to_owned(), |shape| format!("shape {shape:?}"));
                    let expected = format!("shape {:?}", moment.dims());
                    return Err(Error::Mismatch { place: format!("optimiser state, {key}"), found, expected });
                }
                *moment = stored[&key].clone();
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// Gradients summed over several backward passes, by parameter name.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    by_name: BTreeMap<String, Tensor>,
}

impl Gradients {
    /// Adds what one backward pass gave, times `scale`.
    pub fn add(&mut self, parameters: &Parameters, store: &GradStore, scale: f64) -> Result<()> {
        for (name, var) in parameters.iter() {
            let Some(gradient) = store.get(var) else { continue };
            let gradient = (gradient.detach() * scale)?;
            let sum = match self.by_name.remove(name) {
                None => gradient,
                Some(sum) => (sum + gradient)?,
            };
            self.by_name.insert(name.to_owned(), sum);
        }
        Ok(())
    }

    /// Square root of the sum of all squares.
    pub fn norm(&self) -> Result<f64> {
        let mut sum = 0.0;
        for gradient in self.by_name.values() {
            sum += gradient.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        }
        Ok(sum.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn one(name: &str, shape: &[usize]) -> Parameters {
        let mut parameters = Parameters::new();
        parameters.ones(name, shape, &Device::Cpu).unwrap();
        parameters
    }

    fn value(parameters: &Parameters) -> f32 {
        parameters.iter().next().unwrap().1.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
    }

    /// One step on the loss 3 x, gradient 3.
    fn step(parameters: &Parameters, optimiser: &mut AdamW) -> f64 {
        let var = parameters.iter().next().unwrap().1;
        let store = (var.sum_all().unwrap() * 3.0).unwrap().backward().unwrap();
        let mut gradients = Gradients::default();
        gradients.add(parameters, &store, 0.5).unwrap();
        gradients.add(parameters, &store, 0.5).unwrap();
        optimiser.step(parameters, &gradients, 0.01).unwrap()
    }

    #[test]
    fn the_first_step_by_hand() {
        // After bias correction the moments are g and g²: the change is the rate, whatever the gradient.
        let vector = one("norm.weight", &[1]);
        let mut optimiser = AdamW::new(&vector, AdamWSettings::default()).unwrap();
        assert!((step(&vector, &mut optimiser) - 3.0).abs() < 1e-6);
        assert!((value(&vector) - 0.99).abs() < 1e-6);
        // A matrix decays too: 1 · (1 - 0.01 · 0.1) - 0.01 = 0.989.
        let matrix = one("proj.weight", &[1, 1]);
        step(&matrix, &mut AdamW::new(&matrix, AdamWSettings::default()).unwrap());
        assert!((value(&matrix) - 0.989).abs() < 1e-6);
        // Clipping to norm 1: the first moment is (1 - 0.9) · 1, not · 3.
        let first = optimiser.state()["first.norm.weight"].to_vec1::<f32>().unwrap()[0];
        assert!((first - 0.1).abs() < 1e-6);
    }

    #[test]
    fn a_restored_optimiser_goes_on_as_before() {
        let (a, b) = (one("w", &[2, 2]), one("w", &[2, 2]));
        let mut whole = AdamW::new(&a, AdamWSettings::default()).unwrap();
        (0..4).for_each(|_| assert!(step(&a, &mut whole) > 0.0));
        let mut half = AdamW::new(&b, AdamWSettings::default()).unwrap();
        (0..2).for_each(|_| assert!(step(&b, &mut half) > 0.0));
        let mut rest = AdamW::new(&b, AdamWSettings::default()).unwrap();
        rest.restore(&half.state(), 2).unwrap();
        (0..2).for_each(|_| assert!(step(&b, &mut rest) > 0.0));
        assert_eq!(value(&a), value(&b));
        let error = rest.restore(&BTreeMap::new(), 0).unwrap_err().to_string();
        assert!(error.contains("first.w: found nothing; expected shape [2, 2]"), "{error}");
    }
}
