//! Parser functions: those of MediaWiki itself (Help:Magic words) and of its extension ParserFunctions
//! (Help:Extension:ParserFunctions). An argument that is not needed is not expanded.

use super::*;
use crate::wikitext::{entities, title::Title};
use expression::evaluate;

/// Most a string is padded to (`padleft`), as in MediaWiki.
const PADDED: usize = 500;
/// Parts a title is cut into at most.
const TITLE_PARTS: usize = 25;
/// What stands where a function cannot answer; nothing of it is seen.
const ERROR: &str = "<strong class=\"error\"></strong>";

impl Expander<'_> {
    /// Writes what `name:first|rest` gives; false where there is no such function.
    pub(super) fn function(
        &mut self,
        frame: &Frame,
        (name, first): (&str, &str),
        rest: &[Part],
        out: &mut String,
    ) -> Expanded<bool> {
        let (name, first) = (trim(name), trim(first));
        if let Some(answer) = self.of_title(name, first) {
            return self.write(out, &answer).map(|()| true);
        }
        let small = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let name = if small { Cow::Borrowed(name) } else { Cow::Owned(name.to_lowercase()) };
        let answer = match &*name {
            "#if" => return self.branch(frame, rest, usize::from(first.is_empty()), out),
            "#ifeq" => {
                let second = self.nth(frame, rest, 0)?;
                return self.branch(frame, rest, if equal(first, &second) { 1 } else { 2 }, out);
            }
            "#ifexpr" => match evaluate(first) {
                Ok(value) => {
                    let holds = value.is_some_and(|value| value != 0.0);
                    return self.branch(frame, rest, usize::from(!holds), out);
                }
                Err(_) => ERROR.to_owned(),
            },
            "#ifexist" => {
                let there = Title::read(first, 0, self.site).is_some_and(|title| self.templates.exists(&title));
                return self.branch(frame, rest, usize::from(!there), out);
            }
            "#iferror" => match (first.contains("class=\"error\""), rest.len()) {
                (true, _) => return self.branch(frame, rest, 0, out),
                (false, 0 | 1) => first.to_owned(),
                (false, _) => return self.branch(frame, rest, 1, out),
            },
            "#switch" => self.switch(frame, first, rest)?.into_owned(),
            "#expr" => match evaluate(first) {
                Ok(value) => value.map(numbers::php).unwrap_or_default(),
                Err(_) => ERROR.to_owned(),
            },
            "#time" | "#timel" => {
                let (when, code) = (self.nth(frame, rest, 0)?, self.nth(frame, rest, 1)?);
                let language = if code.is_empty() { self.site.language() } else { &code };
                match Moment::parse(&when, self.now) {
                    Some(moment) => moment.format(first, language),
                    None => ERROR.to_owned(),
                }
            }
            "#titleparts" => {
                let title = Title::read(first, 0, self.site).map_or(first.to_owned(), |title| title.full(self.site));
                title_parts(&title, &self.nth(frame, rest, 0)?, &self.nth(frame, rest, 1)?)
            }
            "#tag" => self.tag(frame, first, rest)?,
            "#invoke" => {
                return self.invoke(frame, first, rest, out).map(|()| true);
            }
            "#formatdate" | "#dateformat" | "#language" => first.to_owned(),
            "formatnum" => {
                let how = self.nth(frame, rest, 0)?;
                match &*how {
                    "R" => numbers::plain(first, self.site.language()),
                    "NOSEP" => numbers::digits(first, self.site.language()),
                    _ => numbers::formatted(first, self.site.language()),
                }
            }
            "lc" => first.to_lowercase(),
            "uc" => first.to_uppercase(),
            "lcfirst" => {
                let mut chars = first.chars();
                chars.next().into_iter().flat_map(char::to_lowercase).chain(chars).collect()
            }
            "ucfirst" => {
                let mut chars = first.chars();
                chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
            }
            "padleft" => self.padding(frame, first, rest)? + first,
            "padright" => first.to_owned() + &self.padding(frame, first, rest)?,
            "plural" => self.plural(frame, first, rest)?,
            "grammar" => self.nth(frame, rest, 0)?.into_owned(),
            "gender" => self.nth(frame, rest, if rest.len() > 2 { 2 } else { 0 })?.into_owned(),
            "urlencode" => encoded(first, &self.nth(frame, rest, 0)?),
            "anchorencode" => first.split_whitespace().collect::<Vec<_>>().join("_"),
            "localurl" | "localurle" => self.address(frame, "", first, rest)?,
            "fullurl" | "fullurle" | "canonicalurl" | "canonicalurle" => {
                let server = self.server().to_owned();
                self.address(frame, &server, first, rest)?
            }
            "ns" | "nse" => match first.parse() {
                Ok(number) => self.site.namespace_name(number).to_owned(),
                Err(_) => self.site.namespace_name(self.site.namespace_of(&format!("{first}:"))).to_owned(),
            },
            "int" => first.to_owned(),
            // These say something to the wiki and nothing to the reader.
            "defaultsort"
            | "defaultsortkey"
            | "defaultcategorysort"
            | "displaytitle"
            | "noexternallanglinks"
            | "filepath"
            | "pagesincategory"
            | "pagesincat"
            | "pagesize"
            | "protectionlevel"
            | "numberingroup"
            | "cascadingsources" => String::new(),
            unknown if unknown.starts_with('#') => {
                self.ledger.unknown += 1;
                String::new()
            }
            _ => return Ok(false),
        };
        self.write(out, &answer).map(|()| true)
    }

    /// The `n`th argument, empty where there is none.
    fn nth<'f>(&mut self, frame: &'f Frame, rest: &[Part], n: usize) -> Expanded<Cow<'f, str>> {
        rest.get(n).map_or(Ok(Cow::Borrowed("")), |part| self.trimmed(frame, part.nodes))
    }

    fn branch(&mut self, frame: &Frame, rest: &[Part], n: usize, out: &mut String) -> Expanded<bool> {
        let value = self.nth(frame, rest, n)?;
        self.write(out, &value).map(|()| true)
    }

    fn switch<'f>(&mut self, frame: &'f Frame, wanted: &str, cases: &[Part]) -> Expanded<Cow<'f, str>> {
        let (mut found, mut default_next) = (false, false);
        let (mut default, mut last) = (None, None);
        for case in cases {
            self.spend(1)?;
            match case.named() {
                Some((name, value)) => {
                    last = None;
                    let name = if found { Cow::Borrowed("") } else { self.trimmed(frame, name)? };
                    if found || equal(&name, wanted) {
                        return self.trimmed(frame, value);
                    }
                    if default_next || self.site.english(&name) == "#default" {
                        (default, default_next) = (Some(value), false);
                    }
                }
                None => {
                    let name = self.trimmed(frame, case.nodes)?;
                    found |= equal(&name, wanted);
                    if self.site.english(&name) == "#default" {
                        default_next = true;
                    }
                    last = Some(name);
                }
            }
        }
        match (last, default) {
            (Some(last), _) if !default_next => Ok(last),
            (_, Some(default)) => self.trimmed(frame, default),
            _ => Ok(Cow::Borrowed("")),
        }
    }

    fn tag(&mut self, frame: &Frame, name: &str, rest: &[Part]) -> Expanded<String> {
        let content = self.nth(frame, rest, 0)?;
        let mut tag = format!("<{}", name.to_lowercase());
        for part in rest.iter().skip(1) {
            if let Some((key, value)) = part.named() {
                let (key, value) = (self.trimmed(frame, key)?, self.trimmed(frame, value)?);
                tag.push_str(&format!(" {key}=\"{}\"", value.trim_matches(['"', '\''])));
            }
        }
        Ok(if content.is_empty() { format!("{tag} />") } else { format!("{tag}>{content}</{}>", name.to_lowercase()) })
    }

    fn padding(&mut self, frame: &Frame, text: &str, rest: &[Part]) -> Expanded<String> {
        let length = self.nth(frame, rest, 0)?.parse().unwrap_or(0).min(PADDED);
        let with = if rest.len() > 1 { self.nth(frame, rest, 1)?.into_owned() } else { "0".to_owned() };
        let missing = length.saturating_sub(text.chars().count());
        Ok(if with.is_empty() { with } else { with.chars().cycle().take(missing).collect() })
    }

    fn plural(&mut self, frame: &Frame, number: &str, rest: &[Part]) -> Expanded<String> {
        let number = numbers::plain(number, self.site.language()).parse().unwrap_or(0.0);
        let mut forms = Vec::new();
        for part in rest {
            match part.named() {
                // `0=none` is for this very number.
                Some((name, value)) => {
                    if self.trimmed(frame, name)?.parse() == Ok(number) {
                        return Ok(self.trimmed(frame, value)?.into_owned());
                    }
                }
                None => forms.push(part.nodes),
            }
        }
        let chosen = language::plural(self.site.language(), number).min(forms.len().saturating_sub(1));
        forms.get(chosen).map_or(Ok(String::new()), |form| Ok(self.trimmed(frame, *form)?.into_owned()))
    }

    fn address(&mut self, frame: &Frame, server: &str, page: &str, rest: &[Part]) -> Expanded<String> {
        let (page, query) = (encoded(page, "WIKI"), self.nth(frame, rest, 0)?);
        Ok(match query.is_empty() {
            true => format!("{server}/wiki/{page}"),
            false => format!("{server}/w/index.php?title={page}&{query}"),
        })
    }
}

