//! Size and constants of an encoder: the section `[model]` of a recipe whose layout is one of an encoder's.

use crate::error::{Error, Result};
use crate::models::encoder_weights::weights;
use crate::models::masking::Masking;
use crate::models::presets;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// The published model whose names and arithmetic an encoder has. The two differ in the name alone: RoBERTa (Liu et al.
/// 2019), and XLM-R (Conneau et al. 2020), which is the same trained on a hundred languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderLayout {
    /// RoBERTa.
    #[default]
    Roberta,
    /// XLM-R.
    XlmRoberta,
}

impl EncoderLayout {
    /// All.
    pub const ALL: [EncoderLayout; 2] = [EncoderLayout::Roberta, EncoderLayout::XlmRoberta];

    /// `model_type` in Hugging Face's `config.json`, and `layout` in a recipe.
    pub fn model_type(self) -> &'static str {
        match self {
            EncoderLayout::Roberta => "roberta",
            EncoderLayout::XlmRoberta => "xlm-roberta",
        }
    }

    /// The class of `transformers` that loads the folder.
    pub fn architecture(self) -> &'static str {
        match self {
            EncoderLayout::Roberta => "RobertaForMaskedLM",
            EncoderLayout::XlmRoberta => "XLMRobertaForMaskedLM",
        }
    }
}

/// Size and constants of an encoder, and what it learns from.
// `remote` gives the derived code other names, so that a preset can be laid under what is written (see below).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct EncoderConfig {
    /// Whose names and arithmetic.
    pub layout: EncoderLayout,
    /// A name of [`presets::PRESETS`]: sizes that are not given beside it are the preset's.
    pub preset: Option<String>,
    /// V, `<mask>` included; 0 in a recipe: one more than the token files have.
    pub vocabulary_size: usize,
    /// D.
    pub hidden_size: usize,
    /// Blocks.
    pub layers: usize,
    /// H.
    pub heads: usize,
    /// F.
    pub intermediate_size: usize,
    /// T at most, tokens.
    pub context_length: usize,
    /// Added to the variance in norms.
    pub norm_epsilon: f64,
    /// Share dropped after the embedding and on each residual branch, in training.
    pub dropout: f64,
    /// Share of the tokens that the model has to tell, in training: 0.15 in BERT and RoBERTa; more can be better (Wettig
    /// et al. 2023).
    pub masked_share: f64,
    /// Whether whole words are masked: from one piece that begins with `▁` to the next.
    pub whole_words: bool,
    /// Id of `<s>`.
    pub beginning: u32,
    /// Id of `</s>`.
    pub end: u32,
    /// Id of `<pad>`. Positions are counted from the id after it, as in RoBERTa, where it is 1.
    pub padding: u32,
    /// Id of `<mask>`; in a recipe that leaves the vocabulary open, the one after the last piece.
    pub mask: u32,
}

impl Default for EncoderConfig {
    /// As large as the decoder's: 4 layers of 256.
    fn default() -> EncoderConfig {
        EncoderConfig {
            layout: EncoderLayout::Roberta,
            preset: None,
            vocabulary_size: 0,
            hidden_size: 256,
            layers: 4,
            heads: 4,
            intermediate_size: 1024, // 4 D
            context_length: 256,
            norm_epsilon: 1e-5,
            dropout: 0.1,
            masked_share: 0.15,
            whole_words: false,
            beginning: 1,
            end: 2,
            padding: 3,
            mask: 0,
        }
    }
}

impl Serialize for EncoderConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        EncoderConfig::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for EncoderConfig {
    /// Takes the sizes of a preset for keys that are not there.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<EncoderConfig, D::Error> {
        let mut given: Map<String, Value> = Map::deserialize(deserializer)?;
        presets::lay_under(&mut given, false).map_err(D::Error::custom)?;
        EncoderConfig::deserialize(Value::Object(given)).map_err(D::Error::custom)
    }
}

