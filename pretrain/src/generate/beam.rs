//! Beam search: the continuations that are likeliest as a whole, as far as a beam of the best beginnings finds them.
//!
//! Each step goes on from every beginning in the beam with every token and keeps the `width` best beginnings. One that
//! ends with `</s>` among the `width` best of its step is done; when as many are done as the beam is wide, or the number of
//! tokens is reached, the search ends. Whole continuations are compared by log-probability over tokens to the power
//! `length_power`, since sums alone favour the short (Wu et al. 2016, section 7, without its constant 5). These are the
//! rules of `transformers` with `early_stopping`, so the ids are the same; a beam of 1 is the likeliest token each time.

use super::reader::Reader;
use super::{Continuation, Settings, log_probabilities};
use crate::error::{Error, Result};
use tongues_pipeline::progress::Progress;

/// How a beam is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeamSettings {
    /// Beginnings that are followed.
    pub width: usize,
    /// Power of the number of tokens, `</s>` included, that a log-probability is divided by; 0: not at all, 1: the mean.
    pub length_power: f64,
}

impl BeamSettings {
    /// What cannot work.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.width == 0 {
            faults.push("the width of the beam is 0; expected 1 or more".to_owned());
        }
        if !self.length_power.is_finite() {
            faults.push(format!("length_power is {}; expected a number", self.length_power));
        }
        faults
    }

    fn score(&self, log_probability: f64, tokens: usize) -> f64 {
        log_probability / (tokens as f64).powf(self.length_power)
    }
}

/// A beginning with one token more.
struct Step {
    row: usize,
    token: u32,
    log_probability: f64,
}

/// The `count` best steps from rows of `logits`, best first; of equals the one of the better row, then of the lower id.
fn best(beam: &[Continuation], logits: &[Vec<f32>], prompt: &[u32], settings: &Settings, count: usize) -> Vec<Step> {
    let mut all = Vec::new();
    for (row, (beginning, logits)) in beam.iter().zip(logits).enumerate() {
        let forbidden = settings.forbidden(prompt, &beginning.tokens);
        let steps = log_probabilities(logits).into_iter().enumerate().map(|(token, log)| Step {
            row,
            token: token as u32,
            log_probability: beginning.log_probability + log,
        });
        all.extend(steps.filter(|step| step.log_probability > f64::NEG_INFINITY && !forbidden.contains(&step.token)));
    }
    let order = |a: &Step, b: &Step| {
        b.log_probability.total_cmp(&a.log_probability).then(a.row.cmp(&b.row)).then(a.token.cmp(&b.token))
    };
    if count < all.len() {
        all.select_nth_unstable_by(count - 1, order);
        all.truncate(count);
    }
    all.sort_unstable_by(order);
    all
}

/// Continuations of `prompt`, which was read and has these logits; best first, at most as many as the beam is wide.
pub(super) fn search(
    (mut reader, logits): (Box<dyn Reader + '_>, Vec<f32>),
    prompt: &[u32],
    settings: &Settings,
    beam_settings: &BeamSettings,
    progress: &dyn Progress,
) -> Result<Vec<Continuation>> {
    let (width, end) = (beam_settings.width, reader.end());
    let mut beam = vec![Continuation { tokens: Vec::new(), ended: false, log_probability: 0.0 }];
    let mut logits = vec![logits];
    let mut done: Vec<(f64, Continuation)> = Vec::new();
    for length in 1..=settings.tokens {
        let (mut going, mut rows): (Vec<Continuation>, Vec<usize>) = (Vec::new(), Vec::new());
        // Twice as many as are kept: no more than half of them can end.
        for (rank, step) in best(&beam, &logits, prompt, settings, 2 * width).into_iter().enumerate() {
            let mut next = beam[step.row].clone();
            (next.ended, next.log_probability) = (step.token == end, step.log_probability);
            if !next.ended {
                next.tokens.push(step.token);
            }
            if next.ended || length == settings.tokens {
                if rank < width {
                    done.push((beam_settings.score(next.log_probability, length), next));
                }
            } else if going.len() < width {
                going.push(next);
                rows.push(step.row);
            }
        }
        progress.advance(1);
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
        if done.len() >= width || going.is_empty() {
            break;
        }
        reader = reader.select(&rows)?;
        let last: Vec<u32> = going.iter().filter_map(|beginning| beginning.tokens.last().copied()).collect();
        logits = reader.read(&last)?;
        beam = going;
    }
    if done.is_empty() {
        return Err(Error::NoLogits);
    }
    done.sort_by(|(a, _), (b, _)| b.total_cmp(a)); // stable: of equals the one that was done first
    done.truncate(width);
    Ok(done.into_iter().map(|(_, continuation)| continuation).collect())
}
