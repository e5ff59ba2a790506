//! A labelled task: three sets of texts with one label each.
//!
//! What lives here: which set a row goes to, which labels there are, what is left out and counted.
//! How rows come out of TSV, CSV or JSONL is the business of [`table`].

pub mod table;

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tongues_languages::Tag;

/// Names tried, in this order, when no text column is given.
pub const TEXT_COLUMNS: [&str; 3] = ["text", "tweet", "headline"];
/// Names tried, in this order, when no label column is given.
pub const LABEL_COLUMNS: [&str; 2] = ["category", "label"];

/// Where a task is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskSettings {
    /// Name of the task, used for the folder of the results.
    pub name: String,
    /// Language of the texts.
    pub language: Tag,
    /// Training file: `.tsv`, `.csv` or `.jsonl`.
    pub train: PathBuf,
    /// Validation file; without one the validation set is empty.
    pub validation: Option<PathBuf>,
    /// Test file.
    pub test: PathBuf,
    /// Column of the text; guessed from [`TEXT_COLUMNS`] when absent.
    pub text_column: Option<String>,
    /// Column of the label; guessed from [`LABEL_COLUMNS`] when absent.
    pub label_column: Option<String>,
}

impl Default for TaskSettings {
    fn default() -> Self {
        TaskSettings {
            name: "task".to_owned(),
            language: Tag::UNDETERMINED,
            train: PathBuf::new(),
            validation: None,
            test: PathBuf::new(),
            text_column: None,
            label_column: None,
        }
    }
}

/// One text and its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The text, without white space at either end.
    pub text: String,
    /// Index into [`Task::labels`].
    pub label: usize,
}

/// Rows of one file that are not ordinary examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Irregular {
    /// Labelled rows without text. They teach nothing, so training leaves them out;
    /// validation and test keep them, because there they are questions like any other.
    pub empty: u64,
    /// Rows without a label or with too few fields, always left out.
    pub broken: u64,
}

/// A task, read and checked.
#[derive(Clone, Debug)]
pub struct Task {
    /// Name of the task.
    pub name: String,
    /// Language of the texts.
    pub language: Tag,
    /// Labels of the training set, sorted; at least two.
    pub labels: Vec<String>,
    /// Training examples, in the order of the file.
    pub train: Vec<Example>,
    /// Validation examples, perhaps none.
    pub validation: Vec<Example>,
    /// Test examples.
    pub test: Vec<Example>,
    /// What was irregular in training, validation and test file.
    pub irregular: [Irregular; 3],
}

/// The files of a task; [`Set::name`] is the key of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// What is learnt from.
    Train,
    /// What the best is chosen by.
    Validation,
    /// What is counted.
    Test,
}

impl Set {
    /// All three.
    pub const ALL: [Set; 3] = [Set::Train, Set::Validation, Set::Test];

    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Set::Train => "train",
            Set::Validation => "validation",
            Set::Test => "test",
        }
    }
}

impl Task {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// The first of [`Task::check`].
    pub fn load(settings: &TaskSettings) -> Result<Task> {
        let task = Task::check(settings).map_err(|mut wrong| wrong.swap_remove(0).1)?;
        let files = [Some(&settings.train), settings.validation.as_ref(), Some(&settings.test)];
        for (path, irregular) in files.into_iter().zip(&task.irregular) {
            if let (Some(file), true) = (path, *irregular != Irregular::default()) {
                tracing::warn!(file = %file.display(), empty = irregular.empty, broken = irregular.broken, "irregular rows");
            }
        }
        Ok(task)
    }

