//! Every figure of the report, read from the files the stages wrote (docs/formats.md).

use crate::error::{Error, Result};
use crate::filter::Limits;
use crate::report::beside::{self, Beside};
use crate::report::samples::{self, Sample};
use crate::vocabulary::Fertility;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What a stage left behind, or in words why there is nothing to show.
#[derive(Debug, Clone, Serialize)]
pub struct Part<T> {
    /// The figures.
    pub found: Option<T>,
    /// A sentence for the reader where they are missing or cannot be read.
    pub missing: String,
}

impl<T> Part<T> {
    fn missing(words: impl Into<String>) -> Part<T> {
        Part { found: None, missing: words.into() }
    }
}

/// All figures of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Name of the run's folder.
    pub name: String,
    /// What a reader has to know before anything else, as the plan says it.
    pub notice: Option<String>,
    /// Counts of the stage `documents`.
    pub documents: Part<DocumentCounts>,
    /// A few kept documents.
    pub kept: Part<Vec<Sample>>,
    /// A few rejected documents, at least one for each reason seen.
    pub rejected: Part<Vec<Sample>>,
    /// Pages of wikis beside their texts; most sources are no wikis.
    pub beside: Part<Beside>,
    /// How the vocabulary cuts each language.
    pub fertility: Part<Vec<Fertility>>,
    /// What training logged.
    pub training: Part<Training>,
    /// Bits per byte on the test split, of a decoder.
    pub evaluation: Part<Evaluation>,
    /// Models of several mixtures of languages; most runs have none.
    pub comparison: Part<Comparison>,
    /// Hidden tokens of the test split, of an encoder.
    pub masked: Part<MaskedEvaluation>,
    /// One for each classifier, by name of its folder.
    pub tasks: Part<Vec<Task>>,
}

/// `counts` of `documents/manifest.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DocumentCounts {
    /// By language tag.
    pub languages: BTreeMap<String, Counts>,
    /// By source of the recipe.
    pub sources: BTreeMap<String, Counts>,
    /// Evaluation sentences found in the documents.
    pub contamination: Option<Contamination>,
    /// Pages of wikis by language and kind, kept or not.
    pub page_kinds: BTreeMap<String, BTreeMap<String, u64>>,
    /// Pages of the same sentences with other numbers and names, by language.
    pub series: BTreeMap<String, Series>,
    /// Lines in another language than their document's, by language of the documents.
    pub foreign_lines: BTreeMap<String, ForeignLines>,
    /// What the filters judged each language by.
    pub limits: BTreeMap<String, Limits>,
    /// What told the documents' languages.
    pub identifier: Option<IdentifierUsed>,
}

/// The identifier of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IdentifierUsed {
    /// The one in the program; else one from texts of the recipe.
    pub in_program: bool,
    /// Languages it knows.
    pub languages: u64,
    /// Languages of the run that it does not know.
    pub unknown: Vec<String>,
}

/// Series of one language.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// Series found.
    pub series: u64,
    /// Pages in them.
    pub pages: u64,
    /// The largest, the greatest first.
    pub largest: Vec<LargeSeries>,
}

/// One series.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LargeSeries {
    /// Of its first page.
    pub id: String,
    /// Of its first page.
    pub title: Option<String>,
    /// How many.
    pub pages: u64,
    /// How the text of its first page begins.
    pub begins: String,
}

/// Lines in other languages, in the documents of one language.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ForeignLines {
    /// Documents with such lines.
    pub documents: u64,
    /// The lines.
    pub lines: u64,
    /// Their characters.
    pub characters: u64,
    /// Lines that were cut out.
    pub cut: u64,
    /// Lines by what they were taken for.
    pub found: BTreeMap<String, u64>,
}

/// One row of the funnel: in = kept + failed + dropped.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Documents that came in.
    #[serde(rename = "in")]
    pub came: u64,
    /// Kept documents.
    pub kept: u64,
    /// Documents that could not be read.
    pub failed: u64,
    /// Dropped documents by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Pages that are no documents, by kind.
    pub skipped: BTreeMap<String, u64>,
    /// UTF-8 bytes kept.
    pub kept_bytes: u64,
    /// Characters kept.
    pub kept_characters: u64,
    /// Words kept.
    pub kept_words: u64,
}

