//! Sizes and dropout of a recurrent language model: the section `[model]` of a recipe whose layout is a recurrent model's.

use crate::error::{Error, Result};
use crate::models::recurrent::weights;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::path::Path;
use tongues_pipeline::error::Error as FileError;

/// The recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecurrentLayout {
    /// LSTMs with weight drop (Merity et al. 2018).
    #[default]
    AwdLstm,
    /// Quasi-recurrent layers (Bradbury et al. 2017), the first with a window of two, as in fastai and MultiFiT.
    Qrnn,
}

impl RecurrentLayout {
    /// All.
    pub const ALL: [RecurrentLayout; 2] = [RecurrentLayout::AwdLstm, RecurrentLayout::Qrnn];

    /// `model_type` in `config.json`, and `layout` in a recipe.
    pub fn model_type(self) -> &'static str {
        match self {
            RecurrentLayout::AwdLstm => "awd-lstm",
            RecurrentLayout::Qrnn => "qrnn",
        }
    }

    /// fastai's name of the module its tensors are named after.
    pub fn architecture(self) -> &'static str {
        match self {
            RecurrentLayout::AwdLstm => "AWD_LSTM",
            RecurrentLayout::Qrnn => "AWD_QRNN",
        }
    }

    /// Layers where a recipe does not say: three in AWD-LSTM, four of the cheaper QRNN (MultiFiT).
    pub fn usual_layers(self) -> usize {
        match self {
            RecurrentLayout::AwdLstm => 3,
            RecurrentLayout::Qrnn => 4,
        }
    }
}

/// Shares dropped in training. The defaults are fastai's for language models (`awd_lstm_lm_config`); Merity et al. 2018
/// have 0.4, 0.3, 0.65, 0.1 and 0.5, MultiFiT (Eisenschlos et al. 2019) 0.25, 0.1, 0.2, 0.02 and 0.15.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecurrentDropout {
    /// Of the last layer's output, one mask a sequence.
    pub output: f64,
    /// Between layers, one mask a sequence.
    pub hidden: f64,
    /// Of the first layer's input, one mask a sequence.
    pub input: f64,
    /// Of the embedding's rows.
    pub embedding: f64,
    /// Of the weights between states (`qrnn`: of all weights of its gates), one mask a forward pass.
    pub weight: f64,
    /// All are multiplied by this: fastai's `drop_mult`.
    pub multiplier: f64,
}

impl Default for RecurrentDropout {
    fn default() -> RecurrentDropout {
        RecurrentDropout { output: 0.1, hidden: 0.15, input: 0.25, embedding: 0.02, weight: 0.2, multiplier: 1.0 }
    }
}

impl RecurrentDropout {
    /// One share for all five.
    pub fn all(rate: f64) -> RecurrentDropout {
        RecurrentDropout {
            output: rate,
            hidden: rate,
            input: rate,
            embedding: rate,
            weight: rate,
            ..RecurrentDropout::default()
        }
    }

    /// The shares times the multiplier, by their names.
    fn named(&self) -> [(&'static str, f64); 5] {
        let RecurrentDropout { output, hidden, input, embedding, weight, .. } = *self;
        let shares =
            [("output", output), ("hidden", hidden), ("input", input), ("embedding", embedding), ("weight", weight)];
        shares.map(|(name, share)| (name, share * self.multiplier))
    }

    /// Output, hidden, input, embedding and weight, times the multiplier.
    pub(super) fn rates(&self) -> [f64; 5] {
        self.named().map(|(_, rate)| rate)
    }
}

/// Sizes and constants of a recurrent language model.
// `remote` gives the derived code other names, so that the number of layers can follow the layout (see below).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct RecurrentConfig {
    /// The layer.
    pub layout: RecurrentLayout,
    /// V; 0: taken from the token files.
    pub vocabulary_size: usize,
    /// D, width of the embedding, of the last layer and, tied, of the head.
    pub embedding_size: usize,
    /// Width of the layers but the last.
    pub hidden_size: usize,
    /// Layers; 4 of a `qrnn` where nothing else is given.
    pub layers: usize,
    /// T, tokens of a window: through so many steps the error is propagated back.
    pub sequence_length: usize,
    /// Shares dropped in training.
    pub dropout: RecurrentDropout,
    /// Weight of the mean square of the last layer's output after its dropout, added to the loss a token in training
    /// (Merity et al. 2018; α).
    pub activation_regularisation: f64,
    /// Weight of the mean square of its change from step to step, before the dropout (β).
    pub temporal_activation_regularisation: f64,
    /// Id of `<s>`.
    pub beginning: u32,
    /// Id of `</s>`.
    pub end: u32,
}

