//! Documents as zstd Parquet: `FOLDER/LANG/part-NNNNN.parquet`, the columns of `docs/formats.md`.
//!
//! The same rows in the same order give the same bytes: parts and row groups end by counts of rows and bytes of
//! text, never by time or memory. A part appears whole or not at all.

use crate::document::{Document, Reason, Signals};
use crate::error::{Error, Result};
use crate::io::atomic::AtomicFile;
use crate::wikitext::PageKind;
use arrow::array::{Array, ArrayRef, AsArray, Float32Array, RecordBatch, StringArray, StructArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Fields, Float32Type, Schema, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tongues_languages::Tag;

/// Rows after which a row group ends: small enough to decode in a moment, large enough to compress well.
const GROUP_ROWS: usize = 8_192;
/// Bytes of text after which a row group ends, so that a few long texts do not fill memory.
const GROUP_BYTES: usize = 16 << 20;
/// Rows decoded at a time.
const BATCH_ROWS: usize = 1_024;
/// zstd level: 3 is the library's own default; higher levels cost more time than the few percent are worth here.
const ZSTD_LEVEL: i32 = 3;
/// Version written as `tongues.schema`.
const SCHEMA_VERSION: &str = "3";

type Count = (&'static str, fn(&mut Signals) -> &mut u32);
type Share = (&'static str, fn(&mut Signals) -> &mut f32);

const COUNTS: [Count; 4] = [
    ("characters", |s| &mut s.characters),
    ("words", |s| &mut s.words),
    ("lines", |s| &mut s.lines),
    ("foreign_lines", |s| &mut s.foreign_lines),
];
const SHARES: [Share; 11] = [
    ("letter_share", |s| &mut s.letter_share),
    ("script_share", |s| &mut s.script_share),
    ("mean_word_length", |s| &mut s.mean_word_length),
    ("function_word_share", |s| &mut s.function_word_share),
    ("repeated_line_share", |s| &mut s.repeated_line_share),
    ("repeated_line_character_share", |s| &mut s.repeated_line_character_share),
    ("top_2gram_share", |s| &mut s.top_2gram_share),
    ("top_3gram_share", |s| &mut s.top_3gram_share),
    ("top_4gram_share", |s| &mut s.top_4gram_share),
    ("repeated_5gram_share", |s| &mut s.repeated_5gram_share),
    ("repeated_10gram_share", |s| &mut s.repeated_10gram_share),
];

/// A document and, where it was dropped, why.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The document.
    pub document: Document,
    /// `None` where it was kept.
    pub reason: Option<Reason>,
}

/// Languages that have a folder with at least one part in `folder`, sorted.
pub fn languages(folder: &Path) -> Result<Vec<Tag>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let tag = entry.file_name().to_str().and_then(|name| name.parse::<Tag>().ok());
        if let Some(tag) = tag
            && !parts(&entry.path())?.is_empty()
        {
            found.push(tag);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The documents of one language in the order they were written. No part at all is an empty iterator.
pub fn read(folder: &Path, language: Tag) -> Result<impl Iterator<Item = Result<Document>> + Send + use<>> {
    Ok(read_rows(folder, language)?.map(|row| row.map(|row| row.document)))
}

/// As [`read`], with the reasons where `folder` is `rejected/`.
pub fn read_rows(folder: &Path, language: Tag) -> Result<Rows> {
    Ok(Rows { waiting: parts(&folder.join(language.as_str()))?.into_iter(), open: None, ready: Vec::new().into_iter() })
}

/// The rows of one file.
pub fn read_file(path: &Path) -> Rows {
    Rows { waiting: vec![path.to_owned()].into_iter(), open: None, ready: Vec::new().into_iter() }
}

/// Parts of one language's folder, sorted; none where the folder is missing.
fn parts(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("part-") && name.ends_with(".parquet") {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Rows of several files, one after the other; one batch in memory.
pub struct Rows {
    waiting: std::vec::IntoIter<PathBuf>,
    open: Option<(PathBuf, ParquetRecordBatchReader)>,
    ready: std::vec::IntoIter<Row>,
}

impl Rows {
    fn advance(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some(row) = self.ready.next() {
                return Ok(Some(row));
            }
            if let Some((path, reader)) = &mut self.open {
                match reader.next() {
                    Some(batch) => {
                        let batch = batch.map_err(Error::format(path))?;
                        self.ready = rows_of(&batch, path)?.into_iter();
                    }
                    None => self.open = None,
                }
                continue;
            }
            let Some(path) = self.waiting.next() else { return Ok(None) };
            let file = File::open(&path).map_err(Error::io("read", &path))?;
            let reader = ParquetRecordBatchReaderBuilder::try_new(file)
                .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
                .map_err(|error| refusal(error, "read", &path))?;
            self.open = Some((path, reader));
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        let row = self.advance().transpose();
        if let Some(Err(_)) = row {
            (self.waiting, self.open) = (Vec::new().into_iter(), None);
        }
        row
    }
}

/// A part that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
}

/// Writes the parts of one language.
pub struct PartsWriter {
    folder: PathBuf,
    rejected: bool,
    limit: usize,
    open: Option<FileWriter>,
    done: Vec<Part>,
}

impl PartsWriter {
    /// `folder` is the language's own folder; `rejected` adds the columns of the reason; a part ends when it holds
    /// `limit` bytes of text (before compression).
    pub fn new(folder: &Path, rejected: bool, limit: usize) -> PartsWriter {
        PartsWriter { folder: folder.to_owned(), rejected, limit, open: None, done: Vec::new() }
    }

    /// Adds a row; the file may end here.
    pub fn push(&mut self, row: Row) -> Result<()> {
        if self.open.is_none() {
            let path = self.folder.join(format!("part-{:05}.parquet", self.done.len()));
            self.open = Some(FileWriter::create(&path, self.rejected)?);
        }
        let writer = self.open.as_mut().expect("opened above");
        writer.push(row)?;
        if writer.text_bytes >= self.limit {
            self.close()?;
        }
        Ok(())
    }

    /// Ends the last part; all parts in order.
    pub fn finish(mut self) -> Result<Vec<Part>> {
        self.close()?;
        Ok(self.done)
    }

    fn close(&mut self) -> Result<()> {
        if let Some(writer) = self.open.take() {
            self.done.push(writer.finish()?);
        }
        Ok(())
    }
}

/// Writes one file.
pub struct FileWriter {
    path: PathBuf,
    rejected: bool,
    writer: ArrowWriter<AtomicFile>,
    group: Vec<Row>,
    group_bytes: usize,
    text_bytes: usize,
    rows: u64,
}

impl FileWriter {
    /// Begins `path`, which appears at [`FileWriter::finish`]. With `rejected` there are columns for the reason.
    pub fn create(path: &Path, rejected: bool) -> Result<FileWriter> {
        let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("3 is a zstd level");
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let writer = ArrowWriter::try_new(AtomicFile::create(path)?, schema(rejected), Some(properties))
            .map_err(|error| refusal(error, "write", path))?;
        let path = path.to_owned();
        Ok(FileWriter { path, rejected, writer, group: Vec::new(), group_bytes: 0, text_bytes: 0, rows: 0 })
    }

    /// Adds a row.
    pub fn push(&mut self, row: Row) -> Result<()> {
        let bytes = row.document.text.len();
        self.group_bytes += bytes;
        self.text_bytes += bytes;
        self.rows += 1;
        self.group.push(row);
        if self.group.len() >= GROUP_ROWS || self.group_bytes >= GROUP_BYTES {
            self.end_group()?;
        }
        Ok(())
    }

    /// Closes, syncs and renames.
    pub fn finish(mut self) -> Result<Part> {
        self.end_group()?;
        let file = self.writer.into_inner().map_err(|error| refusal(error, "write", &self.path))?;
        file.commit()?;
        Ok(Part { path: self.path, rows: self.rows })
    }

    fn end_group(&mut self) -> Result<()> {
        if !self.group.is_empty() {
            let batch = batch_of(&self.group, self.rejected);
            let written = self.writer.write(&batch).and_then(|()| self.writer.flush());
            written.map_err(|error| refusal(error, "write", &self.path))?;
            self.group.clear();
            self.group_bytes = 0;
        }
        Ok(())
    }
}

/// A full disk or an unreadable one is the system's error, anything else the format's.
fn refusal(error: ParquetError, action: &'static str, path: &Path) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(error) => Error::io(action, path)(*error),
            Err(other) => Error::format(path)(other),
        },
        other => Error::format(path)(other),
    }
}

fn signal_fields() -> Fields {
    let counts = COUNTS.iter().map(|(name, _)| Field::new(*name, DataType::UInt32, false));
    counts.chain(SHARES.iter().map(|(name, _)| Field::new(*name, DataType::Float32, false))).collect()
}

fn schema(rejected: bool) -> Arc<Schema> {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let mut fields = vec![
        text("id", false),
        text("language", false),
        text("title", true),
        text("text", false),
        text("source", false),
        text("url", true),
        text("timestamp", true),
        text("licence", true),
        text("identified", true),
        Field::new("identification_score", DataType::Float32, true),
        Field::new("signals", DataType::Struct(signal_fields()), false),
        text("cluster_id", true),
        Field::new("cluster_size", DataType::UInt32, false),
        text("page_kind", true),
        text("series_id", true),
        Field::new("series_size", DataType::UInt32, false),
    ];
    if rejected {
        fields.extend(["stage", "reason", "found", "limit"].map(|name| text(name, true)));
    }
    let metadata = HashMap::from([("tongues.schema".to_owned(), SCHEMA_VERSION.to_owned())]);
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

fn batch_of(rows: &[Row], rejected: bool) -> RecordBatch {
    fn strings<'a>(rows: &'a [Row], value: impl Fn(&'a Row) -> Option<&'a str>) -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    }
    let documents = || rows.iter().map(|row| &row.document);
    let mut signals: Vec<ArrayRef> = Vec::new();
    for (_, field) in COUNTS {
        signals.push(Arc::new(UInt32Array::from_iter_values(documents().map(|d| *field(&mut d.signals.clone())))));
    }
    for (_, field) in SHARES {
        signals.push(Arc::new(Float32Array::from_iter_values(documents().map(|d| *field(&mut d.signals.clone())))));
    }
    let mut columns: Vec<ArrayRef> = vec![
        strings(rows, |row| Some(&row.document.id)),
        strings(rows, |row| Some(row.document.language.as_str())),
        strings(rows, |row| row.document.title.as_deref()),
        strings(rows, |row| Some(&row.document.text)),
        strings(rows, |row| Some(&row.document.source)),
        strings(rows, |row| row.document.url.as_deref()),
        strings(rows, |row| row.document.timestamp.as_deref()),
        strings(rows, |row| row.document.licence.as_deref()),
        strings(rows, |row| row.document.identified.as_ref().map(Tag::as_str)),
        Arc::new(documents().map(|document| document.identification_score).collect::<Float32Array>()),
        Arc::new(StructArray::new(signal_fields(), signals, None)),
        strings(rows, |row| row.document.cluster_id.as_deref()),
        Arc::new(UInt32Array::from_iter_values(documents().map(|document| document.cluster_size))),
        strings(rows, |row| row.document.page_kind.map(PageKind::name)),
        strings(rows, |row| row.document.series_id.as_deref()),
        Arc::new(UInt32Array::from_iter_values(documents().map(|document| document.series_size))),
    ];
    if rejected {
        columns.push(strings(rows, |row| row.reason.as_ref().map(|reason| reason.stage)));
        columns.push(strings(rows, |row| row.reason.as_ref().map(|reason| reason.reason)));
        columns.push(strings(rows, |row| row.reason.as_ref().map(|reason| reason.found.as_str())));
        columns.push(strings(rows, |row| row.reason.as_ref().map(|reason| reason.limit.as_str())));
    }
    RecordBatch::try_new(schema(rejected), columns).expect("columns in the order and of the types of `schema`")
}

fn rows_of(batch: &RecordBatch, path: &Path) -> Result<Vec<Row>> {
    let refuse = |place: &str, expected: &str| Error::Input {
        path: path.to_owned(),
        place: format!("column {place}"),
        found: "none of that type".to_owned(),
        expected: expected.to_owned(),
    };
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| refuse(name, "a column of that name"));
    let strings = |name: &str| column(name)?.as_string_opt::<i32>().cloned().ok_or_else(|| refuse(name, "text (utf8)"));
    let (id, language, title, text) = (strings("id")?, strings("language")?, strings("title")?, strings("text")?);
    let (source, url, timestamp) = (strings("source")?, strings("url")?, strings("timestamp")?);
    let (licence, identified, cluster) = (strings("licence")?, strings("identified")?, strings("cluster_id")?);
    let score = column("identification_score")?;
    let score = score.as_primitive_opt::<Float32Type>().ok_or_else(|| refuse("identification_score", "f32"))?;
    let size = column("cluster_size")?;
    let size = size.as_primitive_opt::<UInt32Type>().ok_or_else(|| refuse("cluster_size", "u32"))?;
    let (kind, series) = (strings("page_kind")?, strings("series_id")?);
    let pages = column("series_size")?;
    let pages = pages.as_primitive_opt::<UInt32Type>().ok_or_else(|| refuse("series_size", "u32"))?;
    let kind_of = |name: String| PageKind::of_name(&name).ok_or_else(|| refuse("page_kind", "a kind of this version"));
    let signals = signals_of(column("signals")?.as_struct_opt().ok_or_else(|| refuse("signals", "a struct"))?)
        .ok_or_else(|| refuse("signals", "a struct of u32 and f32"))?;
    let reason = match batch.column_by_name("reason") {
        Some(_) => Some((strings("stage")?, strings("reason")?, strings("found")?, strings("limit")?)),
        None => None,
    };
    let some = |column: &StringArray, i: usize| column.is_valid(i).then(|| column.value(i).to_owned());
    let mut rows = Vec::with_capacity(batch.num_rows());
    for (i, signals) in signals.into_iter().enumerate() {
        let document = Document {
            id: id.value(i).to_owned(),
            language: language.value(i).parse()?,
            title: some(&title, i),
            text: text.value(i).to_owned(),
            source: source.value(i).to_owned(),
            url: some(&url, i),
            timestamp: some(&timestamp, i),
            licence: some(&licence, i),
            identified: some(&identified, i).map(|tag| tag.parse()).transpose()?,
            identification_score: score.is_valid(i).then(|| score.value(i)),
            signals,
            cluster_id: some(&cluster, i),
            cluster_size: size.value(i),
            page_kind: some(&kind, i).map(kind_of).transpose()?,
            series_id: some(&series, i),
            series_size: pages.value(i),
        };
        let reason = match &reason {
            Some((stage, reason, found, limit)) if reason.is_valid(i) => Some(Reason {
                stage: crate::filter::known(stage.value(i))
                    .ok_or_else(|| refuse("stage", "a stage of this version"))?,
                reason: crate::filter::known(reason.value(i))
                    .ok_or_else(|| refuse("reason", "a reason of this version"))?,
                found: found.value(i).to_owned(),
                limit: limit.value(i).to_owned(),
            }),
            _ => None,
        };
        rows.push(Row { document, reason });
    }
    Ok(rows)
}

fn signals_of(column: &StructArray) -> Option<Vec<Signals>> {
    let mut signals = vec![Signals::default(); column.len()];
    for (name, field) in COUNTS {
        let values = column.column_by_name(name)?.as_primitive_opt::<UInt32Type>()?;
        signals.iter_mut().zip(values.values()).for_each(|(signals, value)| *field(signals) = *value);
    }
    for (name, field) in SHARES {
        let values = column.column_by_name(name)?.as_primitive_opt::<Float32Type>()?;
        signals.iter_mut().zip(values.values()).for_each(|(signals, value)| *field(signals) = *value);
    }
    Some(signals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32, reason: Option<Reason>) -> Row {
        let mut signals = Signals::default();
        COUNTS.iter().enumerate().for_each(|(i, (_, field))| *field(&mut signals) = number + i as u32);
        SHARES.iter().enumerate().for_each(|(i, (_, field))| *field(&mut signals) = 0.01 * (i as f32 + 1.0));
        let document = Document {
            id: format!("wiki:{number}"),
            language: "ltg_Latn".parse().unwrap(),
            title: number.is_multiple_of(2).then(|| format!("Volūda {number}")),
            text: format!("Latgalīšu volūda, {number}.\n\nTei ir volūda."),
            source: "wiki".into(),
            url: None,
            timestamp: Some("2024-01-01T00:00:00Z".into()),
            licence: Some("CC BY-SA 4.0".into()),
            identified: number.is_multiple_of(3).then(|| "lvs_Latn".parse().unwrap()),
            identification_score: number.is_multiple_of(3).then_some(0.25),
            signals,
            cluster_id: None,
            cluster_size: 1,
            page_kind: number.is_multiple_of(2).then_some(PageKind::Stub),
            series_id: number.is_multiple_of(5).then(|| "wiki:0".to_owned()),
            series_size: number,
        };
        Row { document, reason }
    }

    #[test]
    fn what_is_written_is_read_and_the_bytes_are_the_same_twice() {
        let rows: Vec<Row> = (0..50).map(|number| row(number, None)).collect();
        let mut bytes = Vec::new();
        for _ in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            let mut writer = PartsWriter::new(&folder.path().join("ltg_Latn"), false, 1_000);
            rows.iter().for_each(|row| writer.push(row.clone()).unwrap());
            let parts = writer.finish().unwrap();
            assert!(parts.len() > 1);
            assert_eq!(parts.iter().map(|part| part.rows).sum::<u64>(), 50);
            fs::create_dir(folder.path().join("yor_Latn")).unwrap();
            let tag = "ltg_Latn".parse().unwrap();
            assert_eq!(languages(folder.path()).unwrap(), [tag]);
            let back: Vec<Row> = read_rows(folder.path(), tag).unwrap().map(|row| row.unwrap()).collect();
            assert_eq!(back, rows);
            assert_eq!(read(folder.path(), "yor_Latn".parse().unwrap()).unwrap().count(), 0);
            bytes.push(parts.iter().map(|part| fs::read(&part.path).unwrap()).collect::<Vec<_>>());
        }
        assert_eq!(bytes[0], bytes[1]);
    }

    #[test]
    fn a_reason_survives_and_an_abandoned_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unit.parquet");
        let reason = Reason { stage: "filter", reason: "too_short", found: "3".into(), limit: "20".into() };
        let rows = [row(1, Some(reason)), row(2, None)];
        let mut writer = FileWriter::create(&path, true).unwrap();
        rows.iter().for_each(|row| writer.push(row.clone()).unwrap());
        drop(writer);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut writer = FileWriter::create(&path, true).unwrap();
        rows.iter().for_each(|row| writer.push(row.clone()).unwrap());
        writer.finish().unwrap();
        assert_eq!(read_file(&path).map(|row| row.unwrap()).collect::<Vec<_>>(), rows);
        fs::write(&path, b"PAR1 but no more").unwrap();
        assert!(read_file(&path).next().unwrap().is_err());
    }
}
