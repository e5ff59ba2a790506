//! The stage `documents`: sources become clean documents, kept or rejected with a reason.
//!
//! Map: every 2,000 items of a file are a unit, converted, normalised and judged on all cores and written under
//! `.work/` as Parquet; a unit that is there is not computed again. Reduce: duplicates over all units, then
//! `kept/LANG/` and `rejected/LANG/`, the sums checked, the manifest. Units and parts are functions of settings and
//! inputs, so neither the number of threads nor a kill at any moment changes a byte.

use super::{reduce, units};
use crate::contamination::Index;
use crate::error::{Error, Result};
use crate::filter::FilterSettings;
use crate::filter::language::Identify;
use crate::filter::limits::{Limit, Limits};
use crate::io::atomic;
use crate::io::manifest::{FILE, FileRecord, Manifest, record};
use crate::progress::Progress;
use crate::read::{self, Gathered, Item, ReadSettings};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tongues_languages::identify::{self, CARD, Identifier};
use tongues_languages::{Tag, normalise};

/// Version of what the stage writes.
const FORMAT: u32 = 4;
/// Languages asked of the identifier: the first, and how probable the claimed one is beside it.
const CANDIDATES: usize = 10;
/// Name of the folder of units inside the output.
const WORK: &str = ".work";

/// A file of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// The language its texts are claimed to be in.
    pub language: Tag,
}

/// Files of one origin and one licence, read the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Written into every document; unique.
    pub name: String,
    /// For documents whose format states none.
    pub licence: Option<String>,
    /// How the files are read.
    #[serde(default)]
    pub read: ReadSettings,
    /// The files in order: of equal texts the first stays.
    pub files: Vec<SourceFile>,
}

/// Texts that must not be in the training documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSet {
    /// Named in the reasons.
    pub name: String,
    /// The files.
    pub files: Vec<PathBuf>,
    /// How they are read.
    #[serde(default)]
    pub read: ReadSettings,
    /// For words and sentences; none takes the rules common to all languages.
    #[serde(default)]
    pub language: Option<Tag>,
}

/// How texts are brought into their one spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalisingSettings {
    /// Words that mix Latin and Cyrillic letters which look the same become words of the language's script.
    pub repair_homoglyphs: bool,
}

/// Settings of the stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentsSettings {
    /// In order: of equal texts the first stays.
    pub sources: Vec<Source>,
    /// Spelling.
    pub normalising: NormalisingSettings,
    /// Limits of the filters.
    pub filter: FilterSettings,
    /// File of the identification model; none takes the one in this program.
    pub identifier: Option<PathBuf>,
    /// What to keep out.
    pub evaluation: Vec<EvaluationSet>,
    /// Items of a unit.
    pub unit_items: usize,
    /// Bytes of text (before compression) after which a part ends.
    pub part_bytes: usize,
}

impl Default for DocumentsSettings {
    fn default() -> Self {
        DocumentsSettings {
            sources: Vec::new(),
            normalising: NormalisingSettings::default(),
            filter: FilterSettings::default(),
            identifier: None,
            evaluation: Vec::new(),
            unit_items: 2_000,     // items; some seconds of work, the most a kill can cost
            part_bytes: 256 << 20, // bytes; a part is read by one core in a few seconds
        }
    }
}

/// Runs the stage into `output`; a finished one with the same settings and inputs is left as it is.
pub fn run(settings: &DocumentsSettings, output: &Path, progress: &dyn Progress) -> Result<Manifest> {
    check(settings)?;
    let inputs = inputs(settings)?;
    let settings_value = value(settings)?;
    let key = key(settings, &inputs)?;
    let work = output.join(WORK);
    if let Some(manifest) = Manifest::done(output, &key)? {
        clear(&work)?; // A kill between the manifest and the last line of this function leaves it.
        return Ok(manifest);
    }
    ours(output, &work)?;
    // In this order: there is always a manifest or a folder of units, by which the output is known as ours.
    prepare(&work, &key)?;
    Manifest::withdraw(output)?;

    let identifier = match &settings.identifier {
        Some(path) => Identifier::load(path)?,
        None => Identifier::shipped(),
    };
    let known: BTreeSet<Tag> = identifier.languages().into_iter().collect();
    let top = |text: &str| identifier.top(text, CANDIDATES);
    let knows = |tag: Tag| known.contains(&tag);
    let threshold = |tag: Tag| identifier.threshold(tag);
    let evaluation = evaluation(settings)?;
    let limits = limits(settings, &identifier);
    let judge = units::Judge {
        filter: &settings.filter,
        limits: &limits,
        identify: Identify { top: &top, knows: &knows, threshold: &threshold },
        evaluation: &evaluation,
    };
    let files = units::map(settings, &judge, &work, progress)?;
    let (outputs, mut counts) = reduce::reduce(settings, &files, evaluation.texts(), output, progress)?;
    counts["limits"] = serde_json::json!(limits);
    counts["identifier"] = serde_json::json!({
        "in_program": settings.identifier.is_none(),
        "languages": known.len(),
        "unknown": limits.keys().filter(|tag| !known.contains(*tag)).collect::<Vec<_>>(),
    });

    let manifest = Manifest {
        stage: "documents".to_owned(),
        format: FORMAT,
        key,
        settings: settings_value,
        inputs,
        counts,
        outputs,
    };
    manifest.write(output)?;
    clear(&work)?;
    Ok(manifest)
}

