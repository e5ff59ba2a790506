//! A causal decoder with the layout, names and arithmetic of Hugging Face's `LlamaForCausalLM`.

use crate::error::{Error, Result};
use crate::nn::cross_entropy::Loss;
use crate::nn::{
    AttentionSettings, Heads, Rope, attention_layer, cross_entropy, dropout, embedding, feed_forward, linear, rms_norm,
};
use crate::parameters::Parameters;
use crate::random::Key;
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;

/// Size and constants of a decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecoderConfig {
    /// V; 0 in a recipe: taken from the token files.
    pub vocabulary_size: usize,
    /// D.
    pub hidden_size: usize,
    /// Blocks.
    pub layers: usize,
    /// H; divides D, and D / H is even.
    pub heads: usize,
    /// F.
    pub intermediate_size: usize,
    /// T at most, tokens.
    pub context_length: usize,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// Added to the mean square in norms.
    pub norm_epsilon: f64,
    /// Share dropped after the embedding and on each residual branch, in training.
    pub dropout: f64,
    /// Whether the head is the embedding.
    pub tied_embeddings: bool,
    /// Id of `<s>`.
    pub beginning: u32,
    /// Id of `</s>`.
    pub end: u32,
}

impl Default for DecoderConfig {
    /// 4 layers of 256: small enough for a laptop, and for a corpus of a few million tokens.
    fn default() -> DecoderConfig {
        DecoderConfig {
            vocabulary_size: 0,
            hidden_size: 256,
            layers: 4,
            heads: 4,
            intermediate_size: 688, // 8/3 D, as in Llama, rounded to 16
            context_length: 256,
            rope_theta: 10_000.0,
            norm_epsilon: 1e-5,
            dropout: 0.1,
            tied_embeddings: true,
            beginning: 1,
            end: 2,
        }
    }
}

impl DecoderConfig {
    /// Refuses sizes that cannot work, all faults together.
    pub fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        let sizes = [
            ("vocabulary_size", self.vocabulary_size),
            ("hidden_size", self.hidden_size),
            ("layers", self.layers),
            ("heads", self.heads),
            ("intermediate_size", self.intermediate_size),
            ("context_length", self.context_length),
        ];
        faults.extend(
            sizes.iter().filter(|(_, size)| *size == 0).map(|(name, _)| format!("{name} is 0; expected 1 or more")),
        );
        if self.heads > 0 && !self.hidden_size.is_multiple_of(2 * self.heads) {
            faults.push(format!(
                "hidden_size {} is not a multiple of 2 · heads = {}",
                self.hidden_size,
                2 * self.heads
            ));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            faults.push(format!("dropout is {}; expected 0 or more, below 1", self.dropout));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Settings(format!("decoder: {}", faults.join("; ")))) }
    }

    /// The same with the vocabulary of the tokens; refuses another one that was asked for.
    pub fn for_vocabulary(&self, vocabulary_size: usize) -> Result<DecoderConfig> {
        if self.vocabulary_size != 0 && self.vocabulary_size != vocabulary_size {
            return Err(Error::Mismatch {
                place: "decoder, vocabulary_size".to_owned(),
                found: self.vocabulary_size.to_string(),
                expected: format!("{vocabulary_size}, as the token files have it (or 0, to take theirs)"),
            });
        }
        let config = DecoderConfig { vocabulary_size, ..self.clone() };
        config.check()?;
        Ok(config)
    }

    /// `config.json` as `transformers` reads it.
    pub fn to_hugging_face(&self) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
            "vocab_size": self.vocabulary_size, "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.heads,
            "head_dim": self.hidden_size / self.heads, "max_position_embeddings": self.context_length,
            "rms_norm_eps": self.norm_epsilon, "rope_theta": self.rope_theta,
            "tie_word_embeddings": self.tied_embeddings, "attention_bias": false, "mlp_bias": false,
            "bos_token_id": self.beginning, "eos_token_id": self.end, "torch_dtype": "float32",
            "residual_dropout": self.dropout,
        })
    }

    /// Reads `config.json`; only what [`DecoderConfig::to_hugging_face`] writes is understood.
    pub fn from_hugging_face(path: &Path) -> Result<DecoderConfig> {
        let bytes = std::fs::read(path).map_err(FileError::io("read", path))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(FileError::format(path))?;
        let wrong = |key: &str, expected: &str| {
            let found = value.get(key).map_or("nothing".to_owned(), Value::to_string);
            Error::Mismatch { place: format!("{}, {key}", path.display()), found, expected: expected.to_owned() }
        };
        let whole = |key: &str| value[key].as_u64().ok_or_else(|| wrong(key, "a whole number"));
        let number = |key: &str| value[key].as_f64().ok_or_else(|| wrong(key, "a number"));
        if value["model_type"] != "llama" {
            return Err(wrong("model_type", "\"llama\""));
        }
        let config = DecoderConfig {
            vocabulary_size: whole("vocab_size")? as usize,
            hidden_size: whole("hidden_size")? as usize,
            layers: whole("num_hidden_layers")? as usize,
            heads: whole("num_attention_heads")? as usize,
            intermediate_size: whole("intermediate_size")? as usize,
            context_length: whole("max_position_embeddings")? as usize,
            rope_theta: number("rope_theta")?,
            norm_epsilon: number("rms_norm_eps")?,
            dropout: value["residual_dropout"].as_f64().unwrap_or(0.0),
            tied_embeddings: value["tie_word_embeddings"].as_bool().unwrap_or(false),
            beginning: whole("bos_token_id")? as u32,
            end: whole("eos_token_id")? as u32,
        };
        if value.get("num_key_value_heads").is_some_and(|heads| heads.as_u64() != Some(config.heads as u64)) {
            return Err(wrong("num_key_value_heads", "as many as num_attention_heads"));
        }
        config.check()?;
        Ok(config)
    }
}

