//! Pages that only say which of several things a name may mean, told without a word of any language.
//!
//! `__DISAMBIG__` says it, in the page or in a template it calls. Where a dump lacks its templates (or an old wiki the
//! word), the names of templates, categories and the bracketed ends of titles are learned that stand almost only on
//! pages of that shape: a short line, then items that repeat the title and link on.

use super::outline::{Letters, Outline, heading, letters};
use crate::wikitext::site::{CATEGORY, Site, TEMPLATE};
use crate::wikitext::title::capital;
use memchr::memchr2_iter;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

/// The word, lower case: every wiki knows it, whatever it has beside it.
pub(super) const SWITCH: &str = "__disambig__";
/// Names that templates have on wikis in many languages; redirects to a template in the wiki's own.
const COMMON: [&str; 3] = ["Disambig", "Disambiguation", "Dab"];
/// Pages with a name from which it can be learned.
const LEAST_PAGES: u32 = 3;
/// The same where the name is both on the page and in brackets behind the title.
const LEAST_PAGES_OF_BOTH: u32 = 2;
/// Share of these pages that have the shape.
const SHAPED: (u32, u32) = (6, 10);
/// Letters beside the items, at most, besides twice those of the title.
const BESIDE: usize = 200;

/// Whether a page has the shape.
pub(super) fn is_shaped(title: &str, source: &str) -> bool {
    if source.len() > 20_000 || source.contains("<ref") || source.contains("{|") {
        return false;
    }
    let stem = title.split(['(', '（']).next().unwrap_or_default().trim().to_lowercase();
    // Endings differ: the first seven tenths of the name, three letters or more.
    let count = stem.chars().count();
    let key: String = stem.chars().take((count * 7 / 10).max(3)).collect();
    let (mut items, mut named, mut linked, mut beside, mut all) = (0, 0, 0, 0, 0);
    for line in Outline::of(source).text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let category = line.starts_with("[[") && line.contains(':') && line.ends_with("]]");
        if heading(line).is_some() || category {
            continue;
        }
        let shown = letters(line);
        all += shown;
        if line.starts_with(['*', '#']) {
            items += 1;
            named += usize::from(line.to_lowercase().contains(&key));
            linked += usize::from(line.contains("[["));
        } else {
            beside += shown;
        }
    }
    items >= 2
        && named * 2 >= items
        && linked * 2 >= items
        && beside <= BESIDE + 2 * letters(title)
        && beside * 10 <= all * 6
        && !key.is_empty()
}

/// Whether a page is a list with little beside it: what is asked of one that only its templates tell of.
fn is_a_list(source: &str) -> bool {
    let telling = |sum: Letters, rest: usize| sum.prose > sum.items + sum.links + BESIDE + rest;
    let Some((outline, _)) = Outline::unless(source, |sum, _, rest| telling(sum, rest)) else { return false };
    let items = outline.text.lines().filter(|line| line.trim_start().starts_with(['*', '#'])).count();
    items >= 2
}

/// The bracketed end of a title: `Rēzekne (nūzeimis)`.
fn bracketed(title: &str) -> Option<Cow<'_, str>> {
    let inside = title.strip_suffix(')')?.rsplit_once(" (")?.1;
    Some(capital(inside.trim()))
}

/// Templates that a page calls, and its categories, as titles without their namespace.
fn names<'a>(source: &'a str, site: &Site) -> impl Iterator<Item = Cow<'a, str>> {
    let without = |name: &'a str| name.split_once(':').map_or(name, |(_, name)| name);
    let name = move |open: u8, rest: &'a str| {
        let bytes = rest.as_bytes();
        let ends = |at: &usize| match (open, bytes[*at]) {
            (_, b'|' | b'\n') | (b'{', b'}' | b'{' | b'<') | (b'[', b']') => true,
            (b'[', b'[') => bytes.get(at + 1) == Some(&b'['),
            _ => false,
        };
        let name = (0..bytes.len()).find(ends).map_or(rest, |end| &rest[..end]);
        let namespace = site.namespace_of(name);
        match open {
            b'{' => Some(if namespace == TEMPLATE { without(name) } else { name }),
            _ => (namespace == CATEGORY).then(|| without(name)),
        }
    };
    opened(source).filter_map(move |(open, rest)| name(open, rest)).filter_map(|name| {
        let name = match name.contains('_') {
            true => Cow::Owned(capital(name.replace('_', " ").trim()).into_owned()),
            false => capital(name.trim()),
        };
        (!name.is_empty() && name.len() <= 255).then_some(name)
    })
}

/// The bracket of each `{{` and `[[`, and what comes behind.
fn opened(source: &str) -> impl Iterator<Item = (u8, &str)> {
    let (bytes, mut from) = (source.as_bytes(), 0);
    memchr2_iter(b'{', b'[', bytes).filter_map(move |at| {
        let double = at >= from && bytes.get(at + 1) == Some(&bytes[at]);
        double.then(|| {
            from = at + 2;
            (bytes[at], &source[from..])
        })
    })
}

