//! What angle brackets mean to [`super::parse`]: comments, the tags that decide who reads what, and elements whose
//! content is no wikitext.

use super::parse::Parser;
use super::tree::{Node, Span};
use crate::wikitext::tags::{self, Kind};

impl Parser<'_> {
    /// What begins with `<`: a comment, a tag, or text.
    pub(super) fn angle(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with("<!--") {
            return self.comment();
        }
        let Some(tag) = tags::read(rest).filter(|tag| rest.as_bytes()[tag.length - 1] == b'>') else {
            return self.take(1);
        };
        let name = tag.name;
        let begin = self.at;
        let (vanishes, skipped) = match (name, self.included) {
            ("includeonly", true) | ("noinclude" | "onlyinclude", false) => (true, false),
            ("noinclude", true) | ("includeonly", false) => (true, true),
            ("onlyinclude", true) => (true, false),
            _ => (false, false),
        };
        if vanishes {
            self.at += tag.length;
            if skipped && !tag.closing && !tag.empty {
                // Left open, it goes on to the end.
                self.at = self.end_of(name).unwrap_or(self.text.len());
            }
            return;
        }
        // Content that is no wikitext is not expanded: dropped later, or shown as it is.
        let gone = tag.kind == Kind::Dropped;
        let raw = matches!(tag.kind, Kind::Raw | Kind::Formula | Kind::Code);
        if tag.closing || !gone && !raw {
            return self.take(1); // its attributes may call templates
        }
        self.at += tag.length;
        let end = match name {
            _ if tag.empty => Some(self.at),
            "ref" => self.end_of_reference(),
            _ => self.end_of(name),
        };
        match end {
            Some(after) if gone => {
                self.at = after;
                let name = Span { from: begin as u32 + 1, to: (begin + 1 + name.len()) as u32 };
                self.current().nodes.push(Node::Gone(name));
            }
            Some(after) => {
                self.at = after;
                self.current().text(begin, after);
            }
            None => self.current().text(begin, begin + tag.length),
        }
    }

    /// Where the next end tag of `name` ends.
    fn end_of(&mut self, name: &'static str) -> Option<usize> {
        if self.never_closed.contains(name) {
            return None;
        }
        let rest = &self.text[self.at..];
        let closes = |at: &usize| {
            let after = &rest.as_bytes()[at + 2..];
            after.len() >= name.len()
                && after[..name.len()].eq_ignore_ascii_case(name.as_bytes())
                && !after.get(name.len()).is_some_and(u8::is_ascii_alphanumeric)
        };
        let found = rest.match_indices("</").map(|(at, _)| at).find(closes);
        let Some(at) = found else {
            self.never_closed.insert(name);
            return None;
        };
        let end = rest[at..].find('>').map_or(rest.len(), |end| at + end + 1);
        Some(self.at + end)
    }

    /// The same for a reference; none where another one begins before it ends, which the pass after this one repairs.
    fn end_of_reference(&mut self) -> Option<usize> {
        if self.never_closed.contains("ref") {
            return None;
        }
        let tags = self.text[self.at..].match_indices('<').filter_map(|(at, _)| {
            let tag = tags::read(&self.text[self.at + at..])?;
            (tag.name == "ref" && (tag.is_bare_end() || !tag.closing && !tag.empty)).then_some((at, tag))
        });
        match tags.into_iter().next() {
            Some((at, tag)) => tag.closing.then_some(self.at + at + tag.length),
            None => {
                self.never_closed.insert("ref");
                None
            }
        }
    }

    /// Comments go; those that are all of a line take the line with them.
    fn comment(&mut self) {
        let bytes = self.text.as_bytes();
        let begin = self.at;
        let mut end = begin;
        loop {
            let Some(close) = self.text[end..].find("-->") else {
                end = bytes.len();
                break;
            };
            end += close + 3;
            let blanks = bytes[end..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            if self.text[end + blanks..].starts_with("<!--") {
                end += blanks;
            } else {
                if bytes.get(end + blanks) == Some(&b'\n') && self.line_begins_before(begin) {
                    end += blanks + 1;
                    self.unblank(begin);
                }
                break;
            }
        }
        self.at = end;
    }

    fn line_begins_before(&self, at: usize) -> bool {
        self.text[..at].trim_end_matches([' ', '\t']).ends_with('\n')
    }

    /// Takes back the blanks just before `at`.
    fn unblank(&mut self, at: usize) {
        let to = self.text[..at].trim_end_matches([' ', '\t']).len() as u32;
        if let Some(Node::Text(last)) = self.current().nodes.last_mut()
            && last.to as usize == at
        {
            last.to = to.max(last.from);
        }
    }
}
