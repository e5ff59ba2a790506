//! Sections that close a page: references, links to elsewhere, "see also", by the titles that this wiki gives them.
//!
//! A title is learned from its sections all over the dump: they hold references and links and hardly a word besides,
//! and nothing but such sections follows them. One that holds only links within the wiki is taken for "see also" where
//! it stands last but for those, on pages that are otherwise divided differently: on pages of one make such a list is
//! what the page is about.

use super::outline::{Letters, Outline, heading};
use memchr::memchr;
use memchr::memmem::{self, Finder};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

/// Pages with a title from which it can be learned.
const LEAST_PAGES: u32 = 3;
/// The same for titles whose sections have links within the wiki alone.
const LEAST_PAGES_OF_LINKS: u32 = 5;
/// Distinct sections before these.
const LEAST_CONTEXTS: usize = 4;
/// Share of a title's sections that hold nothing but references and links, and close their page.
const CLOSING: (u32, u32) = (1, 2);
/// Share of a title's sections that have an address or a reference besides.
const WITNESSED: (u32, u32) = (35, 100);
/// Share, of a title whose sections have links within the wiki alone.
const CLOSING_LINKS: (u32, u32) = (6, 10);
/// Sections at most after one that closes a page.
const MOST_AFTER: usize = 4;
/// Letters of running text in a section that stays whatever its title.
const PROSE: usize = 200;

/// Title as it is compared: no quotes, no link, lower case.
fn normal(title: &str) -> String {
    title.trim_matches([' ', '\'', ':', '[', ']']).to_lowercase()
}

/// Whether a section may have hardly a word besides references and links, with so many bytes to come.
fn is_bare(letters: Letters, rest: usize) -> bool {
    letters.own() * 3 <= letters.links + rest
}

/// A section of a page: its title to the next heading.
struct Section<'a> {
    level: usize,
    title: String,
    /// Where its heading begins.
    begin: usize,
    body: &'a str,
}

fn sections(source: &str) -> Vec<Section<'_>> {
    static HEADING: LazyLock<Finder> = LazyLock::new(|| Finder::new("\n="));
    let mut found: Vec<Section> = Vec::new();
    let mut at = 0;
    loop {
        if source.as_bytes().get(at) == Some(&b'=') {
            let end = memchr(b'\n', &source.as_bytes()[at..]).map_or(source.len(), |end| at + end + 1);
            if let Some((level, title)) = heading(&source[at..end]) {
                if let Some(last) = found.last_mut() {
                    last.body = &last.body[..at - (source.len() - last.body.len())];
                }
                found.push(Section { level, title: normal(title), begin: at, body: &source[end..] });
            }
        }
        match HEADING.find(&source.as_bytes()[at..]) {
            Some(next) => at += next + 1,
            None => return found,
        }
    }
}

/// One section as it is remembered.
#[derive(Clone, Copy)]
struct Seen {
    title: u32,
    level: u8,
    bare: bool,
    /// It has an address, a list of references, or nothing at all on a page with references.
    witnessed: bool,
    linked: bool,
}

/// Takes in the pages of a wiki.
#[derive(Default)]
pub(super) struct Learner {
    titles: HashMap<String, u32>,
    pages: Vec<Vec<Seen>>,
}

/// What a title's sections are like.
#[derive(Default, Clone)]
struct Sum {
    sections: u32,
    closing: u32,
    witnessed: u32,
    linked: u32,
    /// Followed by nothing but sections of titles that are learned.
    last: u32,
    contexts: BTreeSet<Option<u32>>,
}

