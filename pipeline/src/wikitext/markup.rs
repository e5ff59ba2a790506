//! The first pass: comments, tags, templates, tables and links are taken out with a stack of what is open.
//!
//! What was never closed is let go where it cannot go on (a link at a blank line, the rest at the end) and its
//! text stays, so that one forgotten brace does not cost a page.

use super::debris::{self, HOLE};
use super::settings::{MarkupSettings, Use};
use super::site::Site;
use super::tags::{self, Kind};
use super::{entities, links, tables, templates, unseen};
use std::collections::BTreeSet;

/// Things open at once; what opens deeper is ignored. Real pages stay below 20.
const DEEPEST: usize = 60;

/// Beginnings of addresses after a single bracket.
const SCHEMES: &[&str] = &["http://", "https://", "//", "ftp://", "mailto:", "news:", "irc://", "gopher://"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Page,
    Template,
    Argument,
    Table,
    HtmlTable,
    Link,
    External,
}

struct Frame {
    open: Open,
    /// Text so far, cut at pipes; never empty.
    parts: Vec<String>,
}

/// Text of `source` with its lines still marked up: headings, lists and quotes are left to the second pass.
pub(super) fn strip(source: &str, site: &Site, settings: &MarkupSettings) -> String {
    let lower = source.to_ascii_lowercase();
    let frames = vec![Frame { open: Open::Page, parts: vec![String::new()] }];
    let mut scanner = Scanner {
        source,
        lower,
        site,
        settings,
        at: 0,
        frames,
        line_start: true,
        poem: false,
        never_closed: BTreeSet::new(),
        unended: 0,
    };
    while scanner.at < source.len() {
        scanner.step();
    }
    while scanner.frames.len() > 1 {
        scanner.abandon();
    }
    scanner.frames.swap_remove(0).parts.swap_remove(0)
}

