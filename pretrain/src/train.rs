//! The training loop.

use crate::batch::{Sampler, TokenSource};
use crate::checkpoint::{self, State};
use crate::error::{Error, Result};
use crate::evaluate;
use crate::metrics;
use crate::models::decoder::{Decoder, DecoderConfig};
use crate::optimiser::{AdamW, AdamWSettings, Gradients};
use crate::random::Key;
use crate::schedule::Schedule;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Split;

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainSettings {
    /// Seed of initial values, batches and dropout.
    pub seed: u64,
    /// Passes over as many tokens as there are; more than ten overfit a small corpus (Goldfish, Chang et al. 2024, table 4).
    pub epochs: f64,
    /// Optimiser steps, in place of `epochs`.
    pub steps: Option<u64>,
    /// Windows in one backward pass.
    pub batch_size: usize,
    /// Backward passes for one step.
    pub accumulation: usize,
    /// Power of a language's tokens in its share of the batches: 1 as they come, 0 all alike.
    pub alpha: f64,
    /// The learning rate.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// The optimiser.
    #[serde(flatten)]
    pub optimiser: AdamWSettings,
    /// Steps between two looks at the held-out documents.
    pub evaluate_every: u64,
    /// Held-out documents of each language to look at.
    pub evaluate_documents: usize,
    /// Looks without improvement before training stops; 0: never.
    pub patience: u32,
    /// Steps between two checkpoints.
    pub save_every: u64,
    /// Documents of each language's test split that are measured at the end.
    pub test_documents: usize,
}

impl Default for TrainSettings {
    fn default() -> TrainSettings {
        TrainSettings {
            seed: 1,
            epochs: 5.0,
            steps: None,
            batch_size: 8,
            accumulation: 1,
            alpha: 0.5,
            schedule: Schedule::default(),
            optimiser: AdamWSettings::default(),
            evaluate_every: 100,
            evaluate_documents: 64,
            patience: 5,
            save_every: 100,
            test_documents: 500,
        }
    }
}

impl TrainSettings {
    /// Refuses what cannot work, all faults together.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            ("batch_size", self.batch_size as u64),
            ("accumulation", self.accumulation as u64),
            ("evaluate_every", self.evaluate_every),
            ("save_every", self.save_every),
            ("steps", self.steps.unwrap_or(1)),
        ];
        let mut faults: Vec<String> =
            sizes.iter().filter(|(_, n)| *n == 0).map(|(name, _)| format!("{name} is 0; expected 1 or more")).collect();
        if !(self.epochs.is_finite() && self.epochs > 0.0) {
            faults.push(format!("epochs is {}; expected more than 0", self.epochs));
        }
        faults.extend(self.schedule.faults());
        if !(0.0..=1.0).contains(&self.alpha) {
            faults.push(format!("alpha is {}; expected 0 to 1", self.alpha));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Settings(format!("training: {}", faults.join("; ")))) }
    }

    /// Optimiser steps over `tokens` training tokens with windows of `window` tokens.
    pub fn steps_over(&self, tokens: u64, window: usize) -> u64 {
        let at_once = (self.batch_size * self.accumulation * window) as f64;
        self.steps.unwrap_or_else(|| (self.epochs * tokens as f64 / at_once).ceil().max(1.0) as u64)
    }
}