impl Learner {
    pub(super) fn article(&mut self, source: &str) {
        let referring = source.contains("<ref");
        let mut page = Vec::new();
        for section in sections(source) {
            let next = self.titles.len() as u32;
            let title = *self.titles.entry(section.title).or_insert(next);
            let mut seen = Seen { title, level: section.level as u8, bare: false, witnessed: false, linked: false };
            // Of a section with words of its own, as most are, no more is asked, and its first part tells.
            let wordy = |letters: Letters, _: &Outline, rest| !is_bare(letters, rest);
            if let Some((outline, letters)) = Outline::unless(section.body, wordy) {
                let list = section.body.contains("<references");
                // Nothing but templates is a list of references; but numbered ones are what a dictionary has of a word.
                let numbered = || outline.text.lines().any(|line| line.starts_with('#'));
                let filled = referring && section.body.contains("{{") && letters == Letters::default() && !numbered();
                seen.bare = true;
                seen.witnessed = list || filled || letters.links > 0 && outline.text.contains("//");
                seen.linked = letters.links > 0;
            }
            page.push(seen);
        }
        self.pages.push(page);
    }

    /// The titles, with the number of their sections.
    pub(super) fn finish(self) -> BTreeMap<String, u32> {
        let at_least = |part: u32, (over, under): (u32, u32), whole: u32| part * under >= over * whole;
        let sums = self.sums(&BTreeSet::new());
        let by_witness: BTreeSet<u32> = (0..)
            .zip(&sums)
            .filter(|(_, sum)| sum.sections >= LEAST_PAGES)
            .filter(|(_, sum)| at_least(sum.closing, CLOSING, sum.sections))
            .filter(|(_, sum)| at_least(sum.witnessed, WITNESSED, sum.sections))
            .map(|(title, _)| title)
            .collect();
        let sums = self.sums(&by_witness);
        let learned = |title: u32, sum: &Sum| {
            by_witness.contains(&title)
                || sum.sections >= LEAST_PAGES_OF_LINKS
                    && sum.linked >= LEAST_PAGES
                    && sum.contexts.len() >= LEAST_CONTEXTS
                    && at_least(sum.closing, CLOSING_LINKS, sum.sections)
                    && at_least(sum.last, CLOSING_LINKS, sum.sections)
        };
        let named = self.titles.into_iter().map(|(name, title)| (name, title, &sums[title as usize]));
        named.filter(|(_, title, sum)| learned(*title, sum)).map(|(name, _, sum)| (name, sum.sections)).collect()
    }

    /// By title, given the titles that are known already.
    fn sums(&self, known: &BTreeSet<u32>) -> Vec<Sum> {
        let mut sums = vec![Sum::default(); self.titles.len()];
        for page in &self.pages {
            let (mut bare_after, mut known_after) = (true, true);
            for (at, section) in page.iter().enumerate().rev() {
                let beside = page[at + 1..].iter().filter(|after| after.level <= section.level).count();
                let sum = &mut sums[section.title as usize];
                let closing = section.bare && bare_after && beside <= MOST_AFTER;
                sum.sections += 1;
                sum.closing += u32::from(closing);
                sum.witnessed += u32::from(closing && section.witnessed);
                sum.linked += u32::from(section.bare && section.linked);
                sum.last += u32::from(known_after);
                sum.contexts.insert(at.checked_sub(1).map(|before| page[before].title));
                // What follows may also be a section that holds nothing.
                bare_after &= section.bare || known.contains(&section.title);
                known_after &= known.contains(&section.title);
            }
        }
        sums
    }
}

