//! The map phase: units of items, judged and written one by one.
//!
//! A unit is `SOURCE-FILE-CHUNK.parquet` with all its documents, kept or not, and `SOURCE-FILE-CHUNK.json` with what
//! was no document; of some pages the sources lie beside them ([`sampled`]). The Parquet file is written last: where it
//! is, the unit is done.

use super::documents::{DocumentsSettings, Source, SourceFile};
use super::sampled::{self, Chosen};
use crate::contamination::Index;
use crate::document::{Document, Verdict};
use crate::error::{Error, Result};
use crate::extract::{self, Extracted};
use crate::filter::foreign_lines::{self, ForeignLine};
use crate::filter::language::{self, Identify};
use crate::filter::{self, FilterSettings, ForeignLines, Limits};
use crate::in_order::{in_order, one_by_one};
use crate::io::atomic;
use crate::io::documents::{FileWriter, Row};
use crate::progress::Progress;
use crate::read::{self, Gathered, Item, Raw, Reader};
use crate::wikitext::{Ledger, ModuleError, PageText, Wiki};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tongues_languages::Tag;
use tongues_languages::normalise::Changes;

/// Files under this size go side by side, one core each; larger ones one after the other, all cores on each.
const SMALL_FILE_BYTES: u64 = 1 << 20;

/// Bytes of sources judged by one thread, about.
const PART_BYTES: usize = 1 << 18;

/// Characters of a foreign line that are written down.
const FOREIGN_CHARACTERS: usize = 300;

/// All that judges a document by itself.
pub(super) struct Judge<'a> {
    pub filter: &'a FilterSettings,
    /// Of every language of the sources.
    pub limits: &'a BTreeMap<Tag, Limits>,
    pub identify: Identify<'a>,
    pub evaluation: &'a Index,
}

/// An item that could not be read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Failure {
    pub place: String,
    pub cause: String,
}

/// A line in another language than its document's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Foreign {
    /// Id of the document.
    pub document: String,
    /// What it was taken for.
    pub found: Tag,
    pub score: f32,
    /// Whether it is not in the document any more.
    pub cut: bool,
    /// All its characters.
    pub characters: u64,
    /// Its beginning.
    pub text: String,
}

/// What a unit holds besides its documents.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct UnitCard {
    /// Documents in the Parquet file.
    pub documents: u64,
    /// By kind.
    pub skipped: BTreeMap<String, u64>,
    pub failed: Vec<Failure>,
    /// What became of templates.
    #[serde(default)]
    pub templates: Ledger,
    /// Pages whose templates were not expanded, or one of whose modules failed: the title and the reason.
    #[serde(default)]
    pub unexpanded: Vec<Failure>,
    /// Closing sections left out, by title.
    #[serde(default)]
    pub closing_sections: BTreeMap<String, u64>,
    /// What normalising changed.
    #[serde(default)]
    pub normalised: Changes,
    /// Lines in other languages.
    #[serde(default)]
    pub foreign_lines: Vec<Foreign>,
    /// Of the whole file, in its last unit, where it is neither ASCII nor UTF-8.
    #[serde(default)]
    pub encoding: Option<String>,
    /// Places of the whole file, in its last unit, that could not be decoded.
    #[serde(default)]
    pub replaced: u64,
    /// Hashes of the pages that lie beside the unit for the report.
    #[serde(default)]
    pub sampled: Vec<u64>,
    /// Whether the file ends with this unit.
    pub last: bool,
    /// Whether the file is a dump of a wiki.
    pub wiki: bool,
}

/// A file whose units are all done.
pub(super) struct MappedFile {
    /// Index of the source.
    pub source: usize,
    /// Index of the file in the source.
    pub file: usize,
    pub language: Tag,
    /// In order.
    pub units: Vec<(PathBuf, UnitCard)>,
}

/// A document, what else is known of its page, and its foreign lines.
type Judged = (Row, PageText, Vec<Foreign>);

/// Some documents of a unit.
struct Part {
    raws: Vec<Raw>,
    /// Of the last part.
    end: Option<UnitEnd>,
}

/// What is known of a unit when all its documents were read.
struct UnitEnd {
    card: UnitCard,
    /// It was computed before; its documents are not given.
    done: Option<UnitCard>,
    /// Bytes of the file read.
    read: u64,
}

