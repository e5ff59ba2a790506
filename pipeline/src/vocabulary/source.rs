//! Where the texts come from: read as often as needed, language by language, always in the same order.

use crate::error::Result;
use tongues_languages::Tag;

/// One text with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The document's id.
    pub id: String,
    /// The document's text.
    pub text: String,
}

/// The texts of one language, in order.
pub type Texts<'a> = Box<dyn Iterator<Item = Result<Text>> + Send + 'a>;

/// A corpus that can be read several times.
pub trait Source: Sync {
    /// Its languages, sorted.
    fn languages(&self) -> Result<Vec<Tag>>;
    /// The texts of one language.
    fn read(&self, language: Tag) -> Result<Texts<'_>>;
}

/// Texts already in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub std::collections::BTreeMap<Tag, Vec<Text>>);

impl Source for Memory {
    fn languages(&self) -> Result<Vec<Tag>> {
        Ok(self.0.keys().copied().collect())
    }

    fn read(&self, language: Tag) -> Result<Texts<'_>> {
        Ok(Box::new(self.0.get(&language).into_iter().flatten().cloned().map(Ok)))
    }
}

/// Groups of up to `size` texts, to be worked on in parallel and put together in order.
pub fn groups<'a>(mut texts: Texts<'a>, size: usize) -> impl Iterator<Item = Result<Vec<Text>>> + 'a {
    std::iter::from_fn(move || {
        let group: Result<Vec<Text>> = texts.by_ref().take(size).collect();
        match group {
            Ok(group) if group.is_empty() => None,
            other => Some(other),
        }
    })
}
