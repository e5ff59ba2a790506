//! Samples while training, of each language at a look: how a decoder goes on with the beginnings of held-out documents, and
//! what an encoder tells of hidden words in held-out sentences.

use super::Trainer;
use super::look::Uninterrupted;
use crate::error::{Error, Result};
use crate::fill;
use crate::generate::sampling::Sampling;
use crate::generate::{Strategy, generate, text};
use crate::models::Causal;
use crate::models::encoder::Encoder;
use crate::models::masking::Masking;
use crate::random::Key;
use serde_json::{Map, Value, json};
use tongues_languages::Tag;
use tongues_pipeline::tokens::Split;
use tongues_pipeline::vocabulary::{Vocabulary, halves};

/// Tokens of a document that are given, after what begins it: enough to say which language it is in.
const PROMPT: usize = 8;
/// Share of the tokens of a sentence that is hidden, in whole words, whatever share the model is trained with: that of BERT.
const HIDDEN: f64 = 0.15;
/// Tokens of a sentence that are shown, at most.
const SENTENCE: usize = 48;

impl Trainer<'_> {
    /// Logs samples of every language. Documents and draws depend on (seed, step) alone and nothing depends on them, so a
    /// run goes on the same with samples and without.
    pub(super) fn sample(&mut self) -> Result<()> {
        let Some(vocabulary) = self.source.vocabulary().filter(|_| self.settings.samples > 0) else { return Ok(()) };
        let mut languages = Map::new();
        for language in self.source.languages() {
            let samples = self.samples_of(language, vocabulary)?;
            if !samples.is_empty() {
                languages.insert(language.to_string(), Value::Array(samples));
            }
        }
        self.log(&json!({ "kind": "samples", "step": self.state.step, "languages": languages }))
    }

    /// None where the language has no document; those that a broken model cannot make are left out.
    fn samples_of(&self, language: Tag, vocabulary: &Vocabulary) -> Result<Vec<Value>> {
        let key = Key::new(self.settings.seed).named("samples").stream(self.state.step).named(language.as_str());
        let held_out = self.source.documents(language, Split::Validation) > 0;
        let split = if held_out { Split::Validation } else { Split::Train };
        let documents = self.source.documents(language, split) as u64;
        let beginning = self.source.beginning(language, self.config.special().0);
        let mut samples = Vec::new();
        for number in 0..self.settings.samples as u64 {
            if documents == 0 {
                break;
            }
            let document = key.below(2 * number, documents) as usize;
            let pieces = self.source.tokens(language, split, document);
            let seed = key.bits(2 * number + 1);
            let sample = match (self.model.as_causal(), self.model.as_encoder()) {
                (Some(model), _) => self.continued((model, vocabulary), beginning, pieces, seed)?,
                (_, Some(encoder)) => told((encoder, vocabulary), (language, beginning), &pieces, Key::new(seed))?,
                _ => None,
            };
            samples.extend(sample);
        }
        Ok(samples)
    }

    /// The beginning of a document of these pieces, and what comes after it.
    fn continued(
        &self,
        (model, vocabulary): (&dyn Causal, &Vocabulary),
        beginning: u32,
        mut pieces: Vec<u32>,
        seed: u64,
    ) -> Result<Option<Value>> {
        pieces.truncate(self.config.context_length().map_or(PROMPT, |context| PROMPT.min(context - 1)));
        let ids: Vec<u32> = [beginning].into_iter().chain(pieces.iter().copied()).collect();
        let strategy = Strategy::Sample(Sampling::default());
        let settings = text::settings(vocabulary, strategy, self.settings.sample_tokens, seed);
        let found = match generate(model, &ids, 0..1, &settings, &Uninterrupted) {
            Err(Error::NoLogits) => return Ok(None),
            other => other?,
        };
        let prompt = vocabulary.decode(&pieces);
        let sample = found.into_iter().next().map(|found| text::sample(vocabulary, &prompt, &pieces, found));
        Ok(sample.map(|sample| json!({ "prompt": sample.prompt, "text": sample.text })))
    }
}

/// A sentence of a document, or its beginning where it has none, with some words hidden, and what is told of them.
fn told(
    (encoder, vocabulary): (&Encoder, &Vocabulary),
    (language, beginning): (Tag, u32),
    pieces: &[u32],
    key: Key,
) -> Result<Option<Value>> {
    let config = &encoder.config;
    let mut sentences = halves::sentences(vocabulary, pieces, language);
    let chosen = key.named("sentence").below(0, sentences.len().max(1) as u64) as usize;
    let mut ids = if sentences.is_empty() { pieces.to_vec() } else { sentences.swap_remove(chosen).ids };
    ids.truncate(SENTENCE.min(config.context_length.saturating_sub(2)));
    let whole: Vec<u32> = [beginning].into_iter().chain(ids.iter().copied()).chain([config.end]).collect();
    let masking = Masking { share: HIDDEN, whole_words: true, always: true, ..config.masking() }.sparing([beginning]);
    let begins: Vec<bool> = (0..vocabulary.size() as u32).map(|id| vocabulary.begins_word(id)).collect();
    let masked = masking.hide(&whole, whole.len(), Some(&begins), key.named("words"));
    if masked.places.is_empty() {
        return Ok(None);
    }
    Ok(Some(json!(fill::tell(encoder, vocabulary, &ids, &masked)?)))
}