/// Documents that contain evaluation text.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contamination {
    /// Sentences looked for.
    pub evaluation_sentences: u64,
    /// Documents with a whole sentence.
    pub exact: u64,
    /// Documents with thirteen words in a row.
    pub ngram_13: u64,
}

/// `model/training/metrics.jsonl`; after a resume, the last word on each step counts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Training {
    /// In order of steps.
    pub steps: Vec<TrainStep>,
    /// In order of steps.
    pub validation: Vec<ValidationStep>,
    /// Lines that could not be read (a run that was killed cuts its last one).
    pub unreadable_lines: u64,
}

/// A line of kind `train`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrainStep {
    /// Optimiser steps done.
    pub step: u64,
    /// Nats per token.
    pub loss: f64,
    /// Of this step.
    pub learning_rate: Option<f64>,
    /// Before clipping.
    pub gradient_norm: Option<f64>,
    /// Seen so far.
    pub tokens: Option<u64>,
    /// Speed.
    pub tokens_per_second: Option<f64>,
}

/// A line of kind `validation`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ValidationStep {
    /// Optimiser steps done.
    pub step: u64,
    /// Over all languages, of a decoder.
    pub bits_per_byte: Option<f64>,
    /// Over all languages, of an encoder: nats per hidden token.
    pub masked_loss: Option<f64>,
    /// By tag.
    #[serde(default)]
    pub languages: BTreeMap<String, f64>,
}

impl ValidationStep {
    /// The one of the two figures that is there.
    pub fn figure(&self) -> Option<f64> {
        self.bits_per_byte.or(self.masked_loss)
    }
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum MetricsLine {
    Train(TrainStep),
    Validation(ValidationStep),
    /// A step that was not taken.
    Skipped,
    /// How the model goes on with texts; for `tongues watch`.
    Samples,
}

/// `model/evaluation.json` of an encoder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MaskedEvaluation {
    /// Which split.
    pub split: String,
    /// How tokens were hidden.
    pub masks: Masks,
    /// One row a language.
    pub languages: Vec<MaskedLanguageEvaluation>,
}

/// How tokens were hidden.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Masks {
    /// Share of the tokens.
    pub share: f64,
}

/// What an encoder tells of the hidden tokens of one language.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MaskedLanguageEvaluation {
    /// Tag.
    pub language: String,
    /// Documents.
    pub documents: u64,
    /// UTF-8 bytes.
    pub bytes: u64,
    /// Hidden tokens.
    pub masked_tokens: u64,
    /// Nats for each.
    pub masked_loss: f64,
    /// Share that is the likeliest.
    pub masked_accuracy: f64,
    /// Of sentences.
    pub pseudo_likelihood: Option<PseudoLikelihood>,
}

/// The pseudo-log-likelihood of sentences, each token told from all others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PseudoLikelihood {
    /// Over the bytes; not comparable with bits per byte.
    pub pseudo_bits_per_byte: f64,
}

/// `model/evaluation.json` of a decoder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evaluation {
    /// Which split.
    pub split: String,
    /// One row a language.
    pub languages: Vec<LanguageEvaluation>,
}

/// Bits per byte of one language, beside simpler models of the same tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LanguageEvaluation {
    /// Tag.
    pub language: String,
    /// Documents.
    pub documents: u64,
    /// UTF-8 bytes.
    pub bytes: u64,
    /// Tokens.
    pub tokens: u64,
    /// Of the model.
    pub bits_per_byte: f64,
    /// Of token frequencies alone.
    pub unigram_bits_per_byte: Option<f64>,
    /// Of token pairs.
    pub bigram_bits_per_byte: Option<f64>,
    /// Of up to five tokens, smoothed after Kneser and Ney.
    pub kneser_ney_bits_per_byte: Option<f64>,
    /// What second halves of sentences cost.
    pub second_half: Option<SecondHalf>,
    /// What the model has by heart.
    pub memorisation: Option<Memorisation>,
}

/// −log₂ of the probability of a second half given the first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecondHalf {
    /// Sentences.
    pub sentences: u64,
    /// Of the model, mean over sentences.
    pub bits: f64,
    /// Of the Kneser–Ney model.
    pub kneser_ney_bits: Option<f64>,
}

/// How many documents the model goes on with exactly as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memorisation {
    /// Given.
    pub prompt_tokens: u64,
    /// Compared.
    pub continuation_tokens: u64,
    /// Of documents it was trained on.
    pub training: Option<MemorisedShare>,
    /// Of others.
    pub held_out: Option<MemorisedShare>,
}

