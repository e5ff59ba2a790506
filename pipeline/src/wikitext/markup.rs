//! The first pass: comments, tags, templates, tables and links are taken out with a stack of what is open.
//!
//! What was never closed is let go where it cannot go on (a link at a blank line, the rest at the end) and its
//! text stays, so that one forgotten brace does not cost a page.

use super::site::Site;
use super::tags::{self, Kind, Tag};
use super::{debris, entities, links, templates, unseen};
use std::collections::BTreeSet;

/// Things open at once; what opens deeper is ignored. Real pages stay below 20.
const DEEPEST: usize = 60;

/// Elements to leave out that may lack their end tags before no more are left out: the time stays in proportion.
const UNENDED: usize = 8;

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
pub(super) fn strip(source: &str, site: &Site) -> String {
    let lower = source.to_ascii_lowercase();
    let frames = vec![Frame { open: Open::Page, parts: vec![String::new()] }];
    let mut scanner = Scanner {
        source,
        lower,
        site,
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

struct Scanner<'a> {
    source: &'a str,
    /// ASCII letters in lower case: the same positions.
    lower: String,
    site: &'a Site,
    at: usize,
    frames: Vec<Frame>,
    /// Only white space and list marks since the line began.
    line_start: bool,
    poem: bool,
    /// Elements whose end tag does not come any more.
    never_closed: BTreeSet<String>,
    /// Elements looked through to the end of the page for their end tags in vain.
    unended: usize,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let rest = &self.source[self.at..];
        let first = rest.as_bytes()[0];
        let line_start = self.line_start;
        match first {
            b'\n' => return self.newline(rest),
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

    fn push(&mut self, text: &str) {
        let frame = self.frames.last_mut().expect("the page is never closed");
        frame.parts.last_mut().expect("never empty").push_str(text);
    }

    /// Text that later passes must not take for markup.
    fn literal(&mut self, text: &str) {
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
            Open::Table | Open::HtmlTable => "\n".to_owned(),
            Open::Link => links::text(&parts, self.site),
        };
        self.push(&text);
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
        if !tag.closing && !tag.empty && unseen::is_unseen(&tag.name, &rest[1..tag.length]) && self.leave_out(&tag.name)
        {
            return;
        }
        match (tag.kind, tag.closing) {
            (Kind::Break, _) => self.literal("\n"),
            (Kind::Block, closing) => {
                if tag.name == "poem" {
                    self.poem = !closing;
                }
                self.push("\n\n");
                self.line_start = true;
            }
            (Kind::Item, false) => self.push("\n* "),
            (Kind::Item, true) => self.push("\n"),
            (Kind::Table, false) => self.open(Open::HtmlTable, 0),
            (Kind::Table, true) => {
                self.closes_table(Open::HtmlTable);
            }
            (Kind::Dropped, false) if !tag.empty => self.drop_element(&tag),
            (Kind::Raw, false) if !tag.empty => self.raw(&tag),
            _ => {
                // A tag that vanishes does not end the beginning of a line: `<small>{|`.
                self.line_start = line_start;
            }
        }
    }

    /// Goes behind the end of the element that was just opened; false where it has none.
    fn leave_out(&mut self, name: &str) -> bool {
        if self.unended == UNENDED {
            return false;
        }
        let (mut at, mut depth) = (self.at, 1);
        while let Some(next) = self.lower[at..].find('<') {
            at += next;
            match tags::read(&self.source[at..]) {
                Some(tag) if tag.name == name && tag.closing => {
                    (at, depth) = (at + tag.length, depth - 1);
                    if depth == 0 {
                        self.at = at;
                        return true;
                    }
                }
                Some(tag) if tag.name == name && !tag.empty => (at, depth) = (at + tag.length, depth + 1),
                _ => at += 1,
            }
        }
        self.unended += 1;
        false
    }

    /// Position of the end tag of `name` from here on.
    fn end_of(&mut self, name: &str) -> Option<usize> {
        if self.never_closed.contains(name) {
            return None;
        }
        let found = self.lower[self.at..].find(&format!("</{name}"));
        if found.is_none() {
            self.never_closed.insert(name.to_owned());
        }
        found.map(|end| self.at + end)
    }

    fn skip_end_tag(&mut self) {
        self.at += tags::read(&self.source[self.at..]).map_or(2, |tag| tag.length);
    }

    fn drop_element(&mut self, tag: &Tag) {
        if tag.name == "ref" {
            return self.drop_reference();
        }
        if let Some(end) = self.end_of(&tag.name) {
            self.at = end;
            self.skip_end_tag();
        }
    }

    /// A reference that was not closed before the next one begins goes as far as its line.
    fn drop_reference(&mut self) {
        let mut at = self.at;
        while let Some(next) = self.lower[at..].find('<') {
            at += next;
            match tags::read(&self.source[at..]) {
                Some(tag) if tag.name == "ref" && tag.closing => {
                    self.at = at + tag.length;
                    return;
                }
                Some(tag) if tag.name == "ref" && !tag.empty => break,
                _ => at += 1,
            }
        }
        let line = self.source[self.at..].find(['\n', '<']).unwrap_or(self.source.len() - self.at);
        self.at += line;
    }

    fn raw(&mut self, tag: &Tag) {
        let Some(end) = self.end_of(&tag.name) else { return };
        let source = self.source;
        let inside = &source[self.at..end];
        let breaks = if tag.name == "pre" { "\n\n" } else { "" };
        self.push(breaks);
        let mut rest = inside;
        while let Some(special) = rest.find(['&', '<']) {
            self.literal(&rest[..special]);
            rest = &rest[special..];
            let (shown, length) = match tags::read(rest) {
                Some(tag) if rest.starts_with('<') => (String::new(), tag.length),
                _ => entities::decode(rest).unwrap_or_else(|| (rest[..1].to_owned(), 1)),
            };
            self.literal(&shown);
            rest = &rest[length..];
        }
        self.literal(rest);
        self.push(breaks);
        self.at = end;
        self.skip_end_tag();
    }
}
