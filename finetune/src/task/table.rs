//! Columns out of a TSV, CSV or JSONL file: the text and, where it is wanted, the label.
//!
//! Fields may be quoted and a quoted field may hold line breaks (MasakhaNEWS); a byte order mark is skipped.

use super::{LABEL_COLUMNS, TEXT_COLUMNS};
use crate::error::{Error, Result};
use std::path::Path;

/// Text and label of a row; `None` where the row has no such field.
pub type Row = (Option<String>, Option<String>);

/// A column to find: what it holds, its name where one is given, the names tried otherwise.
struct Wanted<'a> {
    role: &'static str,
    given: Option<&'a str>,
    guesses: &'a [&'a str],
}

/// The fields of a row, one for each column wanted.
type Fields<const N: usize> = [Option<String>; N];

/// Text and label of all rows of `path`.
///
/// # Errors
/// A file that cannot be read, is not UTF-8, has an unknown ending or lacks a column.
pub fn read(path: &Path, text: Option<&str>, label: Option<&str>) -> Result<Vec<Row>> {
    let text = Wanted { role: "text", given: text, guesses: &TEXT_COLUMNS };
    let label = Wanted { role: "label", given: label, guesses: &LABEL_COLUMNS };
    Ok(fields(path, [text, label])?.into_iter().map(|[text, label]| (text, label)).collect())
}

/// The text of all rows of `path`, which needs no labels; `None` where a row has none.
///
/// # Errors
/// As [`read`].
pub fn texts(path: &Path, text: Option<&str>) -> Result<Vec<Option<String>>> {
    let text = Wanted { role: "text", given: text, guesses: &TEXT_COLUMNS };
    Ok(fields(path, [text])?.into_iter().map(|[text]| text).collect())
}

fn fields<const N: usize>(path: &Path, wanted: [Wanted; N]) -> Result<Vec<Fields<N>>> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let content = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        wrong(path, format!("line {line}"), format!("the byte 0x{:02x}", bytes[error.valid_up_to()]), "UTF-8")
    })?;
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    if content.trim().is_empty() {
        return Err(wrong(path, String::new(), "an empty file".to_owned(), "a table of texts"));
    }
    match ending.as_str() {
        "tsv" => separated(path, content, b'\t', &wanted),
        "csv" => separated(path, content, b',', &wanted),
        "jsonl" | "ndjson" => lines(path, content, &wanted),
        other => Err(wrong(path, String::new(), format!("the ending `{other}`"), "`.tsv`, `.csv` or `.jsonl`")),
    }
}

fn separated<const N: usize>(
    path: &Path,
    content: &str,
    delimiter: u8,
    wanted: &[Wanted; N],
) -> Result<Vec<Fields<N>>> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(content.as_bytes());
    let unreadable = |error: csv::Error| wrong(path, String::new(), error.to_string(), "a table");
    let columns: Vec<String> =
        reader.headers().map_err(unreadable)?.iter().map(|name| name.trim().to_owned()).collect();
    let places = wanted.iter().map(|wanted| column(path, &columns, wanted)).collect::<Result<Vec<usize>>>()?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        rows.push(std::array::from_fn(|i| record.get(places[i]).map(str::to_owned)));
    }
    Ok(rows)
}

fn lines<const N: usize>(path: &Path, content: &str, wanted: &[Wanted; N]) -> Result<Vec<Fields<N>>> {
    let mut names: Option<Vec<String>> = None;
    let mut rows = Vec::new();
    for (number, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_str(line) {
            Ok(object) => object,
            Err(error) if names.is_none() => {
                let place = format!("line {}, column {}", number + 1, error.column());
                return Err(wrong(path, place, error.to_string(), "one JSON object per line"));
            }
            Err(_) => {
                rows.push(std::array::from_fn(|_| None));
                continue;
            }
        };
        // The first line says what the columns are.
        if names.is_none() {
            let columns: Vec<String> = object.keys().cloned().collect();
            let found = wanted.iter().map(|wanted| Ok(columns[column(path, &columns, wanted)?].clone()));
            names = Some(found.collect::<Result<_>>()?);
        }
        let names = names.as_ref().expect("set by the first line");
        rows.push(std::array::from_fn(|i| string(object.get(&names[i]))));
    }
    Ok(rows)
}

/// Strings as they are; numbers and truth values as written; anything else is no field.
fn string(value: Option<&serde_json::Value>) -> Option<String> {
    match value? {
        serde_json::Value::String(text) => Some(text.clone()),
        value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Some(value.to_string()),
        _ => None,
    }
}

