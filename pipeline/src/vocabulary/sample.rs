//! Which sentences the trainer sees: so many of each language that small ones are not drowned.
//!
//! A language with n sentences gets a share ∝ n^α of as many sentences as the corpus has (at most a given maximum):
//! α = 1 leaves the corpus as it is, α = 0 makes all languages equal. A language that gets more than it has is
//! repeated. Which sentences are taken is decided by a hash of document id, place and seed, never by the order of
//! the files.

use super::source::{Source, Texts};
use crate::error::{Error, Result};
use crate::progress::Progress;
use std::collections::VecDeque;
use tongues_languages::Tag;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Longest unit given to the trainer, in bytes: it drops what is longer than its own limit, 4,192.
const LONGEST: usize = 4000;

/// How much of one language is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The language.
    pub language: Tag,
    /// Its sentences in the corpus.
    pub sentences: u64,
    /// Sentences the trainer sees, repeated ones included.
    pub taken: u64,
    /// Times that every sentence is taken.
    repeats: u64,
    /// Sentences with a hash below are taken once more.
    below: u64,
}

/// Counts the sentences of every language and decides the shares.
pub fn plan(source: &dyn Source, alpha: f64, maximum: u64, seed: u64, progress: &dyn Progress) -> Result<Vec<Share>> {
    let mut hashes = Vec::new();
    for language in source.languages()? {
        let mut of_language = Vec::new();
        for text in source.read(language)? {
            let text = text?;
            of_language.extend((0..sentences(&text.text, language).len()).map(|place| hash(&text.id, place, seed)));
            progress.advance(1);
            if progress.interrupted() {
                return Err(Error::Interrupted);
            }
        }
        of_language.sort_unstable();
        hashes.push((language, of_language));
    }
    let counts: Vec<u64> = hashes.iter().map(|(_, of_language)| of_language.len() as u64).collect();
    let quotas = quotas(&counts, alpha, maximum);
    Ok(hashes
        .into_iter()
        .zip(quotas)
        .map(|((language, sorted), quota)| {
            let sentences = sorted.len() as u64;
            let (repeats, extra) = quota.checked_div(sentences).map_or((0, 0), |times| (times, quota % sentences));
            // `extra` is below the number of hashes, so the place exists unless there are none.
            let below = sorted.get(extra as usize).copied().unwrap_or(0);
            // Equal hashes (repeated ids) may move the cut: count what will really be taken.
            let taken = repeats * sentences + sorted.partition_point(|&hash| hash < below) as u64;
            Share { language, sentences, taken, repeats, below }
        })
        .collect())
}

/// Sentences per language: ∝ n^alpha, summing to the smaller of `maximum` and all there are (up to rounding).
pub(super) fn quotas(counts: &[u64], alpha: f64, maximum: u64) -> Vec<u64> {
    let total = counts.iter().sum::<u64>().min(maximum) as f64;
    let weights: Vec<f64> =
        counts.iter().map(|&count| if count == 0 { 0.0 } else { (count as f64).powf(alpha) }).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| if sum == 0.0 { 0 } else { (total * weight / sum).round() as u64 }).collect()
}

/// The sampled sentences, in the order of the corpus.
pub struct Sample<'a> {
    source: &'a dyn Source,
    shares: &'a [Share],
    seed: u64,
    progress: &'a dyn Progress,
    current: Option<(&'a Share, Texts<'a>)>,
    ready: VecDeque<(String, u64)>,
}

