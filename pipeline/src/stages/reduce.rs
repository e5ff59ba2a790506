//! The reduce phase: what needs all documents at once, then the folders readers see.

use super::documents::DocumentsSettings;
use super::sampled::{SIDE_BY_SIDE, write_side_by_side};
use super::units::{Failure, MappedFile, UnitCard};
use crate::contamination::Kind;
use crate::document::{Funnel, Verdict};
use crate::duplicates::{Clusters, Position, fingerprint};
use crate::error::{Error, Result};
use crate::io::atomic::AtomicFile;
use crate::io::documents::{Part, PartsWriter, read_file};
use crate::io::manifest::{FileRecord, record};
use crate::progress::Progress;
use crate::series::{self, AllSeries, Frequencies};
use crate::wikitext::{Ledger, PageKind};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tongues_languages::Tag;
use tongues_languages::normalise::Changes;

/// Name of the list of items that could not be read.
const FAILED: &str = "failed.jsonl";
/// Name of the list of lines in another language than their document's.
const FOREIGN: &str = "foreign_lines.jsonl";
/// Name of the list of pages whose templates were not expanded.
const UNEXPANDED: &str = "unexpanded.jsonl";

/// Units whose words are counted to tell names from words, the first of a language: 200,000 pages.
const SAMPLE_UNITS: usize = 100;
/// Units read side by side.
const UNITS_AT_ONCE: usize = 16;
/// Series told of in the manifest, and characters of their first pages.
const EXAMPLES: usize = 10;
const EXAMPLE_CHARACTERS: usize = 120;

/// Folders that are written anew each time.
pub(super) const CLEARED: [&str; 2] = ["kept", "rejected"];

/// What one language came to.
#[derive(Default)]
struct Sum {
    language: Funnel,
    sources: BTreeMap<usize, Funnel>,
    found: BTreeMap<Kind, u64>,
    page_kinds: BTreeMap<PageKind, u64>,
    series: Value,
    kept: Vec<Part>,
    rejected: Vec<Part>,
}

/// Writes `kept/`, `rejected/` and the lists beside them; the records of what was written and the counts.
pub(super) fn reduce(
    settings: &DocumentsSettings,
    files: &[MappedFile],
    evaluation_texts: u64,
    output: &Path,
    progress: &dyn Progress,
) -> Result<(Vec<FileRecord>, Value)> {
    for name in CLEARED {
        let folder = output.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        }
    }
    let units: u64 = files.iter().map(|file| file.units.len() as u64).sum();
    progress.begin("duplicates", Some(2 * units), "units");
    let (clusters, prints) = compare(files, progress)?;
    let mut languages: BTreeMap<Tag, Vec<usize>> = BTreeMap::new();
    for (i, file) in files.iter().enumerate() {
        languages.entry(file.language).or_default().push(i);
    }
    let languages: Vec<(Tag, Vec<usize>)> = languages.into_iter().collect();
    let sums: Vec<(Tag, Sum)> = languages
        .par_iter()
        .map(|(tag, members)| {
            let members: Vec<_> = members.iter().map(|i| (&files[*i], &prints[*i])).collect();
            Ok((*tag, write_language(settings, *tag, &members, &clusters, output, progress)?))
        })
        .collect::<Result<_>>()?;
    progress.end();

    let lists = [
        write_list(settings, files, |card| &card.failed, output.join(FAILED))?,
        write_list(settings, files, |card| &card.unexpanded, output.join(UNEXPANDED))?,
        write_foreign(files, output.join(FOREIGN))?,
        write_side_by_side(files, output.join(SIDE_BY_SIDE))?,
    ];
    let outputs = records(&sums, lists, output)?;
    let mut counts = counts(settings, &sums, evaluation_texts)?;
    counts["templates"] = templates(settings, files);
    counts["closing_sections"] = closing_sections(settings, files);
    counts["foreign_lines"] = foreign_lines(files);
    let by_language = |value: fn(&Sum) -> Value| -> Value {
        let wikis = sums.iter().filter(|(_, sum)| !sum.page_kinds.is_empty());
        Value::Object(wikis.map(|(tag, sum)| (tag.to_string(), value(sum))).collect())
    };
    let mut normalised: BTreeMap<&str, Changes> = BTreeMap::new();
    for file in files {
        let of_language = normalised.entry(file.language.as_str()).or_default();
        file.units.iter().for_each(|(_, card)| *of_language += card.normalised);
    }
    counts["normalised"] = json!(normalised);
    counts["page_kinds"] = by_language(|sum| json!(sum.page_kinds));
    counts["series"] = by_language(|sum| sum.series.clone());
    counts["encodings"] = encodings(settings, files);
    Ok((outputs, counts))
}

