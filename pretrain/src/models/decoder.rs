//! A causal decoder with the layout, names and arithmetic of Hugging Face's models; see [`Layout`].

use crate::error::{Error, Result};
use crate::models::{blocks, weights};
use crate::nn::cross_entropy::Loss;
use crate::nn::{
    AttentionSettings, Heads, Rope, Seen, add_positions, cross_entropy, dropout, embedding, layer_norm, linear,
    rms_norm,
};
use crate::parameters::Parameters;
use crate::precision::Precision;
use crate::random::Key;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use tongues_pipeline::io::atomic;

pub use crate::models::config::DecoderConfig;
pub use crate::models::layout::Layout;

/// A decoder: configuration and parameters.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// Sizes.
    pub config: DecoderConfig,
    /// Weights, by Hugging Face's names.
    pub parameters: Parameters,
    /// Whether each block keeps its input alone for the backward pass, and runs again there: the same to the bit with
    /// less memory and more work.
    pub recompute: bool,
    values: BTreeMap<String, Tensor>,
    heads: Heads,
    precision: Precision,
}

impl Decoder {
    /// New weights, a function of `seed` alone: normal with deviation 0.02, the maps that end a residual branch with
    /// 0.02 / √(2 · layers) (Radford et al. 2019; not in `gpt1`), norms 1, biases 0.
    pub fn new(config: &DecoderConfig, seed: u64, device: &Device) -> Result<Decoder> {
        config.check()?;
        let parameters = weights::new(weights::weights(config), Key::new(seed).named("initial values"), device)?;
        Decoder::with_parameters(config, parameters)
    }

    /// A decoder over given parameters (of one type, on one device).
    pub fn with_parameters(config: &DecoderConfig, parameters: Parameters) -> Result<Decoder> {
        parameters.get(config.layout.embedding())?;
        let rotary = || Rope::new(config.context_length, config.width_of_head(), config.rope_theta);
        let rope = (!config.layout.is_gpt()).then(rotary);
        let heads = Heads { queries: config.heads, keys: config.heads_of_keys(), rope };
        Ok(Decoder {
            config: config.clone(),
            recompute: false,
            values: parameters.attached(),
            parameters,
            heads,
            precision: Precision::F32,
        })
    }

    /// The same with products in this precision. New and read models have them in f32.
    pub fn in_precision(self, precision: Precision) -> Decoder {
        Decoder { precision, ..self }
    }

    /// What its products are in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same weights without a graph, sharing storage: for evaluation and prediction. Its products are in f32, as those
    /// of the saved model will be.
    pub fn detached(&self) -> Decoder {
        Decoder { values: self.parameters.detached(), precision: Precision::F32, ..self.clone() }
    }

    /// Reads `config.json` and `model.safetensors`, written by [`Decoder::save`] or by `transformers`.
    pub fn load(folder: &Path, device: &Device) -> Result<Decoder> {
        let config = DecoderConfig::from_hugging_face(&folder.join("config.json"))?;
        let decoder = Decoder::new(&config, 0, device)?;
        let path = folder.join("model.safetensors");
        decoder.parameters.take_values(weights::stored(&config, &path, device)?, &path)?;
        Ok(decoder)
    }