/// Of some documents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemorisedShare {
    /// Probed.
    pub documents: u64,
    /// Gone on with exactly.
    pub equal: u64,
    /// Tokens before one is another, mean.
    pub mean_equal_tokens: f64,
}

/// `comparison/results.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Comparison {
    /// Tag of the studied language.
    pub language: String,
    /// Its held-out documents.
    pub documents: u64,
    /// UTF-8 bytes of their text.
    pub bytes: u64,
    /// Its training tokens.
    pub training_tokens: u64,
    /// Of an n-gram model of the same text.
    pub kneser_ney_bits_per_byte: Option<f64>,
    /// One for each mixture and length of training.
    pub conditions: Vec<Condition>,
    /// Of every two conditions.
    pub differences: Vec<Difference>,
}

/// A mixture of languages, trained with several seeds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Condition {
    /// Its name.
    pub condition: String,
    /// Tags.
    pub languages: Vec<String>,
    /// Optimiser steps.
    pub steps: u64,
    /// Tokens read.
    pub tokens_seen: u64,
    /// Those of the studied language.
    pub studied_tokens_seen: u64,
    /// Those that are done.
    pub seeds: Vec<u64>,
    /// Of the studied language.
    pub bits_per_byte: Summary,
}

/// One condition less another, seed by seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Difference {
    /// From this.
    pub condition: String,
    /// This is taken away.
    pub reference: String,
    /// Those that both have.
    pub seeds: Vec<u64>,
    /// Below 0 where `condition` is better.
    pub bits_per_byte: Summary,
    /// Seeds with a difference below 0.
    pub lower: u64,
    /// 95 % of the difference over documents.
    pub documents_interval: Option<(f64, f64)>,
}

/// Figures of several seeds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// One a seed.
    pub values: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation.
    pub deviation: f64,
    /// 95 % of the mean, by Student's t.
    pub interval: Option<(f64, f64)>,
}

/// `classifier/NAME/results.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// Folder under `classifier/`.
    #[serde(default)]
    pub name: String,
    /// Task.
    pub task: String,
    /// Tag.
    pub language: String,
    /// Examples.
    pub train: u64,
    /// Examples.
    pub validation: u64,
    /// Examples.
    pub test: u64,
    /// In the order of the confusion matrix.
    pub labels: Vec<String>,
    /// Every method at every number of labels.
    pub methods: Vec<Method>,
}

/// One method with so many labels, over its seeds. Scores are 0 to 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Method {
    /// `majority`, `character_ngrams`, `from_scratch`, `pretrained`.
    pub method: String,
    /// Labelled examples trained on.
    pub labels_used: u64,
    /// One score each.
    pub seeds: Vec<u64>,
    /// Mean over seeds.
    pub accuracy_mean: f64,
    /// Standard deviation over seeds.
    pub accuracy_deviation: f64,
    /// Mean over seeds.
    pub macro_f1_mean: f64,
    /// Standard deviation over seeds.
    pub macro_f1_deviation: f64,
    /// `[truth][predicted]`, summed over seeds.
    #[serde(default)]
    pub confusion: Vec<Vec<u64>>,
}

impl Figures {
    /// Reads what is there, and texts of another program from `other`. Fails only where `run` is no folder or `other` is
    /// not as it should be.
    pub fn read(run: &Path, other: Option<&Path>) -> Result<Figures> {
        let whole = std::fs::canonicalize(run).map_err(Error::io("read", run))?;
        if !whole.is_dir() {
            let (found, expected) = ("a file".into(), "the folder of a run".into());
            return Err(Error::Input { path: run.into(), place: String::new(), found, expected });
        }
        #[derive(Deserialize)]
        struct Plan {
            notice: Option<String>,
        }
        #[derive(Deserialize)]
        struct Stage {
            counts: DocumentCounts,
        }
        let documents: Part<Stage> =
            json(run, "documents/manifest.json", "No documents were prepared in this run yet.");
        let comparison: Part<Comparison> = json(run, "comparison/results.json", "");
        let none = match &comparison.found {
            Some(_) => ["This run compares several models; their figures are below."; 2],
            None => ["No model was trained in this run yet.", "No model of this run was evaluated yet."],
        };
        let (file, missing) = ("model/evaluation.json", none[1]);
        // Only an encoder's file says how tokens were hidden.
        let masked: Part<MaskedEvaluation> = json(run, file, missing);
        let is_masked = masked.found.is_some();
        Ok(Figures {
            name: whole.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned()),
            notice: json::<Plan>(run, "plan.json", "").found.and_then(|plan| plan.notice),
            documents: Part { found: documents.found.map(|stage| stage.counts), missing: documents.missing },
            kept: sampled(run, "documents/kept", samples::kept),
            rejected: sampled(run, "documents/rejected", samples::rejected),
            beside: side_by_side(run, other)?,
            fertility: json(run, "vocabulary/fertility.json", "No vocabulary was trained in this run yet."),
            training: training(run, none[0]),
            evaluation: if is_masked { Part::missing("") } else { json(run, file, missing) },
            masked,
            comparison,
            tasks: tasks(run),
        })
    }
}

