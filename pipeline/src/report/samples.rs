//! A few documents out of the Parquet shards, read lazily: only the columns and rows that are shown.

use crate::error::{Error, Result};
use polars::prelude::{IdxSize, LazyFrame, PlRefPath, ScanArgsParquet, col};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Kept documents shown a language.
const KEPT_PER_LANGUAGE: usize = 3;
/// Rejected documents shown a language; one for each reason first seen.
const REJECTED_PER_LANGUAGE: usize = 8;
/// Rows looked at a language.
const ROWS: IdxSize = 2_000;
/// Characters of the text shown.
const CHARACTERS: usize = 420;

/// The beginning of one document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Tag.
    pub language: String,
    /// Id of the document.
    pub id: String,
    /// Title where the source gives one.
    pub title: Option<String>,
    /// The first characters of the text.
    pub text: String,
    /// Whether the text goes on.
    pub cut: bool,
    /// Stage that rejected it; none for kept documents.
    pub stage: Option<String>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// What was found.
    pub found: Option<String>,
    /// What the limit was.
    pub limit: Option<String>,
}

/// Kept documents, spread evenly over the first rows of each language.
pub fn kept(folder: &Path) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for (language, shard) in first_shards(folder)? {
        let rows = rows(&language, &shard, false)?;
        let count = rows.len().min(KEPT_PER_LANGUAGE);
        let chosen: BTreeSet<usize> = (0..count).map(|n| n * rows.len() / count).collect();
        samples.extend(rows.into_iter().enumerate().filter(|(n, _)| chosen.contains(n)).map(|(_, row)| row));
    }
    Ok(samples)
}

/// Rejected documents: the first of each reason, sorted by reason within a language.
pub fn rejected(folder: &Path) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for (language, shard) in first_shards(folder)? {
        let mut seen = BTreeSet::new();
        let mut rows = rows(&language, &shard, true)?;
        rows.retain(|row| seen.insert(row.reason.clone()));
        rows.sort_by(|a, b| a.reason.cmp(&b.reason));
        rows.truncate(REJECTED_PER_LANGUAGE);
        samples.extend(rows);
    }
    Ok(samples)
}

/// The first shard of each language, in order of tags; none where the folder is missing.
fn first_shards(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut shards = Vec::new();
    for language in sorted(folder)? {
        if language.is_dir() {
            let parts = sorted(&language)?;
            let first = parts.into_iter().find(|part| part.extension().is_some_and(|end| end == "parquet"));
            let name = language.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            shards.extend(first.map(|part| (name, part)));
        }
    }
    Ok(shards)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", folder)(error)),
    };
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(Error::io("read", folder))?;
    paths.sort();
    Ok(paths)
}

fn rows(language: &str, shard: &Path, rejected: bool) -> Result<Vec<Sample>> {
    let mut columns = vec!["id", "title", "text"];
    if rejected {
        columns.extend(["stage", "reason", "found", "limit"]);
    }
    let path = PlRefPath::try_from_path(shard).map_err(Error::format(shard))?;
    let arguments = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
    let frame = LazyFrame::scan_parquet(path, arguments)
        .map_err(Error::format(shard))?
        .select(columns.iter().map(|name| col(*name)).collect::<Vec<_>>())
        .limit(ROWS)
        .collect()
        .map_err(Error::format(shard))?;
    let column = |name: &str| frame.column(name).and_then(|column| column.str()).map_err(Error::format(shard));
    let (id, title, text) = (column("id")?, column("title")?, column("text")?);
    let why = match rejected {
        true => Some([column("stage")?, column("reason")?, column("found")?, column("limit")?]),
        false => None,
    };
    let row = |n: usize| {
        let whole = text.get(n).unwrap_or_default().trim();
        let why = |which: usize| why.and_then(|why| why[which].get(n)).map(str::to_owned);
        Sample {
            language: language.to_owned(),
            id: id.get(n).unwrap_or_default().to_owned(),
            title: title.get(n).map(str::to_owned),
            text: whole.chars().take(CHARACTERS).collect(),
            cut: whole.chars().nth(CHARACTERS).is_some(),
            stage: why(0),
            reason: why(1),
            found: why(2),
            limit: why(3),
        }
    };
    Ok((0..frame.height()).map(row).collect())
}
