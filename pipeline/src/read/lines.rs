//! Text and JSON lines.

use super::bytes::Text;
use super::damaged::Damaged;
use super::{Format, Item, Raw, ReadSettings};
use crate::error::{Error, Result};
use serde_json::Value;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// A file of lines being read.
pub(super) struct Lines {
    path: PathBuf,
    text: Text,
    format: Format,
    settings: ReadSettings,
    line: u64,
    /// Something was lost before the next line.
    gap: bool,
    ended: bool,
}

impl Lines {
    pub(super) fn new(path: &Path, text: Text, format: Format, settings: &ReadSettings) -> Lines {
        Lines { path: path.to_owned(), text, format, settings: settings.clone(), line: 0, gap: false, ended: false }
    }

    /// Documents are numbered by the line they begin on, from 1.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        let mut gathered = String::new();
        let mut first = 1;
        while !self.ended {
            let mut line = String::new();
            match self.text.read_line(&mut line) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                // What follows a gap is the rest of a line.
                Ok(_) if std::mem::take(&mut self.gap) => {
                    self.line += 1;
                    continue;
                }
                Ok(_) => self.line += 1,
                Err(error) if Damaged::is(&error) && self.format != Format::TextFile => {
                    self.gap = true;
                    return Ok(Some(Item::Failed {
                        place: format!("after line {}", self.line),
                        cause: error.to_string(),
                    }));
                }
                // What was compressed and cut short ends here: a failure of one place, told and over.
                Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied && self.line > 0 => {
                    self.ended = true;
                    let cause = format!("the file cannot be read further: {error}");
                    return Ok(Some(Item::Failed { place: format!("after line {}", self.line), cause }));
                }
                Err(error) => return Err(Error::io("read", &self.path)(error)),
            }
            let blank = line.trim().is_empty();
            match self.format {
                Format::TextLines if !blank => {
                    return Ok(Some(Item::Document(Raw::plain(self.line, line.trim_end().to_owned()))));
                }
                Format::Jsonl if !blank => return Ok(Some(self.object(&line))),
                Format::TextLines | Format::Jsonl => {}
                Format::TextParagraphs if blank && !gathered.is_empty() => break,
                Format::TextParagraphs if blank => {}
                _ => {
                    if gathered.is_empty() {
                        first = self.line;
                    }
                    gathered.push_str(&line);
                }
            }
        }
        let text = gathered.trim_end();
        match self.format {
            _ if gathered.is_empty() => Ok(None),
            _ if text.is_empty() => Ok(Some(Item::Skipped("empty"))),
            Format::TextFile => Ok(Some(Item::Document(Raw::plain(1, text.to_owned())))),
            _ => Ok(Some(Item::Document(Raw::plain(first, text.to_owned())))),
        }
    }

    fn object(&self, line: &str) -> Item {
        let failed = |cause: String| Item::Failed { place: format!("line {}", self.line), cause };
        let value: Value = match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => return failed(format!("no JSON: {error}")),
        };
        let field = |name: &Option<String>| match at(&value, name.as_deref()?)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let wanted = &self.settings.text_column;
        let Some(text) = at(&value, wanted) else {
            return failed(format!("no field {wanted:?}; there is {}", keys(&value)));
        };
        let Some(text) = text.as_str() else {
            return failed(format!("field {wanted:?} is {}; expected a string", kind(text)));
        };
        let id = field(&self.settings.id_column).unwrap_or_else(|| self.line.to_string());
        let mut raw = Raw::plain(id, text.to_owned());
        raw.title = field(&self.settings.title_column);
        raw.url = field(&self.settings.url_column);
        raw.timestamp = field(&self.settings.timestamp_column);
        Item::Document(raw)
    }
}

/// The field of that name, or with dots the field inside of a field: `metadata.url`.
fn at<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        at(value.get(outer)?, inner)
    })
}

fn keys(value: &Value) -> String {
    match value.as_object() {
        Some(object) => object.keys().take(12).map(|key| format!("{key:?}")).collect::<Vec<_>>().join(", "),
        None => format!("no object but {}", kind(value)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Body;
    use super::*;

    fn read(format: Format, text: &'static str, settings: &ReadSettings) -> Vec<String> {
        let mut lines = Lines::new(Path::new("f"), Box::new(text.as_bytes()), format, settings);
        let mut all = Vec::new();
        while let Some(item) = lines.next().unwrap() {
            all.push(match item {
                Item::Document(Raw { id, title, body: Body::Text(text), .. }) => {
                    format!("{id}|{}|{text}", title.unwrap_or_default())
                }
                Item::Failed { place, cause } => format!("{place}: {cause}"),
                other => format!("{other:?}"),
            });
        }
        all
    }

    #[test]
    fn a_bad_line_is_told_with_its_number_and_the_next_one_is_read() {
        let settings = ReadSettings {
            title_column: Some("m.t".to_owned()),
            id_column: Some("id".to_owned()),
            ..ReadSettings::default()
        };
        let text = "{\"text\":\"a\\u0107\",\"m\":{\"t\":\"T\"},\"id\":7}\n\n{\"text\n{\"txt\":\"b\"}\n{\"text\":3}\n{\"text\":\"c\"}";
        let all = read(Format::Jsonl, text, &settings);
        assert_eq!(all[0], "7|T|ać");
        assert!(all[1].starts_with("line 3: no JSON"), "{}", all[1]);
        assert_eq!(all[2], "line 4: no field \"text\"; there is \"txt\"");
        assert_eq!(all[3], "line 5: field \"text\" is a number; expected a string");
        assert_eq!(all[4], "6||c");
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn lines_paragraphs_and_files() {
        let settings = ReadSettings::default();
        let text = "a\r\nb\n\n \nc\n";
        assert_eq!(read(Format::TextLines, text, &settings), ["1||a", "2||b", "5||c"]);
        assert_eq!(read(Format::TextParagraphs, text, &settings), ["1||a\r\nb", "5||c"]);
        assert_eq!(read(Format::TextFile, "a\n\nb\n", &settings), ["1||a\n\nb"]);
        assert_eq!(read(Format::TextFile, " \n", &settings), ["Skipped(\"empty\")"]);
    }
}
