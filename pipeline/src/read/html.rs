//! A web page: its text without navigation, scripts and styles.

use super::bytes::Text;
use super::{Body, Item, Raw};
use crate::error::{Error, Result};
use crate::wikitext::BLOCKS;
use scraper::{Html, Node, Selector};
use std::io::Read;
use std::path::Path;

/// Elements whose content is no text of the page.
const DROPPED: &[&str] = &[
    "script", "style", "nav", "head", "header", "footer", "aside", "form", "noscript", "template", "iframe", "svg",
    "button", "select", "object", "canvas", "audio", "video",
];

/// Elements that begin and end a line of their own, beside those that wiki pages have too ([`BLOCKS`]).
const PAGE_BLOCKS: &[&str] = &["section", "article", "main", "pre", "table", "figure", "address"];

/// Elements that begin a line.
const LINES: &[&str] = &["br", "li", "tr", "dt", "dd"];

/// Reads the page as one document.
pub(super) fn page(path: &Path, mut text: Text) -> Result<Item> {
    let mut source = String::new();
    text.read_to_string(&mut source).map_err(Error::io("read", path))?;
    let title = Selector::parse("title").ok().and_then(|wanted| {
        let page = Html::parse_document(&source);
        let found: String = page.select(&wanted).next()?.text().collect();
        Some(found.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|title| !title.is_empty())
    });
    Ok(Item::Document(Raw { title, body: Body::Html(source), ..Raw::plain(1, String::new()) }))
}

/// Text of a page: blocks separated by blank lines.
pub(super) fn to_text(source: &str) -> String {
    let page = Html::parse_document(source);
    let mut out = Flow::default();
    let mut next = Some(page.tree.root());
    while let Some(node) = next {
        let mut inside = true;
        match node.value() {
            Node::Text(text) => out.text(text),
            Node::Element(element) if DROPPED.contains(&element.name()) => inside = false,
            Node::Element(element) => out.boundary(element.name()),
            _ => {}
        }
        // Depth first without recursion: a page may nest deeper than a stack.
        next = if inside { node.first_child() } else { None };
        let mut at = node;
        while next.is_none() {
            if let Node::Element(element) = at.value()
                && is_block(element.name())
            {
                out.boundary(element.name());
            }
            next = at.next_sibling();
            match at.parent() {
                Some(parent) if next.is_none() => at = parent,
                Some(_) => {}
                None => break,
            }
        }
    }
    out.text.trim().to_owned()
}

fn is_block(name: &str) -> bool {
    BLOCKS.contains(&name) || PAGE_BLOCKS.contains(&name)
}

/// Text with white space collapsed and the breaks that are still owed.
#[derive(Default)]
struct Flow {
    text: String,
    breaks: usize,
    space: bool,
}

impl Flow {
    fn boundary(&mut self, name: &str) {
        let breaks = if is_block(name) { 2 } else { usize::from(LINES.contains(&name)) };
        self.breaks = self.breaks.max(breaks);
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() {
                self.space = true;
                continue;
            }
            if self.breaks > 0 {
                self.text.extend(std::iter::repeat_n('\n', self.breaks));
            } else if self.space {
                self.text.push(' ');
            }
            (self.breaks, self.space) = (0, false);
            self.text.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_what_surrounds_it() {
        let source = "<html><head><title>T</title><style>x{}</style></head><body><nav>menu</nav>\
            <h1>Lobs</h1><p>A &amp; b<br>c&nbsp;&#263;</p><script>if (a<b) {}</script><ul><li>one<li>two</ul>tail</body></html>";
        assert_eq!(to_text(source), "Lobs\n\nA & b\nc ć\n\none\ntwo\n\ntail");
    }

    #[test]
    fn deep_nesting_is_no_stack_overflow() {
        let source = format!("{}deep", "<b>".repeat(20_000));
        assert_eq!(to_text(&source), "deep");
    }

    #[test]
    fn the_title_is_read() {
        let item = page(Path::new("f"), Box::new(&b"<title> Lobs \n  reits</title><p>x"[..])).unwrap();
        let Item::Document(raw) = item else { panic!() };
        assert_eq!(raw.title.as_deref(), Some("Lobs reits"));
    }
}