/// Fingerprint of each row that is still kept, by unit.
type Prints = Vec<Vec<Option<u128>>>;

fn compare(files: &[MappedFile], progress: &dyn Progress) -> Result<(Clusters, Vec<Prints>)> {
    let (mut clusters, mut all) = (Clusters::default(), Vec::new());
    for file in files {
        let units: Vec<Vec<(Option<u128>, String)>> = file
            .units
            .par_iter()
            .map(|(path, _)| {
                let rows = read_file(path).map(|row| {
                    let row = row?;
                    Ok((row.reason.is_none().then(|| fingerprint(&row.document.text)), row.document.id))
                });
                progress.advance(1);
                rows.collect()
            })
            .collect::<Result<_>>()?;
        for (number, (print, id)) in (0..).zip(units.iter().flatten()) {
            if let Some(print) = print {
                clusters.add(*print, position(file, number), id);
            }
        }
        all.push(units.into_iter().map(|unit| unit.into_iter().map(|(print, _)| print).collect()).collect());
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
    }
    Ok((clusters, all))
}

fn position(file: &MappedFile, number: u64) -> Position {
    (file.source as u32, file.file as u32, number)
}

fn write_language(
    settings: &DocumentsSettings,
    tag: Tag,
    files: &[(&MappedFile, &Prints)],
    clusters: &Clusters,
    output: &Path,
    progress: &dyn Progress,
) -> Result<Sum> {
    let writer =
        |name: &str, rejected| PartsWriter::new(&output.join(name).join(tag.as_str()), rejected, settings.part_bytes);
    let (mut kept, mut rejected) = (writer("kept", false), writer("rejected", true));
    let mut sum = Sum::default();
    let series = find_series(tag, files, clusters, progress)?;
    let keep = match settings.filter.dropped_page_kinds.contains(&PageKind::Series) {
        true => Some(0),
        false => settings.filter.kept_of_series,
    };
    let mut examples = BTreeMap::new();
    for (file, prints) in files {
        let mut number = 0;
        let source = sum.sources.entry(file.source).or_default();
        for ((path, card), prints) in file.units.iter().zip(prints.iter()) {
            if progress.interrupted() {
                return Err(Error::Interrupted);
            }
            for funnel in [&mut sum.language, &mut *source] {
                funnel.came += card.documents + card.failed.len() as u64;
                funnel.failed += card.failed.len() as u64;
                for (kind, count) in &card.skipped {
                    *funnel.skipped.entry(kind.clone()).or_default() += count;
                }
            }
            for (row, print) in read_file(path).zip(prints) {
                let mut row = row?;
                if let Some(print) = print {
                    let here = position(file, number);
                    let verdict = match clusters.judge(*print, here, &mut row.document) {
                        Verdict::Keep => series.judge(here, &mut row.document, keep),
                        dropped => dropped,
                    };
                    if row.document.series_id.as_ref() == Some(&row.document.id) {
                        let begins: String = row.document.text.chars().take(EXAMPLE_CHARACTERS).collect();
                        examples.insert(here, (row.document.title.clone(), begins));
                    }
                    row.reason = match verdict {
                        Verdict::Keep => None,
                        Verdict::Drop(reason) => Some(reason),
                    };
                }
                number += 1;
                if let Some(kind) = row.document.page_kind {
                    *sum.page_kinds.entry(kind).or_default() += 1;
                }
                let signals = row.document.signals;
                for funnel in [&mut sum.language, &mut *source] {
                    match &row.reason {
                        Some(reason) => *funnel.dropped.entry(reason.reason.to_owned()).or_default() += 1,
                        None => {
                            funnel.kept += 1;
                            funnel.kept_bytes += row.document.text.len() as u64;
                            funnel.kept_characters += u64::from(signals.characters);
                            funnel.kept_words += u64::from(signals.words);
                        }
                    }
                }
                if let Some(kind) = row.reason.as_ref().and_then(Kind::of) {
                    *sum.found.entry(kind).or_default() += 1;
                }
                let writer = if row.reason.is_none() { &mut kept } else { &mut rejected };
                writer.push(row)?;
            }
            progress.advance(1);
        }
    }
    (sum.kept, sum.rejected) = (kept.finish()?, rejected.finish()?);
    let largest = series.all().iter().take(EXAMPLES).map(|one| {
        let (title, begins) = &examples[&one.pages[0]];
        json!({ "id": one.id, "title": title, "pages": one.pages.len(), "begins": begins })
    });
    let pages: usize = series.all().iter().map(|one| one.pages.len()).sum();
    sum.series = json!({ "series": series.all().len(), "pages": pages, "largest": largest.collect::<Vec<_>>() });
    Ok(sum)
}

