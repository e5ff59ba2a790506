//! A line without invisible marks, spaces single and none at either end; what was one line may be several.

use super::changes::Changes;
use super::{clean, is_bidi_mark};

/// Hands over the lines of a line. Runs in which nothing is to be done are copied whole.
pub(super) fn lines(text: &str, changes: &mut Changes, each: impl FnMut(&str, &mut Changes)) {
    read(text, changes, clean::end_of_clean, each);
}

/// As [`lines`], character by character, for tests.
#[cfg(test)]
pub(super) fn lines_slowly(text: &str, changes: &mut Changes) -> Vec<String> {
    let mut found = Vec::new();
    read(text, changes, |_, at, _| at, |line, _| found.push(line.to_owned()));
    found
}

/// `end_of_clean` says how far nothing is to be done from a place on, of a line that begins there or before.
fn read(
    text: &str,
    changes: &mut Changes,
    end_of_clean: impl Fn(&str, usize, bool) -> usize,
    mut each: impl FnMut(&str, &mut Changes),
) {
    let mut line = String::with_capacity(text.len());
    let mut spaces: Vec<char> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        // A space that waits, and the narrow space of Mongolian, ask what comes next.
        if spaces.is_empty() && !line.ends_with('\u{202F}') {
            let end = end_of_clean(text, at, line.is_empty());
            line.push_str(&text[at..end]);
            at = end;
        }
        let Some(c) = text[at..].chars().next() else { break };
        at += c.len_utf8();
        match c {
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                if c != '\n' {
                    changes.line_ends += 1;
                }
                at += usize::from(c == '\r' && text[at..].starts_with('\n'));
                changes.spaces += spaces.len() as u64;
                spaces.clear();
                each(&line, changes);
                line.clear();
            }
            '\u{FEFF}' => changes.byte_order_marks += 1,
            '\u{AD}' => changes.soft_hyphens += 1,
            c if is_bidi_mark(c) => changes.bidi_marks += 1,
            // In Mongolian it stands before suffixes: spelling, not space.
            '\u{202F}' if spaces.is_empty() && line.ends_with(is_mongolian) => line.push(c),
            c if c.is_whitespace() => spaces.push(c),
            c if c.is_control() => changes.controls += 1,
            c => {
                if line.ends_with('\u{202F}') && (!spaces.is_empty() || !is_mongolian(c)) {
                    line.pop();
                    spaces.insert(0, '\u{202F}');
                }
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
        if matches!(text[at..].chars().next(), None | Some('\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'))
            && line.ends_with('\u{202F}')
        {
            line.pop();
            changes.spaces += 1;
        }
    }
    changes.spaces += spaces.len() as u64;
    each(&line, changes);
}

fn is_mongolian(c: char) -> bool {
    matches!(c, '\u{1800}'..='\u{18AF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const N: usize>(text: &str, expected: Option<[&str; N]>) {
        let (mut found, mut changes, mut slowly) = (Vec::new(), Changes::default(), Changes::default());
        lines(text, &mut changes, |line, _| found.push(line.to_owned()));
        assert_eq!(found, lines_slowly(text, &mut slowly), "{text:?}");
        assert_eq!(changes, slowly, "{text:?}");
        if let Some(expected) = expected {
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_clean_between_unclean_places_is_kept_whole() {
        check("", Some([""]));
        check("a b", Some(["a b"]));
        check("  ab  cd ", Some(["ab cd"]));
        check("ab \u{200E} cd\u{FEFF} e", Some(["ab cd e"]));
        check("\u{200E} ab", Some(["ab"]));
        check("ab\u{A0}\u{301}c\rd \u{85} e", Some(["ab \u{301}c", "d", "e"]));
        check("ᠤ\u{202F}ᠨ x\u{202F}y ᠤ\u{202F}", Some(["ᠤ\u{202F}ᠨ x y ᠤ"]));
    }
    #[test]
    fn runs_are_copied_as_if_character_by_character() {
        // Every text of up to six of the awkward ones.
        let alphabet = ['a', ' ', 'ē', '\r', '\u{A0}', '\u{FEFF}', '\u{202F}', 'ᠤ', '\u{301}'];
        for length in 0..=6u32 {
            for mut number in 0..alphabet.len().pow(length) {
                let mut text = String::new();
                for _ in 0..length {
                    text.push(alphabet[number % alphabet.len()]);
                    number /= alphabet.len();
                }
                check::<0>(&text, None);
            }
        }
    }
}
