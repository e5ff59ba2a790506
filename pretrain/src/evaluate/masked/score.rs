//! What a model pays for hidden tokens, and how many of them it tells.

use crate::error::{Error, Result};
use crate::models::encoder::Encoder;
use crate::models::masking::Masked;
use crate::nn::Seen;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use tongues_pipeline::progress::Progress;

/// Tokens in one forward pass, padding included.
const TOKENS_AT_ONCE: usize = 2048;
/// Logits held at once, in numbers.
const LOGITS_AT_ONCE: usize = 1 << 22;

/// Hidden tokens, their nats, and how many are the likeliest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    pub tokens: u64,
    pub nats: f64,
    pub right: u64,
}

/// Windows of like length go together, filled up at the end; what is filled up is not seen.
pub(super) fn score(model: &Encoder, mut windows: Vec<Masked>, progress: &dyn Progress) -> Result<Told> {
    let (mut told, device) = (Told::default(), model.device().clone());
    windows.sort_by_key(|window| window.ids.len());
    while let Some(longest) = windows.last().map(|window| window.ids.len()) {
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
        let rows = (TOKENS_AT_ONCE / longest).clamp(1, windows.len());
        let group = windows.split_off(windows.len() - rows);
        let (mut ids, mut places, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for (row, window) in group.iter().enumerate() {
            let filled = window.ids.iter().copied().chain(std::iter::repeat(model.config.padding)).take(longest);
            ids.extend(filled);
            places.extend(window.places.iter().map(|place| (row * longest) as u32 + place));
            targets.extend(&window.targets);
        }
        let lengths: Vec<usize> = group.iter().map(|window| window.ids.len()).collect();
        let seen = Seen::bidirectional().padded(&lengths, longest)?;
        let states = model.hidden(&Tensor::from_vec(ids, (rows, longest), &device)?, &seen, None)?.flatten(0, 1)?;
        let at_once = (LOGITS_AT_ONCE / model.config.vocabulary_size).max(1);
        for (places, targets) in places.chunks(at_once).zip(targets.chunks(at_once)) {
            let states = states.index_select(&Tensor::new(places, &device)?, 0)?;
            let logits = model.logits(&states)?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
            let rows: Vec<(f64, bool)> = logits
                .to_vec2::<f32>()?
                .par_iter()
                .zip(targets)
                .map(|(logits, target)| tell(logits, *target))
                .collect();
            told.tokens += rows.len() as u64;
            told.nats += rows.iter().map(|(nats, _)| nats).sum::<f64>();
            told.right += rows.iter().filter(|(_, right)| *right).count() as u64;
        }
    }
    Ok(told)
}

/// Nats of the target, and whether no other token is as likely.
pub(super) fn tell(logits: &[f32], target: u32) -> (f64, bool) {
    let right = logits[target as usize];
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    let rivals = logits.iter().filter(|logit| **logit >= right).count();
    (f64::from(most) - f64::from(right) + sum.ln(), rivals == 1)
}
