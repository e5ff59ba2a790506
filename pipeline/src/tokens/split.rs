//! Which documents train, validate and test: decided by a hash of the document's id.

use super::settings::TokenSettings;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Below this number of documents nothing is moved to fill an empty split.
const FILLED_FROM: usize = 10;

/// A part of the documents of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// What the model learns from.
    Train,
    /// What stops and chooses.
    Validation,
    /// What is looked at once.
    Test,
}

impl Split {
    /// All three, in the order of their files.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// Beginning of the names of its files.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// The rule for one language.
#[derive(Debug, Clone, PartialEq)]
pub struct Splitter {
    validation: f64,
    test: f64,
    moved: Vec<(u64, Split)>,
}

impl Splitter {
    /// Looks at all ids once: a language with ten documents or more gets at least one of each split that has a share,
    /// taken from the training documents with the smallest hash.
    pub fn new<'a>(ids: impl Iterator<Item = &'a str>, settings: &TokenSettings) -> Splitter {
        let mut splitter = Splitter { validation: settings.validation, test: settings.test, moved: Vec::new() };
        let mut hashes: Vec<u64> = ids.map(|id| xxh3_64(id.as_bytes())).collect();
        hashes.sort_unstable();
        if hashes.len() < FILLED_FROM {
            return splitter;
        }
        for (split, share) in [(Split::Validation, settings.validation), (Split::Test, settings.test)] {
            if share > 0.0 && !hashes.iter().any(|&hash| splitter.by_hash(hash) == split) {
                let smallest = hashes.iter().find(|&&hash| splitter.by_hash(hash) == Split::Train).copied();
                splitter.moved.extend(smallest.map(|hash| (hash, split)));
            }
        }
        splitter
    }

    /// The split of a document.
    pub fn split(&self, id: &str) -> Split {
        self.by_hash(xxh3_64(id.as_bytes()))
    }

    fn by_hash(&self, hash: u64) -> Split {
        if let Some((_, split)) = self.moved.iter().find(|(moved, _)| *moved == hash) {
            return *split;
        }
        // The upper 53 bits as a number from 0 to 1, exactly.
        let place = (hash >> 11) as f64 / (1u64 << 53) as f64;
        if place < self.validation {
            Split::Validation
        } else if place < self.validation + self.test {
            Split::Test
        } else {
            Split::Train
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(n: usize, settings: &TokenSettings) -> [usize; 3] {
        let ids: Vec<String> = (0..n).map(|i| format!("page:{i}")).collect();
        let splitter = Splitter::new(ids.iter().map(String::as_str), settings);
        Split::ALL.map(|split| ids.iter().filter(|id| splitter.split(id) == split).count())
    }

    #[test]
    fn shares_are_kept_and_small_languages_get_one_of_each() {
        let [train, validation, test] = counts(20_000, &TokenSettings::default());
        assert!(validation.abs_diff(400) < 60 && test.abs_diff(400) < 60, "{train} {validation} {test}");
        for n in 10..40 {
            let [train, validation, test] = counts(n, &TokenSettings::default());
            assert!(validation >= 1 && test >= 1 && train + validation + test == n);
        }
        let none = TokenSettings { validation: 0.0, test: 0.0, ..Default::default() };
        assert_eq!(counts(50, &none), [50, 0, 0]);
    }
}
