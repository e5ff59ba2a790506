//! `results.json` of a comparison: bits per byte of each condition, and differences between conditions, paired by seed.

use super::condition::Condition;
use super::statistics::{Summary, over_documents};
use crate::error::Result;
use crate::evaluate::LanguageEvaluation;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tongues_languages::Tag;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;

/// Name of the file.
pub const FILE: &str = "results.json";

/// A model that was trained and measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Number of its condition.
    pub condition: usize,
    /// Its seed.
    pub seed: u64,
    /// Of the studied language.
    pub figures: LanguageEvaluation,
    /// Bits and bytes of each of its held-out documents.
    pub documents: Vec<(f64, u64)>,
}

/// `results.json`. While the comparison goes on, it tells of the models there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The studied language.
    pub language: Tag,
    /// Its held-out documents.
    pub documents: u64,
    /// UTF-8 bytes of their text.
    pub bytes: u64,
    /// Its training tokens, each read several times, with `<s>` and `</s>` of each document.
    pub training_tokens: u64,
    /// Kneser–Ney model of the same training text, bits per byte.
    pub kneser_ney_bits_per_byte: Option<f64>,
    /// Bigram of the same.
    pub bigram_bits_per_byte: Option<f64>,
    /// Unigram of the same.
    pub unigram_bits_per_byte: Option<f64>,
    /// In the order of the recipe.
    pub conditions: Vec<ConditionResult>,
    /// Of every two conditions.
    pub differences: Vec<Difference>,
}

/// A condition over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConditionResult {
    /// Its name.
    pub condition: String,
    /// Languages of the training text.
    pub languages: Vec<Tag>,
    /// Optimiser steps.
    pub steps: u64,
    /// Tokens read in all of them.
    pub tokens_seen: u64,
    /// Those of the studied language among them.
    pub studied_tokens_seen: u64,
    /// Those that are done.
    pub seeds: Vec<u64>,
    /// On the studied language's test documents.
    pub bits_per_byte: Summary,
}

/// Bits per byte of `condition` less those of `reference`, seed by seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The later condition.
    pub condition: String,
    /// The earlier one.
    pub reference: String,
    /// Seeds that both have.
    pub seeds: Vec<u64>,
    /// Below 0: `condition` predicts the language better.
    pub bits_per_byte: Summary,
    /// Seeds with a difference below 0.
    pub lower: usize,
    /// Between which the difference lies with 95 % confidence for other documents of the same kind, given these models:
    /// over documents, each its mean over seeds.
    pub documents_interval: Option<(f64, f64)>,
}

impl Results {
    /// Gathers runs, at least one.
    ///
    /// # Panics
    /// When there is none.
    pub fn new(language: Tag, training_tokens: u64, tokens_a_step: u64, all: &[Condition], runs: &[Run]) -> Results {
        let figures = &runs.first().expect("a comparison reports on something").figures;
        let of = |condition: usize| runs.iter().filter(move |run| run.condition == condition);
        let result = |(number, condition): (usize, &Condition)| {
            of(number).next()?;
            Some(ConditionResult {
                condition: condition.name.clone(),
                languages: condition.mixture.languages.clone(),
                steps: condition.steps,
                tokens_seen: condition.steps * tokens_a_step,
                studied_tokens_seen: condition.studied_tokens(tokens_a_step),
                seeds: of(number).map(|run| run.seed).collect(),
                bits_per_byte: Summary::new(of(number).map(|run| run.figures.bits_per_byte).collect()),
            })
        };
        let conditions: Vec<ConditionResult> = all.iter().enumerate().filter_map(result).collect();
        let pairs = (1..all.len()).flat_map(|later| (0..later).map(move |earlier| (later, earlier)));
        let differences = pairs.filter_map(|(later, earlier)| difference(all, runs, later, earlier)).collect();
        Results {
            language,
            documents: figures.documents,
            bytes: figures.bytes,
            training_tokens,
            kneser_ney_bits_per_byte: figures.kneser_ney_bits_per_byte,
            bigram_bits_per_byte: figures.bigram_bits_per_byte,
            unigram_bits_per_byte: figures.unigram_bits_per_byte,
            conditions,
            differences,
        }
    }

    /// Reads the file in `folder`.
    pub fn read(folder: &Path) -> Result<Results> {
        let path = folder.join(FILE);
        let bytes = std::fs::read(&path).map_err(FileError::io("read", &path))?;
        Ok(serde_json::from_slice(&bytes).map_err(FileError::format(&path))?)
    }

