//! The text one model of a comparison learns from: the studied language, cut to so many tokens, beside other languages.

use crate::batch::TokenSource;
use crate::error::{Error, Result};
use crate::random::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use tongues_languages::Tag;
use tongues_pipeline::tokens::Split;

/// Languages and how much of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    /// The language that is studied: all held-out documents are of it.
    pub studied: Tag,
    /// The languages of the training text, the studied one with them.
    pub languages: Vec<Tag>,
    /// The studied language's share of the windows, above 0; 1 where there is no other.
    pub share: f64,
    /// Training tokens of the studied language, at most; none: all.
    pub tokens_limit: Option<u64>,
    /// Training tokens of each other language, at most; none: all.
    pub other_tokens_limit: Option<u64>,
}

/// A source seen through a mixture.
pub struct Mixed<'a> {
    source: &'a dyn TokenSource,
    mixture: &'a Mixture,
    /// Numbers, in the source, of the training documents of each language.
    training: BTreeMap<Tag, Vec<usize>>,
}

impl<'a> Mixed<'a> {
    /// Chooses the documents. Which ones does not depend on a seed, and those of a small limit are among those of a
    /// larger one.
    ///
    /// # Errors
    /// A language without training text.
    pub fn new(source: &'a dyn TokenSource, mixture: &'a Mixture) -> Result<Mixed<'a>> {
        let mut training = BTreeMap::new();
        for &language in &mixture.languages {
            let limit = if language == mixture.studied { mixture.tokens_limit } else { mixture.other_tokens_limit };
            let documents = chosen(source, language, limit.unwrap_or(u64::MAX));
            if documents.is_empty() {
                return Err(Error::Settings(format!(
                    "{language}: found no training document within the limit; expected some text of it"
                )));
            }
            training.insert(language, documents);
        }
        Ok(Mixed { source, mixture, training })
    }

    fn number(&self, language: Tag, split: Split, document: usize) -> usize {
        if split == Split::Train { self.training[&language][document] } else { document }
    }
}

