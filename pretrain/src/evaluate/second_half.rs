//! What the second half of a sentence costs given its first: the score of Goldfish (Chang et al. 2024), whose
//! `flores_eval_goldfish.py` has the rules followed here.
//!
//! A model of many languages pays much for the beginning of a sentence, where it cannot know the language yet; the
//! second half shows what it knows of the language. The halves are of characters, so that they do not depend on the
//! vocabulary. Of a sentence read after `<s>`, the tokens from the number of tokens of the first half alone on are
//! scored; `</s>` is not. The figure is the mean over sentences of the summed bits. Where they take the sentences of
//! FLORES, we take those of held-out documents, so figures compare across models and not across corpora.

use super::windows::Stride;
use crate::batch::TokenSource;
use crate::error::{Error, Result};
use crate::models::Causal;
use crate::ngram::KneserNey;
use crate::ngram::text::spread;
use serde::{Deserialize, Serialize};
use tongues_languages::Tag;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Split;
use tongues_pipeline::vocabulary::Vocabulary;
use tongues_pipeline::vocabulary::halves::{self, Halves};

/// Figures of one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecondHalf {
    /// Sentences measured, of at least [`halves::MINIMUM_CHARACTERS`] characters.
    pub sentences: u64,
    /// UTF-8 bytes of their second halves.
    pub bytes: u64,
    /// −log₂ of the probability of a second half given the first, mean over sentences.
    pub bits: f64,
    /// The same of the Kneser–Ney model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kneser_ney_bits: Option<f64>,
}

/// Sentences of `documents`, at most `limit` of them, evenly spread.
pub fn sentences(
    source: &dyn TokenSource,
    (language, split): (Tag, Split),
    documents: &[usize],
    vocabulary: &Vocabulary,
    limit: usize,
) -> Vec<Halves> {
    let of = |document: &usize| halves::sentences(vocabulary, &source.tokens(language, split, *document), language);
    let all: Vec<Halves> = documents.iter().flat_map(of).collect();
    spread(all.len(), Some(limit)).map(|number| all[number].clone()).collect()
}

/// Scores `sentences`, given `beginning` before each; nothing where there are none.
pub fn measure(
    model: &dyn Causal,
    beginning: u32,
    sentences: &[Halves],
    kneser_ney: Option<&KneserNey>,
    progress: &dyn Progress,
) -> Result<Option<SecondHalf>> {
    if sentences.is_empty() {
        return Ok(None);
    }
    let (mut scorer, mut simple) = (model.scorer(Stride::HalfWindow)?, 0.0);
    for sentence in sentences {
        let ids: Vec<u32> = [beginning].into_iter().chain(sentence.ids.iter().copied()).collect();
        scorer.add(&ids, 1 + sentence.first)?;
        if let Some(kneser_ney) = kneser_ney {
            simple += kneser_ney.bits(&sentence.ids)[sentence.first..].iter().sum::<f64>();
        }
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
    }
    let count = sentences.len() as f64;
    Ok(Some(SecondHalf {
        sentences: sentences.len() as u64,
        bytes: sentences.iter().map(|sentence| sentence.bytes).sum(),
        bits: scorer.finish()? / std::f64::consts::LN_2 / count,
        kneser_ney_bits: kneser_ney.map(|_| simple / count),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::decoder::{Decoder, DecoderConfig};
    use crate::ngram::Text;
    use candle_core::Device;
    use tongues_pipeline::progress::Silent;

    #[test]
    fn only_second_halves_are_paid_for() {
        let sizes = DecoderConfig { vocabulary_size: 8, hidden_size: 8, layers: 1, heads: 2, ..Default::default() };
        let config = DecoderConfig { intermediate_size: 8, context_length: 4, ..sizes };
        let model = Decoder::new(&config, 1, &Device::Cpu).unwrap();
        let head = model.parameters.get("model.embed_tokens.weight").unwrap();
        head.set(&head.zeros_like().unwrap()).unwrap();
        let sentences = [
            Halves { ids: vec![3, 4, 5, 6, 7, 3], first: 2, bytes: 9 },
            Halves { ids: vec![3, 4], first: 1, bytes: 2 },
        ];
        let nothing = KneserNey::train(&Text { vocabulary_size: 8, ..Default::default() }, 5);
        let found = measure(&model, 1, &sentences, Some(&nothing), &Silent).unwrap().unwrap();
        assert_eq!((found.sentences, found.bytes), (2, 11));
        // 4 and 1 tokens of log2(8) bits, over two sentences.
        assert!((found.bits - 7.5).abs() < 1e-5 && (found.kneser_ney_bits.unwrap() - 7.5).abs() < 1e-12, "{found:?}");
        assert_eq!(measure(&model, 1, &[], None, &Silent).unwrap(), None);
    }
}
