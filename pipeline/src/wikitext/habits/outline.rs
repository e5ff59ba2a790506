//! A page's source taken apart coarsely, as much as is needed to tell running text from lists, links and tables.
//! Linear in its length; what was never closed stays.

use memchr::memmem::Finder;
use memchr::{memchr, memchr2, memchr3};
use std::sync::{LazyLock, OnceLock};

/// What is searched for again and again.
static ADDRESS: LazyLock<Finder> = LazyLock::new(|| Finder::new("//"));
static BOOK: LazyLock<Finder> = LazyLock::new(|| Finder::new("ISBN"));
static LINK: LazyLock<Finder> = LazyLock::new(|| Finder::new("[["));
static LINK_END: LazyLock<Finder> = LazyLock::new(|| Finder::new("]]"));
static COMMENT_END: LazyLock<Finder> = LazyLock::new(|| Finder::new("-->"));

/// Elements left out with what they hold.
const LEFT_OUT: [&str; 5] = ["ref", "references", "gallery", "math", "nowiki"];

/// Longest tag looked at, in bytes.
const LONGEST_TAG: usize = 2000;

/// Letters of a text by the lines they stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Letters {
    /// In lines of lists.
    pub(super) items: usize,
    /// In other lines.
    pub(super) prose: usize,
    /// In lines with an address, and in items that are links and little else.
    pub(super) links: usize,
}

impl Letters {
    /// All that are no links.
    pub(super) fn own(self) -> usize {
        self.items + self.prose
    }
}

/// The source without comments, templates, tables and references; the rows of its tables and the letters in them.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) text: String,
    pub(super) rows: usize,
    pub(super) table_letters: usize,
}

impl Outline {
    pub(super) fn of(source: &str) -> Outline {
        let mut walk = Walk::new(source);
        while walk.step() {}
        walk.outline
    }

    /// The outline and its letters; none as soon as the letters and rows so far, with so many bytes to come, `decide`.
    pub(super) fn unless(
        source: &str,
        decide: impl Fn(Letters, &Outline, usize) -> bool,
    ) -> Option<(Outline, Letters)> {
        let (mut walk, mut letters, mut counted) = (Walk::new(source), Letters::default(), 0);
        loop {
            let more = walk.step();
            if more && !walk.open.is_empty() {
                continue; // it may take the text back
            }
            if more && walk.at - walk.taken >= LOOK_AFTER {
                walk.take();
            }
            let text = walk.outline.text.as_str();
            while counted < text.len() {
                let rest = &text[counted..];
                let line_end = rest.as_bytes().get(LOOK_AFTER..).and_then(|bytes| memchr(b'\n', bytes));
                let length = match line_end {
                    Some(end) => LOOK_AFTER + end + 1,
                    None if more => break,
                    None => rest.len(),
                };
                letters.add(&rest[..length]);
                counted += length;
                if decide(letters, &walk.outline, source.len() - walk.taken + text.len() - counted) {
                    return None;
                }
            }
            if !more {
                return (!decide(letters, &walk.outline, 0)).then_some((walk.outline, letters));
            }
        }
    }
}

/// Bytes of text after which its letters are counted.
const LOOK_AFTER: usize = 1 << 10;

/// On the way through a source.
struct Walk<'a> {
    source: &'a str,
    at: usize,
    /// Up to here the source is in the text, or left out.
    taken: usize,
    /// Where an open template (false) or table (true) began in the text.
    open: Vec<(bool, usize)>,
    unclosed: Vec<&'static str>,
    outline: Outline,
}