/// A decoder: configuration and parameters.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// Sizes.
    pub config: DecoderConfig,
    /// Weights, by Hugging Face's names.
    pub parameters: Parameters,
    values: BTreeMap<String, Tensor>,
    rope: Rope,
}

const EMBEDDING: &str = "model.embed_tokens.weight";

impl Decoder {
    /// New weights, a function of `seed` alone: normal with deviation 0.02, the maps that end a residual branch with
    /// 0.02 / √(2 · layers) (Radford et al. 2019), norms 1.
    pub fn new(config: &DecoderConfig, seed: u64, device: &Device) -> Result<Decoder> {
        config.check()?;
        let key = Key::new(seed).named("initial values");
        let (d, f, v) = (config.hidden_size, config.intermediate_size, config.vocabulary_size);
        let ending = 0.02 / (2.0 * config.layers as f64).sqrt();
        let mut parameters = Parameters::new();
        parameters.normal(EMBEDDING, &[v, d], 0.02, key, device)?;
        for layer in 0..config.layers {
            let maps = [
                ("self_attn.q_proj", [d, d], 0.02),
                ("self_attn.k_proj", [d, d], 0.02),
                ("self_attn.v_proj", [d, d], 0.02),
                ("self_attn.o_proj", [d, d], ending),
                ("mlp.gate_proj", [f, d], 0.02),
                ("mlp.up_proj", [f, d], 0.02),
                ("mlp.down_proj", [d, f], ending),
            ];
            for (name, shape, deviation) in maps {
                parameters.normal(&format!("model.layers.{layer}.{name}.weight"), &shape, deviation, key, device)?;
            }
            for name in ["input_layernorm", "post_attention_layernorm"] {
                parameters.ones(&format!("model.layers.{layer}.{name}.weight"), &[d], device)?;
            }
        }
        parameters.ones("model.norm.weight", &[d], device)?;
        if !config.tied_embeddings {
            parameters.normal("lm_head.weight", &[v, d], 0.02, key, device)?;
        }
        Decoder::with_parameters(config, parameters)
    }

    /// A decoder over given parameters (of one type, on one device).
    pub fn with_parameters(config: &DecoderConfig, parameters: Parameters) -> Result<Decoder> {
        parameters.get(EMBEDDING)?;
        let rope = Rope::new(config.context_length, config.hidden_size / config.heads, config.rope_theta);
        Ok(Decoder { config: config.clone(), values: parameters.attached(), parameters, rope })
    }

    /// The same weights without a graph, sharing storage: for evaluation and prediction.
    pub fn detached(&self) -> Decoder {
        Decoder { values: self.parameters.detached(), ..self.clone() }
    }

