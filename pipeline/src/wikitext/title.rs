//! Titles as MediaWiki writes them: spaces for underscores, the namespace apart, the first letter a capital.

use super::site::{Site, TEMPLATE};
use std::borrow::Cow;

/// Whether no title has this character.
fn is_forbidden(c: char) -> bool {
    matches!(c, '<' | '>' | '[' | ']' | '{' | '}' | '|' | '\n' | '\u{7f}' | '\u{fffd}')
}

/// Longest title, in bytes.
const LONGEST: usize = 255;

/// A page's namespace and its name there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Title {
    /// 0 for articles.
    pub(crate) namespace: i32,
    /// Without the namespace.
    pub(crate) name: String,
}

impl Title {
    /// The title written in `text`, in `namespace` where the text names none; none where no page can have it.
    ///
    /// A leading colon leads out of `namespace`, as in `{{:Article}}`; what follows `#` is no part of it.
    pub(crate) fn read(text: &str, namespace: i32, site: &Site) -> Option<Title> {
        let text = text.split_once('#').map_or(text, |(title, _)| title);
        let (namespace, text) = match trimmed(text).strip_prefix(':') {
            Some(rest) => (0, trimmed(rest)),
            None => (namespace, trimmed(text)),
        };
        let (namespace, text) = match (site.namespace_of(text), text.split_once(':')) {
            (0, _) | (_, None) => (namespace, text),
            (own, Some((_, rest))) => (own, trimmed(rest)),
        };
        let bad = text.is_empty() || text.len() > LONGEST || text.contains(is_forbidden);
        (!bad).then(|| Title { namespace, name: capital(&spaced(text)).into_owned() })
    }

    /// As it stands over the page, with the wiki's own name of the namespace.
    pub(crate) fn full(&self, site: &Site) -> String {
        match site.namespace_name(self.namespace) {
            "" => self.name.clone(),
            namespace => format!("{namespace}:{}", self.name),
        }
    }

    /// Whether the wiki would look for a template under it.
    pub(crate) fn is_template(&self) -> bool {
        self.namespace == TEMPLATE
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '_')
}

/// Runs of spaces and underscores are one space.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c == '_' || c.is_whitespace() { ' ' } else { c };
        // Marks of direction are typed by accident.
        if !(c == ' ' && out.ends_with(' ') || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')) {
            out.push(c);
        }
    }
    out
}

/// With a first letter in upper case, where that is one letter too.
pub(crate) fn capital(text: &str) -> Cow<'_, str> {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return Cow::Borrowed("") };
    let mut upper = first.to_uppercase();
    match (upper.next(), upper.next()) {
        // Georgian has capitals that titles do not use.
        (Some(one), None) if one != first && !('\u{1c90}'..='\u{1cbf}').contains(&one) => {
            Cow::Owned(format!("{one}{}", chars.as_str()))
        }
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn titles_are_read_as_the_wiki_reads_them() {
        let mut site = Site::new(BTreeMap::from([(10, "Taiss".to_owned()), (14, "Kategoreja".to_owned())]));
        site.add_alias(10, "T");
        let read = |text| Title::read(text, TEMPLATE, &site).map(|title| (title.namespace, title.name));
        for (text, namespace, name) in [
            ("nūruodis", 10, "Nūruodis"),
            (" _Vol_lv \n", 10, "Vol lv"),
            ("taiss: a__b", 10, "A b"),
            ("Template:šis", 10, "Šis"),
            ("t:x", 10, "X"),
            (":Lobs", 0, "Lobs"),
            (":kategoreja:x", 14, "X"),
            ("A: b", 10, "A: b"),
            ("x#y", 10, "X"),
            ("ßx", 10, "ßx"),
            ("ა", 10, "ა"),
        ] {
            assert_eq!(read(text), Some((namespace, name.to_owned())), "{text}");
        }
        for text in ["", " _ ", "#x", "a{b", "a|b", "taiss:", &"x".repeat(256)] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Title::read("vol", TEMPLATE, &site).unwrap().full(&site), "Taiss:Vol");
    }
}
