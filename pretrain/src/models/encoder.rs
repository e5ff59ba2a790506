//! A bidirectional encoder trained as a masked language model, with the layout, names and arithmetic of RoBERTa and XLM-R
//! (see [`EncoderLayout`]): norms after each half, learned positions, biases, GELU by the error function, and a head of a
//! map, GELU, a norm and the embedding with a bias.

use crate::error::{Error, Result};
use crate::models::encoder_weights::{self, BIAS, EMBEDDING, EMBEDDING_NORM, POSITIONS, TOKEN_TYPE};
use crate::models::{blocks, encoder_block, weights};
use crate::nn::cross_entropy::Loss;
use crate::nn::{
    AttentionSettings, Heads, Seen, dropout, embedding, exact_gelu, layer_norm, linear_with_bias,
    smoothed_cross_entropy,
};
use crate::parameters::Parameters;
use crate::precision::Precision;
use crate::random::Key;
use candle_core::{D, DType, Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use tongues_pipeline::io::atomic;

pub use crate::models::encoder_config::{EncoderConfig, EncoderLayout};

/// An encoder: configuration and parameters.
#[derive(Debug, Clone)]
pub struct Encoder {
    /// Sizes.
    pub config: EncoderConfig,
    /// Weights, by Hugging Face's names.
    pub parameters: Parameters,
    /// Whether each block keeps its input alone for the backward pass, and runs again there: the same to the bit with
    /// less memory and more work.
    pub recompute: bool,
    values: BTreeMap<String, Tensor>,
    precision: Precision,
}

impl Encoder {
    /// New weights, a function of `seed` alone: normal with deviation 0.02, norms 1, biases 0.
    pub fn new(config: &EncoderConfig, seed: u64, device: &Device) -> Result<Encoder> {
        config.check()?;
        let key = Key::new(seed).named("initial values");
        Encoder::with_parameters(config, weights::new(encoder_weights::weights(config), key, device)?)
    }

    /// An encoder over given parameters (of one type, on one device).
    pub fn with_parameters(config: &EncoderConfig, parameters: Parameters) -> Result<Encoder> {
        for weight in encoder_weights::weights(config) {
            parameters.get(&weight.name)?;
        }
        let (values, precision) = (parameters.attached(), Precision::F32);
        Ok(Encoder { config: config.clone(), recompute: false, values, parameters, precision })
    }

    /// The same with products in this precision. New and read models have them in f32.
    pub fn in_precision(self, precision: Precision) -> Encoder {
        Encoder { precision, ..self }
    }

    /// The same weights without a graph, sharing storage: for evaluation and prediction. Its products are in f32, as those
    /// of the saved model will be.
    pub fn detached(&self) -> Encoder {
        Encoder { values: self.parameters.detached(), precision: Precision::F32, ..self.clone() }
    }

    /// Reads `config.json` and `model.safetensors`, written by [`Encoder::save`] or by `transformers`.
    pub fn load(folder: &Path, device: &Device) -> Result<Encoder> {
        let config = EncoderConfig::from_hugging_face(&folder.join("config.json"))?;
        let encoder = Encoder::new(&config, 0, device)?;
        let path = folder.join("model.safetensors");
        encoder.parameters.take_values(encoder_weights::stored(&path, device)?, &path)?;
        Ok(encoder)
    }

    /// Writes `config.json` and `model.safetensors`, a folder `transformers` loads.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let config = serde_json::to_vec_pretty(&self.config.to_hugging_face()).expect("a configuration is plain data");
        self.parameters.save(&folder.join("model.safetensors"))?;
        Ok(atomic::write(&folder.join("config.json"), &config)?)
    }

    /// Copy in another type, for gradient checks in f64.
    pub fn to_dtype(&self, dtype: DType) -> Result<Encoder> {
        let encoder = Encoder::with_parameters(&self.config, self.parameters.to_dtype(dtype)?)?;
        Ok(Encoder { recompute: self.recompute, ..encoder })
    }

    /// Where the parameters are.
    pub fn device(&self) -> &Device {
        self.value(EMBEDDING).device()
    }

    fn value(&self, name: &str) -> &Tensor {
        self.values.get(name).expect("every name asked for was looked for in `with_parameters`")
    }

    fn pair(&self, name: &str) -> [&Tensor; 2] {
        [self.value(&format!("{name}.weight")), self.value(&format!("{name}.bias"))]
    }

    fn map(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let [weight, bias] = self.pair(name);
        linear_with_bias(x, weight, bias, self.precision)
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let [weight, bias] = self.pair(name);
        layer_norm(x, weight, bias, self.config.norm_epsilon)
    }

    /// Final states (B, T, D) of `ids` (B, T) u32, T at most the context length, where each token sees what `seen` says
    /// and positions count from the beginning of its text. With a key, dropout is on.
    pub fn hidden(&self, ids: &Tensor, seen: &Seen, key: Option<Key>) -> Result<Tensor> {
        let (b, t) = ids.dims2()?;
        let EncoderConfig { context_length, heads, dropout: rate, norm_epsilon: epsilon, .. } = self.config;
        if t > context_length {
            return Err(Error::Settings(format!("a window of {t} tokens; the model takes {context_length}")));
        }
        let key = |place: u64| key.map(|key| key.stream(place));
        let first = self.config.first_position();
        let places = seen.positions(t).unwrap_or_else(|| (0..(b * t) as u32).map(|at| at % t as u32).collect());
        let places = places.into_iter().map(|place| first + place).collect::<Vec<u32>>();
        let places = Tensor::from_vec(places, (b, t), ids.device())?;
        let x = (embedding(ids, self.value(EMBEDDING))? + embedding(&places, self.value(POSITIONS))?)?;
        let x = self.norm(&x.broadcast_add(self.value(TOKEN_TYPE))?, EMBEDDING_NORM)?;
        let mut x = dropout(&x, rate, key(0))?;
        let heads = Heads { queries: heads, keys: heads, rope: None };
        let settings = AttentionSettings { heads, seen: seen.clone(), epsilon, rate, precision: self.precision };
        for layer in 0..self.config.layers {
            let place = 1 + 2 * layer as u64;
            let (keys, settings) = ([key(place), key(place + 1)], settings.clone());
            let own = encoder_weights::block(layer);
            x = blocks::run(&x, (&self.values, &own), self.recompute, move |x, at| {
                encoder_block::block(x, at, &settings, keys)
            })?;
        }
        Ok(x)
    }

    /// What the head makes of states (…, D) before the embedding.
    fn before_logits(&self, states: &Tensor) -> Result<Tensor> {
        self.norm(&exact_gelu(&self.map(states, "lm_head.dense")?)?, "lm_head.layer_norm")
    }

    /// Logits (…, V) of states (…, D).
    pub fn logits(&self, states: &Tensor) -> Result<Tensor> {
        linear_with_bias(&self.before_logits(states)?, self.value(EMBEDDING), self.value(BIAS), self.precision)
    }

    /// Summed cross-entropy of `targets` at `places` (of B·T, row by row) of `ids` (B, T).
    pub fn loss(
        &self,
        ids: &Tensor,
        seen: &Seen,
        (places, targets): (&[u32], &[u32]),
        key: Option<Key>,
    ) -> Result<Loss> {
        let states = self.hidden(ids, seen, key)?.flatten(0, D::Minus2)?;
        let states = states.index_select(&Tensor::new(places, ids.device())?, 0)?;
        let head = (self.value(EMBEDDING), Some(self.value(BIAS)));
        smoothed_cross_entropy(&self.before_logits(&states)?, head, targets, None, 0.0, self.precision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::backward;
    use crate::nn::check::gradients;
    use crate::parameters;
    use candle_core::backprop::GradStore;

    fn tiny() -> EncoderConfig {
        EncoderConfig {
            vocabulary_size: 9,
            hidden_size: 8,
            layers: 2,
            heads: 2,
            intermediate_size: 12,
            context_length: 5,
            dropout: 0.2,
            mask: 8,
            ..Default::default()
        }
    }

    fn new(config: &EncoderConfig, seed: u64) -> Encoder {
        let encoder = Encoder::new(config, seed, &Device::Cpu).unwrap();
        // Biases begin with 0 and norms with 1, where a term that is left out would not be seen; larger weights than at
        // the start of training make attention more than a mean.
        for (name, var) in encoder.parameters.iter() {
            let (scale, noise) = if var.rank() == 1 { (1.0, 0.1) } else { (10.0, 0.0) };
            let noise = Key::new(seed).named(name).normals(var.elem_count(), noise);
            let moved = (var.as_detached_tensor() * scale).unwrap();
            var.set(&(moved + Tensor::from_vec(noise, var.dims(), &Device::Cpu).unwrap()).unwrap()).unwrap();
        }
        encoder
    }

    fn ids<const B: usize>(rows: &[[u32; 5]; B]) -> Tensor {
        Tensor::new(rows, &Device::Cpu).unwrap()
    }

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_dtype(DType::F32).unwrap().to_vec1().unwrap()
    }

    const PLACES: ([u32; 3], [u32; 3]) = ([1, 3, 7], [3, 6, 0]);

    fn loss(encoder: &Encoder, key: Option<Key>) -> Tensor {
        let seen = Seen::bidirectional().apart(&[vec![0, 2], vec![0]], 5).unwrap();
        let ids = ids(&[[1, 8, 3, 8, 2], [1, 0, 8, 5, 2]]);
        encoder.loss(&ids, &seen, (&PLACES.0, &PLACES.1), key).unwrap().sum
    }

    #[test]
    fn every_gradient_matches_finite_differences_with_dropout() {
        for recompute in [false, true] {
            let encoder = Encoder { recompute, ..new(&tiny(), 3) }.to_dtype(DType::F64).unwrap();
            // A constant on all keys of a query is none of the softmax's business: the gradient of keys' biases is 0.
            let vars: Vec<_> =
                encoder.parameters.iter().filter(|(name, _)| !name.ends_with("key.bias")).map(|(_, var)| var).collect();
            gradients(&vars, || loss(&encoder, Some(Key::new(5))));
        }
    }

    #[test]
    fn the_fused_path_agrees_with_the_plain_one() {
        let fused = new(&tiny(), 3);
        let plain = fused.to_dtype(DType::F64).unwrap(); // in f64 every layer takes the plain path
        let store = |encoder: &Encoder| loss(encoder, Some(Key::new(5))).backward().unwrap();
        let (found, expected) = (store(&fused), store(&plain));
        for ((name, a), (_, b)) in fused.parameters.iter().zip(plain.parameters.iter()) {
            let (found, expected) = (found.get(a).unwrap().to_dtype(DType::F64).unwrap(), expected.get(b).unwrap());
            let norm = |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
            // The gradient of keys' biases is 0 but for rounding.
            assert!(norm(&(&found - expected).unwrap()) < 1e-5 * norm(expected).max(0.1), "{name}");
        }
    }

    #[test]
    fn in_bf16_the_loss_is_near_that_in_f32() {
        let exact = new(&tiny(), 3);
        let of = |encoder: &Encoder| numbers(&loss(encoder, None))[0];
        let rounded = exact.clone().in_precision(Precision::Bf16);
        let error = (of(&rounded) / of(&exact) - 1.0).abs();
        assert!(error > 1e-6 && error < 2e-2, "{error}");
        assert_eq!(of(&rounded.detached()), of(&exact));
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        let encoder = new(&tiny(), 1);
        encoder.parameters.check_gradients(&loss(&encoder, None).backward().unwrap()).unwrap();
        let detached = loss(&encoder.detached(), None);
        assert!(encoder.parameters.check_gradients(&detached.backward().unwrap()).is_err());
        assert_eq!(numbers(&detached), numbers(&loss(&encoder, None)));
    }

    /// Of a few hundred tokens.
    fn larger() -> Encoder {
        let sizes = EncoderConfig { vocabulary_size: 300, hidden_size: 48, intermediate_size: 192, ..tiny() };
        new(&EncoderConfig { context_length: 100, mask: 299, ..sizes }, 3)
    }

    /// Bits of the loss and of every gradient of one training step, by candle's backward pass or ours, on so many threads.
    fn step_bits(encoder: &Encoder, backward: fn(&Tensor) -> Result<GradStore>, threads: usize) -> Vec<u32> {
        let tokens: Vec<u32> = (0..300).map(|i| Key::new(8).below(i, 300) as u32).collect();
        let ids = Tensor::from_vec(tokens, (3, 100), &Device::Cpu).unwrap();
        let (places, targets): (Vec<u32>, Vec<u32>) = (0..60).map(|i| (5 * i, 7 * i % 300)).unzip();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let seen = Seen::bidirectional().apart(&[vec![0, 37], vec![0], vec![0, 90]], 100).unwrap();
            let loss = encoder.loss(&ids, &seen, (&places, &targets), Some(Key::new(5))).unwrap().sum;
            let store = backward(&loss).unwrap();
            let gradients = encoder.parameters.iter().map(|(_, var)| numbers(store.get(var).unwrap()));
            gradients.flatten().chain(numbers(&loss)).map(f32::to_bits).collect()
        })
    }

    #[test]
    fn neither_threads_nor_recomputing_change_a_bit() {
        for encoder in [larger().in_precision(Precision::Bf16), larger()] {
            let recomputed = Encoder { recompute: true, ..encoder.clone() };
            for way in [backward, |loss: &Tensor| Ok(loss.backward()?)] {
                let once = step_bits(&encoder, way, 1);
                assert!(once == step_bits(&encoder, way, 2), "one thread and two");
                assert!(once == step_bits(&recomputed, way, 2), "kept and computed again");
            }
        }
    }

    #[test]
    fn both_sides_are_seen_and_neither_padding_nor_another_document() {
        let encoder = new(&tiny(), 3);
        let states = |tokens: &[u32], seen: &Seen| {
            let ids = Tensor::from_slice(tokens, (1, tokens.len()), &Device::Cpu).unwrap();
            numbers(&encoder.hidden(&ids, seen, None).unwrap())
        };
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        let both = Seen::bidirectional();
        let whole = states(&[1, 3, 4, 6, 2], &both);
        assert!(!near(&whole[..8], &states(&[1, 3, 4, 7, 2], &both)[..8]), "the future is seen");
        let padded = states(&[1, 3, 2, 7, 7], &both.clone().padded(&[3], 5).unwrap());
        assert!(near(&states(&[1, 3, 2], &both), &padded[..24]));
        let packed = states(&[1, 2, 1, 6, 2], &both.clone().apart(&[vec![0, 2]], 5).unwrap());
        assert!(near(&packed, &[states(&[1, 2], &both), states(&[1, 6, 2], &both)].concat()));
    }

    #[test]
    fn a_saved_model_is_the_same_model_and_the_additions_of_transformers_are_passed_over() {
        for layout in EncoderLayout::ALL {
            let (folder, path) = (tempfile::tempdir().unwrap(), "model.safetensors");
            let encoder = new(&EncoderConfig { layout, padding: 1, beginning: 0, ..tiny() }, 1);
            encoder.save(folder.path()).unwrap();
            let mut tensors = parameters::load(&folder.path().join(path), &Device::Cpu).unwrap();
            tensors.insert("lm_head.decoder.weight".into(), tensors[EMBEDDING].clone());
            tensors.insert("roberta.pooler.dense.bias".into(), tensors[BIAS].clone());
            parameters::save(&tensors, &folder.path().join(path)).unwrap();
            let again = Encoder::load(folder.path(), &Device::Cpu).unwrap();
            assert_eq!(again.config, encoder.config);
            assert_eq!(numbers(&loss(&again, None)), numbers(&loss(&encoder, None)));
            tensors.insert("roberta.adapter".into(), tensors[BIAS].clone());
            parameters::save(&tensors, &folder.path().join(path)).unwrap();
            let message = Encoder::load(folder.path(), &Device::Cpu).unwrap_err().to_string();
            assert!(message.contains("roberta.adapter: found a tensor this model does not have"), "{message}");
        }
    }

    #[test]
    fn embeddings_are_no_maps() {
        let parameters = Encoder::new(&tiny(), 1, &Device::Cpu).unwrap().parameters;
        assert_eq!(parameters.count(), tiny().parameters());
        let maps = parameters.iter().filter(|(name, _)| parameters.is_map(name)).count();
        assert_eq!(maps, 2 * 6 + 1);
    }
}
