//! The files of a finished task: `results.json` with all methods side by side and `predictions.jsonl`.

use crate::error::{Error, Result};
use crate::metrics::{Scores, deviation, mean};
use crate::task::{Example, Task};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tongues_languages::Tag;
use tongues_pipeline::io::atomic;

/// How labels were predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Always the most frequent training label.
    Majority,
    /// Character n-grams and a linear support vector machine.
    CharacterNgrams,
    /// The network of the pretrained model, from random weights.
    FromScratch,
    /// The pretrained model, fine-tuned.
    Pretrained,
}

/// Test scores of one method; the lists have one entry for each seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodResult {
    /// The method.
    pub method: Method,
    /// Training examples used in each run.
    pub labels_used: usize,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Accuracy, 0 to 1.
    pub accuracy: Vec<f64>,
    /// Macro-averaged F1, 0 to 1.
    pub macro_f1: Vec<f64>,
    /// Mean accuracy.
    pub accuracy_mean: f64,
    /// Population standard deviation of the accuracy.
    pub accuracy_deviation: f64,
    /// Mean macro-averaged F1.
    pub macro_f1_mean: f64,
    /// Population standard deviation of the macro-averaged F1.
    pub macro_f1_deviation: f64,
    /// `confusion[truth][predicted]`, summed over seeds.
    pub confusion: Vec<Vec<u64>>,
}

impl MethodResult {
    /// Gathers the scores of a method, one for each seed.
    pub fn new(method: Method, labels_used: usize, seeds: &[u64], scores: &[Scores]) -> MethodResult {
        let accuracy: Vec<f64> = scores.iter().map(|scores| scores.accuracy).collect();
        let macro_f1: Vec<f64> = scores.iter().map(|scores| scores.macro_f1).collect();
        let mut confusion = scores.first().map(|scores| scores.confusion.clone()).unwrap_or_default();
        for scores in scores.iter().skip(1) {
            for (sum, count) in confusion.iter_mut().flatten().zip(scores.confusion.iter().flatten()) {
                *sum += count;
            }
        }
        MethodResult {
            method,
            labels_used,
            seeds: seeds.to_vec(),
            accuracy_mean: mean(&accuracy),
            accuracy_deviation: deviation(&accuracy),
            macro_f1_mean: mean(&macro_f1),
            macro_f1_deviation: deviation(&macro_f1),
            accuracy,
            macro_f1,
            confusion,
        }
    }
}

/// The content of `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Name of the task.
    pub task: String,
    /// Language of the texts.
    pub language: Tag,
    /// Training examples there are.
    pub train: usize,
    /// Validation examples.
    pub validation: usize,
    /// Test examples.
    pub test: usize,
    /// The labels, in the order of the confusion matrices.
    pub labels: Vec<String>,
    /// The methods, in the order they are shown.
    pub methods: Vec<MethodResult>,
}

impl Results {
    /// Results of `methods` on `task`.
    pub fn new(task: &Task, methods: Vec<MethodResult>) -> Results {
        Results {
            task: task.name.clone(),
            language: task.language,
            train: task.train.len(),
            validation: task.validation.len(),
            test: task.test.len(),
            labels: task.labels.clone(),
            methods,
        }
    }

    /// Reads `results.json` in `folder`.
    ///
    /// # Errors
    /// A file that cannot be read or is something else.
    pub fn read(folder: &Path) -> Result<Results> {
        let path = folder.join("results.json");
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        Ok(serde_json::from_slice(&bytes).map_err(tongues_pipeline::Error::format(&path))?)
    }

    /// Writes `results.json` into `folder`, whole or not at all.
    ///
    /// # Errors
    /// A folder that cannot be made, a file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).expect("strings, numbers and lists only");
        text.push('\n');
        Ok(atomic::write(&folder.join("results.json"), text.as_bytes())?)
    }
}

/// Writes `predictions.jsonl` into `folder`: a line for each of `examples`, with the probability of each of `labels`
/// (one list for each example). The predicted label is the most probable one; of equal ones the first.
///
/// # Panics
/// When there is not one list for each example, with one probability for each label.
///
/// # Errors
/// A folder that cannot be made, a file that cannot be written.
pub fn write_predictions(
    folder: &Path,
    labels: &[String],
    examples: &[Example],
    probabilities: &[Vec<f32>],
) -> Result<()> {
    assert_eq!(examples.len(), probabilities.len(), "one list of probabilities for each example");
    let mut text = String::new();
    for (example, probabilities) in examples.iter().zip(probabilities) {
        let mut line = prediction(&example.text, labels, probabilities);
        let place = line.len() - 2;
        line.shift_insert(place, "truth".to_owned(), labels[example.label].as_str().into());
        text.push_str(&serde_json::Value::Object(line).to_string());
        text.push('\n');
    }
    Ok(atomic::write(&folder.join("predictions.jsonl"), text.as_bytes())?)
}

