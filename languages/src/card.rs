//! The card of an identification model: what it was trained on and how well it does, by language.

use crate::confusable::group;
use crate::prepare::Preparation;
use crate::tag::Tag;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bounds of a threshold taken from held-out scores: few lines must not make it useless either way.
const THRESHOLD_BOUNDS: (f32, f32) = (0.3, 0.9);

/// One language of a [`Card`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageCard {
    /// The language.
    pub language: Tag,
    /// Distinct lines trained on.
    pub lines: usize,
    /// Distinct lines held out and scored.
    pub held_out: usize,
    /// Share of the held-out lines given this language that are in it, 0 to 1.
    pub precision: f32,
    /// Share of this language's held-out lines that were given it, 0 to 1.
    pub recall: f32,
    /// Harmonic mean of precision and recall.
    pub f1: f32,
    /// Least probability for which the model should be believed about this language.
    pub threshold: f32,
}

/// A text that the model was measured on, of another source than it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Name of the text.
    pub text: String,
    /// Its lines.
    pub lines: usize,
    /// Mean F1 over its languages, 0 to 1; a label that it has no lines of counts against the language it was given to.
    pub macro_f1: f32,
    /// The same where the varieties of a group of [`crate::confusable`] count as one.
    pub grouped_macro_f1: f32,
    /// Share of its lines that got their label.
    pub accuracy: f32,
    /// Lines and F1 by language.
    pub languages: BTreeMap<Tag, (usize, f32)>,
    /// The most frequent confusions: language, what it was taken for, lines.
    pub confusions: Vec<(Tag, Tag, usize)>,
}

/// Confusions that a card keeps.
const CONFUSIONS: usize = 40;

impl Test {
    /// The figures of outcomes.
    pub fn new(text: &str, outcomes: &[Outcome]) -> Test {
        let pair = |outcome: &Outcome| (outcome.language, outcome.predicted.unwrap_or(Tag::UNDETERMINED));
        let pairs: Vec<(Tag, Tag)> = outcomes.iter().map(pair).collect();
        let languages = f1(&pairs);
        let grouped: Vec<(Tag, Tag)> = pairs.iter().map(|(own, said)| (group(*own), group(*said))).collect();
        let mean =
            |f1: &BTreeMap<Tag, (usize, f32)>| f1.values().map(|(_, f1)| f1).sum::<f32>() / f1.len().max(1) as f32;
        let mut confused: BTreeMap<(Tag, Tag), usize> = BTreeMap::new();
        for pair in pairs.iter().filter(|(own, said)| own != said) {
            *confused.entry(*pair).or_default() += 1;
        }
        let mut confusions: Vec<(Tag, Tag, usize)> =
            confused.into_iter().map(|((a, b), count)| (a, b, count)).collect();
        confusions.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        let right = pairs.len() - confusions.iter().map(|(_, _, count)| count).sum::<usize>();
        confusions.truncate(CONFUSIONS);
        Test {
            text: text.to_owned(),
            lines: pairs.len(),
            macro_f1: mean(&languages),
            grouped_macro_f1: mean(&f1(&grouped)),
            accuracy: right as f32 / pairs.len().max(1) as f32,
            languages,
            confusions,
        }
    }
}

/// Lines and F1 of each language that has lines: 2 right / (own + predicted).
fn f1(pairs: &[(Tag, Tag)]) -> BTreeMap<Tag, (usize, f32)> {
    let mut counts: BTreeMap<Tag, (usize, usize, usize)> = BTreeMap::new();
    for (own, said) in pairs {
        let count = counts.entry(*own).or_default();
        count.0 += 1;
        count.2 += usize::from(own == said);
        counts.entry(*said).or_default().1 += 1;
    }
    counts.retain(|_, (own, _, _)| *own > 0);
    let f1 = |(own, said, right): (usize, usize, usize)| (own, 2.0 * right as f32 / (own + said) as f32);
    counts.into_iter().map(|(tag, counts)| (tag, f1(counts))).collect()
}

/// What `card.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// How a text is shown to the model.
    #[serde(default)]
    pub preparation: Preparation,
    /// Texts it was trained on, with their licences.
    #[serde(default)]
    pub trained_on: Vec<String>,
    /// Figures on texts of other sources.
    #[serde(default)]
    pub tests: Vec<Test>,
    /// Mean F1 over languages, 0 to 1.
    pub macro_f1: f32,
    /// Every language of the model, ordered by tag.
    pub languages: Vec<LanguageCard>,
}

/// One held-out line: its language, what the model said first, and the probability of its language.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Language of the line.
    pub language: Tag,
    /// Most probable language by the model; none for a line it could not read.
    pub predicted: Option<Tag>,
    /// Probability that the model gave the line's own language, 0 to 1.
    pub score: f32,
}