/// The page without its closing sections, and their titles. Where they hold running text, or a template begins or ends
/// in them, they stay.
pub(super) fn without<'a>(source: &'a str, closing: &BTreeMap<String, u32>) -> (Cow<'a, str>, Vec<String>) {
    if closing.is_empty() || !source.contains('=') {
        return (source.into(), Vec::new());
    }
    let sections = sections(source);
    let mut kept = sections.len();
    for (at, section) in sections.iter().enumerate().rev() {
        let inside_closing = sections[..at].iter().rev().find(|before| before.level < section.level);
        let known = closing.contains_key(&section.title)
            || inside_closing.is_some_and(|outer| closing.contains_key(&outer.title));
        let telling = |letters: Letters| !known && letters != Letters::default() || letters.prose >= PROSE;
        if Outline::unless(section.body, |letters, _, _| telling(letters)).is_none() {
            break;
        }
        if known {
            kept = at;
        }
    }
    let Some(first) = sections.get(kept) else { return (source.into(), Vec::new()) };
    let count = |sign: &str| memmem::find_iter(&source.as_bytes()[first.begin..], sign).count();
    if count("{{") != count("}}") || count("{|") > count("|}") {
        return (source.into(), Vec::new());
    }
    let titles = sections[kept..].iter().map(|section| section.title.clone());
    let titles = titles.filter(|title| closing.contains_key(title)).collect();
    (source[..first.begin].into(), titles)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "Lobs ira upe.\n\n== Viesture ==\nIlga viesture.<ref>A</ref>\n\n";

    fn learned() -> BTreeMap<String, u32> {
        let mut learner = Learner::default();
        for number in 0..6 {
            let own = format!("== Par {number} ==\nTeksts par upi.\n");
            learner.article(&format!(
                "{PAGE}{own}== Verīs taipoš ==\n* [[Upe {number}]]\n== Nūruodis ==\n{{{{reflist}}}}\n"
            ));
            learner.article(&format!(
                "{PAGE}{own}=='''Olūti'''==\n* [http://x.y/{number} Puslopa]\n\n[[Kategoreja:Upis]]"
            ));
            learner.article("Zvers.\n== Sugys ==\nIra 2:<ref>[http://x.y Z]</ref>\n* [[Latgolys]]\n* [[B]]\n== Nūruodis ==\n<references/>");
        }
        learner.finish()
    }

    #[test]
    fn titles_are_learned_from_what_stands_under_them() {
        // `Sugys` has links alone too, but always on the same kind of page: it is what the page says.
        let learned = learned();
        let titles: Vec<(&str, u32)> = learned.iter().map(|(title, count)| (title.as_str(), *count)).collect();
        assert_eq!(titles, [("nūruodis", 12), ("olūti", 6), ("verīs taipoš", 6)]);
    }

    #[test]
    fn closing_sections_go_and_what_says_something_stays() {
        let closing = learned();
        let without = |source: &str| without(source, &closing).0.into_owned();
        assert_eq!(
            without(&format!("{PAGE}== Nūruodis ==\n{{{{reflist}}}}\n=== Gruomotys ===\n* A, 1990\n== Olūti ==\n")),
            PAGE
        );
        // Not at the end.
        let inside = format!("== Olūti ==\n* [http://x.y a]\n{PAGE}");
        assert_eq!(without(&inside), inside);
        // With running text.
        let told = format!("{PAGE}== Olūti ==\n{}", "Ir daudz olūtu. ".repeat(20));
        assert_eq!(without(&told), told);
        // In the middle of a template.
        let template = format!("{PAGE}{{{{x|\n== Olūti ==\n}}}}");
        assert_eq!(without(&template), template);
        assert_eq!(without("a = b"), "a = b");
    }

    #[test]
    fn what_a_dictionary_has_of_a_word_closes_no_page() {
        let mut learner = Learner::default();
        for number in 0..6 {
            let word = format!("== Latīņu ==\n=== Prīdieklis {number} ===\nNu vuorda.<ref>A</ref>\n");
            learner.article(&format!("{word}=== Divdabs ===\n{{{{la-part}}}}\n\n# {{{{form of|x}}}}\n"));
            learner.article(&format!("{word}=== Nūruodis ===\n* {{{{R:L}}}}\n"));
        }
        assert_eq!(learner.finish(), [("nūruodis".to_owned(), 6)].into());
    }

    #[test]
    fn a_wiki_with_few_pages_teaches_nothing() {
        let mut learner = Learner::default();
        for _ in 0..2 {
            learner.article("A.\n== Olūti ==\n* [http://x.y z]");
        }
        assert_eq!(learner.finish(), BTreeMap::new());
    }
}
