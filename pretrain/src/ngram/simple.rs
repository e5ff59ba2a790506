//! The unigram and the bigram.

use super::Text;
use std::collections::HashMap;

/// Unigram counts with one added, and a bigram with absolute discounting (Ney, Essen, Kneser 1994) over continuation
/// counts (Kneser and Ney 1995).
#[derive(Debug, Clone)]
pub struct Simple {
    unigram: Vec<u64>,
    total: u64,
    pairs: HashMap<(u32, u32), u64>,
    /// By first token: times seen, and different tokens after it.
    after: HashMap<u32, (u64, u64)>,
    /// By second token: different tokens before it.
    before: Vec<u64>,
    discount: f64,
    beginning: u32,
}

impl Simple {
    /// Counts a text; `<s>` is context only. The discount is n1 / (n1 + 2 n2), n1 and n2 the pairs seen once and twice.
    pub fn train(text: &Text) -> Simple {
        let size = text.vocabulary_size;
        let mut model = Simple {
            unigram: vec![0; size],
            total: 0,
            pairs: HashMap::new(),
            after: HashMap::new(),
            before: vec![0; size],
            discount: 0.0,
            beginning: text.beginning,
        };
        for document in text.documents() {
            for pair in document.windows(2) {
                model.unigram[pair[1] as usize] += 1;
                model.total += 1;
                *model.pairs.entry((pair[0], pair[1])).or_default() += 1;
            }
        }
        let (mut once, mut twice) = (0u64, 0u64);
        for (&(first, second), &count) in &model.pairs {
            let entry = model.after.entry(first).or_default();
            *entry = (entry.0 + count, entry.1 + 1);
            model.before[second as usize] += 1;
            once += u64::from(count == 1);
            twice += u64::from(count == 2);
        }
        model.discount = if once == 0 { 0.5 } else { once as f64 / (once + 2 * twice) as f64 };
        model
    }

    /// (count + 1) / (total + V).
    pub fn unigram(&self, token: u32) -> f64 {
        (self.unigram[token as usize] + 1) as f64 / (self.total + self.unigram.len() as u64) as f64
    }

    /// Discounted share of the pair, and the freed mass by how many contexts the token follows (one added).
    pub fn bigram(&self, last: u32, token: u32) -> f64 {
        let lower =
            (self.before[token as usize] + 1) as f64 / (self.pairs.len() as u64 + self.before.len() as u64) as f64;
        let Some(&(count, kinds)) = self.after.get(&last) else { return lower };
        let pair = self.pairs.get(&(last, token)).map_or(0.0, |count| *count as f64 - self.discount);
        (pair + self.discount * kinds as f64 * lower) / count as f64
    }

    /// Bits of one document (its tokens and `</s>`) under the unigram and under the bigram.
    pub fn bits(&self, tokens: &[u32], end: u32) -> (f64, f64) {
        let (mut last, mut sums) = (self.beginning, (0.0, 0.0));
        for &token in tokens.iter().chain([&end]) {
            sums.0 -= self.unigram(token).log2();
            sums.1 -= self.bigram(last, token).log2();
            last = token;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn trained() -> Simple {
        let mut text = Text { beginning: 1, vocabulary_size: 7, ..Default::default() };
        text.push(&[3, 4, 3, 4], 2);
        text.push(&[3, 5], 2);
        Simple::train(&text)
    }

    #[test]
    fn probabilities_sum_to_one_after_any_token() {
        let model = trained();
        assert!(((0..7).map(|token| model.unigram(token)).sum::<f64>() - 1.0).abs() < 1e-12);
        for last in 0..7 {
            assert!(((0..7).map(|token| model.bigram(last, token)).sum::<f64>() - 1.0).abs() < 1e-12, "{last}");
        }
    }

    #[test]
    fn by_hand() {
        let model = trained();
        // 8 tokens: 3 4 3 4 </s> 3 5 </s>; three are 3: (3 + 1) / (8 + 7).
        assert_eq!(model.unigram(3), 4.0 / 15.0);
        // Pairs: 1-3 twice, 3-4 twice, 4-3, 4-2, 3-5, 5-2 once: discount 4 / (4 + 2 · 2) = 0.5.
        // After 3: 3 times, 2 kinds; 4 follows 1 kind of token: (2 - 0.5 + 0.5 · 2 · (1 + 1) / (6 + 7)) / 3.
        assert!((model.bigram(3, 4) - (1.5 + 2.0 / 13.0) / 3.0).abs() < 1e-12);
    }
}
