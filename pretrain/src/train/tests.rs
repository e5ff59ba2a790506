//! A run resumed is a run uninterrupted, bit for bit, whatever it does on the way; it learns, and knows when to stop.

use super::*;
use crate::batch::InMemory;
use crate::generate::text::tests::{invented, vocabulary};
use crate::models::decoder::DecoderConfig;
use crate::models::encoder::EncoderConfig;
use crate::models::recurrent::{RecurrentConfig, RecurrentDropout, RecurrentLayout};
use crate::optimiser::{OptimiserSettings, Rule};
use crate::precision::Precision;
use crate::schedule::Schedule;
use crate::text_source::TextSource;
use candle_core::Tensor;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use tongues_languages::Tag;
use tongues_pipeline::tokens::Split;
use tongues_pipeline::vocabulary::Vocabulary;

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

fn decoder() -> DecoderConfig {
    let sizes = DecoderConfig { hidden_size: 16, layers: 1, heads: 2, intermediate_size: 24, ..Default::default() };
    DecoderConfig { context_length: 8, ..sizes }
}

fn model() -> ModelConfig {
    decoder().into()
}

fn encoder() -> ModelConfig {
    let sizes = EncoderConfig { hidden_size: 16, layers: 1, heads: 2, intermediate_size: 24, ..Default::default() };
    EncoderConfig { context_length: 16, masked_share: 0.3, dropout: 0.05, ..sizes }.into()
}

fn settings() -> TrainSettings {
    let schedule = Schedule { learning_rate: 1e-2, warmup_steps: Some(2), final_share: 0.1, ..Default::default() };
    let sizes = TrainSettings { steps: Some(12), batch_size: 4, accumulation: 2, ..Default::default() };
    TrainSettings { schedule, evaluate_every: 4, save_every: 5, ..sizes }
}

fn train(settings: &TrainSettings, folder: &Path, until: u64) -> Result<Box<dyn Model>> {
    train_of(&model(), settings, folder, until)
}

fn train_of(model: &ModelConfig, settings: &TrainSettings, folder: &Path, until: u64) -> Result<Box<dyn Model>> {
    let until = Until(AtomicU64::new(0), until);
    run(model, settings, (&source(), "these"), folder, &Device::Cpu, &until)
}

