//! The last pass: quotes, switches, emptied parentheses and doubled spaces, and the pairs of brackets nobody closed.

use memchr::{memchr, memchr2, memmem};
use std::borrow::Cow;
use unicode_normalization::char::is_combining_mark;

/// ASCII characters that mean something to markup are kept out of its way in a private-use plane.
const HIDDEN: u32 = 0xF0000;

/// The same for what stays as it is even where brackets come in pairs: formulas and programs.
const VERBATIM: u32 = 0xF0200;

/// Characters of a line of a program that is told by the space before it alone.
const LONGEST_TYPED: usize = 120;

/// Characters of a switch, at most.
const LONGEST_SWITCH: usize = 60;

/// Stands where something was that is no text: the signs around it may have nothing left to part.
pub(super) const HOLE: char = '\u{F0100}';

fn hidden(c: char, plane: u32) -> char {
    char::from_u32(plane + c as u32).expect("within the private-use plane")
}

/// A character that is text and never markup; [`finish`] shows it again.
pub(super) fn hide(c: char) -> char {
    let marks = matches!(c, '\n' | '\'' | '=' | '*' | '#' | ':' | ';' | '|' | '_' | '{' | '}' | '[' | ']' | '-');
    if marks { hidden(c, HIDDEN) } else { c }
}

/// A character that is text whatever stands beside it.
pub(super) fn hide_always(c: char) -> char {
    if c.is_ascii_punctuation() { hidden(c, VERBATIM) } else { c }
}

/// A line as it is typed: spaces at its beginning and in rows stay, a tab is four.
pub(super) fn typed(line: &str) -> String {
    let line = line.trim_end().replace('\t', "    ");
    let mut before = ' ';
    let mut signs = line.chars().peekable();
    let mut out = String::with_capacity(line.len());
    while let Some(c) = signs.next() {
        let spread = c == ' ' && (before == ' ' || signs.peek() == Some(&' '));
        out.push(if spread { hidden(c, VERBATIM) } else { c });
        before = c;
    }
    out
}

/// Lines that a space at their beginning says to be typed. One alone or a long one is prose that the space got before by
/// mistake: its spaces are no more than spaces.
pub(super) fn of_program(lines: &str) -> Cow<'_, str> {
    let end = hide('\n');
    let long = |line: &str| line.chars().nth(LONGEST_TYPED).is_some();
    if lines.contains(end) && !lines.split(end).any(long) {
        return without_margin(lines);
    }
    Cow::Owned(lines.replace(hidden(' ', VERBATIM), " "))
}

/// Such lines of a paragraph without what all of them are set in by.
pub(super) fn without_margin(paragraph: &str) -> Cow<'_, str> {
    let (space, end) = (hidden(' ', VERBATIM), hide('\n'));
    if !paragraph.contains(space) {
        return Cow::Borrowed(paragraph);
    }
    let lines = || paragraph.split(end);
    let blank = |line: &str| line.len() - line.trim_start_matches(space).len();
    let margin = lines().filter(|line| !line.trim().is_empty()).map(blank).min().unwrap_or(0);
    let bare: Vec<&str> = lines().map(|line| line.get(margin..).unwrap_or_default()).collect();
    Cow::Owned(bare.join(&end.to_string()))
}

/// Parentheses that the author left empty (`main()`) are not the ones that lost what they held.
pub(super) fn hide_empty_parentheses(source: &str) -> Cow<'_, str> {
    if memmem::find(source.as_bytes(), b"()").is_none() {
        return Cow::Borrowed(source);
    }
    Cow::Owned(source.replace("()", &String::from_iter([hidden('(', HIDDEN), hidden(')', HIDDEN)])))
}

fn shown(c: char, plane: u32) -> char {
    let code = (c as u32).wrapping_sub(plane);
    if code < 0x80 { char::from_u32(code).expect("ASCII") } else { c }
}

/// Cleans the text of one paragraph, heading or item.
pub(super) fn clean(text: &str) -> String {
    cleaned(text, plain_run)
}

