//! HTML and extension tags: which are dropped with all they hold, which break the line, which only vanish.

use memchr::memchr2;
use std::sync::LazyLock;

/// Elements dropped with their content.
const DROPPED: &[&str] = &[
    "ref",
    "references",
    "timeline",
    "score",
    "graph",
    "hiero",
    "imagemap",
    "templatedata",
    "templatestyles",
    "mapframe",
    "maplink",
    "style",
    "script",
    "includeonly",
    "indicator",
    "inputbox",
    "categorytree",
    "charinsert",
    "dynamicpagelist",
    "rss",
    "section",
    "listing",
    "videoflash",
    "googlemap",
];

/// Formulas.
const FORMULAS: &[&str] = &["math", "chem", "ce"];

/// Programs, as the page's author marked them.
const CODE: &[&str] = &["syntaxhighlight", "source"];

/// Elements that stand in lines of their own, in wiki pages as in web pages.
pub(crate) const BLOCKS: &[&str] =
    &["p", "div", "blockquote", "center", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "hr"];

/// The same, of wiki pages alone. Tables are taken out whole; their rows count where the table was never opened.
const WIKI_BLOCKS: &[&str] = &["poem", "tr", "td", "th", "caption", "onlyinclude"];

/// Other tags that vanish and leave their content.
const INLINE: &[&str] = &[
    "b",
    "i",
    "u",
    "s",
    "em",
    "strong",
    "small",
    "big",
    "sub",
    "sup",
    "span",
    "font",
    "tt",
    "code",
    "kbd",
    "samp",
    "var",
    "abbr",
    "cite",
    "q",
    "del",
    "ins",
    "strike",
    "bdi",
    "bdo",
    "noinclude",
    "nowiki",
    "pre",
    "li",
    "dt",
    "dd",
    "dfn",
    "mark",
    "ruby",
    "rb",
    "time",
    "wbr",
    "a",
    "img",
    "tbody",
    "thead",
    "tfoot",
    "col",
    "colgroup",
    "nobr",
    "translate",
    "tvar",
    "languages",
    "br",
    "table",
    "data",
    "html",
    "body",
    "label",
    "link",
    "meta",
];

/// What to do with an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dropped,
    Block,
    Inline,
    Break,
    Item,
    Table,
    Raw,
    /// TeX.
    Formula,
    /// A program.
    Code,
    Gallery,
    /// How characters are read: `rt` the reading, `rp` the parentheses for readers without `ruby`.
    Reading,
}

/// A tag as it stands in the source.
#[derive(Debug)]
pub(super) struct Tag {
    /// In lower case.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) closing: bool,
    /// `<x/>`
    pub(super) empty: bool,
    /// Bytes from `<` to `>`, or as far as the tag can be told where `>` is missing.
    pub(super) length: usize,
}

impl Tag {
    /// An end tag as MediaWiki knows those of extensions: without attributes.
    pub(super) fn is_bare_end(&self) -> bool {
        self.closing && self.length <= self.name.len() + 4
    }
}

/// Longest name and longest attributes looked through for the `>`, in bytes.
const LONGEST_NAME: usize = 20;
const LONGEST: usize = 2000;

/// Elements by the first letter of their names: a page has a tag in every other line.
static KINDS: LazyLock<[Vec<(&str, Kind)>; 26]> = LazyLock::new(|| {
    let groups: [(&[&str], Kind); 12] = [
        (&["br"], Kind::Break),
        (&["li", "dt", "dd"], Kind::Item),
        (&["table"], Kind::Table),
        (&["nowiki", "pre"], Kind::Raw),
        (&["gallery"], Kind::Gallery),
        (&["rt", "rp", "rtc"], Kind::Reading),
        (FORMULAS, Kind::Formula),
        (CODE, Kind::Code),
        (DROPPED, Kind::Dropped),
        (BLOCKS, Kind::Block),
        (WIKI_BLOCKS, Kind::Block),
        (INLINE, Kind::Inline),
    ];
    let mut kinds: [Vec<(&str, Kind)>; 26] = Default::default();
    for (name, kind) in groups.into_iter().flat_map(|(names, kind)| names.iter().map(move |name| (*name, kind))) {
        kinds[usize::from(name.as_bytes()[0] - b'a')].push((name, kind));
    }
    kinds
});

/// The element of that name in any case.
fn element(name: &[u8]) -> Option<(&'static str, Kind)> {
    let first = name.first()?.to_ascii_lowercase().wrapping_sub(b'a');
    let same = |(known, _): &&(&str, Kind)| known.len() == name.len() && known.as_bytes().eq_ignore_ascii_case(name);
    KINDS.get(usize::from(first))?.iter().find(same).copied()
}

/// Reads a known tag at the beginning of `text`.
pub(super) fn read(text: &str) -> Option<Tag> {
    let bytes = text.as_bytes();
    let closing = bytes.get(1) == Some(&b'/');
    let begin = 1 + usize::from(closing);
    let name = bytes.get(begin..)?;
    let letters = name.iter().take(LONGEST_NAME).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (name, kind) = element(&name[..letters])?;
    let after = begin + letters;
    let rest = &bytes[after..bytes.len().min(after + LONGEST)];
    let (length, empty) = match memchr2(b'>', b'<', rest) {
        Some(at) if rest[at] == b'>' => (after + at + 1, at > 0 && rest[at - 1] == b'/'),
        _ => (after, false),
    };
    Some(Tag { name, kind, closing, empty, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_known_in_any_case() {
        let read = |text: &str| read(text).map(|tag| (tag.name, tag.kind, tag.closing, tag.empty, tag.length));
        for (text, name, kind, closing, empty, length) in [
            ("<ref name=x/>y", "ref", Kind::Dropped, false, true, 13),
            ("</REF>", "ref", Kind::Dropped, true, false, 6),
            ("<BR>", "br", Kind::Break, false, false, 4),
            ("<small", "small", Kind::Inline, false, false, 6),
            ("<td <b>", "td", Kind::Block, false, false, 3),
            ("<h2>", "h2", Kind::Block, false, false, 4),
        ] {
            assert_eq!(read(text), Some((name, kind, closing, empty, length)), "{text}");
        }
        for text in ["<", "</", "<>", "< b>", "<é>", "<1>", "<refx>", "<syntaxhighlightsyntaxhighlight>"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn every_name_leads_to_its_kind() {
        for (names, kind) in [(FORMULAS, Kind::Formula), (DROPPED, Kind::Dropped), (WIKI_BLOCKS, Kind::Block)] {
            assert!(names.iter().all(|name| element(name.as_bytes()) == Some((name, kind))));
        }
        // A table is more than a name that vanishes.
        assert_eq!(element(b"table"), Some(("table", Kind::Table)));
    }
}
