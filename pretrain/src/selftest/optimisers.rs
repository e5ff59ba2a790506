//! Steps of every rule and average on the device, beside the same steps in f64 on the CPU, where they are tensor
//! operations; on the CPU in f32 they are passes over slices.

use super::{Check, difference};
use crate::average::{Average, Policy};
use crate::error::Result;
use crate::nn::backward;
use crate::optimiser::{Gradients, Optimiser, OptimiserSettings, Rule};
use crate::parameters::Parameters;
use crate::random::Key;
use candle_core::{DType, Device, Tensor};

/// Relative to the largest weight. Muon's quintic multiplies a rounding by up to 3.4⁵.
const TOLERANCE: f64 = 1e-5;
const STEPS: u64 = 6;

/// Compares the weights after some steps.
pub fn check(device: &Device) -> Vec<Check> {
    let of = |name: &str, rule, average| Check::new(name, TOLERANCE, compare(rule, average, device));
    vec![
        of("AdamW", Rule::AdamW, Policy::Off),
        of("SGD with momentum", Rule::Sgd, Policy::Off),
        of("SGD without momentum", Rule::NtAsgd, Policy::Off),
        of("Muon", Rule::Muon, Policy::Off),
        of("exponential average", Rule::AdamW, Policy::Exponential(0.8)),
        of("mean of the last weights", Rule::NtAsgd, Policy::NonMonotone(0)),
    ]
}

fn compare(rule: Rule, average: Policy, device: &Device) -> Result<f64> {
    let found = weights(rule, average, DType::F32, device)?;
    let expected = weights(rule, average, DType::F64, &Device::Cpu)?;
    let mut worst = 0.0f64;
    for ((_, found), (_, expected)) in found.iter().zip(expected.iter()) {
        let error = difference(found, expected)?;
        worst = if error.is_nan() { return Ok(error) } else { worst.max(error) };
    }
    Ok(worst)
}

/// A model in small after some steps, each of two passes, clipped.
fn weights(rule: Rule, policy: Policy, dtype: DType, device: &Device) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    let shapes: [(&str, &[usize]); 4] =
        [("embedding", &[30, 24]), ("wide.weight", &[24, 40]), ("tall.weight", &[40, 24]), ("norm.weight", &[24])];
    for (name, shape) in shapes {
        parameters.normal(name, shape, 0.5, Key::new(1), device)?;
    }
    parameters.mark_embedding("embedding");
    let parameters = parameters.to_dtype(dtype)?;
    let mut optimiser = Optimiser::new(&parameters, OptimiserSettings { rule, ..Default::default() })?;
    let mut average = Average::new(policy, &parameters)?;
    // The held-out figure gets worse at the second look: the mean begins.
    average.looked(1.0);
    average.looked(2.0);
    for step in 0..STEPS {
        let mut gradients = Gradients::default();
        for pass in 0..2 {
            let mut loss = Tensor::zeros((), dtype, device)?;
            for (name, var) in parameters.iter() {
                let numbers = Key::new(2).named(name).stream(2 * step + pass).normals(var.elem_count(), 1.0);
                let numbers = Tensor::from_vec(numbers, var.shape(), device)?.to_dtype(dtype)?;
                loss = (loss + (var.as_tensor() * numbers)?.sum_all()?)?;
            }
            gradients.add(&parameters, backward(&loss)?, 0.5)?;
        }
        gradients.clip(Some(1.0))?;
        optimiser.step(&parameters, &gradients, 0.01)?;
        average.step(&parameters)?;
    }
    average.exchange(&parameters)?;
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_and_rules_all_differ() {
        let of = |rule, policy| weights(rule, policy, DType::F64, &Device::Cpu).unwrap();
        let all = [
            of(Rule::AdamW, Policy::Off),
            of(Rule::Sgd, Policy::Off),
            of(Rule::NtAsgd, Policy::Off),
            of(Rule::Muon, Policy::Off),
            of(Rule::AdamW, Policy::Exponential(0.8)),
            of(Rule::NtAsgd, Policy::NonMonotone(0)),
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[..i] {
                let name = "wide.weight";
                let error = difference(a.get(name).unwrap(), b.get(name).unwrap()).unwrap();
                assert!(error > 10.0 * TOLERANCE, "{error}: the check would not tell them apart");
            }
        }
    }
}
