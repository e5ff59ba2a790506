//! Interpolated modified Kneser–Ney (Chen and Goodman 1999, "An empirical study of smoothing techniques for language
//! modeling", section 3): three discounts a length of n-gram, the freed mass to the next shorter one, that of single
//! tokens evenly to the whole vocabulary.

use super::Text;
use super::trie::Trie;

/// Taken from n-grams that count once, twice, three times or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discounts(pub [f64; 3]);

impl Discounts {
    /// What is taken where counts of counts tell nothing, as on tiny or artificial texts (the same as in KenLM).
    const FALLBACK: Discounts = Discounts([0.5, 1.0, 1.5]);

    /// From how many n-grams count one to four times: with Y = n1 / (n1 + 2 n2), D_i = i - (i + 1) Y n_(i+1) / n_i.
    fn estimated(n: [u64; 4]) -> Discounts {
        let n = n.map(|n| n as f64);
        let y = n[0] / (n[0] + 2.0 * n[1]);
        let discount = |i: usize| (i + 1) as f64 - (i + 2) as f64 * y * n[i + 1] / n[i];
        let all = [discount(0), discount(1), discount(2)];
        // Negative and not-a-number are both out of range.
        let right = all.iter().enumerate().all(|(i, d)| (0.0..=(i + 1) as f64).contains(d));
        if right { Discounts(all) } else { Discounts::FALLBACK }
    }

    fn of(&self, count: u32) -> f64 {
        if count == 0 { 0.0 } else { self.0[(count as usize).min(3) - 1] }
    }
}

/// What followed a context.
#[derive(Debug, Clone, Copy, Default)]
struct After {
    /// Sum of the counts.
    total: u32,
    /// Different tokens that count once.
    once: u32,
    /// … twice.
    twice: u32,
    /// … more often.
    more: u32,
}

impl After {
    fn of(counts: &[u32]) -> After {
        let mut after = After::default();
        for &count in counts {
            after.total += count;
            match count {
                0 => {}
                1 => after.once += 1,
                2 => after.twice += 1,
                _ => after.more += 1,
            }
        }
        after
    }

    /// The share of the probability that goes to the shorter context.
    fn freed(&self, Discounts([one, two, more]): Discounts) -> f64 {
        (one * f64::from(self.once) + two * f64::from(self.twice) + more * f64::from(self.more)) / f64::from(self.total)
    }
}

/// Contexts of at most so many tokens have what followed them counted beforehand: there are few of them, with many
/// different tokens after each. Of longer ones the few tokens are counted when they are asked for.
const COUNTED: usize = 1;

/// The model. Memory: that of the [`Trie`], and 16 bytes for each piece of the vocabulary.
#[derive(Debug, Clone)]
pub struct KneserNey {
    trie: Trie,
    /// By level of the predicted n-gram.
    discounts: Vec<Discounts>,
    /// `after[0]` has the empty context, `after[n]` the n-grams of n tokens, up to [`COUNTED`].
    after: Vec<Vec<After>>,
    vocabulary_size: usize,
    beginning: u32,
}

impl KneserNey {
    /// Counts a text; `<s>` is context only.
    pub fn train(text: &Text, order: usize) -> KneserNey {
        let trie = Trie::build(text, order);
        let discounts = trie.levels.iter().map(|level| {
            let mut n = [0u64; 4];
            level.counts.iter().filter(|count| (1..=4).contains(*count)).for_each(|count| n[*count as usize - 1] += 1);
            Discounts::estimated(n)
        });
        let mut after = vec![vec![After::of(&trie.levels[0].counts)]];
        for n in 0..COUNTED.min(order - 1) {
            let counts = &trie.levels[n + 1].counts;
            let of = |parent| After::of(&counts[trie.child_range(n, parent)]);
            after.push((0..trie.levels[n].tokens.len()).map(of).collect());
        }
        KneserNey {
            discounts: discounts.collect(),
            after,
            vocabulary_size: text.vocabulary_size,
            beginning: text.beginning,
            trie,
        }
    }

    /// Discounts of n-grams of one token, of two, and so on.
    pub fn discounts(&self) -> &[Discounts] {
        &self.discounts
    }

