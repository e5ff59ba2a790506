//! Parameter groups: the learning rate of each parameter.

use std::fmt;

/// A rate, times a factor that depends on the parameter's name: layers lower down more slowly (discriminative
/// fine-tuning, Howard and Ruder 2018), or not at all (gradual unfreezing).
#[derive(Clone, Copy)]
pub struct Rates<'a> {
    rate: f64,
    factor: Option<&'a dyn Fn(&str) -> f64>,
}

impl<'a> Rates<'a> {
    /// `rate` times what `factor` gives for a parameter's name. A parameter with the factor 0 is frozen: neither its
    /// values nor what the optimiser remembers of it change.
    pub fn by(rate: f64, factor: &'a dyn Fn(&str) -> f64) -> Rates<'a> {
        Rates { rate, factor: Some(factor) }
    }

    /// The rate of a parameter; none where it is frozen.
    pub fn of(&self, name: &str) -> Option<f64> {
        match self.factor.map(|factor| factor(name)) {
            None => Some(self.rate),
            Some(0.0) => None,
            Some(factor) => Some(self.rate * factor),
        }
    }
}

/// The same rate for all.
impl From<f64> for Rates<'_> {
    fn from(rate: f64) -> Self {
        Rates { rate, factor: None }
    }
}

impl fmt::Debug for Rates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rates({}{})", self.rate, if self.factor.is_some() { " by name" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimiser::tests::{gradients, stored};
    use crate::optimiser::{Optimiser, OptimiserSettings, Rule};
    use crate::parameters::Parameters;
    use candle_core::Device;

    #[test]
    fn every_group_goes_at_its_own_rate_and_a_frozen_one_stays() {
        for rule in [Rule::AdamW, Rule::Sgd, Rule::Muon] {
            let mut parameters = Parameters::new();
            for name in ["layers.0.norm", "layers.1.norm", "embed_tokens"] {
                parameters.ones(name, &[1], &Device::Cpu).unwrap();
            }
            let mut optimiser = Optimiser::new(&parameters, OptimiserSettings { rule, ..Default::default() }).unwrap();
            let before = stored(&optimiser);
            // ULMFiT: each layer at 1/2.6 of the rate of the one above it.
            let factor = |name: &str| match name {
                "embed_tokens" => 0.0,
                "layers.0.norm" => 1.0 / 2.6,
                _ => 1.0,
            };
            let gradients = gradients(&parameters, &[1.0]);
            optimiser.step(&parameters, &gradients, Rates::by(0.26, &factor)).unwrap();
            // The first step of each rule, for a gradient of 1, has the size of the rate.
            let value = |name: &str| parameters.get(name).unwrap().to_vec1::<f32>().unwrap()[0];
            assert_eq!(value("embed_tokens"), 1.0, "{rule:?}");
            assert!((value("layers.0.norm") - 0.9).abs() < 1e-6, "{rule:?}");
            assert!((value("layers.1.norm") - 0.74).abs() < 1e-6, "{rule:?}");
            for (name, tensor) in stored(&optimiser) {
                let same = tensor.to_vec1::<f32>().unwrap() == before[&name].to_vec1::<f32>().unwrap();
                assert_eq!(same, name.ends_with("embed_tokens"), "{rule:?}, {name}");
            }
        }
    }
}
