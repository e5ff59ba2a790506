//! HTML and extension tags: which are dropped with all they hold, which break the line, which only vanish.

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
    pub(super) name: String,
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

/// Longest attributes looked through for the `>`, in bytes.
const LONGEST: usize = 2000;

/// Reads a known tag at the beginning of `text`.
pub(super) fn read(text: &str) -> Option<Tag> {
    let bytes = text.as_bytes();
    let closing = bytes.get(1) == Some(&b'/');
    let begin = 1 + usize::from(closing);
    let letters = bytes[begin..].iter().take(20).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = text[begin..begin + letters].to_ascii_lowercase();
    let kind = match name.as_str() {
        "br" => Kind::Break,
        "li" | "dt" | "dd" => Kind::Item,
        "table" => Kind::Table,
        "nowiki" | "pre" => Kind::Raw,
        "gallery" => Kind::Gallery,
        "rt" | "rp" | "rtc" => Kind::Reading,
        name if FORMULAS.contains(&name) => Kind::Formula,
        name if CODE.contains(&name) => Kind::Code,
        name if DROPPED.contains(&name) => Kind::Dropped,
        name if BLOCKS.contains(&name) || WIKI_BLOCKS.contains(&name) => Kind::Block,
        name if INLINE.contains(&name) => Kind::Inline,
        _ => return None,
    };
    let after = begin + letters;
    let rest = &bytes[after..bytes.len().min(after + LONGEST)];
    let end = rest.iter().position(|byte| matches!(byte, b'>' | b'<'));
    let (length, empty) = match end {
        Some(at) if rest[at] == b'>' => (after + at + 1, at > 0 && rest[at - 1] == b'/'),
        _ => (after, false),
    };
    Some(Tag { name, kind, closing, empty, length })
}
