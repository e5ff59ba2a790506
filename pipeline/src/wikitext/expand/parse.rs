//! Source to a flat tree of calls: what `{{`, `{{{` and `[[` open is matched with a stack, as MediaWiki's preprocessor
//! does (Preprocessor ABNF on mediawiki.org), without recursion and in time linear in the source.
//!
//! Comments go, `noinclude` and its kin are followed, elements whose content is no wikitext are one node. What was
//! never closed is text again, and the calls inside it stay calls.

use super::tree::{Body, Node, Part, Span};
use std::collections::BTreeSet;

/// Brackets open at once; what opens deeper is text. Real templates stay below 40.
const DEEPEST: usize = 200;

/// Bytes that may mean something to the parser.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut i = 0;
    while i < 7 {
        special[b"{}[]|=<"[i] as usize] = true;
        i += 1;
    }
    special
};

/// Parses the source of a page, or (`included`) what a template gives to the page that includes it.
pub(super) fn parse(source: &str, included: bool) -> Body {
    let text: Box<str> = match included.then(|| only_included(source)).flatten() {
        Some(only) => only.into(),
        None => source.into(),
    };
    let mut parser = Parser {
        text: &text,
        included,
        at: 0,
        page: Building::default(),
        pieces: Vec::new(),
        nodes: Vec::new(),
        parts: Vec::new(),
        never_closed: BTreeSet::new(),
    };
    let whole = parser.run();
    let (nodes, parts) = (parser.nodes, parser.parts);
    Body { text, nodes, parts, whole }
}

/// What stands inside `<onlyinclude>`, where there is such an element: then nothing else of the template counts.
fn only_included(source: &str) -> Option<String> {
    let lower = source.to_ascii_lowercase();
    let (open, close) = ("<onlyinclude>", "</onlyinclude>");
    if !lower.contains(open) || !lower.contains(close) {
        return None;
    }
    let (mut out, mut at) = (String::new(), 0);
    while let Some(begin) = lower[at..].find(open).map(|begin| at + begin + open.len()) {
        let end = lower[begin..].find(close).map_or(source.len(), |end| begin + end);
        out.push_str(&source[begin..end]);
        at = (end + close.len()).min(source.len());
    }
    Some(out)
}

/// Nodes of a part that is being read.
#[derive(Default)]
pub(super) struct Building {
    pub(super) nodes: Vec<Node>,
    /// Position of [`Node::Equals`] in `nodes`.
    equals: Option<u32>,
}

impl Building {
    /// Adds bytes of the text.
    pub(super) fn text(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        match self.nodes.last_mut() {
            Some(Node::Text(last)) if last.to as usize == from => last.to = to as u32,
            _ => self.nodes.push(Node::Text(Span { from: from as u32, to: to as u32 })),
        }
    }
}

/// Brackets that are open.
struct Piece {
    /// `{` or `[`.
    open: u8,
    /// Position of the first bracket that is still open.
    start: usize,
    /// How many of them.
    count: usize,
    parts: Vec<Building>,
    /// Positions of the bars between parts.
    bars: Vec<usize>,
}

/// A source being parsed.
pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) included: bool,
    pub(super) at: usize,
    page: Building,
    pieces: Vec<Piece>,
    nodes: Vec<Node>,
    parts: Vec<Part>,
    /// Elements whose end tag does not come any more.
    pub(super) never_closed: BTreeSet<&'static str>,
}

