//! The first pass: comments, tags, templates, tables and links are taken out with a stack of what is open.
//!
//! What was never closed is let go where it cannot go on (a link at a blank line, the rest at the end) and its
//! text stays, so that one forgotten brace does not cost a page.

use super::debris::{self, HOLE};
use super::settings::{MarkupSettings, Use};
use super::site::Site;
use super::tags::{self, Kind};
use super::{entities, links, tables, templates, unseen};
use memchr::{memchr3, memmem};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Things open at once; what opens deeper is ignored. Real pages stay below 20.
const DEEPEST: usize = 60;

/// Beginnings of addresses after a single bracket.
const SCHEMES: &[&str] = &["http://", "https://", "//", "ftp://", "mailto:", "news:", "irc://", "gopher://"];

/// First byte of [`HOLE`].
const HOLE_BEGINS: u8 = 0xF3;

/// Bytes of `text` before the first that may mean something to markup.
fn before_special(text: &[u8]) -> usize {
    const SPECIAL: [bool; 256] = {
        let mut special = [false; 256];
        let mut i = 0;
        while i < 8 {
            special[b"\n<&{}|[]"[i] as usize] = true;
            i += 1;
        }
        special
    };
    text.iter().position(|byte| SPECIAL[*byte as usize]).unwrap_or(text.len())
}

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
    /// Where its text begins in `out`.
    begin: usize,
    /// Where its bars begin in `bars`.
    bars: usize,
}

/// Text of `source` with its lines still marked up: headings, lists and quotes are left to the second pass.
pub(super) fn strip(source: &str, site: &Site, settings: &MarkupSettings) -> String {
    let mut scanner = Scanner {
        source,
        site,
        settings,
        at: 0,
        out: String::with_capacity(source.len()),
        frames: vec![Frame { open: Open::Page, begin: 0, bars: 0 }],
        bars: Vec::new(),
        moved: String::new(),
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
    scanner.out
}

pub(super) struct Scanner<'a> {
    pub(super) source: &'a str,
    pub(super) site: &'a Site,
    pub(super) settings: &'a MarkupSettings,
    pub(super) at: usize,
    /// Text so far: of the page, then of each thing that is open, the innermost last.
    out: String,
    frames: Vec<Frame>,
    /// Where in `out` a bar parts what is open.
    bars: Vec<usize>,
    /// Text on its way from what is closed to what is below.
    moved: String,
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
            HOLE_BEGINS if rest.starts_with(HOLE) => return self.take(HOLE.len_utf8()),
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
            b'[' if rest.starts_with("[[") => self.link(rest),
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
                // Bytes of a character are never special, and a line start is ASCII: this cuts between characters.
                self.take(if self.line_start { 1 } else { 1 + before_special(&rest.as_bytes()[1..]) });
            }
        }
    }

    fn top(&self) -> Open {
        self.frames.last().expect("the page is never closed").open
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Something of the page goes, and is no part of the text.
    pub(super) fn vanish(&mut self) {
        self.out.push(HOLE);
    }

    /// Text that later passes must not take for markup.
    pub(super) fn literal(&mut self, text: &str) {
        self.out.extend(text.chars().map(debris::hide));
    }

    /// Text that is shown as it is, whatever stands beside it.
    pub(super) fn literally(&mut self, text: &str) {
        self.out.extend(text.chars().map(debris::hide_always));
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
            self.frames.push(Frame { open, begin: self.out.len(), bars: self.bars.len() });
        }
    }

    /// A link. Most hold nothing but text and bars, and need not be opened.
    fn link(&mut self, rest: &str) {
        let (mut at, mut first, mut last) = (2, None, 2);
        loop {
            at += before_special(&rest.as_bytes()[at..]);
            if rest.as_bytes().get(at) != Some(&b'|') {
                break;
            }
            first = first.or(Some(at));
            (at, last) = (at + 1, at + 1);
        }
        if !rest[at..].starts_with("]]") || self.frames.len() >= DEEPEST {
            return self.open(Open::Link, 2);
        }
        let text = links::text(&rest[2..first.unwrap_or(at)], first.map(|_| &rest[last..at]), self.site);
        match text.is_empty() {
            true => self.vanish(),
            false => self.push(&text),
        }
        self.at += at + 2;
    }

    /// Closes what is on top and gives its text to what is below.
    fn close(&mut self, length: usize) {
        self.at += length;
        let Frame { open, begin, bars } = self.frames.pop().expect("something is open");
        let ends = self.bars[bars..].iter().copied().chain([self.out.len()]);
        let mut from = begin;
        let mut parts = ends.map(|to| &self.out[std::mem::replace(&mut from, to)..to]);
        let text = match open {
            Open::Page => return,
            Open::Table | Open::HtmlTable => {
                let inside = self.out.split_off(begin);
                return self.table(&inside);
            }
            Open::External => self.label(parts.next().unwrap_or_default(), &self.out[self.part_begin()..begin]),
            Open::Template => Cow::Owned(templates::text(&parts.collect::<Vec<_>>())),
            Open::Argument => Cow::Borrowed(parts.nth(1).unwrap_or_default()),
            Open::Link => links::text(parts.next().unwrap_or_default(), parts.last(), self.site),
        };
        self.moved.clear();
        self.moved.push_str(&text);
        self.out.truncate(begin);
        self.bars.truncate(bars);
        match self.moved.is_empty() {
            true => self.vanish(),
            false => self.out.push_str(&self.moved),
        }
    }

    /// Where the text begins since the last bar of what is open.
    fn part_begin(&self) -> usize {
        let frame = self.frames.last().expect("the page is never closed");
        self.bars[frame.bars..].last().copied().unwrap_or(frame.begin)
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
    fn label<'t>(&self, text: &'t str, before: &str) -> Cow<'t, str> {
        let label = text.trim_start_matches([' ', '|']);
        // `PDF[http://x DJVU]`: two words, though the page shows only a small picture between them.
        let apart = before.ends_with(char::is_alphanumeric);
        if apart && !label.is_empty() { Cow::Owned(format!(" {label}")) } else { Cow::Borrowed(label) }
    }

    /// Lets go of what is on top without its end: text that was not its own name or argument stays.
    fn abandon(&mut self) {
        match self.top() {
            Open::Page => {}
            Open::Link | Open::External => self.close(0),
            Open::Table | Open::HtmlTable if self.keeps_tables() => self.close(0),
            Open::Template | Open::Argument | Open::Table | Open::HtmlTable => {
                let frame = self.frames.pop().expect("something is open");
                let mut inside = self.out.split_off(frame.begin);
                for (earlier, bar) in self.bars.drain(frame.bars..).enumerate() {
                    inside.insert(bar - frame.begin + earlier, '|');
                }
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
                self.bars.push(self.out.len());
                self.at += 1;
            }
            _ => self.take(1),
        }
    }

    /// A single bracket: an address, a link that lacks its first bracket (`[target|label]]`), or text.
    fn bracket(&mut self) {
        let after = &self.source[self.at + 1..];
        let begins = |scheme: &&str| after.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
        if !SCHEMES.iter().any(begins) {
            let end = memchr3(b'[', b']', b'\n', after.as_bytes()).unwrap_or(after.len());
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
            match memmem::find(inside.as_bytes(), b"-->") {
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
