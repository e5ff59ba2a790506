//! Files to plain text and nothing else: reading, markup, normalising; no filter, no judgement.
//!
//! A thread reads ahead, all cores read pages and convert, and documents come out in the order of the file.

use crate::document::Document;
use crate::error::{Error, Result};
use crate::filter;
use crate::in_order::in_order;
use crate::progress::Progress;
use crate::read::{self, Batch, Body, Gathered, Item, Raw, ReadSettings};
use crate::wikitext::{Ledger, PageKind, PageText, Wiki};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use tongues_languages::Tag;
use tongues_languages::normalise::Normaliser;

/// A document as [`extract`] gives it; `None` fields are left out of its JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extracted {
    /// Source and the record's own id or number: `SOURCE:ID`.
    pub id: String,
    /// As the caller says.
    pub language: Tag,
    /// Title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Plain text; paragraphs separated by blank lines.
    pub text: String,
    /// Where a reader finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The caller's name of the file.
    pub source: String,
    /// As the file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// As the format states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Of a page of a wiki: what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_kind: Option<PageKind>,
}

/// What was in a file. `documents`, `skipped` and `failed` are all its records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records with a text, those included of which nothing is left when the markup is gone.
    pub documents: u64,
    /// Of these, the ones with nothing left, which are not given out.
    pub without_text: u64,
    /// Records that are no documents, by kind: `redirect`, `namespace` …
    pub skipped: BTreeMap<String, u64>,
    /// Records that cannot be read.
    pub failed: u64,
    /// UTF-8 bytes of text given out.
    pub bytes: u64,
    /// What became of templates.
    pub templates: Ledger,
    /// Closing sections left out, by title.
    pub closing_sections: BTreeMap<String, u64>,
    /// Pages of wikis, by kind.
    pub page_kinds: BTreeMap<PageKind, u64>,
    /// Files that are not in UTF-8, by encoding.
    pub encodings: BTreeMap<String, u64>,
    /// Places that could not be decoded, where U+FFFD stands now.
    pub replaced: u64,
}

impl Extracted {
    /// With the figures that filters judge by, as a document of the pipeline.
    pub fn measured(self) -> Document {
        Document {
            signals: filter::measure(&self.text, self.language),
            id: self.id,
            language: self.language,
            title: self.title,
            text: self.text,
            source: self.source,
            url: self.url,
            timestamp: self.timestamp,
            licence: self.licence,
            identified: None,
            identification_score: None,
            cluster_id: None,
            cluster_size: 1,
            page_kind: self.page_kind,
            series_id: None,
            series_size: 1,
        }
    }
}

impl Counts {
    /// Adds another file's.
    pub fn add(&mut self, other: &Counts) {
        self.documents += other.documents;
        self.without_text += other.without_text;
        self.failed += other.failed;
        self.bytes += other.bytes;
        self.templates.add(&other.templates);
        self.replaced += other.replaced;
        for (name, count) in &other.encodings {
            *self.encodings.entry(name.clone()).or_default() += count;
        }
        for (kind, count) in &other.skipped {
            *self.skipped.entry(kind.clone()).or_default() += count;
        }
        for (title, count) in &other.closing_sections {
            *self.closing_sections.entry(title.clone()).or_default() += count;
        }
        for (kind, count) in &other.page_kinds {
            *self.page_kinds.entry(*kind).or_default() += count;
        }
    }

    /// All records.
    pub fn records(&self) -> u64 {
        self.documents + self.failed + self.skipped.values().sum::<u64>()
    }
}

/// What became of some items.
#[derive(Default)]
struct Converted {
    documents: Vec<(Extracted, Ledger, Vec<String>)>,
    /// Places and causes.
    failed: Vec<(String, String)>,
    skipped: BTreeMap<String, u64>,
    /// Bytes of the file read up to their end.
    read: u64,
}

