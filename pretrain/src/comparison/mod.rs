//! The question of a community with little text: is my language learnt better alone, or together with relatives, and is
//! it they that help or any other text? One model for each mixture of languages and each seed, alike in all but the text.
//!
//! What is equal: the vocabulary, the sizes, the initial values of a seed, the documents of the studied language, and its
//! windows, which come in the same order and at the same learning rates. [`mixture`] says what a model reads,
//! [`condition`] how long, [`results`] what came of it, [`statistics`] how sure that is.

pub mod condition;
pub mod mixture;
pub mod results;
pub mod statistics;

pub use condition::{Condition, Equal};
pub use mixture::Mixture;
pub use results::Results;

use crate::batch;
use crate::error::{Error, Result};
use crate::evaluate::{self, Figures};
use crate::models;
use crate::stage::{self, Origin};
use crate::text_source::TextSource;
use candle_core::Device;
use mixture::Mixed;
use results::Run;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;
use tongues_languages::Tag;
use tongues_pipeline::io::manifest::{self, Manifest, record};
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::{Corpus, Split};
use tongues_pipeline::vocabulary::Vocabulary;

/// Version of the folder's format.
pub const FORMAT: u32 = 1;

/// What is compared: the sections `[comparison]` and `[[mixture]]` of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The language that is studied.
    pub language: Tag,
    /// Names, and the languages of the training text, the studied one with them.
    pub mixtures: Vec<(String, Vec<Tag>)>,
    /// One model of each condition for each.
    pub seeds: Vec<u64>,
    /// What is equal between the studied language alone and a mixture.
    pub equal: Equal,
    /// The studied language's share of the windows in a mixture, above 0 and below 1.
    pub share: f64,
    /// Training tokens of the studied language, at most; none: all.
    pub tokens_limit: Option<u64>,
    /// Training tokens of each other language, at most; none: all.
    pub other_tokens_limit: Option<u64>,
}

impl Comparison {
    fn mixture(&self, languages: &[Tag]) -> Mixture {
        let alone = languages == [self.language];
        Mixture {
            studied: self.language,
            languages: languages.to_vec(),
            share: if alone { 1.0 } else { self.share },
            tokens_limit: self.tokens_limit,
            other_tokens_limit: self.other_tokens_limit.filter(|_| !alone),
        }
    }

    /// Training tokens of the studied language within its limit, with `<s>` and `</s>` of each document, and the bytes of
    /// their text.
    fn own_text(&self, corpus: &Corpus) -> Result<(u64, u64)> {
        let mixture = self.mixture(&[self.language]);
        let own = Mixed::new(corpus, &mixture)?;
        Ok((stage::text(&own).tokens, batch::training_bytes(&own)))
    }
}

/// What a comparison trains, of the tokens that are there.
#[derive(Debug, Clone)]
pub struct Models {
    /// Training tokens of the studied language.
    pub own_tokens: u64,
    /// Optimiser steps that the studied language alone takes for the passes that were asked for.
    pub own_steps: u64,
    /// A model of each, with each seed.
    pub conditions: Vec<Condition>,
    /// The settings with what suits the studied language's text, in all conditions.
    pub settings: stage::Settings,
}

impl Models {
    /// Of a comparison with these settings on these tokens.
    ///
    /// # Errors
    /// A studied language without training text.
    pub fn of(comparison: &Comparison, corpus: &Corpus, settings: &stage::Settings) -> Result<Models> {
        let (own_tokens, own_bytes) = comparison.own_text(corpus)?;
        let window = settings.model.window();
        let settings =
            stage::Settings { training: settings.training.for_corpus(own_bytes, window), ..settings.clone() };
        let own_steps = settings.training.steps_over(own_tokens, window);
        Ok(Models { own_tokens, own_steps, conditions: comparison.conditions(own_steps), settings })
    }

    /// Tokens of a step.
    pub fn tokens_a_step(&self) -> usize {
        let training = &self.settings.training;
        training.batch_size * training.accumulation * self.settings.model.window()
    }
}

