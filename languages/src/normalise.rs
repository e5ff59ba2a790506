//! One spelling for one text: NFC, one kind of line end, no invisible marks, single spaces.
//!
//! Zero-width joiner, non-joiner and space are spelling in many scripts and stay.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// How much [`normalise`] changed, each count in characters unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Line ends that were not LF: CR LF (one), CR, NEL, line and paragraph separators.
    pub line_ends: u64,
    /// Control characters dropped.
    pub controls: u64,
    /// Bidirectional marks, embeddings and isolates dropped.
    pub bidi_marks: u64,
    /// Byte order marks dropped.
    pub byte_order_marks: u64,
    /// Spaces dropped, or another kind of space made U+0020.
    pub spaces: u64,
    /// Line ends dropped because more than one blank line stood there, or at the text's ends.
    pub blank_lines: u64,
    /// Lines whose spelling NFC changed.
    pub composed_lines: u64,
}

impl Changes {
    /// Whether nothing was changed.
    pub fn none(&self) -> bool {
        *self == Changes::default()
    }
}

impl AddAssign for Changes {
    fn add_assign(&mut self, other: Changes) {
        self.line_ends += other.line_ends;
        self.controls += other.controls;
        self.bidi_marks += other.bidi_marks;
        self.byte_order_marks += other.byte_order_marks;
        self.spaces += other.spaces;
        self.blank_lines += other.blank_lines;
        self.composed_lines += other.composed_lines;
    }
}

/// Marks that only steer the direction of display (Unicode Standard Annex 9, section 2).
fn is_bidi_mark(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The text in its one spelling, and what was changed. Applying it twice is applying it once.
///
/// ```
/// let (text, changes) = tongues_languages::normalise::normalise(" e\u{301}\u{A0} a\r\n\r\n\r\nb ");
/// assert_eq!(text, "é a\n\nb");
/// assert_eq!((changes.line_ends, changes.blank_lines, changes.composed_lines), (3, 1, 1));
/// ```
pub fn normalise(text: &str) -> (String, Changes) {
    let mut changes = Changes::default();
    let mut output = String::with_capacity(text.len());
    let mut newlines = 0u64;
    for line in lines(text, &mut changes) {
        if line.is_empty() {
            newlines += 1;
            continue;
        }
        if output.is_empty() {
            changes.blank_lines += newlines;
        } else {
            let kept = newlines.min(2);
            changes.blank_lines += newlines - kept;
            output.extend(std::iter::repeat_n('\n', kept as usize));
        }
        newlines = 1;
        if is_nfc(&line) {
            output.push_str(&line);
        } else {
            changes.composed_lines += 1;
            output.extend(line.nfc());
        }
    }
    // Every line counted the line end after it; the last line has none.
    changes.blank_lines += newlines.saturating_sub(1);
    (output, changes)
}

/// The lines of the text, without invisible marks, spaces single and none at either end.
fn lines(text: &str, changes: &mut Changes) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut spaces: Vec<char> = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                if c != '\n' {
                    changes.line_ends += 1;
                }
                if c == '\r' {
                    characters.next_if_eq(&'\n');
                }
                changes.spaces += spaces.len() as u64;
                spaces.clear();
                lines.push(std::mem::take(&mut line));
            }
            '\u{FEFF}' => changes.byte_order_marks += 1,
            c if is_bidi_mark(c) => changes.bidi_marks += 1,
            c if c.is_whitespace() => spaces.push(c),
            c if c.is_control() => changes.controls += 1,
            c => {
                if !spaces.is_empty() {
                    if line.is_empty() {
                        changes.spaces += spaces.len() as u64;
                    } else {
                        line.push(' ');
                        changes.spaces += spaces.len() as u64 - u64::from(spaces.contains(&' '));
                    }
                    spaces.clear();
                }
                line.push(c);
            }
        }
    }
    changes.spaces += spaces.len() as u64;
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_change_is_counted() {
        let (text, changes) = normalise("\u{FEFF}a\u{200F}\u{7}\t b\u{3000}c\rd\r\ne \n\n\n\n\nf\n\n");
        assert_eq!(text, "a b c\nd\ne\n\nf");
        let expected = Changes {
            line_ends: 2,
            controls: 1,
            bidi_marks: 1,
            byte_order_marks: 1,
            spaces: 3,
            blank_lines: 5,
            composed_lines: 0,
        };
        assert_eq!(changes, expected);
    }

    #[test]
    fn zero_width_spelling_stays() {
        let text = "می\u{200C}خواهم ක්\u{200D}ෂ ភាសា\u{200B}ខ្មែរ";
        assert_eq!(normalise(text).0, text);
    }

    #[test]
    fn a_mark_between_letter_and_accent_does_not_keep_them_apart() {
        assert_eq!(normalise("e\u{200E}\u{301}").0, "é");
    }

    #[test]
    fn a_clean_text_is_untouched() {
        for text in ["", "a", "ē\n\nb c", "።"] {
            let (same, changes) = normalise(text);
            assert_eq!((same.as_str(), changes.none()), (text, true));
        }
        assert_eq!(normalise(" \n\n ").0, "");
    }

    #[test]
    fn twice_is_once() {
        // Every text of up to five characters over an alphabet of the awkward ones.
        let alphabet = ['a', ' ', '\n', '\r', '\u{301}', '\u{A0}', '\u{FEFF}', '\u{200B}', '\u{0}'];
        for length in 0..=5u32 {
            for mut number in 0..alphabet.len().pow(length) {
                let mut text = String::new();
                for _ in 0..length {
                    text.push(alphabet[number % alphabet.len()]);
                    number /= alphabet.len();
                }
                let (once, _) = normalise(&text);
                let (twice, changes) = normalise(&once);
                assert_eq!(once, twice, "{text:?}");
                assert!(changes.none(), "{text:?} {once:?} {changes:?}");
            }
        }
    }
}