/// Hands every document of the file at `path` to `each`, in order, as documents of `source` in `language`, with the
/// templates of its wiki ([`read::gather_templates`]).
///
/// # Errors
/// The file is missing or not of its format, an interruption, or what `each` answers.
pub fn extract(
    path: &Path,
    (settings, gathered): (&ReadSettings, Gathered),
    (source, language): (&str, Tag),
    progress: &dyn Progress,
    each: &mut dyn FnMut(Extracted) -> Result<()>,
) -> Result<Counts> {
    let size = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    progress.begin("extracting", Some(size), "bytes");
    let mut reader = read::open_gathered(path, settings, &gathered)?;
    if let Some(server) = reader.claim(language) {
        tracing::warn!(file = %path.display(), %language, %server, "the head is another language's and not believed");
    }
    let wiki = reader.wiki(gathered);
    let (mut counts, mut told) = (Counts::default(), 0);
    in_order(
        |give| {
            while let Some(batch) = reader.batch().transpose() {
                let ended = batch.is_err();
                if !give(batch) || ended {
                    return;
                }
            }
        },
        |batch| batch.map(|batch| converted(batch, wiki.as_ref(), source, language)),
        |converted| {
            let Converted { documents, failed, skipped, read } = converted?;
            if progress.interrupted() {
                return Err(Error::Interrupted);
            }
            for (place, cause) in &failed {
                tracing::warn!(file = %path.display(), %place, %cause, "cannot be read, left out");
            }
            counts.documents += documents.len() as u64;
            counts.failed += failed.len() as u64;
            for (kind, count) in skipped {
                *counts.skipped.entry(kind).or_default() += count;
            }
            for (document, ledger, closing_sections) in documents {
                for title in closing_sections {
                    *counts.closing_sections.entry(title).or_default() += 1;
                }
                if let Some(kind) = document.page_kind {
                    *counts.page_kinds.entry(kind).or_default() += 1;
                }
                for reason in ledger.unexpanded.keys() {
                    tracing::warn!(file = %path.display(), title = document.title, reason, "templates not expanded");
                }
                for failure in &ledger.failures {
                    let (key, reason) = (failure.key(), &failure.reason);
                    tracing::warn!(file = %path.display(), title = document.title, %key, reason, "a module failed");
                }
                counts.templates.add(&ledger);
                if document.text.is_empty() {
                    counts.without_text += 1;
                    continue;
                }
                counts.bytes += document.text.len() as u64;
                each(document)?;
            }
            progress.advance(read - told);
            told = read;
            Ok(())
        },
    )?;
    let (encoding, replaced) = reader.encoding();
    counts.replaced = replaced;
    counts.encodings.extend(encoding.filter(|name| *name != "UTF-8").map(|name| (name.to_owned(), 1)));
    progress.end();
    Ok(counts)
}

fn converted(batch: Batch, wiki: Option<&Wiki>, source: &str, language: Tag) -> Converted {
    let mut converted = Converted { read: batch.read, ..Converted::default() };
    for item in batch.items() {
        match item {
            Item::Document(raw) => converted.documents.push(document(raw, wiki, source, language)),
            Item::Skipped(kind) => *converted.skipped.entry(kind.to_owned()).or_default() += 1,
            Item::Failed { place, cause } => converted.failed.push((place, cause)),
        }
    }
    converted
}

/// The text of a record as all later steps see it: without markup, normalised, without space around it; and what
/// else is known of its page. With `homoglyphs`, words that mix Latin and Cyrillic letters are repaired.
pub fn text_of(raw: &Raw, wiki: Option<&Wiki>, language: Tag, homoglyphs: bool) -> PageText {
    let page = read::to_text(raw, wiki);
    let normaliser = Normaliser::new(language).with_homoglyphs(homoglyphs);
    let is_typed = matches!(raw.body, Body::Wikitext(_)) && (page.text.contains("  ") || page.text.contains("\n "));
    let (text, changes) = match is_typed {
        // Programs of wikis alone still have spaces in rows and at the beginning of lines; normalising would take them.
        true => {
            let (text, changes) = normaliser.normalise(&with_signs_for_spaces(&page.text));
            (text.trim().replace(SPACE, " "), changes)
        }
        false => {
            let (text, changes) = normaliser.normalise(&page.text);
            (text.trim().to_owned(), changes)
        }
    };
    PageText { kind: page.kind.map(|kind| kind.with_text(&text, language)), text, changes, ..page }
}