    /// [`Task::load`] that says nothing and finds all that is wrong, at least one thing for every file that is: for the
    /// list of mistakes in a recipe, before any work.
    ///
    /// # Errors
    /// A file that cannot be read or parsed, a column that is missing, a training set with fewer than two labels,
    /// an empty test set, or a validation or test label that training does not have.
    pub fn check(settings: &TaskSettings) -> std::result::Result<Task, Vec<(Set, Error)>> {
        let mut wrong = Vec::new();
        let mut read = |set, path: Option<&PathBuf>| {
            let rows = path.map(|path| Rows::read(path, settings)).transpose();
            rows.unwrap_or_else(|error| {
                wrong.push((set, error));
                None
            })
        };
        let train = read(Set::Train, Some(&settings.train));
        let validation = read(Set::Validation, settings.validation.as_ref());
        let test = read(Set::Test, Some(&settings.test));
        let irregular = [&train, &validation, &test].map(|rows| rows.as_ref().map(|rows| rows.irregular));

        let labels = match train.as_ref().map(Rows::labels) {
            Some(Ok(labels)) => Some(labels),
            Some(Err(error)) => {
                wrong.push((Set::Train, error));
                None
            }
            None => None,
        };
        if let Some(rows) = test.as_ref().filter(|rows| rows.rows.is_empty()) {
            let found = format!("no labelled row ({} broken)", rows.irregular.broken);
            wrong.push((Set::Test, rows.wrong(found, "at least one labelled text to test on")));
        }
        let labels = labels.unwrap_or_default();
        let mut examples = |set, rows: Option<Rows>| {
            // Without labels to compare with, every label would be called unknown.
            let examples = rows.filter(|_| !labels.is_empty()).map(|rows| rows.examples(&labels)).transpose();
            examples.unwrap_or_else(|error| {
                wrong.push((set, error));
                None
            })
        };
        let [train, validation, test] = [(Set::Train, train), (Set::Validation, validation), (Set::Test, test)]
            .map(|(set, rows)| examples(set, rows).unwrap_or_default());
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Task {
            name: settings.name.clone(),
            language: settings.language,
            train: train.into_iter().filter(|example| !example.text.is_empty()).collect(),
            validation,
            test,
            labels,
            irregular: irregular.map(Option::unwrap_or_default),
        })
    }

    /// At most `per_class` training examples of each label, drawn by `seed`; fewer where a label has fewer.
    /// Sorted by label, then as in the file. The same seed draws the same rows on every machine, and more
    /// labels per class with one seed contain the fewer.
    pub fn draw(&self, per_class: usize, seed: u64) -> Vec<Example> {
        let mut chosen = Vec::new();
        for label in 0..self.labels.len() {
            let mut rows: Vec<(u64, usize)> = self
                .train
                .iter()
                .enumerate()
                .filter(|(_, example)| example.label == label)
                .map(|(row, _)| (xxhash_rust::xxh3::xxh3_64_with_seed(&(row as u64).to_le_bytes(), seed), row))
                .collect();
            rows.sort_unstable();
            rows.truncate(per_class);
            let mut rows: Vec<usize> = rows.into_iter().map(|(_, row)| row).collect();
            rows.sort_unstable();
            chosen.extend(rows.into_iter().map(|row| self.train[row].clone()));
        }
        chosen
    }
}

/// The labelled rows of one file.
struct Rows {
    path: PathBuf,
    rows: Vec<(String, String)>,
    irregular: Irregular,
}

impl Rows {
    fn read(path: &Path, settings: &TaskSettings) -> Result<Rows> {
        let raw = table::read(path, settings.text_column.as_deref(), settings.label_column.as_deref())?;
        let mut rows = Vec::with_capacity(raw.len());
        let mut irregular = Irregular::default();
        for (text, label) in raw {
            let (Some(text), Some(label)) = (text, label) else {
                irregular.broken += 1;
                continue;
            };
            let (text, label) = (text.trim(), label.trim());
            if label.is_empty() {
                irregular.broken += 1;
                continue;
            }
            irregular.empty += u64::from(text.is_empty());
            rows.push((text.to_owned(), label.to_owned()));
        }
        Ok(Rows { path: path.to_owned(), rows, irregular })
    }

    /// Labels that have a text, sorted; at least two.
    fn labels(&self) -> Result<Vec<String>> {
        let labels: BTreeSet<&str> =
            self.rows.iter().filter(|(text, _)| !text.is_empty()).map(|(_, label)| label.as_str()).collect();
        let found = match (labels.len(), labels.first()) {
            (1, Some(only)) => format!("one label only, `{only}`, in {} rows", self.rows.len()),
            (0, _) => {
                format!("no labelled text ({} empty, {} broken rows)", self.irregular.empty, self.irregular.broken)
            }
            _ => return Ok(labels.into_iter().map(str::to_owned).collect()),
        };
        Err(self.wrong(found, "texts with at least two different labels"))
    }