    /// How many n-grams of each length there are.
    pub fn sizes(&self) -> Vec<usize> {
        self.trie.levels.iter().map(|level| level.tokens.len()).collect()
    }

    /// Probability of `token` after `context`, of which the last tokens (as many as the order asks for, from the last
    /// `<s>` on) count. Over all tokens of the vocabulary these sum to 1.
    pub fn probability(&self, context: &[u32], token: u32) -> f64 {
        let reach = self.trie.levels.len() - 1;
        let context = &context[context.len().saturating_sub(reach)..];
        let mut probability = 1.0 / self.vocabulary_size as f64;
        for length in 0..=context.len() {
            let words = &context[context.len() - length..];
            let (range, place) = if length == 0 {
                (0..self.trie.levels[0].tokens.len(), 0)
            } else {
                // What was never seen is no part of anything longer either.
                let Some(place) = self.trie.find(words) else { break };
                (self.trie.child_range(length - 1, place), place)
            };
            let level = &self.trie.levels[length];
            let after = match self.after.get(length) {
                Some(counted) => counted[place],
                None => After::of(&level.counts[range.clone()]),
            };
            if after.total == 0 {
                break;
            }
            let found = level.tokens[range.clone()].binary_search(&token).ok();
            let count = found.map_or(0, |found| level.counts[range.start + found]);
            let discounts = self.discounts[length];
            let own = (f64::from(count) - discounts.of(count)) / f64::from(after.total);
            probability = own + after.freed(discounts) * probability;
        }
        probability
    }

