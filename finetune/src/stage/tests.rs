//! The stage as a whole, on an invented language, a small vocabulary and a tiny decoder that was never trained.

use super::*;
use crate::classifier::Classifier;
use crate::classifier::training::Validation;
use crate::results::Method;
use std::sync::atomic::{AtomicU64, Ordering};
use tongues_pipeline::progress::Silent;
use tongues_pipeline::vocabulary::source::{Memory, Text};
use tongues_pipeline::vocabulary::{Vocabulary, VocabularySettings, train_on};
use tongues_pretrain::models::decoder::{Decoder, DecoderConfig};
use tongues_pretrain::random::Key;

/// A word of two to four syllables.
fn word(key: Key) -> String {
    let syllables = ["ka", "lo", "mē", "šu", "ri", "ta", "ņe", "voi", "dis", "pū"];
    (0..2 + key.below(0, 3)).map(|i| syllables[key.below(1 + i, 10) as usize]).collect()
}

fn sentence(key: Key) -> String {
    let words: Vec<String> = (0..3 + key.below(0, 5)).map(|i| word(key.stream(i))).collect();
    words.join(" ")
}

struct Place {
    folder: tempfile::TempDir,
    task: TaskSettings,
}

impl Place {
    /// Texts about `lokali` and about `rimēšu`, a vocabulary of 400 pieces, a decoder of width 16.
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let rows = |name: &str, count: u64, seed: u64| {
            let line = |row: u64| {
                let topic = ["lokali", "rimēšu"][row as usize % 2];
                format!("{topic} {}\t{}\n", sentence(Key::new(seed).stream(row)), ["boats", "birds"][row as usize % 2])
            };
            let text: String = (0..count).map(line).collect();
            std::fs::write(at(name), format!("text\tlabel\n{text}")).unwrap();
            at(name)
        };
        let task = TaskSettings {
            name: "kinds".into(),
            language: "ltg_Latn".parse().unwrap(),
            train: rows("train.tsv", 40, 1),
            validation: Some(rows("dev.tsv", 20, 2)),
            test: rows("test.tsv", 30, 3),
            ..TaskSettings::default()
        };
        let texts = (0..200).map(|i| Text { id: format!("a:{i}"), text: sentence(Key::new(9).stream(i)) }).collect();
        let memory = Memory([("ltg_Latn".parse().unwrap(), texts)].into());
        let settings = VocabularySettings { size: 320, ..Default::default() };
        let model = at("pretrained");
        train_on(&memory, Vec::new(), &settings, &model, &Silent).unwrap();
        Place { folder, task }.with_decoder(320)
    }

    fn with_decoder(self, vocabulary_size: usize) -> Place {
        let config = DecoderConfig {
            vocabulary_size,
            hidden_size: 16,
            layers: 1,
            heads: 2,
            intermediate_size: 24,
            context_length: 24,
            ..DecoderConfig::default()
        };
        Decoder::new(&config, 1, &Device::Cpu).unwrap().save(&self.at("pretrained")).unwrap();
        let sha256 = Vocabulary::load(&self.at("pretrained")).unwrap().sha256().to_owned();
        self.claim(&sha256);
        self
    }

    fn claim(&self, sha256: &str) {
        let text = json!({ "vocabulary_sha256": sha256 }).to_string();
        std::fs::write(self.at("pretrained/tokenizer_config.json"), text).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, output: &str, progress: &dyn Progress) -> Result<Results> {
        self.run_with(output, Some("pretrained"), progress)
    }

    fn run_with(&self, output: &str, model: Option<&str>, progress: &dyn Progress) -> Result<Results> {
        let classifier = ClassifierSettings {
            epochs: 4,
            from_scratch_epochs: 4,
            batch_size: 8,
            learning_rate: 1e-2,
            from_scratch_learning_rate: 1e-2,
            seeds: vec![1, 2],
            ..Default::default()
        };
        let model = model.map(|name| self.at(name));
        run(&self.task, &classifier.into(), model.as_deref(), &self.at(output), &Device::Cpu, progress)
    }

    /// Every file of an output folder with its bytes.
    fn files(&self, output: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for folder in [output.to_owned(), format!("{output}/model")] {
            for entry in std::fs::read_dir(self.at(&folder)).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_file() {
                    let name = entry.strip_prefix(self.at(output)).unwrap().to_string_lossy().into_owned();
                    files.push((name, std::fs::read(&entry).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}

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

#[test]
fn a_task_becomes_a_folder_and_the_folder_predicts_what_it_says() {
    let place = Place::new();
    let results = place.run("out", &Silent).unwrap();
    let methods: Vec<Method> = results.methods.iter().map(|method| method.method).collect();
    assert_eq!(methods, [Method::Majority, Method::CharacterNgrams, Method::FromScratch, Method::Pretrained]);
    for method in &results.methods[2..] {
        assert_eq!((method.seeds.as_slice(), method.labels_used), ([1, 2].as_slice(), 40));
        assert!(method.accuracy_mean > 0.9, "{method:?}");
    }
    let manifest = Manifest::read(&place.at("out")).unwrap().unwrap();
    let written: Vec<&str> = manifest.outputs.iter().map(|output| output.path.as_str()).collect();
    let mut found: Vec<String> = place.files("out").into_iter().map(|(name, _)| name).collect();
    found.retain(|name| name != "manifest.json");
    assert_eq!(found, written);
    assert!(!place.at("out/units").exists());
    let counts = &manifest.counts["classifier"];
    assert_eq!(counts["pretrained"][0]["validation"].as_array().unwrap().len(), 4);
    let [first, second]: [Validation; 2] =
        [0, 1].map(|run: usize| serde_json::from_value(counts["pretrained"][run]["best"].clone()).unwrap());
    assert!(second.is_better_than(&first), "choose other seeds: the first must not be the best\n{counts:#}");
    assert_eq!(counts["best_seed"], 2);

    for folder in ["out", "out/model"] {
        let classifier = Classifier::load(&place.at(folder), &Device::Cpu).unwrap();
        assert_eq!(classifier.labels(), ["birds", "boats"]);
        let task = Task::load(&place.task).unwrap();
        let texts: Vec<&str> = task.test.iter().map(|example| example.text.as_str()).collect();
        let predicted = place.at("again");
        results::write_predictions(&predicted, &task.labels, &task.test, &classifier.predict(&texts).unwrap()).unwrap();
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(predicted.join(PREDICTIONS)), read(place.at("out").join(PREDICTIONS)));
        assert_eq!(
            classifier.predict(&["  lokali\t", ""]).unwrap(),
            classifier.predict(&["lokali", " \n"]).unwrap(),
            "white space at the ends is no text"
        );
        let saved = place.at("saved");
        classifier.save(&saved).unwrap();
        let again = Classifier::load(&saved, &Device::Cpu).unwrap();
        assert_eq!(again.predict(&texts).unwrap(), classifier.predict(&texts).unwrap());
    }
}

#[test]
fn interrupted_is_uninterrupted_in_the_end_and_done_is_done() {
    let place = Place::new();
    place.run("whole", &Silent).unwrap();
    // 20 steps a run: into the second pretrained seed, then into the first one from scratch.
    for steps in [30, 30] {
        let error = place.run("parts", &Until(AtomicU64::new(0), steps)).unwrap_err();
        assert!(matches!(error, Error::Pipeline(tongues_pipeline::Error::Interrupted)), "{error}");
        assert!(!place.at("parts/manifest.json").exists() && place.at("parts/units/pretrained-1.json").exists());
        let error = Classifier::load(&place.at("parts"), &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("parts: found no manifest.json; expected a finished stage"), "{error}");
    }
    // What is left: both runs from scratch, of 5 batches in 4 epochs each.
    let rest = Until(AtomicU64::new(0), u64::MAX);
    place.run("parts", &rest).unwrap();
    assert_eq!(rest.0.load(Ordering::Relaxed), 40);
    assert_eq!(place.files("parts"), place.files("whole"));
    // A stage that is done asks nobody whether to go on.
    let again = place.run("whole", &Until(AtomicU64::new(0), 0)).unwrap();
    assert_eq!(again, Results::read(&place.at("whole")).unwrap());
}

#[test]
fn without_a_model_there_are_the_baselines_and_nothing_is_left_of_before() {
    let place = Place::new();
    place.run("out", &Silent).unwrap();
    let results = place.run_with("out", None, &Silent).unwrap();
    assert_eq!(results.methods.len(), 2);
    assert!(!place.at("out/model").exists() && !place.at("out/predictions.jsonl").exists());
    let error = Classifier::load(&place.at("out"), &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("found no classifier.json"), "{error}");
}

#[test]
fn another_vocabulary_is_refused_with_both_hashes_and_sizes() {
    let place = Place::new();
    let sha256 = Vocabulary::load(&place.at("pretrained")).unwrap().sha256().to_owned();
    place.claim("0123abcd");
    let error = place.run("out", &Silent).unwrap_err().to_string();
    assert!(
        error.contains(&sha256) && error.contains("0123abcd") && error.contains("tokenizer_config.json"),
        "{error}"
    );
    let error = place.with_decoder(321).run("out", &Silent).unwrap_err().to_string();
    assert!(error.contains("tokenizer.model: found 320 pieces; expected 321"), "{error}");
}

#[test]
fn a_card_of_another_vocabulary_is_refused() {
    let place = Place::new();
    place.run("out", &Silent).unwrap();
    let path = place.at("out/model/classifier.json");
    let card = std::fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        ("\"vocabulary_sha256\": \"", "\"vocabulary_sha256\": \"9", "expected 9"),
        ("last_mean_max", "first", "found `first`; expected `last_mean_max`"),
        ("\"maximum_tokens\": 24", "\"maximum_tokens\": 25", "found 25; expected 3 to 24"),
        ("\"seed\"", "\"sed\"", "unknown field `sed`"),
    ] {
        let changed = card.replacen(from, to, 1);
        assert_ne!(changed, card);
        std::fs::write(&path, changed).unwrap();
        let error = Classifier::load(&place.at("out"), &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