/// Maps all files; the result is in the order of the settings.
pub(super) fn map(
    settings: &DocumentsSettings,
    judge: &Judge,
    work: &Path,
    progress: &dyn Progress,
) -> Result<Vec<MappedFile>> {
    let mut jobs = Vec::new();
    for (s, source) in settings.sources.iter().enumerate() {
        for (f, file) in source.files.iter().enumerate() {
            let bytes = std::fs::metadata(&file.path).map_err(Error::io("read", &file.path))?.len();
            jobs.push(Job {
                source,
                file,
                indices: (s, f),
                bytes,
                unit_items: settings.unit_items,
                homoglyphs: settings.normalising.repair_homoglyphs,
                judge,
                work,
                progress,
                gathered: Gathered::default(),
            });
        }
    }
    gather(&mut jobs, progress)?;
    progress.begin("documents", Some(jobs.iter().map(|job| job.bytes).sum()), "bytes");
    let small = |job: &&Job| job.bytes < SMALL_FILE_BYTES;
    let mut mapped: Vec<MappedFile> = jobs.par_iter().filter(small).map(|job| job.run(false)).collect::<Result<_>>()?;
    for job in jobs.iter().filter(|job| !small(job)) {
        mapped.push(job.run(true)?);
    }
    progress.end();
    mapped.sort_by_key(|file| (file.source, file.file));
    Ok(mapped)
}

/// Gives the files that are not done yet the templates of their wikis, which may lie in other files of the source.
fn gather(jobs: &mut [Job], progress: &dyn Progress) -> Result<()> {
    let mut open = BTreeSet::new();
    for job in jobs.iter() {
        if !job.is_finished()? {
            open.insert(job.indices.0);
        }
    }
    let wanted = |job: &&mut Job| open.contains(&job.indices.0);
    let mut wanted: Vec<&mut Job> = jobs.iter_mut().filter(wanted).collect();
    let files: Vec<_> =
        wanted.iter().map(|job| (job.file.path.as_path(), job.file.language, &job.source.read)).collect();
    for (job, gathered) in wanted.iter_mut().zip(read::gather_templates(&files, progress)?) {
        job.gathered = gathered;
    }
    Ok(())
}

struct Job<'a> {
    source: &'a Source,
    file: &'a SourceFile,
    indices: (usize, usize),
    bytes: u64,
    unit_items: usize,
    homoglyphs: bool,
    judge: &'a Judge<'a>,
    work: &'a Path,
    progress: &'a dyn Progress,
    gathered: Gathered,
}

