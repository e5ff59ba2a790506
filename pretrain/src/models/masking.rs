//! Which tokens a masked language model has to tell (Devlin et al. 2019): of the chosen ones 80 % become `<mask>`, 10 %
//! another token, 10 % stay as they are. Special tokens are never chosen. Whole words, where that is asked for, are chosen
//! or left as one (the "whole word masking" of the authors' later models).

use crate::random::Key;

/// Of the chosen tokens, the share that becomes `<mask>`.
const BECOME_MASK: f64 = 0.8;
/// Of the chosen tokens, the share that becomes another token; the rest stays.
const BECOME_OTHERS: f64 = 0.1;

/// How tokens are chosen and hidden.
#[derive(Debug, Clone, PartialEq)]
pub struct Masking {
    /// Share of the ordinary tokens of a sequence that is chosen; at least one token is, if there is any.
    pub share: f64,
    /// Whether words are chosen, not tokens.
    pub whole_words: bool,
    /// Whether every chosen token becomes `<mask>`, as where it is measured what a model knows.
    pub always: bool,
    /// Id of `<mask>`.
    pub mask: u32,
    /// Ids that are never chosen and never put in: `<s>`, `</s>`, `<pad>`, and the tokens of languages.
    pub special: Vec<u32>,
    /// Ids are below this.
    pub vocabulary_size: usize,
}

/// Sequences with some tokens hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// What the model reads, (B, T) row by row.
    pub ids: Vec<u32>,
    /// Where the chosen tokens are in it, ascending.
    pub places: Vec<u32>,
    /// What stood there.
    pub targets: Vec<u32>,
}

impl Masking {
    /// The same with more special ids.
    pub fn sparing(mut self, special: impl IntoIterator<Item = u32>) -> Masking {
        self.special.extend(special);
        self
    }

    /// Chooses in each row of `t` of `ids`, a function of `key` alone. `begins_word` says of each id whether a word begins
    /// with it; without it every token is a word.
    pub fn hide(&self, ids: &[u32], t: usize, begins_word: Option<&[bool]>, key: Key) -> Masked {
        let mut masked = Masked { ids: ids.to_vec(), places: Vec::new(), targets: Vec::new() };
        for (row, tokens) in ids.chunks(t).enumerate() {
            let key = key.stream(row as u64);
            let mut chosen = self.choose(tokens, begins_word, key.named("choice"));
            chosen.sort_unstable();
            for place in chosen {
                let at = row * t + place;
                masked.places.push(at as u32);
                masked.targets.push(ids[at]);
                masked.ids[at] = self.instead(ids[at], place as u64, key.named("instead"));
            }
        }
        masked
    }

    fn is_ordinary(&self, id: u32) -> bool {
        id != self.mask && !self.special.contains(&id)
    }

    /// Places in a row: words in random order, as many as fit into the share.
    fn choose(&self, tokens: &[u32], begins_word: Option<&[bool]>, key: Key) -> Vec<usize> {
        let begins = begins_word.filter(|_| self.whole_words);
        let mut words: Vec<std::ops::Range<usize>> = Vec::new();
        for (place, &id) in tokens.iter().enumerate().filter(|(_, id)| self.is_ordinary(**id)) {
            let goes_on = begins.is_some_and(|begins| !begins.get(id as usize).copied().unwrap_or(true));
            match words.last_mut() {
                Some(word) if goes_on && word.end == place => word.end += 1,
                _ => words.push(place..place + 1),
            }
        }
        let ordinary: usize = words.iter().map(ExactSizeIterator::len).sum();
        let wanted = ((self.share * ordinary as f64).round() as usize).max(1);
        let mut chosen = Vec::with_capacity(wanted);
        for number in key.permutation(words.len()) {
            let word = &words[number as usize];
            // The first one is taken whatever its length: a row without any would teach nothing.
            if chosen.is_empty() || chosen.len() + word.len() <= wanted {
                chosen.extend(word.clone());
            }
        }
        chosen
    }