/// Stands for a space that stays: a sign for private use, which normalising leaves alone.
const SPACE: char = '\u{F0220}';

/// Spaces in rows and at the beginning of lines as such signs.
fn with_signs_for_spaces(text: &str) -> String {
    let mut before = '\n';
    let mut signs = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = signs.next() {
        let stays = c == ' ' && (matches!(before, ' ' | '\n') || signs.peek() == Some(&' '));
        out.push(if stays { SPACE } else { c });
        before = c;
    }
    out
}

fn document(raw: Raw, wiki: Option<&Wiki>, source: &str, language: Tag) -> (Extracted, Ledger, Vec<String>) {
    let PageText { text, ledger, kind, closing_sections, .. } = text_of(&raw, wiki, language, false);
    let extracted = Extracted {
        id: format!("{source}:{}", raw.id),
        language,
        title: raw.title,
        text,
        url: raw.url,
        source: source.to_owned(),
        timestamp: raw.timestamp,
        licence: raw.licence,
        page_kind: kind,
    };
    (extracted, ledger, closing_sections)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn lines(text: &str, each: &mut dyn FnMut(Extracted) -> Result<()>) -> Result<Counts> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, text).unwrap();
        extract(
            &path,
            (&ReadSettings::default(), Gathered::default()),
            ("news", "ltg_Latn".parse().unwrap()),
            &Silent,
            each,
        )
    }

    #[test]
    fn documents_come_in_order_and_every_record_is_counted() {
        let count = 3 * 500 + 7;
        let text: String = (0..count).map(|i| format!("{{\"text\":\"ziņa  {i}\"}}\n")).collect();
        let mut got = Vec::new();
        let counts = lines(&(text + "{\"text\":\" \"}\nbroken\n"), &mut |document| {
            got.push(document);
            Ok(())
        })
        .unwrap();
        assert_eq!((counts.documents, counts.without_text, counts.failed), (count as u64 + 1, 1, 1));
        assert_eq!(counts.records(), count as u64 + 2);
        assert!(got.iter().enumerate().all(|(i, document)| document.text == format!("ziņa {i}")));
        assert!(got[0].id.starts_with("news:") && got[0].language.as_str() == "ltg_Latn");
        assert_eq!(counts.bytes, got.iter().map(|document| document.text.len() as u64).sum::<u64>());
    }

    #[test]
    fn programs_of_wikis_keep_how_they_are_set_in() {
        let source = "  <pre>\nif x:\n    y  =  e\u{301}\n</pre>\nA  b.\u{a0} ".to_owned();
        let raw = Raw {
            id: "1".into(),
            title: None,
            url: None,
            timestamp: None,
            licence: None,
            body: Body::Text(String::new()),
        };
        let text = |body| text_of(&Raw { body, ..raw.clone() }, None, "ltg_Latn".parse().unwrap(), false).text;
        assert_eq!(text(Body::Wikitext(source)), "if x:\n    y  =  é\n\nA b.");
        assert_eq!(text(Body::Text("  a\n  b".to_owned())), "a\nb");
    }

    #[test]
    fn a_refusal_ends_it() {
        let text: String = (0..5 * 500).map(|i| format!("{{\"text\":\"ziņa {i}\"}}\n")).collect();
        let mut seen = 0;
        let error = lines(&text, &mut |_| {
            seen += 1;
            if seen == 3 { Err(Error::Interrupted) } else { Ok(()) }
        });
        assert!(matches!(error, Err(Error::Interrupted)));
        assert_eq!(seen, 3);
    }
}
