//! `config.json` as `transformers` writes and reads it.

use crate::error::{Error, Result};
use crate::models::config::DecoderConfig;
use crate::models::layout::{Activation, Layout};
use serde_json::{Value, json};
use std::path::Path;
use tongues_pipeline::error::Error as FileError;

/// `transformers`' name of [`Activation::ReluSquared`].
const RELU_SQUARED: &str = "relu2";

impl DecoderConfig {
    /// `config.json` as `transformers` reads it.
    pub fn to_hugging_face(&self) -> Value {
        let mut config = if self.layout.is_gpt() { self.to_gpt() } else { self.to_gated() };
        let common = json!({
            "architectures": [self.layout.architecture()], "model_type": self.layout.model_type(),
            "vocab_size": self.vocabulary_size, "tie_word_embeddings": self.tied_embeddings,
            "bos_token_id": self.beginning, "eos_token_id": self.end, "torch_dtype": "float32",
        });
        if let (Value::Object(config), Value::Object(common)) = (&mut config, common) {
            config.extend(common);
        }
        config
    }

    fn to_gated(&self) -> Value {
        json!({
            "hidden_act": "silu", "hidden_size": self.hidden_size, "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads_of_keys(), "head_dim": self.width_of_head(),
            "max_position_embeddings": self.context_length, "rms_norm_eps": self.norm_epsilon,
            "rope_theta": self.rope_theta, "attention_bias": false, "mlp_bias": false, "use_sliding_window": false,
            "residual_dropout": self.dropout,
        })
    }

    fn to_gpt(&self) -> Value {
        let mut config = json!({
            "n_embd": self.hidden_size, "n_layer": self.layers, "n_head": self.heads,
            "n_positions": self.context_length, "layer_norm_epsilon": self.norm_epsilon, "attn_pdrop": 0.0,
            "embd_pdrop": self.dropout, "resid_pdrop": self.dropout,
        });
        if self.layout == Layout::Gpt1 {
            config["afn"] = json!("gelu");
        } else {
            let squared = self.activation() == Activation::ReluSquared;
            config["activation_function"] = json!(if squared { RELU_SQUARED } else { "gelu_new" });
            config["n_inner"] = json!(self.intermediate_size);
        }
        config
    }

    /// Reads a `config.json` of [`DecoderConfig::to_hugging_face`] or of `transformers`.
    ///
    /// # Errors
    /// Another kind of model, or a variant of these whose arithmetic is not ours, by the key that says so.
    pub fn from_hugging_face(path: &Path) -> Result<DecoderConfig> {
        let stored = Stored::read(path)?;
        let known = Layout::ALL.into_iter().find(|layout| stored.value["model_type"] == layout.model_type());
        let types = Layout::ALL.map(|layout| format!("\"{}\"", layout.model_type())).join(", ");
        let layout = known.ok_or_else(|| stored.wrong("model_type", &format!("one of {types}")))?;
        let config = if layout.is_gpt() { stored.gpt(layout)? } else { stored.gated(layout)? };
        config.check()?;
        Ok(config)
    }
}

/// A configuration as it was found.
pub(super) struct Stored<'a> {
    path: &'a Path,
    pub value: Value,
}

