//! Where tokens come from: the mapped files of the stage `tokens`, or memory.

use std::collections::BTreeMap;
use std::ops::Range;
use tongues_languages::Tag;
use tongues_pipeline::tokens::{Corpus, Split};
use tongues_pipeline::vocabulary::Vocabulary;

/// Documents as token ids, by language and split. No beginning or end token is stored.
pub trait TokenSource: Send + Sync {
    /// Languages, in tag order.
    fn languages(&self) -> Vec<Tag>;
    /// How many documents.
    fn documents(&self, language: Tag, split: Split) -> usize;
    /// How many tokens one document has.
    fn length(&self, language: Tag, split: Split, document: usize) -> usize;
    /// Appends the ids of a range of one document's tokens to `ids`.
    fn read(&self, language: Tag, split: Split, document: usize, range: Range<usize>, ids: &mut Vec<u32>);
    /// UTF-8 bytes of its text.
    fn bytes(&self, language: Tag, split: Split, document: usize) -> u32;
    /// Ids are below this.
    fn vocabulary_size(&self) -> usize;
    /// All ids of one document.
    fn tokens(&self, language: Tag, split: Split, document: usize) -> Vec<u32> {
        let length = self.length(language, split, document);
        let mut ids = Vec::with_capacity(length);
        self.read(language, split, document, 0..length, &mut ids);
        ids
    }
    /// Tokens of all documents.
    fn total_tokens(&self, language: Tag, split: Split) -> u64 {
        (0..self.documents(language, split)).map(|document| self.length(language, split, document) as u64).sum()
    }
    /// Its id, as people know it; its number where there is none.
    fn id(&self, _language: Tag, _split: Split, document: usize) -> String {
        document.to_string()
    }
    /// The language whose share of all windows is given and not by its tokens, and that share.
    fn studied(&self) -> Option<(Tag, f64)> {
        None
    }
    /// The words for the ids; none where only ids are known.
    fn vocabulary(&self) -> Option<&Vocabulary> {
        None
    }
    /// The token that stands before each document of `language`: its own where the vocabulary has one, else `<s>`, whose id
    /// is `usual`.
    fn beginning(&self, language: Tag, usual: u32) -> u32 {
        self.vocabulary().and_then(|vocabulary| vocabulary.language_token(language)).unwrap_or(usual)
    }
}

impl TokenSource for Corpus {
    fn languages(&self) -> Vec<Tag> {
        Corpus::languages(self).to_vec()
    }
    fn documents(&self, language: Tag, split: Split) -> usize {
        self.split(language, split).len()
    }
    fn length(&self, language: Tag, split: Split, document: usize) -> usize {
        self.split(language, split).length(document)
    }
    fn read(&self, language: Tag, split: Split, document: usize, range: Range<usize>, ids: &mut Vec<u32>) {
        ids.extend(self.split(language, split).part(document, range));
    }
    fn bytes(&self, language: Tag, split: Split, document: usize) -> u32 {
        self.split(language, split).bytes(document)
    }
    fn vocabulary_size(&self) -> usize {
        Corpus::vocabulary_size(self)
    }
    fn total_tokens(&self, language: Tag, split: Split) -> u64 {
        self.split(language, split).total_tokens()
    }
    fn id(&self, language: Tag, split: Split, document: usize) -> String {
        self.split(language, split).id(document).to_owned()
    }
}

/// UTF-8 bytes of all training documents.
pub fn training_bytes(source: &dyn TokenSource) -> u64 {
    let of_language = |tag| {
        let documents = 0..source.documents(tag, Split::Train);
        documents.map(|document| u64::from(source.bytes(tag, Split::Train, document))).sum::<u64>()
    };
    source.languages().into_iter().map(of_language).sum()
}

/// Ids of a document and the bytes of its text.
pub type Tokens = (Vec<u32>, u32);

/// Documents in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemory {
    /// Ids and bytes of every document.
    pub documents: BTreeMap<(Tag, Split), Vec<Tokens>>,
    /// Ids are below this.
    pub vocabulary_size: usize,
}

impl TokenSource for InMemory {
    fn languages(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.documents.keys().map(|(tag, _)| *tag).collect();
        tags.dedup();
        tags
    }
    fn documents(&self, language: Tag, split: Split) -> usize {
        self.documents.get(&(language, split)).map_or(0, Vec::len)
    }
    fn length(&self, language: Tag, split: Split, document: usize) -> usize {
        self.documents[&(language, split)][document].0.len()
    }
    fn read(&self, language: Tag, split: Split, document: usize, range: Range<usize>, ids: &mut Vec<u32>) {
        ids.extend_from_slice(&self.documents[&(language, split)][document].0[range]);
    }
    fn bytes(&self, language: Tag, split: Split, document: usize) -> u32 {
        self.documents[&(language, split)][document].1
    }
    fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }
}
