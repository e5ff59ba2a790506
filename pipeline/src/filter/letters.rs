//! Letters: a text is made of letters, and mostly of those of its own script.
//!
//! - Drops documents where letters and marks are less than `minimum_letter_share` of what is not white space
//!   (`few_letters`), or letters of the language's script less than `minimum_script_share` of all letters
//!   (`other_script`).
//! - Why: tables of figures and coordinates are no language, and a page in another script is another language
//!   whatever its source claims.
//! - Dropped: `1920: 14 (3), 1921: 17 (4), 1922: 9.`; an article in Cyrillic claimed to be `ltg_Latn`.
//! - Near miss, kept: an article on an alphabet that lists as many foreign letters as its own words have.
//! - Threshold: half, set by hand; Gopher asks that 80 % of words hold a letter, which a list of dates with a
//!   sentence about each fails.

use super::{FilterSettings, drop, share};
use crate::document::{Signals, Verdict};

/// Judges by shares of characters.
pub fn judge(signals: &Signals, settings: &FilterSettings) -> Verdict {
    if signals.letter_share < settings.minimum_letter_share {
        return drop("few_letters", share(signals.letter_share), at_least(settings.minimum_letter_share));
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
        let judged = |text: &str| {
            let (letter_share, script_share) =
                tongues_languages::script::letter_shares(text, "ltg_Latn".parse().unwrap());
            judge(&Signals { letter_share, script_share, ..Signals::default() }, &FilterSettings::default())
        };
        let reason = |text: &str| match judged(text) {
            Verdict::Keep => "kept",
            Verdict::Drop(reason) => reason.reason,
        };
        assert_eq!(reason("1920: 14 (3), 1921: 17 (4), 1922: 9."), "few_letters");
        assert_eq!(reason("Это статья о городе."), "other_script");
        assert_eq!(reason("Kirilicys burti: А Б В Г Д Е Ж З"), "kept");
    }
}