/// What a byte means to [`plain_run`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Of a character that is never cleaned.
    Plain,
    /// Before such a character and behind one, or behind a mark.
    Space,
    /// A mark that has something to part, with a plain character right before it.
    Mark,
    /// One that decides, or the first byte of one.
    Special,
    /// The first byte of characters of which some decide.
    Begins,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut i = 0;
    while i < 256 {
        classes[i] = match i as u8 {
            b' ' => Class::Space,
            b',' | b';' | b':' | b'.' | b'-' => Class::Mark,
            0..0x20 | b'(' | b')' => Class::Special,
            // U+0085 U+00A0 », U+060C, U+1680, U+2000 to U+205F, U+3000 and U+3001, wide parentheses, HOLE.
            0xC2 | 0xD8 | 0xE1 | 0xE2 | 0xE3 | 0xEF | 0xF3 => Class::Begins,
            _ => Class::Plain,
        };
        i += 1;
    }
    classes
};

/// Whether a character beyond ASCII is one that decides.
fn decides(c: char) -> bool {
    c.is_whitespace() || matches!(c, HOLE | '（' | '）' | '،' | '、' | '–' | '—' | '»' | '”')
}

/// Bytes at the beginning of `text` that stay as they are, whatever stood before or comes behind.
fn plain_run(text: &str) -> usize {
    let bytes = text.as_bytes();
    let class = |at: usize| bytes.get(at).map(|byte| CLASSES[*byte as usize]);
    let begins_plain =
        |at: usize| class(at) == Some(Class::Begins) && text[at..].chars().next().is_some_and(|c| !decides(c));
    let (mut at, mut last) = (0, Class::Space);
    while let Some(now) = class(at) {
        let length = match now {
            Class::Plain => 1,
            Class::Space if last != Class::Space && (class(at + 1) == Some(Class::Plain) || begins_plain(at + 1)) => 1,
            Class::Mark if last == Class::Plain => 1,
            Class::Begins if begins_plain(at) => 2,
            _ => break,
        };
        last = if now == Class::Begins { Class::Plain } else { now };
        at += length;
    }
    at
}

