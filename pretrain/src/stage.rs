//! The stage `model`: token shards in, a Hugging Face folder out, with its figures, its card and what a resume needs.

mod card;

use crate::batch::{self, TokenSource};
use crate::comparison::mixture::{Mixed, Mixture};
use crate::error::Result;
use crate::evaluate::measurement::Measurement;
use crate::memory::{self, Forecast, Text};
use crate::models::ModelConfig;
use crate::text_source::TextSource;
use crate::tokenizer_files::{self, TOKENIZER_CONFIG};
use crate::train::{self, TrainSettings};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;
use tongues_pipeline::io::manifest::{self, FileRecord, Manifest, record};
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::{Corpus, Split};
use tongues_pipeline::vocabulary::{Vocabulary, encoder, hugging_face};

/// Version of the folder's format.
pub const FORMAT: u32 = 1;

/// What to train and how: the sections `[model]`, `[training]` and `[measurement]` of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Sizes.
    pub model: ModelConfig,
    /// Optimiser, batches, stopping.
    pub training: TrainSettings,
    /// What is said of it in the end.
    pub measurement: Measurement,
    /// What of the text a model of a comparison reads; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixture: Option<Mixture>,
}

/// What the card says of where the text came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Name of the run.
    pub name: String,
    /// What a reader has to know before anything else.
    pub notice: Option<String>,
    /// Sources with the licence they state.
    pub sources: Vec<(String, Option<String>)>,
}

/// Trains on the folder `tokens` with the vocabulary of the folder `vocabulary` and writes `output`. Does nothing when
/// `output` already holds the result of these settings and tokens; goes on where an interrupted run stopped.
///
/// # Errors
/// Tokens of another vocabulary, settings that cannot work, a checkpoint of other settings, a layer without gradient,
/// a loss that is no number, an interruption, files that cannot be read or written.
pub fn run(
    (tokens, vocabulary): (&Path, &Path),
    settings: &Settings,
    origin: &Origin,
    output: &Path,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Manifest> {
    let vocabulary = Vocabulary::load(vocabulary)?;
    let corpus = Corpus::open(tokens)?;
    corpus.check_vocabulary(vocabulary.sha256())?;
    let settings = Settings { model: settings.model.with_vocabulary(&vocabulary)?, ..settings.clone() };
    let (model, training) = (&settings.model, settings.training.of_result());
    let mut value = json!({ "model": model, "training": training, "measurement": settings.measurement });
    if let Some(mixture) = &settings.mixture {
        value["mixture"] = json!(mixture);
    }
    let inputs = vec![record(&tokens.join(manifest::FILE), "tokens/manifest.json")?, vocabulary.record()];
    let key = Manifest::key_of("model", FORMAT, &value, &inputs);
    if let Some(done) = Manifest::done(output, &key)? {
        return Ok(done);
    }
    if let Some(other) = Manifest::read(output)? {
        if is_measured_otherwise(&other, &value, &inputs) {
            Manifest::withdraw(output)?; // the last checkpoint is there: nothing is trained again
        } else {
            tracing::warn!("{}: made with other settings or tokens; training anew", output.display());
            std::fs::remove_dir_all(output).map_err(FileError::io("remove", output))?;
        }
    }
    let mixed = settings.mixture.as_ref().map(|mixture| Mixed::new(&corpus, mixture)).transpose()?;
    let tokens = mixed.as_ref().map_or(&corpus as &dyn TokenSource, |mixed| mixed);
    let source = TextSource { tokens, vocabulary: &vocabulary };
    if device.is_cpu() {
        warn_of_memory(&settings, text(&source), batch::training_bytes(&source));
    }
    let mut tokens_key = inputs[0].sha256.clone();
    if let Some(mixture) = &settings.mixture {
        tokens_key += &format!(" {}", serde_json::to_string(mixture).expect("settings are plain data"));
    }
    let model = train::run(&settings.model, &settings.training, (&source, &tokens_key), output, device, progress)?;
    let figures = model.evaluate(&source, &settings.measurement.settings(), progress)?;
    figures.write(output)?;
    tokenizer_files::write(&vocabulary, &settings.model, output)?;
    let card = card::text(&*model, &vocabulary, &figures, origin);
    atomic::write(&output.join("README.md"), card.as_bytes())?;
    let names = [
        "README.md",
        "config.json",
        "evaluation.json",
        "model.safetensors",
        hugging_face::FILE,
        encoder::MODEL,
        TOKENIZER_CONFIG,
    ];
    let outputs = names
        .iter()
        .map(|name| record(&output.join(name), name))
        .collect::<std::result::Result<Vec<_>, tongues_pipeline::Error>>()?;
    let counts = json!({
        "parameters": model.parameters().count(),
        "vocabulary_sha256": vocabulary.sha256(),
        "languages": source.languages(),
        "training_tokens": source.languages().iter().map(|tag| source.total_tokens(*tag, Split::Train)).sum::<u64>(),
    });
    let manifest = Manifest { stage: "model".into(), format: FORMAT, key, settings: value, inputs, counts, outputs };
    manifest.write(output)?;
    Ok(manifest)
}

/// Whether a finished folder is of the same model and differs in what was measured alone.
fn is_measured_otherwise(other: &Manifest, settings: &Value, inputs: &[FileRecord]) -> bool {
    let without = |settings: &Value| {
        let mut settings = settings.clone();
        settings.as_object_mut().and_then(|settings| settings.shift_remove("measurement"));
        settings
    };
    other.format == FORMAT && other.inputs == inputs && without(&other.settings) == without(settings)
}

/// The training text of a source.
pub fn text(source: &dyn TokenSource) -> Text {
    source.languages().into_iter().fold(Text::default(), |sum, tag| {
        let documents = source.documents(tag, Split::Train) as u64;
        let tokens = source.total_tokens(tag, Split::Train) + 2 * documents;
        Text { documents: sum.documents + documents, tokens: sum.tokens + tokens }
    })
}

/// Says so where training is forecast to take more memory than there is, and what takes less.
fn warn_of_memory(settings: &Settings, text: Text, bytes: u64) {
    let model = &settings.model;
    let training = &settings.training.for_corpus(bytes, model.window());
    let half = model.with_half_the_window();
    let shorter = half.as_ref().map(|(half, way)| (half.sizes(), way.clone()));
    let remedies = memory::remedies(model.sizes(), training, text, true, shorter);
    let forecast = Forecast::new(model.sizes(), training, text, true);
    if let Some(warning) = memory::free().and_then(|free| memory::warning(&forecast, free, &remedies)) {
        tracing::warn!("{warning}");
    }
}
