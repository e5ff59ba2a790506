//! Repetition: a text that says the same again and again is a table, a menu or a machine.
//!
//! - Drops documents of at least `minimum_words` words where one of seven shares is over its limit.
//! - Why: repeated text is learnt by heart and makes a model repeat itself.
//! - Dropped: thirty lines `Nav dotu` (97 % of the lines seen before).
//! - Near miss, kept: a song of four verses with the same two-line refrain; a stub of ten words with one of them twice.
//! - Thresholds: repetition figures of Gopher (Rae et al. 2021, table A1), applied from 50 words on because Gopher
//!   judged no shorter text: in a stub of two sentences one repeated word pair is already a fifth.

use super::{RepetitionSettings, drop, share};
use crate::document::{Signals, Verdict};
use std::collections::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_64;

/// Judges by the shares of what is repeated.
pub fn judge(signals: &Signals, settings: &RepetitionSettings) -> Verdict {
    if signals.words < settings.minimum_words {
        return Verdict::Keep;
    }
    let rules = [
        ("repeated_lines", signals.repeated_line_share, settings.repeated_line_share),
        ("repeated_line_characters", signals.repeated_line_character_share, settings.repeated_line_character_share),
        ("top_2gram", signals.top_2gram_share, settings.top_2gram_share),
        ("top_3gram", signals.top_3gram_share, settings.top_3gram_share),
        ("top_4gram", signals.top_4gram_share, settings.top_4gram_share),
        ("repeated_5grams", signals.repeated_5gram_share, settings.repeated_5gram_share),
        ("repeated_10grams", signals.repeated_10gram_share, settings.repeated_10gram_share),
    ];
    for (reason, found, limit) in rules {
        if found > limit {
            return drop(reason, share(found), format!("at most {}", share(limit)));
        }
    }
    Verdict::Keep
}

/// Fills in the shares of repetition. `words` are those of `text`, in order.
pub fn measure(text: &str, words: &[&str], signals: &mut Signals) {
    (signals.repeated_line_share, signals.repeated_line_character_share) = repeated_lines(text);
    let words: Vec<Word> = words
        .iter()
        .map(|word| Word { hash: xxh3_64(word.as_bytes()), characters: word.chars().count() as u64 })
        .collect();
    let characters = u64::from(signals.characters);
    signals.top_2gram_share = ratio(top_gram(&words, 2), characters);
    signals.top_3gram_share = ratio(top_gram(&words, 3), characters);
    signals.top_4gram_share = ratio(top_gram(&words, 4), characters);
    signals.repeated_5gram_share = ratio(repeated_grams(&words, 5), characters);
    signals.repeated_10gram_share = ratio(repeated_grams(&words, 10), characters);
}

struct Word {
    hash: u64,
    characters: u64,
}

fn ratio(part: u64, whole: u64) -> f32 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).min(1.0) as f32 }
}

/// Second and later occurrences of a line: by count and by characters, over the lines that are not blank.
fn repeated_lines(text: &str) -> (f32, f32) {
    let (mut seen, mut lines, mut repeated) = (HashSet::new(), 0, 0);
    let (mut characters, mut repeated_characters) = (0, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let length = line.chars().count() as u64;
        lines += 1;
        characters += length;
        if !seen.insert(line) {
            repeated += 1;
            repeated_characters += length;
        }
    }
    (ratio(repeated, lines), ratio(repeated_characters, characters))
}

fn hash_of(gram: &[Word]) -> u64 {
    gram.iter().fold(0, |hash, word| xxh3_64(&(hash ^ word.hash).rotate_left(23).to_le_bytes()))
}

/// Characters of the most frequent `n`-gram (its length with single spaces, times its count); 0 where none occurs
/// twice. Of several equally frequent ones the longest counts, so that the figure is a function of the text.
fn top_gram(words: &[Word], n: usize) -> u64 {
    let mut counts: HashMap<u64, (u64, u64)> = HashMap::new();
    for gram in words.windows(n) {
        let characters = gram.iter().map(|word| word.characters).sum::<u64>() + n as u64 - 1;
        counts.entry(hash_of(gram)).or_insert((0, characters)).0 += 1;
    }
    counts.values().filter(|(count, _)| *count > 1).max().map_or(0, |(count, characters)| count * characters)
}

/// Characters in `n`-grams seen before; after one the scan goes on behind it, so that nothing counts twice.
fn repeated_grams(words: &[Word], n: usize) -> u64 {
    let (mut seen, mut start, mut characters) = (HashSet::new(), 0, 0);
    while start + n <= words.len() {
        let gram = &words[start..start + n];
        if seen.insert(hash_of(gram)) {
            start += 1;
        } else {
            characters += gram.iter().map(|word| word.characters).sum::<u64>();
            start += n;
        }
    }
    characters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(text: &str) -> Signals {
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let mut signals =
            Signals { characters: text.chars().count() as u32, words: words.len() as u32, ..Signals::default() };
        measure(text, &words, &mut signals);
        signals
    }

    #[test]
    fn figures_by_hand() {
        let found = signals("ab\ncdef\n\nab\n");
        assert_eq!(found.repeated_line_share, ratio(1, 3));
        assert_eq!(found.repeated_line_character_share, ratio(2, 8));
        // `a b` twice (3 characters each) in `a b c a b`, 9 characters; no 3-gram occurs twice.
        let found = signals("a b c a b");
        assert_eq!((found.top_2gram_share, found.top_3gram_share), (ratio(6, 9), 0.0));
        // `a b c d e` again: 5 characters of 19.
        assert_eq!(signals("a b c d e a b c d e").repeated_5gram_share, ratio(5, 19));
        assert_eq!(signals("").top_2gram_share, 0.0);
    }

    #[test]
    fn the_card_holds() {
        let judged = |text: &str| match judge(&signals(text), &RepetitionSettings::default()) {
            Verdict::Keep => "kept",
            Verdict::Drop(reason) => reason.reason,
        };
        assert_eq!(judged(&"Nav dotu\n".repeat(30)), "repeated_lines");
        let mut song = String::new();
        for verse in 0..4 {
            for line in 0..4 {
                (0..7).for_each(|word| song.push_str(&format!("vuords{verse}{line}{word} ")));
                song.push('\n');
            }
            song.push_str("Pyut, vieji, dzan laivu,\naizdzan mani Kūrzemē.\n");
        }
        assert_eq!(judged(&song), "kept");
        assert_eq!(judged("Upe ir upe, kas ītak upē, i upe ir upe."), "kept");
        let template = (0..40).map(|n| format!("Cīms ir apdzeivuota vīta Latgolā numer {n}. ")).collect::<String>();
        assert_ne!(judged(&template), "kept");
    }
}
