//! Small models trained on the device: their losses step by step beside those of the same run in f64 on the CPU, a run that
//! is stopped and goes on, and the memory that is left behind.

use super::{Check, difference};
use crate::batch::InMemory;
use crate::checkpoint::step_folder;
use crate::device;
use crate::error::{Error, Result};
use crate::models::decoder::{Decoder, DecoderConfig, Layout};
use crate::nn::backward;
use crate::optimiser::{Gradients, Optimiser, OptimiserSettings};
use crate::parameters;
use crate::precision::Precision;
use crate::random::Key;
use crate::schedule::Schedule;
use crate::train::{self, TrainSettings};
use candle_core::{DType, Device, Tensor};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Split;

/// Relative difference of a loss. Roundings add up over the steps, and AdamW makes much of small gradients.
const LOSS_TOLERANCE: f64 = 2e-4;
/// The same with products in bf16, whose roundings are 2¹⁵ times as coarse.
const BF16_LOSS_TOLERANCE: f64 = 3e-2;
/// What a second run may leave behind, MiB: nothing, but main memory is told in what the allocator keeps.
const LEFT_TOLERANCE: f64 = 16.0;
const STEPS: u64 = 12;
const VOCABULARY: usize = 61;

/// Compares runs of every layout, a resumed one, and memory where the system tells it.
pub fn check(device: &Device, scratch: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    for layout in Layout::ALL {
        let name = format!("training, {}, {STEPS} losses", layout.model_type());
        let f64 = losses(layout, DType::F64, Precision::F32, false, &Device::Cpu);
        let of = |precision, recompute| -> Result<f64> {
            let expected = f64.as_ref().map_err(|error| Error::Settings(error.to_string()))?;
            Ok(apart(&losses(layout, DType::F32, precision, recompute, device)?, expected))
        };
        checks.push(Check::new(name.clone(), LOSS_TOLERANCE, of(Precision::F32, false)));
        checks.push(Check::new(format!("{name}, recomputed blocks"), LOSS_TOLERANCE, of(Precision::F32, true)));
        checks.push(Check::new(name + ", bf16", BF16_LOSS_TOLERANCE, of(Precision::Bf16, false)));
    }
    checks.push(Check::new("checkpoint: resumed is uninterrupted", 0.0, resumed(device, scratch)));
    if device::memory(device).is_some() {
        checks.push(Check::new("memory left by a second run, MiB", LEFT_TOLERANCE, left(device)));
    }
    checks
}

fn config(layout: Layout) -> DecoderConfig {
    DecoderConfig {
        layout,
        vocabulary_size: VOCABULARY,
        hidden_size: 32,
        layers: 2,
        heads: 2,
        intermediate_size: if layout == Layout::Gpt1 { 128 } else { 48 },
        context_length: 16,
        ..Default::default()
    }
}

/// Mean losses of some steps, nats a token, with dropout; the sequences count up, which is soon learnt.
fn losses(layout: Layout, dtype: DType, precision: Precision, recompute: bool, device: &Device) -> Result<Vec<f64>> {
    let (rows, config) = (4, config(layout));
    let mut decoder = Decoder::new(&config, 1, device)?.to_dtype(dtype)?.in_precision(precision);
    decoder.recompute = recompute;
    let mut optimiser = Optimiser::new(&decoder.parameters, OptimiserSettings::default())?;
    let (t, v) = (config.context_length, config.vocabulary_size as u64);
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let start = |row: u64| Key::new(2).below(step * rows + row, v);
        let tokens =
            |shift| (0..rows).flat_map(move |row| (0..t as u64).map(move |i| ((start(row) + i + shift) % v) as u32));
        let ids = Tensor::from_vec(tokens(0).collect(), (rows as usize, t), device)?;
        let targets: Vec<u32> = tokens(1).collect();
        let sum = decoder.loss(&ids, &targets, None, Some(Key::new(3).stream(step)))?.sum;
        losses.push(sum.to_dtype(DType::F64)?.to_scalar::<f64>()? / targets.len() as f64);
        let mut gradients = Gradients::default();
        gradients.add(&decoder.parameters, backward(&sum)?, 1.0 / targets.len() as f64)?;
        gradients.clip(Some(1.0))?;
        optimiser.step(&decoder.parameters, &gradients, 1e-2)?;
    }
    Ok(losses)
}