impl Walk<'_> {
    fn new(source: &str) -> Walk<'_> {
        Walk { source, at: 0, taken: 0, open: Vec::new(), unclosed: Vec::new(), outline: Outline::default() }
    }

    /// Goes behind the next mark, or to the end; false there.
    fn step(&mut self) -> bool {
        let table = self.open.last().is_some_and(|(table, _)| *table);
        let bytes = &self.source.as_bytes()[self.at..];
        // Bars mean something in tables alone.
        let found = if table { bytes.iter().position(|byte| is_mark(*byte)) } else { memchr3(b'<', b'{', b'}', bytes) };
        let Some(found) = found else {
            self.at = self.source.len();
            self.take();
            return false;
        };
        self.at += found;
        let rest = &self.source[self.at..];
        let two = rest.as_bytes().get(..2).unwrap_or_default();
        match two {
            b"{{" => self.begin(false),
            b"{|" if self.begins_line() => self.begin(true),
            b"}}" if !table && !self.open.is_empty() => self.end(),
            b"|}" if table => self.end(),
            _ => match left_out(rest, &mut self.unclosed) {
                Some(length) => {
                    self.take();
                    self.at += length;
                    self.taken = self.at;
                }
                None => {
                    self.outline.rows += usize::from(two == b"|-" && self.begins_line());
                    self.at += 1;
                }
            },
        }
        true
    }

    /// Only spaces and marks of lists stand before, on the line.
    fn begins_line(&self) -> bool {
        let before = self.source[..self.at].trim_end_matches([' ', ':', '*', '#']);
        before.is_empty() || before.ends_with('\n')
    }

    /// Adds what was passed over to the text.
    fn take(&mut self) {
        self.outline.text.push_str(&self.source[self.taken..self.at]);
        self.taken = self.at;
    }

    fn begin(&mut self, table: bool) {
        self.take();
        self.open.push((table, self.outline.text.len()));
        self.at += 2;
        self.taken = self.at;
    }

    fn end(&mut self) {
        self.take();
        let (table, begin) = self.open.pop().expect("one is open");
        if table {
            self.outline.table_letters += letters(&self.outline.text[begin..]);
        }
        self.outline.text.truncate(begin);
        self.at += 2;
        self.taken = self.at;
    }
}

impl Letters {
    /// Adds those of whole lines by what they are; headings apart.
    fn add(&mut self, text: &str) {
        let [addresses, books] = [&ADDRESS, &BOOK].map(|sign| sign.find(text.as_bytes()).is_some());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && heading(line).is_none()) {
            let (shown, beside_links) = shown(line);
            let item = line.starts_with(['*', '#', ':', ';']);
            let address = addresses && line.contains("//") && (line.contains("http") || line.contains("[//"));
            let bare = item && beside_links * 10 <= shown * 3;
            if address || books && line.contains("ISBN") || bare {
                self.links += shown;
            } else if item {
                self.items += shown;
            } else {
                self.prose += shown;
            }
        }
    }
}

/// Level and title of a heading.
pub(super) fn heading(line: &str) -> Option<(usize, &str)> {
    let line = line.trim_end();
    let before = line.bytes().take_while(|byte| *byte == b'=').count();
    let after = line.bytes().rev().take_while(|byte| *byte == b'=').count();
    let level = before.min(after).min(6);
    (level > 0 && line.len() > 2 * level).then(|| (level, line[level..line.len() - level].trim()))
}

/// How many letters a text has.
pub(super) fn letters(text: &str) -> usize {
    // So few at once that their number fits a byte: the compiler looks at many bytes in one step.
    const AT_ONCE: usize = 128;
    if !text.is_ascii() {
        return text.chars().filter(|c| is_letter(*c)).count();
    }
    let letter = |byte: &u8| u8::from((*byte | 0x20).wrapping_sub(b'a') < 26);
    text.as_bytes().chunks(AT_ONCE).map(|bytes| usize::from(bytes.iter().map(letter).fold(0, u8::wrapping_add))).sum()
}

/// `char::is_alphabetic` from a table, whose parts are made when they are first asked for.
fn is_letter(c: char) -> bool {
    const PART: u32 = 256;
    static LETTERS: [OnceLock<[u64; 4]>; 256] = [const { OnceLock::new() }; 256];
    let code = c as u32;
    let Some(part) = LETTERS.get((code / PART) as usize) else { return c.is_alphabetic() };
    let letters = part.get_or_init(|| {
        let letter = |code: u32| u64::from(char::from_u32(code).is_some_and(char::is_alphabetic));
        let word = |first: u32| (0..64).fold(0, |word, bit| word | letter(first + bit) << bit);
        std::array::from_fn(|at| word(code / PART * PART + at as u32 * 64))
    });
    letters[(code % PART / 64) as usize] >> (code % 64) & 1 == 1
}

/// Whether something of an outline may begin or end at this byte, inside of a table.
fn is_mark(byte: u8) -> bool {
    const MARKS: [bool; 256] = {
        let mut marks = [false; 256];
        let mut i = 0;
        while i < 4 {
            marks[b"<{}|"[i] as usize] = true;
            i += 1;
        }
        marks
    };
    MARKS[byte as usize]
}

