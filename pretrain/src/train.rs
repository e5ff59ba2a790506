//! The training loop.

use crate::batch::{Sampler, Split, TokenSource};
use crate::checkpoint::{self, State};
use crate::error::{Error, Result};
use crate::evaluate;
use crate::models::decoder::{Decoder, DecoderConfig};
use crate::optimiser::{AdamW, AdamWSettings, Gradients};
use crate::random::Key;
use crate::schedule::Schedule;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::progress::Progress;

/// What a training run is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// The model; a vocabulary size of 0 is taken from the tokens.
    pub model: DecoderConfig,
    /// Seed of initial values, batches and dropout.
    pub seed: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Windows in one backward pass.
    pub batch_size: usize,
    /// Backward passes for one step.
    pub accumulation: usize,
    /// Power of a language's tokens in its share of the batches: 1 as they come, 0 all alike.
    pub alpha: f64,
    /// The learning rate.
    pub schedule: Schedule,
    /// The optimiser.
    pub optimiser: AdamWSettings,
    /// Steps between two looks at the held-out documents.
    pub evaluate_every: u64,
    /// Held-out documents of each language to look at.
    pub evaluate_documents: usize,
    /// Looks without improvement before training stops; none: never.
    pub patience: Option<u32>,
    /// Steps between two checkpoints.
    pub save_every: u64,
}

impl Default for TrainSettings {
    fn default() -> TrainSettings {
        TrainSettings {
            model: DecoderConfig::default(),
            seed: 1,
            steps: 1000,
            batch_size: 8,
            accumulation: 1,
            alpha: 0.5,
            schedule: Schedule::default(),
            optimiser: AdamWSettings::default(),
            evaluate_every: 100,
            evaluate_documents: 64,
            patience: Some(5),
            save_every: 100,
        }
    }
}