/// Documents in an order drawn once and for all, up to the first with which they would have more than `limit` tokens.
fn chosen(source: &dyn TokenSource, language: Tag, limit: u64) -> Vec<usize> {
    let count = source.documents(language, Split::Train);
    let order = Key::new(0).named("limit").named(language.as_str()).permutation(count);
    let mut left = limit;
    let fits = |document: &usize| {
        let rest = left.checked_sub(source.length(language, Split::Train, *document) as u64);
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    order.into_iter().map(|document| document as usize).take_while(fits).collect()
}

impl TokenSource for Mixed<'_> {
    fn languages(&self) -> Vec<Tag> {
        self.training.keys().copied().collect()
    }
    fn documents(&self, language: Tag, split: Split) -> usize {
        match split {
            Split::Train => self.training.get(&language).map_or(0, Vec::len),
            _ if language == self.mixture.studied => self.source.documents(language, split),
            _ => 0,
        }
    }
    fn length(&self, language: Tag, split: Split, document: usize) -> usize {
        self.source.length(language, split, self.number(language, split, document))
    }
    fn read(&self, language: Tag, split: Split, document: usize, range: Range<usize>, ids: &mut Vec<u32>) {
        self.source.read(language, split, self.number(language, split, document), range, ids);
    }
    fn bytes(&self, language: Tag, split: Split, document: usize) -> u32 {
        self.source.bytes(language, split, self.number(language, split, document))
    }
    fn id(&self, language: Tag, split: Split, document: usize) -> String {
        self.source.id(language, split, self.number(language, split, document))
    }
    fn vocabulary_size(&self) -> usize {
        self.source.vocabulary_size()
    }
    fn studied(&self) -> Option<(Tag, f64)> {
        Some((self.mixture.studied, self.mixture.share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{InMemory, Sampler};

    fn source() -> InMemory {
        let mut source = InMemory { vocabulary_size: 40, ..Default::default() };
        for (tag, first) in [("hau_Latn", 3), ("ltg_Latn", 13), ("lvs_Latn", 23)] {
            let texts = |count| (0..count).map(|i| (vec![first + i % 10; 4], 8)).collect();
            source.documents.insert((tag.parse().unwrap(), Split::Train), texts(50));
            source.documents.insert((tag.parse().unwrap(), Split::Test), texts(5));
        }
        source
    }

    fn mixture(languages: &[&str], limit: Option<u64>) -> Mixture {
        Mixture {
            studied: "ltg_Latn".parse().unwrap(),
            languages: languages.iter().map(|tag| tag.parse().unwrap()).collect(),
            share: if languages.len() == 1 { 1.0 } else { 0.4 },
            tokens_limit: limit,
            other_tokens_limit: Some(60),
        }
    }

    #[test]
    fn a_limit_holds_and_a_small_one_is_part_of_a_larger_one() {
        let (source, ltg, lvs) = (source(), "ltg_Latn".parse().unwrap(), "lvs_Latn".parse().unwrap());
        let ids = |limit| {
            let mixture = mixture(&["ltg_Latn", "lvs_Latn"], limit);
            let mixed = Mixed::new(&source, &mixture).unwrap();
            assert_eq!(mixed.documents(lvs, Split::Train), 15, "60 tokens of 4 a document");
            assert_eq!((mixed.documents(ltg, Split::Test), mixed.documents(lvs, Split::Test)), (5, 0));
            let count = mixed.documents(ltg, Split::Train);
            (0..count).map(|document| mixed.id(ltg, Split::Train, document)).collect::<Vec<_>>()
        };
        let (small, large, all) = (ids(Some(43)), ids(Some(100)), ids(None));
        assert_eq!((small.len(), large.len(), all.len()), (10, 25, 50));
        assert_eq!((&large[..10], &all[..25]), (&small[..], &large[..]));
        let none = mixture(&["ltg_Latn"], Some(3));
        assert!(Mixed::new(&source, &none).is_err_and(|error| error.to_string().contains("ltg_Latn: found no")));
    }

    /// The windows of the studied language, in order: what a model has seen of it after so many batches.
    fn windows(source: &InMemory, mixture: &Mixture, batches: u64) -> (Vec<Vec<u32>>, usize) {
        let mixed = Mixed::new(source, mixture).unwrap();
        let sampler = Sampler::new(&mixed, (1, 2), 8, 0.5, 7).unwrap();
        let (mut own, mut all) = (Vec::new(), 0);
        for number in 0..batches {
            let batch = sampler.batch(number, 3);
            let rows = batch.languages.iter().enumerate().filter(|(_, tag)| **tag == mixture.studied);
            own.extend(rows.map(|(row, _)| batch.ids[row * 8..row * 8 + 8].to_vec()));
            all += batch.languages.len();
        }
        (own, all)
    }

    #[test]
    fn the_studied_language_is_read_in_the_same_windows_whatever_else_there_is() {
        let source = source();
        let alone = windows(&source, &mixture(&["ltg_Latn"], None), 20);
        let related = windows(&source, &mixture(&["ltg_Latn", "lvs_Latn"], None), 50);
        let more = windows(&source, &mixture(&["hau_Latn", "ltg_Latn", "lvs_Latn"], None), 50);
        assert_eq!((alone.1, related.1, more.1), (60, 150, 150));
        assert_eq!(alone.0.len(), 60); // 0.4 of 150 rows
        assert_eq!(alone, (related.0.clone(), 60));
        assert_eq!(related.0, more.0);
    }

    #[test]
    fn other_languages_share_the_rest() {
        let (source, mixture) = (source(), mixture(&["hau_Latn", "ltg_Latn", "lvs_Latn"], None));
        let mixed = Mixed::new(&source, &mixture).unwrap();
        let batch = Sampler::new(&mixed, (1, 2), 8, 0.5, 7).unwrap().batch(0, 1000);
        let count = |tag: &str| batch.languages.iter().filter(|found| found.as_str() == tag).count();
        assert_eq!(count("ltg_Latn"), 400);
        assert!(count("hau_Latn").abs_diff(300) < 6, "{} of 600", count("hau_Latn"));
    }
}
