//! Tables of separated values (TSV, CSV): a row is a document, a quoted field may hold line breaks.

use super::bytes::Text;
use super::{Format, Item, Raw, ReadSettings};
use crate::error::{Error, Result};
use std::path::Path;

/// A table being read.
pub(super) struct Rows {
    records: csv::StringRecordsIntoIter<Text>,
    text: usize,
    id: Option<usize>,
    title: Option<usize>,
    url: Option<usize>,
    timestamp: Option<usize>,
    row: u64,
}

impl Rows {
    /// Reads the head. An error: no table at all, or a column that is not there.
    pub(super) fn open(path: &Path, text: Text, format: Format, settings: &ReadSettings) -> Result<Rows> {
        let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text);
        let columns: Vec<String> =
            reader.headers().map_err(Error::format(path))?.iter().map(|name| name.trim().to_owned()).collect();
        let column = |name: &str| {
            columns.iter().position(|column| column == name).ok_or_else(|| Error::Input {
                path: path.to_owned(),
                place: "line 1".to_owned(),
                found: format!("the columns {}", columns.join(", ")),
                expected: format!("a column `{name}`; set `text_column` if it has another name"),
            })
        };
        let optional = |name: &Option<String>| name.as_deref().map(column).transpose();
        Ok(Rows {
            text: column(&settings.text_column)?,
            id: optional(&settings.id_column)?,
            title: optional(&settings.title_column)?,
            url: optional(&settings.url_column)?,
            timestamp: optional(&settings.timestamp_column)?,
            records: reader.into_records(),
            row: 0,
        })
    }

    /// Documents are numbered by row, from 1, where no column has their id.
    pub(super) fn next(&mut self) -> Option<Item> {
        let record = self.records.next()?;
        self.row += 1;
        let place = |row: u64| format!("row {row}");
        Some(match record {
            Err(error) => Item::Failed { place: place(self.row), cause: error.to_string() },
            Ok(record) => {
                let field = |at: Option<usize>| at.and_then(|at| record.get(at)).map(str::to_owned);
                match field(Some(self.text)) {
                    None => Item::Failed {
                        place: place(self.row),
                        cause: format!("{} fields; the text is field {}", record.len(), self.text + 1),
                    },
                    Some(text) if text.trim().is_empty() => Item::Skipped("empty"),
                    Some(text) => {
                        let mut raw = Raw::plain(self.row, text);
                        raw.id = field(self.id).unwrap_or(raw.id);
                        (raw.title, raw.url, raw.timestamp) =
                            (field(self.title), field(self.url), field(self.timestamp));
                        Item::Document(raw)
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(content: &str, settings: &ReadSettings) -> Result<Vec<Item>> {
        let text: Text = Box::new(std::io::Cursor::new(content.as_bytes().to_vec()));
        let mut rows = Rows::open(Path::new("t.tsv"), text, Format::Tsv, settings)?;
        Ok(std::iter::from_fn(|| rows.next()).collect())
    }

    #[test]
    fn a_quoted_line_break_is_part_of_the_text_and_a_short_row_fails() {
        let settings = ReadSettings { id_column: Some("number".to_owned()), ..ReadSettings::default() };
        let found = rows("number\ttext\n7\t\"vīns\ndivi\"\n8\n9\t \n", &settings).unwrap();
        assert_eq!(found[0], Item::Document(Raw::plain(7, "vīns\ndivi".to_owned())));
        assert_eq!(
            found[1],
            Item::Failed { place: "row 2".to_owned(), cause: "1 fields; the text is field 2".to_owned() }
        );
        assert_eq!(found[2..], [Item::Skipped("empty")]);
    }

    #[test]
    fn a_missing_column_is_named_with_those_that_are_there() {
        let error = rows("number\ttweet\n1\ta\n", &ReadSettings::default()).unwrap_err().to_string();
        assert!(error.contains("the columns number, tweet") && error.contains("a column `text`"), "{error}");
    }
}