impl Stored<'_> {
    pub fn read(path: &Path) -> Result<Stored<'_>> {
        let bytes = std::fs::read(path).map_err(FileError::io("read", path))?;
        Ok(Stored { path, value: serde_json::from_slice(&bytes).map_err(FileError::format(path))? })
    }

    fn gated(&self, layout: Layout) -> Result<DecoderConfig> {
        self.only("hidden_act", &[json!("silu")])?;
        for key in ["attention_bias", "mlp_bias", "use_sliding_window"] {
            self.only(key, &[json!(false)])?;
        }
        let kinds = self.value["layer_types"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        if kinds.iter().any(|kind| kind != "full_attention") {
            return Err(self.wrong("layer_types", "\"full_attention\" alone"));
        }
        for key in ["rope_parameters", "rope_scaling"] {
            let kind = ["rope_type", "type"].iter().find_map(|name| self.value[key].get(name));
            if kind.is_some_and(|kind| kind != "default") {
                return Err(self.wrong(key, "rope_type \"default\""));
            }
        }
        let theta = self.value["rope_parameters"]["rope_theta"].as_f64().or(self.value["rope_theta"].as_f64());
        let (hidden_size, heads) = (self.whole("hidden_size")?, self.whole("num_attention_heads")?);
        // The default of Qwen3's configuration in `transformers` does not depend on the sizes.
        let usual = if layout == Layout::Qwen3 { 128 } else { hidden_size / heads.max(1) };
        let width = self.whole_or("head_dim", usual)?;
        let keys = self.whole_or("num_key_value_heads", heads)?;
        Ok(DecoderConfig {
            hidden_size,
            heads,
            layers: self.whole("num_hidden_layers")?,
            key_value_heads: (keys != heads).then_some(keys),
            head_width: (width * heads != hidden_size).then_some(width),
            intermediate_size: self.whole("intermediate_size")?,
            context_length: self.whole("max_position_embeddings")?,
            rope_theta: theta.ok_or_else(|| self.wrong("rope_theta", "a number"))?,
            norm_epsilon: self.number("rms_norm_eps")?,
            dropout: self.value["residual_dropout"].as_f64().unwrap_or(0.0),
            tied_embeddings: self.value["tie_word_embeddings"].as_bool().unwrap_or(false),
            ..self.common(layout)?
        })
    }

    fn gpt(&self, layout: Layout) -> Result<DecoderConfig> {
        if layout == Layout::Gpt1 {
            self.only("afn", &[json!("gelu")])?; // the same function under its older name
        } else {
            let known = ["gelu_new", "gelu_pytorch_tanh", RELU_SQUARED].map(Value::from);
            self.only("activation_function", &known)?;
            self.only("scale_attn_weights", &[json!(true)])?;
            self.only("scale_attn_by_inverse_layer_idx", &[json!(false)])?;
            self.only("add_cross_attention", &[json!(false)])?;
        }
        let hidden_size = self.whole("n_embd")?;
        Ok(DecoderConfig {
            hidden_size,
            heads: self.whole("n_head")?,
            layers: self.whole("n_layer")?,
            intermediate_size: self.whole_or("n_inner", 4 * hidden_size)?,
            activation: (self.value["activation_function"] == RELU_SQUARED).then_some(Activation::ReluSquared),
            context_length: self.whole("n_positions")?,
            norm_epsilon: self.number("layer_norm_epsilon")?,
            dropout: self.value["resid_pdrop"].as_f64().unwrap_or(0.0),
            tied_embeddings: self.value["tie_word_embeddings"].as_bool().unwrap_or(true),
            ..self.common(layout)?
        })
    }

    fn common(&self, layout: Layout) -> Result<DecoderConfig> {
        let usual = DecoderConfig::default();
        Ok(DecoderConfig {
            layout,
            vocabulary_size: self.whole("vocab_size")?,
            beginning: self.token("bos_token_id", usual.beginning)?,
            end: self.token("eos_token_id", usual.end)?,
            ..usual
        })
    }

    pub fn wrong(&self, key: &str, expected: &str) -> Error {
        let found = self.value.get(key).map_or("nothing".to_owned(), Value::to_string);
        Error::Mismatch { place: format!("{}, {key}", self.path.display()), found, expected: expected.to_owned() }
    }

    pub fn whole(&self, key: &str) -> Result<usize> {
        self.value[key].as_u64().map(|size| size as usize).ok_or_else(|| self.wrong(key, "a whole number"))
    }

    fn whole_or(&self, key: &str, usual: usize) -> Result<usize> {
        if self.value[key].is_null() { Ok(usual) } else { self.whole(key) }
    }

    pub fn number(&self, key: &str) -> Result<f64> {
        self.value[key].as_f64().ok_or_else(|| self.wrong(key, "a number"))
    }

    /// A special id, the first of several. Where none is named, as in GPT's own folder, that of this program's
    /// vocabularies.
    pub fn token(&self, key: &str, usual: u32) -> Result<u32> {
        let one = self.value[key].get(0).unwrap_or(&self.value[key]);
        if one.is_null() {
            return Ok(usual);
        }
        let id = one.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| self.wrong(key, "the id of a token"))
    }

    /// Refuses a value whose arithmetic is not ours; a key that is not there means the usual.
    pub fn only(&self, key: &str, known: &[Value]) -> Result<()> {
        let found = &self.value[key];
        if found.is_null() || known.contains(found) {
            return Ok(());
        }
        Err(self.wrong(key, &known.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &Value) -> Result<DecoderConfig> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, value.to_string()).unwrap();
        DecoderConfig::from_hugging_face(&path)
    }

    /// As `GPT2Config(...).save_pretrained` of `transformers` 5 writes it, in part.
    fn gpt2() -> Value {
        json!({
            "activation_function": "gelu_new", "add_cross_attention": false, "bos_token_id": 50256,
            "eos_token_id": 50256, "layer_norm_epsilon": 1e-5, "model_type": "gpt2", "n_embd": 8, "n_head": 2,
            "n_inner": null, "n_layer": 3, "n_positions": 16, "resid_pdrop": 0.1,
            "scale_attn_by_inverse_layer_idx": false, "scale_attn_weights": true, "vocab_size": 90000,
        })
    }

    /// As `Qwen3Config(...).save_pretrained` writes it, in part.
    fn qwen3() -> Value {
        json!({
            "attention_bias": false, "bos_token_id": null, "eos_token_id": [7, 8], "head_dim": 6, "hidden_act": "silu",
            "hidden_size": 8, "intermediate_size": 12, "layer_types": ["full_attention"],
            "max_position_embeddings": 16, "model_type": "qwen3", "num_attention_heads": 4, "num_hidden_layers": 1,
            "num_key_value_heads": 2, "rms_norm_eps": 1e-6,
            "rope_parameters": { "rope_theta": 5000.0, "rope_type": "default" }, "tie_word_embeddings": false,
            "use_sliding_window": false, "vocab_size": 11,
        })
    }

    #[test]
    fn folders_of_others_are_understood() {
        let config = read(&gpt2()).unwrap();
        assert_eq!((config.layout, config.intermediate_size, config.tied_embeddings), (Layout::Gpt2, 32, true));
        assert_eq!((config.beginning, config.end, config.dropout), (50256, 50256, 0.1));
        let config = read(&qwen3()).unwrap();
        assert_eq!((config.heads_of_keys(), config.width_of_head(), config.rope_theta), (2, 6, 5000.0));
        assert_eq!((config.beginning, config.end, config.tied_embeddings), (1, 7, false));
    }

    #[test]
    fn what_is_written_is_read() {
        for layout in Layout::ALL {
            let mut config =
                DecoderConfig { layout, vocabulary_size: 9, intermediate_size: 1024, ..Default::default() };
            if layout == Layout::Gpt2 {
                config.activation = Some(Activation::ReluSquared);
                assert_eq!(config.to_hugging_face()["activation_function"], "relu2");
            }
            if !layout.is_gpt() {
                config = DecoderConfig { key_value_heads: Some(2), head_width: Some(32), ..config };
            }
            assert_eq!(read(&config.to_hugging_face()).unwrap(), config);
        }
    }

    #[test]
    fn other_arithmetic_is_refused_by_its_key() {
        let cases = [
            (gpt2(), "model_type", json!("bert"), "one of \"llama\", \"qwen3\", \"gpt2\", \"openai-gpt\""),
            (gpt2(), "activation_function", json!("relu"), "\"gelu_new\" or \"gelu_pytorch_tanh\" or \"relu2\""),
            (gpt2(), "scale_attn_by_inverse_layer_idx", json!(true), "false"),
            (gpt2(), "n_embd", json!("8"), "a whole number"),
            (qwen3(), "attention_bias", json!(true), "false"),
            (qwen3(), "layer_types", json!(["sliding_attention"]), "\"full_attention\" alone"),
            (qwen3(), "rope_parameters", json!({ "rope_type": "yarn", "rope_theta": 1.0 }), "rope_type \"default\""),
        ];
        for (mut config, key, value, expected) in cases {
            config[key] = value.clone();
            let message = read(&config).unwrap_err().to_string();
            assert!(message.contains(&format!("config.json, {key}: found {value}; expected {expected}")), "{message}");
        }
    }
}