/// The limits of every language of the sources, and where each is from.
fn limits(settings: &DocumentsSettings, identifier: &Identifier) -> BTreeMap<Tag, Limits> {
    let tags = settings.sources.iter().flat_map(|source| source.files.iter().map(|file| file.language));
    let identification = |tag: Tag| match settings.filter.identification_threshold {
        Some(value) => Limit { value, source: "recipe".to_owned() },
        None => {
            let (value, source) = identifier.threshold_and_source(tag);
            Limit { value, source: source.to_owned() }
        }
    };
    let limits = |tag: Tag| Limits { identification: Some(identification(tag)), ..Limits::of(tag, &settings.filter) };
    tags.map(|tag| (tag, limits(tag))).collect()
}

/// What cannot work is refused before any work.
fn check(settings: &DocumentsSettings) -> Result<()> {
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for source in &settings.sources {
        if source.name.is_empty() {
            wrong.push("a source without a name".to_owned());
        }
        if source.name.contains(':') {
            wrong.push(format!("source `{}`: found a colon in its name, with which ids begin", source.name));
        }
        if !names.insert(&source.name) {
            wrong.push(format!("two sources named `{}`; names are part of document ids", source.name));
        }
        if source.files.is_empty() {
            wrong.push(format!("source `{}` has no files", source.name));
        }
    }
    if settings.sources.is_empty() {
        wrong.push("no sources".to_owned());
    }
    if settings.unit_items == 0 || settings.part_bytes == 0 {
        wrong.push("`unit_items` and `part_bytes` are 1 or more".to_owned());
    }
    wrong.extend(settings.filter.check().err().map(|error| error.to_string()));
    if wrong.is_empty() { Ok(()) } else { Err(Error::Settings(wrong.join("; "))) }
}

fn inputs(settings: &DocumentsSettings) -> Result<Vec<FileRecord>> {
    let sources = settings.sources.iter().flat_map(|source| source.files.iter().map(|file| file.path.clone()));
    let evaluation = settings.evaluation.iter().flat_map(|set| set.files.clone());
    // The card beside the model has the thresholds.
    let identifier = settings.identifier.iter().flat_map(|model| [model.clone(), model.with_file_name(CARD)]);
    let files = sources.chain(evaluation).chain(identifier.filter(|path| path.is_file()));
    files.map(|path| record(&path, &path.to_string_lossy())).collect()
}

fn value(settings: &DocumentsSettings) -> Result<serde_json::Value> {
    serde_json::to_value(settings).map_err(|error| Error::Settings(error.to_string()))
}

/// Hashes settings and contents, and of a path only the name, by whose ending a file is read: data and runs may move.
fn key(settings: &DocumentsSettings, inputs: &[FileRecord]) -> Result<String> {
    let mut settings = settings.clone();
    let sources = settings.sources.iter_mut().flat_map(|source| source.files.iter_mut().map(|file| &mut file.path));
    let evaluation = settings.evaluation.iter_mut().flat_map(|set| &mut set.files);
    for path in sources.chain(evaluation).chain(&mut settings.identifier) {
        *path = path.file_name().map(PathBuf::from).unwrap_or_default();
    }
    // Another version of the program may have another identifier.
    let shipped = || PathBuf::from(format!("in the program, {:016x}", identify::shipped_hash()));
    settings.identifier.get_or_insert_with(shipped);
    Ok(Manifest::key_of("documents", FORMAT, &value(&settings)?, inputs))
}

/// Refuses a folder whose `kept` or `rejected`, which this stage would clear, is somebody else's.
fn ours(output: &Path, work: &Path) -> Result<()> {
    if output.join(FILE).exists() || work.exists() {
        return Ok(());
    }
    match reduce::CLEARED.iter().map(|name| output.join(name)).find(|path| path.exists()) {
        None => Ok(()),
        Some(path) => Err(Error::Input {
            path,
            place: String::new(),
            found: "a folder without a manifest beside it, so not of this stage".to_owned(),
            expected: "none, as it would be cleared; delete it or give another `--output`".to_owned(),
        }),
    }
}

/// Keeps the units of a run with the same key, throws away those of another.
fn prepare(work: &Path, key: &str) -> Result<()> {
    let marker = work.join("key");
    if fs::read_to_string(&marker).is_ok_and(|found| found == key) {
        return Ok(());
    }
    if work.exists() {
        for entry in fs::read_dir(work).map_err(Error::io("read", work))? {
            let path = entry.map_err(Error::io("read", work))?.path();
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    atomic::write(&marker, key.as_bytes())
}

fn clear(folder: &Path) -> Result<()> {
    if folder.exists() { fs::remove_dir_all(folder).map_err(Error::io("remove", folder)) } else { Ok(()) }
}

/// Reads the evaluation sets; a record of theirs that cannot be read stops the run, because what is not looked for
/// stays in.
fn evaluation(settings: &DocumentsSettings) -> Result<Index> {
    let mut index = Index::default();
    for set in &settings.evaluation {
        for path in &set.files {
            let mut reader = read::open(path, &set.read)?;
            while let Some(item) = reader.next()? {
                match item {
                    Item::Document(raw) => {
                        let page = read::to_text(&raw, reader.wiki(Gathered::default()).as_ref());
                        index.add(
                            &set.name,
                            &normalise::normalise(&page.text).0,
                            set.language.unwrap_or(Tag::UNDETERMINED),
                        );
                    }
                    Item::Skipped(_) => {}
                    Item::Failed { place, cause } => {
                        let expected = "evaluation texts that can all be read".to_owned();
                        return Err(Error::Input { path: path.clone(), place, found: cause, expected });
                    }
                }
            }
        }
    }
    Ok(index)
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
