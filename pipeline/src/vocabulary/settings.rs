//! What can be set about a vocabulary.

use super::language_token;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use tongues_languages::Tag;

/// Settings of the stage `vocabulary`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VocabularySettings {
    /// Pieces, the 4 special ones and 256 bytes included.
    pub size: u32,
    /// A language with n sentences gets a share ∝ n^alpha of the sample; 0 to 1.
    pub alpha: f64,
    /// Most sentences the trainer sees; it needs about 1 kB of memory for each.
    pub maximum_sentences: u64,
    /// Share of a script's text that must be made of characters with a piece of their own.
    pub coverage: f64,
    /// The same for Han, which has very many characters.
    pub coverage_han: f64,
    /// A script with less than this share of the sample gets no pieces, only bytes.
    pub script_floor: f64,
    /// Whether each language has a token that begins its documents in place of `<s>`, one of the pieces; see
    /// [`language_token`].
    pub language_tokens: bool,
    /// Decides which sentences are taken.
    pub seed: u64,
}

impl Default for VocabularySettings {
    fn default() -> VocabularySettings {
        VocabularySettings {
            size: 8000,
            alpha: 0.3,
            maximum_sentences: 2_000_000,
            coverage: 0.9995,
            coverage_han: 0.995,
            script_floor: 0.0005,
            language_tokens: false,
            seed: 1,
        }
    }
}

impl VocabularySettings {
    /// Refuses what cannot work.
    pub fn check(&self) -> Result<()> {
        let share = |name: &str, value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::Settings(format!("vocabulary: `{name}` is {value}; expected a number from 0 to 1")))
            }
        };
        share("alpha", self.alpha)?;
        share("coverage", self.coverage)?;
        share("coverage_han", self.coverage_han)?;
        share("script_floor", self.script_floor)?;
        if !(300..=1_000_000).contains(&self.size) {
            return Err(Error::Settings(format!(
                "vocabulary: `size` is {}; expected 300 to 1000000 (256 bytes and 4 special pieces are part of it)",
                self.size
            )));
        }
        if self.maximum_sentences == 0 {
            return Err(Error::Settings("vocabulary: `maximum_sentences` is 0; expected at least 1".to_owned()));
        }
        Ok(())
    }

    /// Arguments of SentencePiece's trainer. The text arrives normalised and sampled, so it changes nothing itself;
    /// one thread, since sums of several depend on their number. `languages` are those that may have a token.
    pub(super) fn arguments(&self, languages: &[Tag]) -> Vec<(&'static str, String)> {
        let tokens: Vec<String> = languages.iter().map(|tag| language_token::text(*tag)).collect();
        let tokens = self.language_tokens.then(|| ("control_symbols", tokens.join(",")));
        [
            ("model_type", "unigram"),
            ("normalization_rule_name", "identity"),
            ("remove_extra_whitespaces", "false"),
            ("add_dummy_prefix", "true"),
            ("character_coverage", "1.0"),
            ("byte_fallback", "true"),
            ("split_digits", "true"),
            ("unk_id", "0"),
            ("bos_id", "1"),
            ("eos_id", "2"),
            ("pad_id", "3"),
            ("num_threads", "1"),
            ("input_sentence_size", "0"),
            ("shuffle_input_sentence", "false"),
            ("hard_vocab_limit", "true"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into_iter()
        .chain([("vocab_size", self.size.to_string())])
        .chain(tokens)
        .collect()
    }
}
