//! A document and the verdict on it.

use crate::wikitext::PageKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tongues_languages::Tag;

/// One text with where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// `SOURCE:NUMBER` or the page's own id: unique within a source, stable across runs.
    pub id: String,
    /// The language the source claims.
    pub language: Tag,
    /// Page title.
    pub title: Option<String>,
    /// Plain text; paragraphs separated by blank lines.
    pub text: String,
    /// Name of the source in the recipe.
    pub source: String,
    /// Where a reader finds it.
    pub url: Option<String>,
    /// As the source gives it (ISO 8601 in dumps).
    pub timestamp: Option<String>,
    /// Licence as the recipe or the dump states it.
    pub licence: Option<String>,
    /// What the identifier takes the text for.
    pub identified: Option<Tag>,
    /// Probability of `identified`, 0 to 1.
    pub identification_score: Option<f32>,
    /// Figures the filters judged by.
    pub signals: Signals,
    /// Id of the first document with the same text; none where it is alone.
    pub cluster_id: Option<String>,
    /// Documents with this text, this one included.
    pub cluster_size: u32,
    /// Of a page of a wiki: what it is.
    pub page_kind: Option<PageKind>,
    /// Id of the first page of the same series; none where it is of none.
    pub series_id: Option<String>,
    /// Pages of the series, this one included.
    pub series_size: u32,
}

/// Figures measured on the clean text, kept whatever the verdict. Shares are 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Signals {
    /// Unicode scalar values.
    pub characters: u32,
    /// Words by the profile's segmentation.
    pub words: u32,
    /// Lines that are not blank.
    pub lines: u32,
    /// Lines in another language that were found, those included that were cut out.
    pub foreign_lines: u32,
    /// Letters and marks among characters that are not white space.
    pub letter_share: f32,
    /// Letters of the language's own script among letters.
    pub script_share: f32,
    /// Characters per word.
    pub mean_word_length: f32,
    /// Function words of the language among words.
    pub function_word_share: f32,
    /// Lines seen before in the document, by count.
    pub repeated_line_share: f32,
    /// Lines seen before in the document, by characters.
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

/// Why a document was dropped: the rule, what was found, and the limit it crossed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Stage: `read`, `filter`, `language`, `duplicates`, `series`, `contamination`.
    pub stage: &'static str,
    /// Name of what happened, written into data and therefore frozen: `too_short`, `other_language` …
    pub reason: &'static str,
    /// The value found, as text.
    pub found: String,
    /// The limit, as text.
    pub limit: String,
}

/// The judgement on one document.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It goes to `rejected/`.
    Drop(Reason),
}

/// Counts of one language or one source at one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funnel {
    /// Documents that came in.
    #[serde(rename = "in")]
    pub came: u64,
    /// Documents kept.
    pub kept: u64,
    /// Documents that could not be read.
    pub failed: u64,
    /// Documents dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Pages that are not documents (redirects, other namespaces), by kind; not part of `in`.
    #[serde(default)]
    pub skipped: BTreeMap<String, u64>,
    /// UTF-8 bytes kept.
    pub kept_bytes: u64,
    /// Characters kept.
    pub kept_characters: u64,
    /// Words kept.
    pub kept_words: u64,
}

impl Funnel {
    /// kept + dropped + failed.
    pub fn accounted(&self) -> u64 {
        self.kept + self.failed + self.dropped.values().sum::<u64>()
    }
}
