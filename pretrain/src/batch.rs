//! What the model reads at a step: windows of packed documents, a function of (seed, step) and of nothing else.
//!
//! Each language has a ring of its documents and epochs of its own, in each of which every token is a target once; languages
//! take turns by their shares. How often a language had its turn before a step is computed, not remembered, so a resume
//! needs the number of the step alone.

mod epochs;
mod ring;
mod sampler;
mod source;
mod turns;

pub use sampler::{LanguagePer, Read, Sampler};
pub use source::{InMemory, TokenSource, Tokens, training_bytes};

use crate::error::Result;
use crate::nn::Seen;
use candle_core::{Device, Tensor};
use std::sync::Arc;
use tongues_languages::Tag;

/// Target of a place that is not learnt from.
pub const IGNORED: u32 = u32::MAX;

/// One batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// (B, T), row by row.
    pub ids: Vec<u32>,
    /// The token after each, (B, T), row by row; [`IGNORED`] where a row is filled up.
    pub targets: Vec<u32>,
    /// The language of each row.
    pub languages: Vec<Tag>,
    /// Where in each row a document begins, the first at 0 (it may have begun before).
    pub documents: Vec<Vec<usize>>,
    /// Tokens of each row's text; from there on it is filled up with `</s>`.
    pub lengths: Vec<usize>,
    /// Whether each row goes on where the same row of the batch before ended: whether a state may be carried over.
    pub continues: Vec<bool>,
    /// Of each id, whether a word begins with it.
    begins_word: Option<Arc<[bool]>>,
    language_tokens: Arc<[u32]>,
}

impl Batch {
    /// Without a row yet.
    fn with_capacity(
        rows: usize,
        window: usize,
        begins_word: Option<Arc<[bool]>>,
        language_tokens: Arc<[u32]>,
    ) -> Batch {
        Batch {
            ids: Vec::with_capacity(rows * window),
            targets: Vec::with_capacity(rows * window),
            languages: Vec::with_capacity(rows),
            documents: Vec::with_capacity(rows),
            lengths: Vec::with_capacity(rows),
            continues: Vec::with_capacity(rows),
            begins_word,
            language_tokens,
        }
    }

    /// B.
    pub fn rows(&self) -> usize {
        self.languages.len()
    }

    /// T.
    pub fn window(&self) -> usize {
        self.ids.len() / self.rows()
    }

    /// The ids as a tensor (B, T).
    pub fn ids(&self, device: &Device) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.ids, (self.rows(), self.window()), device)?)
    }

    /// Of each id, whether a word begins with it; nothing where that is not known.
    pub fn begins_word(&self) -> Option<&[bool]> {
        self.begins_word.as_deref()
    }

    /// Ids of the tokens that begin documents in place of `<s>`, of all languages; none where that begins them.
    pub fn language_tokens(&self) -> &[u32] {
        &self.language_tokens
    }

    /// The same with each row as one document, whose tokens may see each other.
    pub fn joined(self) -> Batch {
        let documents = vec![vec![0]; self.rows()];
        Batch { documents, ..self }
    }

    /// Of the keys `seen`, those of the same document; what fills a row up sees itself, and nothing else sees it.
    pub fn seen(&self, seen: Seen) -> Result<Seen> {
        let t = self.window();
        let filled = self.lengths.iter().map(|length| Some(*length).filter(|length| *length < t));
        let texts = self.documents.iter().zip(filled).map(|(starts, filled)| starts.iter().copied().chain(filled));
        let texts: Vec<Vec<usize>> = texts.map(Iterator::collect).collect();
        if texts.iter().all(|starts| starts.len() == 1) { Ok(seen) } else { seen.apart(&texts, t) }
    }
}