impl Job<'_> {
    fn run(&self, parallel: bool) -> Result<MappedFile> {
        let units = match self.finished()? {
            Some(units) => {
                self.progress.advance(self.bytes);
                units
            }
            None => self.compute(parallel)?,
        };
        let documents: u64 = units.iter().map(|(_, card)| card.documents + card.failed.len() as u64).sum();
        if documents == 0 && units.iter().any(|(_, card)| card.wiki) {
            return Err(Error::Input {
                path: self.file.path.clone(),
                place: String::new(),
                found: "a dump without an article".to_owned(),
                expected: format!(
                    "articles for the source `{}` (pages in namespace 0 that are no redirects)",
                    self.source.name
                ),
            });
        }
        let (source, file) = self.indices;
        Ok(MappedFile { source, file, language: self.file.language, units })
    }

    fn path(&self, chunk: usize, extension: &str) -> PathBuf {
        self.work.join(format!("{:03}-{:06}-{chunk:06}.{extension}", self.indices.0, self.indices.1))
    }

    /// The unit, if it is done.
    fn card(&self, chunk: usize) -> Result<Option<UnitCard>> {
        if !self.path(chunk, "parquet").exists() {
            return Ok(None);
        }
        let path = self.path(chunk, "json");
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&bytes).map(Some).map_err(Error::format(&path))
    }

    /// The file's units if all are done.
    fn finished(&self) -> Result<Option<Vec<(PathBuf, UnitCard)>>> {
        let mut units = Vec::new();
        while let Some(card) = self.card(units.len())? {
            let last = card.last;
            units.push((self.path(units.len(), "parquet"), card));
            if last {
                return Ok(Some(units));
            }
        }
        Ok(None)
    }

    fn is_finished(&self) -> Result<bool> {
        Ok(self.finished()?.is_some())
    }

    fn compute(&self, parallel: bool) -> Result<Vec<(PathBuf, UnitCard)>> {
        let mut reader = read::open_gathered(&self.file.path, &self.source.read, &self.gathered)?;
        if let Some(server) = reader.claim(self.file.language) {
            let (file, language) = (self.file.path.display(), self.file.language);
            tracing::warn!(%file, %language, %server, "the head is another language's and not believed");
        }
        let wiki = reader.wiki(self.gathered.clone());
        let (mut units, mut rows, mut chosen, mut told) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let produce = |give: &mut dyn FnMut(Result<Part>) -> bool| {
            if let Err(error) = self.read(&mut reader, &mut |part| give(Ok(part))) {
                give(Err(error));
            }
        };
        let work = |part: Result<Part>| {
            let Part { raws, end } = part?;
            let chosen = sampled::choose(&raws);
            let rows = raws.into_iter().map(|raw| self.row(raw, wiki.as_ref())).collect::<Vec<_>>();
            Ok((rows, chosen, end))
        };
        let each = |part: Result<(Vec<Judged>, Vec<Chosen>, Option<UnitEnd>)>| {
            if self.progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let (some, some_chosen, end) = part?;
            chosen.extend(some_chosen.into_iter().map(|page| page.behind(rows.len())));
            rows.extend(some);
            let Some(UnitEnd { mut card, done, read }) = end else { return Ok(()) };
            let rows = std::mem::take(&mut rows);
            card.wiki = wiki.is_some();
            match done {
                Some(done) => card = done,
                None => {
                    self.write(rows, sampled::among(std::mem::take(&mut chosen), &units), &mut card, units.len())?
                }
            }
            units.push((self.path(units.len(), "parquet"), card));
            let read = read.min(self.bytes);
            self.progress.advance(read.saturating_sub(told));
            told = told.max(read);
            Ok(())
        };
        match parallel {
            true => in_order(produce, work, each),
            false => one_by_one(produce, work, each),
        }?;
        self.progress.advance(self.bytes - told);
        Ok(units)
    }

    /// Reads the whole file, and gives it in parts of units until nobody wants more.
    fn read(&self, reader: &mut Reader, give: &mut dyn FnMut(Part) -> bool) -> Result<()> {
        // The item after those of a unit, so that the last one is known.
        let (mut ahead, mut units) = (reader.next()?, 0);
        loop {
            let done = self.card(units)?;
            let (mut raws, mut size, mut card) = (Vec::new(), 0, UnitCard::default());
            for _ in 0..self.unit_items {
                match ahead.take() {
                    None => break,
                    Some(Item::Document(raw)) => {
                        card.documents += 1;
                        if done.is_none() {
                            size += raw.size();
                            raws.push(raw);
                        }
                    }
                    Some(Item::Skipped(kind)) => *card.skipped.entry(kind.to_owned()).or_default() += 1,
                    Some(Item::Failed { place, cause }) => {
                        tracing::warn!(file = %self.file.path.display(), %place, %cause, "cannot be read, left out");
                        card.failed.push(Failure { place, cause });
                    }
                }
                if size > PART_BYTES {
                    size = 0;
                    if !give(Part { raws: std::mem::take(&mut raws), end: None }) {
                        return Ok(());
                    }
                }
                ahead = reader.next()?;
            }
            let last = ahead.is_none();
            card.last = last;
            if last {
                let (encoding, replaced) = reader.encoding();
                card.encoding = encoding.filter(|name| *name != "UTF-8").map(str::to_owned);
                card.replaced = replaced;
            }
            let end = Some(UnitEnd { card, done, read: reader.bytes_read() });
            if !give(Part { raws, end }) || last {
                return Ok(());
            }
            units += 1;
        }
    }

    fn write(&self, rows: Vec<Judged>, chosen: Vec<Chosen>, card: &mut UnitCard, chunk: usize) -> Result<()> {
        let unit = self.path(chunk, "parquet");
        for (row, page, foreign) in &rows {
            card.foreign_lines.extend(foreign.iter().cloned());
            let ledger = &page.ledger;
            card.templates.add(ledger);
            card.normalised += page.changes;
            for title in &page.closing_sections {
                *card.closing_sections.entry(title.clone()).or_default() += 1;
            }
            let place = || row.document.title.clone().unwrap_or_else(|| row.document.id.clone());
            let failure = |reason: &String| Failure { place: place(), cause: reason.clone() };
            card.unexpanded.extend(ledger.unexpanded.keys().map(failure));
            let failed =
                |error: &ModuleError| Failure { place: place(), cause: format!("{}: {}", error.key(), error.reason) };
            card.unexpanded.extend(ledger.failures.iter().map(failed));
        }
        card.sampled = sampled::write(&unit, chosen, |at| {
            let Document { source, language, id, title, text, .. } = rows[at].0.document.clone();
            (source, language, id, title.unwrap_or_default(), text)
        })?;
        let bytes = serde_json::to_vec(card).expect("a card is plain data");
        atomic::write(&unit.with_extension("json"), &bytes)?;
        let mut writer = FileWriter::create(&unit, true)?;
        rows.into_iter().try_for_each(|(row, ..)| writer.push(row))?;
        writer.finish().map(drop)
    }

    fn row(&self, raw: Raw, wiki: Option<&Wiki>) -> Judged {
        let mut page = extract::text_of(&raw, wiki, self.file.language, self.homoglyphs);
        let mut text = std::mem::take(&mut page.text);
        let id = match self.source.files.len() {
            1 => format!("{}:{}", self.source.name, raw.id),
            _ => format!("{}:{}:{}", self.source.name, self.indices.1, raw.id),
        };
        let found = self.judge.foreign_lines(&text, self.file.language);
        let cut = self.judge.filter.foreign_lines == ForeignLines::Cut && !foreign_lines::mostly(&text, &found);
        let foreign = written(&text, &id, &found, cut);
        if cut && !found.is_empty() {
            text = foreign_lines::without(&text, &found);
        }
        let extracted = Extracted {
            id,
            language: self.file.language,
            title: raw.title,
            text,
            url: raw.url,
            source: self.source.name.clone(),
            timestamp: raw.timestamp,
            licence: raw.licence.or_else(|| self.source.licence.clone()),
            page_kind: page.kind,
        };
        let mut document = extracted.measured();
        document.signals.foreign_lines = found.len() as u32;
        let reason = match self.judge.judge(&mut document) {
            Verdict::Keep => None,
            Verdict::Drop(reason) => Some(reason),
        };
        (Row { document, reason }, page, foreign)
    }
}