/// The series among the pages of wikis that are still kept and are no duplicates.
fn find_series(
    tag: Tag,
    files: &[(&MappedFile, &Prints)],
    clusters: &Clusters,
    progress: &dyn Progress,
) -> Result<AllSeries> {
    let is_wiki = |(file, _): &&(&MappedFile, &Prints)| file.units.iter().any(|(_, card)| card.wiki);
    let wikis: Vec<_> = files.iter().filter(is_wiki).collect();
    let mut all = AllSeries::default();
    let mut frequencies = Frequencies::default();
    let sample: Vec<&PathBuf> = wikis.iter().flat_map(|(file, _)| &file.units).map(|(path, _)| path).collect();
    for paths in sample[..sample.len().min(SAMPLE_UNITS)].chunks(UNITS_AT_ONCE) {
        let words = |path: &&PathBuf| -> Result<Vec<_>> {
            let rows = read_file(path).filter(|row| row.as_ref().map_or(true, |row| row.reason.is_none()));
            rows.map(|row| Ok(Frequencies::words(&row?.document.text, tag))).collect()
        };
        let units: Vec<_> = paths.par_iter().map(words).collect::<Result<_>>()?;
        units.into_iter().flatten().for_each(|words| frequencies.add(words));
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
    }
    let frequent = frequencies.frequent();
    for (file, prints) in wikis {
        let mut number = 0;
        for units in file.units.chunks(UNITS_AT_ONCE) {
            let skeletons = |(path, _): &(PathBuf, UnitCard)| -> Result<Vec<_>> {
                let rows = read_file(path).map(|row| {
                    let document = row?.document;
                    let candidate = series::is_candidate(&document);
                    let skeletons = candidate.then(|| series::skeletons(&document, &frequent));
                    Ok((document.id, skeletons))
                });
                rows.collect()
            };
            let pages: Vec<Vec<(String, _)>> = units.par_iter().map(skeletons).collect::<Result<_>>()?;
            let prints = prints.iter().flatten().skip(number as usize);
            for ((id, skeletons), print) in pages.into_iter().flatten().zip(prints) {
                let here = position(file, number);
                if let Some((print, skeletons)) = print.zip(skeletons)
                    && clusters.is_first(print, here)
                {
                    all.add(here, id, skeletons);
                }
                number += 1;
            }
            if progress.interrupted() {
                return Err(Error::Interrupted);
            }
        }
    }
    all.find();
    Ok(all)
}

