//! A page's source taken apart coarsely, as much as is needed to tell running text from lists, links and tables.
//! Linear in its length; what was never closed stays.

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
        let mut outline = Outline::default();
        // Where an open template (false) or table (true) began in the text.
        let mut open: Vec<(bool, usize)> = Vec::new();
        let (mut at, mut line_start) = (0, true);
        let mut unclosed = Vec::new();
        while let Some(found) = source.as_bytes()[at..].iter().position(|byte| is_mark(*byte)) {
            let (before, rest) = source[at..].split_at(found);
            outline.text.push_str(before);
            line_start = line_start && before.trim_matches([' ', ':', '*', '#']).is_empty();
            at += found;
            let table = open.last().is_some_and(|(table, _)| *table);
            if rest.starts_with("{{") || line_start && rest.starts_with("{|") {
                open.push((rest.as_bytes()[1] == b'|', outline.text.len()));
                at += 2;
            } else if (rest.starts_with("}}") && !table || rest.starts_with("|}") && table) && !open.is_empty() {
                let (table, begin) = open.pop().expect("one is open");
                if table {
                    outline.table_letters += letters(&outline.text[begin..]);
                }
                outline.text.truncate(begin);
                at += 2;
            } else if let Some(length) = left_out(rest, &mut unclosed) {
                at += length;
            } else {
                outline.rows += usize::from(table && line_start && rest.starts_with("|-"));
                outline.text.push_str(&rest[..1]);
                at += 1;
            }
            line_start = rest.starts_with('\n');
        }
        outline.text.push_str(&source[at..]);
        outline
    }

    /// Letters of its lines by what they are; headings apart.
    pub(super) fn letters(&self) -> Letters {
        let mut sum = Letters::default();
        for line in self.text.lines().map(str::trim).filter(|line| !line.is_empty() && heading(line).is_none()) {
            let (shown, beside_links) = shown(line);
            let item = line.starts_with(['*', '#', ':', ';']);
            let address = line.contains("//") && (line.contains("http") || line.contains("[//"));
            let bare = item && beside_links * 10 <= shown * 3;
            if address || line.contains("ISBN") || bare {
                sum.links += shown;
            } else if item {
                sum.items += shown;
            } else {
                sum.prose += shown;
            }
        }
        sum
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

pub(super) fn letters(text: &str) -> usize {
    if text.is_ascii() {
        return text.bytes().filter(u8::is_ascii_alphabetic).count();
    }
    text.chars().filter(|c| c.is_alphabetic()).count()
}

/// Whether something of an outline may begin or end at this byte.
fn is_mark(byte: u8) -> bool {
    const MARKS: [bool; 256] = {
        let mut marks = [false; 256];
        let mut i = 0;
        while i < 5 {
            marks[b"<{}|\n"[i] as usize] = true;
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
        return Some(rest.find("-->").map_or(rest.len(), |end| end + 3));
    }
    let name = rest.strip_prefix('<')?;
    let length = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    let name = LEFT_OUT.iter().find(|wanted| name[..length].eq_ignore_ascii_case(wanted))?;
    let tag = rest.bytes().take(LONGEST_TAG).position(|byte| byte == b'>')? + 1;
    if rest[..tag].ends_with("/>") || unclosed.contains(name) {
        return Some(tag);
    }
    // One that is not closed before the next begins goes as far as its tag.
    let mut at = tag;
    while let Some(next) = rest[at..].find('<') {
        at += next;
        let bytes = rest.as_bytes();
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
    let (mut shown, mut beside, mut rest) = (0, 0, line);
    while let Some(begin) = rest.find("[[") {
        beside += letters(without_tags(&rest[..begin]).as_str());
        let inside = &rest[begin + 2..];
        let Some(end) = inside.find("]]") else {
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
    beside += letters(without_tags(rest).as_str());
    (shown + beside, beside)
}

fn without_tags(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(begin) = rest.find('<') {
        out.push_str(&rest[..begin]);
        rest = rest[begin..].find('>').map_or("", |end| &rest[begin + end + 1..]);
    }
    out.push_str(rest);
    out
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
        let counted = |source: &str| Outline::of(source).letters();
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
