//! How a model is measured when it is trained: the section `[measurement]` of a recipe.

use super::Settings;
use super::windows::Stride;
use crate::error::{Error, Result};
use crate::models::ModelConfig;
use serde::{Deserialize, Serialize};
use tongues_pipeline::tokens::Split;

/// How a model is measured on the test split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Measurement {
    /// Documents of each language, at most and evenly spread; 0: all.
    pub documents: usize,
    /// Tokens from one window to the next in long documents; 0: half a window.
    pub stride: usize,
    /// Sentences of each language whose second half is measured, at most; 0: none.
    pub sentences: usize,
    /// Documents of each language and split that are probed for memorisation, at most; 0: none.
    pub probed_documents: usize,
    /// Tokens of a language's training text that the n-gram models read at most.
    pub ngram_training_tokens: u64,
    /// Sentences of each language whose pseudo-likelihood is measured, at most; 0: none. Of an encoder.
    pub pseudo_sentences: usize,
}

impl Default for Measurement {
    /// As [`Settings`], but of at most 500 documents: a run is to end soon, and `tongues evaluate` measures all.
    fn default() -> Measurement {
        let Settings { ngram_training_tokens, sentences, probed_documents, pseudo_sentences, .. } = Settings::default();
        Measurement { documents: 500, stride: 0, sentences, probed_documents, ngram_training_tokens, pseudo_sentences }
    }
}

impl Measurement {
    /// Refuses what cannot work with such a model.
    pub fn check(&self, model: &ModelConfig) -> Result<()> {
        let stride = self.settings().stride;
        let fits = match model.context_length() {
            Some(context) => stride.tokens(context).map(drop),
            None => stride.of_carried_state(),
        };
        fits.map_err(|error| Error::Settings(format!("measurement: {error}")))?;
        if self.ngram_training_tokens == 0 {
            return Err(Error::Settings("measurement: ngram_training_tokens is 0; expected 1 or more".to_owned()));
        }
        Ok(())
    }

    /// The same as [`super::evaluate`] takes it.
    pub fn settings(&self) -> Settings {
        Settings {
            split: Split::Test,
            documents: Some(self.documents).filter(|documents| *documents > 0),
            stride: if self.stride == 0 { Stride::HalfWindow } else { Stride::Tokens(self.stride) },
            ngram_training_tokens: self.ngram_training_tokens,
            sentences: self.sentences,
            probed_documents: self.probed_documents,
            pseudo_sentences: self.pseudo_sentences,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::decoder::DecoderConfig;
    use crate::models::recurrent::RecurrentConfig;

    #[test]
    fn nothing_is_all_or_half_and_too_much_is_refused() {
        let usual = Measurement::default().settings();
        assert_eq!(usual, Settings { documents: Some(500), ..Settings::default() });
        let all = Measurement { documents: 0, stride: 7, ..Default::default() };
        assert_eq!((all.settings().documents, all.settings().stride), (None, Stride::Tokens(7)));
        let of = |context_length| DecoderConfig { context_length, ..Default::default() }.into();
        all.check(&of(7)).unwrap();
        let message = all.check(&of(6)).unwrap_err().to_string();
        assert_eq!(message, "measurement: stride is 7; expected 1 to 6, the model's window");
        let recurrent = RecurrentConfig::default().into();
        let message = all.check(&recurrent).unwrap_err().to_string();
        assert!(message.starts_with("measurement: stride is 7; expected none"), "{message}");
        Measurement::default().check(&recurrent).unwrap();
    }
}
