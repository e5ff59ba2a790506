//! The three n-gram models of one language, trained on one text.

use super::{KneserNey, ORDER, Simple, Text};
use crate::batch::TokenSource;
use tongues_languages::Tag;

/// Bits of some tokens under each model.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bits {
    /// Under the unigram.
    pub unigram: f64,
    /// Under the bigram.
    pub bigram: f64,
    /// Under the Kneser–Ney model.
    pub kneser_ney: f64,
}

impl std::ops::AddAssign for Bits {
    fn add_assign(&mut self, other: Bits) {
        self.unigram += other.unigram;
        self.bigram += other.bigram;
        self.kneser_ney += other.kneser_ney;
    }
}

/// Unigram, bigram and Kneser–Ney of one language.
#[derive(Debug, Clone)]
pub struct Baselines {
    simple: Simple,
    /// The Kneser–Ney model.
    pub kneser_ney: KneserNey,
    /// Training documents read.
    pub documents: u64,
    /// Their tokens, `</s>` included.
    pub tokens: u64,
    end: u32,
}

impl Baselines {
    /// Trains on the training documents of `language`, of at most `limit` tokens together; nothing where there are
    /// none.
    pub fn train(source: &dyn TokenSource, language: Tag, special: (u32, u32), limit: u64) -> Option<Baselines> {
        let text = Text::read(source, language, special, limit);
        (text.documents > 0).then(|| Baselines {
            simple: Simple::train(&text),
            kneser_ney: KneserNey::train(&text, ORDER),
            documents: text.documents,
            tokens: text.tokens,
            end: special.1,
        })
    }

    /// Bits of a document: its tokens and `</s>`.
    pub fn bits(&self, tokens: &[u32]) -> Bits {
        let (unigram, bigram) = self.simple.bits(tokens, self.end);
        let closed: Vec<u32> = tokens.iter().copied().chain([self.end]).collect();
        Bits { unigram, bigram, kneser_ney: self.kneser_ney.bits(&closed).iter().sum() }
    }
}
