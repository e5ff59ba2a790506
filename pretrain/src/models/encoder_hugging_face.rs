//! An encoder's `config.json` as `transformers` writes and reads it.

use crate::error::Result;
use crate::models::encoder_config::{EncoderConfig, EncoderLayout};
use crate::models::hugging_face::Stored;
use serde_json::{Value, json};
use std::path::Path;

impl EncoderConfig {
    /// `config.json` as `transformers` reads it. `mask_token_id`, `masked_share` and `whole_words` are keys of ours.
    pub fn to_hugging_face(&self) -> Value {
        json!({
            "architectures": [self.layout.architecture()], "model_type": self.layout.model_type(),
            "vocab_size": self.vocabulary_size, "hidden_size": self.hidden_size, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "intermediate_size": self.intermediate_size, "hidden_act": "gelu",
            "hidden_dropout_prob": self.dropout, "attention_probs_dropout_prob": 0.0,
            "max_position_embeddings": self.context_length + self.first_position() as usize, "type_vocab_size": 1,
            "layer_norm_eps": self.norm_epsilon, "position_embedding_type": "absolute", "is_decoder": false,
            "tie_word_embeddings": true, "bos_token_id": self.beginning, "eos_token_id": self.end,
            "pad_token_id": self.padding, "mask_token_id": self.mask, "masked_share": self.masked_share,
            "whole_words": self.whole_words, "torch_dtype": "float32",
        })
    }

    /// Reads a `config.json` of [`EncoderConfig::to_hugging_face`] or of `transformers`. Where it does not name `<mask>`,
    /// that is the last id, as in the published models of both kinds.
    ///
    /// # Errors
    /// Another kind of model, or a variant of these whose arithmetic is not ours, by the key that says so.
    pub fn from_hugging_face(path: &Path) -> Result<EncoderConfig> {
        let stored = Stored::read(path)?;
        let known = EncoderLayout::ALL.into_iter().find(|layout| stored.value["model_type"] == layout.model_type());
        let layout = known.ok_or_else(|| stored.wrong("model_type", "\"roberta\" or \"xlm-roberta\""))?;
        stored.only("hidden_act", &[json!("gelu")])?;
        stored.only("position_embedding_type", &[json!("absolute")])?;
        for key in ["is_decoder", "add_cross_attention"] {
            stored.only(key, &[json!(false)])?;
        }
        stored.only("tie_word_embeddings", &[json!(true)])?;
        if stored.value["type_vocab_size"] != 1 {
            return Err(stored.wrong("type_vocab_size", "1"));
        }
        let usual = EncoderConfig::default();
        let vocabulary_size = stored.whole("vocab_size")?;
        let padding = stored.token("pad_token_id", 1)?;
        let positions = stored.whole("max_position_embeddings")?;
        let config = EncoderConfig {
            layout,
            preset: None,
            vocabulary_size,
            hidden_size: stored.whole("hidden_size")?,
            layers: stored.whole("num_hidden_layers")?,
            heads: stored.whole("num_attention_heads")?,
            intermediate_size: stored.whole("intermediate_size")?,
            context_length: positions.saturating_sub(padding as usize + 1),
            norm_epsilon: stored.number("layer_norm_eps")?,
            dropout: stored.value["hidden_dropout_prob"].as_f64().unwrap_or(0.0),
            masked_share: stored.value["masked_share"].as_f64().unwrap_or(usual.masked_share),
            whole_words: stored.value["whole_words"].as_bool().unwrap_or(false),
            beginning: stored.token("bos_token_id", 0)?,
            end: stored.token("eos_token_id", 2)?,
            padding,
            mask: stored.token("mask_token_id", vocabulary_size.saturating_sub(1) as u32)?,
        };
        config.check()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &Value) -> Result<EncoderConfig> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, value.to_string()).unwrap();
        EncoderConfig::from_hugging_face(&path)
    }

    /// As `XLMRobertaConfig(...).save_pretrained` of `transformers` 5 writes it, in part.
    fn xlm() -> Value {
        json!({
            "add_cross_attention": false, "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1, "hidden_size": 8, "intermediate_size": 12, "is_decoder": false,
            "layer_norm_eps": 1e-5, "max_position_embeddings": 514, "model_type": "xlm-roberta",
            "num_attention_heads": 2, "num_hidden_layers": 3, "pad_token_id": 1, "tie_word_embeddings": true,
            "type_vocab_size": 1, "vocab_size": 100,
        })
    }

    #[test]
    fn folders_of_others_are_understood() {
        let config = read(&xlm()).unwrap();
        assert_eq!(
            (config.layout, config.context_length, config.first_position()),
            (EncoderLayout::XlmRoberta, 512, 2)
        );
        assert_eq!((config.beginning, config.padding, config.end, config.mask), (0, 1, 2, 99));
    }

    #[test]
    fn what_is_written_is_read() {
        for layout in EncoderLayout::ALL {
            let config = EncoderConfig { layout, masked_share: 0.3, whole_words: true, ..Default::default() };
            let config = config.for_vocabulary(50).unwrap();
            assert_eq!(read(&config.to_hugging_face()).unwrap(), config);
        }
    }

    #[test]
    fn other_arithmetic_is_refused_by_its_key() {
        let cases = [
            ("model_type", json!("bert"), "\"roberta\" or \"xlm-roberta\""),
            ("hidden_act", json!("gelu_new"), "\"gelu\""),
            ("position_embedding_type", json!("relative_key"), "\"absolute\""),
            ("is_decoder", json!(true), "false"),
            ("tie_word_embeddings", json!(false), "true"),
            ("type_vocab_size", json!(2), "1"),
        ];
        for (key, value, expected) in cases {
            let mut config = xlm();
            config[key] = value.clone();
            let message = read(&config).unwrap_err().to_string();
            assert!(message.contains(&format!("config.json, {key}: found {value}; expected {expected}")), "{message}");
        }
        let short = read(&json!({ "max_position_embeddings": 2, "type_vocab_size": 1, "model_type": "roberta",
            "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1,
            "intermediate_size": 4, "layer_norm_eps": 1e-5 }));
        assert!(short.unwrap_err().to_string().contains("context_length is 0"));
    }
}