/// Every file under a folder with its bytes, but for `metrics.jsonl` and what TensorBoard reads, which tell the time.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tensorboard") {
            continue;
        }
        if path.is_dir() {
            let inside = files(&path).into_iter();
            all.extend(inside.map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)));
        } else if !path.ends_with("metrics.jsonl") {
            all.push((path.file_name().unwrap().into(), std::fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("training/metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Kind and step of every line, and what of it does not tell the time.
fn logged(folder: &Path) -> Vec<(String, u64, String)> {
    let told = |line: Value| {
        let rest = format!("{}{}", line["loss"], line["languages"]);
        (line["kind"].to_string(), line["step"].as_u64().unwrap(), rest)
    };
    lines(folder).into_iter().map(told).collect()
}

/// Trains at one go and in two parts: the same files with the same bytes. Gives the folder of the first.
fn resumed_is_uninterrupted(settings: &TrainSettings, until: u64) -> tempfile::TempDir {
    resumed_is_uninterrupted_of(&model(), settings, until)
}

fn resumed_is_uninterrupted_of(model: &ModelConfig, settings: &TrainSettings, until: u64) -> tempfile::TempDir {
    let train = |settings: &TrainSettings, folder: &Path, until| train_of(model, settings, folder, until);
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train(settings, whole.path(), 999).unwrap();
    assert!(matches!(train(settings, parts.path(), until), Err(Error::Interrupted)));
    // A kill after that: what was logged since then is no longer true.
    metrics::log(parts.path(), &json!({ "kind": "train", "step": until + 1, "loss": 99.0 })).unwrap();
    train(settings, parts.path(), 999).unwrap();
    let (all, other) = (files(whole.path()), files(parts.path()));
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&all), names(&other));
    for ((name, bytes), (_, other)) in all.iter().zip(&other) {
        assert!(bytes == other, "{} differs", name.display());
    }
    assert_eq!(logged(whole.path()), logged(parts.path()));
    whole
}

#[test]
fn resumed_is_uninterrupted_bit_for_bit_and_the_model_learns() {
    let folder = resumed_is_uninterrupted(&settings(), 7);
    let bits: Vec<f64> = lines(folder.path()).iter().filter_map(|line| line["bits_per_byte"].as_f64()).collect();
    assert!(bits.len() == 4 && bits[3] < bits[0] - 0.2, "{bits:?}");
}

#[test]
fn an_encoder_resumed_is_uninterrupted_and_learns() {
    for separate_documents in [false, true] {
        let recompute = separate_documents;
        let settings =
            TrainSettings { steps: Some(60), evaluate_every: 20, separate_documents, recompute, ..settings() };
        let folder = resumed_is_uninterrupted_of(&encoder(), &settings, 33);
        let losses: Vec<f64> = lines(folder.path()).iter().filter_map(|line| line["masked_loss"].as_f64()).collect();
        assert!(losses.len() == 4 && losses[3] < losses[0] - 0.2, "{losses:?}");
    }
    let ModelConfig::Encoder(config) = encoder() else { unreachable!("made so above") };
    // Where words begin is not known here.
    let (words, folder) = (EncoderConfig { whole_words: true, ..config }, tempfile::tempdir().unwrap());
    let message = train_of(&words.into(), &settings(), folder.path(), 9).unwrap_err().to_string();
    assert!(message.contains("whole_words"), "{message}");
}

fn recurrent(layout: RecurrentLayout) -> RecurrentConfig {
    let sizes = RecurrentConfig { layout, embedding_size: 12, hidden_size: 20, layers: 2, ..Default::default() };
    let dropout = RecurrentDropout { multiplier: 0.3, ..Default::default() };
    RecurrentConfig { sequence_length: 6, dropout, ..sizes }
}

#[test]
fn a_recurrent_model_resumed_is_uninterrupted_with_the_state_it_carried() {
    for layout in RecurrentLayout::ALL {
        let model = recurrent(layout).into();
        let schedule = Schedule { learning_rate: 3e-2, ..settings().schedule };
        let carried = TrainSettings { schedule, consecutive: Some(8), accumulation: 1, steps: Some(100), ..settings() };
        let folder = resumed_is_uninterrupted_of(&model, &TrainSettings { evaluate_every: 25, ..carried }, 33);
        let bits: Vec<f64> = lines(folder.path()).iter().filter_map(|line| line["bits_per_byte"].as_f64()).collect();
        assert!(bits.len() == 5 && bits[4] < bits[0] - 0.2, "{bits:?}");
        // Step 100 is the fourth of eight windows in succession: its state is there, and it is no zeros.
        let path = checkpoint::step_folder(folder.path(), 100).join("optimiser.safetensors");
        let stored = crate::parameters::load(&path, &Device::Cpu).unwrap();
        let states: Vec<&Tensor> =
            stored.iter().filter(|(name, _)| name.starts_with("state.")).map(|(_, state)| state).collect();
        assert_eq!(states.len(), if layout == RecurrentLayout::AwdLstm { 4 } else { 3 });
        for state in states {
            assert_eq!(state.dim(0).unwrap(), 4);
            assert!(state.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap() > 0.1);
        }
    }
    let schedule = Schedule { learning_rate: 9.0, warmup_steps: Some(2), ..Default::default() };
    let optimiser = OptimiserSettings { rule: Rule::NtAsgd, ..Default::default() };
    let fast = TrainSettings { schedule, optimiser, average_patience: 0, patience: 0, evaluate_every: 1, ..settings() };
    resumed_is_uninterrupted_of(&recurrent(RecurrentLayout::AwdLstm).into(), &fast, 9);
}

#[test]
fn a_state_that_is_carried_is_read_on_from_and_one_that_is_not_is_forgotten() {
    let losses = |consecutive, fixed: bool| {
        // Without an update all that differs is what is known of the text before.
        let schedule = Schedule { learning_rate: 1e-30, warmup_steps: Some(0), ..Default::default() };
        let dropout = RecurrentDropout::all(0.0);
        let model = RecurrentConfig { dropout, activation_regularisation: 0.0, ..recurrent(RecurrentLayout::AwdLstm) };
        let model = RecurrentConfig { temporal_activation_regularisation: 0.0, ..model };
        let settings = TrainSettings { schedule, consecutive: Some(consecutive), batch_size: 1, ..settings() };
        let (source, settings) = (source(), TrainSettings { accumulation: 1, steps: Some(4), ..settings });
        let folder = tempfile::tempdir().unwrap();
        let config = ModelConfig::from(model).for_vocabulary(source.vocabulary_size).unwrap();
        let key = (&source as &dyn TokenSource, "these");
        let mut trainer = Trainer::open(&config, &settings, key, folder.path(), &Device::Cpu).unwrap();
        let mut losses = Vec::new();
        for number in 0..4 {
            let batch = trainer.sampler.batch(number, 1);
            assert_eq!(batch.continues, [!(number as usize).is_multiple_of(consecutive)]);
            let before = if fixed { Carried::default() } else { trainer.carried.only(&batch.continues).unwrap() };
            let alone = trainer.model.loss(&batch, &before, crate::random::Key::new(1)).unwrap().0;
            let alone = f64::from(alone.sum.to_scalar::<f32>().unwrap()) / alone.rows as f64;
            losses.push([trainer.step().unwrap().loss, alone]);
        }
        losses
    };
    for consecutive in [1, 2] {
        assert!(losses(consecutive, false).iter().all(|[found, expected]| (found - expected).abs() < 1e-6));
    }
    let differ: Vec<bool> = losses(2, true).iter().map(|[a, b]| (a - b).abs() > 1e-6).collect();
    assert_eq!(differ, [false, true, false, true], "the second of two windows knows the first");
}

#[test]
fn what_a_recurrent_model_cannot_do_is_refused_by_name() {
    let refused = |settings: TrainSettings| {
        let folder = tempfile::tempdir().unwrap();
        let model = recurrent(RecurrentLayout::Qrnn).into();
        train_of(&model, &settings, folder.path(), 9).unwrap_err().to_string()
    };
    let message = refused(TrainSettings { recompute: true, precision: Precision::Bf16, ..settings() });
    assert!(message.contains("recompute is true") && message.contains(r#"precision is "bf16""#), "{message}");
    let message = refused(TrainSettings { separate_documents: true, ..settings() });
    assert!(message.contains("separate_documents is true; expected false"), "{message}");
    let message = refused(TrainSettings { consecutive: Some(0), ..settings() });
    assert!(message.contains("consecutive is 0; expected 1 or more"), "{message}");
    // A checkpoint of the other layer.
    let folder = tempfile::tempdir().unwrap();
    train_of(&recurrent(RecurrentLayout::Qrnn).into(), &settings(), folder.path(), 3).unwrap_err();
    let other = train_of(&recurrent(RecurrentLayout::AwdLstm).into(), &settings(), folder.path(), 9);
    let message = other.unwrap_err().to_string();
    assert!(message.contains(r#"settings.model.layout: found "qrnn"; expected "awd-lstm""#), "{message}");
}

#[test]
fn a_batch_of_special_tokens_alone_is_a_batch_too() {
    // One document and its two marks are 17 tokens: the second window of an epoch has one, in two of 17 a mark.
    let tag: Tag = "ltg_Latn".parse().unwrap();
    let documents = [((tag, Split::Train), vec![((0..15).map(|j| 3 + j % 8).collect(), 20)])].into();
    let source = InMemory { documents, vocabulary_size: 12 };
    let settings = TrainSettings { steps: Some(80), batch_size: 1, accumulation: 1, ..settings() };
    let sampler = Sampler::new(&source, (1, 2), 16, 0.5, settings.seed).unwrap();
    let marks = (0..80).filter(|number| sampler.batch(*number, 1).ids.iter().all(|id| *id < 3)).count();
    assert!(marks > 0, "none is met");
    for model in [model(), encoder()] {
        let folder = tempfile::tempdir().unwrap();
        let until = Until(AtomicU64::new(0), 999);
        run(&model, &settings, (&source, "these"), folder.path(), &Device::Cpu, &until).unwrap();
        let losses: Vec<Option<f64>> = lines(folder.path()).iter().map(|line| line["loss"].as_f64()).collect();
        assert!(losses.len() == 80 && losses.iter().all(Option::is_some), "{losses:?}");
    }
}

#[test]
fn a_look_tells_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    train(&settings(), folder.path(), 99).unwrap();
    let looks = lines(folder.path()).into_iter().filter(|line| line["kind"] == "validation");
    // 8 windows of 8 tokens a step, of 560 tokens in 70 windows.
    let read: Vec<Value> = looks.map(|line| line["read"]["ltg_Latn"].clone()).collect();
    let expected = [0, 4, 8, 12].map(|step| json!({ "tokens": step * 64, "epochs": (step * 64) as f64 / 560.0 }));
    assert_eq!(read, expected);
}

#[test]
fn boundaries_of_documents_change_the_training() {
    let loss = |separate_documents| {
        let folder = tempfile::tempdir().unwrap();
        train(&TrainSettings { steps: Some(2), separate_documents, ..settings() }, folder.path(), 99).unwrap();
        let steps = logged(folder.path()).into_iter().filter(|(kind, ..)| kind == "\"train\"");
        steps.map(|(.., loss)| loss).collect::<Vec<_>>()
    };
    assert_ne!(loss(true), loss(false));
}

#[test]
fn a_run_goes_on_with_less_memory_as_if_nothing_had_been() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train(&settings(), whole.path(), 999).unwrap();
    assert!(matches!(train(&settings(), parts.path(), 7), Err(Error::Interrupted)));
    train(&TrainSettings { recompute: true, ..settings() }, parts.path(), 999).unwrap();
    assert!(files(whole.path()) == files(parts.path()));
    assert_eq!(logged(whole.path()), logged(parts.path()));
}

#[test]
fn whatever_the_optimiser_and_the_average_resumed_is_uninterrupted() {
    let of = |rule, learning_rate, average| {
        let schedule = Schedule { learning_rate, warmup_steps: Some(2), ..Default::default() };
        let optimiser = OptimiserSettings { rule, ..Default::default() };
        TrainSettings { schedule, optimiser, average, evaluate_every: 1, ..settings() }
    };
    resumed_is_uninterrupted(&of(Rule::AdamW, 1e-2, 0.9), 7);
    resumed_is_uninterrupted(&of(Rule::Sgd, 0.1, 0.0), 7);
    resumed_is_uninterrupted(&of(Rule::Muon, 1e-2, 0.9), 7);
    // So fast that it soon gets worse, and averaging begins before the interruption.
    let fast = TrainSettings { average_patience: 0, patience: 0, ..of(Rule::NtAsgd, 9.0, 0.0) };
    let folder = resumed_is_uninterrupted(&fast, 9);
    let state = std::fs::read_to_string(folder.path().join("training/state.json")).unwrap();
    let averaged = serde_json::from_str::<Value>(&state).unwrap()["averaging"]["updates"].as_u64().unwrap();
    assert!((4..12).contains(&averaged), "{averaged} steps in the average");
}

/// The losses of 200 steps in a row: with products in bf16 they stay near those in f32, which a wrong product would not
/// let them do, and end as low.
#[test]
fn in_bf16_the_losses_stay_near_those_in_f32_and_resumed_is_uninterrupted() {
    let of = |precision| TrainSettings { precision, steps: Some(200), evaluate_every: 200, patience: 0, ..settings() };
    let losses =
        |folder: &Path| -> Vec<f64> { lines(folder).iter().filter_map(|line| line["loss"].as_f64()).collect() };
    let exact = tempfile::tempdir().unwrap();
    train(&of(Precision::F32), exact.path(), 999).unwrap();
    let rounded = resumed_is_uninterrupted(&of(Precision::Bf16), 90);
    let (exact, rounded) = (losses(exact.path()), losses(rounded.path()));
    assert_eq!((exact.len(), rounded.len()), (200, 200));
    assert_ne!(exact, rounded);
    let apart = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs());
    assert!(apart.clone().all(|apart| apart < 0.1), "most apart by {:?}", apart.max_by(f64::total_cmp));
    let end = |losses: &[f64]| losses[180..].iter().sum::<f64>() / 20.0;
    assert!(end(&exact) < exact[0] - 1.0, "{exact:?}");
    assert!((end(&exact) - end(&rounded)).abs() < 0.02, "{} and {}", end(&exact), end(&rounded));
}

#[test]
fn samples_are_logged_at_each_look_and_change_nothing() {
    let (_folder, vocabulary) = vocabulary();
    let tag: Tag = "ltg_Latn".parse().unwrap();
    let of = |i: usize| (vocabulary.encode(&invented(i)), 40);
    let texts: Vec<_> = (0..40).map(of).collect();
    let tokens = InMemory {
        documents: [((tag, Split::Train), texts.clone()), ((tag, Split::Validation), texts[..4].to_vec())].into(),
        vocabulary_size: vocabulary.size(),
    };
    let source = TextSource { tokens: &tokens, vocabulary: &vocabulary };
    let train = |samples, folder: &Path, until| {
        let settings = TrainSettings { samples, sample_tokens: 6, keep_every: 5, ..settings() };
        let until = Until(AtomicU64::new(0), until);
        run(&model(), &settings, (&source, "these"), folder, &Device::Cpu, &until)
    };
    let [with, without, parts] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    train(2, with.path(), 999).unwrap();
    train(0, without.path(), 999).unwrap();
    assert!(matches!(train(2, parts.path(), 6), Err(Error::Interrupted)));
    train(2, parts.path(), 999).unwrap();
    assert_eq!(logged(with.path()), logged(parts.path()));
    let bytes = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert!(bytes(with.path()) == bytes(without.path()));

    let lines: Vec<Value> = lines(with.path()).into_iter().filter(|line| line["kind"] == "samples").collect();
    assert_eq!(lines.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 4, 8, 12]);
    let mut prompts = Vec::new();
    for line in &lines {
        let samples = line["languages"]["ltg_Latn"].as_array().unwrap();
        assert_eq!(samples.len(), 2);
        for sample in samples {
            let prompt = sample["prompt"].as_str().unwrap();
            assert!(texts[..4].iter().any(|(ids, _)| vocabulary.decode(ids).starts_with(prompt)), "{sample}");
            prompts.push(prompt.to_owned());
        }
    }
    prompts.sort();
    prompts.dedup();
    assert!(prompts.len() > 1, "each look has documents of its own");
    assert_ne!(lines[0]["languages"], lines[1]["languages"]);

    // A checkpoint is a whole model, the kept ones too.
    for step in [5, 10, 12] {
        let path = checkpoint::step_folder(with.path(), step);
        models::load(&path, &Device::Cpu).unwrap();
        assert_eq!(Vocabulary::load(&path).unwrap().sha256(), vocabulary.sha256());
        assert!(path.join("tokenizer.json").exists() && path.join("tokenizer_config.json").exists());
    }
}

#[test]
fn the_average_is_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainSettings { average: 0.9, evaluate_every: 12, ..settings() };
    train(&settings, folder.path(), 99).unwrap();
    let last = checkpoint::step_folder(folder.path(), 12);
    let model = crate::parameters::load(&folder.path().join("model.safetensors"), &Device::Cpu).unwrap();
    let remembered = crate::parameters::load(&last.join("optimiser.safetensors"), &Device::Cpu).unwrap();
    let weights = crate::parameters::load(&last.join("model.safetensors"), &Device::Cpu).unwrap();
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (name, tensor) in &model {
        assert_eq!(flat(tensor), flat(&remembered[&format!("average.{name}")]), "{name}");
        assert_ne!(flat(tensor), flat(&weights[name]), "{name}");
    }
}

#[test]
fn the_last_checkpoint_and_every_fifth_stay_as_models() {
    let folder = tempfile::tempdir().unwrap();
    train(&TrainSettings { save_every: 4, keep_every: 5, ..settings() }, folder.path(), 99).unwrap();
    let there = |step| checkpoint::step_folder(folder.path(), step).exists();
    let kept: Vec<u64> = (0..=12).filter(|step| there(*step)).collect();
    assert_eq!(kept, [5, 10, 12]);
    for step in kept {
        let path = checkpoint::step_folder(folder.path(), step);
        models::load(&path, &Device::Cpu).unwrap();
        assert_eq!(path.join("optimiser.safetensors").exists(), step == 12, "only the last is gone on from");
    }
}

/// Documents that are all alike but for one, whose tokens come nowhere else.
fn with_an_odd_one() -> InMemory {
    let tag: Tag = "ltg_Latn".parse().unwrap();
    let mut documents: Vec<_> = (0..80).map(|_| ((0..12).map(|j| 3 + j % 4).collect(), 20)).collect();
    documents[17] = ((0..12).map(|j| 8 + j * 7 % 4).collect(), 20);
    InMemory { documents: [((tag, Split::Train), documents)].into(), vocabulary_size: 12 }
}

#[test]
fn a_batch_that_makes_the_loss_jump_is_kept_aside_and_resume_is_exact() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let schedule = Schedule { learning_rate: 2e-2, warmup_steps: Some(2), final_share: 1.0, ..Default::default() };
    // An epoch has 1,120 tokens and takes 70 steps: in the second one, if not before, the odd one comes when the others are
    // known and enough steps have been taken to tell.
    let sizes = TrainSettings { steps: Some(140), batch_size: 2, accumulation: 1, ..settings() };
    let mut settings = TrainSettings { schedule, ..sizes };
    (settings.guard.spike_deviations, settings.guard.spike_steps) = (3.0, 20);
    let model = DecoderConfig { dropout: 0.0, ..decoder() }.into();
    let train = |folder: &Path, until| {
        let until = Until(AtomicU64::new(0), until);
        run(&model, &settings, (&with_an_odd_one(), "these"), folder, &Device::Cpu, &until)
    };
    train(whole.path(), 999).unwrap();
    let skipped: Vec<Value> = lines(whole.path()).into_iter().filter(|line| line["kind"] == "skipped").collect();
    assert!(!skipped.is_empty() && skipped.len() < 12, "{skipped:#?}");
    for line in &skipped {
        assert!(line["loss"].as_f64() > line["limit"].as_f64() && line["reason"] == "loss_spike", "{line}");
        let name = format!("training/skipped/step-{:08}.json", line["step"].as_u64().unwrap());
        let about: Value = serde_json::from_slice(&std::fs::read(whole.path().join(name)).unwrap()).unwrap();
        let documents = about["documents"].as_array().unwrap();
        assert!(documents.contains(&json!("17")), "the odd one is among them: {about}");
        assert_eq!(about["windows"].as_array().unwrap().len(), 2);
        assert_eq!(about["windows"][0]["tokens"].as_array().unwrap().len(), 9, "a window and the token after it");
    }
    // Stopped right after a step was skipped, and again later.
    let first = skipped[0]["step"].as_u64().unwrap();
    for until in [first, first + 5] {
        assert!(matches!(train(parts.path(), until), Err(Error::Interrupted)));
    }
    train(parts.path(), 999).unwrap();
    assert!(files(whole.path()) == files(parts.path()));
    assert_eq!(logged(whole.path()), logged(parts.path()));
}