/// Whether a source has the word, in any case.
fn has_switch(source: &str) -> bool {
    static DOUBLE: LazyLock<Finder> = LazyLock::new(|| Finder::new("__"));
    let mut rest = source.as_bytes();
    while let Some(at) = DOUBLE.find(rest) {
        rest = &rest[at..];
        if rest.get(..SWITCH.len()).is_some_and(|word| word.eq_ignore_ascii_case(SWITCH.as_bytes())) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[derive(Default, Clone, Copy)]
struct Pages {
    all: u32,
    shaped: u32,
    behind_titles: u32,
}

/// Takes in the pages of a wiki.
#[derive(Default)]
pub(super) struct Learner {
    names: HashMap<String, Pages>,
    certain: BTreeSet<String>,
}

impl Learner {
    pub(super) fn template(&mut self, name: &str, source: &str) {
        if has_switch(source) {
            self.certain.insert(capital(name).into_owned());
        }
    }

    pub(super) fn article(&mut self, title: &str, source: &str, site: &Site) {
        let shaped = u32::from(is_shaped(title, source));
        let behind = bracketed(title);
        let mut names: Vec<Cow<str>> = names(source, site).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            self.count(&name, shaped);
        }
        if let Some(name) = behind {
            self.count(&name, shaped).behind_titles += 1;
        }
    }

    fn count(&mut self, name: &str, shaped: u32) -> &mut Pages {
        if !self.names.contains_key(name) {
            self.names.insert(name.to_owned(), Pages::default());
        }
        let pages = self.names.get_mut(name).expect("there now");
        pages.all += 1;
        pages.shaped += shaped;
        pages
    }

    pub(super) fn finish(self) -> BTreeSet<String> {
        let learned = |pages: &Pages| {
            let least = if pages.behind_titles > 0 { LEAST_PAGES_OF_BOTH } else { LEAST_PAGES };
            pages.all >= least && pages.shaped * SHAPED.1 >= pages.all * SHAPED.0
        };
        let learned = self.names.into_iter().filter(|(_, pages)| learned(pages)).map(|(name, _)| name);
        learned.chain(self.certain).chain(COMMON.map(str::to_owned)).collect()
    }
}

/// Whether a page is one, by the names that were learned.
pub(super) fn is_one(title: &str, source: &str, site: &Site, learned: &BTreeSet<String>) -> bool {
    if source.len() < 100_000 && has_switch(source) {
        return true;
    }
    let named = bracketed(title).is_some_and(|name| learned.contains(&*name))
        || names(source, site).any(|name| learned.contains(&*name));
    named && is_a_list(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "'''Malta''' var byut:\n* [[Malta (upe)]], upe Latgolā\n* [[Malta (vaļsts)|Malta]], vaļsts\n\n{{Nūzeimis}}";

    #[test]
    fn the_shape_is_a_short_line_and_items_with_the_title() {
        assert!(is_shaped("Malta", ONE));
        assert!(is_shaped("Malta (nūzeimis)", ONE));
        assert!(!is_shaped("Dubna", ONE));
        assert!(!is_shaped("Malta", "'''Malta''' ira upe.\n\n== Pītekys ==\n* [[Tiskādu upe]]\n* [[Lopu upe]]"));
        let told = format!("{}\n{ONE}", "Vuords ir vacs i daudzu reižu puormeits. ".repeat(12));
        assert!(!is_shaped("Malta", &told));
        assert!(!is_shaped("Malta", &ONE.replace("upe Latgolā", "upe<ref>x</ref>")));
    }

    #[test]
    fn names_are_learned_from_pages_of_that_shape() {
        let site = Site::default();
        let mut learner = Learner::default();
        for name in ["Malta", "Dubna", "Rēzekne"] {
            learner.article(name, &ONE.replace("Malta", name), &site);
            learner.article(&format!("{name} (upe)"), "Upe.\n{{Upe}} [[Category:Upis]]", &site);
        }
        learner.template("zeimeibys", "x<includeonly>__DISAMBIG__</includeonly>");
        let learned = learner.finish();
        let own: Vec<&str> = learned.iter().map(String::as_str).filter(|name| !COMMON.contains(name)).collect();
        assert_eq!(own, ["Nūzeimis", "Zeimeibys"]);
        assert!(is_one("Bolva", "Bolva:\n* a\n* b\n{{nūzeimis}}", &site, &learned));
        assert!(is_one("Bolva", "x __Disambig__", &site, &learned));
        assert!(!is_one("Bolva", "Bolva ira upe. {{nūzeimis}}", &site, &learned));
        assert!(!is_one("Bolva", "Bolva:\n* a\n* b\n{{cits}}", &site, &learned));
    }
}
