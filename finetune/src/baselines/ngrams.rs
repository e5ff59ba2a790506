//! The bar every classifier has to clear: character n-grams and a linear support vector machine.
//!
//! With its defaults this is scikit-learn's `TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)`
//! followed by `LinearSVC()`.

use super::features::Features;
use super::svm::{Limits, Machine};
use crate::error::{Error, Result};
use crate::task::Example;
use serde::{Deserialize, Serialize};

/// Settings of the character n-gram classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NgramSettings {
    /// Shortest n-gram, in characters.
    pub shortest: usize,
    /// Longest n-gram, in characters.
    pub longest: usize,
    /// Cost of an error beside the penalty on the weights, `C`.
    pub cost: f64,
    /// How near to the optimum training stops (difference of projected gradients).
    pub tolerance: f64,
    /// Most rounds over the training set.
    pub rounds: usize,
}

impl Default for NgramSettings {
    /// n-grams of 2 to 5 characters; the rest are the defaults of scikit-learn's `LinearSVC`.
    fn default() -> Self {
        NgramSettings { shortest: 2, longest: 5, cost: 1.0, tolerance: 1e-4, rounds: 1000 }
    }
}

/// A trained character n-gram classifier.
pub struct Ngrams {
    features: Features,
    machine: Machine,
}

impl Ngrams {
    /// Trains on `train`, whose labels are below `labels`. The same examples give the same classifier, whatever the
    /// number of threads.
    ///
    /// # Errors
    /// Settings that cannot work, fewer than two labels, no examples.
    pub fn train(train: &[Example], labels: usize, settings: &NgramSettings) -> Result<Ngrams> {
        let NgramSettings { shortest, longest, cost, tolerance, rounds } = *settings;
        if shortest < 1 || longest < shortest {
            return Err(Error::Settings(format!(
                "ngrams: found lengths {shortest} to {longest}; expected 1 ≤ shortest ≤ longest"
            )));
        }
        if !(cost > 0.0 && tolerance > 0.0 && rounds > 0) {
            return Err(Error::Settings(format!(
                "ngrams: found cost {cost}, tolerance {tolerance}, rounds {rounds}; expected all above 0"
            )));
        }
        if train.is_empty() || labels < 2 {
            return Err(Error::Settings(format!(
                "ngrams: found {} examples of {labels} labels; expected some, of at least two labels",
                train.len()
            )));
        }
        let texts: Vec<&str> = train.iter().map(|example| example.text.as_str()).collect();
        let truth: Vec<usize> = train.iter().map(|example| example.label).collect();
        let features = Features::learn(&texts, shortest, longest);
        let weights = features.weigh_all(&texts);
        let machine = Machine::train(&weights, &truth, features.count(), labels, Limits { cost, tolerance, rounds });
        Ok(Ngrams { features, machine })
    }

    /// Label of each of `texts`.
    pub fn predict(&self, texts: &[&str]) -> Vec<usize> {
        self.features.weigh_all(texts).iter().map(|text| self.machine.predict(text)).collect()
    }

    /// Score of each label for `text`: distance to its plane in units of the margin, not a probability.
    pub fn scores(&self, text: &str) -> Vec<f64> {
        self.machine.scores(&self.features.weigh(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str, label: usize) -> Example {
        Example { text: text.to_owned(), label }
    }

    #[test]
    fn endings_of_unseen_words_are_recognised() {
        let train = [
            example("melurka tosurka", 0),
            example("pilurka", 0),
            example("melotti balotti", 1),
            example("sanotti", 1),
            example("bevinje kavinje", 2),
            example("lovinje", 2),
        ];
        let ngrams = Ngrams::train(&train, 3, &NgramSettings::default()).unwrap();
        assert_eq!(ngrams.predict(&["GANURKA", "ganotti", "ganvinje"]), [0, 1, 2]);
        assert_eq!(ngrams.scores("ganurka").len(), 3);
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let train = [example("a", 0), example("b", 1)];
        for settings in [
            NgramSettings { shortest: 0, ..Default::default() },
            NgramSettings { longest: 1, ..Default::default() },
            NgramSettings { cost: 0.0, ..Default::default() },
            NgramSettings { tolerance: f64::NAN, ..Default::default() },
        ] {
            assert!(Ngrams::train(&train, 2, &settings).is_err(), "{settings:?}");
        }
        assert!(Ngrams::train(&train, 1, &NgramSettings::default()).is_err());
    }
}
