//! Sizes and dropout of a recurrent language model, as in its `config.json`.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// LSTMs with weight drop (Merity et al. 2018).
    #[default]
    AwdLstm,
    /// Quasi-recurrent layers (Bradbury et al. 2017), the first with a window of two, as in fastai and MultiFiT.
    Qrnn,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecurrentConfig {
    /// The layer.
    pub architecture: Architecture,
    /// V; 0: taken from the token files.
    pub vocabulary_size: usize,
    /// D, width of the embedding, of the last layer and, tied, of the head.
    pub embedding_size: usize,
    /// Width of the layers but the last.
    pub hidden_size: usize,
    /// Layers.
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
            architecture: Architecture::AwdLstm,
            vocabulary_size: 0,
            embedding_size: 400,
            hidden_size: 1152,
            layers: 3,
            sequence_length: 70,
            dropout: RecurrentDropout::default(),
            activation_regularisation: 2.0,
            temporal_activation_regularisation: 1.0,
            beginning: 1,
            end: 2,
        }
    }
}

impl RecurrentConfig {
    /// Width of what a layer reads, and of what it gives.
    pub fn widths(&self, layer: usize) -> (usize, usize) {
        let inputs = if layer == 0 { self.embedding_size } else { self.hidden_size };
        (inputs, if layer + 1 == self.layers { self.embedding_size } else { self.hidden_size })
    }

    /// How many inputs a layer reads at a step: two in the first of a `qrnn`.
    pub(super) fn window(&self, layer: usize) -> usize {
        if self.architecture == Architecture::Qrnn && layer == 0 { 2 } else { 1 }
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
    fn unknown_keys_are_refused() {
        let of = |text: &str| serde_json::from_str::<RecurrentConfig>(text);
        assert_eq!(of(r#"{"architecture": "qrnn"}"#).unwrap().architecture, Architecture::Qrnn);
        assert!(of(r#"{"dropout": {"outputs": 0.1}}"#).unwrap_err().to_string().contains("unknown field `outputs`"));
    }
}