/// A JSON file of the run, or the sentence that says why not.
fn json<T: DeserializeOwned>(run: &Path, file: &str, missing: &str) -> Part<T> {
    match std::fs::read(run.join(file)) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(found) => Part { found: Some(found), missing: String::new() },
            Err(cause) => Part::missing(format!("{file} is there but could not be read: {cause}.")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Part::missing(missing),
        Err(error) => Part::missing(format!("{file} is there but could not be read: {error}.")),
    }
}

fn sampled(run: &Path, folder: &str, take: fn(&Path) -> Result<Vec<Sample>>) -> Part<Vec<Sample>> {
    match take(&run.join(folder)) {
        Ok(found) if found.is_empty() => Part::missing(format!("There are no documents in {folder}.")),
        Ok(found) => Part { found: Some(found), missing: String::new() },
        Err(error) => {
            tracing::warn!(%error, folder, "no samples");
            Part::missing(format!("The documents in {folder} could not be read: {}.", cause_alone(&error)))
        }
    }
}

/// Pages of wikis. Only texts of another program, which somebody asked for, can make it fail.
fn side_by_side(run: &Path, other: Option<&Path>) -> Result<Part<Beside>> {
    match (beside::read(&run.join("documents"), other), other) {
        (Ok(None), Some(_)) => {
            Ok(Part::missing("This run has no page of a wiki that another text could stand beside."))
        }
        (Ok(found), _) => Ok(Part { found, missing: String::new() }),
        (Err(error), Some(_)) => Err(error),
        (Err(error), None) => Ok(Part::missing(format!("Pages of wikis could not be read: {}.", cause_alone(&error)))),
    }
}

/// The cause without the path, which says where the reader's disk is and nothing of the run.
fn cause_alone(error: &Error) -> String {
    match error {
        Error::Format { cause, .. } => cause.lines().next().unwrap_or_default().to_owned(),
        Error::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

fn training(run: &Path, none: &str) -> Part<Training> {
    let file = "model/training/metrics.jsonl";
    let bytes = match std::fs::read(run.join(file)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Part::missing(none);
        }
        Err(error) => return Part::missing(format!("{file} is there but could not be read: {error}.")),
    };
    let (mut steps, mut validation, mut unreadable_lines) = (BTreeMap::new(), BTreeMap::new(), 0);
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice(line) {
            Ok(MetricsLine::Train(line)) => drop(steps.insert(line.step, line)),
            Ok(MetricsLine::Validation(line)) => drop(validation.insert(line.step, line)),
            Ok(MetricsLine::Skipped | MetricsLine::Samples) => {}
            Err(_) => unreadable_lines += 1,
        }
    }
    let (steps, validation) = (steps.into_values().collect(), validation.into_values().collect());
    Part { found: Some(Training { steps, validation, unreadable_lines }), missing: String::new() }
}

fn tasks(run: &Path) -> Part<Vec<Task>> {
    let mut names: Vec<String> = std::fs::read_dir(run.join("classifier"))
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for name in names {
        let part: Part<Task> = json(run, &format!("classifier/{name}/results.json"), "");
        problems.extend(Some(part.missing).filter(|words| !words.is_empty()));
        found.extend(part.found.map(|task| Task { name, ..task }));
    }
    if found.is_empty() && problems.is_empty() {
        return Part::missing("No classifier was trained in this run yet.");
    }
    Part { found: Some(found).filter(|tasks| !tasks.is_empty()), missing: problems.join(" ") }
}
