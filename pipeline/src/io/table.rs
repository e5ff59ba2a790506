//! Rows of somebody else's Parquet file, read batch by batch.

use crate::error::{Error, Result};
use crate::read::{Body, Item, Raw, ReadSettings};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows held in memory at once.
const BATCH_ROWS: usize = 1024;

/// A table being read.
pub struct Rows {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    at: usize,
    row: u64,
    total: u64,
    settings: ReadSettings,
    ended: bool,
}

impl Rows {
    /// Opens a table; every column that the settings name has to be there, and the text has to be text.
    pub fn open(path: &Path, settings: &ReadSettings) -> Result<Rows> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(Error::format(path))?;
        let schema = builder.schema().clone();
        let optional = [&settings.id_column, &settings.title_column, &settings.url_column, &settings.timestamp_column];
        let wanted: Vec<&str> = std::iter::once(settings.text_column.as_str())
            .chain(optional.into_iter().flatten().map(String::as_str))
            .collect();
        for name in &wanted {
            if schema.column_with_name(name).is_none() {
                let there: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                return Err(Error::Input {
                    path: path.to_owned(),
                    place: "columns".to_owned(),
                    found: there.join(", "),
                    expected: format!("a column {name:?}"),
                });
            }
        }
        let text = schema.column_with_name(&settings.text_column).expect("looked for above").1;
        if !matches!(text.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            return Err(Error::Input {
                path: path.to_owned(),
                place: format!("column {:?}", settings.text_column),
                found: text.data_type().to_string(),
                expected: "strings".to_owned(),
            });
        }
        let total = builder.metadata().file_metadata().num_rows().max(0) as u64;
        let roots = schema.fields().iter().enumerate().filter(|(_, field)| wanted.contains(&field.name().as_str()));
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots.map(|(at, _)| at));
        let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(Error::format(path))?;
        let (path, settings) = (path.to_owned(), settings.clone());
        Ok(Rows { path, batches, batch: None, at: 0, row: 0, total, settings, ended: false })
    }

    /// The next row. A row without text is skipped; a batch that cannot be decoded is told and ends the file.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Item>> {
        while self.batch.as_ref().is_none_or(|batch| self.at == batch.num_rows()) {
            if self.ended {
                return Ok(None);
            }
            match self.batches.next() {
                None => (self.ended, self.batch) = (true, None),
                Some(Ok(batch)) => (self.at, self.batch) = (0, Some(batch)),
                Some(Err(error)) => {
                    (self.ended, self.batch) = (true, None);
                    let cause = format!("{} cannot be decoded: {error}", self.path.display());
                    return Ok(Some(Item::Failed { place: format!("row {}", self.row), cause }));
                }
            }
        }
        let batch = self.batch.as_ref().expect("filled above");
        let (at, row) = (self.at, self.row);
        self.at += 1;
        self.row += 1;
        let column = |name: &Option<String>| value(batch.column_by_name(name.as_deref()?)?, at);
        let Some(text) = column(&Some(self.settings.text_column.clone())) else {
            return Ok(Some(Item::Skipped("empty")));
        };
        let settings = &self.settings;
        Ok(Some(Item::Document(Raw {
            id: column(&settings.id_column).unwrap_or_else(|| row.to_string()),
            title: column(&settings.title_column),
            url: column(&settings.url_column),
            timestamp: column(&settings.timestamp_column),
            licence: None,
            body: Body::Text(text),
        })))
    }

    /// Share of the rows that have been given out, 0 to 1.
    pub fn share_read(&self) -> f64 {
        if self.total == 0 { 1.0 } else { self.row as f64 / self.total as f64 }
    }
}

/// A string or a whole number as text.
fn value(array: &ArrayRef, at: usize) -> Option<String> {
    if array.is_null(at) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(at).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(at).to_owned(),
        DataType::Utf8View => array.as_string_view().value(at).to_owned(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(at).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(at).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(at).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(at).to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    fn table(path: &Path) {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![10, 11, 12]));
        let body: ArrayRef = Arc::new(StringArray::from(vec![Some("one"), None, Some("three")]));
        let batch = RecordBatch::try_from_iter_with_nullable([("id", id, false), ("body", body, true)]).unwrap();
        let file = File::create(path).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn rows_by_named_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        table(&path);
        let settings = ReadSettings {
            text_column: "body".to_owned(),
            id_column: Some("id".to_owned()),
            ..ReadSettings::default()
        };
        let mut rows = Rows::open(&path, &settings).unwrap();
        let mut seen = Vec::new();
        while let Some(item) = rows.next().unwrap() {
            seen.push(match item {
                Item::Document(raw) => format!("{} {:?}", raw.id, raw.body),
                other => format!("{other:?}"),
            });
        }
        assert_eq!(seen, ["10 Text(\"one\")", "Skipped(\"empty\")", "12 Text(\"three\")"]);
        assert_eq!(rows.share_read(), 1.0);
        assert!(rows.next().unwrap().is_none(), "what has ended stays ended");
    }

    #[test]
    fn a_missing_column_is_told_with_those_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        table(&path);
        let error = Rows::open(&path, &ReadSettings::default()).err().unwrap().to_string();
        assert!(error.contains("found id, body; expected a column \"text\""), "{error}");
    }
}
