//! `-{zh-hans:计算机; zh-hant:電腦}-`: wikis in several scripts or orthographies write what differs between them so.
//!
//! One variant is chosen; rules for other places of the page (`-{H|…}-`) show nothing, and no text is converted by them.
//! Syntax and flags: MediaWiki's `LanguageConverter` (Writing systems/Syntax on mediawiki.org).

use super::tags::{self, Kind};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Languages whose wikis have variants: on the others a `-{…}-` without codes is text, as in names of chemistry.
const LANGUAGES: &[&str] =
    &["ban", "crh", "gan", "iu", "kk", "ku", "shi", "sh", "sr", "tg", "tly", "uz", "wuu", "zgh", "zh", "zh-yue"];

/// Scripts of codes that do not end in the script's name.
const SCRIPTS: &[(&str, &str)] = &[
    ("zh-cn", "hans"),
    ("zh-sg", "hans"),
    ("zh-my", "hans"),
    ("zh-tw", "hant"),
    ("zh-hk", "hant"),
    ("zh-mo", "hant"),
    ("sr-ec", "cyrl"),
    ("sr-el", "latn"),
    ("kk-kz", "cyrl"),
    ("kk-tr", "latn"),
    ("kk-cn", "arab"),
];

/// Variants inside of variants; what opens deeper is text.
const DEEPEST: usize = 10;

/// Code of a variant or of a script, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Variant([u8; 16]);

impl TryFrom<String> for Variant {
    type Error = String;

    fn try_from(code: String) -> Result<Variant, String> {
        if !is_code(&code) {
            return Err(format!("found {code:?}; expected a variant as zh-hant, or a script as Hant"));
        }
        let mut bytes = [0; 16];
        bytes[..code.len()].copy_from_slice(code.to_ascii_lowercase().as_bytes());
        Ok(Variant(bytes))
    }
}

impl From<Variant> for String {
    fn from(variant: Variant) -> String {
        variant.code().to_owned()
    }
}

impl Variant {
    fn code(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..end]).expect("made of ASCII")
    }

    /// How well a rule's code serves it: as itself, by its script, or not.
    fn likes(&self, code: &str) -> usize {
        let wanted = self.code();
        if code == wanted { 2 } else { usize::from(script(code) == script(wanted)) }
    }
}

fn is_code(code: &str) -> bool {
    (2..=16).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `hant` of `zh-hant`, `zh-tw` and `hant`.
fn script(code: &str) -> &str {
    let known = SCRIPTS.iter().find(|(known, _)| *known == code);
    known.map_or_else(|| code.rsplit_once('-').map_or(code, |(_, last)| last), |(_, script)| script)
}

/// The source with one variant in the place of several; of a wiki in `language`.
pub(super) fn chosen<'a>(source: &'a str, language: &str, variant: Option<Variant>) -> Cow<'a, str> {
    if memmem::find(source.as_bytes(), b"-{").is_none() {
        return Cow::Borrowed(source);
    }
    let mut walk = Walk {
        source,
        at: 0,
        plain: LANGUAGES.contains(&language),
        variant,
        open: Vec::new(),
        unended: BTreeSet::new(),
        out: String::new(),
    };
    walk.run();
    Cow::Owned(walk.out)
}

struct Walk<'a> {
    source: &'a str,
    at: usize,
    /// Whether `-{…}-` without codes and flags is markup.
    plain: bool,
    variant: Option<Variant>,
    /// Where in `out` each open one begins, with its `-{`.
    open: Vec<usize>,
    /// Elements whose end tag does not come any more.
    unended: BTreeSet<&'static str>,
    out: String,
}

impl Walk<'_> {
    fn run(&mut self) {
        let bytes = self.source.as_bytes();
        while self.at < bytes.len() {
            let next = bytes[self.at..].iter().position(|byte| matches!(byte, b'-' | b'}' | b'<'));
            let end = next.map_or(bytes.len(), |next| self.at + next);
            self.out.push_str(&self.source[self.at..end]);
            self.at = end;
            let rest = &self.source[end..];
            if rest.starts_with("-{") && !rest.starts_with("-{{") && self.open.len() < DEEPEST {
                self.open.push(self.out.len());
                self.take(2);
            } else if rest.starts_with("}-") && !self.open.is_empty() {
                self.close();
            } else if rest.starts_with('<') {
                self.element(rest);
            } else if !rest.is_empty() {
                self.take(1);
            }
        }
    }

    fn take(&mut self, length: usize) {
        self.out.push_str(&self.source[self.at..self.at + length]);
        self.at += length;
    }

    /// What is no wikitext has no variants.
    fn element(&mut self, rest: &str) {
        let Some(tag) = tags::read(rest).filter(|tag| !tag.closing && !tag.empty) else { return self.take(1) };
        if !matches!(tag.kind, Kind::Raw | Kind::Formula | Kind::Code) || self.unended.contains(tag.name) {
            return self.take(1);
        }
        let end = rest.find(&["</", tag.name].concat());
        if end.is_none() {
            self.unended.insert(tag.name);
        }
        self.take(end.unwrap_or(1));
    }

    fn close(&mut self) {
        let begin = self.open.pop().expect("one is open");
        match shown(&self.out[begin + 2..], self.plain, self.variant) {
            Some(text) => {
                self.out.truncate(begin);
                self.out.push_str(&text);
                self.at += 2;
            }
            None => self.take(2),
        }
    }
}

