//! The vocabulary of a run: a SentencePiece unigram model trained on a balanced sample of all languages.
//!
//! Reading order: [`source`] gives the texts, [`sample`] decides which sentences the trainer sees, [`coverage`] which
//! characters, [`trainer`] calls SentencePiece, [`encoder`] uses the result, [`fertility`] measures it, [`halves`] cuts
//! sentences with it and [`hugging_face`] writes it for others; [`fairseq`] reads that of XLM-R. [`language_token`] is what
//! begins a document where a recipe asks for it.

pub mod coverage;
pub mod encoder;
pub mod fairseq;
pub mod fertility;
pub mod halves;
pub mod hugging_face;
pub mod language_token;
pub mod model;
pub mod sample;
pub mod settings;
pub mod source;
pub mod trainer;

pub use encoder::Vocabulary;
pub use fertility::Fertility;
pub use settings::VocabularySettings;

use crate::error::{Error, Result};
use crate::io::atomic;
use crate::io::manifest::{self, FileRecord, Manifest};
use crate::progress::Progress;
use sample::{Sample, Share};
use source::Source;
use std::path::Path;

/// Version of the folder's format.
pub const FORMAT: u32 = 1;

/// Trains on the kept documents of a run and writes `tokenizer.model`, `tokenizer.vocab`, `fertility.json` and the
/// manifest to `output`. Does nothing when `output` already holds the result of these settings and documents.
///
/// # Errors
/// [`Error::Settings`] when the text is too little for the size asked for (the message says the largest that works)
/// or settings make no sense; [`Error::Interrupted`] when asked to stop before or after training proper.
pub fn train(
    documents: &Path,
    settings: &VocabularySettings,
    output: &Path,
    progress: &dyn Progress,
) -> Result<Manifest> {
    let source = source::Folder::open(documents)?;
    train_on(&source, source.inputs(), settings, output, progress)
}

/// [`train`] on any source; `inputs` identify it in the manifest.
pub fn train_on(
    source: &dyn Source,
    inputs: Vec<FileRecord>,
    settings: &VocabularySettings,
    output: &Path,
    progress: &dyn Progress,
) -> Result<Manifest> {
    settings.check()?;
    let mut value = serde_json::to_value(settings).expect("settings are plain data");
    if let Some(settings) = value.as_object_mut().filter(|_| !settings.language_tokens) {
        settings.shift_remove("language_tokens"); // made before there were any, it is not made anew
    }
    let key = Manifest::key_of("vocabulary", FORMAT, &value, &inputs);
    if let Some(done) = Manifest::done(output, &key)? {
        return Ok(done);
    }
    let (model, shares, characters) = fit(source, settings, progress)?;
    let model_path = output.join(encoder::MODEL);
    let vocabulary = Vocabulary::from_bytes(&model, &model_path)?;

    progress.begin("tokens per word", None, "documents");
    let fertility = shares
        .iter()
        .map(|share| fertility::measure(source, share.language, &vocabulary, share.taken, progress))
        .collect::<Result<Vec<Fertility>>>();
    progress.end();
    let fertility = fertility?;

    let mut table = serde_json::to_vec_pretty(&fertility).expect("plain data");
    table.push(b'\n');
    let lines: String = vocabulary.pieces().iter().map(|piece| format!("{}\t{}\n", piece.text, piece.score)).collect();
    Manifest::withdraw(output)?;
    atomic::write(&model_path, &model)?;
    atomic::write(&output.join("tokenizer.vocab"), lines.as_bytes())?;
    atomic::write(&output.join("fertility.json"), &table)?;
    let outputs = ["fertility.json", encoder::MODEL, "tokenizer.vocab"]
        .iter()
        .map(|name| manifest::record(&output.join(name), name))
        .collect::<Result<Vec<_>>>()?;
    let counts = serde_json::json!({
        "size": vocabulary.size(),
        "training_sentences": shares.iter().map(|share| share.taken).sum::<u64>(),
        "characters": characters.distinct,
        "characters_kept": characters.len(),
        "languages": shares.iter().map(|share| (share.language.to_string(), serde_json::json!({
            "sentences": share.sentences, "training_sentences": share.taken,
        }))).collect::<serde_json::Map<_, _>>(),
    });
    let manifest =
        Manifest { stage: "vocabulary".into(), format: FORMAT, key, settings: value, inputs, counts, outputs };
    manifest.write(output)?;
    Ok(manifest)
}

/// Model bytes, what was taken of each language, and the characters kept.
fn fit(
    source: &dyn Source,
    settings: &VocabularySettings,
    progress: &dyn Progress,
) -> Result<(Vec<u8>, Vec<Share>, coverage::Kept)> {
    progress.begin("counting sentences", None, "documents");
    let shares = sample::plan(source, settings.alpha, settings.maximum_sentences, settings.seed, progress);
    progress.end();
    let shares = shares?;
    if shares.iter().all(|share| share.taken == 0) {
        return Err(Error::Settings("vocabulary: no text to train on".to_owned()));
    }

    progress.begin("counting characters", None, "documents");
    let mut counts = coverage::Counts::default();
    let counted = Sample::new(source, &shares, settings.seed, progress)
        .try_for_each(|sentence| sentence.map(|sentence| counts.add(&sentence)));
    progress.end();
    counted?;
    let characters = counts.kept(settings.coverage, settings.coverage_han, settings.script_floor);

    progress.begin("training the vocabulary", None, "documents");
    let mut sentences = Sample::new(source, &shares, settings.seed, progress)
        .map(|sentence| sentence.map(|sentence| characters.apply(&sentence)))
        .filter(|sentence| !sentence.as_ref().is_ok_and(String::is_empty));
    let model = trainer::train(&settings.arguments(&source.languages()?), &mut sentences);
    drop(sentences);
    progress.end();
    Ok((model?, shares, characters))
}

#[cfg(test)]
pub(crate) mod tests;