impl Card {
    /// The card of `(language, lines trained on)` and the outcomes on held-out lines.
    ///
    /// A language without held-out lines has figures of 0 and a threshold of 0.5.
    pub fn new(trained: &[(Tag, usize)], outcomes: &[Outcome]) -> Card {
        let languages: Vec<LanguageCard> = trained
            .iter()
            .map(|&(language, lines)| {
                let own = || outcomes.iter().filter(move |outcome| outcome.language == language);
                let held_out = own().count();
                let predicted = outcomes.iter().filter(|outcome| outcome.predicted == Some(language)).count();
                let right = own().filter(|outcome| outcome.predicted == Some(language)).count();
                let share = |all: usize| if all == 0 { 0.0 } else { right as f32 / all as f32 };
                let total = held_out + predicted;
                LanguageCard {
                    language,
                    lines,
                    held_out,
                    precision: share(predicted),
                    recall: share(held_out),
                    f1: if total == 0 { 0.0 } else { 2.0 * right as f32 / total as f32 },
                    threshold: threshold(own().map(|outcome| outcome.score).collect()),
                }
            })
            .collect();
        let macro_f1 = languages.iter().map(|card| card.f1).sum::<f32>() / languages.len().max(1) as f32;
        Card { preparation: Preparation::Words, trained_on: Vec::new(), tests: Vec::new(), macro_f1, languages }
    }

    /// The threshold of a language, if the model has it.
    pub fn threshold(&self, language: Tag) -> Option<f32> {
        self.languages.iter().find(|card| card.language == language).map(|card| card.threshold)
    }
}

/// Median less one standard deviation of a language's own scores, within bounds.
fn threshold(mut scores: Vec<f32>) -> f32 {
    if scores.is_empty() {
        return 0.5;
    }
    scores.sort_by(f32::total_cmp);
    let middle = scores.len() / 2;
    let median = if scores.len() % 2 == 1 { scores[middle] } else { (scores[middle - 1] + scores[middle]) / 2.0 };
    let count = scores.len() as f32;
    let mean = scores.iter().sum::<f32>() / count;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f32>() / count;
    (median - variance.sqrt()).clamp(THRESHOLD_BOUNDS.0, THRESHOLD_BOUNDS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_counts_groups_as_one() {
        let [bos, hrv, eng]: [Tag; 3] = ["bos_Latn", "hrv_Latn", "eng_Latn"].map(|tag| tag.parse().unwrap());
        let outcome = |language, predicted| Outcome { language, predicted: Some(predicted), score: 1.0 };
        let test = Test::new("text", &[outcome(bos, hrv), outcome(bos, bos), outcome(eng, eng), outcome(eng, hrv)]);
        // Bosnian: 2 × 1 / (2 + 1), English: 2 × 1 / (2 + 1); nothing was Croatian, so it has no F1 of its own.
        assert!((test.macro_f1 - 2.0 / 3.0).abs() < 1e-6 && test.accuracy == 0.5);
        assert_eq!(test.languages.keys().collect::<Vec<_>>(), [&bos, &eng]);
        // As one: 2 × 2 / (2 + 3) and 2 / 3.
        assert!((test.grouped_macro_f1 - (0.8 + 2.0 / 3.0) / 2.0).abs() < 1e-6);
        assert_eq!(test.confusions, [(bos, hrv, 1), (eng, hrv, 1)]);
    }

    #[test]
    fn figures_by_hand() {
        let [a, b]: [Tag; 2] = ["aaa_Latn".parse().unwrap(), "bbb_Latn".parse().unwrap()];
        let outcome = |language, predicted, score| Outcome { language, predicted, score };
        // aaa: 2 of 3 found; bbb: its 1 found, and one of aaa's beside it.
        let outcomes =
            [outcome(a, Some(a), 0.8), outcome(a, Some(a), 0.6), outcome(a, Some(b), 0.4), outcome(b, Some(b), 1.0)];
        let card = Card::new(&[(a, 30), (b, 10)], &outcomes);
        let [first, second] = card.languages.as_slice() else { panic!() };
        assert_eq!((first.precision, first.held_out), (1.0, 3));
        assert!((first.recall - 2.0 / 3.0).abs() < 1e-6 && (first.f1 - 0.8).abs() < 1e-6);
        assert_eq!((second.precision, second.recall), (0.5, 1.0));
        assert!((card.macro_f1 - (0.8 + 2.0 / 3.0) / 2.0).abs() < 1e-6);
        // Median 0.6, deviation sqrt(0.08 / 3) = 0.1633.
        assert!((card.threshold(a).unwrap() - 0.4367).abs() < 1e-4);
        assert_eq!(card.threshold(b), Some(0.9));
        assert_eq!(threshold(vec![0.1, 0.1]), 0.3);
        assert_eq!(threshold(Vec::new()), 0.5);
    }
}