/// One line for each entry of a list of the units, with its source and file.
fn write_list(
    settings: &DocumentsSettings,
    files: &[MappedFile],
    list: fn(&UnitCard) -> &Vec<Failure>,
    path: PathBuf,
) -> Result<Part> {
    let mut writer = AtomicFile::create(&path)?;
    let mut rows = 0;
    for file in files {
        let source = &settings.sources[file.source];
        for failure in file.units.iter().flat_map(|(_, card)| list(card)) {
            let line = json!({
                "source": source.name,
                "file": source.files[file.file].path.to_string_lossy(),
                "place": failure.place,
                "cause": failure.cause,
            });
            writeln!(writer, "{line}").map_err(Error::io("write", &path))?;
            rows += 1;
        }
    }
    writer.commit()?;
    Ok(Part { path, rows })
}

/// One line for each line in another language than its document's.
fn write_foreign(files: &[MappedFile], path: PathBuf) -> Result<Part> {
    let mut writer = AtomicFile::create(&path)?;
    let mut rows = 0;
    for file in files {
        for one in file.units.iter().flat_map(|(_, card)| &card.foreign_lines) {
            let line = json!({
                "language": file.language, "document": one.document, "found": one.found,
                // By way of text: as f64, the f32 0.62 is 0.6200000047683716.
                "score": format!("{:.4}", one.score).parse::<f64>().unwrap_or_default(),
                "cut": one.cut, "text": one.text,
            });
            writeln!(writer, "{line}").map_err(Error::io("write", &path))?;
            rows += 1;
        }
    }
    writer.commit()?;
    Ok(Part { path, rows })
}

/// By language: documents with foreign lines, such lines and their characters, those cut, and what they were taken for.
fn foreign_lines(files: &[MappedFile]) -> Value {
    #[derive(Default, serde::Serialize)]
    struct Sum<'a> {
        documents: u64,
        lines: u64,
        characters: u64,
        cut: u64,
        found: BTreeMap<&'a str, u64>,
    }
    let mut sums: BTreeMap<Tag, Sum> = BTreeMap::new();
    for file in files {
        let sum = sums.entry(file.language).or_default();
        let mut last = None;
        for one in file.units.iter().flat_map(|(_, card)| &card.foreign_lines) {
            sum.documents += u64::from(last != Some(&one.document));
            last = Some(&one.document);
            sum.lines += 1;
            sum.characters += one.characters;
            sum.cut += u64::from(one.cut);
            *sum.found.entry(one.found.as_str()).or_default() += 1;
        }
    }
    json!(sums)
}

/// By source with a file that is not UTF-8 or has places that are no text: files by encoding, and these places.
fn encodings(settings: &DocumentsSettings, files: &[MappedFile]) -> Value {
    let mut sums: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for file in files {
        for (_, card) in &file.units {
            let found = card.encoding.as_deref().map(|name| (name, 1));
            for (what, count) in found.into_iter().chain((card.replaced > 0).then_some(("replaced", card.replaced))) {
                let source = sums.entry(settings.sources[file.source].name.as_str()).or_default();
                *source.entry(what).or_default() += count;
            }
        }
    }
    serde_json::json!(sums)
}

/// By source that is a dump: what became of its templates.
fn templates(settings: &DocumentsSettings, files: &[MappedFile]) -> Value {
    let mut sums: BTreeMap<usize, Ledger> = BTreeMap::new();
    for file in files {
        for (_, card) in file.units.iter().filter(|(_, card)| card.wiki) {
            sums.entry(file.source).or_default().add(&card.templates);
        }
    }
    let named = sums.into_iter().map(|(source, ledger)| (settings.sources[source].name.clone(), json!(ledger)));
    Value::Object(named.collect())
}