    /// What is read in place of `id`.
    fn instead(&self, id: u32, place: u64, key: Key) -> u32 {
        if self.always {
            return self.mask;
        }
        match key.uniform(2 * place) {
            drawn if drawn < BECOME_MASK => self.mask,
            drawn if drawn < BECOME_MASK + BECOME_OTHERS => {
                let other = key.below(2 * place + 1, self.vocabulary_size as u64) as u32;
                if self.is_ordinary(other) { other } else { id } // five ids of thousands
            }
            _ => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masking(share: f64) -> Masking {
        Masking { share, whole_words: false, always: false, mask: 1000, special: vec![1, 2, 3], vocabulary_size: 1001 }
    }

    /// Two rows of 100 tokens, every tenth special.
    fn ids() -> Vec<u32> {
        (0..200).map(|i| if i % 10 == 0 { 1 + i % 3 } else { 4 + i * 7 % 900 }).collect()
    }

    #[test]
    fn the_share_is_met_and_what_is_special_stays() {
        for (share, count) in [(0.15, 14), (0.3, 27), (0.001, 1)] {
            let masked = masking(share).hide(&ids(), 100, None, Key::new(1)); // 90 ordinary tokens a row
            assert_eq!(masked.places.len(), 2 * count);
            assert!(masked.places.iter().all(|place| place % 10 != 0), "{:?}", masked.places);
            assert!(masked.places.windows(2).all(|pair| pair[0] < pair[1]));
            for (place, target) in masked.places.iter().zip(&masked.targets) {
                assert_eq!(ids()[*place as usize], *target);
            }
            for (place, (before, after)) in ids().into_iter().zip(&masked.ids).enumerate() {
                assert!(before == *after || masked.places.contains(&(place as u32)));
            }
        }
        let nothing = masking(0.15).hide(&[1, 2, 3, 1000], 4, None, Key::new(1));
        assert_eq!((nothing.places.len(), nothing.ids), (0, vec![1, 2, 3, 1000]));
        // A token of a language is neither hidden nor put in the place of another.
        let spared = || masking(1.0).sparing([4, 5]);
        let one = spared().hide(&[4, 7, 5], 3, None, Key::new(1));
        assert_eq!((one.places, one.targets), (vec![1], vec![7]));
        let few = Masking { vocabulary_size: 7, ..spared() };
        let found = few.hide(&[6; 10_000], 100, None, Key::new(1));
        assert!(found.ids.iter().all(|id| [0, 6, 1000].contains(id)), "{:?}", found.ids);
    }

    #[test]
    fn of_the_chosen_eight_tenths_are_masked_and_one_tenth_is_another() {
        let ids: Vec<u32> = (0..100_000).map(|i| 4 + i % 900).collect();
        let masked = masking(0.15).hide(&ids, 100, None, Key::new(2));
        let count = |is: &dyn Fn(usize, u32) -> bool| {
            let places = masked.places.iter().map(|place| *place as usize);
            places.filter(|place| is(*place, masked.ids[*place])).count() as f64 / masked.places.len() as f64
        };
        assert!((count(&|_, id| id == 1000) - 0.8).abs() < 0.01);
        assert!((count(&|place, id| id == ids[place]) - 0.1).abs() < 0.01);
        let always = Masking { always: true, ..masking(0.15) }.hide(&ids, 100, None, Key::new(2));
        assert!(always.places.iter().all(|place| always.ids[*place as usize] == 1000));
        assert_eq!(always.places, masked.places);
    }

    #[test]
    fn whole_words_are_chosen_whole() {
        // Words of three tokens: an even id begins one.
        let ids: Vec<u32> = (0..300).map(|i| if i % 3 == 0 { 10 + 2 * (i % 50) } else { 11 + 2 * (i % 40) }).collect();
        let begins: Vec<bool> = (0..1001).map(|id| id % 2 == 0).collect();
        let whole = Masking { whole_words: true, ..masking(0.15) };
        let masked = whole.hide(&ids, 100, Some(&begins), Key::new(3));
        // 15 of 100 at most; 13 where a word that the row's end has cut took the place of a whole one.
        assert!((39..=45).contains(&masked.places.len()), "{}", masked.places.len());
        for place in &masked.places {
            let word = (place / 3 * 3..place / 3 * 3 + 3).filter(|other| other / 100 == place / 100);
            assert!(word.into_iter().all(|other| masked.places.contains(&other)), "{place} in {:?}", masked.places);
        }
        // A word longer than the share is taken all the same, where nothing else is.
        let long = whole.hide(&[10, 11, 11, 11], 4, Some(&begins), Key::new(3));
        assert_eq!(long.places, [0, 1, 2, 3]);
    }

    #[test]
    fn masks_depend_on_the_key_alone() {
        let hide = |seed| masking(0.15).hide(&ids(), 100, None, Key::new(seed));
        assert_eq!(hide(1), hide(1));
        assert_ne!(hide(1).places, hide(2).places);
        let places = hide(1).places;
        let (first, second) = places.split_at(14);
        assert_ne!(first, second.iter().map(|place| place - 100).collect::<Vec<_>>(), "each row has its own");
    }
}