/// Index of the given column, or of the first of `guesses` there is.
fn column(path: &Path, columns: &[String], wanted: &Wanted) -> Result<usize> {
    let role = wanted.role;
    let wanted: Vec<&str> = wanted.given.map_or_else(|| wanted.guesses.to_vec(), |given| vec![given]);
    if let Some(index) = wanted.iter().find_map(|name| columns.iter().position(|column| column == name)) {
        return Ok(index);
    }
    let mut nearest: Option<(f64, &String)> = None;
    for candidate in columns {
        let likeness = wanted
            .iter()
            .map(|name| strsim::normalized_damerau_levenshtein(&candidate.to_lowercase(), &name.to_lowercase()))
            .fold(0.0, f64::max);
        // 0.5: at most half of the letters differ.
        if likeness >= 0.5 && nearest.is_none_or(|(best, _)| likeness > best) {
            nearest = Some((likeness, candidate));
        }
    }
    Err(Error::Column {
        path: path.to_owned(),
        role,
        found: columns.to_vec(),
        wanted: wanted.into_iter().map(str::to_owned).collect(),
        nearest: nearest.map(|(_, name)| name.clone()),
    })
}

fn wrong(path: &Path, place: String, found: String, expected: &str) -> Error {
    Error::Input { path: path.to_owned(), place, found, expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, content: &[u8], text: Option<&str>, label: Option<&str>) -> Result<Vec<(String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let blank = |field: Option<String>| field.unwrap_or_else(|| "∅".into());
        Ok(read(&path, text, label)?.into_iter().map(|(text, label)| (blank(text), blank(label))).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(text, label)| (text.to_string(), label.to_string())).collect()
    }

    #[test]
    fn quoted_fields_hold_line_breaks_tabs_and_quotes() {
        let content = "\u{feff}category\ttext\r\nnews\t\"one\ntwo\t\"\"three\"\"\"\r\nsport\ta \"b\" c\r\n";
        let found = rows("a.tsv", content.as_bytes(), None, None).unwrap();
        assert_eq!(found, pairs(&[("one\ntwo\t\"three\"", "news"), ("a \"b\" c", "sport")]));
    }

    #[test]
    fn the_first_guess_there_is_wins_unless_a_column_is_given() {
        let content = b"headline,text,label\nh,t,l\n";
        assert_eq!(rows("a.csv", content, None, None).unwrap(), pairs(&[("t", "l")]));
        assert_eq!(rows("a.csv", content, Some("headline"), None).unwrap(), pairs(&[("h", "l")]));
    }

    #[test]
    fn json_lines_take_numbers_and_count_what_is_broken() {
        let content = "{\"tweet\":\"a\",\"label\":1}\n\n{\"tweet\":null,\"label\":\"x\"}\n{broken\n";
        assert_eq!(
            rows("a.jsonl", content.as_bytes(), None, None).unwrap(),
            pairs(&[("a", "1"), ("∅", "x"), ("∅", "∅")])
        );
    }

    #[test]
    fn a_missing_column_names_what_there_is_and_the_nearest() {
        let error = rows("a.tsv", b"id\ttext\tcatgory\n1\tt\tc\n", None, None).unwrap_err().to_string();
        let tail =
            "no label column: found `id`, `text`, `catgory`; expected `category`, `label`; did you mean `catgory`?";
        assert!(error.contains("a.tsv: ") && error.ends_with(tail), "{error}");
        let error = rows("a.tsv", b"id\ttext\tcategory\n1\tt\tc\n", Some("txt"), None).unwrap_err().to_string();
        assert!(error.ends_with("expected `txt`; did you mean `text`?"), "{error}");
    }

    #[test]
    fn texts_alone_need_no_label_and_keep_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "{\"text\":\"a\"}\n{\"other\":1}\n{\"text\":\"b\"}\n").unwrap();
        assert_eq!(texts(&path, None).unwrap(), [Some("a".to_owned()), None, Some("b".to_owned())]);
        let error = texts(&path, Some("txt")).unwrap_err().to_string();
        assert!(error.ends_with("no text column: found `text`; expected `txt`; did you mean `text`?"), "{error}");
    }

    #[test]
    fn what_is_no_table_says_so() {
        for (name, content, message) in [
            ("a.tsv", &b"text\tlabel\nok\tx\n\xff\ty\n"[..], "a.tsv, line 3: found the byte 0xff; expected UTF-8"),
            ("a.tsv", b" \n", "found an empty file"),
            ("a.xlsx", b"text", "found the ending `xlsx`"),
            ("a.jsonl", b"<html>", "line 1, column 1"),
            ("a.tsv", b"<!DOCTYPE html>\n<html>\n", "no text column: found `<!DOCTYPE html>`"),
        ] {
            let error = rows(name, content, None, None).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let missing = read(Path::new("no/such/file.tsv"), None, None).unwrap_err().to_string();
        assert_eq!(missing, "no/such/file.tsv: cannot read");
    }
}
