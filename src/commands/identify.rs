//! `tongues identify`: the language of every line, in a pipe too.

use crate::args::IdentifyArguments;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;
use tongues_languages::Tag;
use tongues_languages::identify::{Identifier, MODEL};

/// Labels every line of the files, or of stdin.
pub fn run(arguments: &IdentifyArguments) -> Result<()> {
    let identifier = match &arguments.model {
        None => Identifier::shipped(),
        Some(model) => {
            let path = if model.is_dir() { model.join(MODEL) } else { model.clone() };
            Identifier::load(&path).with_context(|| format!("cannot open the identifier {}", path.display()))?
        }
    };
    let known = identifier.languages();
    let unknown: Vec<&str> =
        arguments.candidates.iter().filter(|tag| !known.contains(tag)).map(|tag| tag.as_str()).collect();
    if !unknown.is_empty() {
        bail!("--candidates: found {}; expected languages the model knows: {}", unknown.join(", "), words(&known));
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    let stdin = [Path::new("-").to_owned()];
    for file in if arguments.files.is_empty() { &stdin[..] } else { &arguments.files } {
        let ended = if file == Path::new("-") {
            lines(BufReader::new(std::io::stdin().lock()), &identifier, arguments, &mut out)
        } else {
            let opened = File::open(file).with_context(|| format!("{}: cannot read", file.display()))?;
            lines(BufReader::with_capacity(1 << 16, opened), &identifier, arguments, &mut out)
        };
        match ended {
            // Who reads no further (`| head`) has what they wanted.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            other => other.with_context(|| format!("cannot identify the lines of {}", file.display()))?,
        }
    }
    Ok(())
}

fn words(tags: &[Tag]) -> String {
    tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(" ")
}

/// What has come is answered before more is waited for.
fn lines(
    mut input: BufReader<impl Read>,
    identifier: &Identifier,
    arguments: &IdentifyArguments,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes)? == 0 {
            return out.flush();
        }
        let line = String::from_utf8_lossy(&bytes); // what is no UTF-8 is in no language either
        let line = line.trim_end_matches(['\n', '\r']);
        let mut found = if arguments.candidates.is_empty() {
            identifier.top(line, usize::from(arguments.top))
        } else {
            identifier.top_among(line, usize::from(arguments.top), &arguments.candidates)
        };
        // Who asks for several wants to see them.
        if !arguments.guess && arguments.top == 1 && !found.is_empty() {
            found = vec![identifier.answer(line, &found)];
        }
        if arguments.json {
            let languages: Vec<_> =
                found.iter().map(|(tag, score)| serde_json::json!({ "language": tag, "score": score })).collect();
            writeln!(out, "{}", serde_json::json!({ "languages": languages, "text": line }))?;
        } else {
            // A line without a word is in no language.
            let found = if found.is_empty() { vec![(Tag::UNDETERMINED, 0.0)] } else { found };
            let pairs: Vec<String> = found.iter().map(|(tag, score)| format!("{tag}\t{score:.4}")).collect();
            writeln!(out, "{}", pairs.join("\t"))?;
        }
        if input.buffer().is_empty() {
            out.flush()?;
        }
    }
}
