//! What of a page survives in a text that was made of it: its numbers and its list items.
//!
//! Told from the source by a few rules of its own and not by the parser, which would find no fault of its own making.
//! Counted is what stands in the open: outside of comments, references, formulas, tables, templates and the targets of
//! links. So the same measure holds for texts that other programs made.

use super::entities;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::{AddAssign, Range};

/// Elements left out with what they hold.
const ELEMENTS: &[&str] = &["ref", "math", "gallery", "timeline", "syntaxhighlight", "source"];
/// Longest tag looked at, in bytes.
const LONGEST_TAG: usize = 2000;
/// Characters by which a list item is found again, at least and at most.
const ITEM: (usize, usize) = (4, 40);

/// Numbers and list items of a source, and how many of them a text has too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survival {
    /// Runs of digits, full stops and commas inside of them included.
    pub numbers: u64,
    /// Those of them that are in the text.
    pub numbers_kept: u64,
    /// Items of lists that begin with words.
    pub items: u64,
    /// Those of them whose first words are in the text.
    pub items_kept: u64,
}

impl AddAssign for Survival {
    fn add_assign(&mut self, other: Survival) {
        self.numbers += other.numbers;
        self.numbers_kept += other.numbers_kept;
        self.items += other.items;
        self.items_kept += other.items_kept;
    }
}

/// What of `source` is in `text`.
///
/// ```
/// use tongues_pipeline::wikitext::survival;
/// let found = survival("Since 1990 [[a|5,5]] km.<ref>7</ref>\n* [[Rēzekne]], 3\n* Malta", "Since 1990 km.\n- Malta");
/// assert_eq!((found.numbers, found.numbers_kept, found.items, found.items_kept), (3, 1, 2, 1));
/// ```
pub fn survival(source: &str, text: &str) -> Survival {
    let shown = running(source);
    let wanted = counted(&shown);
    let found = counted(text);
    let kept = |(number, count): (&&str, &u64)| *count.min(found.get(number).unwrap_or(&0));
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let items: Vec<String> = shown.lines().filter_map(item).collect();
    Survival {
        numbers: wanted.values().sum(),
        numbers_kept: wanted.iter().map(kept).sum(),
        items: items.len() as u64,
        items_kept: items.iter().filter(|item| flat.contains(item.as_str())).count() as u64,
    }
}

/// Where in the source numbers stand that are meant to be read and that the text has fewer of.
pub fn lost_numbers(source: &str, text: &str) -> Vec<Range<usize>> {
    let shown = running(source);
    let (wanted, found) = (counted(&shown), counted(text));
    let lost = |number: &str| wanted.get(number).is_some_and(|count| count > found.get(number).unwrap_or(&0));
    numbers(source).filter(|place| lost(&source[place.clone()])).collect()
}

/// Numbers by how often they stand in a text.
fn counted(text: &str) -> HashMap<&str, u64> {
    let mut counts = HashMap::new();
    for place in numbers(text) {
        *counts.entry(&text[place]).or_default() += 1;
    }
    counts
}

fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let begin = at + text[at..].find(char::is_numeric)?;
        let mut end = begin;
        loop {
            let rest = &text[end..];
            end += rest.find(|c: char| !c.is_numeric()).unwrap_or(rest.len());
            let mut signs = text[end..].chars();
            match (signs.next(), signs.next()) {
                (Some('.' | ','), Some(next)) if next.is_numeric() => end += 1,
                _ => break,
            }
        }
        at = end;
        Some(begin..end)
    })
}

/// The first words of a line that is an item of a list, without signs: these every program leaves as they are.
fn item(line: &str) -> Option<String> {
    let words = line.trim_start_matches(['*', '#', ':', ';']);
    if !line[..line.len() - words.len()].ends_with(['*', '#']) {
        return None;
    }
    let sign = |c: char| !(c.is_alphanumeric() || is_mark(c) || matches!(c, ' ' | ',' | '.' | '-' | '–' | '«' | '»'));
    let first = words.split(sign).find(|words| words.chars().count() >= ITEM.0)?;
    let flat = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let bare = flat.trim_matches([' ', ',', '.', '-', '–']);
    let begin: String = bare.chars().take(ITEM.1).collect();
    (!begin.trim().is_empty()).then(|| begin.trim().to_owned())
}

