//! Contamination: training documents that hold texts of an evaluation set.
//!
//! - Drops documents with a line equal to an evaluation text, with 13 words in a row of one, or with a whole sentence
//!   of 4 to 12 words of one (`contaminated`).
//! - Why: a model that has read the test answers from memory.
//! - Dropped: an article that quotes an evaluation sentence of 15 words.
//! - Near miss, kept: one with 12 words of that sentence; one with the evaluation sentence `Paldis.`
//! - Thresholds: 13 words as in GPT-3 (Brown et al. 2020, appendix C). Under 4 words a sentence is anybody's.
//!
//! Words are compared in lower case, without punctuation.

use crate::document::{Reason, Verdict};
use std::collections::{BTreeSet, HashMap};
use tongues_languages::{Tag, segment};
use xxhash_rust::xxh3::xxh3_64;

/// Words in a row that give a text away.
pub const NGRAM_WORDS: usize = 13;
/// Words from which a whole short sentence counts.
pub const SENTENCE_WORDS: usize = 4;
/// Characters from which an equal line counts, for scripts where words are hard to tell.
pub const LINE_CHARACTERS: usize = 20;

/// How an evaluation text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A line equal to one of its lines.
    Exact,
    /// 13 words in a row.
    Ngram,
    /// A whole sentence of 4 to 12 words.
    Sentence,
}

impl Kind {
    /// The words of `limit` in the [`Reason`].
    fn limit(self) -> &'static str {
        match self {
            Kind::Exact => "no equal line",
            Kind::Ngram => "no 13 words in a row",
            Kind::Sentence => "no whole sentence of 4 words or more",
        }
    }

    /// The kind a reason tells of; `None` where it is no reason of this module.
    pub fn of(reason: &Reason) -> Option<Kind> {
        [Kind::Exact, Kind::Ngram, Kind::Sentence]
            .into_iter()
            .find(|kind| reason.reason == "contaminated" && reason.limit == kind.limit())
    }
}

/// What is looked for: hashes of lines and word n-grams, each with the number of its set.
#[derive(Debug, Default)]
pub struct Index {
    sets: Vec<String>,
    lines: HashMap<u64, u32>,
    ngrams: HashMap<(usize, u64), u32>,
    lengths: BTreeSet<usize>,
    texts: u64,
}

impl Index {
    /// Adds one evaluation text of the set `set`; every line of it counts as a text. Where sets share a text, the
    /// first one added is named.
    pub fn add(&mut self, set: &str, text: &str, tag: Tag) {
        let number = match self.sets.iter().position(|name| name == set) {
            Some(number) => number,
            None => {
                self.sets.push(set.to_owned());
                self.sets.len() - 1
            }
        };
        let number = number as u32;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            self.texts += 1;
            let words = hashes(line, tag);
            if words.len() >= SENTENCE_WORDS || line.trim().chars().count() >= LINE_CHARACTERS {
                self.lines.entry(line_hash(line)).or_insert(number);
            }
            for gram in words.windows(NGRAM_WORDS) {
                self.add_gram(gram, number);
            }
            for sentence in segment::sentences(line, tag) {
                let words = hashes(sentence, tag);
                if (SENTENCE_WORDS..NGRAM_WORDS).contains(&words.len()) {
                    self.add_gram(&words, number);
                }
            }
        }
    }

    fn add_gram(&mut self, gram: &[u64], set: u32) {
        self.ngrams.entry((gram.len(), gram_hash(gram))).or_insert(set);
        self.lengths.insert(gram.len());
    }

    /// Lines of text added, blank ones not.
    pub fn texts(&self) -> u64 {
        self.texts
    }

    /// Judges a normalised text. Equal lines are looked for first, then the longest n-grams.
    pub fn judge(&self, text: &str, tag: Tag) -> Verdict {
        if self.lines.is_empty() && self.ngrams.is_empty() {
            return Verdict::Keep;
        }
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(set) = self.lines.get(&line_hash(line)) {
                return self.found(*set, Kind::Exact, line.trim());
            }
        }
        let words: Vec<String> = segment::words(text, tag).into_iter().map(str::to_lowercase).collect();
        let hashes: Vec<u64> = words.iter().map(|word| xxh3_64(word.as_bytes())).collect();
        for length in self.lengths.iter().rev() {
            for (start, gram) in hashes.windows(*length).enumerate() {
                if let Some(set) = self.ngrams.get(&(*length, gram_hash(gram))) {
                    let kind = if *length == NGRAM_WORDS { Kind::Ngram } else { Kind::Sentence };
                    return self.found(*set, kind, &words[start..start + length].join(" "));
                }
            }
        }
        Verdict::Keep
    }

    fn found(&self, set: u32, kind: Kind, what: &str) -> Verdict {
        let found = format!("{}: {what}", self.sets[set as usize]);
        let limit = kind.limit().to_owned();
        Verdict::Drop(Reason { stage: "contamination", reason: "contaminated", found, limit })
    }
}

fn hashes(text: &str, tag: Tag) -> Vec<u64> {
    segment::words(text, tag).into_iter().map(|word| xxh3_64(word.to_lowercase().as_bytes())).collect()
}

fn gram_hash(words: &[u64]) -> u64 {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

fn line_hash(line: &str) -> u64 {
    let line = line.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ");
    xxh3_64(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        let tag = Tag::UNDETERMINED;
        index.add("numbers", "One two three four five six seven eight nine ten eleven twelve thirteen fourteen.", tag);
        index.add("short", "The red boat sank.\nPaldis.\n", tag);
        index
    }

    fn kind(text: &str) -> Option<(Kind, String)> {
        match index().judge(text, Tag::UNDETERMINED) {
            Verdict::Keep => None,
            Verdict::Drop(reason) => Some((Kind::of(&reason).unwrap(), reason.found)),
        }
    }

    #[test]
    fn thirteen_words_are_found_and_twelve_are_not() {
        let words = "two three four five six seven eight nine ten eleven twelve thirteen";
        assert_eq!(kind(&format!("He counted: {words}.")), None);
        let (kind, found) = kind(&format!("He counted: {words}, FOURTEEN!")).unwrap();
        assert_eq!(kind, Kind::Ngram);
        assert_eq!(found, format!("numbers: {words} fourteen"));
    }

    #[test]
    fn a_short_sentence_is_found_whole_and_a_word_is_not() {
        assert_eq!(
            kind("Yesterday the red boat sank again."),
            Some((Kind::Sentence, "short: the red boat sank".into()))
        );
        assert_eq!(kind("The red boat sailed."), None);
        assert_eq!(kind("Paldis."), None);
        assert_eq!(
            kind("Other.\n  the RED boat  sank. \nMore."),
            Some((Kind::Exact, "short: the RED boat  sank.".into()))
        );
        assert_eq!(index().texts(), 3);
    }

    #[test]
    fn nothing_to_look_for_keeps_all() {
        assert_eq!(Index::default().judge("The red boat sank.", Tag::UNDETERMINED), Verdict::Keep);
    }
}
