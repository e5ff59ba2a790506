//! Which model it is, with its sizes: the section `[model]` of a recipe, of which `layout` says what else may be in it.

use crate::error::{Error, Result};
use crate::memory::Sizes;
use crate::models::config::DecoderConfig;
use crate::models::encoder_config::{EncoderConfig, EncoderLayout};
use crate::models::layout::Layout;
use crate::models::recurrent::{RecurrentConfig, RecurrentLayout};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::path::Path;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::vocabulary::Vocabulary;

/// A kind of model with its sizes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ModelConfig {
    /// Predicts the next token.
    Decoder(DecoderConfig),
    /// Tells hidden tokens from those around them.
    Encoder(EncoderConfig),
    /// Predicts the next token from a state that it carries.
    Recurrent(RecurrentConfig),
}

/// The kinds of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`ModelConfig::Decoder`].
    Decoder,
    /// [`ModelConfig::Encoder`].
    Encoder,
    /// [`ModelConfig::Recurrent`].
    Recurrent,
}

impl Kind {
    /// Names of all layouts, those of decoders first, then those of encoders.
    pub fn layouts() -> Vec<String> {
        let decoders = Layout::ALL.into_iter().map(serde_json::to_value);
        let encoders = EncoderLayout::ALL.into_iter().map(serde_json::to_value);
        let all = decoders.chain(encoders).chain(RecurrentLayout::ALL.into_iter().map(serde_json::to_value));
        all.filter_map(|name| Some(name.ok()?.as_str()?.to_owned())).collect()
    }

    /// The kind of model that has the layout of this name; none where no model has.
    pub fn of_layout(name: &str) -> Option<Kind> {
        let name = Value::from(name);
        if Layout::deserialize(&name).is_ok() {
            Some(Kind::Decoder)
        } else if EncoderLayout::deserialize(&name).is_ok() {
            Some(Kind::Encoder)
        } else {
            RecurrentLayout::deserialize(&name).is_ok().then_some(Kind::Recurrent)
        }
    }
}

impl Default for ModelConfig {
    fn default() -> ModelConfig {
        ModelConfig::Decoder(DecoderConfig::default())
    }
}

impl<'de> Deserialize<'de> for ModelConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<ModelConfig, D::Error> {
        let given = Value::deserialize(deserializer)?;
        // A layout that is not one is refused as a decoder's.
        let kind = given["layout"].as_str().and_then(Kind::of_layout).unwrap_or(Kind::Decoder);
        match kind {
            Kind::Decoder => Ok(ModelConfig::Decoder(serde_json::from_value(given).map_err(D::Error::custom)?)),
            Kind::Encoder => Ok(ModelConfig::Encoder(serde_json::from_value(given).map_err(D::Error::custom)?)),
            Kind::Recurrent => Ok(ModelConfig::Recurrent(serde_json::from_value(given).map_err(D::Error::custom)?)),
        }
    }
}

impl From<DecoderConfig> for ModelConfig {
    fn from(config: DecoderConfig) -> ModelConfig {
        ModelConfig::Decoder(config)
    }
}

impl From<EncoderConfig> for ModelConfig {
    fn from(config: EncoderConfig) -> ModelConfig {
        ModelConfig::Encoder(config)
    }
}

impl From<RecurrentConfig> for ModelConfig {
    fn from(config: RecurrentConfig) -> ModelConfig {
        ModelConfig::Recurrent(config)
    }
}