    /// Reads `config.json` and `model.safetensors`.
    pub fn load(folder: &Path, device: &Device) -> Result<Decoder> {
        let config = DecoderConfig::from_hugging_face(&folder.join("config.json"))?;
        let decoder = Decoder::new(&config, 0, device)?;
        decoder.parameters.load_values(&folder.join("model.safetensors"), device)?;
        Ok(decoder)
    }

    /// Writes `config.json` and `model.safetensors`, a folder `transformers` loads.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let config = serde_json::to_vec_pretty(&self.config.to_hugging_face()).expect("a configuration is plain data");
        self.parameters.save(&folder.join("model.safetensors"))?;
        Ok(atomic::write(&folder.join("config.json"), &config)?)
    }

    fn value(&self, name: &str) -> &Tensor {
        self.values.get(name).expect("every name asked for was made in `new`")
    }

    /// The head (V, D).
    pub fn head(&self) -> &Tensor {
        self.value(if self.config.tied_embeddings { EMBEDDING } else { "lm_head.weight" })
    }

    /// Final normed states (B, T, D) of `ids` (B, T) u32, T at most the context length. With a key, dropout is on.
    pub fn hidden(&self, ids: &Tensor, key: Option<Key>) -> Result<Tensor> {
        let (_, t) = ids.dims2()?;
        if t > self.config.context_length {
            return Err(Error::Settings(format!(
                "a window of {t} tokens; the model takes {}",
                self.config.context_length
            )));
        }
        let DecoderConfig { dropout: rate, norm_epsilon: epsilon, heads, .. } = self.config;
        let heads = Heads { queries: heads, keys: heads, rope: Some(self.rope.clone()) };
        let settings = AttentionSettings { heads, epsilon, rate };
        let key = |place: u64| key.map(|key| key.stream(place));
        let mut x = dropout(&embedding(ids, self.value(EMBEDDING))?, rate, key(0))?;
        for layer in 0..self.config.layers {
            let at = |name: &str| self.value(&format!("model.layers.{layer}.{name}.weight"));
            let place = 1 + 2 * layer as u64;
            let maps =
                ["input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"];
            x = attention_layer(&x, maps.map(at), None, &settings, key(place))?;
            let maps = ["post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"];
            x = feed_forward(&x, maps.map(at), epsilon, rate, key(place + 1))?;
        }
        rms_norm(&x, self.value("model.norm.weight"), epsilon)
    }

    /// Logits (B, T, V) of `ids` (B, T).
    pub fn logits(&self, ids: &Tensor) -> Result<Tensor> {
        linear(&self.hidden(ids, None)?, self.head())
    }

    /// Summed cross-entropy of `targets` (B·T, row by row) after `ids` (B, T); targets equal to `ignore` do not count.
    pub fn loss(&self, ids: &Tensor, targets: &[u32], ignore: Option<u32>, key: Option<Key>) -> Result<Loss> {
        let hidden = self.hidden(ids, key)?.flatten(0, 1)?;
        cross_entropy(&hidden, self.head(), targets, ignore)
    }

    /// Copy in another type, for gradient checks in f64.
    pub fn to_dtype(&self, dtype: DType) -> Result<Decoder> {
        Decoder::with_parameters(&self.config, self.parameters.to_dtype(dtype)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::gradients;

    fn tiny(tied: bool) -> DecoderConfig {
        let sizes = DecoderConfig {
            vocabulary_size: 7,
            hidden_size: 8,
            layers: 2,
            heads: 2,
            intermediate_size: 12,
            ..Default::default()
        };
        DecoderConfig { context_length: 5, tied_embeddings: tied, dropout: 0.2, ..sizes }
    }

    #[test]
    fn every_gradient_matches_finite_differences_with_dropout() {
        let decoder = Decoder::new(&tiny(false), 3, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        let ids = Tensor::new(&[[1u32, 3, 3, 6], [1, 0, 5, 2]], &Device::Cpu).unwrap();
        let targets = [3, 3, 6, 2, 0, 5, 2, 99];
        let vars: Vec<_> = decoder.parameters.iter().map(|(_, var)| var).collect();
        gradients(&vars, || decoder.loss(&ids, &targets, Some(99), Some(Key::new(5))).unwrap().sum);
    }

    /// Bits of the loss and of every gradient of one training step, on so many threads.
    fn step_bits(decoder: &Decoder, threads: usize) -> Vec<u32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (t, v) = (decoder.config.context_length, decoder.config.vocabulary_size as u64);
        let tokens: Vec<u32> = (0..3 * t as u64).map(|i| Key::new(8).below(i, v) as u32).collect();
        let ids = Tensor::from_slice(&tokens, (3, t), &Device::Cpu).unwrap();
        pool.install(|| {
            let loss = decoder.loss(&ids, &tokens, None, Some(Key::new(5))).unwrap().sum;
            let store = loss.backward().unwrap();
            let gradients = decoder.parameters.iter().map(|(_, var)| store.get(var).unwrap().flatten_all().unwrap());
            let all = std::iter::once(loss.flatten_all().unwrap()).chain(gradients);
            all.flat_map(|tensor| tensor.to_vec1::<f32>().unwrap()).map(f32::to_bits).collect()
        })
    }

    #[test]
    fn neither_threads_nor_repeating_change_a_bit() {
        let sizes = DecoderConfig { vocabulary_size: 300, hidden_size: 48, intermediate_size: 80, ..tiny(true) };
        let decoder = Decoder::new(&DecoderConfig { context_length: 100, ..sizes }, 3, &Device::Cpu).unwrap();
        let once = step_bits(&decoder, 1);
        assert!(once == step_bits(&decoder, 2), "one thread and two");
        assert!(once == step_bits(&decoder, 2), "two threads, again");
        assert!(once == step_bits(&decoder, 3), "one thread and three");
    }

    #[test]
    fn the_fused_path_agrees_with_the_plain_one() {
        let fused = Decoder::new(&tiny(true), 3, &Device::Cpu).unwrap();
        let plain = fused.to_dtype(DType::F64).unwrap(); // in f64 every layer takes the plain path
        let ids = Tensor::new(&[[1u32, 3, 3, 6, 0], [1, 0, 5, 2, 2]], &Device::Cpu).unwrap();
        let targets = [3, 3, 6, 2, 1, 0, 5, 2, 99, 4];
        let store = |decoder: &Decoder| {
            decoder.loss(&ids, &targets, Some(99), Some(Key::new(5))).unwrap().sum.backward().unwrap()
        };
        let (found, expected) = (store(&fused), store(&plain));
        for ((name, a), (_, b)) in fused.parameters.iter().zip(plain.parameters.iter()) {
            let (found, expected) = (found.get(a).unwrap().to_dtype(DType::F64).unwrap(), expected.get(b).unwrap());
            let norm = |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
            assert!(norm(&(&found - expected).unwrap()) < 1e-5 * norm(expected), "{name}");
        }
    }

    #[test]
    fn every_parameter_gets_a_gradient_tied_or_not() {
        for tied in [true, false] {
            let decoder = Decoder::new(&tiny(tied), 1, &Device::Cpu).unwrap();
            let ids = Tensor::new(&[[1u32, 3, 4, 6]], &Device::Cpu).unwrap();
            let loss = decoder.loss(&ids, &[3, 4, 6, 2], None, None).unwrap();
            decoder.parameters.check_gradients(&loss.sum.backward().unwrap()).unwrap();
            let detached = decoder.detached().loss(&ids, &[3, 4, 6, 2], None, None).unwrap();
            assert!(decoder.parameters.check_gradients(&detached.sum.backward().unwrap()).is_err());
            assert_eq!(detached.sum.to_scalar::<f32>().unwrap(), loss.sum.to_scalar::<f32>().unwrap());
        }
    }

    #[test]
    fn a_saved_model_is_the_same_model() {
        let folder = tempfile::tempdir().unwrap();
        let decoder = Decoder::new(&tiny(true), 1, &Device::Cpu).unwrap();
        decoder.save(folder.path()).unwrap();
        let again = Decoder::load(folder.path(), &Device::Cpu).unwrap();
        assert_eq!(again.config, decoder.config);
        let ids = Tensor::new(&[[1u32, 3, 4]], &Device::Cpu).unwrap();
        let logits = |d: &Decoder| d.logits(&ids).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(logits(&again), logits(&decoder));
    }

    #[test]
    fn impossible_sizes_are_refused_together() {
        let message = DecoderConfig { heads: 3, dropout: 1.0, ..tiny(true) }.check().unwrap_err().to_string();
        assert!(message.contains("hidden_size 8") && message.contains("dropout is 1"), "{message}");
    }
}
