//! Length: what is too short to be a sentence teaches nothing.
//!
//! - Drops documents of fewer than `minimum_characters` characters (`too_short`), and empty ones (`empty`).
//! - Why: what is left of a page that was all table or template is a stray word, and stray words repeat by the
//!   thousand.
//! - Dropped: `1. lapa` (7 characters).
//! - Near miss, kept: `Rēzekne ir piļsāta.` with one word more; a stub of one sentence is good text.
//! - Threshold: 20 characters, set by hand for stubs. The 50 words of Gopher (Rae et al. 2021, table A1) would drop
//!   most articles of a small Wikipedia.

use super::{FilterSettings, drop};
use crate::document::{Signals, Verdict};

/// Judges by the number of characters.
pub fn judge(signals: &Signals, settings: &FilterSettings) -> Verdict {
    if signals.characters == 0 {
        return drop("empty", "0 characters", "1 character");
    }
    if signals.characters < settings.minimum_characters {
        return drop("too_short", signals.characters, format!("at least {} characters", settings.minimum_characters));
    }
    Verdict::Keep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_kept() {
        let judged = |characters| judge(&Signals { characters, ..Signals::default() }, &FilterSettings::default());
        assert_eq!(judged(20), Verdict::Keep);
        for (characters, wanted) in [(0, "empty"), (1, "too_short"), (19, "too_short")] {
            assert!(matches!(judged(characters), Verdict::Drop(reason) if reason.reason == wanted), "{characters}");
        }
    }
}