    /// Writes `config.json` and `model.safetensors`, a folder `transformers` loads.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let config = serde_json::to_vec_pretty(&self.config.to_hugging_face()).expect("a configuration is plain data");
        self.parameters.save(&folder.join("model.safetensors"))?;
        Ok(atomic::write(&folder.join("config.json"), &config)?)
    }

    /// The weight of this name.
    pub(crate) fn value(&self, name: &str) -> &Tensor {
        self.values.get(name).expect("every name asked for was made in `new`")
    }

    /// The heads of every block.
    pub(crate) fn heads(&self) -> &Heads {
        &self.heads
    }

    /// The head (V, D).
    pub fn head(&self) -> &Tensor {
        self.value(if self.config.tied_embeddings { self.config.layout.embedding() } else { weights::HEAD })
    }

    /// Final states (B, T, D) of `ids` (B, T) u32, normed as the layout has it, T at most the context length. With a key,
    /// dropout is on.
    pub fn hidden(&self, ids: &Tensor, key: Option<Key>) -> Result<Tensor> {
        self.hidden_seeing(ids, &Seen::causal(), key)
    }

    /// The same where each token sees no more than `seen`; learned positions count from the beginning of a text.
    pub fn hidden_seeing(&self, ids: &Tensor, seen: &Seen, key: Option<Key>) -> Result<Tensor> {
        let (b, t) = ids.dims2()?;
        if t > self.config.context_length {
            return Err(Error::Settings(format!(
                "a window of {t} tokens; the model takes {}",
                self.config.context_length
            )));
        }
        let DecoderConfig { layout, dropout: rate, norm_epsilon: epsilon, .. } = self.config;
        let (heads, precision, activation) = (self.heads.clone(), self.precision, self.config.activation());
        let settings = AttentionSettings { heads, seen: seen.clone(), epsilon, rate, precision };
        let key = |place: u64| key.map(|key| key.stream(place));
        let mut x = embedding(ids, self.value(layout.embedding()))?;
        if let Some(table) = layout.positions() {
            let table = self.value(table);
            x = match seen.positions(t) {
                None => add_positions(&x, table)?,
                Some(places) => (x + embedding(&Tensor::from_vec(places, (b, t), ids.device())?, table)?)?,
            };
        }
        x = dropout(&x, rate, key(0))?;
        for layer in 0..self.config.layers {
            let place = 1 + 2 * layer as u64;
            let (keys, settings) = ([key(place), key(place + 1)], settings.clone());
            x = blocks::run(&x, (&self.values, &layout.block(layer)), self.recompute, move |x, at| {
                blocks::block(x, (layout, activation), at, &settings, keys)
            })?;
        }
        self.final_norm(x)
    }

    /// What the last block gives, normed as the layout has it.
    pub(crate) fn final_norm(&self, x: Tensor) -> Result<Tensor> {
        let epsilon = self.config.norm_epsilon;
        match self.config.layout {
            Layout::Llama | Layout::Qwen3 => rms_norm(&x, self.value("model.norm.weight"), epsilon),
            Layout::Gpt2 => {
                let [weight, bias] = ["transformer.ln_f.weight", "transformer.ln_f.bias"].map(|name| self.value(name));
                layer_norm(&x, weight, bias, epsilon)
            }
            Layout::Gpt1 => Ok(x), // each block ends with a norm
        }
    }

    /// Logits (B, T, V) of `ids` (B, T).
    pub fn logits(&self, ids: &Tensor) -> Result<Tensor> {
        linear(&self.hidden(ids, None)?, self.head(), self.precision)
    }

    /// Summed cross-entropy of `targets` (B·T, row by row) after `ids` (B, T); targets equal to `ignore` do not count.
    pub fn loss(&self, ids: &Tensor, targets: &[u32], ignore: Option<u32>, key: Option<Key>) -> Result<Loss> {
        let hidden = self.hidden(ids, key)?.flatten(0, 1)?;
        cross_entropy(&hidden, self.head(), targets, ignore, self.precision)
    }

    /// Copy in another type, for gradient checks in f64.
    pub fn to_dtype(&self, dtype: DType) -> Result<Decoder> {
        let decoder = Decoder::with_parameters(&self.config, self.parameters.to_dtype(dtype)?)?;
        Ok(Decoder { recompute: self.recompute, ..decoder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::layout::Activation;
    use crate::nn::backward;
    use crate::nn::check::gradients;
    use crate::optimiser::{AdamW, AdamWSettings, Gradients};
    use crate::parameters;
    use candle_core::backprop::GradStore;

    /// In every layout, tied and not; the gated ones with shared keys and heads of their own width too.
    fn tiny() -> Vec<DecoderConfig> {
        let sizes = DecoderConfig {
            vocabulary_size: 7,
            hidden_size: 8,
            layers: 2,
            heads: 2,
            intermediate_size: 12,
            context_length: 5,
            dropout: 0.2,
            ..Default::default()
        };
        let of = |layout| {
            let intermediate_size = if layout == Layout::Gpt1 { 32 } else { 12 };
            let own = DecoderConfig { layout, intermediate_size, ..sizes.clone() };
            let shared = DecoderConfig { key_value_heads: Some(1), head_width: Some(6), ..own.clone() };
            let squared = DecoderConfig { activation: Some(Activation::ReluSquared), ..own.clone() };
            match layout {
                Layout::Gpt1 => vec![own],
                Layout::Gpt2 => vec![own, squared],
                Layout::Llama | Layout::Qwen3 => vec![own, shared],
            }
        };
        let all = Layout::ALL.into_iter().flat_map(of);
        all.flat_map(|own| [true, false].map(|tied_embeddings| DecoderConfig { tied_embeddings, ..own.clone() }))
            .collect()
    }

    fn new(config: &DecoderConfig, seed: u64) -> Decoder {
        let decoder = Decoder::new(config, seed, &Device::Cpu).unwrap();
        // Biases begin with 0, where a term that is left out would not be seen.
        for (name, var) in decoder.parameters.iter().filter(|(name, _)| name.ends_with(".bias")) {
            let values = Key::new(seed).named(name).normals(var.elem_count(), 0.1);
            var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
        }
        decoder
    }

    #[test]
    fn every_gradient_matches_finite_differences_with_dropout() {
        for (number, config) in tiny().iter().filter(|config| !config.tied_embeddings).enumerate() {
            let recompute = number % 2 == 0; // both ways, in both families of layouts
            let decoder = Decoder { recompute, ..new(config, 3) }.to_dtype(DType::F64).unwrap();
            let ids = Tensor::new(&[[1u32, 3, 3, 6], [1, 0, 5, 2]], &Device::Cpu).unwrap();
            let targets = [3, 3, 6, 2, 0, 5, 2, 99];
            let vars: Vec<_> = decoder.parameters.iter().map(|(_, var)| var).collect();
            gradients(&vars, || decoder.loss(&ids, &targets, Some(99), Some(Key::new(5))).unwrap().sum);
        }
    }

    /// Bits of the loss and of every gradient of one training step, by candle's backward pass or ours, on so many threads.
    fn step_bits(decoder: &Decoder, backward: fn(&Tensor) -> Result<GradStore>, threads: usize) -> Vec<u32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (t, v) = (decoder.config.context_length, decoder.config.vocabulary_size as u64);
        let tokens: Vec<u32> = (0..3 * t as u64).map(|i| Key::new(8).below(i, v) as u32).collect();
        let ids = Tensor::from_slice(&tokens, (3, t), &Device::Cpu).unwrap();
        pool.install(|| {
            let loss = decoder.loss(&ids, &tokens, None, Some(Key::new(5))).unwrap().sum;
            let store = backward(&loss).unwrap();
            let gradients = decoder.parameters.iter().map(|(_, var)| store.get(var).unwrap().flatten_all().unwrap());
            let all = std::iter::once(loss.flatten_all().unwrap()).chain(gradients);
            all.flat_map(|tensor| tensor.to_vec1::<f32>().unwrap()).map(f32::to_bits).collect()
        })
    }

    #[test]
    fn neither_threads_nor_repeating_change_a_bit() {
        for config in tiny().iter().filter(|config| config.tied_embeddings) {
            let (hidden_size, intermediate_size) = (48, 192);
            let sizes = DecoderConfig { vocabulary_size: 300, hidden_size, intermediate_size, ..config.clone() };
            let decoder = new(&DecoderConfig { context_length: 100, ..sizes }, 3);
            for decoder in [decoder.clone().in_precision(Precision::Bf16), decoder] {
                let once = step_bits(&decoder, backward, 1);
                assert!(once == step_bits(&decoder, backward, 2), "one thread and two");
                assert!(once == step_bits(&decoder, backward, 2), "two threads, again");
                assert!(once == step_bits(&decoder, backward, 3), "one thread and three");
            }
        }
    }

    #[test]
    fn recomputing_changes_no_bit() {
        for config in tiny() {
            let config = DecoderConfig { vocabulary_size: 300, context_length: 70, ..config };
            for config in [DecoderConfig { dropout: 0.0, ..config.clone() }, config] {
                let plain = new(&config, 3);
                let recomputed = Decoder { recompute: true, ..plain.clone() };
                for way in [backward, |loss: &Tensor| Ok(loss.backward()?)] {
                    assert!(step_bits(&plain, way, 2) == step_bits(&recomputed, way, 2), "{config:?}");
                }
            }
        }
    }

    #[test]
    fn the_fused_path_agrees_with_the_plain_one() {
        for config in tiny() {
            let fused = new(&config, 3);
            let plain = fused.to_dtype(DType::F64).unwrap(); // in f64 every layer takes the plain path
            let ids = Tensor::new(&[[1u32, 3, 3, 6, 0], [1, 0, 5, 2, 2]], &Device::Cpu).unwrap();
            let targets = [3, 3, 6, 2, 1, 0, 5, 2, 99, 4];
            let store = |decoder: &Decoder| {
                decoder.loss(&ids, &targets, Some(99), Some(Key::new(5))).unwrap().sum.backward().unwrap()
            };
            let (found, expected) = (store(&fused), store(&plain));
            for ((name, a), (_, b)) in fused.parameters.iter().zip(plain.parameters.iter()) {
                let (found, expected) = (found.get(a).unwrap().to_dtype(DType::F64).unwrap(), expected.get(b).unwrap());
                assert!(norm(&(&found - expected).unwrap()) < 1e-5 * norm(expected), "{config:?}: {name}");
            }
        }
    }

    fn norm(x: &Tensor) -> f64 {
        x.to_dtype(DType::F64).unwrap().sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt()
    }

    /// Rounding to 8 significant bits changes a factor by at most 2⁻⁸ of its size, 0.4 %, and by 0.14 % on average; sums of
    /// many such products by no more, and some ten of them one after the other, forward and backward, by about a percent.
    #[test]
    fn in_bf16_every_gradient_is_near_that_in_f32() {
        for config in tiny() {
            let (hidden_size, intermediate_size) = (48, if config.layout == Layout::Gpt1 { 192 } else { 100 });
            let sizes = DecoderConfig { vocabulary_size: 300, hidden_size, intermediate_size, ..config.clone() };
            let exact = new(&DecoderConfig { context_length: 20, ..sizes }, 3);
            let rounded = exact.clone().in_precision(Precision::Bf16);
            let tokens: Vec<u32> = (0..60).map(|i| Key::new(8).below(i, 300) as u32).collect();
            let ids = Tensor::from_slice(&tokens, (3, 20), &Device::Cpu).unwrap();
            let loss = |decoder: &Decoder| decoder.loss(&ids, &tokens, None, Some(Key::new(5))).unwrap().sum;
            let store = |decoder: &Decoder| loss(decoder).backward().unwrap();
            let (found, expected) = (store(&rounded), store(&exact));
            for (name, var) in exact.parameters.iter() {
                let (found, expected) = (found.get(var).unwrap(), expected.get(var).unwrap());
                let error = norm(&(found - expected).unwrap()) / norm(expected);
                assert!(error > 1e-5 && error < 2e-2, "{config:?}: {name}: {error}");
            }
            assert_eq!(loss(&rounded.detached()).to_scalar::<f32>().unwrap(), loss(&exact).to_scalar::<f32>().unwrap());
        }
    }

    #[test]
    fn in_bf16_a_batch_is_learnt_by_heart() {
        for config in tiny() {
            let config = DecoderConfig { hidden_size: 32, intermediate_size: 128, dropout: 0.0, ..config };
            let decoder = Decoder::new(&config, 1, &Device::Cpu).unwrap().in_precision(Precision::Bf16);
            let mut optimiser = AdamW::new(&decoder.parameters, AdamWSettings::default()).unwrap();
            let ids = Tensor::new(&[[1u32, 3, 3, 6, 0], [4, 0, 5, 2, 2]], &Device::Cpu).unwrap();
            let targets = [3, 3, 6, 0, 4, 0, 5, 2, 2, 1];
            let mut losses = Vec::new();
            for _ in 0..200 {
                let loss = decoder.loss(&ids, &targets, None, None).unwrap().sum;
                losses.push(loss.to_scalar::<f32>().unwrap() / 10.0);
                let mut gradients = Gradients::default();
                gradients.add(&decoder.parameters, backward(&loss).unwrap(), 0.1).unwrap();
                optimiser.step(&decoder.parameters, &gradients, 1e-2).unwrap();
            }
            assert!(losses[0] > 1.5 && losses[199] < 0.02, "{config:?}: {} to {}", losses[0], losses[199]);
        }
    }

    #[test]
    fn packed_documents_with_boundaries_are_documents_alone() {
        for config in tiny().iter().filter(|config| config.tied_embeddings) {
            let decoder = new(config, 3);
            let states = |ids: &[u32], starts: Vec<usize>| {
                let seen = Seen::causal().apart(&[starts], ids.len()).unwrap();
                let ids = Tensor::from_slice(ids, (1, ids.len()), &Device::Cpu).unwrap();
                decoder.hidden_seeing(&ids, &seen, None).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
            };
            let packed = states(&[1, 3, 1, 6, 4], vec![0, 2]);
            let alone = [states(&[1, 3], vec![0]), states(&[1, 6, 4], vec![0])].concat();
            let near = |other: &[f32]| packed.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near(&alone) && !near(&states(&[1, 3, 1, 6, 4], vec![0])), "{:?}", config.layout);
        }
    }

    #[test]
    fn every_parameter_gets_a_gradient_tied_or_not() {
        for config in tiny() {
            let decoder = Decoder::new(&config, 1, &Device::Cpu).unwrap();
            let ids = Tensor::new(&[[1u32, 3, 4, 6]], &Device::Cpu).unwrap();
            let loss = decoder.loss(&ids, &[3, 4, 6, 2], None, None).unwrap();
            decoder.parameters.check_gradients(&loss.sum.backward().unwrap()).unwrap();
            let detached = decoder.detached().loss(&ids, &[3, 4, 6, 2], None, None).unwrap();
            assert!(decoder.parameters.check_gradients(&detached.sum.backward().unwrap()).is_err());
            assert_eq!(detached.sum.to_scalar::<f32>().unwrap(), loss.sum.to_scalar::<f32>().unwrap());
        }
    }

    fn logits(decoder: &Decoder) -> Vec<f32> {
        let ids = Tensor::new(&[[1u32, 3, 4]], &Device::Cpu).unwrap();
        decoder.logits(&ids).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_saved_model_is_the_same_model() {
        for config in tiny() {
            let folder = tempfile::tempdir().unwrap();
            let decoder = new(&config, 1);
            decoder.save(folder.path()).unwrap();
            let again = Decoder::load(folder.path(), &Device::Cpu).unwrap();
            assert_eq!(again.config, decoder.config);
            assert_eq!(logits(&again), logits(&decoder));
        }
    }

    #[test]
    fn files_of_transformers_are_read_with_their_additions_and_without_the_prefix() {
        for config in tiny().iter().filter(|config| config.tied_embeddings) {
            let (folder, path) = (tempfile::tempdir().unwrap(), "model.safetensors");
            let (decoder, prefix) = (new(config, 1), config.layout.prefix());
            decoder.save(folder.path()).unwrap();
            let mut tensors = parameters::load(&folder.path().join(path), &Device::Cpu).unwrap();
            let mask = Tensor::ones((1, 1, 5, 5), DType::F32, &Device::Cpu).unwrap();
            for name in ["h.0.attn.bias", "h.1.attn.masked_bias", "layers.0.self_attn.rotary_emb.inv_freq"] {
                tensors.insert(format!("{prefix}{name}"), mask.clone());
            }
            tensors.insert(weights::HEAD.into(), decoder.head().clone());
            parameters::save(&tensors, &folder.path().join(path)).unwrap();
            let read = || Decoder::load(folder.path(), &Device::Cpu);
            assert_eq!(logits(&read().unwrap()), logits(&decoder));
            let bare = |(name, tensor): (&String, &Tensor)| {
                (name.strip_prefix(prefix).unwrap_or(name).to_owned(), tensor.clone())
            };
            parameters::save(&tensors.iter().map(bare).collect(), &folder.path().join(path)).unwrap();
            assert_eq!(logits(&read().unwrap()), logits(&decoder));
            tensors.insert(format!("{prefix}adapter.weight"), mask.clone());
            parameters::save(&tensors, &folder.path().join(path)).unwrap();
            let message = read().unwrap_err().to_string();
            assert!(
                message.contains(&format!("{prefix}adapter.weight: found a tensor this model does not")),
                "{message}"
            );
        }
    }

    #[test]
    fn embeddings_are_no_maps() {
        for config in tiny() {
            let parameters = Decoder::new(&config, 1, &Device::Cpu).unwrap().parameters;
            assert_eq!(parameters.count(), config.parameters());
            let layout = config.layout;
            assert!(
                !parameters.is_map(layout.embedding()) && !layout.positions().is_some_and(|n| parameters.is_map(n))
            );
            let maps = parameters.iter().filter(|(name, _)| parameters.is_map(name)).count();
            let of_block = if layout.is_gpt() { 4 } else { 7 };
            assert_eq!(maps, 2 * of_block + usize::from(!config.tied_embeddings));
        }
    }
}
