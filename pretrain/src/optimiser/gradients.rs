//! Gradients summed over several backward passes. Sums run in chunks of a fixed size, so threads change no bit.

use super::CHUNK;
use crate::error::Result;
use crate::nn::slices;
use crate::nn::vector::{sum_of_squares, vectorised};
use crate::parameters::Parameters;
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Gradients by parameter name.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// Each to be multiplied by its factor when it is used.
    by_name: BTreeMap<String, (Tensor, f64)>,
}

impl Gradients {
    /// Adds what one backward pass gave, times `scale`. Each gradient is there once afterwards.
    pub fn add(&mut self, parameters: &Parameters, mut store: GradStore, scale: f64) -> Result<()> {
        for (name, var) in parameters.iter() {
            let Some(gradient) = store.remove(var) else { continue };
            let gradient = gradient.detach();
            let sum = match self.by_name.remove(name) {
                None => (gradient, scale),
                Some((sum, factor)) if slices::are_f32_on_cpu(&[&sum, &gradient]) => {
                    let values = slices::read([&sum, &gradient], |[sum, new]| weighted_sum(sum, factor, new, scale))?;
                    (Tensor::from_vec(values, sum.shape(), sum.device())?, 1.0)
                }
                Some((sum, factor)) => (((sum * factor)? + (gradient * scale)?)?, 1.0),
            };
            self.by_name.insert(name.to_owned(), sum);
        }
        Ok(())
    }

    /// The gradient of a parameter and what it is to be multiplied by.
    pub fn get(&self, name: &str) -> Option<(&Tensor, f64)> {
        self.by_name.get(name).map(|(gradient, scale)| (gradient, *scale))
    }

    /// Square root of the sum of all squares.
    pub fn norm(&self) -> Result<f64> {
        let (mut sum, mut elsewhere) = (0.0, Vec::new());
        for (gradient, scale) in self.by_name.values() {
            if slices::are_f32_on_cpu(&[gradient]) {
                let parts = |[all]: [&[f32]; 1]| all.par_chunks(CHUNK).map(sum_of_squares).collect::<Vec<f64>>();
                sum += scale * scale * slices::read([gradient], parts)?.iter().sum::<f64>();
            } else {
                elsewhere.push((gradient.sqr()?.sum_all()?.to_dtype(DType::F64)? * (scale * scale))?);
            }
        }
        // Read at once: each reading waits for the device.
        if !elsewhere.is_empty() {
            sum += Tensor::stack(&elsewhere, 0)?.to_vec1::<f64>()?.iter().sum::<f64>();
        }
        Ok(sum.sqrt())
    }

    /// Scales all down until their norm is at most `limit` (Pascanu et al. 2013); gives the norm they had.
    pub fn clip(&mut self, limit: Option<f64>) -> Result<f64> {
        let norm = self.norm()?;
        let share = limit.map_or(1.0, |limit| (limit / norm.max(1e-12)).min(1.0));
        self.by_name.values_mut().for_each(|(_, scale)| *scale *= share);
        Ok(norm)
    }
}

/// `a · by_a + b · by_b`.
fn weighted_sum(a: &[f32], by_a: f64, b: &[f32], by_b: f64) -> Vec<f32> {
    let mut sum = vec![0.0; a.len()];
    let chunks = sum.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK)).zip(b.par_chunks(CHUNK));
    chunks.for_each(|((sum, a), b)| weighted_sum_of(sum, a, by_a as f32, b, by_b as f32));
    sum
}

vectorised! {
    fn weighted_sum_of(sum: &mut [f32], a: &[f32], by_a: f32, b: &[f32], by_b: f32) {
        sum.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum = a * by_a + b * by_b);
    }
}

#[cfg(test)]
mod tests {
    use crate::optimiser::tests::{gradients, one};

    #[test]
    fn passes_add_up_and_the_norm_is_cut() {
        let parameters = one("w", &[2]);
        let mut sum = gradients(&parameters, &[3.0, 4.0]);
        assert!((sum.norm().unwrap() - 5.0).abs() < 1e-9);
        assert_eq!(sum.clip(None).unwrap(), 5.0);
        assert_eq!(sum.clip(Some(9.0)).unwrap(), 5.0, "a norm below the limit stays");
        assert_eq!(sum.clip(Some(2.0)).unwrap(), 5.0);
        assert!((sum.norm().unwrap() - 2.0).abs() < 1e-9);
        // A second pass on top, half of it: (1.2, 1.6) + (1.5, 2) has the norm 4.5.
        let store = {
            let var = parameters.get("w").unwrap();
            let weights = candle_core::Tensor::new(&[3f32, 4.0], var.device()).unwrap();
            (var.as_tensor() * weights).unwrap().sum_all().unwrap().backward().unwrap()
        };
        sum.add(&parameters, store, 0.5).unwrap();
        assert!((sum.norm().unwrap() - 4.5).abs() < 1e-6);
    }
}