impl Parser<'_> {
    fn run(&mut self) -> Span {
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() {
            let from = self.at;
            let special = |byte: &u8| SPECIAL[*byte as usize];
            self.at = bytes[from..].iter().position(special).map_or(bytes.len(), |found| from + found);
            let to = self.at;
            self.current().text(from, to);
            match bytes.get(self.at) {
                None => break,
                Some(b'<') => self.angle(),
                Some(b'{') => self.open(b'{'),
                Some(b'[') => self.open(b'['),
                Some(b'}') => self.close(b'{', b'}'),
                Some(b']') => self.close(b'[', b']'),
                Some(b'|') => self.bar(),
                Some(_) => self.equals(),
            }
        }
        self.give_up();
        let page = std::mem::take(&mut self.page);
        self.keep(page.nodes)
    }

    pub(super) fn current(&mut self) -> &mut Building {
        match self.pieces.last_mut() {
            Some(piece) => piece.parts.last_mut().expect("a piece has a part"),
            None => &mut self.page,
        }
    }

    /// Moves so many bytes to the text.
    pub(super) fn take(&mut self, length: usize) {
        let from = self.at;
        self.at += length;
        let to = self.at;
        self.current().text(from, to);
    }

    fn run_of(&self, byte: u8) -> usize {
        self.text.as_bytes()[self.at..].iter().take_while(|found| **found == byte).count()
    }

    fn open(&mut self, open: u8) {
        let count = self.run_of(open);
        if count < 2 || self.pieces.len() >= DEEPEST {
            return self.take(count);
        }
        if open == b'['
            && count == 2
            && let Some(length) = self.plain_link()
        {
            return self.take(length);
        }
        self.pieces.push(Piece { open, start: self.at, count, parts: vec![Building::default()], bars: Vec::new() });
        self.at += count;
    }

    /// Bytes of the link that begins here and holds no call: it is text as it stands, and needs no opening.
    fn plain_link(&self) -> Option<usize> {
        let bytes = self.text.as_bytes().get(self.at + 2..)?;
        let special = |byte: &u8| SPECIAL[*byte as usize] && !matches!(byte, b'|' | b'=');
        let end = bytes.iter().position(special)?;
        bytes[end..].starts_with(b"]]").then_some(end + 4)
    }

    fn close(&mut self, open: u8, close: u8) {
        let top = self.pieces.last().filter(|piece| piece.open == open).map_or(0, |piece| piece.count);
        let run = self.run_of(close);
        let most = if open == b'{' { 3 } else { 2 };
        let matching = run.min(top).min(most);
        if matching < 2 {
            return self.take(if top == 0 { run } else { 1 });
        }
        let mut piece = self.pieces.pop().expect("a piece is on top");
        let begin = piece.start + piece.count - matching;
        self.at += matching;
        let end = self.at;
        let left = piece.count - matching;
        if left >= 2 {
            self.pieces.push(Piece {
                open,
                start: piece.start,
                count: left,
                parts: vec![Building::default()],
                bars: vec![],
            });
        } else {
            self.current().text(piece.start, begin);
        }
        if open == b'[' {
            let inside = piece.parts.swap_remove(0).nodes;
            let current = self.current();
            current.text(begin, begin + 2);
            append(current, inside);
            current.text(end - 2, end);
            return;
        }
        let line_start = left == 0 && (begin == 0 || self.text.as_bytes()[begin - 1] == b'\n');
        let mut parts = Vec::with_capacity(piece.parts.len());
        for Building { nodes, equals } in piece.parts {
            let nodes = self.keep(nodes);
            parts.push(Part { nodes, equals: equals.map(|at| nodes.from + at) });
        }
        let from = self.parts.len() as u32;
        self.parts.extend(parts);
        let parts = Span { from, to: self.parts.len() as u32 };
        let node = if matching == 3 { Node::Argument { parts } } else { Node::Call { parts, line_start } };
        self.current().nodes.push(node);
    }

    /// Gives nodes their final place.
    fn keep(&mut self, nodes: Vec<Node>) -> Span {
        let from = self.nodes.len() as u32;
        self.nodes.extend(nodes);
        Span { from, to: self.nodes.len() as u32 }
    }

    fn bar(&mut self) {
        let at = self.at;
        match self.pieces.last_mut().filter(|piece| piece.open == b'{') {
            Some(piece) => {
                piece.parts.push(Building::default());
                piece.bars.push(at);
                self.at += 1;
            }
            None => self.take(1),
        }
    }

    fn equals(&mut self) {
        let run = self.run_of(b'=');
        let line_start = self.at == 0 || self.text.as_bytes()[self.at - 1] == b'\n';
        match self.pieces.last_mut().filter(|piece| piece.open == b'{' && piece.parts.len() > 1) {
            // `== A heading ==` in an argument is no name.
            Some(_) if run > 1 && line_start => {
                let line = self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at);
                let heading = self.text[self.at..self.at + line].trim_end();
                let bare =
                    heading.len() > 2 * run && heading.ends_with("==") && !heading.contains(['{', '}', '[', '<', '|']);
                self.take(if bare { heading.len() } else { run });
            }
            Some(piece) => {
                let part = piece.parts.last_mut().expect("a piece has a part");
                if part.equals.is_none() {
                    part.equals = Some(part.nodes.len() as u32);
                    part.nodes.push(Node::Equals);
                    self.at += 1;
                } else {
                    self.take(run);
                }
            }
            None => self.take(run),
        }
    }

    /// What is still open is text, from the outside in, so that nothing is moved twice.
    fn give_up(&mut self) {
        let mut page = std::mem::take(&mut self.page);
        for piece in std::mem::take(&mut self.pieces) {
            page.text(piece.start, piece.start + piece.count);
            for (i, part) in piece.parts.into_iter().enumerate() {
                if i > 0 {
                    page.text(piece.bars[i - 1], piece.bars[i - 1] + 1);
                }
                append(&mut page, part.nodes);
            }
        }
        self.page = page;
    }
}