/// Trains into `folder` (goes on from the checkpoint there, if any); gives the best model by held-out bits per byte,
/// which is also what `folder` holds in the end.
pub fn run(
    settings: &TrainSettings,
    source: &dyn TokenSource,
    folder: &Path,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Decoder> {
    let mut config = settings.model.clone();
    if config.vocabulary_size == 0 {
        config.vocabulary_size = source.vocabulary_size();
    }
    if config.vocabulary_size != source.vocabulary_size()
        || settings.batch_size * settings.accumulation == 0
        || settings.evaluate_every * settings.save_every == 0
    {
        return Err(Error::Settings(format!(
            "vocabulary_size {} for tokens of {}; batch_size, accumulation, evaluate_every and save_every are 1 or more",
            config.vocabulary_size,
            source.vocabulary_size()
        )));
    }
    let decoder = Decoder::new(&config, settings.seed, device)?;
    let mut optimiser = AdamW::new(&decoder.parameters, settings.optimiser)?;
    let sampler =
        Sampler::new(source, (config.beginning, config.end), config.context_length, settings.alpha, settings.seed)?;
    let fresh = State { step: 0, seed: settings.seed, model: config, best: None, without_improvement: 0, tensors: 0 };
    let mut state = checkpoint::load(folder, settings.seed, &decoder, &mut optimiser)?.unwrap_or(fresh);
    let (began, first) = (Instant::now(), state.step);
    progress.begin("training", Some(settings.steps), "steps");
    progress.advance(state.step);
    loop {
        let due = state.step > first || state.step == 0;
        if due && (state.step.is_multiple_of(settings.evaluate_every) || state.step == settings.steps) {
            look(&decoder, source, settings, &mut state, folder)?;
        }
        let stop =
            state.step >= settings.steps || settings.patience.is_some_and(|most| state.without_improvement >= most);
        if stop || progress.interrupted() || state.step > first && state.step.is_multiple_of(settings.save_every) {
            checkpoint::save(folder, state.clone(), &decoder, &optimiser)?;
        }
        if stop {
            break;
        }
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
        state.step += 1;
        let rate = settings.schedule.at(state.step, settings.steps);
        let (loss, norm, tokens) = step(&decoder, &mut optimiser, &sampler, settings, state.step, rate)?;
        let seconds = began.elapsed().as_secs_f64() / (state.step - first) as f64;
        let (speed, left) = (tokens as f64 / seconds, seconds * (settings.steps - state.step) as f64);
        log(
            folder,
            json!({ "kind": "train", "step": state.step, "loss": loss, "learning_rate": rate, "gradient_norm": norm,
            "tokens": tokens as u64 * state.step, "tokens_per_second": speed, "memory_bytes": memory(), "seconds_left": left }),
        )?;
        progress.advance(1);
        progress.note(&format!("loss {loss:.3}, {speed:.0} tokens/s, {} MiB, {left:.0} s left", memory() >> 20));
    }
    progress.end();
    Decoder::load(folder, device)
}

/// One optimiser step: mean loss in nats per token, gradient norm, tokens.
fn step(
    decoder: &Decoder,
    optimiser: &mut AdamW,
    sampler: &Sampler,
    settings: &TrainSettings,
    step: u64,
    rate: f64,
) -> Result<(f64, f64, usize)> {
    let (rows, t) = (settings.batch_size, decoder.config.context_length);
    let tokens = rows * settings.accumulation * t;
    let (mut gradients, mut sum) = (Gradients::default(), 0.0);
    for part in 0..settings.accumulation as u64 {
        let number = (step - 1) * settings.accumulation as u64 + part;
        let batch = sampler.batch(number, rows);
        let ids = Tensor::from_vec(batch.ids, (rows, t), decoder.head().device())?;
        let key = Key::new(settings.seed).named("dropout").stream(number);
        let loss = decoder.loss(&ids, &batch.targets, None, Some(key))?.sum;
        sum += f64::from(loss.to_scalar::<f32>()?);
        let store = loss.backward()?;
        if step == 1 && part == 0 && sum.is_finite() {
            decoder.parameters.check_gradients(&store)?;
        }
        gradients.add(&decoder.parameters, &store, 1.0 / tokens as f64)?;
    }
    let loss = sum / tokens as f64;
    if !loss.is_finite() {
        return Err(Error::Diverged { step, loss });
    }
    Ok((loss, optimiser.step(&decoder.parameters, &gradients, rate)?, tokens))
}

/// Says nothing and is not stopped.
struct Uninterrupted;

impl Progress for Uninterrupted {
    fn begin(&self, _: &str, _: Option<u64>, _: &'static str) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
    fn interrupted(&self) -> bool {
        false
    }
}

/// Held-out bits per byte; a model better than all before it is written to `folder`. Never interrupted half-way: a
/// checkpoint without this look would go on differently from a run that had it.
fn look(
    decoder: &Decoder,
    source: &dyn TokenSource,
    settings: &TrainSettings,
    state: &mut State,
    folder: &Path,
) -> Result<()> {
    let documents = Some(settings.evaluate_documents);
    let by_language = evaluate::bits_per_byte(decoder, source, Split::Validation, documents, &Uninterrupted)?;
    if by_language.is_empty() {
        return decoder.save(folder); // nothing held out: the last model is the best
    }
    let mean = by_language.iter().map(|(_, bits)| bits).sum::<f64>() / by_language.len() as f64;
    let languages: serde_json::Map<String, Value> =
        by_language.iter().map(|(tag, bits)| (tag.to_string(), json!(bits))).collect();
    log(folder, json!({ "kind": "validation", "step": state.step, "bits_per_byte": mean, "languages": languages }))?;
    if state.best.is_none_or(|best| mean < best) {
        (state.best, state.without_improvement) = (Some(mean), 0);
        decoder.save(folder)
    } else {
        state.without_improvement += 1;
        Ok(())
    }
}

fn log(folder: &Path, line: Value) -> Result<()> {
    let path = folder.join("training/metrics.jsonl");
    std::fs::create_dir_all(folder.join("training")).map_err(FileError::io("create", folder))?;
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(FileError::io("write", &path))?;
    Ok(writeln!(file, "{line}").map_err(FileError::io("write", &path))?)
}

/// Resident memory of this process, bytes; 0 where the system does not tell.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 4096
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::InMemory;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Interrupts after so many steps.
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

    fn source() -> InMemory {
        let tag = "ltg_Latn".parse().unwrap();
        let texts: Vec<_> = (0..40).map(|i| ((0..12).map(|j| 3 + (i + j) % 8).collect(), 20)).collect();
        InMemory {
            documents: [((tag, Split::Train), texts.clone()), ((tag, Split::Validation), texts[..4].to_vec())].into(),
            vocabulary_size: 12,
        }
    }

    fn settings() -> TrainSettings {
        let model = DecoderConfig {
            hidden_size: 16,
            layers: 1,
            heads: 2,
            intermediate_size: 24,
            context_length: 8,
            ..Default::default()
        };
        let schedule = Schedule { learning_rate: 1e-2, warmup_steps: 2, final_share: 0.1 };
        TrainSettings {
            model,
            steps: 12,
            batch_size: 4,
            accumulation: 2,
            schedule,
            evaluate_every: 4,
            save_every: 5,
            ..Default::default()
        }
    }

    #[test]
    fn resumed_is_uninterrupted_bit_for_bit_and_the_model_learns() {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let train =
            |folder: &Path, until| run(&settings(), &source(), folder, &Device::Cpu, &Until(AtomicU64::new(0), until));
        train(whole.path(), 99).unwrap();
        assert!(matches!(train(parts.path(), 7), Err(Error::Interrupted)));
        train(parts.path(), 99).unwrap();
        for file in ["model.safetensors", "training/state.safetensors", "training/state.json"] {
            assert_eq!(
                std::fs::read(whole.path().join(file)).unwrap(),
                std::fs::read(parts.path().join(file)).unwrap(),
                "{file}"
            );
        }
        let lines = std::fs::read_to_string(whole.path().join("training/metrics.jsonl")).unwrap();
        let bits: Vec<f64> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter_map(|line| line["bits_per_byte"].as_f64())
            .collect();
        assert!(bits.len() == 4 && bits[3] < bits[0] - 0.2, "{bits:?}");
        let other = TrainSettings { seed: 2, ..settings() };
        let error = run(&other, &source(), whole.path(), &Device::Cpu, &Until(AtomicU64::new(0), 99)).unwrap_err();
        assert!(error.to_string().contains("seed: found 1; expected 2"), "{error}");
    }
}