/// Whether two values are one: as numbers where both are such, else letter by letter.
fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (decoded(a), decoded(b));
    a == b || matches!((number(&a), number(&b)), (Some(a), Some(b)) if a == b)
}

fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain { text.parse().ok() } else { None }
}

fn decoded(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('&') {
        return text.into();
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (shown, length) = entities::decode(rest).unwrap_or(("&".into(), 1));
        out.push_str(&shown);
        rest = &rest[length..];
    }
    (out + rest).into()
}

/// `A/b/c`: so many parts (from the end where negative) from the `first` on.
fn title_parts(title: &str, count: &str, first: &str) -> String {
    let parts: Vec<&str> = title.splitn(TITLE_PARTS, '/').collect();
    let all = parts.len() as i64;
    let (count, first) = (count.parse::<i64>().unwrap_or(0), first.parse::<i64>().unwrap_or(0));
    let begin = if first > 0 {
        first - 1
    } else if first < 0 {
        all + first
    } else {
        0
    }
    .clamp(0, all);
    let end = if count > 0 { begin.saturating_add(count) } else { all.saturating_add(count) }.clamp(begin, all);
    parts[begin as usize..end as usize].join("/")
}

/// For an address: `QUERY` (the default; a space is `+`), `PATH` (`%20`) or `WIKI` (`_`).
pub(super) fn encoded(text: &str, how: &str) -> String {
    let (space, kept): (&str, &[u8]) = match how {
        "PATH" => ("%20", b"-_.~"),
        "WIKI" => ("_", b"-_.~/:;@$!*(),'"),
        _ => ("+", b"-_."),
    };
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push_str(space),
            _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