impl Default for RecurrentConfig {
    /// The sizes of fastai's AWD-LSTM; window and regularisation of Merity et al. 2018.
    fn default() -> RecurrentConfig {
        RecurrentConfig {
            layout: RecurrentLayout::AwdLstm,
            vocabulary_size: 0,
            embedding_size: 400,
            hidden_size: 1152,
            layers: RecurrentLayout::AwdLstm.usual_layers(),
            sequence_length: 70,
            dropout: RecurrentDropout::default(),
            activation_regularisation: 2.0,
            temporal_activation_regularisation: 1.0,
            beginning: 1,
            end: 2,
        }
    }
}

impl Serialize for RecurrentConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        RecurrentConfig::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for RecurrentConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<RecurrentConfig, D::Error> {
        let mut given: Map<String, Value> = Map::deserialize(deserializer)?;
        // A layout that is not one is refused with all else below.
        let layout = given.get("layout").and_then(|name| RecurrentLayout::deserialize(name).ok()).unwrap_or_default();
        given.entry("layers").or_insert(layout.usual_layers().into());
        RecurrentConfig::deserialize(Value::Object(given)).map_err(D::Error::custom)
    }
}

impl RecurrentConfig {
    /// `config.json`: these keys, with the layout as `model_type`, by which a folder tells its kind.
    pub fn to_json(&self) -> Value {
        let mut value = serde_json::to_value(self).expect("a configuration is plain data");
        let keys = value.as_object_mut().expect("a struct");
        keys.remove("layout");
        keys.insert("model_type".to_owned(), self.layout.model_type().into());
        value
    }

    /// Reads a `config.json` of [`RecurrentConfig::to_json`].
    ///
    /// # Errors
    /// A file that cannot be read, another kind of model, an unknown key, sizes that cannot work.
    pub fn read(path: &Path) -> Result<RecurrentConfig> {
        let bytes = std::fs::read(path).map_err(FileError::io("read", path))?;
        let mut keys: Map<String, Value> = serde_json::from_slice(&bytes).map_err(FileError::format(path))?;
        let model_type = keys.remove("model_type").unwrap_or_default();
        let known = RecurrentLayout::ALL.map(RecurrentLayout::model_type);
        if !known.iter().any(|name| model_type == *name) {
            let expected = format!("one of {}", known.map(|name| format!("\"{name}\"")).join(", "));
            let place = format!("{}, model_type", path.display());
            return Err(Error::Mismatch { place, found: model_type.to_string(), expected });
        }
        keys.insert("layout".to_owned(), model_type);
        let config: RecurrentConfig = serde_json::from_value(Value::Object(keys)).map_err(FileError::format(path))?;
        config.check()?;
        Ok(config)
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        weights::weights(self).iter().map(|weight| weight.shape.iter().product::<usize>()).sum()
    }

    /// The same with the vocabulary of the tokens; refuses another one that was asked for.
    pub fn for_vocabulary(&self, vocabulary_size: usize) -> Result<RecurrentConfig> {
        if self.vocabulary_size != 0 && self.vocabulary_size != vocabulary_size {
            return Err(Error::Mismatch {
                place: "recurrent, vocabulary_size".to_owned(),
                found: self.vocabulary_size.to_string(),
                expected: format!("{vocabulary_size}, as the token files have it (or 0, to take theirs)"),
            });
        }
        let config = RecurrentConfig { vocabulary_size, ..self.clone() };
        config.check()?;
        Ok(config)
    }

