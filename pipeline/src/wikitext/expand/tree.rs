//! A parsed source: a tree of calls and arguments that lies flat in three vectors, so that neither walking nor
//! dropping it needs the machine's stack.

use super::parse;

/// A run of nodes or of parts, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Span {
    /// As a range of indices.
    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.from as usize..self.to as usize
    }
}

/// A piece of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// Bytes of the text.
    Text(Span),
    /// The `=` after the name of a part.
    Equals,
    /// An element without its content; the bytes of its name.
    Gone(Span),
    /// `{{a|b}}`.
    Call {
        /// The name first.
        parts: Span,
        /// Whether it begins a line.
        line_start: bool,
    },
    /// `{{{a|b}}}`.
    Argument {
        /// The name first.
        parts: Span,
    },
}

/// What stands between two bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// All of it.
    pub(super) nodes: Span,
    /// Index of the node [`Node::Equals`].
    pub(super) equals: Option<u32>,
}

impl Part {
    /// Name and value of `name=value`.
    pub(super) fn named(&self) -> Option<(Span, Span)> {
        let at = self.equals?;
        Some((Span { from: self.nodes.from, to: at }, Span { from: at + 1, to: self.nodes.to }))
    }
}

/// A parsed source.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) text: Box<str>,
    pub(super) nodes: Vec<Node>,
    pub(super) parts: Vec<Part>,
    pub(super) whole: Span,
}

impl Body {
    /// Parses the source of a page, or (`included`) what a template gives to the page that includes it.
    pub(super) fn parse(source: &str, included: bool) -> Body {
        parse::parse(source, included)
    }

    /// Parts that nobody wrote: name (empty for none) and value of each, which are text whatever is in them.
    pub(super) fn of(written: &[(String, String)]) -> Body {
        let (mut text, mut nodes, mut parts) = (String::new(), Vec::new(), Vec::new());
        let mut add = |nodes: &mut Vec<Node>, piece: &str| {
            let from = text.len() as u32;
            text.push_str(piece);
            nodes.push(Node::Text(Span { from, to: text.len() as u32 }));
        };
        for (name, value) in written {
            let from = nodes.len() as u32;
            let mut equals = None;
            if !name.is_empty() {
                add(&mut nodes, name);
                equals = Some(nodes.len() as u32);
                nodes.push(Node::Equals);
            }
            add(&mut nodes, value);
            parts.push(Part { nodes: Span { from, to: nodes.len() as u32 }, equals });
        }
        let whole = Span { from: 0, to: nodes.len() as u32 };
        Body { text: text.into(), nodes, parts, whole }
    }

    /// The nodes of the whole source.
    pub(super) fn whole(&self) -> Span {
        self.whole
    }

    /// Bytes of the source.
    pub(super) fn length(&self) -> usize {
        self.text.len()
    }

    /// Nodes of a span.
    pub(super) fn nodes(&self, span: Span) -> &[Node] {
        &self.nodes[span.range()]
    }

    /// Parts of a span.
    pub(super) fn parts(&self, span: Span) -> &[Part] {
        &self.parts[span.range()]
    }

    /// Text of a span of bytes.
    pub(super) fn text(&self, span: Span) -> &str {
        &self.text[span.range()]
    }
}
