//! `tongues extract`: dumps and other files to plain text, for whoever wants no more than that.

use crate::args::{ExtractArguments, Modules, Templates};
use crate::bars::Bars;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use tongues_languages::Tag;
use tongues_pipeline::extract::{Counts, Extracted, extract};
use tongues_pipeline::io::atomic::AtomicFile;
use tongues_pipeline::io::documents::{FileWriter, Row};
use tongues_pipeline::read::{Format, ModuleUse, ReadSettings, TemplateUse, files_in, gather_templates};
use tongues_pipeline::wikitext::{Ledger, MarkupSettings};
use tongues_pipeline::{Error, progress::Progress};

/// Kinds of failed calls that the summary names.
const FAILURES: usize = 10;

/// Where the documents go.
enum Output {
    Stdout(BufWriter<std::io::StdoutLock<'static>>),
    Jsonl(AtomicFile),
    Parquet(Box<FileWriter>),
}

/// Extracts every input into one output and says what was in them. An input that cannot be read is told, and is an error
/// when the others were extracted.
pub fn run(arguments: &ExtractArguments) -> Result<()> {
    let bars = Bars::new();
    let mut output = Output::open(arguments.output.as_deref())?;
    let templates = match arguments.templates {
        Templates::Expand => TemplateUse::Expand,
        Templates::Drop => TemplateUse::Drop,
    };
    let modules = match arguments.modules {
        Modules::Run => ModuleUse::Run,
        Modules::Drop => ModuleUse::Drop,
    };
    let mut settings = ReadSettings {
        format: arguments.format,
        templates,
        modules,
        markup: MarkupSettings {
            closing_sections: arguments.closing_sections,
            tables: arguments.tables,
            infoboxes: arguments.infoboxes,
            galleries: arguments.galleries,
            readings: arguments.readings,
            math: arguments.math,
            code: arguments.code,
            variant: arguments.variant,
        },
        html_content: arguments.html,
        encoding: arguments.encoding.clone(),
        ..ReadSettings::default()
    };
    settings.encoding()?;
    arguments.column.iter().try_for_each(|mapping| map_column(&mut settings, mapping))?;
    let language = arguments.language.unwrap_or(Tag::UNDETERMINED);
    let mut counts = Counts::default();
    let mut inputs = Vec::new();
    for path in &arguments.inputs {
        if path.is_dir() {
            let files = files_in(path, arguments.format)?;
            if files.is_empty() {
                bail!("{}: found no file whose name tells that it can be read; --format reads all", path.display());
            }
            inputs.extend(files);
        } else {
            inputs.push(path.clone());
        }
    }
    let files: Vec<_> = inputs.iter().map(|path| (path.as_path(), language, &settings)).collect();
    let stores = gather_templates(&files, &bars).context("cannot gather the templates")?;
    let (mut names, mut unreadable) = (HashMap::new(), 0);
    for (path, gathered) in inputs.iter().zip(stores) {
        let (source, mut written) = (&named(path, &mut names), true);
        let mut each = |document| output.write(document).inspect_err(|_| written = false);
        match extract(path, (&settings, gathered), (source, language), &bars, &mut each) {
            Ok(of_file) => counts.add(&of_file),
            // Who reads no further (`| head`) has what they wanted.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) if written && inputs.len() > 1 && !matches!(error, Error::Interrupted) => {
                unreadable += 1;
                tracing::error!("cannot extract {}: {:#}", path.display(), anyhow::Error::from(error));
            }
            Err(error) => return Err(error).with_context(|| format!("cannot extract {}", path.display())),
        }
    }
    if unreadable == inputs.len() {
        bail!("none of {unreadable} inputs could be read");
    }
    bars.end();
    match output.finish() {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => return Ok(()),
        other => other?,
    }
    let ledger = &counts.templates;
    if ledger.expanded > 0 || !ledger.unexpanded.is_empty() {
        tracing::info!("{}", of_templates(ledger));
    }
    if !counts.page_kinds.is_empty() {
        tracing::info!("{}", of_pages(&counts));
    }
    if ledger.invoked > 0 || !ledger.module_errors.is_empty() {
        tracing::info!("{}", of_modules(ledger));
    }
    if let Some(told) = of_encodings(&counts) {
        tracing::info!("{told}");
    }
    tracing::info!("{}", summary(&counts));
    if counts.documents == 0 {
        bail!("nothing to extract: found {}; expected a document", summary(&counts));
    }
    if unreadable > 0 {
        bail!("{unreadable} of {} inputs could not be read; what is in the others was extracted", inputs.len());
    }
    Ok(())
}

/// Takes in a `text=content`.
fn map_column(settings: &mut ReadSettings, mapping: &str) -> Result<()> {
    let Some((what, column)) = mapping.split_once('=') else {
        bail!("--column {mapping}: expected WHAT=COLUMN, as text=content");
    };
    let column = column.to_owned();
    match what {
        "text" => settings.text_column = column,
        "id" => settings.id_column = Some(column),
        "title" => settings.title_column = Some(column),
        "url" => settings.url_column = Some(column),
        "timestamp" => settings.timestamp_column = Some(column),
        _ => bail!("--column {mapping}: found {what:?}; expected text, id, title, url or timestamp"),
    }
    Ok(())
}

