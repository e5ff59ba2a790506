//! Samples while training: how the model, at a look, goes on with the beginnings of held-out documents of each language.

use super::Trainer;
use super::look::Uninterrupted;
use crate::error::{Error, Result};
use crate::generate::sampling::Sampling;
use crate::generate::{Strategy, generate, text};
use crate::random::Key;
use serde_json::{Map, Value, json};
use tongues_languages::Tag;
use tongues_pipeline::tokens::Split;
use tongues_pipeline::vocabulary::Vocabulary;

/// Tokens of a document that are given, after `<s>`: enough to say which language it is in.
const PROMPT: usize = 8;

impl Trainer<'_> {
    /// Logs samples of every language. Documents and draws depend on (seed, step) alone and nothing depends on them, so a
    /// run goes on the same with samples and without.
    pub(super) fn sample(&mut self) -> Result<()> {
        let Some(vocabulary) = self.source.vocabulary().filter(|_| self.settings.samples > 0) else { return Ok(()) };
        if self.model.as_causal().is_none() {
            return Ok(()); // it does not go on with a text
        }
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
        let Some(model) = self.model.as_causal() else { return Ok(Vec::new()) };
        let key = Key::new(self.settings.seed).named("samples").stream(self.state.step).named(language.as_str());
        let held_out = self.source.documents(language, Split::Validation) > 0;
        let split = if held_out { Split::Validation } else { Split::Train };
        let documents = self.source.documents(language, split) as u64;
        let mut samples = Vec::new();
        for number in 0..self.settings.samples as u64 {
            if documents == 0 {
                break;
            }
            let document = key.below(2 * number, documents) as usize;
            let mut pieces = self.source.tokens(language, split, document);
            pieces.truncate(self.config.context_length().map_or(PROMPT, |context| PROMPT.min(context - 1)));
            let ids: Vec<u32> = [self.config.special().0].into_iter().chain(pieces.iter().copied()).collect();
            let strategy = Strategy::Sample(Sampling::default());
            let settings = text::settings(vocabulary, strategy, self.settings.sample_tokens, key.bits(2 * number + 1));
            let found = match generate(model, &ids, 0..1, &settings, &Uninterrupted) {
                Err(Error::NoLogits) => continue,
                other => other?,
            };
            let prompt = vocabulary.decode(&pieces);
            for continuation in found {
                let sample = text::sample(vocabulary, &prompt, &pieces, continuation);
                samples.push(json!({ "prompt": sample.prompt, "text": sample.text }));
            }
        }
        Ok(samples)
    }
}