    /// Writes the file into `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("figures are plain data");
        bytes.push(b'\n');
        Ok(atomic::write(&folder.join(FILE), &bytes)?)
    }
}

/// None where no seed is done in both.
fn difference(all: &[Condition], runs: &[Run], later: usize, earlier: usize) -> Option<Difference> {
    let of = |condition: usize, seed: u64| runs.iter().find(|run| (run.condition, run.seed) == (condition, seed));
    let pair = |run: &Run| Some((of(later, run.seed)?, of(earlier, run.seed)?));
    let pairs: Vec<(&Run, &Run)> = runs.iter().filter(|run| run.condition == later).filter_map(pair).collect();
    let documents = pairs.first()?.0.documents.len();
    let bits = |run: &Run| run.figures.bits_per_byte;
    let bits_per_byte = Summary::new(pairs.iter().map(|(after, before)| bits(after) - bits(before)).collect());
    let of_document = |at: usize| {
        let differences = pairs.iter().map(|(after, before)| after.documents[at].0 - before.documents[at].0);
        differences.sum::<f64>() / pairs.len() as f64
    };
    let differences: Vec<f64> = (0..documents).map(of_document).collect();
    let bytes: Vec<u64> = pairs[0].0.documents.iter().map(|(_, bytes)| *bytes).collect();
    Some(Difference {
        condition: all[later].name.clone(),
        reference: all[earlier].name.clone(),
        seeds: pairs.iter().map(|(after, _)| after.seed).collect(),
        lower: bits_per_byte.values.iter().filter(|value| **value < 0.0).count(),
        documents_interval: over_documents(&differences, &bytes),
        bits_per_byte,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Comparison, Equal};
    use super::*;

    fn run(condition: usize, seed: u64, bits_per_byte: f64) -> Run {
        let documents = vec![(100.0 * bits_per_byte, 100), (800.0 * bits_per_byte + 4.0 * seed as f64, 800)];
        Run { condition, seed, figures: json(bits_per_byte), documents }
    }

    fn json(bits: f64) -> LanguageEvaluation {
        let text = format!(
            r#"{{"language":"ltg_Latn","documents":7,"bytes":900,"tokens":300,"bits_per_byte":{bits},"kneser_ney_bits_per_byte":2.5}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn differences_are_paired_by_the_seeds_that_are_done() {
        let (ltg, lvs): (Tag, Tag) = ("ltg_Latn".parse().unwrap(), "lvs_Latn".parse().unwrap());
        let comparison = Comparison {
            language: ltg,
            mixtures: vec![("alone".into(), vec![ltg]), ("relatives".into(), vec![ltg, lvs])],
            seeds: vec![4, 5],
            equal: Equal::Both,
            share: 0.5,
            tokens_limit: None,
            other_tokens_limit: None,
        };
        // Seed 4 is done, of seed 5 the first condition only.
        let runs = [run(0, 4, 2.0), run(1, 4, 1.95), run(2, 4, 1.75), run(0, 5, 2.2)];
        let found = Results::new(ltg, 1000, 64, &comparison.conditions(10), &runs);
        assert_eq!((found.documents, found.bytes, found.kneser_ney_bits_per_byte), (7, 900, Some(2.5)));
        let told: Vec<_> = found.conditions.iter().map(|one| (one.condition.as_str(), one.seeds.len())).collect();
        assert_eq!(told, [("alone", 2), ("alone-longer", 1), ("relatives", 1)]);
        let seen: Vec<_> = found.conditions.iter().map(|one| (one.tokens_seen, one.studied_tokens_seen)).collect();
        assert_eq!(seen, [(640, 640), (1280, 1280), (1280, 640)]);
        let pairs: Vec<_> =
            found.differences.iter().map(|one| (one.condition.as_str(), one.reference.as_str())).collect();
        assert_eq!(pairs, [("alone-longer", "alone"), ("relatives", "alone"), ("relatives", "alone-longer")]);
        let helped = &found.differences[1];
        assert_eq!((&helped.seeds[..], helped.lower, helped.bits_per_byte.interval), (&[4][..], 1, None));
        assert!((helped.bits_per_byte.mean + 0.25).abs() < 1e-12);
        // The same difference in every document: no chance in their choice.
        let (low, high) = helped.documents_interval.unwrap();
        assert!((low + 0.25).abs() < 1e-9 && (high + 0.25).abs() < 1e-9, "{low} {high}");

        let folder = tempfile::tempdir().unwrap();
        found.write(folder.path()).unwrap();
        assert_eq!(Results::read(folder.path()).unwrap(), found);
    }
}