/// What the card of one model says.
fn told(origin: &Origin, condition: &Condition, seed: u64) -> Origin {
    let languages: Vec<&str> = condition.mixture.languages.iter().map(Tag::as_str).collect();
    let read =
        format!("One of several models that are compared. Of the text below it has read {}.", languages.join(", "));
    Origin {
        name: format!("{} {} {seed}", origin.name, condition.name),
        notice: Some(origin.notice.iter().cloned().chain([read]).collect::<Vec<_>>().join(" ")),
        sources: origin.sources.clone(),
    }
}

fn no_decoder() -> Error {
    Error::Settings("comparison: the model is an encoder; expected one that has bits per byte".to_owned())
}

/// Trains and measures every condition with every seed, `output/CONDITION/seed-N` each, and writes `results.json`, anew
/// after every model. Models that are there are not trained again; an interrupted one is gone on with.
///
/// # Errors
/// Those of [`stage::run`]; a studied language without training text or held-out documents.
pub fn run(
    (tokens, vocabulary): (&Path, &Path),
    comparison: &Comparison,
    settings: &stage::Settings,
    origin: &Origin,
    output: &Path,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Results> {
    if settings.model.is_bidirectional() {
        return Err(no_decoder());
    }
    let (corpus, words) = (Corpus::open(tokens)?, Vocabulary::load(vocabulary)?);
    let (model, training) = (&settings.model, settings.training.of_result());
    let value =
        json!({ "comparison": comparison, "model": model, "training": training, "measurement": settings.measurement });
    let inputs = vec![record(&tokens.join(manifest::FILE), "tokens/manifest.json")?, words.record()];
    let key = Manifest::key_of("comparison", FORMAT, &value, &inputs);
    if Manifest::done(output, &key)?.is_some() {
        return Results::read(output);
    }
    Manifest::withdraw(output)?;
    let language = comparison.language;
    if corpus.split(language, Split::Test).is_empty() {
        return Err(Error::Settings(format!("{language}: no document in the test split; expected some to measure")));
    }
    let models = Models::of(comparison, &corpus, settings)?;
    let tokens_a_step = models.tokens_a_step() as u64;
    let Models { own_tokens, own_steps, conditions, settings } = models;
    let mut runs: Vec<Run> = Vec::new();
    for &seed in &comparison.seeds {
        for (number, condition) in conditions.iter().enumerate() {
            let (done, all) = (runs.len() + 1, conditions.len() * comparison.seeds.len());
            tracing::info!("comparison: {}, seed {seed}, {} steps ({done} of {all})", condition.name, condition.steps);
            let folder = output.join(&condition.name).join(format!("seed-{seed}"));
            let settings = condition.settings(&settings, own_steps, seed);
            let origin = told(origin, condition, seed);
            stage::run((tokens, vocabulary), &settings, &origin, &folder, device, progress)?;
            let evaluation = match Figures::read(&folder)? {
                Figures::Causal(evaluation) => evaluation,
                Figures::Masked(_) => return Err(no_decoder()),
            };
            let found = evaluation.languages.into_iter().find(|found| found.language == language);
            let figures =
                found.ok_or_else(|| Error::Settings(format!("{language}: held-out documents without text")))?;
            let model = models::load(&folder, device)?;
            let model = model.as_causal().ok_or_else(no_decoder)?;
            let measured = settings.measurement.settings();
            let (at, source) = ((language, measured.split), TextSource { tokens: &corpus, vocabulary: &words });
            let documents = evaluate::document_bits(model, &source, at, &measured, progress)?;
            runs.push(Run { condition: number, seed, figures, documents });
            Results::new(language, own_tokens, tokens_a_step, &conditions, &runs).write(output)?;
        }
    }
    let outputs = vec![record(&output.join(results::FILE), results::FILE)?];
    let counts = json!({ "models": runs.len(), "training_tokens": own_tokens });
    Manifest { stage: "comparison".into(), format: FORMAT, key, settings: value, inputs, counts, outputs }
        .write(output)?;
    Results::read(output)
}
