//! Sentences cut in two at the middle character, for the score of Goldfish (Chang et al. 2024).

use super::Vocabulary;
use tongues_languages::{Tag, segment};

/// Shorter sentences are headings, numbers and debris.
pub const MINIMUM_CHARACTERS: usize = 20;

/// One sentence as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halves {
    /// The whole sentence.
    pub ids: Vec<u32>,
    /// Where the second half begins: as many tokens as the first half has when it stands alone; at least one follows.
    pub first: usize,
    /// UTF-8 bytes of the second half.
    pub bytes: u64,
}

/// The sentences of a document of token ids, of [`MINIMUM_CHARACTERS`] and more.
pub fn sentences(vocabulary: &Vocabulary, ids: &[u32], language: Tag) -> Vec<Halves> {
    let text = vocabulary.decode(ids);
    segment::sentences(&text, language).into_iter().filter_map(|sentence| halves(vocabulary, sentence)).collect()
}

/// The middle is by characters (Unicode scalar values), rounded down; nothing where the sentence is too short or all
/// tokens are the first half's.
fn halves(vocabulary: &Vocabulary, sentence: &str) -> Option<Halves> {
    let characters = sentence.chars().count();
    if characters < MINIMUM_CHARACTERS {
        return None;
    }
    let middle = sentence.char_indices().nth(characters / 2).map_or(sentence.len(), |(place, _)| place);
    let ids = vocabulary.encode(sentence);
    let first = vocabulary.encode(&sentence[..middle]).len();
    (first < ids.len()).then_some(Halves { ids, first, bytes: (sentence.len() - middle) as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::vocabulary::tests::{invented, small};
    use crate::vocabulary::train_on;

    #[test]
    fn halves_are_of_characters_and_the_second_takes_a_token_across_the_middle() {
        let folder = tempfile::tempdir().unwrap();
        train_on(&invented(), Vec::new(), &small(), folder.path(), &Silent).unwrap();
        let vocabulary = Vocabulary::load(folder.path()).unwrap();
        let language: Tag = "ltg_Latn".parse().unwrap();
        let sentence = "Mēšu kaloņe voidis pūka ta."; // 27 characters: 13 and 14, `Mēšu kaloņe v` and `oidis pūka ta.`
        let document = vocabulary.encode(&format!("Kalo.\n{sentence}\nKalo."));
        let found = sentences(&vocabulary, &document, language);
        assert_eq!(found.len(), 1, "the others are too short");
        assert_eq!(found[0].ids, vocabulary.encode(sentence));
        assert_eq!(found[0].first, vocabulary.encode("Mēšu kaloņe v").len());
        assert_eq!(found[0].bytes, 15, "ū has two");
    }
}
