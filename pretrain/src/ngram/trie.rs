//! Counts of all n-grams of a text up to an order, as a trie in sorted arrays: an n-gram is a child of the n-gram
//! without its last token. Built by sorting, so its content depends on the text alone.

use super::Text;
use rayon::prelude::*;

/// The n-grams of one length, sorted by their tokens.
#[derive(Debug, Clone, Default)]
pub struct Level {
    /// The last token of each.
    pub tokens: Vec<u32>,
    /// How often each counts: times seen, or different tokens seen before it (see [`Trie::build`]).
    pub counts: Vec<u32>,
    /// Where the children of each begin in the next level, and where those of the last end; empty at the last level.
    pub children: Vec<u32>,
}

/// N-grams of length 1 to the order. Memory: 12 bytes an n-gram, 8 one of the last level, and 16 bytes a token of the
/// text while it is built.
#[derive(Debug, Clone)]
pub struct Trie {
    /// `levels[n]` has the n-grams of n + 1 tokens.
    pub levels: Vec<Level>,
}

impl Trie {
    /// Counts a text of fewer than 2³² tokens; `order` of them have to fit 128 bits. No n-gram holds `<s>` but at its beginning, none goes on after `</s>`.
    /// Those of the last level, and those that begin with `<s>`, count as often as they were seen; all others as many
    /// different tokens as stand before them (Kneser and Ney 1995), `<s>` included; `<s>` alone counts 0.
    pub fn build(text: &Text, order: usize) -> Trie {
        let keys = Keys::sorted(text, order);
        let mut trie = Trie { levels: vec![Level::default(); order] };
        let (mut ids, mut last) = (Vec::new(), Vec::new());
        for &key in &keys.keys {
            keys.tokens(key, &mut ids);
            let shared = ids.iter().zip(&last).take_while(|(a, b)| a == b).count();
            for (n, &token) in ids.iter().enumerate() {
                if n >= shared {
                    let next = trie.levels.get(n + 1).map(|level| level.tokens.len() as u32);
                    let level = &mut trie.levels[n];
                    level.tokens.push(token);
                    level.counts.push(0);
                    level.children.extend(next);
                }
                *trie.levels[n].counts.last_mut().expect("just pushed, or shared with the one before") += 1;
            }
            std::mem::swap(&mut ids, &mut last);
        }
        for n in 1..order {
            let end = trie.levels[n].tokens.len() as u32;
            trie.levels[n - 1].children.push(end);
        }
        drop(keys); // memory is short at the next step
        trie.count_contexts(text.beginning);
        trie
    }

    /// Turns the counts below the last level into counts of different tokens before.
    fn count_contexts(&mut self, beginning: u32) {
        let order = self.levels.len();
        let place = self.levels[0].tokens.binary_search(&beginning).ok();
        // N-grams that begin with `<s>` are one range of each level.
        let mut own = place.map_or(0..0, |place| place..place + 1);
        // For each n-gram of the level: the n-gram without its first token, in the level below; `None` for one token.
        let mut suffixes: Option<Vec<u32>> = None;
        for n in 1..order {
            let (lower, level) = (&self.levels[n - 1], &self.levels[n]);
            let mut links = vec![0u32; level.tokens.len()];
            let mut counts = vec![0u32; lower.tokens.len()];
            for parent in 0..lower.tokens.len() {
                let among = suffixes.as_ref().map(|suffixes| self.child_range(n - 2, suffixes[parent] as usize));
                for child in self.child_range(n - 1, parent) {
                    let among = among.clone().unwrap_or(0..lower.tokens.len());
                    let found = lower.tokens[among.clone()].binary_search(&level.tokens[child]);
                    let suffix = among.start + found.expect("a part of an n-gram is one");
                    links[child] = suffix as u32;
                    counts[suffix] += 1;
                }
            }
            let next = if own.is_empty() {
                own.clone()
            } else {
                self.child_range(n - 1, own.start).start..self.child_range(n - 1, own.end - 1).end
            };
            let lower = &mut self.levels[n - 1];
            counts[own.clone()].copy_from_slice(&lower.counts[own.clone()]);
            lower.counts = counts;
            own = next;
            suffixes = Some(links);
        }
        if let Some(place) = place {
            self.levels[0].counts[place] = 0;
        }
    }

    /// The children of n-gram `parent` of `levels[level]`, as places of the next level.
    pub fn child_range(&self, level: usize, parent: usize) -> std::ops::Range<usize> {
        let children = &self.levels[level].children;
        children[parent] as usize..children[parent + 1] as usize
    }

