//! A word's vector from its characters, as in ELMo (Peters et al. 2018, after Jozefowicz et al. 2016): embedded
//! characters, convolutions of several widths, highway layers, a projection. Vectors stand before a recurrent model in
//! place of an embedding of words.

use crate::error::{Error, Result};
use crate::nn::{char_convolution, embedding, highway, linear};
use crate::parameters::Parameters;
use crate::precision::Precision::F32;
use crate::random::Key;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;

/// Bias of a new carry gate: most of a layer's input passes (`bilm`).
const CARRY_BIAS: f32 = -2.0;
/// Bound of new filters (`bilm`).
const FILTER_BOUND: f64 = 0.05;

/// Filters of one width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filters {
    /// Characters a filter sees.
    pub width: usize,
    /// How many.
    pub count: usize,
}

/// Sizes of a [`CharCnn`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharCnnConfig {
    /// Ids of characters are below this.
    pub characters: usize,
    /// E, width of a character's embedding.
    pub embedding_size: usize,
    /// The convolutions.
    pub filters: Vec<Filters>,
    /// Highway layers.
    pub highways: usize,
    /// Width of a word's vector.
    pub projection_size: usize,
}

impl Default for CharCnnConfig {
    /// ELMo's (`bin/train_elmo.py` of `bilm`).
    fn default() -> CharCnnConfig {
        let filters = [(1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024)];
        let filters = filters.map(|(width, count)| Filters { width, count }).to_vec();
        CharCnnConfig { characters: 261, embedding_size: 16, filters, highways: 2, projection_size: 512 }
    }
}

/// Configuration and parameters.
#[derive(Debug, Clone)]
pub struct CharCnn {
    /// Sizes.
    pub config: CharCnnConfig,
    /// Weights.
    pub parameters: Parameters,
    values: BTreeMap<String, Tensor>,
}

impl CharCnn {
    /// New weights, a function of `seed` alone, distributed as in `bilm`: characters uniform within ±1, filters within
    /// ±0.05, highways and projection normal with deviation 1 / √width, biases 0 but for the carry gates' -2.
    ///
    /// # Errors
    /// A size of 0.
    pub fn new(config: &CharCnnConfig, seed: u64, device: &Device) -> Result<CharCnn> {
        let width: usize = config.filters.iter().map(|filters| filters.count).sum();
        let sizes = [config.characters, config.embedding_size, width, config.projection_size];
        if sizes.contains(&0) || config.filters.iter().any(|filters| filters.width == 0 || filters.count == 0) {
            return Err(Error::Settings(format!("char_cnn: a size is 0 in {config:?}")));
        }
        let (key, mut all) = (Key::new(seed).named("initial values"), Parameters::new());
        let deviation = (width as f64).powf(-0.5);
        all.uniform("char_embedding.weight", &[config.characters, config.embedding_size], 1.0, key, device)?;
        all.mark_embedding("char_embedding.weight");
        for (number, filters) in config.filters.iter().enumerate() {
            let shape = [filters.count, config.embedding_size, filters.width];
            all.uniform(&format!("char_conv_{number}.weight"), &shape, FILTER_BOUND, key, device)?;
            all.zeros(&format!("char_conv_{number}.bias"), &[filters.count], device)?;
        }
        for number in 0..config.highways {
            all.normal(&format!("highways.{number}.weight"), &[2 * width, width], deviation, key, device)?;
            let bias = [vec![0.0; width], vec![CARRY_BIAS; width]].concat();
            all.insert(&format!("highways.{number}.bias"), &Tensor::from_vec(bias, 2 * width, device)?)?;
        }
        all.normal("projection.weight", &[config.projection_size, width], deviation, key, device)?;
        all.zeros("projection.bias", &[config.projection_size], device)?;
        Ok(CharCnn { config: config.clone(), values: all.attached(), parameters: all })
    }

    /// Vectors (N, P) of N words, `characters` (N, C) u32, C at least the widest filter.
    pub fn forward(&self, characters: &Tensor) -> Result<Tensor> {
        let both = |name: &str| {
            ["weight", "bias"]
                .map(|part| self.values.get(&format!("{name}.{part}")).expect("every name asked for was made in `new`"))
        };
        let embedded = embedding(characters, &self.values["char_embedding.weight"])?;
        let mut parts = Vec::with_capacity(self.config.filters.len());
        for number in 0..self.config.filters.len() {
            let [weight, bias] = both(&format!("char_conv_{number}"));
            parts.push(char_convolution(&embedded, weight, bias)?);
        }
        let mut x = Tensor::cat(&parts, 1)?;
        for number in 0..self.config.highways {
            let [weight, bias] = both(&format!("highways.{number}"));
            x = highway(&x, weight, bias)?;
        }
        let [weight, bias] = both("projection");
        Ok(linear(&x, weight, F32)?.broadcast_add(bias)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{gradients, scalar};
    use candle_core::DType;

    fn tiny() -> CharCnnConfig {
        let filters = vec![Filters { width: 1, count: 2 }, Filters { width: 3, count: 3 }];
        CharCnnConfig { characters: 6, embedding_size: 2, filters, highways: 2, projection_size: 3 }
    }

    fn words() -> Tensor {
        Tensor::new(&[[0u32, 1, 2, 3], [4, 5, 0, 1]], &Device::Cpu).unwrap()
    }

    #[test]
    fn every_gradient_matches_finite_differences() {
        let model = CharCnn::new(&tiny(), 3, &Device::Cpu).unwrap();
        let parameters = model.parameters.to_dtype(DType::F64).unwrap();
        for (name, var) in parameters.iter() {
            // Larger than at the start, so that filters and transforms are above 0.
            let values = Key::new(4).named(name).normals(var.elem_count(), 0.7);
            let values = Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
            var.set(&values).unwrap();
        }
        let model = CharCnn { values: parameters.attached(), parameters, ..model };
        let vars: Vec<_> = model.parameters.iter().map(|(_, var)| var).collect();
        gradients(&vars, || scalar(&model.forward(&words()).unwrap()));
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        let model = CharCnn::new(&tiny(), 1, &Device::Cpu).unwrap();
        let loss = model.forward(&words()).unwrap().sqr().unwrap().sum_all().unwrap();
        model.parameters.check_gradients(&loss.backward().unwrap()).unwrap();
    }

    #[test]
    fn sizes_are_elmos_and_most_of_the_input_passes() {
        let config = CharCnnConfig::default();
        let model = CharCnn::new(&config, 1, &Device::Cpu).unwrap();
        // Filters of 32 · 1 + 32 · 2 + 64 · 3 + 128 · 4 + 256 · 5 + 512 · 6 + 1024 · 7 = 12,320 characters.
        let convolutions = 16 * 12_320 + 2048;
        let highways = 2 * (4096 * 2048 + 4096);
        assert_eq!(model.parameters.count(), 261 * 16 + convolutions + highways + 512 * 2048 + 512);
        let bias: Vec<f32> = model.parameters.get("highways.1.bias").unwrap().to_vec1().unwrap();
        assert!(bias[..2048].iter().all(|b| *b == 0.0) && bias[2048..].iter().all(|b| *b == -2.0));
        let message = CharCnn::new(&CharCnnConfig { filters: vec![], ..config }, 1, &Device::Cpu).unwrap_err();
        assert!(message.to_string().contains("a size is 0"), "{message}");
    }
}