/// What stands there for `-{inside}-`; none where that is no markup.
fn shown(inside: &str, plain: bool, variant: Option<Variant>) -> Option<String> {
    let flagged = inside.split_once('|').and_then(|(flags, text)| {
        let flags: Vec<&str> = flags.split(';').map(str::trim).filter(|flag| !flag.is_empty()).collect();
        let known = |flag: &&str| matches!(*flag, "A" | "T" | "R" | "D" | "-" | "H" | "N" | "S" | "+") || is_code(flag);
        (plain || flags.iter().any(|flag| flag.contains('-') || flag.len() == 1))
            .then_some(())
            .filter(|()| flags.iter().all(known))?;
        Some((flags, text))
    });
    if let Some((flags, text)) = flagged {
        if flags.iter().any(|flag| matches!(*flag, "T" | "H" | "-" | "N" | "D")) {
            return Some(String::new());
        }
        if flags.contains(&"R") {
            return Some(text.to_owned());
        }
        return Some(by_rules(text, variant).unwrap_or_else(|| text.to_owned()));
    }
    by_rules(inside, variant).or_else(|| plain.then(|| inside.to_owned()))
}

/// The text that rules as `zh-hans:A; zh-hant:B` and `A=>zh-hant:B` give the variant; none where they are no rules.
fn by_rules(text: &str, variant: Option<Variant>) -> Option<String> {
    let mut rules: Vec<(&str, String)> = Vec::new();
    for piece in text.split(';') {
        let (left, right) = piece.split_once(':').unwrap_or((piece, ""));
        let code = left.rsplit_once("=>").map_or(left, |(_, code)| code).trim();
        if is_code(code) && piece.contains(':') && code.contains('-') {
            rules.push((code, right.trim().to_owned()));
        } else if let Some((_, last)) = rules.last_mut() {
            // The semicolon was the text's: of a character reference, say.
            let name = last.rsplit_once('&').map_or("", |(_, name)| name);
            let reference = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#');
            if reference || !piece.trim().is_empty() {
                last.push(';');
                last.push_str(piece.trim_end());
            }
        } else {
            return None;
        }
    }
    let liked = |code: &str| variant.map_or(0, |variant| variant.likes(&code.to_ascii_lowercase()));
    let best = rules.iter().map(|(code, _)| liked(code)).max()?;
    rules.into_iter().find(|(code, _)| liked(code) == best).map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(code: &str) -> Option<Variant> {
        Some(Variant::try_from(code.to_owned()).unwrap())
    }

    #[test]
    fn one_variant_is_chosen() {
        let source = "用-{zh-hans:计算机; zh-hant:電腦;zh-hk:電腦（港）}-。";
        for (wanted, text) in [
            (None, "用计算机。"),
            (variant("zh-hant"), "用電腦。"),
            (variant("zh-tw"), "用電腦。"),
            (variant("zh-HK"), "用電腦（港）。"),
            (variant("Hant"), "用電腦。"),
            (variant("zh-sg"), "用计算机。"),
            (variant("Cyrl"), "用计算机。"),
        ] {
            assert_eq!(chosen(source, "zh", wanted), text);
        }
        assert_eq!(chosen("-{sr-ec:Ниш;sr-el:Niš}-", "sr", variant("Latn")), "Niš");
        assert_eq!(chosen("-{巨集=>zh-cn:宏;zh-tw:巨集&amp;}-", "zh", variant("zh-tw")), "巨集&amp;");
    }

    #[test]
    fn flags_say_what_is_shown() {
        for (source, text) in [
            ("a-{H|zh-cn:A;zh-tw:B}-b", "ab"),
            ("a-{T|zh-cn:A;zh-tw:B}-b", "ab"),
            ("a-{A|zh-cn:A;zh-tw:B}-b", "aAb"),
            ("a-{R|x:y}-b", "ax:yb"),
            ("a-{zh-hans;zh-hant|x}-b", "axb"),
            ("a-{zh;zh-hans|x}-b", "axb"),
            ("a-{x}-b-{}-", "axb"),
            ("a-{zh-cn:1-{x}-2;zh-tw:3}-b", "a1x2b"),
            ("a-{{x}}-b -{{y|-{z}-}}-", "a-{{x}}-b -{{y|z}}-"),
            ("<math>a-{b}-c</math>-{x}-", "<math>a-{b}-c</math>x"),
            ("a-{ open }} é", "a-{ open }} é"),
        ] {
            assert_eq!(chosen(source, "zh", None), text);
        }
    }

    #[test]
    fn names_of_chemistry_are_none() {
        for text in ["N-{4-[2-(x)]phenyl}-2", "1-{b|c}-d", "a-{b}-c", "M{0,3}-{2}-", "}-", "-{"] {
            assert_eq!(chosen(text, "en", None), text);
        }
        assert_eq!(chosen("-{sr-ec:Ниш;sr-el:Niš}-", "en", None), "Ниш");
    }

    #[test]
    fn a_variant_is_a_code() {
        assert!(Variant::try_from("中文".to_owned()).is_err() && Variant::try_from(String::new()).is_err());
        let read: Variant = serde_json::from_str("\"zh-Hant\"").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"zh-hant\"");
    }

    #[test]
    fn time_is_in_proportion() {
        for piece in ["-{", "}-", "-{a}-", "-{zh-cn:", "<math>", "-{a|", ";"] {
            let started = std::time::Instant::now();
            chosen(&(piece.repeat(100_000) + "-{"), "zh", None);
            assert!(started.elapsed().as_secs() < 5, "{piece:?}");
        }
    }
}