/// The largest relative difference; infinite where the losses do not fall.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    let (first, last) = (found[0], found[found.len() - 1]);
    if found.iter().any(|loss| loss.is_nan()) || last > 0.9 * first {
        return f64::INFINITY;
    }
    found.iter().zip(expected).map(|(a, b)| (a - b).abs() / b).fold(0.0, f64::max)
}

/// Stops a run after so many steps.
struct Until(AtomicU64, u64);

impl Progress for Until {
    fn begin(&self, _: &str, _: Option<u64>, _: &'static str) {}
    fn advance(&self, units: u64) {
        self.0.fetch_add(units, Ordering::Relaxed);
    }
    fn note(&self, _: &str) {}
    fn end(&self) {}
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= self.1
    }
}

/// The largest difference between what a run at one go and one that was stopped leave in their last checkpoint.
fn resumed(device: &Device, scratch: &Path) -> Result<f64> {
    let tag = "ltg_Latn".parse().expect("a tag");
    let documents = (0..40).map(|i| ((0..30).map(|j| (i * 7 + j) % 50 + 3).collect(), 60)).collect();
    let source = InMemory { documents: [((tag, Split::Train), documents)].into(), vocabulary_size: VOCABULARY };
    let schedule = Schedule { learning_rate: 1e-2, warmup_steps: Some(2), ..Default::default() };
    let settings = TrainSettings { schedule, steps: Some(9), batch_size: 4, average: 0.9, ..Default::default() };
    let train = |folder: &Path, until| {
        let until = Until(AtomicU64::new(0), until);
        let model = DecoderConfig { vocabulary_size: 0, ..config(Layout::Llama) };
        train::run(&model, &settings, (&source, "these"), folder, device, &until)
    };
    let (whole, parts) = (scratch.join("whole"), scratch.join("parts"));
    train(&whole, u64::MAX)?;
    match train(&parts, 4) {
        Err(Error::Interrupted) => {}
        Err(error) => return Err(error),
        Ok(_) => return Err(Error::Settings("the run did not stop when it was asked to".to_owned())),
    }
    train(&parts, u64::MAX)?;
    let mut worst = 0.0f64;
    for file in ["model.safetensors", "optimiser.safetensors"] {
        let read = |folder: &Path| parameters::load(&step_folder(folder, 9).join(file), &Device::Cpu);
        let (whole, parts) = (read(&whole)?, read(&parts)?);
        if !whole.keys().eq(parts.keys()) {
            return Err(Error::Settings(format!("{file}: other tensors in the run that was stopped")));
        }
        for (found, expected) in parts.values().zip(whole.values()) {
            let error = difference(found, expected)?;
            worst = if error.is_nan() { return Ok(error) } else { worst.max(error) };
        }
    }
    Ok(worst)
}

/// How much more memory is held after a second run than after the first, MiB.
fn left(device: &Device) -> Result<f64> {
    let after = || -> Result<f64> {
        losses(Layout::Llama, DType::F32, Precision::F32, false, device)?;
        device.synchronize()?;
        let untold = || Error::Settings("the system does not tell the memory of this device".to_owned());
        Ok(device::memory(device).ok_or_else(untold)?.bytes as f64 / f64::from(1 << 20))
    };
    let first = after()?;
    Ok((after()? - first).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_that_do_not_fall_or_are_no_numbers_are_not_well() {
        assert!((apart(&[4.0, 2.0], &[4.0, 2.1]) - 0.1 / 2.1).abs() < 1e-9);
        assert_eq!(apart(&[4.0, 3.9], &[4.0, 3.9]), f64::INFINITY);
        assert_eq!(apart(&[4.0, f64::NAN, 2.0], &[4.0, 3.0, 2.0]), f64::INFINITY);
    }
}
