//! Filters judge one document by itself: a pure function of text, language and settings.
//!
//! A filter is a file here, whose first lines are its card: what it drops, why, an example, a near miss, where the
//! threshold comes from. The first filter in the order of [`Filter::ALL`] that says no decides.

pub mod foreign_lines;
pub mod language;
pub mod length;
pub mod letters;
pub mod limits;
pub mod repetition;
pub mod words;

pub use foreign_lines::ForeignLines;
pub use limits::Limits;

use crate::document::{Reason, Signals, Verdict};
use crate::error::{Error, Result};
use crate::wikitext::PageKind;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use tongues_languages::{Tag, script, segment};

/// Limits of the filters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterSettings {
    /// Characters a document has at least.
    pub minimum_characters: u32,
    /// Letters and marks among characters that are not white space, 0 to 1, at least; none takes the language's own.
    pub minimum_letter_share: Option<f32>,
    /// Mean word length, in characters, at least; none takes the language's own.
    pub minimum_mean_word_length: Option<f32>,
    /// Mean word length, in characters, at most; none takes the language's own.
    pub maximum_mean_word_length: Option<f32>,
    /// Function words among words, 0 to 1, at least; none takes the language's own.
    pub minimum_function_word_share: Option<f32>,
    /// Letters of the language's script among letters, 0 to 1, at least.
    pub minimum_script_share: f32,
    /// Limits on repetition.
    pub repetition: RepetitionSettings,
    /// Probability from which another language counts as found, 0 to 1; none takes the identifier's own for that language.
    pub identification_threshold: Option<f32>,
    /// Characters from which a text is long enough for the identifier's word to count.
    pub identification_minimum_characters: u32,
    /// What is done about lines in another language than their document's.
    pub foreign_lines: ForeignLines,
    /// Kinds of wiki pages that are dropped.
    pub dropped_page_kinds: Vec<PageKind>,
    /// Pages kept of each series, the first of them; none keeps all.
    pub kept_of_series: Option<u32>,
}

impl Default for FilterSettings {
    fn default() -> Self {
        FilterSettings {
            minimum_characters: 20,            // characters; one short sentence
            minimum_letter_share: None,        // share; these four are the language's own, `limits` says from where
            minimum_mean_word_length: None,    // characters
            maximum_mean_word_length: None,    // characters
            minimum_function_word_share: None, // share
            minimum_script_share: 0.5,         // share; more foreign than own letters is another language
            repetition: RepetitionSettings::default(),
            identification_threshold: None, // probability; the identifier's card has one a language
            identification_minimum_characters: 50, // characters; about eight words
            foreign_lines: ForeignLines::Count, // what is found is looked at before anything is cut
            dropped_page_kinds: Vec::new(), // a small wiki's lists are text too
            kept_of_series: None,           // pages
        }
    }
}

/// Limits of [`repetition`]; shares 0 to 1, at most. Gopher's (Rae et al. 2021, table A1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepetitionSettings {
    /// Words from which a document is judged.
    pub minimum_words: u32,
    /// Lines seen before, by count.
    pub repeated_line_share: f32,
    /// Lines seen before, by characters.
    pub repeated_line_character_share: f32,
    /// Characters of the most frequent word 2-gram.
    pub top_2gram_share: f32,
    /// Characters of the most frequent word 3-gram.
    pub top_3gram_share: f32,
    /// Characters of the most frequent word 4-gram.
    pub top_4gram_share: f32,
    /// Characters inside repeated word 5-grams.
    pub repeated_5gram_share: f32,
    /// Characters inside repeated word 10-grams.
    pub repeated_10gram_share: f32,
}

impl Default for RepetitionSettings {
    fn default() -> Self {
        RepetitionSettings {
            minimum_words: 50,                   // words; Gopher's own shortest document
            repeated_line_share: 0.30,           // share of lines
            repeated_line_character_share: 0.20, // share of characters, as are all below
            top_2gram_share: 0.20,
            top_3gram_share: 0.18,
            top_4gram_share: 0.16,
            repeated_5gram_share: 0.15,
            repeated_10gram_share: 0.10,
        }
    }
}