    /// The place of `tokens` in the level of its length.
    pub fn find(&self, tokens: &[u32]) -> Option<usize> {
        let mut range = 0..self.levels[0].tokens.len();
        let mut place = None;
        for (n, token) in tokens.iter().enumerate() {
            let found = range.start + self.levels[n].tokens[range.clone()].binary_search(token).ok()?;
            place = Some(found);
            if n + 1 < tokens.len() {
                range = self.child_range(n, found);
            }
        }
        place
    }
}

/// The tokens at a place, at most `order` of one document.
fn at(text: &Text, place: u32, order: usize) -> &[u32] {
    let ids = &text.ids[place as usize..text.ids.len().min(place as usize + order)];
    let stop = ids[1..].iter().position(|id| *id == text.beginning).map_or(ids.len(), |stop| stop + 1);
    &ids[..stop]
}

/// The tokens at every place, each as one number that sorts as they do: sorting numbers needs no look at the text.
struct Keys {
    keys: Vec<u128>,
    order: usize,
    /// Of one token.
    bits: usize,
}

impl Keys {
    fn sorted(text: &Text, order: usize) -> Keys {
        assert!(order > 0 && u32::try_from(text.ids.len()).is_ok(), "counts are u32");
        let bits = (128 / order).min(33);
        let largest = text.beginning.max(text.vocabulary_size as u32);
        assert!(u64::from(largest) + 1 < 1 << bits, "{order} tokens of this vocabulary do not fit a number");
        let key = |place: u32| {
            let ids = at(text, place, order);
            // One is added to each, so that no token comes before all others.
            (0..order).fold(0, |key, n| key << bits | ids.get(n).map_or(0, |id| u128::from(*id) + 1))
        };
        let mut keys: Vec<u128> = (0..text.ids.len() as u32).into_par_iter().map(key).collect();
        keys.par_sort_unstable();
        Keys { keys, order, bits }
    }

    /// The tokens of a key.
    fn tokens(&self, key: u128, ids: &mut Vec<u32>) {
        ids.clear();
        let token = |n: usize| (key >> (self.bits * (self.order - 1 - n)) & ((1 << self.bits) - 1)) as u64;
        ids.extend((0..self.order).map(token).take_while(|id| *id > 0).map(|id| (id - 1) as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(order: usize) -> Trie {
        let mut text = Text { beginning: 1, vocabulary_size: 7, ..Default::default() };
        text.push(&[3, 4, 3, 4], 2);
        text.push(&[3, 5], 2);
        Trie::build(&text, order)
    }

    fn count(trie: &Trie, tokens: &[u32]) -> Option<u32> {
        Some(trie.levels[tokens.len() - 1].counts[trie.find(tokens)?])
    }

    #[test]
    fn counts_are_of_tokens_before_but_at_the_beginning_and_in_the_longest() {
        // <s> 3 4 3 4 </s>, <s> 3 5 </s>
        let trie = trie(3);
        let count = |tokens: &[u32]| count(&trie, tokens);
        assert_eq!(count(&[1]), Some(0), "never predicted");
        assert_eq!(count(&[3]), Some(2), "after <s> and 4");
        assert_eq!(count(&[4]), Some(1), "after 3");
        assert_eq!(count(&[2]), Some(2), "after 4 and 5");
        assert_eq!(count(&[1, 3]), Some(2), "seen twice");
        assert_eq!(count(&[3, 4]), Some(2), "after <s> and 4");
        assert_eq!(count(&[4, 3]), Some(1), "after 3");
        assert_eq!(count(&[1, 3, 4]), Some(1), "seen once");
        assert_eq!(count(&[3, 4, 2]), Some(1));
        assert_eq!(count(&[2, 1]), None, "documents do not touch");
        assert_eq!(count(&[5, 3]), None);
    }

    #[test]
    fn one_level_counts_what_was_seen() {
        let trie = trie(1);
        assert_eq!(trie.levels[0].tokens, [1, 2, 3, 4, 5]);
        assert_eq!(trie.levels[0].counts, [0, 2, 3, 2, 1]);
    }

    #[test]
    fn no_text_has_no_n_gram() {
        let trie = Trie::build(&Text::default(), 3);
        assert!(trie.levels.iter().all(|level| level.tokens.is_empty()));
        assert_eq!(trie.find(&[0]), None);
    }
}