/// Bytes of a comment or of an element to leave out at the beginning of `rest`. `unclosed` are elements whose end tag
/// does not come any more.
fn left_out(rest: &str, unclosed: &mut Vec<&'static str>) -> Option<usize> {
    if rest.starts_with("<!--") {
        return Some(COMMENT_END.find(rest.as_bytes()).map_or(rest.len(), |end| end + 3));
    }
    let name = rest.strip_prefix('<')?;
    let length = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    let name = LEFT_OUT.iter().find(|wanted| name[..length].eq_ignore_ascii_case(wanted))?;
    let tag = memchr(b'>', &rest.as_bytes()[..rest.len().min(LONGEST_TAG)])? + 1;
    if rest[..tag].ends_with("/>") || unclosed.contains(name) {
        return Some(tag);
    }
    // One that is not closed before the next begins goes as far as its tag.
    let mut at = tag;
    let bytes = rest.as_bytes();
    while let Some(next) = memchr(b'<', &bytes[at..]) {
        at += next;
        let closing = bytes.get(at + 1) == Some(&b'/');
        let begin = at + 1 + usize::from(closing);
        let same =
            bytes.get(begin..begin + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
        if same && closing {
            return Some(rest[at..].find('>').map_or(rest.len(), |end| at + end + 1));
        }
        if same && *name == "ref" && bytes.get(begin + 3) != Some(&b'e') {
            return Some(tag);
        }
        at += 1;
    }
    unclosed.push(name);
    Some(tag)
}

/// Letters a reader sees in a line, and how many of them are beside its links. A category or picture shows none.
fn shown(line: &str) -> (usize, usize) {
    if memchr2(b'[', b'<', line.as_bytes()).is_none() {
        let all = letters(line);
        return (all, all);
    }
    let (mut shown, mut beside, mut rest) = (0, 0, line);
    while let Some(begin) = LINK.find(rest.as_bytes()) {
        beside += letters_beside_tags(&rest[..begin]);
        let inside = &rest[begin + 2..];
        let Some(end) = LINK_END.find(inside.as_bytes()) else {
            rest = inside;
            break;
        };
        let link = &inside[..end];
        match link.rsplit_once('|') {
            _ if link.contains(':') && !link.starts_with(':') && !link.contains(": ") => {}
            Some((_, label)) => shown += letters(label),
            None => shown += letters(link),
        }
        rest = &inside[end + 2..];
    }
    beside += letters_beside_tags(rest);
    (shown + beside, beside)
}

fn letters_beside_tags(text: &str) -> usize {
    let (mut sum, mut rest) = (0, text);
    while let Some(begin) = memchr(b'<', rest.as_bytes()) {
        sum += letters(&rest[..begin]);
        rest = memchr(b'>', &rest.as_bytes()[begin..]).map_or("", |end| &rest[begin + end + 1..]);
    }
    sum + letters(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_running_text_goes() {
        for (source, left) in [
            ("a{{b|{{c}}|d}}e", "ae"),
            ("a\n{| x\n|-\n| b {{c|}}\n|}\nd", "a\n\nd"),
            ("a<ref name=x/>b<ref>c {{d}}</ref>e<!-- f -->g", "abeg"),
            ("a<ref>b\nc<ref>d</ref>e", "ab\nce"),
            ("a {{b", "a b"),
            ("a }} |} b", "a }} |} b"),
            ("a<references><ref>b</ref></references>c", "ac"),
        ] {
            assert_eq!(Outline::of(source).text, left, "{source}");
        }
        let table = Outline::of("{|\n|-\n| abc\n|-\n| d\n|}");
        assert_eq!((table.rows, table.table_letters), (2, 4));
    }

    #[test]
    fn letters_are_counted_by_what_their_line_is() {
        let counted = |source: &str| Outline::unless(source, |_, _, _| false).unwrap().1;
        // 1 letter of 3 beside the link: more than 3 in 10, so the item is text.
        assert_eq!(counted("abc [[d|ef]]\n* [[gh]] i"), Letters { prose: 5, items: 3, links: 0 });
        assert_eq!(counted("* [[gh]]\n* [http://x.y abc]"), Letters { links: 2 + 9, ..Letters::default() });
        assert_eq!(counted("[[Kategoreja:X]]\n== A ==\n<b>c</b>"), Letters { prose: 1, ..Letters::default() });
    }

    #[test]
    fn headings_have_levels() {
        assert_eq!(heading("== A b =="), Some((2, "A b")));
        assert_eq!(heading("==="), None);
        assert_eq!(heading("=="), None);
        assert_eq!(heading("a = b"), None);
    }
}
