//! Text from a language model: one token after another by chance or the likeliest, or by beam search. See [`sampling`],
//! [`beam`]; a [`reader`] keeps what was read, a decoder's ([`window_reader`]) says what happens when the context is full;
//! [`text`] has words for ids.
//!
//! A continuation is a function of (model, prompt, settings, its number): not of how many are asked for, and not of
//! threads.

pub mod beam;
pub mod reader;
pub mod sampling;
pub mod text;
pub mod window_reader;

use crate::error::{Error, Result};
use crate::models::Causal;
use crate::nn::few_rows::FEW;
use crate::random::Key;
use beam::BeamSettings;
use sampling::Sampling;
use std::ops::Range;
use tongues_pipeline::progress::Progress;

/// What is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Tokens of a continuation at most, `</s>` included.
    pub tokens: usize,
    /// How they are chosen.
    pub strategy: Strategy,
    /// No so many tokens stand in a row twice, those of the prompt counted; 0: they may. A small model's likeliest text
    /// soon goes in circles.
    pub no_repeat: usize,
    /// Ids that are never chosen. Their probability is not given to the others: figures are the model's own.
    pub never: Vec<u32>,
    /// Of the random numbers.
    pub seed: u64,
}

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// One after another, each by its probability given those before.
    Sample(Sampling),
    /// Those that are likeliest together.
    Beam(BeamSettings),
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Continuation {
    /// After the prompt; without `</s>`.
    pub tokens: Vec<u32>,
    /// Whether it ended with `</s>`, not with the number of tokens.
    pub ended: bool,
    /// Of the tokens, and of `</s>` where it ended so, given the prompt: nats, by the softmax over the whole vocabulary,
    /// whatever the temperature.
    pub log_probability: f64,
}

impl Settings {
    /// Refuses what cannot work, all faults together.
    pub fn check(&self) -> Result<()> {
        let mut faults = match &self.strategy {
            Strategy::Sample(sampling) => sampling.faults(),
            Strategy::Beam(beam) => beam.faults(),
        };
        if self.tokens == 0 {
            faults.push("tokens is 0; expected 1 or more".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Settings(faults.join("; "))) }
    }

    /// What must not come after `prompt` and `tokens`.
    fn forbidden(&self, prompt: &[u32], tokens: &[u32]) -> Vec<u32> {
        let mut forbidden = self.never.clone();
        if self.no_repeat > 0 {
            let text = [prompt, tokens].concat();
            let begun = &text[(text.len() + 1).saturating_sub(self.no_repeat)..];
            let again = text.windows(self.no_repeat).filter(|row| row[..self.no_repeat - 1] == *begun);
            forbidden.extend(again.map(|row| row[self.no_repeat - 1]));
        }
        forbidden
    }
}

/// Continuations of `prompt`, which begins with `<s>` where the model learnt it so: those with these numbers, from 0. Of a
/// beam, 0 is the best, and there are never more than it is wide.
///
/// # Errors
/// No prompt, or one longer than the model takes; settings that cannot work; an interruption.
pub fn generate(
    model: &dyn Causal,
    prompt: &[u32],
    numbers: Range<usize>,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Vec<Continuation>> {
    settings.check()?;
    let model = model.detached_causal();
    let (begun, logits) = model.reader(prompt, settings.tokens)?;
    match &settings.strategy {
        Strategy::Beam(beam) => {
            let found = beam::search((begun, logits), prompt, settings, beam, progress)?;
            Ok(found.into_iter().take(numbers.end).skip(numbers.start).collect())
        }
        Strategy::Sample(sampling) => {
            let key = Key::new(settings.seed).named("generation");
            let keys: Vec<Key> = numbers.map(|number| key.stream(number as u64)).collect();
            let mut all = Vec::with_capacity(keys.len());
            // So many at once that each is computed as if it were alone.
            for keys in keys.chunks(FEW) {
                all.extend(sampling::draw((&*begun, &logits, prompt), keys, settings, sampling, progress)?);
            }
            Ok(all)
        }
    }
}

/// Logarithms of the softmax, in f64.
pub(crate) fn log_probabilities(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    let log_sum = f64::from(most) + sum.ln();
    logits.iter().map(|logit| f64::from(*logit) - log_sum).collect()
}

#[cfg(test)]
mod tests;
