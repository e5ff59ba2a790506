//! The stage `model`: token shards in, a Hugging Face folder out, with its figures, its card and what a resume needs.

mod card;
pub mod tokenizer;

use crate::batch::TokenSource;
use crate::error::Result;
use crate::evaluate;
use crate::models::ModelConfig;
use crate::train::{self, TrainSettings};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;
use tongues_pipeline::io::manifest::{self, Manifest, record};
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::{Corpus, Split};
use tongues_pipeline::vocabulary::{Vocabulary, encoder, hugging_face};

/// Version of the folder's format.
pub const FORMAT: u32 = 1;

/// What to train and how: the sections `[model]` and `[training]` of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Sizes.
    pub model: ModelConfig,
    /// Optimiser, batches, stopping.
    pub training: TrainSettings,
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
    let corpus = Corpus::open(tokens)?.with_words(&vocabulary)?;
    let settings = Settings { model: settings.model.with_vocabulary(&vocabulary)?, ..settings.clone() };
    let value = serde_json::to_value(&settings).expect("settings are plain data");
    let inputs = vec![record(&tokens.join(manifest::FILE), "tokens/manifest.json")?, vocabulary.record()];
    let key = Manifest::key_of("model", FORMAT, &value, &inputs);
    if let Some(done) = Manifest::done(output, &key)? {
        return Ok(done);
    }
    if Manifest::read(output)?.is_some() {
        tracing::warn!("{}: made with other settings or tokens; training anew", output.display());
        std::fs::remove_dir_all(output).map_err(FileError::io("remove", output))?;
    }
    let asked = evaluate::Settings { documents: Some(settings.training.test_documents), ..Default::default() };
    let tokens = (&corpus as &dyn TokenSource, inputs[0].sha256.as_str());
    let model = train::run(&settings.model, &settings.training, tokens, output, device, progress)?;
    let figures = model.evaluate(&corpus, Some(&vocabulary), &asked, progress)?;
    figures.write(output)?;
    tokenizer::write(&vocabulary, &settings.model, output)?;
    let card = card::text(&*model, &figures, origin);
    atomic::write(&output.join("README.md"), card.as_bytes())?;
    let names = [
        "README.md",
        "config.json",
        "evaluation.json",
        "model.safetensors",
        hugging_face::FILE,
        encoder::MODEL,
        tokenizer::CONFIG,
    ];
    let outputs = names
        .iter()
        .map(|name| record(&output.join(name), name))
        .collect::<std::result::Result<Vec<_>, tongues_pipeline::Error>>()?;
    let counts = json!({
        "parameters": model.parameters().count(),
        "vocabulary_sha256": vocabulary.sha256(),
        "languages": corpus.languages(),
        "training_tokens": corpus.languages().iter().map(|tag| corpus.split(*tag, Split::Train).total_tokens()).sum::<u64>(),
    });
    let manifest = Manifest { stage: "model".into(), format: FORMAT, key, settings: value, inputs, counts, outputs };
    manifest.write(output)?;
    Ok(manifest)
}
