//! What a pretrained model has to beat: [`majority()`] and [`Ngrams`], scored on the test set of a task.

mod features;
mod majority;
mod ngrams;
mod svm;

pub use majority::majority;
pub use ngrams::{NgramSettings, Ngrams};

use crate::error::{Error, Result};
use crate::metrics::{Scores, score};
use crate::results::{Method, MethodResult};
use crate::task::{Example, Task};
use serde::{Deserialize, Serialize};

/// Settings of the baselines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BaselineSettings {
    /// Training examples drawn per label; all of them when absent.
    pub labels_per_class: Option<usize>,
    /// A draw for each seed. Without a draw nothing is random, so one run, with the first seed, is made.
    pub seeds: Vec<u64>,
    /// The character n-gram classifier.
    pub ngrams: NgramSettings,
}

impl Default for BaselineSettings {
    /// All labels; five seeds (0 to 4) when some are drawn.
    fn default() -> Self {
        BaselineSettings { labels_per_class: None, seeds: (0..5).collect(), ngrams: NgramSettings::default() }
    }
}

/// Both baselines on the test set of `task`: majority class, then character n-grams.
///
/// # Errors
/// Settings that cannot work.
pub fn run(task: &Task, settings: &BaselineSettings) -> Result<Vec<MethodResult>> {
    if settings.seeds.is_empty() || settings.labels_per_class == Some(0) {
        return Err(Error::Settings(format!(
            "baselines: found {} seeds and {:?} labels per class; expected at least one seed and one label per class",
            settings.seeds.len(),
            settings.labels_per_class.unwrap_or(1),
        )));
    }
    let seeds = if settings.labels_per_class.is_some() { &settings.seeds[..] } else { &settings.seeds[..1] };
    let truth: Vec<usize> = task.test.iter().map(|example| example.label).collect();
    let texts: Vec<&str> = task.test.iter().map(|example| example.text.as_str()).collect();
    let mut labels_used = 0;
    let (mut of_majority, mut of_ngrams): (Vec<Scores>, Vec<Scores>) = (Vec::new(), Vec::new());
    for &seed in seeds {
        let drawn: Option<Vec<Example>> = settings.labels_per_class.map(|per_class| task.draw(per_class, seed));
        let train: &[Example] = drawn.as_deref().unwrap_or(&task.train);
        labels_used = train.len();
        let most = majority(train).unwrap_or(0);
        of_majority.push(score(&truth, &vec![most; truth.len()], task.labels.len()));
        let ngrams = Ngrams::train(train, task.labels.len(), &settings.ngrams)?;
        of_ngrams.push(score(&truth, &ngrams.predict(&texts), task.labels.len()));
    }
    Ok(vec![
        MethodResult::new(Method::Majority, labels_used, seeds, &of_majority),
        MethodResult::new(Method::CharacterNgrams, labels_used, seeds, &of_ngrams),
    ])
}