    fn wrong(&self, found: String, expected: &str) -> Error {
        Error::Input { path: self.path.clone(), place: String::new(), found, expected: expected.to_owned() }
    }

    fn examples(self, labels: &[String]) -> Result<Vec<Example>> {
        let mut unknown = BTreeSet::new();
        let mut examples = Vec::with_capacity(self.rows.len());
        for (text, label) in self.rows {
            match labels.binary_search(&label) {
                Ok(label) => examples.push(Example { text, label }),
                // A label whose every training text is empty is unknown too, but harmless in the training file itself.
                Err(_) if text.is_empty() => {}
                Err(_) => {
                    unknown.insert(label);
                }
            }
        }
        if unknown.is_empty() {
            return Ok(examples);
        }
        Err(Error::UnknownLabels { path: self.path, unknown: unknown.into_iter().collect(), known: labels.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(train: &str, test: &str) -> Result<Task> {
        let folder = tempfile::tempdir().unwrap();
        let settings = TaskSettings {
            train: folder.path().join("train.tsv"),
            test: folder.path().join("test.tsv"),
            ..TaskSettings::default()
        };
        std::fs::write(&settings.train, train).unwrap();
        std::fs::write(&settings.test, test).unwrap();
        Task::load(&settings)
    }

    #[test]
    fn labels_are_sorted_and_rows_that_are_not_examples_are_counted() {
        let task = task(
            "text\tlabel\nrain falls\tweather\n\tsport\nball\tsport\nno label\t\nshort\n",
            "text\tlabel\n\tsport\nsun\tweather\n",
        )
        .unwrap();
        assert_eq!(task.labels, ["sport", "weather"]);
        assert_eq!(task.train.len(), 2);
        assert_eq!(task.train[0], Example { text: "rain falls".into(), label: 1 });
        assert_eq!(task.irregular[0], Irregular { empty: 1, broken: 2 });
        assert_eq!((task.test.len(), task.irregular[2].empty), (2, 1));
    }

    #[test]
    fn one_class_is_no_task() {
        let error = task("text\tlabel\na\tx\nb\tx\n", "text\tlabel\na\tx\n").unwrap_err().to_string();
        assert!(error.contains("train.tsv: found one label only, `x`, in 2 rows"), "{error}");
    }

    #[test]
    fn a_label_only_in_the_test_set_is_named() {
        let error = task("text\tlabel\na\tx\nb\ty\n", "text\tlabel\na\tz\nb\tx\n").unwrap_err().to_string();
        assert!(error.ends_with("test.tsv: found `z` not in the training set; expected only `x`, `y`"), "{error}");
    }

    #[test]
    fn an_empty_test_set_is_refused() {
        let error = task("text\tlabel\na\tx\nb\ty\n", "text\tlabel\n").unwrap_err().to_string();
        assert!(error.contains("test.tsv: found no labelled row"), "{error}");
    }

    #[test]
    fn draws_are_balanced_nested_and_repeatable() {
        let train: String = (0..60).map(|n| format!("text {n}\t{}\n", ["a", "b", "c"][n % 3])).collect();
        let task = task(&format!("text\tlabel\n{train}"), "text\tlabel\nq\ta\n").unwrap();
        let (few, more) = (task.draw(4, 1), task.draw(7, 1));
        assert_eq!((few.len(), more.len()), (12, 21));
        assert!((0..3).all(|label| few.iter().filter(|example| example.label == label).count() == 4));
        assert!(few.iter().all(|example| more.contains(example)));
        assert_eq!(few, task.draw(4, 1));
        assert_ne!(few, task.draw(4, 2));
        assert_eq!(task.draw(1000, 1).len(), 60);
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        assert!(serde_json::from_str::<TaskSettings>(r#"{"name":"n","label_colum":"x"}"#).is_err());
        assert!(serde_json::from_str::<TaskSettings>(r#"{"name":"n","label_column":"x"}"#).is_ok());
    }
}