pub(super) struct Scanner<'a> {
    pub(super) source: &'a str,
    /// ASCII letters in lower case: the same positions.
    pub(super) lower: String,
    pub(super) site: &'a Site,
    pub(super) settings: &'a MarkupSettings,
    pub(super) at: usize,
    frames: Vec<Frame>,
    /// Only white space and list marks since the line began.
    line_start: bool,
    poem: bool,
    /// Elements whose end tag does not come any more.
    pub(super) never_closed: BTreeSet<&'static str>,
    /// Elements looked through to the end of the page for their end tags in vain.
    pub(super) unended: usize,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let rest = &self.source[self.at..];
        let first = rest.as_bytes()[0];
        let line_start = self.line_start;
        match first {
            b'\n' => return self.newline(rest),
            _ if rest.starts_with(HOLE) => return self.take(HOLE.len_utf8()),
            b' ' | b'\t' | b'*' | b'#' | b':' | b';' => {}
            _ => self.line_start = false,
        }
        match first {
            b'<' => self.angle(rest, line_start),
            b'&' => match entities::decode(rest) {
                Some((shown, length)) => {
                    self.literal(&shown);
                    self.at += length;
                }
                None => self.take(1),
            },
            b'{' if line_start && rest.starts_with("{|") && !rest.starts_with("{|}") => self.open(Open::Table, 2),
            b'{' if rest.starts_with("{{") => {
                let run = rest.bytes().take(7).take_while(|byte| *byte == b'{').count();
                if run == 3 || run == 5 { self.open(Open::Argument, 3) } else { self.open(Open::Template, 2) }
            }
            b'}' if rest.starts_with("}}") => self.braces(rest),
            b'|' if line_start && rest.starts_with("|}") && self.closes_table(Open::Table) => self.at += 2,
            b'|' => self.pipe(),
            b'[' if rest.starts_with("[[[") => self.at += 1,
            b'[' if rest.starts_with("[[") => self.open(Open::Link, 2),
            b'[' => self.bracket(),
            b']' if self.top() == Open::External => {
                self.close(1);
            }
            b']' if rest.starts_with("]]") => {
                if self.top() == Open::Link {
                    self.close(2);
                } else {
                    self.at += 2;
                }
            }
            _ => {
                let special = |byte: u8| matches!(byte, b'\n' | b'<' | b'&' | b'{' | b'}' | b'|' | b'[' | b']');
                let length = if self.line_start {
                    1
                } else {
                    1 + rest.bytes().skip(1).position(special).unwrap_or(rest.len() - 1)
                };
                // Bytes of a character are never special, and a line start is ASCII: this cuts between characters.
                self.take(length);
            }
        }
    }

    fn top(&self) -> Open {
        self.frames.last().expect("the page is never closed").open
    }

    pub(super) fn push(&mut self, text: &str) {
        let frame = self.frames.last_mut().expect("the page is never closed");
        frame.parts.last_mut().expect("never empty").push_str(text);
    }

    /// Something of the page goes, and is no part of the text.
    pub(super) fn vanish(&mut self) {
        let frame = self.frames.last_mut().expect("the page is never closed");
        frame.parts.last_mut().expect("never empty").push(HOLE);
    }

    /// Text that later passes must not take for markup.
    pub(super) fn literal(&mut self, text: &str) {
        let hidden: String = text.chars().map(debris::hide).collect();
        self.push(&hidden);
    }

    /// Moves so many bytes of the source to the text.
    fn take(&mut self, length: usize) {
        let source = self.source;
        self.push(&source[self.at..self.at + length]);
        self.at += length;
    }

    fn open(&mut self, open: Open, length: usize) {
        self.at += length;
        if self.frames.len() < DEEPEST {
            self.frames.push(Frame { open, parts: vec![String::new()] });
        }
    }

    /// Closes what is on top and gives its text to what is below.
    fn close(&mut self, length: usize) {
        self.at += length;
        let Frame { open, mut parts } = self.frames.pop().expect("something is open");
        let text = match open {
            Open::Page => parts.swap_remove(0),
            Open::External => self.label(&parts[0]),
            Open::Template => templates::text(&parts),
            Open::Argument => {
                if parts.len() > 1 {
                    parts.swap_remove(1)
                } else {
                    String::new()
                }
            }
            Open::Table | Open::HtmlTable => return self.table(&parts[0]),
            Open::Link => links::text(&parts, self.site),
        };
        match text.is_empty() {
            true => self.vanish(),
            false => self.push(&text),
        }
    }

    /// Text of a table, where it is wanted.
    fn table(&mut self, inside: &str) {
        let (attributes, rows) = inside.split_once('\n').unwrap_or((inside, ""));
        let attributes = ["table ", attributes].concat();
        let infobox = unseen::is_infobox(&attributes);
        let wanted = if infobox { self.settings.infoboxes } else { self.settings.tables };
        let unseen = unseen::is_unseen("table", &attributes, self.settings.infoboxes);
        let text = if wanted == Use::Drop || unseen { String::new() } else { tables::text(rows) };
        match text.is_empty() {
            true => self.push("\n"),
            false => self.push(&["\n\n", &text, "\n\n"].concat()),
        }
    }

    /// Whether tables of one kind or other are text.
    fn keeps_tables(&self) -> bool {
        self.settings.tables == Use::Keep || self.settings.infoboxes == Use::Keep
    }

    /// Text of a link to an address. In `[http://x | label]` the bar is one that parts a link to a page, and says nothing.
    fn label(&self, text: &str) -> String {
        let label = text.trim_start_matches([' ', '|']);
        let before = self.frames.last().and_then(|frame| frame.parts.last());
        // `PDF[http://x DJVU]`: two words, though the page shows only a small picture between them.
        let apart = before.is_some_and(|before| before.ends_with(char::is_alphanumeric));
        if apart && !label.is_empty() { format!(" {label}") } else { label.to_owned() }
    }

    /// Lets go of what is on top without its end: text that was not its own name or argument stays.
    fn abandon(&mut self) {
        match self.top() {
            Open::Page => {}
            Open::Link | Open::External => self.close(0),
            Open::Table | Open::HtmlTable if self.keeps_tables() => self.close(0),
            Open::Template | Open::Argument | Open::Table | Open::HtmlTable => {
                let frame = self.frames.pop().expect("something is open");
                let inside = frame.parts.join("|");
                for line in inside.split('\n').skip(1) {
                    self.push("\n");
                    if !line.trim_start().starts_with(['|', '!', '}']) {
                        self.push(&line.replace('|', " "));
                    }
                }
            }
        }
    }

    fn newline(&mut self, rest: &str) {
        while self.top() == Open::External {
            self.abandon();
        }
        if rest[1..].trim_start_matches([' ', '\t', '\r']).starts_with('\n') {
            while matches!(self.top(), Open::Link | Open::External) {
                self.abandon();
            }
        }
        if self.poem {
            self.literal("\n");
        } else {
            self.push("\n");
        }
        self.at += 1;
        self.line_start = true;
        self.indent_of_verse();
    }

    /// A line of a poem may be set in by colons or spaces.
    fn indent_of_verse(&mut self) {
        if self.poem {
            let rest = &self.source[self.at..];
            self.at += rest.len() - rest.trim_start_matches([':', ' ', '\t']).len();
        }
    }

    fn braces(&mut self, rest: &str) {
        let Some(depth) = self.frames.iter().rposition(|frame| matches!(frame.open, Open::Template | Open::Argument))
        else {
            self.at += 2;
            return;
        };
        while self.frames.len() > depth + 1 {
            self.abandon();
        }
        let three = self.top() == Open::Argument && rest.starts_with("}}}");
        self.close(if three { 3 } else { 2 });
    }

    /// Closes the innermost table, unless a template stands in between.
    fn closes_table(&mut self, table: Open) -> bool {
        let inner = self
            .frames
            .iter()
            .rposition(|frame| frame.open == table || matches!(frame.open, Open::Template | Open::Argument));
        match inner {
            Some(depth) if self.frames[depth].open == table => {
                while self.frames.len() > depth + 1 {
                    self.abandon();
                }
                self.close(0);
                true
            }
            _ => false,
        }
    }

    fn pipe(&mut self) {
        match self.top() {
            Open::Template | Open::Argument | Open::Link => {
                self.frames.last_mut().expect("something is open").parts.push(String::new());
                self.at += 1;
            }
            _ => self.take(1),
        }
    }

    /// A single bracket: an address, a link that lacks its first bracket (`[target|label]]`), or text.
    fn bracket(&mut self) {
        let after = &self.lower[self.at + 1..];
        if !SCHEMES.iter().any(|scheme| after.starts_with(scheme)) {
            let end = after.find(['[', ']', '\n']).unwrap_or(after.len());
            let half = after[end..].starts_with("]]") && after[..end].contains('|') && self.top() != Open::Link;
            return if half { self.open(Open::Link, 1) } else { self.take(1) };
        }
        // A bar is a character of the address, as the wiki itself sees it, unless it parts the arguments of a template.
        let argument = self.frames.iter().any(|frame| matches!(frame.open, Open::Template | Open::Argument));
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, ']' | '[' | '<' | '{' | '}') || (c == '|' && argument));
        let length = end.unwrap_or(after.len());
        self.open(Open::External, 1 + length);
    }

    fn angle(&mut self, rest: &str, line_start: bool) {
        if let Some(inside) = rest.strip_prefix("<!--") {
            match inside.find("-->") {
                Some(end) => self.at += end + 7,
                None => self.at = self.source.len(),
            }
            self.line_start = line_start;
            return;
        }
        let Some(tag) = tags::read(rest) else { return self.take(1) };
        self.at += tag.length;
        let attributes = &rest[1..tag.length];
        let begins = !tag.closing && !tag.empty;
        let infoboxes = self.settings.infoboxes;
        if begins && unseen::is_unseen(tag.name, attributes, infoboxes) && self.leave_out(tag.name) {
            return self.vanish();
        }
        match (tag.kind, tag.closing) {
            (Kind::Break, _) => {
                self.literal("\n");
                self.indent_of_verse();
            }
            (Kind::Block, closing) if self.top() == Open::HtmlTable && tables::mark(tag.name).is_some() => {
                if !closing {
                    self.push(tables::mark(tag.name).unwrap_or_default());
                }
            }
            (Kind::Block, closing) => {
                if tag.name == "poem" {
                    self.poem = !closing;
                }
                self.push("\n\n");
                self.line_start = true;
                self.indent_of_verse();
            }
            (Kind::Item, false) => self.push("\n* "),
            (Kind::Item, true) => self.push("\n"),
            (Kind::Table, false) => {
                self.open(Open::HtmlTable, 0);
                // As a table in wiki markup has them: in its first line.
                if self.top() == Open::HtmlTable {
                    self.push(&attributes.replace(['\n', '>'], " "));
                    self.push("\n");
                }
            }
            (Kind::Table, true) => {
                self.closes_table(Open::HtmlTable);
            }
            (Kind::Dropped, false) if tag.empty => self.vanish(),
            (Kind::Dropped, false) => self.drop_element(&tag),
            (Kind::Raw, false) if begins => self.raw(&tag),
            (Kind::Formula | Kind::Code, false) if begins => self.shown(&tag),
            (Kind::Gallery, false) if begins => self.gallery(&tag),
            (Kind::Reading, false) if begins => self.reading(&tag),
            _ => {
                // A tag that vanishes does not end the beginning of a line: `<small>{|`.
                self.line_start = line_start;
            }
        }
    }
}