impl<'a> Sample<'a> {
    /// Reads `source` again by the plan made of it.
    pub fn new(source: &'a dyn Source, shares: &'a [Share], seed: u64, progress: &'a dyn Progress) -> Sample<'a> {
        Sample { source, shares, seed, progress, current: None, ready: VecDeque::new() }
    }

    fn refill(&mut self) -> Result<bool> {
        while self.ready.is_empty() {
            if self.progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let Some((share, texts)) = &mut self.current else {
                let Some((first, rest)) = self.shares.split_first() else { return Ok(false) };
                self.shares = rest;
                self.current = Some((first, self.source.read(first.language)?));
                continue;
            };
            let Some(text) = texts.next() else {
                self.current = None;
                continue;
            };
            let text = text?;
            self.progress.advance(1);
            for (place, sentence) in sentences(&text.text, share.language).into_iter().enumerate() {
                let times = share.repeats + u64::from(hash(&text.id, place, self.seed) < share.below);
                if times > 0 {
                    self.ready.push_back((sentence.to_owned(), times));
                }
            }
        }
        Ok(true)
    }
}

impl Iterator for Sample<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        match self.refill() {
            Err(error) => Some(Err(error)),
            Ok(false) => None,
            Ok(true) => {
                let (sentence, times) = self.ready.front_mut()?;
                *times -= 1;
                if *times > 0 {
                    return Some(Ok(sentence.clone()));
                }
                self.ready.pop_front().map(|(sentence, _)| Ok(sentence))
            }
        }
    }
}

fn hash(id: &str, place: usize, seed: u64) -> u64 {
    xxh3_64_with_seed(id.as_bytes(), seed ^ (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The units of a text: its lines, without blank ones, and cut at white space where longer than the trainer takes.
fn sentences(text: &str, _language: Tag) -> Vec<&str> {
    let mut units = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut rest = line;
        while rest.len() > LONGEST {
            let limit = rest.floor_char_boundary(LONGEST);
            let cut = rest[..limit].rfind(char::is_whitespace).filter(|&cut| cut > 0).unwrap_or(limit);
            units.push(rest[..cut].trim_end());
            rest = rest[cut..].trim_start();
        }
        if !rest.is_empty() {
            units.push(rest);
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::super::source::{Memory, Text};
    use super::*;
    use crate::progress::Silent;

    fn corpus(big: usize, small: usize) -> Memory {
        let texts = |tag: &str, n: usize| {
            (0..n).map(|i| Text { id: format!("{tag}:{i}"), text: format!("{tag} line {i}") }).collect()
        };
        Memory(
            [("lit_Latn".parse().unwrap(), texts("a", big)), ("ltg_Latn".parse().unwrap(), texts("b", small))].into(),
        )
    }

    #[test]
    fn quotas_follow_the_power() {
        // 16^0.5 : 4^0.5 = 2 : 1 of 20 sentences; of at most 9; and α = 1 leaves all as it is.
        assert_eq!(quotas(&[16, 4], 0.5, 1000), [13, 7]);
        assert_eq!(quotas(&[16, 4], 0.5, 9), [6, 3]);
        assert_eq!(quotas(&[16, 4, 0], 1.0, 1000), [16, 4, 0]);
        assert_eq!(quotas(&[0], 0.3, 10), [0]);
    }

    #[test]
    fn a_small_language_is_repeated_and_a_big_one_thinned() {
        let source = corpus(160, 40);
        let shares = plan(&source, 0.5, u64::MAX, 7, &Silent).unwrap();
        let sample: Vec<String> = Sample::new(&source, &shares, 7, &Silent).map(Result::unwrap).collect();
        let of = |mark: &str| sample.iter().filter(|line| line.starts_with(mark)).count();
        assert_eq!((of("a"), of("b")), (133, 67));
        assert_eq!((shares[0].taken, shares[1].taken), (133, 67));
        let distinct: std::collections::BTreeSet<&String> =
            sample.iter().filter(|line| line.starts_with('b')).collect();
        assert_eq!(distinct.len(), 40, "every line of the small language is there");
        let other = plan(&source, 0.5, u64::MAX, 8, &Silent).unwrap();
        let other: Vec<String> = Sample::new(&source, &other, 8, &Silent).map(Result::unwrap).collect();
        assert_ne!(sample, other, "another seed, other lines");
    }

    #[test]
    fn long_lines_are_cut_at_spaces_without_loss() {
        let line = "vuords ".repeat(2000);
        let tag = "ltg_Latn".parse().unwrap();
        let units = sentences(&line, tag);
        assert!(units.len() > 1 && units.iter().all(|unit| unit.len() <= LONGEST));
        assert_eq!(units.iter().flat_map(|unit| unit.split(' ')).filter(|word| *word == "vuords").count(), 2000);
        assert_eq!(sentences(&"ā".repeat(3000), tag).concat(), "ā".repeat(3000));
    }
}
