//! How many tokens a word costs in each language.

use super::encoder::Vocabulary;
use super::source::{Source, groups};
use crate::error::{Error, Result};
use crate::progress::Progress;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tongues_languages::{Tag, segment};

/// One row of `fertility.json`, counted on all documents of the language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fertility {
    /// The language.
    pub language: Tag,
    /// Documents.
    pub documents: u64,
    /// Words by the language's segmentation.
    pub words: u64,
    /// UTF-8 bytes.
    pub bytes: u64,
    /// Tokens.
    pub tokens: u64,
    /// `tokens / words`; 0 without words.
    pub tokens_per_word: f64,
    /// `bytes / tokens`; 0 without tokens.
    pub bytes_per_token: f64,
    /// Tokens that are single bytes, line breaks not counted among them, divided by `tokens`.
    pub byte_fallback_share: f64,
    /// Sentences of the language that the trainer saw, repeated ones included.
    pub training_sentences: u64,
}

#[derive(Default, Clone, Copy)]
struct Sums {
    words: u64,
    bytes: u64,
    tokens: u64,
    fallback: u64,
}

/// Measures one language. Parallel; the sums do not depend on the order.
pub fn measure(
    source: &dyn Source,
    language: Tag,
    vocabulary: &Vocabulary,
    training_sentences: u64,
    progress: &dyn Progress,
) -> Result<Fertility> {
    let line_break: Vec<u32> = (0..vocabulary.size() as u32)
        .filter(|&id| vocabulary.pieces()[id as usize].text == "<0x0A>" && vocabulary.is_byte(id))
        .collect();
    let (mut documents, mut sums) = (0, Sums::default());
    for group in groups(source.read(language)?, 256) {
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
        let group = group?;
        documents += group.len() as u64;
        let of_group = group
            .par_iter()
            .map(|text| {
                let ids = vocabulary.encode(&text.text);
                Sums {
                    words: segment::words(&text.text, language).len() as u64,
                    bytes: text.text.len() as u64,
                    tokens: ids.len() as u64,
                    fallback: ids.iter().filter(|id| vocabulary.is_byte(**id) && !line_break.contains(id)).count()
                        as u64,
                }
            })
            .reduce(Sums::default, Sums::plus);
        sums = sums.plus(of_group);
        progress.advance(group.len() as u64);
    }
    Ok(Fertility {
        language,
        documents,
        words: sums.words,
        bytes: sums.bytes,
        tokens: sums.tokens,
        tokens_per_word: ratio(sums.tokens, sums.words),
        bytes_per_token: ratio(sums.bytes, sums.tokens),
        byte_fallback_share: ratio(sums.fallback, sums.tokens),
        training_sentences,
    })
}

impl Sums {
    fn plus(self, other: Sums) -> Sums {
        Sums {
            words: self.words + other.words,
            bytes: self.bytes + other.bytes,
            tokens: self.tokens + other.tokens,
            fallback: self.fallback + other.fallback,
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
