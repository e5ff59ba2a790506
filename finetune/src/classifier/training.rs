//! Fine-tuning: one network, one seed, from the first step to the best epoch.

use super::batch::{Batch, epoch};
use super::network::Network;
use super::pooling::cross_entropy;
use super::settings::ClassifierSettings;
use crate::error::Result;
use crate::metrics::{Scores, score};
use crate::results::most_probable;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use tongues_pipeline::progress::Progress;
use tongues_pretrain::Error as PretrainError;
use tongues_pretrain::nn;
use tongues_pretrain::optimiser::{AdamW, AdamWSettings, Gradients};
use tongues_pretrain::random::Key;
use tongues_pretrain::schedule::Schedule;

/// The gradient's global norm is cut to this.
const LARGEST_NORM: f64 = 1.0;
/// A target that does not count.
const NONE: u32 = u32::MAX;

/// Labelled token ids.
#[derive(Debug, Clone, Default)]
pub struct Labelled {
    /// As [`super::tokenizer::Tokenizer::encode`] makes them.
    pub texts: Vec<Vec<u32>>,
    /// One label for each.
    pub labels: Vec<usize>,
}

/// What differs between the pretrained network and the one from random weights.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// Passes over the examples.
    pub epochs: usize,
    /// The highest rate.
    pub learning_rate: f64,
    /// Order of the examples and dropout.
    pub seed: u64,
}

/// How well an epoch did on the validation set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// From 1.
    pub epoch: usize,
    /// Share of right labels.
    pub accuracy: f64,
    /// Macro-averaged F1.
    pub macro_f1: f64,
    /// Mean cross-entropy of the true labels, nats.
    pub loss: f64,
}

impl Validation {
    /// Macro-F1 decides, which a frequent label alone cannot win; of equal ones, as a small set has many, the lower loss.
    pub fn is_better_than(&self, other: &Validation) -> bool {
        self.macro_f1 > other.macro_f1 || self.macro_f1 == other.macro_f1 && self.loss < other.loss
    }
}

/// Steps of a course over so many examples.
pub fn steps(examples: usize, settings: &ClassifierSettings, course: Course) -> u64 {
    (course.epochs * examples.div_ceil(settings.batch_size)) as u64
}

/// Fine-tunes all parameters of `network` and leaves those of the best epoch in it; the last epoch's where there is
/// nothing to validate on. Gives the validation of every epoch and the number of the best one.
///
/// # Errors
/// [`tongues_pipeline::Error::Interrupted`], a loss that is no number, a parameter without a gradient.
pub fn train(
    network: &Network,
    examples: &Labelled,
    held_out: &Labelled,
    settings: &ClassifierSettings,
    course: Course,
    progress: &dyn Progress,
) -> Result<Vec<Validation>> {
    let optimiser = AdamWSettings { weight_decay: settings.weight_decay, ..AdamWSettings::default() };
    let mut optimiser = AdamW::new(network.parameters(), optimiser)?;
    let steps = steps(examples.texts.len(), settings, course);
    let schedule = Schedule {
        learning_rate: course.learning_rate,
        warmup_steps: Some((settings.warmup_share * steps as f64).round() as u64),
        final_share: 0.0,
        ..Schedule::default()
    };
    let lengths: Vec<usize> = examples.texts.iter().map(Vec::len).collect();
    let key = Key::new(course.seed);
    let mut history: Vec<Validation> = Vec::new();
    let mut best: Option<(Validation, Vec<Tensor>)> = None;
    let mut step = 0;
    for number in 1..=course.epochs {
        for rows in epoch(&lengths, settings.batch_size, key.named("order").stream(number as u64)) {
            if progress.interrupted() {
                return Err(tongues_pipeline::Error::Interrupted.into());
            }
            step += 1;
            let rate = schedule.at(step, steps);
            let loss =
                one(network, &mut optimiser, examples, &rows, settings, key.named("dropout").stream(step), rate)?;
            if !loss.is_finite() {
                return Err(PretrainError::Diverged { step, loss }.into());
            }
            progress.advance(1);
            let held = history
                .last()
                .map_or(String::new(), |last| format!(", validation macro-F1 {:.1} %", 100.0 * last.macro_f1));
            progress.note(&format!("epoch {number}, loss {loss:.3}{held}"));
        }
        if let Some(found) = validate(network, held_out, number)? {
            history.push(found);
            if best.as_ref().is_none_or(|(best, _)| found.is_better_than(best)) {
                best = Some((found, values(network)?));
            }
        }
    }
    if let Some((_, values)) = best {
        for ((_, var), value) in network.parameters().iter().zip(&values) {
            var.set(value)?;
        }
    }
    Ok(history)
}

