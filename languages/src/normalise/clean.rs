//! Whether a line is in its one spelling already, told at the speed of memory for most text.
//!
//! Characters that may compose with what stands before them (vowel signs, tone marks) are looked at together with the
//! few characters back to the last that can begin a spelling ([`super::compose`]); the rest of the line is not.

use super::compose;
use super::table::Table;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, is_nfc_quick};

/// What is to be known of a character: its combining class, or one of those below.
pub(super) static CLASSES: Table<u8> = Table::new(class_of, NEVER);
/// It is not in NFC, wherever it stands.
const UNCOMPOSED: u8 = 253;
/// It may compose with what stands before it.
pub(super) const MAYBE: u8 = 254;
/// It is not in any text in its one spelling.
const NEVER: u8 = 255;

fn class_of(c: char) -> u8 {
    let invisible = super::is_bidi_mark(c) || matches!(c, '\u{FEFF}' | '\u{AD}');
    if c == ' ' {
        return 0; // not at the ends of a line, not two together: that is seen to where bytes are read
    }
    // The narrow space of Mongolian is for the slower way to judge.
    if invisible || c.is_control() || c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}') {
        return NEVER;
    }
    match is_nfc_quick(std::iter::once(c)) {
        IsNormalized::Yes => canonical_combining_class(c),
        IsNormalized::Maybe => MAYBE,
        IsNormalized::No => UNCOMPOSED,
    }
}

/// The class of a character.
pub(super) fn class(c: char) -> u8 {
    CLASSES.get(c)
}

/// Code and length of the character beyond ASCII at a byte of a text.
#[inline]
pub(super) fn decoded(bytes: &[u8], at: usize) -> (usize, usize) {
    let low = |n: usize| bytes[at + n] as usize & 0x3F;
    match bytes[at] as usize {
        byte @ 0..=0xDF => ((byte & 0x1F) << 6 | low(1), 2),
        byte @ 0xE0..=0xEF => ((byte & 0x0F) << 12 | low(1) << 6 | low(2), 3),
        byte => ((byte & 0x07) << 18 | low(1) << 12 | low(2) << 6 | low(3), 4),
    }
}

/// Where the text from `from` on stops being free of invisible marks and of spaces to drop; the space before such a place
/// is no longer free. `begins`: nothing of the line stands before.
pub(super) fn end_of_clean(text: &str, from: usize, begins: bool) -> usize {
    let bytes = text.as_bytes();
    let space_before = |at: usize| if at > from { bytes[at - 1] == b' ' } else { begins };
    let mut at = from;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte < 0x80 {
            if byte < b' ' || byte == 0x7F || byte == b' ' && space_before(at) {
                break;
            }
            at += 1;
            continue;
        }
        let (code, length) = decoded(bytes, at);
        if CLASSES.at(code) == NEVER {
            break;
        }
        at += length;
    }
    at - usize::from(at > from && bytes[at - 1] == b' ')
}

/// What is to be done to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Clean,
    /// It has to be composed, and nothing else.
    Uncomposed,
    /// It may need anything.
    Unclean,
}

/// Bytes looked at in one step where they are plain ASCII.
const AT_ONCE: usize = 32;

/// Whether all bytes are letters and signs of ASCII and single spaces; every one is looked at, many at once.
fn is_plain(bytes: &[u8]) -> bool {
    let pairs = bytes.iter().zip(&bytes[1..]);
    !pairs
        .fold(false, |found, (byte, next)| found | (*byte < b' ') | (*byte >= 0x7F) | (*byte == b' ') & (*next == b' '))
}

/// What is to be done to a line (without its line end).
pub(super) fn state(line: &str) -> State {
    let bytes = line.as_bytes();
    if bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ') {
        return State::Unclean;
    }
    let (mut at, mut last, mut state) = (0, 0u8, State::Clean);
    let mut looked = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte < 0x80 {
            if at >= looked {
                looked = at + AT_ONCE;
                if bytes.get(at..looked + 1).is_some_and(is_plain) {
                    (at, last) = (looked, 0);
                    continue;
                }
            }
            if byte < b' ' || byte == 0x7F || byte == b' ' && bytes[at + 1] == b' ' {
                return State::Unclean;
            }
            (at, last) = (at + 1, 0);
            continue;
        }
        let (code, length) = decoded(bytes, at);
        match CLASSES.at(code) {
            0 => last = 0,
            NEVER => return State::Unclean,
            UNCOMPOSED => (state, last) = (State::Uncomposed, 0),
            MAYBE if state == State::Clean => match compose::class_if_kept(line, at, last) {
                Some(class) => last = class,
                None => state = State::Uncomposed,
            },
            MAYBE => {}
            class => {
                if last > class {
                    state = State::Uncomposed;
                }
                last = class;
            }
        }
        at += length;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_is_what_changes_nothing() {
        for line in [
            "",
            "a b",
            "Rēzekne ira piļsāta.",
            "नदी लंबी है।",
            "ị́",
            "한국어",
            "می\u{200C}خواهم",
            "𞤀𞤣𞤤𞤢𞤥",
            "か\u{3099}".replace("か\u{3099}", "が").as_str(),
        ] {
            assert_eq!(state(line), State::Clean, "{line}");
        }
        for line in [
            " a",
            "a ",
            "a  b",
            "a\tb",
            "a\u{A0}b",
            "a\u{200F}",
            "\u{FEFF}a",
            "a\u{7F}",
            "a\u{AD}b",
            "a\u{3000}b",
            "a\u{1F}",
        ] {
            assert_eq!(state(line), State::Unclean, "{line:?}");
        }
        for line in ["e\u{301}", "q\u{301}\u{323}", "か\u{3099}", "é\u{323}", "\u{958}", "ে\u{9BE}"] {
            assert_eq!(state(line), State::Uncomposed, "{line:?}");
        }
    }

    /// Of every character alone and behind a letter, the fast answer is the slow one's.
    #[test]
    fn no_character_is_judged_otherwise_than_the_slow_way_does() {
        for c in (0..=0x10FFFF).filter_map(char::from_u32).filter(|c| *c != '\n') {
            for line in [format!("a{c}b"), format!("a\u{323}{c}")] {
                let slow = super::super::slow_line(&line);
                assert_eq!(state(&line) == State::Clean, slow == [line.clone()], "{line:?} {slow:?}");
            }
        }
    }
}
