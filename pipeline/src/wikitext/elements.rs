//! Elements of HTML and of extensions within the first pass: what is dropped with all it holds, what is taken as it is
//! written, pictures and readings.

use super::markup::{self, Scanner};
use super::settings::{Shown, Use};
use super::tags::{self, Kind, Tag};
use super::{debris, entities};
use memchr::{memchr, memmem};
use std::borrow::Cow;

/// Elements to leave out that may lack their end tags before no more are left out: the time stays in proportion.
const UNENDED: usize = 8;

/// Spaces of TeX.
const TEX_SPACES: &[&str] = &["\\,", "\\;", "\\:", "\\!"];

/// Stands for a formula or a program.
const PLACEHOLDER: &str = "\u{fffc}";

/// Names of options of a picture, which are no caption.
const OPTIONS: &[&str] = &["alt", "link", "page", "lang", "class", "thumbtime", "start", "end"];

impl Scanner<'_> {
    /// Goes behind the end of the element that was just opened; false where it has none.
    pub(super) fn leave_out(&mut self, name: &str) -> bool {
        if self.unended == UNENDED {
            return false;
        }
        let (mut at, mut depth) = (self.at, 1);
        while let Some(next) = memchr(b'<', &self.source.as_bytes()[at..]) {
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
    fn end_of(&mut self, name: &'static str) -> Option<usize> {
        if self.never_closed.contains(name) {
            return None;
        }
        let rest = &self.source.as_bytes()[self.at..];
        let is_name = |begin: &usize| {
            let found = rest.get(begin + 2..begin + 2 + name.len());
            found.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        };
        let found = memmem::find_iter(rest, "</").find(is_name);
        if found.is_none() {
            self.never_closed.insert(name);
        }
        found.map(|end| self.at + end)
    }

    fn skip_end_tag(&mut self) {
        self.at += tags::read(&self.source[self.at..]).map_or(2, |tag| tag.length);
    }

    pub(super) fn drop_element(&mut self, tag: &Tag) {
        if tag.name == "ref" {
            self.drop_reference();
        } else if let Some(end) = self.end_of(tag.name) {
            self.at = end;
            self.skip_end_tag();
        }
        self.vanish();
    }

    /// A reference that was not closed before the next one begins goes as far as its line.
    fn drop_reference(&mut self) {
        let mut at = self.at;
        while let Some(next) = memchr(b'<', &self.source.as_bytes()[at..]) {
            at += next;
            match tags::read(&self.source[at..]) {
                Some(tag) if tag.name == "ref" && tag.is_bare_end() => {
                    self.at = at + tag.length;
                    return;
                }
                Some(tag) if tag.name == "ref" && !tag.closing && !tag.empty => break,
                _ => at += 1,
            }
        }
        let line = self.source[self.at..].find(['\n', '<']).unwrap_or(self.source.len() - self.at);
        self.at += line;
    }

    pub(super) fn raw(&mut self, tag: &Tag) {
        let Some(end) = self.end_of(tag.name) else { return };
        let source = self.source;
        let (mut inside, mut breaks) = (Cow::Borrowed(&source[self.at..end]), "");
        if tag.name == "pre" {
            let lines: Vec<String> = inside.split('\n').map(debris::typed).collect();
            (inside, breaks) = (Cow::Owned(lines.join("\n")), "\n\n");
        }
        self.push(breaks);
        let mut rest = inside.as_ref();
        while let Some(special) = rest.find(['&', '<']) {
            self.literal(&rest[..special]);
            rest = &rest[special..];
            let (shown, length): (Cow<str>, usize) = match tags::read(rest) {
                Some(tag) if rest.starts_with('<') => ("".into(), tag.length),
                _ => entities::decode(rest).unwrap_or_else(|| (rest[..1].into(), 1)),
            };
            self.literal(&shown);
            rest = &rest[length..];
        }
        self.literal(rest);
        self.push(breaks);
        self.at = end;
        self.skip_end_tag();
    }

    /// A formula or a program, as the settings show it.
    pub(super) fn shown(&mut self, tag: &Tag) {
        let Some(end) = self.end_of(tag.name) else { return };
        let source = self.source;
        let mut inside = source[self.at..end].trim_matches('\n');
        if tag.kind == Kind::Formula {
            // Written to have it set as a picture, or to keep signs apart from what follows.
            while let Some(shorter) = TEX_SPACES.iter().find_map(|space| inside.trim_end().strip_suffix(space)) {
                inside = shorter;
            }
        }
        let (shown, block) = match tag.kind {
            Kind::Code => (self.settings.code, inside.contains('\n')),
            _ => (self.settings.math, false),
        };
        let around = if block { "\n\n" } else { "" };
        match shown {
            Shown::Drop => self.vanish(),
            Shown::Placeholder => self.push(&[around, PLACEHOLDER, around].concat()),
            Shown::Source => {
                self.push(around);
                for (number, line) in inside.lines().enumerate() {
                    match (number, block) {
                        (0, _) => {}
                        (_, true) => self.literal("\n"),
                        (_, false) => self.push(" "),
                    }
                    match block {
                        true => self.literally(&debris::typed(line)),
                        false => self.literally(line.trim()),
                    }
                }
                self.push(around);
            }
        }
        self.at = end;
        self.skip_end_tag();
    }

    /// Pictures, each on a line with its caption behind bars.
    pub(super) fn gallery(&mut self, tag: &Tag) {
        if self.settings.galleries == Use::Drop {
            return self.drop_element(tag);
        }
        let Some(end) = self.end_of(tag.name) else { return };
        let source = self.source;
        self.push("\n\n");
        for line in source[self.at..end].lines() {
            let caption = self.inner(caption(line));
            if !caption.trim().is_empty() {
                self.push(&["* ", &caption.replace('\n', " "), "\n"].concat());
            }
        }
        self.push("\n");
        self.at = end;
        self.skip_end_tag();
    }

    /// How the characters before are read: in parentheses, where it is wanted. Its end tag may be missing.
    pub(super) fn reading(&mut self, tag: &Tag) {
        let mut end = self.at;
        let behind = loop {
            let rest = &self.source[end..];
            let Some(next) = rest.find(['<', '\n']) else { break rest.len() };
            end += next;
            if rest[next..].starts_with('\n') {
                break 0;
            }
            match tags::read(&self.source[end..]) {
                Some(tag) if tag.kind == Kind::Reading => break if tag.closing { tag.length } else { 0 },
                Some(tag) if matches!(tag.name, "ruby" | "rb") => break 0,
                _ => end += 1,
            }
        };
        if tag.name == "rt" && self.settings.readings == Use::Keep {
            let text = self.inner(&self.source[self.at..end]);
            self.push(&["(", text.trim(), ")"].concat());
        } else {
            self.vanish();
        }
        self.at = end + behind;
    }

    /// Text of a piece of the page that has its own markup.
    fn inner(&self, source: &str) -> String {
        markup::strip(source, self.site, self.settings)
    }
}

/// The caption in a line of a gallery: the last that is no option of what stands behind bars, outside of links and
/// templates.
fn caption(line: &str) -> &str {
    let (mut begin, mut depth, mut found) = (None, 0_i32, "");
    let ends = line.bytes().enumerate().chain([(line.len(), b'|')]);
    for (at, byte) in ends {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b'|' if depth <= 0 || at == line.len() => {
                let piece = begin.map_or("", |begin| &line[begin..at]);
                let option = piece.split_once('=').is_some_and(|(name, _)| OPTIONS.contains(&name.trim()));
                if !option && !piece.trim().is_empty() {
                    found = piece;
                }
                begin = Some(at + 1);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::wikitext::settings::{MarkupSettings, Shown, Use};
    use crate::wikitext::{Site, text_with};

    fn text(source: &str, settings: MarkupSettings) -> String {
        text_with(source, &Site::default(), &settings)
    }

    #[test]
    fn formulas_and_programs_are_shown_as_wanted() {
        let source = "If <math>x_{a_{b}} = 5\n\\,\\!</math>, then <chem>H2O</chem>.\n\
            <syntaxhighlight lang=c>\nint a[2] = {{1}};\n  f('');\n</syntaxhighlight>";
        let shown = |math, code| text(source, MarkupSettings { math, code, ..MarkupSettings::default() });
        assert_eq!(shown(Shown::Source, Shown::Source), "If x_{a_{b}} = 5, then H2O.\n\nint a[2] = {{1}};\n  f('');");
        assert_eq!(shown(Shown::Placeholder, Shown::Drop), "If \u{fffc}, then \u{fffc}.");
        assert_eq!(shown(Shown::Drop, Shown::Drop), "If, then.");
    }

    #[test]
    fn captions_of_galleries_are_items_where_they_are_wanted() {
        let source = "A.\n<gallery caption=\"x\">\nFile:a.jpg|The [[river|Lobs]], ''b''<ref>c</ref>\n\nImage:b.png\n\
            File:c.jpg|thumb|alt=d|E {{nowrap|f|g}}|link=x\n</gallery>\nB.";
        assert_eq!(text(source, MarkupSettings::default()), "A.\n\nB.");
        let kept = MarkupSettings { galleries: Use::Keep, ..MarkupSettings::default() };
        assert_eq!(text(source, kept), "A.\n\n- The Lobs, b\n- E f\n\nB.");
        assert_eq!(text("A <gallery>\nFile:a|b", kept), "A File:a|b");
    }

    #[test]
    fn ruby_keeps_its_base_and_readings_where_they_are_wanted() {
        let kept = MarkupSettings { readings: Use::Keep, ..MarkupSettings::default() };
        for source in [
            "<ruby>東<rp>(</rp><rt>とう</rt><rp>)</rp>京<rp>(</rp><rt>[[き|きょう]]</rt><rp>)</rp></ruby>だ",
            "<ruby><rb>東</rb><rt>とう<rb>京<rt>きょう</ruby>だ",
        ] {
            assert_eq!(text(source, MarkupSettings::default()), "東京だ");
            assert_eq!(text(source, kept), "東(とう)京(きょう)だ");
        }
        assert_eq!(text("a<rt>b\nc", MarkupSettings::default()), "a c");
    }

    #[test]
    fn an_end_tag_of_a_reference_has_no_attributes() {
        let source = "A.<ref>x</ref name\"y\"> z|url=q</ref> B.";
        assert_eq!(text(source, MarkupSettings::default()), "A. B.");
    }
}