/// One optimiser step on the texts at `rows`; gives the loss, nats per text (and, weighted, per token).
fn one(
    network: &Network,
    optimiser: &mut AdamW,
    examples: &Labelled,
    rows: &[usize],
    settings: &ClassifierSettings,
    key: Key,
    rate: f64,
) -> Result<f64> {
    let batch = Batch::new(&examples.texts, rows, network.config().special().1, network.device())?;
    let targets: Vec<usize> = rows.iter().map(|&row| examples.labels[row]).collect();
    let hidden = network.hidden(&batch, Some(key))?;
    let logits = network.logits(&hidden, &batch, Some(key))?;
    let mut loss = (cross_entropy(&logits, &targets, settings.label_smoothing)? / rows.len() as f64)?;
    let predicts_tokens = settings.language_model_weight > 0.0;
    if predicts_tokens {
        let targets = batch.next_tokens(&examples.texts, rows, NONE);
        let of_tokens = network.next_token_loss(&hidden.flatten(0, 1)?, &targets, NONE)?;
        loss = (loss + (of_tokens.sum * (settings.language_model_weight / of_tokens.rows as f64))?)?;
    }
    let value = f64::from(loss.to_scalar::<f32>()?);
    let store = nn::backward(&loss)?;
    if optimiser.steps() == 0 && value.is_finite() {
        network.check_gradients(&store, predicts_tokens)?;
    }
    let mut gradients = Gradients::default();
    gradients.add(network.parameters(), store, 1.0)?;
    gradients.clip(Some(LARGEST_NORM))?;
    optimiser.step(network.parameters(), &gradients, rate)?;
    Ok(value)
}

fn values(network: &Network) -> Result<Vec<Tensor>> {
    network.parameters().iter().map(|(_, var)| Ok(var.as_detached_tensor().copy()?)).collect()
}

fn validate(network: &Network, held_out: &Labelled, epoch: usize) -> Result<Option<Validation>> {
    if held_out.texts.is_empty() {
        return Ok(None);
    }
    let probabilities = network.probabilities(&held_out.texts)?;
    let Scores { accuracy, macro_f1, .. } = scores(&held_out.labels, &probabilities);
    let least = f64::from(f32::MIN_POSITIVE);
    let of_truth =
        held_out.labels.iter().zip(&probabilities).map(|(&label, shares)| f64::from(shares[label]).max(least));
    let loss = -of_truth.map(f64::ln).sum::<f64>() / probabilities.len() as f64;
    Ok(Some(Validation { epoch, accuracy, macro_f1, loss }))
}