/// Foreign lines as they are written down.
fn written(text: &str, document: &str, found: &[ForeignLine], cut: bool) -> Vec<Foreign> {
    let lines: Vec<&str> = if found.is_empty() { Vec::new() } else { text.lines().collect() };
    let one = |one: &ForeignLine| Foreign {
        document: document.to_owned(),
        found: one.found,
        score: one.score,
        cut,
        characters: lines[one.line].chars().count() as u64,
        text: lines[one.line].chars().take(FOREIGN_CHARACTERS).collect(),
    };
    found.iter().map(one).collect()
}

impl Judge<'_> {
    /// The foreign lines of a text, where somebody is to look for them.
    fn foreign_lines(&self, text: &str, claimed: Tag) -> Vec<ForeignLine> {
        match self.filter.foreign_lines {
            ForeignLines::Ignore => Vec::new(),
            ForeignLines::Count | ForeignLines::Cut => foreign_lines::find(text, claimed, self.identify),
        }
    }

    /// The kind of page, filters, then the language, then contamination; the first that says no decides.
    fn judge(&self, document: &mut Document) -> Verdict {
        let verdict = filter::judge_kind(document.page_kind, self.filter);
        if verdict != Verdict::Keep {
            return verdict;
        }
        let verdict = filter::judge(&document.signals, self.filter, &self.limits[&document.language]);
        if verdict != Verdict::Keep {
            return verdict;
        }
        if let Some((tag, score)) = language::identify(&document.text, self.identify) {
            (document.identified, document.identification_score) = (Some(tag), Some(score));
            let characters = document.signals.characters;
            let verdict = language::judge(document.language, (tag, score), self.identify, characters, self.filter);
            if verdict != Verdict::Keep {
                return verdict;
            }
        }
        self.evaluation.judge(&document.text, document.language)
    }
}