impl ModelConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// Another kind of model, or a variant whose arithmetic is not ours, by the key that says so.
    pub fn read(path: &Path) -> Result<ModelConfig> {
        let bytes = std::fs::read(path).map_err(FileError::io("read", path))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(FileError::format(path))?;
        let found = &value["model_type"];
        if EncoderLayout::ALL.iter().any(|layout| *found == layout.model_type()) {
            return Ok(EncoderConfig::from_hugging_face(path)?.into());
        }
        if Layout::ALL.iter().any(|layout| *found == layout.model_type()) {
            return Ok(DecoderConfig::from_hugging_face(path)?.into());
        }
        if RecurrentLayout::ALL.iter().any(|layout| *found == layout.model_type()) {
            return Ok(RecurrentConfig::read(path)?.into());
        }
        let known = Layout::ALL.map(Layout::model_type).into_iter();
        let known = known.chain(EncoderLayout::ALL.map(EncoderLayout::model_type));
        let known = known.chain(RecurrentLayout::ALL.map(RecurrentLayout::model_type));
        let known = known.map(|name| format!("\"{name}\""));
        Err(Error::Mismatch {
            place: format!("{}, model_type", path.display()),
            found: if found.is_null() { "nothing".to_owned() } else { found.to_string() },
            expected: format!("one of {}", known.collect::<Vec<_>>().join(", ")),
        })
    }

    /// `config.json`, as `transformers` reads it where it has such a model.
    pub fn to_json(&self) -> Value {
        match self {
            ModelConfig::Decoder(config) => config.to_hugging_face(),
            ModelConfig::Encoder(config) => config.to_hugging_face(),
            ModelConfig::Recurrent(config) => config.to_json(),
        }
    }

    /// The class of `transformers` that loads the folder; a recurrent model's of fastai, after which its tensors are named.
    pub fn architecture(&self) -> &'static str {
        match self {
            ModelConfig::Decoder(config) => config.layout.architecture(),
            ModelConfig::Encoder(config) => config.layout.architecture(),
            ModelConfig::Recurrent(config) => config.layout.architecture(),
        }
    }

    /// Whether `transformers` loads the folder.
    pub fn is_of_transformers(&self) -> bool {
        !self.carries_state()
    }

    /// Whether it goes on from where the batch before ended, and so wants rows that go on.
    pub fn carries_state(&self) -> bool {
        matches!(self, ModelConfig::Recurrent(_))
    }

    /// Whether a token sees those after it.
    pub fn is_bidirectional(&self) -> bool {
        matches!(self, ModelConfig::Encoder(_))
    }

    /// Whether it has to be known where words begin.
    pub fn needs_words(&self) -> bool {
        matches!(self, ModelConfig::Encoder(config) if config.whole_words)
    }

    /// What training watches on held-out documents, as it is called in `metrics.jsonl`: `bits_per_byte`, or
    /// `masked_loss`, in nats per hidden token; the two are never to be compared.
    pub fn watched(&self) -> &'static str {
        match self {
            ModelConfig::Decoder(_) | ModelConfig::Recurrent(_) => "bits_per_byte",
            ModelConfig::Encoder(_) => "masked_loss",
        }
    }

    /// D, width of the final states.
    pub fn hidden_size(&self) -> usize {
        match self {
            ModelConfig::Decoder(config) => config.hidden_size,
            ModelConfig::Encoder(config) => config.hidden_size,
            ModelConfig::Recurrent(config) => config.embedding_size,
        }
    }

    /// T, tokens of a window in training.
    pub fn window(&self) -> usize {
        match self {
            ModelConfig::Decoder(config) => config.context_length,
            ModelConfig::Encoder(config) => config.context_length,
            ModelConfig::Recurrent(config) => config.sequence_length,
        }
    }

    /// Tokens it takes at once, at most; none: any number.
    pub fn context_length(&self) -> Option<usize> {
        match self {
            ModelConfig::Decoder(config) => Some(config.context_length),
            ModelConfig::Encoder(config) => Some(config.context_length),
            ModelConfig::Recurrent(_) => None,
        }
    }

    /// Dropout in training; of a recurrent model's five forms that of the last layer's output.
    pub fn dropout(&self) -> f64 {
        match self {
            ModelConfig::Decoder(config) => config.dropout,
            ModelConfig::Encoder(config) => config.dropout,
            ModelConfig::Recurrent(config) => config.dropout.output * config.dropout.multiplier,
        }
    }

    /// Pieces of the vocabulary it needs: V without what the model has beyond it, `<mask>`.
    pub fn pieces(&self) -> usize {
        match self {
            ModelConfig::Decoder(config) => config.vocabulary_size,
            ModelConfig::Encoder(config) => config.vocabulary_size.saturating_sub(1),
            ModelConfig::Recurrent(config) => config.vocabulary_size,
        }
    }

    /// Ids of `<s>` and `</s>`.
    pub fn special(&self) -> (u32, u32) {
        match self {
            ModelConfig::Decoder(config) => (config.beginning, config.end),
            ModelConfig::Encoder(config) => (config.beginning, config.end),
            ModelConfig::Recurrent(config) => (config.beginning, config.end),
        }
    }

    /// The same for a vocabulary of so many pieces; refuses another size that was asked for.
    pub fn for_vocabulary(&self, pieces: usize) -> Result<ModelConfig> {
        Ok(match self {
            ModelConfig::Decoder(config) => config.for_vocabulary(pieces)?.into(),
            ModelConfig::Encoder(config) => config.for_vocabulary(pieces)?.into(),
            ModelConfig::Recurrent(config) => config.for_vocabulary(pieces)?.into(),
        })
    }

    /// The same with a vocabulary's own number of pieces and special ids.
    pub fn with_vocabulary(&self, vocabulary: &Vocabulary) -> Result<ModelConfig> {
        let (beginning, end) = (vocabulary.beginning(), vocabulary.end());
        let special = match self.clone() {
            ModelConfig::Decoder(config) => DecoderConfig { beginning, end, ..config }.into(),
            ModelConfig::Encoder(config) => {
                EncoderConfig { beginning, end, padding: vocabulary.padding(), ..config }.into()
            }
            ModelConfig::Recurrent(config) => RecurrentConfig { beginning, end, ..config }.into(),
        };
        ModelConfig::for_vocabulary(&special, vocabulary.size())
    }

    /// What a forecast of time and memory asks of it.
    pub fn sizes(&self) -> &dyn Sizes {
        match self {
            ModelConfig::Decoder(config) => config,
            ModelConfig::Encoder(config) => config,
            ModelConfig::Recurrent(config) => config,
        }
    }

    /// The same with windows of half as many tokens, and what makes it so in a recipe; nothing where they have one.
    pub fn with_half_the_window(&self) -> Option<(ModelConfig, String)> {
        let half = self.window() / 2;
        let (config, key) = match self.clone() {
            ModelConfig::Decoder(config) => (DecoderConfig { context_length: half, ..config }.into(), "context_length"),
            ModelConfig::Encoder(config) => (EncoderConfig { context_length: half, ..config }.into(), "context_length"),
            ModelConfig::Recurrent(config) => {
                (RecurrentConfig { sequence_length: half, ..config }.into(), "sequence_length")
            }
        };
        (half > 0).then(|| (config, format!("{key} = {half}")))
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        match self {
            ModelConfig::Decoder(config) => config.parameters(),
            ModelConfig::Encoder(config) => config.parameters(),
            ModelConfig::Recurrent(config) => config.parameters(),
        }
    }

    /// `layout` in a recipe.
    pub fn layout(&self) -> &'static str {
        match self {
            ModelConfig::Decoder(config) => config.layout.model_type(),
            ModelConfig::Encoder(config) => config.layout.model_type(),
            ModelConfig::Recurrent(config) => config.layout.model_type(),
        }
    }

    /// One line for the card: kind and sizes.
    pub fn describe(&self) -> String {
        let (window, pieces) = (self.window(), self.pieces());
        let (kind, layers, sizes) = match self {
            ModelConfig::Decoder(c) => ("decoder", c.layers, format!("{}, {} heads", c.hidden_size, c.heads)),
            ModelConfig::Encoder(c) => ("encoder", c.layers, format!("{}, {} heads", c.hidden_size, c.heads)),
            ModelConfig::Recurrent(c) => {
                (c.layout.model_type(), c.layers, format!("{}, embeddings of {}", c.hidden_size, c.embedding_size))
            }
        };
        format!(
            "{kind} of {layers} layers, hidden size {sizes}, windows of {window} tokens, {pieces} pieces of vocabulary"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_layout_says_which_keys_there_are() {
        let of = |given: Value| serde_json::from_value::<ModelConfig>(given);
        let decoder = of(json!({ "layout": "qwen3", "rope_theta": 5.0 })).unwrap();
        let encoder = of(json!({ "layout": "xlm-roberta", "masked_share": 0.3, "whole_words": true })).unwrap();
        let recurrent = of(json!({ "layout": "qrnn", "dropout": { "weight": 0.3 } })).unwrap();
        assert!(matches!(&decoder, ModelConfig::Decoder(config) if config.rope_theta == 5.0));
        assert!(encoder.is_bidirectional() && encoder.needs_words());
        assert_eq!(Kind::layouts(), ["llama", "qwen3", "gpt2", "gpt1", "roberta", "xlm-roberta", "awd-lstm", "qrnn"]);
        assert!(
            Kind::layouts().iter().all(|name| Kind::of_layout(name).is_some()) && Kind::of_layout("bert").is_none()
        );
        assert!(recurrent.carries_state() && recurrent.context_length().is_none() && recurrent.window() == 70);
        for config in [decoder, encoder, recurrent, ModelConfig::default()] {
            assert_eq!(of(serde_json::to_value(&config).unwrap()).unwrap(), config);
        }
        assert!(of(json!({ "layout": "roberta", "rope_theta": 5.0 })).is_err());
        assert!(of(json!({ "masked_share": 0.3 })).is_err());
        assert!(of(json!({ "layout": "awd-lstm", "heads": 3 })).is_err());
        assert!(of(json!({ "layout": "bert" })).unwrap_err().to_string().contains("unknown variant `bert`"));
    }

    #[test]
    fn a_folder_says_which_kind_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let decoder: ModelConfig = DecoderConfig { vocabulary_size: 9, ..Default::default() }.into();
        let encoder: ModelConfig = EncoderConfig::default().for_vocabulary(9).unwrap().into();
        let recurrent: ModelConfig = RecurrentConfig { vocabulary_size: 9, ..Default::default() }.into();
        for config in [decoder, encoder, recurrent] {
            std::fs::write(&path, config.to_json().to_string()).unwrap();
            assert_eq!(ModelConfig::read(&path).unwrap(), config);
        }
        std::fs::write(&path, "{\"model_type\": \"bert\"}").unwrap();
        let message = ModelConfig::read(&path).unwrap_err().to_string();
        assert!(message.contains("found \"bert\"; expected one of \"llama\"") && message.contains("\"xlm-roberta\""));
    }
}