/// Scores of the most probable labels.
pub fn scores(truth: &[usize], probabilities: &[Vec<f32>]) -> Scores {
    let predicted: Vec<usize> = probabilities.iter().map(|shares| most_probable(shares)).collect();
    score(truth, &predicted, probabilities.first().map_or(0, Vec::len))
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::{tiny, tiny_encoder, tiny_of};
    use super::*;
    use tongues_pipeline::progress::Silent;
    use tongues_pretrain::models::Model;
    use tongues_pretrain::models::layout::Layout;

    /// The label is whether token 7 or token 8 comes somewhere in the text.
    fn examples(count: usize, seed: u64) -> Labelled {
        let mut all = Labelled::default();
        for row in 0..count {
            let key = Key::new(seed).stream(row as u64);
            let length = 3 + key.below(0, 8) as usize;
            let mut text: Vec<u32> = (0..length).map(|i| 10 + key.below(1 + i as u64, 40) as u32).collect();
            text[key.below(99, length as u64) as usize] = 7 + row as u32 % 2;
            all.texts.push([vec![1], text, vec![2]].concat());
            all.labels.push(row % 2);
        }
        all
    }

    fn settings() -> ClassifierSettings {
        ClassifierSettings { batch_size: 8, label_smoothing: 0.0, ..Default::default() }
    }

    fn course(epochs: usize) -> Course {
        Course { epochs, learning_rate: 3e-3, seed: 1 }
    }

    #[test]
    fn a_tiny_decoder_memorises_one_batch() {
        for weight in [0.0, 0.5] {
            let settings = ClassifierSettings { dropout: 0.0, language_model_weight: weight, ..settings() };
            let network = Network::new(&tiny(false), 2, settings.dropout, 1).unwrap();
            let batch = Labelled { labels: vec![0, 1, 1, 0, 1, 0, 0, 1], ..examples(8, 1) };
            train(&network, &batch, &Labelled::default(), &settings, course(60), &Silent).unwrap();
            let shares = network.probabilities(&batch.texts).unwrap();
            for (label, shares) in batch.labels.iter().zip(&shares) {
                assert!(shares[*label] > 0.95, "{shares:?} for label {label}, token loss weighs {weight}");
            }
        }
    }

    #[test]
    fn a_model_of_any_layout_learns_and_is_read_back() {
        let decoders = Layout::ALL.map(|layout| (Box::new(tiny_of(layout, true)) as Box<dyn Model>, 0.5));
        for (model, language_model_weight) in decoders.into_iter().chain([(Box::new(tiny_encoder()) as _, 0.0)]) {
            let (layout, settings) = (model.config().architecture(), settings());
            let settings = ClassifierSettings { dropout: 0.0, language_model_weight, ..settings };
            let network = Network::new(&*model, 2, settings.dropout, 1).unwrap();
            let batch = examples(8, 1);
            train(&network, &batch, &Labelled::default(), &settings, course(60), &Silent).unwrap();
            let shares = network.probabilities(&batch.texts).unwrap();
            for (label, shares) in batch.labels.iter().zip(&shares) {
                assert!(shares[*label] > 0.95, "{layout:?}: {shares:?} for label {label}");
            }
            let folder = tempfile::tempdir().unwrap();
            network.save(folder.path()).unwrap();
            let again = Network::load(folder.path(), 2, &candle_core::Device::Cpu).unwrap();
            assert_eq!(again.probabilities(&batch.texts).unwrap(), shares, "{layout:?}");
        }
    }

    fn fine_tuned(seed: u64, held_out: &Labelled) -> (Network, Vec<Validation>) {
        let network = Network::new(&tiny(true), 2, 0.1, seed).unwrap();
        let course = Course { seed, ..course(12) };
        let history = train(&network, &examples(96, 1), held_out, &settings(), course, &Silent).unwrap();
        (network, history)
    }

    #[test]
    fn what_decides_is_learnt_and_a_seed_repeats() {
        let test = examples(60, 3);
        let run = |seed| fine_tuned(seed, &examples(40, 2)).0.probabilities(&test.texts).unwrap();
        let first = run(1);
        let accuracy = scores(&test.labels, &first).accuracy;
        assert!(accuracy > 0.8, "{accuracy}");
        assert_eq!(run(1), first);
        assert_ne!(run(2), first);
    }

    #[test]
    fn the_best_epoch_is_kept() {
        // Held-out labels that are the wrong way round: the more is learnt, the worse.
        let mut held_out = examples(40, 2);
        held_out.labels.iter_mut().for_each(|label| *label = 1 - *label);
        let (network, history) = fine_tuned(1, &held_out);
        let best = history.iter().fold(history[0], |best, now| if now.is_better_than(&best) { *now } else { best });
        assert!(history.len() == 12 && best.epoch < 12, "{history:#?}");
        assert_eq!(validate(&network, &held_out, best.epoch).unwrap(), Some(best));
    }

    #[test]
    fn macro_f1_decides_and_then_the_loss() {
        let one = Validation { epoch: 1, accuracy: 0.9, macro_f1: 0.5, loss: 1.0 };
        assert!(Validation { accuracy: 0.1, macro_f1: 0.6, loss: 2.0, ..one }.is_better_than(&one));
        assert!(Validation { loss: 0.9, ..one }.is_better_than(&one));
        assert!(!one.is_better_than(&one), "of equal epochs the first");
    }

    #[test]
    fn a_run_stops_when_asked() {
        struct Stop;
        impl Progress for Stop {
            fn begin(&self, _: &str, _: Option<u64>, _: &'static str) {}
            fn advance(&self, _: u64) {}
            fn note(&self, _: &str) {}
            fn end(&self) {}
            fn interrupted(&self) -> bool {
                true
            }
        }
        let network = Network::new(&tiny(true), 2, 0.1, 1).unwrap();
        let error = train(&network, &examples(8, 1), &Labelled::default(), &settings(), course(1), &Stop).unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert!(matches!(source.downcast_ref(), Some(tongues_pipeline::Error::Interrupted)));
    }
}
