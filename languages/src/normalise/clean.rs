//! Whether a line is in its one spelling already, told at the speed of memory for most text.

use std::sync::LazyLock;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, is_nfc, is_nfc_quick};

/// What is to be known of a character below U+10000: its combining class, or one of the two below.
static CLASSES: LazyLock<Box<[u8; 0x10000]>> = LazyLock::new(|| {
    let mut classes = Box::new([0; 0x10000]);
    for (code, class) in (0..).zip(classes.iter_mut()) {
        *class = char::from_u32(code).map_or(0, class_of);
    }
    classes
});
/// It may compose with what stands before it.
const MAYBE: u8 = 254;
/// It is not in any text in its one spelling.
const NEVER: u8 = 255;
/// Space: not at the ends of a line, not two together.
const SPACE: u8 = 1;

fn class_of(c: char) -> u8 {
    let invisible = super::is_bidi_mark(c) || matches!(c, '\u{FEFF}' | '\u{AD}');
    if c == ' ' {
        return SPACE;
    }
    // The narrow space of Mongolian is for the slower way to judge.
    if invisible || c.is_control() || c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}') {
        return NEVER;
    }
    match is_nfc_quick(std::iter::once(c)) {
        IsNormalized::Yes => canonical_combining_class(c),
        IsNormalized::Maybe => MAYBE,
        IsNormalized::No => NEVER,
    }
}

/// Whether nothing is to be changed in a line (without its line end).
pub(super) fn is_clean(line: &str) -> bool {
    let bytes = line.as_bytes();
    if bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ') {
        return false;
    }
    let classes = &**CLASSES;
    let (mut at, mut last, mut maybe) = (0, 0u8, false);
    while at < bytes.len() {
        let byte = bytes[at];
        if byte < 0x80 {
            if byte < b' ' || byte == 0x7F || byte == b' ' && bytes[at + 1] == b' ' {
                return false;
            }
            (at, last) = (at + 1, 0);
            continue;
        }
        let (class, length) = match byte {
            0..=0xDF => (classes[(byte as usize & 0x1F) << 6 | bytes[at + 1] as usize & 0x3F], 2),
            0xE0..=0xEF => {
                let high = (byte as usize & 0x0F) << 12 | (bytes[at + 1] as usize & 0x3F) << 6;
                (classes[high | bytes[at + 2] as usize & 0x3F], 3)
            }
            _ => (line[at..].chars().next().map_or(NEVER, class_of), 4),
        };
        at += length;
        match class {
            NEVER => return false,
            MAYBE => (maybe, last) = (true, 0),
            class if class != 0 && last > class => return false,
            class => last = class,
        }
    }
    !maybe || is_nfc(line)
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
            assert!(is_clean(line), "{line}");
        }
        for line in [
            " a",
            "a ",
            "a  b",
            "a\tb",
            "a\u{A0}b",
            "e\u{301}",
            "a\u{200F}",
            "\u{FEFF}a",
            "a\u{7F}",
            "a\u{AD}b",
            "q\u{301}\u{323}",
            "か\u{3099}",
            "a\u{3000}b",
            "a\u{1F}",
        ] {
            assert!(!is_clean(line), "{line:?}");
        }
    }

    /// Of every character alone and behind a letter, the fast answer is the slow one's.
    #[test]
    fn no_character_is_judged_otherwise_than_the_slow_way_does() {
        for c in (0..=0x10FFFF).filter_map(char::from_u32).filter(|c| *c != '\n') {
            for line in [format!("a{c}b"), format!("a\u{323}{c}")] {
                let slow = super::super::slow_line(&line);
                assert_eq!(is_clean(&line), slow == [line.clone()], "{line:?} {slow:?}");
            }
        }
    }
}