/// One prediction as a JSON object: `text`, `label`, `probabilities` to six decimals.
///
/// # Panics
/// When there is not one probability for each label.
pub fn prediction(text: &str, labels: &[String], probabilities: &[f32]) -> serde_json::Map<String, serde_json::Value> {
    assert_eq!(labels.len(), probabilities.len(), "one probability for each label");
    let best = most_probable(probabilities);
    let shares: serde_json::Map<String, serde_json::Value> = labels
        .iter()
        .cloned()
        .zip(probabilities.iter().map(|&share| (f64::from(share) * 1e6).round() / 1e6))
        .map(|(label, share)| (label, share.into()))
        .collect();
    let mut line = serde_json::Map::new();
    line.insert("text".to_owned(), text.into());
    line.insert("label".to_owned(), labels[best].as_str().into());
    line.insert("probabilities".to_owned(), shares.into());
    line
}

/// Index of the largest probability; of equal ones the first. 0 of nothing.
pub fn most_probable(probabilities: &[f32]) -> usize {
    let larger = |best, label| if probabilities[label] > probabilities[best] { label } else { best };
    (0..probabilities.len()).fold(0, larger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::{BaselineSettings, run};
    use crate::metrics::score;

    fn task() -> Task {
        let example = |text: &str, label| Example { text: text.to_owned(), label };
        Task {
            name: "kinds".into(),
            language: "ltg_Latn".parse().unwrap(),
            labels: vec!["birds".into(), "boats".into()],
            train: vec![
                example("wing beak", 0),
                example("feather wing", 0),
                example("sail mast", 1),
                example("nest", 0),
            ],
            validation: vec![],
            test: vec![example("wings", 0), example("mast", 1), example("sails \"x\"\n", 1)],
            irregular: Default::default(),
        }
    }

    #[test]
    fn confusions_are_summed_over_seeds() {
        let scores = [score(&[0, 1], &[0, 1], 2), score(&[0, 1], &[0, 0], 2)];
        let result = MethodResult::new(Method::Pretrained, 4, &[7, 8], &scores);
        assert_eq!(result.confusion, [[2, 0], [1, 1]]);
        assert_eq!((result.accuracy_mean, result.accuracy_deviation), (0.75, 0.25));
    }

    #[test]
    fn the_file_has_the_documented_keys_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let task = task();
        let results = Results::new(&task, run(&task, &BaselineSettings::default()).unwrap());
        results.write(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("results.json")).unwrap();
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["task", "language", "train", "validation", "test", "labels", "methods"]);
        assert_eq!(
            (&value["methods"][0]["method"], &value["methods"][1]["method"]),
            (&"majority".into(), &"character_ngrams".into())
        );
        // One of three test texts is of the majority label; n-grams get all.
        assert_eq!(value["methods"][0]["confusion"], serde_json::json!([[1, 0], [2, 0]]));
        assert_eq!(value["methods"][1]["accuracy"], serde_json::json!([1.0]));
    }

    #[test]
    fn a_prediction_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let task = task();
        let shares = [vec![0.9f32, 0.1], vec![0.5, 0.5], vec![0.125, 0.875]];
        write_predictions(folder.path(), &task.labels, &task.test, &shares).unwrap();
        let text = std::fs::read_to_string(folder.path().join("predictions.jsonl")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"text":"wings","truth":"birds","label":"birds","probabilities":{"birds":0.9,"boats":0.1}}"#
        );
        assert!(lines.len() == 3 && lines[1].contains(r#""label":"birds""#) && lines[2].contains(r#""label":"boats""#));
    }

    #[test]
    fn each_draw_is_a_run() {
        let settings = BaselineSettings { labels_per_class: Some(1), seeds: vec![3, 4, 5], ..Default::default() };
        let results = run(&task(), &settings).unwrap();
        assert_eq!((results[1].labels_used, results[1].accuracy.len()), (2, 3));
        assert_eq!(results[0].confusion.iter().flatten().sum::<u64>(), 9);
        assert!(run(&task(), &BaselineSettings { seeds: vec![], ..Default::default() }).is_err());
    }
}