#[test]
fn the_third_step_without_finite_numbers_ends_the_run_with_the_documents() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = Schedule { learning_rate: 1e30, warmup_steps: Some(0), ..Default::default() };
    let mut settings = TrainSettings { schedule, clip: None, evaluate_every: 99, ..settings() };
    settings.optimiser.adamw.weight_decay = 0.0;
    let error = train(&settings, folder.path(), 99).unwrap_err();
    let Error::Unstable { step, reason, documents, .. } = &error else { panic!("{error}") };
    // The first step makes the weights huge, three follow; which of the two is infinite first is the processor's choice.
    assert!(*step == 4 && reason.ends_with("_not_finite"), "{error}");
    assert!(documents.split(", ").count() > 3 && error.to_string().contains("training/skipped"), "{error}");
    // The third is in no log line: the error tells it.
    let kinds: Vec<String> = logged(folder.path()).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds[1..], ["\"train\"", "\"skipped\"", "\"skipped\""]);
    assert_eq!(std::fs::read_dir(folder.path().join("training/skipped")).unwrap().count(), 3);
}

#[test]
fn a_checkpoint_of_another_run_is_refused_by_the_name_of_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    train(&settings(), folder.path(), 3).unwrap_err();
    let refused = |other: TrainSettings| train(&other, folder.path(), 99).unwrap_err().to_string();
    let message = refused(TrainSettings { seed: 2, ..settings() });
    assert!(message.contains("settings.training.seed: found 1; expected 2"), "{message}");
    let message = refused(TrainSettings { precision: Precision::Bf16, ..settings() });
    assert!(message.contains(r#"settings.training.precision: found "f32"; expected "bf16""#), "{message}");
    let message = refused(TrainSettings { steps: Some(20), ..settings() });
    assert!(message.contains("settings.training.steps: found 12; expected 20 (put it back, or remove"), "{message}");
    let other = DecoderConfig { layers: 2, ..decoder() }.into();
    let until = Until(AtomicU64::new(0), 99);
    let run = |model: &ModelConfig, key| run(model, &settings(), (&source(), key), folder.path(), &Device::Cpu, &until);
    let message = run(&other, "these").unwrap_err().to_string();
    assert!(message.contains("settings.model.layers: found 1; expected 2"), "{message}");
    let message = run(&model(), "others").unwrap_err().to_string();
    assert!(message.contains("settings.tokens"), "{message}");
}