    /// Bits of each of `tokens`, which stand after `<s>`.
    pub fn bits(&self, tokens: &[u32]) -> Vec<f64> {
        let all: Vec<u32> = [self.beginning].into_iter().chain(tokens.iter().copied()).collect();
        (1..all.len()).map(|i| -self.probability(&all[..i], all[i]).log2()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    fn text(documents: &[&[u32]], vocabulary_size: usize) -> Text {
        let mut text = Text { beginning: 1, vocabulary_size, ..Default::default() };
        documents.iter().for_each(|document| text.push(document, 2));
        text
    }

    #[test]
    fn by_hand() {
        // <s> 3 4 3 4 </s>, <s> 3 5 </s> with pairs, D = 0.5, 1, 1.5 since the text is too small for others.
        let model = KneserNey::train(&text(&[&[3, 4, 3, 4], &[3, 5]], 7), 2);
        assert_eq!(model.discounts(), [Discounts::FALLBACK; 2]);
        // Different tokens before: 3 has 2, 4 has 1, 5 has 1, </s> has 2: 6 in all, two of them once, two twice.
        // Freed: (2 · 0.5 + 2 · 1) / 6 = 0.5, to 7 tokens alike: 1/14.
        let single = |count: f64, discount: f64| (count - discount) / 6.0 + 0.5 / 7.0;
        assert!((model.probability(&[], 3) - single(2.0, 1.0)).abs() < 1e-15);
        assert!((model.probability(&[], 4) - single(1.0, 0.5)).abs() < 1e-15);
        assert!((model.probability(&[], 6) - 0.5 / 7.0).abs() < 1e-15);
        // After 3: 4 twice, 5 once. Freed: (1 + 0.5) / 3 = 0.5.
        assert!((model.probability(&[1, 3], 4) - ((2.0 - 1.0) / 3.0 + 0.5 * single(1.0, 0.5))).abs() < 1e-15);
        assert!((model.probability(&[1, 3], 3) - 0.5 * single(2.0, 1.0)).abs() < 1e-15);
        // After a token never seen, after the end: the shorter context.
        assert_eq!(model.probability(&[6], 4), model.probability(&[], 4));
        assert_eq!(model.probability(&[2], 4), model.probability(&[], 4));
    }

    #[test]
    fn discounts_follow_the_counts_of_counts() {
        // Y = 10 / 20 = 0.5; 1 - 2 · 0.5 · 5 / 10, 2 - 3 · 0.5 · 3 / 5, 3 - 4 · 0.5 · 2 / 3.
        let Discounts(found) = Discounts::estimated([10, 5, 3, 2]);
        for (found, wanted) in found.into_iter().zip([0.5, 1.1, 5.0 / 3.0]) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
        assert_eq!(Discounts::estimated([10, 1, 9, 0]), Discounts::FALLBACK, "2 - 3 · 10/12 · 9 is below 0");
        assert_eq!(Discounts::estimated([4, 0, 0, 0]), Discounts::FALLBACK);
    }

    #[test]
    fn probabilities_sum_to_one_in_every_context() {
        let key = Key::new(5);
        let token = |i: u64| 3 + (key.uniform(i).powi(3) * 20.0) as u32; // some often, some seldom; 0, 23 and 24 never
        let documents: Vec<Vec<u32>> = (0..60).map(|d| (0..d % 17).map(|i| token(100 * d + i)).collect()).collect();
        let slices: Vec<&[u32]> = documents.iter().map(Vec::as_slice).collect();
        for order in [1, 2, 5] {
            let model = KneserNey::train(&text(&slices, 25), order);
            assert!(order < 5 || model.discounts().iter().any(|found| *found != Discounts::FALLBACK));
            let seen = documents.iter().flat_map(|document| {
                let all: Vec<u32> = [1].into_iter().chain(document.iter().copied()).collect();
                (0..=all.len()).map(|i| all[..i].to_vec()).collect::<Vec<_>>()
            });
            let drawn = (0..300).map(|c| (0..c % 6).map(|i| key.below(9000 + 6 * c + i, 25) as u32).collect());
            for context in seen.chain(drawn).collect::<Vec<_>>() {
                let sum: f64 = (0..25).map(|token| model.probability(&context, token)).sum();
                assert!((sum - 1.0).abs() < 1e-12, "{sum} after {context:?}, order {order}");
            }
        }
    }

    /// Sentences and discounts of KenLM (commit 4cb443e, `lmplz -o 4`, `query -v sentence`) on the same text, log10; it
    /// counts 57 words: the 55 that come, `</s>` and `<unk>`.
    #[test]
    fn as_kenlm_has_it() {
        let mut state = 1u64;
        let mut word = || {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            (1000 / (1 + (state >> 8) % 1000)) as u32
        };
        let mut text = Text { beginning: 2000, vocabulary_size: 57, ..Default::default() };
        for document in 0..300 {
            let words: Vec<u32> = (0..document % 13).map(|_| word()).collect();
            text.push(&words, 2001);
        }
        let model = KneserNey::train(&text, 4);
        let wanted = [
            [0.377778, 1.67619, 1.11111],
            [0.646154, 1.07291, 1.94266],
            [0.72, 1.31165, 1.90759],
            [0.823009, 1.29015, 0.423625],
        ];
        for (Discounts(found), wanted) in model.discounts().iter().zip(wanted) {
            assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}, {wanted:?}");
        }
        let sentences: [(&[u32], f64); 3] = [
            (&[1, 16, 1, 1, 2, 2, 1, 47, 5, 3, 2001], -13.812684),
            (&[3, 45, 11, 1, 3, 1, 2, 1, 1, 4, 2, 2001], -12.252039),
            (&[1, 1, 1, 1, 4, 27, 1, 1, 1, 1, 1, 5, 2001], -10.0165415),
        ];
        for (sentence, wanted) in sentences {
            let found = -model.bits(sentence).iter().sum::<f64>() * std::f64::consts::LOG10_2;
            assert!((found - wanted).abs() < 1e-5, "{found}, {wanted}");
        }
    }

    #[test]
    fn without_text_all_tokens_are_alike() {
        let model = KneserNey::train(&text(&[], 8), 5);
        assert_eq!(model.probability(&[1, 3], 4), 0.125);
    }

    #[test]
    fn longer_contexts_pay_where_the_text_has_them() {
        let document: Vec<u32> = (0..60).map(|i| [3, 4, 5, 3, 4, 6][i % 6]).collect(); // after 3 4: 5 or 6, by what was before
        let bits = |order| KneserNey::train(&text(&[&document[..]; 4], 9), order).bits(&document).iter().sum::<f64>();
        assert!(bits(5) < bits(3) - 10.0, "{} {}", bits(5), bits(3));
    }
}