/// Trains into `folder` (goes on from the checkpoint there, if any); gives the best model by held-out bits per byte,
/// which is also what `folder` holds in the end. A vocabulary size of 0 is taken from the tokens; `tokens_key` says in
/// the checkpoint which tokens these are.
pub fn run(
    model: &DecoderConfig,
    settings: &TrainSettings,
    (source, tokens_key): (&dyn TokenSource, &str),
    folder: &Path,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Decoder> {
    settings.check()?;
    let config = model.for_vocabulary(source.vocabulary_size())?;
    let decoder = Decoder::new(&config, settings.seed, device)?;
    let mut optimiser = AdamW::new(&decoder.parameters, settings.optimiser)?;
    let sampler =
        Sampler::new(source, (config.beginning, config.end), config.context_length, settings.alpha, settings.seed)?;
    let steps = settings.steps_over(sampler.tokens(), config.context_length);
    let asked = json!({ "model": config, "training": settings, "tokens": tokens_key });
    let mut state =
        checkpoint::load(folder, &asked, &decoder, &mut optimiser)?.unwrap_or_else(|| State::new(asked.clone()));
    metrics::cut_after(folder, state.step)?;
    let (began, first) = (Instant::now(), state.step);
    progress.begin("training", Some(steps), "steps");
    progress.advance(state.step);
    loop {
        let due = state.step > first || state.step == 0;
        if due && (state.step.is_multiple_of(settings.evaluate_every) || state.step == steps) {
            look(&decoder, source, settings, &mut state, folder)?;
        }
        let patient = settings.patience == 0 || state.without_improvement < settings.patience;
        let stop = state.step >= steps || !patient;
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
        let rate = settings.schedule.at(state.step, steps);
        let (loss, norm, tokens) = step(&decoder, &mut optimiser, &sampler, settings, state.step, rate)?;
        let seconds = began.elapsed().as_secs_f64() / (state.step - first) as f64;
        let (speed, left) = (tokens as f64 / seconds, seconds * (steps - state.step) as f64);
        let line = json!({ "kind": "train", "step": state.step, "loss": loss, "learning_rate": rate,
            "gradient_norm": norm, "tokens": tokens as u64 * state.step, "tokens_per_second": speed,
            "memory_bytes": metrics::memory(), "seconds_left": left });
        metrics::log(folder, &line)?;
        progress.advance(1);
        progress.note(&format!("loss {loss:.3}, {speed:.0} tokens/s, {} MiB", metrics::memory() >> 20));
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
    let line = json!({ "kind": "validation", "step": state.step, "bits_per_byte": mean, "languages": languages });
    metrics::log(folder, &line)?;
    if state.best.is_none_or(|best| mean < best) {
        (state.best, state.without_improvement) = (Some(mean), 0);
        decoder.save(folder)
    } else {
        state.without_improvement += 1;
        Ok(())
    }
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

    fn model() -> DecoderConfig {
        let sizes = DecoderConfig { hidden_size: 16, layers: 1, heads: 2, intermediate_size: 24, ..Default::default() };
        DecoderConfig { context_length: 8, ..sizes }
    }

    fn settings() -> TrainSettings {
        let schedule = Schedule { learning_rate: 1e-2, warmup_steps: 2, final_share: 0.1, ..Default::default() };
        let sizes = TrainSettings { steps: Some(12), batch_size: 4, accumulation: 2, ..Default::default() };
        TrainSettings { schedule, evaluate_every: 4, save_every: 5, ..sizes }
    }

    fn train(settings: &TrainSettings, folder: &Path, until: u64) -> Result<Decoder> {
        let until = Until(AtomicU64::new(0), until);
        run(&model(), settings, (&source(), "these"), folder, &Device::Cpu, &until)
    }

    #[test]
    fn resumed_is_uninterrupted_bit_for_bit_and_the_model_learns() {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        train(&settings(), whole.path(), 99).unwrap();
        assert!(matches!(train(&settings(), parts.path(), 7), Err(Error::Interrupted)));
        // A kill after step 7: what was logged since then is no longer true.
        metrics::log(parts.path(), &json!({ "kind": "train", "step": 8, "loss": 99.0 })).unwrap();
        train(&settings(), parts.path(), 99).unwrap();
        for file in ["model.safetensors", "training/state.safetensors", "training/state.json"] {
            assert_eq!(
                std::fs::read(whole.path().join(file)).unwrap(),
                std::fs::read(parts.path().join(file)).unwrap(),
                "{file}"
            );
        }
        let logged = |folder: &Path| -> Vec<(u64, String)> {
            let text = std::fs::read_to_string(folder.join("training/metrics.jsonl")).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.map(|line| (line["step"].as_u64().unwrap(), line["loss"].to_string())).collect()
        };
        assert_eq!(logged(whole.path()), logged(parts.path()));
        let lines = std::fs::read_to_string(whole.path().join("training/metrics.jsonl")).unwrap();
        let bits: Vec<f64> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter_map(|line| line["bits_per_byte"].as_f64())
            .collect();
        assert!(bits.len() == 4 && bits[3] < bits[0] - 0.2, "{bits:?}");
    }

    #[test]
    fn a_checkpoint_of_another_run_is_refused_by_the_name_of_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        train(&settings(), folder.path(), 3).unwrap_err();
        let refused = |other: TrainSettings| train(&other, folder.path(), 99).unwrap_err().to_string();
        let message = refused(TrainSettings { seed: 2, ..settings() });
        assert!(message.contains("settings.training.seed: found 1; expected 2"), "{message}");
        let message = refused(TrainSettings { steps: Some(20), ..settings() });
        assert!(
            message.contains("settings.training.steps: found 12; expected 20 (put it back, or remove"),
            "{message}"
        );
        let other = DecoderConfig { layers: 2, ..model() };
        let until = Until(AtomicU64::new(0), 99);
        let run = |model, key| run(model, &settings(), (&source(), key), folder.path(), &Device::Cpu, &until);
        let message = run(&other, "these").unwrap_err().to_string();
        assert!(message.contains("settings.model.layers: found 1; expected 2"), "{message}");
        let message = run(&model(), "others").unwrap_err().to_string();
        assert!(message.contains("settings.tokens"), "{message}");
    }

    #[test]
    fn steps_follow_from_epochs_and_faults_come_together() {
        let settings = TrainSettings { epochs: 2.0, batch_size: 4, accumulation: 2, ..Default::default() };
        assert_eq!(settings.steps_over(1001, 16), 16); // 2 · 1001 / (4 · 2 · 16) = 15.6
        assert_eq!(TrainSettings { steps: Some(3), ..settings.clone() }.steps_over(1001, 16), 3);
        let message = TrainSettings { batch_size: 0, alpha: 2.0, ..settings }.check().unwrap_err().to_string();
        assert!(message.contains("batch_size is 0") && message.contains("alpha is 2"), "{message}");
    }
}