/// `run` tells how much of the rest has nothing to clean; 0 sends every character the slow way.
fn cleaned(text: &str, run: fn(&str) -> usize) -> String {
    let plain = without_quotes_and_switches(text);
    let mut out = String::with_capacity(plain.len());
    let mut opened: Vec<usize> = Vec::new();
    // Whether something vanished since the last sign that is no space.
    let mut hole = false;
    let mut rest = &*plain;
    loop {
        let plain = run(rest);
        if plain > 0 {
            out.push_str(&rest[..plain]);
            rest = &rest[plain..];
            hole = false;
        }
        let mut signs = rest.chars();
        let Some(c) = signs.next() else { break };
        rest = signs.as_str();
        if c == HOLE {
            hole = true;
            continue;
        }
        let c = if c.is_whitespace() { ' ' } else { c };
        let vanished = if c == ' ' { hole } else { std::mem::take(&mut hole) };
        let spaced = || rest.chars().next().is_none_or(|next| next == HOLE || next.is_whitespace());
        match c {
            ' ' if out.is_empty() || out.ends_with([' ', '(', '（']) => {}
            ',' | ';' | '،' | '、' if out.ends_with(['(', '（']) => {}
            _ if vanished && (parts_nothing(&mut out, c, spaced()) || quotes_nothing(&mut out, c)) => {}
            '(' | '（' => {
                opened.push(out.len());
                out.push(c);
            }
            ')' | '）' => match opened.pop() {
                Some(at) => {
                    if out[at..].chars().skip(1).all(is_separator) {
                        out.truncate(at);
                    } else {
                        out.truncate(out.trim_end_matches([' ', ',', ';']).len());
                        out.push(c);
                    }
                }
                None => out.push(c),
            },
            ';' | '،' if vanished && out.ends_with(' ') => {
                out.pop();
                out.push(c);
            }
            ',' | '.' if out.ends_with(' ') => {
                // A template or reference stood before the sign.
                out.pop();
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    if hole {
        drop_dash(&mut out);
    }
    let bare = out.trim();
    if bare.len() == out.len() { out } else { bare.to_owned() }
}

/// Whether a sign right behind something that vanished has nothing to part; takes back a sign before it that has not.
fn parts_nothing(out: &mut String, c: char, spaced: bool) -> bool {
    let list = matches!(c, ',' | ';' | '،' | '、');
    if !list && c != ')' && !(spaced && matches!(c, ':' | '.' | '-' | '–' | '—')) {
        return false;
    }
    if list || matches!(c, '.' | ')') {
        drop_dash(out);
    }
    let before = out.trim_end_matches(' ');
    match before.chars().next_back() {
        None => c != ')',
        Some(sign @ (',' | ';' | ':' | '،' | '、')) if c == '.' => {
            out.truncate(before.len() - sign.len_utf8());
            false
        }
        Some(',' | ';' | ':' | '،' | '、') => list || c == ':',
        _ => false,
    }
}

/// Takes back a dash with a space before it, behind which nothing stands any more.
fn drop_dash(out: &mut String) {
    if let Some(before) = out.trim_end_matches(' ').strip_suffix(['–', '—']).and_then(|text| text.strip_suffix(' '))
    {
        out.truncate(before.len());
    }
}

/// Takes back an opening quotation mark that has nothing behind it.
fn quotes_nothing(out: &mut String, c: char) -> bool {
    let opening: &[char] = match c {
        '»' => &['«'],
        '”' => &['“', '„'],
        _ => return false,
    };
    let before = out.trim_end_matches(' ').strip_suffix(opening).map(str::len);
    if let Some(before) = before {
        out.truncate(before);
    }
    before.is_some()
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | ',' | ';' | ':' | '-' | '–' | '—' | '/' | '،' | '、' | '·' | '.')
}

/// `'''bold'''` loses its quotes, `__NOTOC__` goes.
fn without_quotes_and_switches(text: &str) -> Cow<'_, str> {
    let Some(mut at) = memchr2(b'\'', b'_', text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mark = rest.as_bytes()[0];
        let run = rest.bytes().take_while(|byte| *byte == mark).count();
        if mark == b'\'' {
            // Two, three and five are markup; of four one is text, of more than five the surplus.
            let kept = match run {
                1 | 4 => 1,
                2 | 3 | 5 => 0,
                more => more - 5,
            };
            out.extend(std::iter::repeat_n('\'', kept));
            rest = &rest[run..];
        } else {
            match (run == 2).then(|| switch(&rest[run..])).flatten() {
                Some(length) => rest = &rest[run + length..],
                None => {
                    out.push_str(&rest[..run]);
                    rest = &rest[run..];
                }
            }
        }
        let Some(next) = memchr2(b'\'', b'_', rest.as_bytes()) else { break };
        at = next;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Bytes of a switch behind its first two underscores: a word in any script, whose parts single underscores may join
/// where it is not in small letters (`__БЕЗ_ЗМІСТУ__`; `__my_name__` is a name in a program).
fn switch(text: &str) -> Option<usize> {
    let (mut small, mut joined, mut before) = (false, false, '_');
    for (at, c) in text.char_indices().take(LONGEST_SWITCH) {
        match c {
            '_' if before == '_' => return None,
            '_' if text[at..].starts_with("__") => return (!(small && joined)).then_some(at + 2),
            '_' => joined = true,
            // Signs within words of Indic scripts and of Persian.
            _ if c.is_alphabetic() || is_combining_mark(c) || matches!(c, '\u{200c}' | '\u{200d}') => {
                small |= c.is_lowercase();
            }
            _ => return None,
        }
        before = c;
    }
    None
}

/// Shows what was hidden, trims every line, and takes out pairs of brackets that are left.
pub(super) fn finish(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut breaks = 0;
    let text = showing(text, HIDDEN);
    let paired = has_pairs(&text);
    for line in text.split('\n') {
        let line = if paired && has_pairs(line) { Cow::Owned(without_pairs(line)) } else { Cow::Borrowed(line) };
        let line = line.trim();
        if !line.is_empty() {
            if !out.is_empty() {
                out.push_str(if breaks > 1 { "\n\n" } else { "\n" });
            }
            out.push_str(line);
            breaks = 0;
        }
        breaks += 1;
    }
    match showing(&out, VERBATIM) {
        Cow::Borrowed(_) => out,
        Cow::Owned(shown) => shown,
    }
}

/// With what was hidden in this plane; its characters all begin with one byte.
fn showing(text: &str, plane: u32) -> Cow<'_, str> {
    let Some(mut at) = memchr(0xF3, text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        out.push_str(&rest[..at]);
        let mut signs = rest[at..].chars();
        out.extend(signs.next().map(|c| shown(c, plane)));
        rest = signs.as_str();
        let Some(next) = memchr(0xF3, rest.as_bytes()) else { break };
        at = next;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether [`without_pairs`] finds something to take out. Every pair is looked at, which the compiler does for many at once.
fn has_pairs(text: &str) -> bool {
    let bytes = text.as_bytes();
    let after = bytes.get(1..).unwrap_or_default();
    bytes
        .iter()
        .zip(after)
        .fold(false, |found, (last, byte)| found | (*last == b' ') & (*byte == b' ') | is_pair(*last, *byte))
}

fn is_pair(last: u8, byte: u8) -> bool {
    (last == b'{') & ((byte == b'{') | (byte == b'|'))
        | ((last == b'}') | (last == b'|')) & (byte == b'}')
        | (last == b'[') & (byte == b'[')
        | (last == b']') & (byte == b']')
        | (last == b'<') & (byte == b'!')
}

fn without_pairs(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_ascii() && out.as_bytes().last().is_some_and(|last| is_pair(*last, c as u8)) {
            out.pop();
        } else if c != ' ' || !out.ends_with(' ') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_that_were_emptied_go_and_others_stay() {
        for (dirty, wanted) in [
            ("X ( , ) is", "X is"),
            ("X (; born 1900; ) is", "X (born 1900) is"),
            ("X (a (b), (–)) is", "X (a (b)) is"),
            ("f(x) )(", "f(x) )("),
            ("word , next .", "word, next."),
            ("a __NOTOC__b __init__ c_d", "a b c_d"),
            ("a __KEIN_INHALTSVERZEICHNIS__ b __БЕЗ_ЗМІСТУ__ __بی\u{200c}فهرست__ c", "a b c"),
            ("a __अनुक्रम_नहीं__ __my_name__ ___X___ __A__B", "a __my_name__ ___X___ B"),
            ("such as HOLE, HOLE, or x", "such as, or x"),
            ("routes: HOLE, B and HOLE.", "routes: B and."),
            ("HOLE, the people", "the people"),
            ("HOLE : a letter", "a letter"),
            ("HOLE. First", "First"),
            ("HOLE.5 and HOLE-x", ".5 and -x"),
            ("born HOLE, Kyiv — HOLE, Kyiv", "born, Kyiv, Kyiv"),
            ("(5 May 1900 — HOLE) was", "(5 May 1900) was"),
            ("in «HOLE» of 1897", "in of 1897"),
            ("a Q3HOLEQ3; b Q5HOLEQ5 c", "a; b c"),
            ("a (HOLE) b «c», — d", "a b «c», — d"),
        ] {
            let dirty =
                dirty.replace("HOLE", &HOLE.to_string()).replace("Q3", &"'".repeat(3)).replace("Q5", &"'".repeat(5));
            let dirty = dirty.as_str();
            assert_eq!(clean(dirty), wanted);
        }
    }

    /// All texts of up to `length` of these characters.
    fn texts(alphabet: &[char], length: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..length {
            last = last.iter().flat_map(|text| alphabet.iter().map(move |c| format!("{text}{c}"))).collect();
            all.extend(last.clone());
        }
        all
    }

    #[test]
    fn what_is_passed_over_had_nothing_to_clean() {
        let alphabet =
            ['a', 'č', ' ', ',', '.', ';', '-', '(', ')', '\'', '_', '\t', '\u{a0}', '\u{3000}', 'あ', '»', '–', HOLE];
        let all = texts(&alphabet, 4);
        assert!(all.iter().filter(|text| plain_run(text) == text.len()).count() > 100);
        for text in all {
            assert_eq!(clean(&text), cleaned(&text, |_| 0), "{text:?}");
        }
        for text in texts(&['a', 'č', ' ', '{', '|', '}', '[', ']', '<', '!'], 4) {
            assert_eq!(has_pairs(&text), without_pairs(&text) != text, "{text:?}");
        }
    }

    #[test]
    fn hidden_characters_come_back() {
        let hidden: String = "a''b\nc = [d]".chars().map(hide).collect();
        assert_eq!(finish(&clean(&hidden)), "a''b\nc = [d]");
    }
}