/// By source that is a dump: the closing sections left out, by title.
fn closing_sections(settings: &DocumentsSettings, files: &[MappedFile]) -> Value {
    let mut sums: BTreeMap<usize, BTreeMap<&str, u64>> = BTreeMap::new();
    for file in files {
        for (_, card) in file.units.iter().filter(|(_, card)| card.wiki) {
            let sum = sums.entry(file.source).or_default();
            for (title, count) in &card.closing_sections {
                *sum.entry(title).or_default() += count;
            }
        }
    }
    let named = sums.into_iter().map(|(source, titles)| (settings.sources[source].name.clone(), json!(titles)));
    Value::Object(named.collect())
}

fn records(sums: &[(Tag, Sum)], lists: [Part; 4], output: &Path) -> Result<Vec<FileRecord>> {
    let parts = sums.iter().flat_map(|(_, sum)| sum.kept.iter().chain(&sum.rejected));
    let mut files: Vec<Part> = parts.cloned().collect();
    files.extend(lists);
    let mut records = files
        .par_iter()
        .map(|part| {
            let inside = part.path.strip_prefix(output).expect("parts are written inside the output");
            let names: Vec<_> = inside.iter().map(|name| name.to_string_lossy()).collect();
            Ok(FileRecord { rows: Some(part.rows), ..record(&part.path, &names.join("/"))? })
        })
        .collect::<Result<Vec<_>>>()?;
    records.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(records)
}

/// The counts of the manifest, after checking that nothing was lost.
fn counts(settings: &DocumentsSettings, sums: &[(Tag, Sum)], evaluation_texts: u64) -> Result<Value> {
    let mut sources: BTreeMap<usize, Funnel> = BTreeMap::new();
    let mut found: BTreeMap<Kind, u64> = BTreeMap::new();
    for (tag, sum) in sums {
        conserved(&format!("documents, {tag}"), &sum.language)?;
        let rows = |parts: &[Part]| parts.iter().map(|part| part.rows).sum::<u64>();
        let written = rows(&sum.kept) + rows(&sum.rejected) + sum.language.failed;
        if written != sum.language.came {
            let stage = format!("documents, files of {tag}");
            return Err(Error::Conservation { stage, came: sum.language.came, accounted: written });
        }
        for (source, funnel) in &sum.sources {
            add(sources.entry(*source).or_default(), funnel);
        }
        for (kind, count) in &sum.found {
            *found.entry(*kind).or_default() += count;
        }
    }
    let mut named = serde_json::Map::new();
    for (source, funnel) in &sources {
        let name = &settings.sources[*source].name;
        conserved(&format!("documents, source {name}"), funnel)?;
        named.insert(name.clone(), json!(funnel));
    }
    let languages: serde_json::Map<String, Value> =
        sums.iter().map(|(tag, sum)| (tag.to_string(), json!(sum.language))).collect();
    let found = |kind| found.get(&kind).copied().unwrap_or(0);
    Ok(json!({
        "languages": languages,
        "sources": named,
        "contamination": {
            "evaluation_sentences": evaluation_texts,
            "exact": found(Kind::Exact),
            "ngram_13": found(Kind::Ngram),
            "short_sentence": found(Kind::Sentence),
        },
    }))
}

fn conserved(stage: &str, funnel: &Funnel) -> Result<()> {
    match funnel.accounted() == funnel.came {
        true => Ok(()),
        false => Err(Error::Conservation { stage: stage.to_owned(), came: funnel.came, accounted: funnel.accounted() }),
    }
}

fn add(total: &mut Funnel, more: &Funnel) {
    total.came += more.came;
    total.kept += more.kept;
    total.failed += more.failed;
    total.kept_bytes += more.kept_bytes;
    total.kept_characters += more.kept_characters;
    total.kept_words += more.kept_words;
    for (reason, count) in &more.dropped {
        *total.dropped.entry(reason.clone()).or_default() += count;
    }
    for (kind, count) in &more.skipped {
        *total.skipped.entry(kind.clone()).or_default() += count;
    }
}
