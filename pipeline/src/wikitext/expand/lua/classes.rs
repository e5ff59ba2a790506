//! Classes of characters in patterns: `%a` and its kin, over ASCII for `string` and over Unicode for `mw.ustring`.

use regex_syntax::hir::{Class, HirKind};
use std::sync::LazyLock;

/// Letter of each class and what `mw.ustring` takes it for.
const UNICODE: &[(u8, &str)] = &[
    (b'a', r"\p{L}"),
    (b'c', r"\p{Cc}"),
    (b'd', r"\p{Nd}"),
    (b'l', r"\p{Ll}"),
    (b'p', r"\p{P}"),
    (b's', r"[\p{Z}\t\n\x0B\f\r]"),
    (b'u', r"\p{Lu}"),
    (b'w', r"[\p{L}\p{Nd}]"),
    (b'x', r"[0-9A-Fa-f０-９Ａ-Ｆａ-ｆ]"),
    (b'z', r"\x00"),
];

/// Ranges of code points of each, by the position in [`UNICODE`].
static RANGES: LazyLock<Vec<Vec<(u32, u32)>>> = LazyLock::new(|| UNICODE.iter().map(|(_, set)| ranges(set)).collect());

fn ranges(set: &str) -> Vec<(u32, u32)> {
    let parsed = regex_syntax::parse(set).expect("a set of Unicode");
    match parsed.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().map(|range| (range.start() as u32, range.end() as u32)).collect()
        }
        _ => set_of_one(parsed.kind()),
    }
}

/// A set of a single character is a literal to the parser.
fn set_of_one(kind: &HirKind) -> Vec<(u32, u32)> {
    match kind {
        HirKind::Literal(literal) => literal.0.iter().map(|byte| (u32::from(*byte), u32::from(*byte))).collect(),
        _ => Vec::new(),
    }
}

/// Whether a byte is of the class `letter` in C's plain locale.
pub(super) fn of_byte(letter: u8, unit: u32) -> bool {
    let Ok(byte) = u8::try_from(unit) else { return false };
    match letter {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0B,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        _ => byte == 0,
    }
}

/// Whether a character is of the class `letter`.
pub(super) fn of_character(letter: u8, unit: u32) -> bool {
    // Of ASCII, both agree but for symbols, which Unicode does not call punctuation.
    if unit < 0x80 && letter != b'p' {
        return of_byte(letter, unit);
    }
    let Some(class) = UNICODE.iter().position(|(known, _)| *known == letter) else { return false };
    let ranges = &RANGES[class];
    let at = ranges.partition_point(|(_, last)| *last < unit);
    ranges.get(at).is_some_and(|(first, _)| *first <= unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_unicode() {
        for (letter, inside, outside) in [
            (b'a', "āЯह中", "1-ि"),
            (b'd', "9९٣", "a½"),
            (b'l', "ša", "ŠA"),
            (b'u', "ŠЯ", "šя"),
            (b'p', "«–।!", "a+$"),
            (b's', " \u{a0}\u{3000}\n", "a"),
            (b'w', "ā9९", "- "),
            (b'x', "aF０", "gā"),
            (b'z', "\0", "0"),
            (b'c', "\u{1}\u{85}", "a"),
        ] {
            let of = |text: &str| text.chars().map(|c| of_character(letter, c as u32)).collect::<Vec<_>>();
            assert!(of(inside).iter().all(|is| *is), "{}", letter as char);
            assert!(!of(outside).iter().any(|is| *is), "{}", letter as char);
        }
        assert!(of_byte(b'p', u32::from(b'+')) && !of_byte(b'a', 0xE4));
    }
}
