//! Token files together with the vocabulary they were made with.

use crate::batch::TokenSource;
use std::ops::Range;
use tongues_languages::Tag;
use tongues_pipeline::tokens::Split;
use tongues_pipeline::vocabulary::Vocabulary;

/// A source whose ids have words.
pub struct TextSource<'a> {
    /// The ids.
    pub tokens: &'a dyn TokenSource,
    /// Their words.
    pub vocabulary: &'a Vocabulary,
}

impl TokenSource for TextSource<'_> {
    fn languages(&self) -> Vec<Tag> {
        self.tokens.languages()
    }
    fn documents(&self, language: Tag, split: Split) -> usize {
        self.tokens.documents(language, split)
    }
    fn length(&self, language: Tag, split: Split, document: usize) -> usize {
        self.tokens.length(language, split, document)
    }
    fn read(&self, language: Tag, split: Split, document: usize, range: Range<usize>, ids: &mut Vec<u32>) {
        self.tokens.read(language, split, document, range, ids);
    }
    fn bytes(&self, language: Tag, split: Split, document: usize) -> u32 {
        self.tokens.bytes(language, split, document)
    }
    fn total_tokens(&self, language: Tag, split: Split) -> u64 {
        self.tokens.total_tokens(language, split)
    }
    fn id(&self, language: Tag, split: Split, document: usize) -> String {
        self.tokens.id(language, split, document)
    }
    fn vocabulary_size(&self) -> usize {
        self.tokens.vocabulary_size()
    }
    fn studied(&self) -> Option<(Tag, f64)> {
        self.tokens.studied()
    }
    fn vocabulary(&self) -> Option<&Vocabulary> {
        Some(self.vocabulary)
    }
}
