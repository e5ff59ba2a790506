//! Which characters get a piece of their own: the frequent ones of every script that matters.
//!
//! One coverage over all text would drop the letters of a small script first, so each script is measured by itself.
//! Whatever is left out is still encoded, byte by byte.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use tongues_languages::script;

/// Counts characters.
#[derive(Debug, Default)]
pub struct Counts(HashMap<char, u64>);

impl Counts {
    /// Adds the characters of a sentence; white space is not counted.
    pub fn add(&mut self, sentence: &str) {
        for c in sentence.chars().filter(|c| !c.is_whitespace()) {
            *self.0.entry(c).or_default() += 1;
        }
    }

    /// The characters to keep: per script the most frequent, until `coverage` (for Han `coverage_han`) of the
    /// script's text is covered. Scripts with less than `script_floor` of all text keep none.
    pub fn kept(&self, coverage: f64, coverage_han: f64, script_floor: f64) -> Kept {
        let mut scripts: BTreeMap<&'static str, Vec<(u64, char)>> = BTreeMap::new();
        for (&c, &count) in &self.0 {
            scripts.entry(script::of(c)).or_default().push((count, c));
        }
        let all: u64 = self.0.values().sum();
        let mut kept = BTreeSet::new();
        for (name, mut characters) in scripts {
            let total: u64 = characters.iter().map(|(count, _)| count).sum();
            if (total as f64) < script_floor * all as f64 {
                continue;
            }
            characters.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            let share = if name == "Hani" { coverage_han } else { coverage };
            let mut covered = 0;
            for (count, c) in characters {
                if covered as f64 >= share * total as f64 {
                    break;
                }
                covered += count;
                kept.insert(c);
            }
        }
        Kept { kept, distinct: self.0.len() }
    }
}

/// The characters that get a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    kept: BTreeSet<char>,
    /// Different characters seen.
    pub distinct: usize,
}

impl Kept {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The sentence with a space for every other character, runs of spaces made one.
    pub fn apply(&self, sentence: &str) -> String {
        let mut clean = String::with_capacity(sentence.len());
        for c in sentence.chars() {
            if self.kept.contains(&c) {
                clean.push(c);
            } else if !clean.is_empty() && !clean.ends_with(' ') {
                clean.push(' ');
            }
        }
        clean.truncate(clean.trim_end().len());
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_is_covered_by_itself() {
        let mut counts = Counts::default();
        counts.add(&"a".repeat(90));
        counts.add(&"b".repeat(9));
        counts.add("c");
        counts.add(&"я".repeat(9));
        counts.add("ю");
        // 99 of 100 Latin letters are a and b; of 10 Cyrillic letters 9 are я: 0.99 needs ю too.
        let kept = counts.kept(0.99, 0.99, 0.0);
        assert_eq!(kept.apply("abcяю"), "ab яю");
        // Latin 100, Cyrillic 10 of 110: a floor of 10 % leaves Cyrillic out.
        assert_eq!(counts.kept(0.99, 0.99, 0.1).apply("abcяю a"), "ab a");
        assert_eq!((kept.len(), kept.distinct), (4, 5));
    }

    #[test]
    fn han_has_a_coverage_of_its_own() {
        let mut counts = Counts::default();
        counts.add(&"国".repeat(99));
        counts.add("龘");
        assert_eq!(counts.kept(1.0, 0.99, 0.0).len(), 1);
        assert_eq!(counts.kept(0.99, 1.0, 0.0).len(), 2);
    }
}
