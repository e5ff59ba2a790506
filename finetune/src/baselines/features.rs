//! Texts as weighted character n-grams: TF-IDF within word boundaries.
//!
//! The same numbers as scikit-learn's `TfidfVectorizer(analyzer="char_wb", sublinear_tf=True)`: lower-cased; each word
//! between two spaces; tf = 1 + ln(count); idf = ln((1 + n) / (1 + df)) + 1; each text scaled to Euclidean length 1.

use rayon::prelude::*;
use std::collections::HashMap;

/// A text: feature and weight, by rising feature.
pub type Sparse = Vec<(u32, f64)>;

/// The n-grams of a training set and their inverse document frequencies.
pub struct Features {
    shortest: usize,
    longest: usize,
    numbers: HashMap<String, u32>,
    idf: Vec<f64>,
}

impl Features {
    /// Learns the n-grams of `shortest..=longest` characters of `texts`, numbered as they come.
    pub fn learn(texts: &[&str], shortest: usize, longest: usize) -> Features {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        // Number of texts with the n-gram, and the last of them plus one.
        let mut seen: Vec<(u64, usize)> = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            ngrams(text, shortest, longest, |ngram| {
                let feature = match numbers.get(ngram) {
                    Some(&feature) => feature,
                    None => {
                        let feature = seen.len() as u32;
                        numbers.insert(ngram.to_owned(), feature);
                        seen.push((0, 0));
                        feature
                    }
                };
                let (frequency, last) = &mut seen[feature as usize];
                if *last != number + 1 {
                    (*frequency, *last) = (*frequency + 1, number + 1);
                }
            });
        }
        let total = texts.len() as f64;
        let idf = seen.iter().map(|&(frequency, _)| ((1.0 + total) / (1.0 + frequency as f64)).ln() + 1.0).collect();
        Features { shortest, longest, numbers, idf }
    }

    /// Number of different n-grams.
    pub fn count(&self) -> usize {
        self.idf.len()
    }

    /// Weights of `text`; n-grams that were not learnt do not count. Empty when none was.
    pub fn weigh(&self, text: &str) -> Sparse {
        let mut found: Vec<u32> = Vec::new();
        ngrams(text, self.shortest, self.longest, |ngram| found.extend(self.numbers.get(ngram)));
        found.sort_unstable();
        let mut weights: Sparse = found
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], (1.0 + (same.len() as f64).ln()) * self.idf[same[0] as usize]))
            .collect();
        let length = weights.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        weights.iter_mut().for_each(|(_, weight)| *weight /= length);
        weights
    }

    /// [`Features::weigh`] for many texts, on all threads.
    pub fn weigh_all(&self, texts: &[&str]) -> Vec<Sparse> {
        texts.par_iter().map(|text| self.weigh(text)).collect()
    }
}

/// Calls `visit` with each n-gram of each word between spaces. A word shorter than n (spaces counted) is given
/// whole, once.
fn ngrams(text: &str, shortest: usize, longest: usize, mut visit: impl FnMut(&str)) {
    // The four separators U+001C..U+001F are white space in the reference, not in Unicode's property.
    let space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let lower = text.to_lowercase();
    let mut padded = String::new();
    let mut starts: Vec<usize> = Vec::new();
    for word in lower.split(space).filter(|word| !word.is_empty()) {
        padded.clear();
        padded.push(' ');
        padded.push_str(word);
        padded.push(' ');
        starts.clear();
        starts.extend(padded.char_indices().map(|(start, _)| start));
        starts.push(padded.len());
        let length = starts.len() - 1;
        for n in shortest..=longest {
            if length <= n {
                visit(&padded);
                break;
            }
            for start in 0..=length - n {
                visit(&padded[starts[start]..starts[start + n]]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, shortest: usize, longest: usize) -> Vec<String> {
        let mut found = Vec::new();
        ngrams(text, shortest, longest, |ngram| found.push(ngram.to_owned()));
        found
    }

    #[test]
    fn ngrams_stay_within_words_and_short_words_come_once() {
        // " a " is three characters: two 2-grams, then itself as its only 3-gram; no 4- or 5-gram.
        assert_eq!(all("A", 2, 5), [" a", "a ", " a "]);
        assert_eq!(all("  Ēb \n o", 3, 4), [" ēb", "ēb ", " ēb ", " o "]);
        assert_eq!(all("a", 5, 5), [" a "]);
        assert_eq!(all(" \t", 2, 5), Vec::<String>::new());
    }

    #[test]
    fn weights_by_hand() {
        // 2-grams: text one " a" 2 times, "a " 2 times; text two " a", "ab", "b ".
        let features = Features::learn(&["a a", "ab"], 2, 2);
        assert_eq!(features.count(), 4);
        // idf(" a") = ln(3/3) + 1 = 1; idf("a ") = ln(3/2) + 1 = 1.405465; tf = 1 + ln 2 for both, so it falls out:
        // weights 1 and 1.405465 over sqrt(1 + 1.975332) = 1.724915
        let weights = features.weigh("A a");
        assert_eq!(weights.iter().map(|(feature, _)| *feature).collect::<Vec<_>>(), [0, 1]);
        assert!((weights[0].1 - 1.0 / 1.724915).abs() < 1e-6 && (weights[1].1 - 1.405465 / 1.724915).abs() < 1e-6);
        // "a ab": " a" twice (tf 1.693147), "a " once, "ab" once, "b " once: 1.693147 and three times 1.405465
        let length = (1.693147f64.powi(2) + 3.0 * 1.405465f64.powi(2)).sqrt();
        assert!((features.weigh("a ab")[0].1 - 1.693147 / length).abs() < 1e-6);
        assert!(features.weigh("zz").is_empty() && features.weigh("").is_empty());
    }
}