impl FilterSettings {
    /// Shares and probabilities are 0 to 1: a limit of 7 would drop every document, one of −1 none, and say nothing.
    pub fn check(&self) -> Result<()> {
        let repetition = &self.repetition;
        let shares = [
            ("minimum_letter_share", self.minimum_letter_share.unwrap_or_default()),
            ("minimum_function_word_share", self.minimum_function_word_share.unwrap_or_default()),
            ("minimum_script_share", self.minimum_script_share),
            ("identification_threshold", self.identification_threshold.unwrap_or_default()),
            ("repetition.repeated_line_share", repetition.repeated_line_share),
            ("repetition.repeated_line_character_share", repetition.repeated_line_character_share),
            ("repetition.top_2gram_share", repetition.top_2gram_share),
            ("repetition.top_3gram_share", repetition.top_3gram_share),
            ("repetition.top_4gram_share", repetition.top_4gram_share),
            ("repetition.repeated_5gram_share", repetition.repeated_5gram_share),
            ("repetition.repeated_10gram_share", repetition.repeated_10gram_share),
        ];
        if let (Some(least), Some(most)) = (self.minimum_mean_word_length, self.maximum_mean_word_length)
            && least > most
        {
            let found = format!("`minimum_mean_word_length` is {least}, `maximum_mean_word_length` {most}");
            return Err(Error::Settings(format!("filter: {found}; expected the smaller one first")));
        }
        match shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            None => Ok(()),
            Some((name, share)) => {
                Err(Error::Settings(format!("filter: `{name}` is {share}; expected a number from 0 to 1")))
            }
        }
    }
}

/// The filters that judge by [`Signals`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// [`length`].
    Length,
    /// [`letters`].
    Letters,
    /// [`words`].
    Words,
    /// [`repetition`].
    Repetition,
}

impl Filter {
    /// All, in the order they judge.
    pub const ALL: [Filter; 4] = [Filter::Length, Filter::Letters, Filter::Words, Filter::Repetition];

    /// Judges by signals; the same signals always get the same verdict.
    pub fn judge(self, signals: &Signals, settings: &FilterSettings, limits: &Limits) -> Verdict {
        match self {
            Filter::Length => length::judge(signals, settings),
            Filter::Letters => letters::judge(signals, settings, limits),
            Filter::Words => words::judge(signals, limits),
            Filter::Repetition => repetition::judge(signals, &settings.repetition),
        }
    }
}

/// The figures the filters judge by. `text` is normalised.
pub fn measure(text: &str, tag: Tag) -> Signals {
    let words = segment::words(text, tag);
    let mut signals = Signals {
        characters: text.chars().count() as u32,
        words: words.len() as u32,
        lines: text.lines().filter(|line| !line.trim().is_empty()).count() as u32,
        ..Signals::default()
    };
    (signals.letter_share, signals.script_share) = script::letter_shares(text, tag);
    if !words.is_empty() {
        let characters: usize = words.iter().map(|word| word.chars().count()).sum();
        signals.mean_word_length = (characters as f64 / words.len() as f64) as f32;
    }
    signals.function_word_share = words::function_word_share(&words, tag);
    repetition::measure(text, &words, &mut signals);
    signals
}

/// The verdict of all filters that judge by signals; `limits` are those of the document's language.
pub fn judge(signals: &Signals, settings: &FilterSettings, limits: &Limits) -> Verdict {
    let verdicts = Filter::ALL.into_iter().map(|filter| filter.judge(signals, settings, limits));
    verdicts.into_iter().find(|verdict| *verdict != Verdict::Keep).unwrap_or(Verdict::Keep)
}

/// Drops a wiki page of a kind that is not wanted (`page_kind`).
pub fn judge_kind(kind: Option<PageKind>, settings: &FilterSettings) -> Verdict {
    match kind.filter(|kind| settings.dropped_page_kinds.contains(kind)) {
        None => Verdict::Keep,
        Some(kind) => {
            let dropped: Vec<&str> = settings.dropped_page_kinds.iter().map(|kind| kind.name()).collect();
            drop("page_kind", kind.name(), format!("none of {}", dropped.join(", ")))
        }
    }
}

fn drop(reason: &'static str, found: impl Display, limit: impl Display) -> Verdict {
    Verdict::Drop(Reason { stage: "filter", reason, found: found.to_string(), limit: limit.to_string() })
}

/// Three digits: enough to see why, and the same text on every machine.
fn share(value: f32) -> String {
    format!("{value:.3}")
}

/// Every stage and reason this crate writes into data. The names are frozen.
const NAMES: [&str; 25] = [
    "read",
    "filter",
    "language",
    "duplicates",
    "contamination",
    "series",
    "empty",
    "too_short",
    "few_letters",
    "other_script",
    "short_words",
    "long_words",
    "few_function_words",
    "repeated_lines",
    "repeated_line_characters",
    "top_2gram",
    "top_3gram",
    "top_4gram",
    "repeated_5grams",
    "repeated_10grams",
    "other_language",
    "exact_duplicate",
    "contaminated",
    "page_kind",
    "series_page",
];

/// The name as this crate writes it; `None` where this version does not write it.
pub fn known(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|known| **known == name).copied()
}
