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
use tongues_languages::{Tag, script};

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

/// (share of letters and marks among characters that are not white space, share of letters of the script of `tag`
/// among letters). 0 and 1 for a text without any.
pub fn shares(text: &str, tag: Tag) -> (f32, f32) {
    let (mut visible, mut letters, mut own) = (0u64, 0u64, 0u64);
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        visible += 1;
        let script = script::of(c);
        // Marks (Bengali vowel signs, combining accents) are not alphabetic everywhere, but have a script.
        if c.is_alphabetic() || script == "Zinh" || (!c.is_numeric() && !matches!(script, "Zyyy" | "Zzzz")) {
            letters += 1;
            own += u64::from(tag.script() == "Zzzz" || script::fits(c, tag));
        }
    }
    (ratio(letters, visible, 0.0), ratio(own, letters, 1.0))
}

fn ratio(part: u64, whole: u64, empty: f32) -> f32 {
    if whole == 0 { empty } else { (part as f64 / whole as f64) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    #[test]
    fn shares_are_counted_by_hand() {
        assert_eq!(shares("ab 12", tag("ltg_Latn")), (0.5, 1.0));
        assert_eq!(shares("abв г.", tag("ltg_Latn")), (0.8, 0.5));
        assert_eq!(shares("", tag("ltg_Latn")), (0.0, 1.0));
        assert_eq!(shares("日本の", tag("jpn_Jpan")), (1.0, 1.0));
        assert_eq!(shares("বাংলা", tag("ben_Beng")), (1.0, 1.0));
    }

    #[test]
    fn the_card_holds() {
        let judged = |text: &str| {
            let (letter_share, script_share) = shares(text, tag("ltg_Latn"));
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