/// Whether a character is a mark that belongs to the letter before it: vowel signs of Indic scripts, tone marks.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// What of a source is shown as running text, told roughly.
fn running(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    // What is open, and where in `out` it began.
    let mut open: Vec<(&str, usize)> = Vec::new();
    let mut at = 0;
    while let Some(next) = source[at..].find(['<', '{', '}', '|', '[', ']', '/', '&', '\'', '\u{a0}']) {
        out.push_str(&source[at..at + next]);
        at += next;
        let rest = &source[at..];
        let inside = |open: &[(&str, usize)], what: &str| open.last().is_some_and(|(last, _)| *last == what);
        let line_start = out.rsplit('\n').next().unwrap_or_default().trim_matches([' ', ':']).is_empty();
        at += if rest.starts_with("{{") {
            open.push(("}}", out.len()));
            2
        } else if rest.starts_with("{|") && line_start {
            open.push(("|}", out.len()));
            2
        } else if rest.starts_with("[[") {
            open.push(("]]", out.len()));
            2
        } else if rest.starts_with("}}") && inside(&open, "}}") || rest.starts_with("|}") && inside(&open, "|}") {
            out.truncate(open.pop().expect("one is open").1);
            2
        } else if rest.starts_with("]]") && inside(&open, "]]") {
            let begin = open.pop().expect("one is open").1;
            let shown = label(&out[begin..]).to_owned();
            out.replace_range(begin.., &shown);
            2
        } else if rest.starts_with("//") {
            if let Some(scheme) = ["http:", "https:"].iter().find(|scheme| out.ends_with(**scheme)) {
                out.truncate(out.len() - scheme.len());
            }
            rest.find(|c: char| c.is_whitespace() || matches!(c, ']' | '|' | '<' | '>')).unwrap_or(rest.len())
        } else if let Some(length) = left_out(rest) {
            length
        } else if let Some((shown, length)) = entities::decode(rest) {
            out.push_str(&shown);
            length
        } else if rest.starts_with("''") {
            rest.len() - rest.trim_start_matches('\'').len()
        } else if rest.starts_with('\u{a0}') {
            out.push(' ');
            2
        } else {
            out.push_str(&rest[..1]);
            1
        };
    }
    out.push_str(&source[at..]);
    out
}

/// What a link shows; nothing where it leads to a picture, a category or another wiki.
fn label(link: &str) -> &str {
    let (target, label) = link.split_once('|').unwrap_or((link, link));
    if target.contains(':') && !target.starts_with(':') { "" } else { label }
}

/// Bytes of a comment, of an element that is left out, or of a tag, at the beginning of `rest`.
fn left_out(rest: &str) -> Option<usize> {
    if rest.starts_with("<!--") {
        return Some(rest.find("-->").map_or(rest.len(), |end| end + 3));
    }
    let name = rest.strip_prefix('<')?.trim_start_matches('/');
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    let name = name[..letters].to_ascii_lowercase();
    let tag = rest.bytes().take(LONGEST_TAG).position(|byte| byte == b'>').filter(|_| letters > 0)? + 1;
    let closed = rest.starts_with("</") || rest[..tag].ends_with("/>");
    if closed || !(ELEMENTS.contains(&name.as_str()) || name == "table") {
        return Some(tag);
    }
    let (mut depth, mut at) = (1, tag);
    while let Some(next) = rest[at..].find('<') {
        at += next + 1;
        let end = rest[at..].starts_with('/');
        let begin = at + usize::from(end);
        let same = rest
            .as_bytes()
            .get(begin..begin + letters)
            .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
        if same && end {
            depth -= 1;
        } else if same && name == "table" {
            depth += 1;
        }
        if depth == 0 {
            return Some(rest[at..].find('>').map_or(rest.len(), |end| at + end + 1));
        }
    }
    Some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, shown: &str) {
        assert_eq!(running(source), shown, "{source}");
    }

    #[test]
    fn running_text_is_what_stands_in_the_open() {
        check("a<!-- 1 -->b{{c|{{d}}|2}}e", "abe");
        check("a\n{| 1\n| 2 {{x}}\n|}\nb<table><tr><table></table></table>c", "a\n\nbc");
        check("[[File:x.jpg|thumb|a [[b]] 5]] [[c|d]] [[e]]s [[:Category:f|g]]", " d es g");
        check("x [https://a.b/7 label], http://c.d/8 y // z", "x [ label],  y  z");
        check("a<ref name=x/>b<ref>1</ref>c<br>''d''&nbsp;&amp;\u{a0}e", "abcd & e");
        check("a {{b [[c", "a b c");
    }

    #[test]
    fn numbers_and_items_are_counted_as_often_as_they_stand() {
        let source =
            "5 and 5, 1.234,5 or 2. Then\n* one two, {{x}}three\n# ''four'' [[five]]\n: no item 9\n*: nor this\n* a";
        let all = survival(source, "5 5 1.234,5 2 9\none two, three four five");
        assert_eq!(all, Survival { numbers: 5, numbers_kept: 5, items: 2, items_kept: 2 });
        let some = survival(source, "5 (2) one  two,\nthree");
        assert_eq!(some, Survival { numbers: 5, numbers_kept: 2, items: 2, items_kept: 1 });
        // Vowel signs are no ends of words.
        assert_eq!(survival("* मूळ नाव", "मूळ नाव").items_kept, 1);
    }

    #[test]
    fn lost_numbers_are_shown_where_they_stand() {
        let source = "In 1990 {{x|7}} 5 of 5";
        let lost: Vec<&str> = lost_numbers(source, "5 7").into_iter().map(|place| &source[place]).collect();
        assert_eq!(lost, ["1990", "5", "5"]);
        assert!(lost_numbers(source, "1990 5 5").is_empty());
    }
}