/// Adds nodes behind others, texts that meet made one.
fn append(to: &mut Building, nodes: Vec<Node>) {
    for node in nodes {
        match node {
            Node::Text(span) => to.text(span.from as usize, span.to as usize),
            other => to.nodes.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree on one line: calls as `(name|part)`, arguments as `<name|part>`, the `=` of a part as `:`.
    fn shown(body: &Body, span: Span) -> String {
        let parts =
            |parts: Span| body.parts(parts).iter().map(|part| shown(body, part.nodes)).collect::<Vec<_>>().join("|");
        let node = |node: &Node| match node {
            Node::Text(span) => body.text(*span).replace('\n', "↵"),
            Node::Equals => ":".to_owned(),
            Node::Gone(name) => format!("~{}~", body.text(*name)),
            Node::Call { parts: span, .. } => format!("({})", parts(*span)),
            Node::Argument { parts: span } => format!("<{}>", parts(*span)),
        };
        body.nodes(span).iter().map(node).collect()
    }

    #[track_caller]
    fn check(source: &str, page: &str, template: &str) {
        for (included, wanted) in [(false, page), (true, template)] {
            let body = Body::parse(source, included);
            assert_eq!(shown(&body, body.whole()), wanted, "{source:?}, included: {included}");
        }
    }

    #[track_caller]
    fn both(source: &str, wanted: &str) {
        check(source, wanted, wanted);
    }

    #[test]
    fn brackets_match_as_in_mediawiki() {
        both("a {{b|c=d=e|f}} g", "a (b|c:d=e|f) g");
        both("{{{1|{{{2|}}}}}}", "<1|<2|>>");
        both("{{{{{1}}}|x}}", "(<1>|x)"); // 5: the inner three are the parameter
        both("{{{{a}}}}", "{<a>}"); // 4: three match first, one is text on either side
        both("{{{{{{a}}}}}}", "<<a>>"); // 6
        both("{{ {{{a}}} }}", "( <a> )");
        both("{{a|[[b|c]]|d}}", "(a|[[b|c]]|d)"); // a bar of a link parts nothing
        both("{{a|x[[b=c]]=d}}", "(a|x[[b=c]]:d)");
        both("{{a|{{b=c}}}}", "(a|(b=c))");
        both("{{a| == b == }}", "(a| := b == )");
        both("{{a|\n== b ==\nc=d}}", "(a|↵== b ==↵c:d)");
        both("x | y = z ] ]] } }}", "x | y = z ] ]] } }}");
    }

    #[test]
    fn what_is_left_open_is_text_and_what_stands_in_it_is_not() {
        both("{{a|b {{c}} [[d", "{{a|b (c) [[d");
        both("[[a|{{b}}", "[[a|(b)");
        both("{{a|[[b}} c", "{{a|[[b}} c"); // an open link keeps the template open
        both("{{{a}} b", "{(a) b");
        both("{{a}", "{{a}");
    }

    #[test]
    fn inclusion_depends_on_who_reads() {
        check("a<noinclude>b</noinclude>c<includeonly>d</includeonly>", "abc", "acd");
        check("a<onlyinclude>b</onlyinclude>c<ONLYINCLUDE>d</onlyinclude>", "abcd", "bd");
        check("{{x|<includeonly>y</includeonly>|z}}", "(x||z)", "(x|y|z)");
        check("a<noinclude>b", "ab", "a");
        check("{{#if:1|<noinclude>n</noinclude>}}", "(#if:1|n)", "(#if:1|)");
    }

    #[test]
    fn comments_go_and_a_line_of_comments_alone_goes_whole() {
        both("a<!-- {{b}} -->c", "ac");
        both("a\n <!-- b --> <!-- c --> \nd", "a↵d");
        both("a <!-- b -->\nd", "a ↵d");
        both("a <!-- open {{b}}", "a ");
    }

    #[test]
    fn elements_whose_content_is_no_wikitext_are_one() {
        both("a<nowiki>{{b}}</nowiki>c", "a<nowiki>{{b}}</nowiki>c");
        both("a<ref name=\"x\">{{b|c}}</ref>d<REF name=y />e", "a~ref~d~REF~e");
        both("{{a|<math>x|y</math>|<nowiki>|=</nowiki>}}", "(a|<math>x|y</math>|<nowiki>|=</nowiki>)");
        both("{{a|<timeline>x|y</timeline>}}", "(a|~timeline~)");
        both("a<nowiki>{{b}}", "a<nowiki>(b)");
        both("a <ref>b {{c}} <ref>d</ref>", "a <ref>b (c) ~ref~");
        both("a < b {{c}}", "a < b (c)");
        both("<div class=\"{{a|b>c}}\">{{d}}</div>", "<div class=\"(a|b>c)\">(d)</div>");
    }

    #[test]
    fn deep_and_long_sources_take_time_in_proportion() {
        for piece in
            ["{{", "[[", "{{{", "{{a|", "[[{{a}}", "{{a}}", "<ref>", "<!--", "<noinclude>", "<x>[[{{x}}", "}}", "={{|="]
        {
            let started = std::time::Instant::now();
            let body = Body::parse(&piece.repeat(1_000_000 / piece.len()), true);
            assert!(body.length() > 0);
            assert!(started.elapsed().as_secs() < 5, "{piece}");
        }
    }
}
