//! `tongues predict`: texts in, one line of JSON for each out, in their order. Works in a pipe: what has come is
//! answered before more is waited for.

use crate::args::PredictArguments;
use crate::bars::Bars;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::Path;
use tongues_finetune::results::prediction;
use tongues_finetune::task::table;
use tongues_finetune::{Classifier, Device};
use tongues_pipeline::progress::{Progress, Silent};

/// Texts predicted together at most: large enough for full matrices, small enough to be answered soon.
const AT_ONCE: usize = 64;

/// Predicts every text of the file, or of stdin.
pub fn run(arguments: &PredictArguments) -> Result<()> {
    let opening = || format!("cannot open the classifier {}", arguments.model.display());
    let classifier = Classifier::load(&arguments.model, &Device::Cpu).with_context(opening)?;
    let file = arguments.file.as_deref().filter(|path| *path != Path::new("-"));
    let mut output = Output { classifier, out: BufWriter::new(std::io::stdout().lock()) };
    let ended = match file {
        None if arguments.text_column.is_some() => {
            bail!("`--text-column`: found stdin; expected a FILE that is a table")
        }
        None => lines(BufReader::new(std::io::stdin().lock()), Path::new("stdin"), &mut output, &Silent),
        Some(path) => {
            let bars = Bars::new();
            let reading = || format!("cannot predict {}", path.display());
            let ended = if is_table(path) {
                rows(path, arguments.text_column.as_deref(), &mut output, &bars)
            } else if arguments.text_column.is_some() {
                bail!("`--text-column`: found {}; expected a table, `.tsv`, `.csv` or `.jsonl`", path.display());
            } else {
                let file = File::open(path).with_context(|| format!("{}: cannot read", path.display()))?;
                bars.begin("predicting", None, "lines");
                lines(BufReader::with_capacity(1 << 16, file), path, &mut output, &bars)
            };
            bars.end();
            ended.with_context(reading)
        }
    };
    // Who reads no further (`| head`) has what they wanted.
    match ended {
        Err(error) if is_closed(&error) => Ok(()),
        other => other,
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    let closed = |cause: &std::io::Error| cause.kind() == ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(closed))
}

fn is_table(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    matches!(ending.as_str(), "tsv" | "csv" | "jsonl" | "ndjson")
}

/// Predicts and prints.
struct Output<W: Write> {
    classifier: Classifier,
    out: W,
}

impl<W: Write> Output<W> {
    fn answer(&mut self, texts: &[String], progress: &dyn Progress) -> Result<()> {
        if progress.interrupted() {
            return Err(tongues_pipeline::Error::Interrupted.into());
        }
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let probabilities = self.classifier.predict(&borrowed)?;
        for (text, shares) in texts.iter().zip(&probabilities) {
            let line = serde_json::Value::Object(prediction(text, self.classifier.labels(), shares));
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()?;
        progress.advance(texts.len() as u64);
        Ok(())
    }
}

/// One text a line; an empty line is an empty text. A byte order mark and carriage returns are no part of a text.
fn lines<W: Write>(
    mut input: BufReader<impl std::io::Read>,
    path: &Path,
    output: &mut Output<W>,
    progress: &dyn Progress,
) -> Result<()> {
    let (mut texts, mut number): (Vec<String>, usize) = (Vec::new(), 0);
    loop {
        let mut bytes = Vec::new();
        let read = input.read_until(b'\n', &mut bytes).with_context(|| format!("{}: cannot read", path.display()))?;
        if read > 0 {
            number += 1;
            match text_of(bytes, number) {
                Ok(text) => texts.push(text),
                Err(found) => {
                    // What came before is answered first.
                    output.answer(&texts, progress)?;
                    bail!("{}, line {number}: found {found}; expected UTF-8", path.display());
                }
            }
        }
        // The next line may be long in coming.
        let waiting = !input.buffer().contains(&b'\n');
        if texts.len() >= AT_ONCE || !texts.is_empty() && (waiting || read == 0) {
            output.answer(&texts, progress)?;
            texts.clear();
        }
        if read == 0 {
            return Ok(());
        }
    }
}

fn text_of(mut bytes: Vec<u8>, number: usize) -> std::result::Result<String, String> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        format!("the byte 0x{:02x} at byte {}", error.as_bytes()[place], place + 1)
    })?;
    match text.strip_prefix('\u{feff}').filter(|_| number == 1) {
        Some(rest) => Ok(rest.to_owned()),
        None => Ok(text),
    }
}

/// One text a row of a table; a row without text is an empty one.
fn rows<W: Write>(path: &Path, column: Option<&str>, output: &mut Output<W>, progress: &dyn Progress) -> Result<()> {
    let texts: Vec<String> = table::texts(path, column)?.into_iter().map(Option::unwrap_or_default).collect();
    progress.begin("predicting", Some(texts.len() as u64), "rows");
    texts.chunks(AT_ONCE).try_for_each(|some| output.answer(some, progress))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_ends_and_the_first_its_mark() {
        let text = |bytes: &[u8], number| text_of(bytes.to_vec(), number);
        assert_eq!(text(b"a b \r\n", 2), Ok("a b ".to_owned()));
        assert_eq!(text("\u{feff}a\n".as_bytes(), 1), Ok("a".to_owned()));
        assert_eq!(text("\u{feff}a\n".as_bytes(), 2), Ok("\u{feff}a".to_owned()));
        assert_eq!(text(b"\n", 1), Ok(String::new()));
        assert_eq!(text(b"ab\xff\n", 1), Err("the byte 0xff at byte 3".to_owned()));
    }
}