/// A file's name without what says format and compression, with a number where inputs before had the same one: with it
/// the ids of documents begin.
fn named(path: &Path, before: &mut HashMap<String, usize>) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let bare = [".bz2", ".gz", ".xz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let stem = match bare.rsplit_once('.') {
        Some((stem, "tar" | "tgz" | "zip")) => stem,
        Some((stem, _)) if Format::guess(Path::new(bare)).is_some() => stem,
        _ => bare,
    };
    let count = before.entry(stem.to_owned()).and_modify(|count| *count += 1).or_insert(1);
    if *count == 1 { stem.to_owned() } else { format!("{stem}-{count}") }
}

/// `1,234 records: 900 documents (3 without text), 300 redirect, 31 namespace, 0 failed; 5,678 bytes of text`.
fn summary(counts: &Counts) -> String {
    let skipped: String = counts.skipped.iter().map(|(kind, count)| format!(", {count} {kind}")).collect();
    format!(
        "{} records: {} documents ({} without text){skipped}, {} failed; {} bytes of text",
        counts.records(),
        counts.documents,
        counts.without_text,
        counts.failed,
        counts.bytes
    )
}

/// `encodings: 1 files in windows-1257; 3 places could not be decoded`; none where all is sound UTF-8.
fn of_encodings(counts: &Counts) -> Option<String> {
    let files = counts.encodings.iter().map(|(name, count)| format!("{count} files in {name}"));
    let places = (counts.replaced > 0).then(|| format!("{} places could not be decoded", counts.replaced));
    let told: Vec<String> = files.chain(places).collect();
    (!told.is_empty()).then(|| format!("encodings: {}", told.join("; ")))
}

/// `templates: 640 pages expanded with 2310 inclusions; left out: …; 1 pages as they were written (too_deep: 1)`.
fn of_templates(ledger: &Ledger) -> String {
    let unexpanded: u64 = ledger.unexpanded.values().sum();
    let reasons: Vec<String> = ledger.unexpanded.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
    format!(
        "templates: {} pages expanded with {} inclusions; left out: {} missing templates, {} articles in articles, {} modules, \
         {} unknown functions, {} loops; {unexpanded} pages as they were written ({})",
        ledger.expanded,
        ledger.included,
        ledger.missing,
        ledger.articles,
        ledger.modules,
        ledger.unknown,
        ledger.loops,
        if reasons.is_empty() { "no budget was overrun".to_owned() } else { reasons.join(", ") }
    )
}

/// `pages: 640 article, 12 disambiguation; closing sections left out: 210 nūruodis, 105 olūti`.
fn of_pages(counts: &Counts) -> String {
    let kinds: Vec<String> = counts.page_kinds.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
    let mut titles: Vec<(u64, &str)> =
        counts.closing_sections.iter().map(|(title, count)| (*count, title.as_str())).collect();
    titles.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let titles: Vec<String> = titles.into_iter().map(|(count, title)| format!("{count} {title}")).collect();
    let titles = if titles.is_empty() { "none".to_owned() } else { titles.join(", ") };
    format!("pages: {}; closing sections left out: {titles}", kinds.join(", "))
}

/// `modules: 60 calls ran, 3 failed (Math.sum: error: 2, Wikidata: no_module: 1)`, the most frequent failures first.
fn of_modules(ledger: &Ledger) -> String {
    let mut errors: Vec<_> = ledger.module_errors.iter().collect();
    errors.sort_by_key(|(key, count)| (std::cmp::Reverse(**count), *key));
    let failed: u64 = errors.iter().map(|(_, count)| **count).sum();
    let shown: Vec<String> = errors.iter().take(FAILURES).map(|(key, count)| format!("{key}: {count}")).collect();
    let more = if errors.len() > FAILURES { ", …" } else { "" };
    let list = if shown.is_empty() { String::new() } else { format!(" ({}{more})", shown.join(", ")) };
    format!("modules: {} calls ran, {failed} failed{list}", ledger.invoked)
}

impl Output {
    fn open(path: Option<&Path>) -> Result<Output> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Output::Stdout(BufWriter::new(std::io::stdout().lock())));
        };
        Ok(match path.extension().and_then(|end| end.to_str()) {
            Some("jsonl") => Output::Jsonl(AtomicFile::create(path)?),
            Some("parquet") => Output::Parquet(Box::new(FileWriter::create(path, false)?)),
            _ => bail!("--output: found {}; expected a name that ends in .jsonl or .parquet", path.display()),
        })
    }

    fn write(&mut self, document: Extracted) -> tongues_pipeline::Result<()> {
        match self {
            Output::Stdout(out) => line(out, &document).map_err(Error::io("write", Path::new("stdout"))),
            Output::Jsonl(out) => line(out, &document).map_err(|error| Error::io("write", out.path())(error)),
            Output::Parquet(writer) => writer.push(Row { document: document.measured(), reason: None }),
        }
    }

    fn finish(self) -> tongues_pipeline::Result<()> {
        match self {
            Output::Stdout(mut out) => out.flush().map_err(Error::io("write", Path::new("stdout"))),
            Output::Jsonl(out) => out.commit(),
            Output::Parquet(writer) => writer.finish().map(drop),
        }
    }
}

fn line(out: &mut impl Write, document: &Extracted) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, document)?;
    out.write_all(b"\n")
}
