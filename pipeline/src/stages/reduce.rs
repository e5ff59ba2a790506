//! The reduce phase: what needs all documents at once, then the folders readers see.

use super::documents::DocumentsSettings;
use super::units::{Failure, MappedFile, UnitCard};
use crate::contamination::Kind;
use crate::document::{Funnel, Verdict};
use crate::duplicates::{Clusters, Position, fingerprint};
use crate::error::{Error, Result};
use crate::io::atomic::AtomicFile;
use crate::io::documents::{Part, PartsWriter, read_file};
use crate::io::manifest::{FileRecord, record};
use crate::progress::Progress;
use crate::wikitext::Ledger;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tongues_languages::Tag;

/// Name of the list of items that could not be read.
const FAILED: &str = "failed.jsonl";
/// Name of the list of pages whose templates were not expanded.
const UNEXPANDED: &str = "unexpanded.jsonl";

/// Folders that are written anew each time.
pub(super) const CLEARED: [&str; 2] = ["kept", "rejected"];

/// What one language came to.
#[derive(Default)]
struct Sum {
    language: Funnel,
    sources: BTreeMap<usize, Funnel>,
    found: BTreeMap<Kind, u64>,
    kept: Vec<Part>,
    rejected: Vec<Part>,
}

/// Writes `kept/`, `rejected/`, `failed.jsonl` and `unexpanded.jsonl`; the records of what was written and the counts.
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
    ];
    let outputs = records(&sums, lists, output)?;
    let mut counts = counts(settings, &sums, evaluation_texts)?;
    counts["templates"] = templates(settings, files);
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
                if let Some(print) = print
                    && let Verdict::Drop(reason) = clusters.judge(*print, position(file, number), &mut row.document)
                {
                    row.reason = Some(reason);
                }
                number += 1;
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
    Ok(sum)
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

fn records(sums: &[(Tag, Sum)], lists: [Part; 2], output: &Path) -> Result<Vec<FileRecord>> {
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