impl EncoderConfig {
    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        weights(self).iter().map(|weight| weight.shape.iter().product::<usize>()).sum()
    }

    /// Position of the first token of a text in the table of positions: RoBERTa counts from the id after padding's.
    pub fn first_position(&self) -> u32 {
        self.padding + 1
    }

    /// How tokens are hidden in training.
    pub fn masking(&self) -> Masking {
        Masking {
            share: self.masked_share,
            whole_words: self.whole_words,
            always: false,
            mask: self.mask,
            special: vec![self.beginning, self.end, self.padding],
            vocabulary_size: self.vocabulary_size,
        }
    }

    /// Refuses sizes that cannot work, all faults together.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            ("vocabulary_size", self.vocabulary_size),
            ("hidden_size", self.hidden_size),
            ("layers", self.layers),
            ("heads", self.heads),
            ("intermediate_size", self.intermediate_size),
            ("context_length", self.context_length),
        ];
        let zero = sizes.iter().filter(|(_, size)| *size == 0);
        let mut faults: Vec<String> = zero.map(|(name, _)| format!("{name} is 0; expected 1 or more")).collect();
        if self.heads > 0 && !self.hidden_size.is_multiple_of(self.heads) {
            faults.push(format!("hidden_size {} is not a multiple of heads = {}", self.hidden_size, self.heads));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            faults.push(format!("dropout is {}; expected 0 or more, below 1", self.dropout));
        }
        if !(self.masked_share > 0.0 && self.masked_share < 1.0) {
            faults.push(format!("masked_share is {}; expected more than 0, below 1", self.masked_share));
        }
        if self.vocabulary_size > 0 && self.mask as usize >= self.vocabulary_size {
            faults
                .push(format!("mask is {}; expected an id below vocabulary_size {}", self.mask, self.vocabulary_size));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Settings(format!("encoder: {}", faults.join("; ")))) }
    }

    /// The same for a vocabulary of so many pieces, with `<mask>` after the last; refuses another size that was asked for.
    pub fn for_vocabulary(&self, pieces: usize) -> Result<EncoderConfig> {
        if self.vocabulary_size != 0 && self.vocabulary_size != pieces + 1 {
            return Err(Error::Mismatch {
                place: "encoder, vocabulary_size".to_owned(),
                found: self.vocabulary_size.to_string(),
                expected: format!("{}, as the token files have it and <mask> (or 0, to take theirs)", pieces + 1),
            });
        }
        let config = EncoderConfig { vocabulary_size: pieces + 1, mask: pieces as u32, ..self.clone() };
        config.check()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn impossible_settings_are_refused_together() {
        let wrong = EncoderConfig { heads: 3, dropout: 1.0, masked_share: 0.0, layers: 0, ..Default::default() };
        let message = EncoderConfig { vocabulary_size: 9, mask: 9, ..wrong }.check().unwrap_err().to_string();
        for part in
            ["layers is 0", "hidden_size 256 is not a multiple", "dropout is 1", "masked_share is 0", "mask is 9"]
        {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn the_mask_comes_after_the_last_piece() {
        let config = EncoderConfig::default().for_vocabulary(400).unwrap();
        assert_eq!((config.vocabulary_size, config.mask), (401, 400));
        assert_eq!(config.for_vocabulary(400).unwrap(), config);
        let message = config.for_vocabulary(300).unwrap_err().to_string();
        assert!(message.contains("found 401; expected 301"), "{message}");
    }

    #[test]
    fn published_models_have_their_published_sizes() {
        let of = |sizes: Value| serde_json::from_value::<EncoderConfig>(sizes).unwrap().parameters();
        // sum(p.numel() for p in RobertaForMaskedLM(RobertaConfig(vocab_size=50265, max_position_embeddings=514,
        // type_vocab_size=1)).parameters()), and XLMRobertaForMaskedLM with vocab_size=250002 alike.
        let base = json!({ "hidden_size": 768, "layers": 12, "heads": 12, "intermediate_size": 3072,
            "context_length": 512, "padding": 1, "vocabulary_size": 50265 });
        assert_eq!(of(base.clone()), 124_697_433);
        let mut xlm = base;
        xlm["layout"] = json!("xlm-roberta");
        xlm["vocabulary_size"] = json!(250_002);
        assert_eq!(of(xlm), 278_295_186);
    }

    #[test]
    fn a_preset_gives_the_sizes_that_are_not_given() {
        let of = |given: Value| serde_json::from_value::<EncoderConfig>(given).unwrap();
        let config = of(json!({ "preset": "3m", "layers": 5 }));
        assert_eq!((config.hidden_size, config.layers, config.heads, config.intermediate_size), (192, 5, 6, 768));
        assert_eq!(of(serde_json::to_value(&config).unwrap()), config);
        let unknown = serde_json::from_value::<EncoderConfig>(json!({ "rope_theta": 1.0 })).unwrap_err();
        assert!(unknown.to_string().contains("unknown field `rope_theta`"), "{unknown}");
    }
}
