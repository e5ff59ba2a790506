//! A web page: its text, whole or the main content alone.

mod content;

use super::bytes::Text;
use super::{Body, Item, Raw};
use crate::error::{Error, Result};
use crate::wikitext::BLOCKS;
use content::Outside;
use scraper::node::Element;
use scraper::{Html, Node};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;

/// Elements whose content is no text of the page.
const DROPPED: &[&str] = &[
    "script", "style", "nav", "head", "footer", "aside", "noscript", "template", "iframe", "svg", "button", "select",
    "textarea", "object", "canvas", "audio", "video",
];

/// Elements that begin and end a line of their own, beside those that wiki pages have too ([`BLOCKS`]).
const PAGE_BLOCKS: &[&str] = &["section", "article", "main", "pre", "table", "figure", "address"];

/// A head is not longer, in bytes.
const LONGEST_HEAD: usize = 1 << 18;

/// Elements that begin a line.
const LINES: &[&str] = &["br", "li", "tr", "dt", "dd"];

/// What of a web page is its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HtmlContent {
    /// The part with the running text; all of it where there is no such part.
    #[default]
    Main,
    /// All of it but menus, footers, scripts and what a reader never sees.
    Whole,
}

/// Reads the page as one document.
pub(super) fn page(path: &Path, mut text: Text, content: HtmlContent) -> Result<Item> {
    let mut source = String::new();
    text.read_to_string(&mut source).map_err(Error::io("read", path))?;
    Ok(if source.trim().is_empty() { Item::Skipped("empty") } else { Item::Document(raw(1, source, content)) })
}

/// A page as a document, with what its head says of it.
pub(super) fn raw(id: impl ToString, source: String, content: HtmlContent) -> Raw {
    let Head { title, url, timestamp } = head(&source);
    Raw { title, url, timestamp, body: Body::Html(source, content), ..Raw::plain(id, String::new()) }
}

#[derive(Debug, Default, PartialEq)]
struct Head {
    title: Option<String>,
    url: Option<String>,
    timestamp: Option<String>,
}

/// Reads the head alone, which is short beside the page.
fn head(source: &str) -> Head {
    let bytes = source.as_bytes();
    let end = bytes.windows(5).position(|found| found.eq_ignore_ascii_case(b"<body")).unwrap_or(bytes.len());
    let mut end = end.min(LONGEST_HEAD);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let page = Html::parse_document(&source[..end]);
    let mut head = Head::default();
    for node in page.tree.nodes() {
        let Some(element) = node.value().as_element() else { continue };
        let attribute = |name: &str| element.attr(name).map(str::trim).filter(|value| !value.is_empty());
        let name = attribute("property").or(attribute("name")).or(attribute("rel")).unwrap_or_default();
        match (element.name(), name.to_ascii_lowercase().as_str()) {
            ("title", _) if head.title.is_none() => {
                let text: String =
                    node.children().filter_map(|child| child.value().as_text().map(|text| &**text)).collect();
                head.title =
                    Some(text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|title| !title.is_empty());
            }
            ("link", "canonical") => head.url = attribute("href").map(str::to_owned).or(head.url),
            ("meta", "og:url") if head.url.is_none() => head.url = attribute("content").map(str::to_owned),
            ("meta", "article:published_time") => head.timestamp = attribute("content").map(str::to_owned),
            _ => {}
        }
    }
    head.url = head.url.filter(|url| url.starts_with("http://") || url.starts_with("https://"));
    head
}

/// Text of a page: blocks separated by blank lines.
pub(super) fn to_text(source: &str, content: HtmlContent) -> String {
    let page = Html::parse_document(source);
    let outside = if content == HtmlContent::Main { content::outside(&page) } else { Outside::default() };
    let text = flow(&page, &outside);
    // A page that is nothing but short lines and links has no main part.
    if text.is_empty() && content == HtmlContent::Main { flow(&page, &Outside::default()) } else { text }
}

fn flow(page: &Html, outside: &Outside) -> String {
    let mut out = Flow::default();
    let mut next = Some(page.tree.root());
    while let Some(node) = next {
        let mut inside = !outside.contains(node.id());
        match node.value() {
            _ if !inside => {}
            Node::Text(text) => out.text(text),
            Node::Element(element) if is_dropped(element) => inside = false,
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

fn is_dropped(element: &Element) -> bool {
    DROPPED.contains(&element.name())
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
        assert_eq!(to_text(source, HtmlContent::Whole), "Lobs\n\nA & b\nc ć\n\none\ntwo\n\ntail");
    }

    #[test]
    fn deep_nesting_is_no_stack_overflow() {
        let source = format!("{}deep", "<b>".repeat(20_000));
        assert_eq!(to_text(&source, HtmlContent::Main), "deep");
    }

    #[test]
    fn the_head_tells_title_address_and_time() {
        let page = "<!DOCTYPE html><html><head><TITLE> Lobs \n  reits</TITLE><link rel=canonical href=https://a.lv/1>\
            <meta property='og:url' content='https://b.lv'><meta property='article:published_time' content=2020-01-02>\
            </head><body><title>no</title><p>x";
        let some = |text: &str| Some(text.to_owned());
        let told = Head { title: some("Lobs reits"), url: some("https://a.lv/1"), timestamp: some("2020-01-02") };
        assert_eq!(head(page), told);
        assert_eq!(head("<p>x</p>"), Head::default());
    }

    #[test]
    fn a_page_inside_a_form_and_a_preamble_in_a_header_are_text() {
        let source =
            "<form><header><p>Aizvoda</p></header><input value=x><p>Teksts</p><textarea>raksti</textarea></form>";
        for content in [HtmlContent::Whole, HtmlContent::Main] {
            assert_eq!(to_text(source, content), "Aizvoda\n\nTeksts");
        }
    }
}
