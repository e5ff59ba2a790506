//! Letters: a text is made of letters, and mostly of those of its own script.
//!
//! - Drops documents where letters and marks are less than the language's share of what is not white space
//!   (`few_letters`; `minimum_letter_share` in the recipe), or letters of the language's script less than `minimum_script_share` of all letters
//!   (`other_script`).
//! - Why: tables of figures and coordinates are no language, and a page in another script is another language
//!   whatever its source claims.
//! - Dropped: `1920: 14 (3), 1921: 17 (4), 1922: 9.`; an article in Cyrillic claimed to be `ltg_Latn`.
//! - Near miss, kept: an article on an alphabet that lists as many foreign letters as its own words have.
//! - Threshold: the language's own from fifty words on ([`Limits`]), below half, set by hand; Gopher asks that 80 % of words hold a letter, which a list of dates with a
//!   sentence about each fails.

use super::limits::{self, Limits};
use super::{FilterSettings, drop, share};
use crate::document::{Signals, Verdict};

/// Judges by shares of characters.
pub fn judge(signals: &Signals, settings: &FilterSettings, limits: &Limits) -> Verdict {
    let own = &limits.letter_share;
    let (limit, source) = match signals.words < limits::JUDGED_WORDS {
        true => (settings.minimum_letter_share.unwrap_or(limits::LETTER_SHARE), "short text"),
        false => (own.value, own.source.as_str()),
    };
    if signals.letter_share < limit {
        return drop("few_letters", share(signals.letter_share), format!("{} ({source})", at_least(limit)));
    }
    if signals.script_share < settings.minimum_script_share {
        return drop("other_script", share(signals.script_share), at_least(settings.minimum_script_share));
    }
    Verdict::Keep
}

fn at_least(limit: f32) -> String {
    format!("at least {}", share(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_holds() {
        let judged = |text: &str, words: u32| {
            let (letter_share, script_share) =
                tongues_languages::script::letter_shares(text, "ltg_Latn".parse().unwrap());
            let signals = Signals { letter_share, script_share, words, ..Signals::default() };
            let settings = FilterSettings::default();
            judge(&signals, &settings, &Limits::of("ltg_Latn".parse().unwrap(), &settings))
        };
        let reason = |text: &str, words: u32| match judged(text, words) {
            Verdict::Keep => "kept",
            Verdict::Drop(reason) => reason.reason,
        };
        assert_eq!(reason("1920: 14 (3), 1921: 17 (4), 1922: 9.", 9), "few_letters");
        assert_eq!(reason("Это статья о городе.", 4), "other_script");
        assert_eq!(reason("Kirilicys burti: А Б В Г Д Е Ж З", 10), "kept");
        // 7 of 11 are letters: enough for a stub, too few for fifty words in Latgalian (0.77).
        assert_eq!((reason("upe (12) mežs", 2), reason("upe (12) mežs", 50)), ("kept", "few_letters"));
    }
}