    /// Width of what a layer reads, and of what it gives.
    pub fn widths(&self, layer: usize) -> (usize, usize) {
        let inputs = if layer == 0 { self.embedding_size } else { self.hidden_size };
        (inputs, if layer + 1 == self.layers { self.embedding_size } else { self.hidden_size })
    }

    /// How many inputs a layer reads at a step: two in the first of a `qrnn`.
    pub(super) fn window(&self, layer: usize) -> usize {
        if self.layout == RecurrentLayout::Qrnn && layer == 0 { 2 } else { 1 }
    }

    /// Refuses sizes that cannot work, all faults together.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            ("vocabulary_size", self.vocabulary_size),
            ("embedding_size", self.embedding_size),
            ("hidden_size", self.hidden_size),
            ("layers", self.layers),
            ("sequence_length", self.sequence_length),
        ];
        let mut faults: Vec<String> =
            sizes.iter().filter(|(_, n)| *n == 0).map(|(name, _)| format!("{name} is 0; expected 1 or more")).collect();
        for (name, rate) in self.dropout.named() {
            if !(0.0..1.0).contains(&rate) {
                faults.push(format!("dropout.{name} times multiplier is {rate}; expected 0 or more, below 1"));
            }
        }
        let weights = [
            ("activation_regularisation", self.activation_regularisation),
            ("temporal_activation_regularisation", self.temporal_activation_regularisation),
        ];
        for (name, weight) in weights {
            if !(weight.is_finite() && weight >= 0.0) {
                faults.push(format!("{name} is {weight}; expected 0 or more"));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Settings(format!("recurrent: {}", faults.join("; ")))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_sizes_are_refused_together() {
        let dropout = RecurrentDropout { weight: 0.6, multiplier: 2.0, ..Default::default() };
        let faulty = RecurrentConfig { layers: 0, dropout, activation_regularisation: -1.0, ..Default::default() };
        let message = faulty.check().unwrap_err().to_string();
        for fault in ["vocabulary_size is 0", "layers is 0", "dropout.weight times multiplier is 1.2", "tion is -1"] {
            assert!(message.contains(fault), "{fault}: {message}");
        }
    }

    #[test]
    fn a_folder_says_which_layer_it_has_and_another_model_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        for layout in RecurrentLayout::ALL {
            let config = RecurrentConfig { layout, vocabulary_size: 9, layers: 2, ..Default::default() };
            std::fs::write(&path, config.to_json().to_string()).unwrap();
            assert_eq!(RecurrentConfig::read(&path).unwrap(), config);
        }
        std::fs::write(&path, r#"{"model_type": "llama"}"#).unwrap();
        let message = RecurrentConfig::read(&path).unwrap_err().to_string();
        assert!(message.contains(r#"model_type: found "llama"; expected one of "awd-lstm", "qrnn""#), "{message}");
        std::fs::write(&path, r#"{"model_type": "qrnn", "heads": 2}"#).unwrap();
        let message = RecurrentConfig::read(&path).unwrap_err();
        assert!(format!("{:#}", std::error::Error::source(&message).unwrap()).contains("heads"), "{message:?}");
    }

    #[test]
    fn unknown_keys_are_refused() {
        let of = |text: &str| serde_json::from_str::<RecurrentConfig>(text);
        let qrnn = of(r#"{"layout": "qrnn"}"#).unwrap();
        assert_eq!((qrnn.layout, qrnn.layers), (RecurrentLayout::Qrnn, 4));
        assert_eq!(of(&serde_json::to_string(&qrnn).unwrap()).unwrap(), qrnn);
        assert_eq!(of("{}").unwrap(), RecurrentConfig::default());
        assert!(of(r#"{"layout": "gru"}"#).unwrap_err().to_string().contains("unknown variant `gru`"));
        assert!(of(r#"{"dropout": {"outputs": 0.1}}"#).unwrap_err().to_string().contains("unknown field `outputs`"));
    }
}
