//! Words: as long as words of the language are, and some of them its function words.
//!
//! - Drops documents of [`super::limits::JUDGED_WORDS`] words or more whose mean word length is out of the language's range (`short_words`,
//!   `long_words`), or with a smaller share of function words than its texts have (`few_function_words`).
//! - Why: a list of names, a table of codes, text without its spaces and text of another language have words of other
//!   lengths and no *and*, *the*, *of*.
//! - Dropped: a page of a hundred place names in Latgalian; text that lost its spaces.
//! - Near miss, kept: a stub of sixty words without one, because as many words of good text have none once in three times; an article full of long compounds
//!   that has its function words.
//! - Threshold: the language's own, [`Limits`]: what 1 % of windows of fifty words reach in clean text, and 15 % more;
//!   words may be longer by [`LONGER`] beside function words enough. Of
//!   function words there have to be so few that a text with the limit's share of them would have as few by chance
//!   once in twenty times at most (Poisson): many profiles name eight words that make up a twentieth of a text.

use super::limits::{JUDGED_WORDS, Limit, Limits};
use super::{drop, share};
use crate::document::{Signals, Verdict};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use tongues_languages::{Tag, profile};

/// Function words by language, and the bytes of the longest.
static LISTS: LazyLock<HashMap<Tag, (HashSet<&'static str>, usize)>> = LazyLock::new(|| {
    let with = profile::all().filter(|profile| !profile.function_words.is_empty());
    with.map(|profile| {
        let words = profile.function_words.iter().map(String::as_str);
        (profile.tag, (words.clone().collect(), words.map(str::len).max().unwrap_or_default()))
    })
    .collect()
});

/// Judges by the lengths of words and by function words.
pub fn judge(signals: &Signals, limits: &Limits) -> Verdict {
    if signals.words < JUDGED_WORDS {
        return Verdict::Keep;
    }
    let says =
        |side: &str, limit: &Limit, unit: &str| format!("{side} {}{unit} ({})", share(limit.value), limit.source);
    let (least, most) = (&limits.minimum_mean_word_length, &limits.maximum_mean_word_length);
    if signals.mean_word_length < least.value {
        return drop("short_words", share(signals.mean_word_length), says("at least", least, " characters"));
    }
    let is_of_the_language =
        limits.function_word_share.as_ref().is_some_and(|l| signals.function_word_share >= l.value);
    let most = match is_of_the_language {
        true => &Limit { value: most.value * LONGER, source: most.source.clone() },
        false => most,
    };
    if signals.mean_word_length > most.value {
        return drop("long_words", share(signals.mean_word_length), says("at most", most, " characters"));
    }
    match &limits.function_word_share {
        Some(limit) if is_too_few(signals, limit.value) => {
            drop("few_function_words", share(signals.function_word_share), says("at least", limit, ""))
        }
        _ => Verdict::Keep,
    }
}

/// So much longer may words be in a text that has the language's function words: text of another language and text
/// without its spaces has none, while sciences and trades have long words.
const LONGER: f32 = 1.15;

/// Probability of as few function words in a text that has the limit's share of them.
const CHANCE: f64 = 0.05;

/// Whether a text has fewer function words than chance would give one in which they have this share.
fn is_too_few(signals: &Signals, share: f32) -> bool {
    let expected = f64::from(share) * f64::from(signals.words);
    let found = (f64::from(signals.function_word_share) * f64::from(signals.words)).round();
    if found >= expected {
        return false;
    }
    let (mut term, mut sum, mut count) = ((-expected).exp(), (-expected).exp(), 0.0);
    while count < found {
        count += 1.0;
        term *= expected / count;
        sum += term;
    }
    sum < CHANCE
}

/// Share of the words that are function words of the language, 0 to 1; 0 where its profile names none.
pub fn function_word_share(words: &[&str], tag: Tag) -> f32 {
    let Some((list, longest)) = LISTS.get(&tag).filter(|_| !words.is_empty()) else { return 0.0 };
    // Lower case can be some bytes longer or shorter; no list has words as long as that.
    let short = words.iter().filter(|word| word.len() <= longest + 4);
    let listed = short.filter(|word| list.contains(**word) || list.contains(word.to_lowercase().as_str())).count();
    (listed as f64 / words.len() as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{self, FilterSettings};

    #[test]
    fn the_card_holds() {
        let tag = "ltg_Latn".parse().unwrap();
        let limits = Limits::of(tag, &FilterSettings::default());
        let reason = |text: &str| match judge(&filter::measure(text, tag), &limits) {
            Verdict::Keep => "kept".to_owned(),
            Verdict::Drop(reason) => format!("{}: {}", reason.reason, reason.limit),
        };
        let names = "Rēzekne Daugovpiļs Ludza Preiļi Leivuona Viļaka Baļvi Varakļuoni Dagda Kruoslova ";
        assert_eq!(reason(&names.repeat(6)), "kept");
        assert_eq!(reason(&names.repeat(16)), "few_function_words: at least 0.020 (profile: FLORES-200 dev)");
        let sentence =
            "Piļsātā dzeivuoja daudzi cylvāki, kas roksteja gruomotys i laseja ar breinumu par sovu volūdu. ";
        assert_eq!(reason(&sentence.repeat(5)), "kept");
        assert_eq!(
            reason(&("Itei".repeat(6) + " ").repeat(60)),
            "long_words: at most 8.250 characters (profile: FLORES-200 dev)"
        );
        // (4 · 11 + 1) / 5 = 9 characters, 8.25 · 1.15 = 9.49.
        let long_with = |word: &str| format!("{0}{0}{word} ", "gruomotnīki ".repeat(2)).repeat(15);
        assert_eq!(reason(&long_with("i")), "kept");
        assert_eq!(reason(&long_with("Z")), "long_words: at most 8.250 characters (profile: FLORES-200 dev)");
        assert_eq!(reason(&"i a ".repeat(40)), "short_words: at least 4.140 characters (profile: FLORES-200 dev)");
    }

    #[test]
    fn chance_is_counted_by_hand() {
        let few = |words, function_word_share, share| {
            is_too_few(&Signals { words, function_word_share, ..Signals::default() }, share)
        };
        // e^-2.98 = 0.0508, e^-3 = 0.0498; with one word e^-5 · (1 + 5) = 0.0404, e^-4.7 · (1 + 4.7) = 0.0518.
        assert_eq!((few(149, 0.0, 0.02), few(150, 0.0, 0.02)), (false, true));
        assert_eq!((few(235, 1.0 / 235.0, 0.02), few(250, 1.0 / 250.0, 0.02)), (false, true));
        assert!(!few(10_000, 0.02, 0.02));
    }

    #[test]
    fn function_words_are_counted_by_hand() {
        // ir and i of five words; Ir is ir.
        assert_eq!(function_word_share(&["Itei", "ir", "upe", "i", "kolns"], "ltg_Latn".parse().unwrap()), 0.4);
        assert_eq!(function_word_share(&["Ir"], "ltg_Latn".parse().unwrap()), 1.0);
        assert_eq!(function_word_share(&["ir"], "syl_Sylo".parse().unwrap()), 0.0);
    }
}
