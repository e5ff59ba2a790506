//! What a wiki calls its namespaces, learned from its pages where the head of a dump does not say or is another wiki's;
//! and the words that begin its redirects, which no head says.
//!
//! A page with the number of its namespace tells the name by its title. Categories have a second sign, for which one page
//! is enough: links `[[NAME:…]]` that have lines of their own and hardly ever stand inside of one.

use super::magic_words;
use super::site::{CATEGORY, Site, Target, is_alone, redirect_word};
use std::collections::{BTreeMap, BTreeSet};

/// Links on lines of their own from which on a prefix is the name of categories, and of all its links how many of 100.
const LINKS: u64 = 2;
/// Pages that are nothing but `#WORD [[Target]]` from which on the word begins redirects.
const REDIRECTS: u64 = 3;
const ALONE: u64 = 90;
/// Longest name in characters, and how many prefixes are counted.
const LONGEST: usize = 40;
const PREFIXES: usize = 10_000;

/// Counts what pages tell.
#[derive(Debug, Default)]
pub struct NameLearner {
    /// By namespace and prefix of the title: pages.
    titles: BTreeMap<(i32, String), u64>,
    /// By prefix that the site does not know: links on lines of their own, and all.
    links: BTreeMap<String, (u64, u64)>,
    /// By word: pages that are nothing but a link behind it.
    redirects: BTreeMap<String, u64>,
}

/// Names to know beside those of the head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    namespaces: BTreeSet<(i32, String)>,
    redirect_words: BTreeSet<String>,
}

impl NameLearner {
    /// Takes in a page by the number of its namespace and its title.
    pub fn title(&mut self, namespace: i32, title: &str) {
        if let Some((name, _)) = title.split_once(':').filter(|_| namespace != 0 && self.titles.len() < PREFIXES) {
            *self.titles.entry((namespace, name.to_owned())).or_default() += 1;
        }
    }

    /// Takes in an article.
    pub fn article(&mut self, source: &str, site: &Site) {
        for line in source.lines() {
            let mut rest = line;
            let mut names: Vec<&str> = Vec::new();
            let mut alone = true;
            while let Some((before, behind)) = rest.split_once("[[") {
                let Some((link, after)) = behind.split_once("]]") else {
                    alone = false;
                    break;
                };
                alone &= before.trim().is_empty();
                names.extend(prefix(link, site));
                rest = after;
            }
            alone &= rest.trim().is_empty();
            for name in names {
                if self.links.len() < PREFIXES || self.links.contains_key(name) {
                    let (on_their_own, all) = self.links.entry(name.to_owned()).or_default();
                    (*on_their_own, *all) = (*on_their_own + u64::from(alone), *all + 1);
                }
            }
        }
    }

    /// Takes in a page that may be a redirect.
    pub fn redirect(&mut self, source: &str) {
        let Some((word, _)) = redirect_word(source).filter(|(_, link)| is_alone(link)) else { return };
        let counted = self.redirects.len() < PREFIXES || self.redirects.contains_key(&word);
        if counted && !word.contains(' ') && !magic_words::is_redirect_word(&word) {
            *self.redirects.entry(word).or_default() += 1;
        }
    }

    /// The names.
    pub fn finish(self) -> Names {
        // Of each namespace the prefix that most of its titles have: a title may have a colon of its own.
        let mut most: BTreeMap<i32, (u64, String)> = BTreeMap::new();
        for ((namespace, name), count) in self.titles {
            let best = most.entry(namespace).or_default();
            if count > best.0 {
                *best = (count, name);
            }
        }
        let titled = most.into_iter().map(|(namespace, (_, name))| (namespace, name));
        let is_category = |(alone, all): (u64, u64)| alone >= LINKS && alone * 100 >= all * ALONE;
        let linked = self.links.into_iter().filter(|(_, counts)| is_category(*counts));
        let namespaces = titled.chain(linked.map(|(name, _)| (CATEGORY, name))).collect();
        let words = self.redirects.into_iter().filter(|(_, pages)| *pages >= REDIRECTS);
        Names { namespaces, redirect_words: words.map(|(word, _)| word).collect() }
    }
}

impl Names {
    /// Tells `site` of the words for redirects.
    pub fn tell_redirect_words(&self, site: &mut Site) {
        self.redirect_words.iter().for_each(|word| site.add_redirect_word(word));
    }

    /// Whether there are words for redirects that are not known on every wiki.
    pub fn has_redirect_words(&self) -> bool {
        !self.redirect_words.is_empty()
    }

    /// Tells `site` of the namespaces; what it knows already stays.
    pub fn tell(&self, site: &mut Site) {
        for (namespace, name) in &self.namespaces {
            if site.namespace_of(&format!("{name}:")) == 0 {
                site.add_alias(*namespace, name);
            }
        }
    }
}

/// What stands before the colon of a link that is to a page as far as the site knows.
fn prefix<'a>(link: &'a str, site: &Site) -> Option<&'a str> {
    let (name, rest) = link.split_once(':')?;
    let name = name.trim();
    let named = name.starts_with(char::is_alphabetic) && name.chars().count() <= LONGEST && !name.contains(['[', '|']);
    // After the colon of a title there is a space: `Lobs: reits`.
    let formed = named && !rest.is_empty() && !rest.starts_with(char::is_whitespace);
    (formed && site.namespace_of(link) == 0 && site.target(link) == Target::Page).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_tell_the_names_of_their_namespaces() {
        let mut learner = NameLearner::default();
        for (namespace, title) in [(10, "Taiss:A"), (10, "Taiss:B: x"), (14, "Kategoreja:X"), (0, "Star: x")] {
            learner.title(namespace, title);
        }
        let mut site = Site::default();
        learner.finish().tell(&mut site);
        assert_eq!(["taiss:C", "Kategoreja:Y", "Star:Z"].map(|title| site.namespace_of(title)), [10, 14, 0]);
        assert_eq!(site.target("Kategoreja:Y"), Target::Category);
    }

    #[test]
    fn words_of_redirects_are_learned_from_pages_that_are_nothing_else() {
        let mut learner = NameLearner::default();
        for page in ["#Nazynoms [[A]]", "#NAZYNOMS [[B]]\n", "#nazynoms: [[C]]", "#cits [[A]]", "#vīns [[A]] i [[B]]"]
        {
            learner.redirect(page);
        }
        let mut site = Site::default();
        assert!(!site.is_redirect("#NAZYNOMS [[D]] {{x}}"));
        learner.finish().tell_redirect_words(&mut site);
        assert!(site.is_redirect("#NAZYNOMS [[D]] {{x}}") && !site.is_redirect("#cits [[A]] {{x}}"));
    }

    #[test]
    fn categories_are_known_by_lines_of_links() {
        let mut learner = NameLearner::default();
        let page = "Teksts [[Portal:A]] i [[wikt:b]].\n* [[Puslopa:Uorejais]]\n[[Portal:B]]\n\n[[Rummad:C]] [[Rummad:D|x]]\n\
                    [[Film: A]]\n[[Film: B]]\n[[en:C]]\n[[de:C]]\n[[Image:a.jpg]]\n[[Eenmol:x]]";
        learner.article(page, &Site::default());
        let mut site = Site::default();
        learner.finish().tell(&mut site);
        let links = ["Rummad:E", "Portal:C", "Puslopa:Z", "Film: C", "Eenmol:y"];
        let targets = links.map(|link| site.target(link) == Target::Category);
        assert_eq!(targets, [true, false, false, false, false]);
    }
}
