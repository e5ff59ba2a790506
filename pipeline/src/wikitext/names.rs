//! What a wiki calls its namespaces, learned from its pages where the head of a dump does not say or is another wiki's.
//!
//! A page with the number of its namespace tells the name by its title. Categories have a second sign, for which one page
//! is enough: links `[[NAME:…]]` that have lines of their own and hardly ever stand inside of one.

use super::site::{CATEGORY, Site, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Links on lines of their own from which on a prefix is the name of categories, and of all its links how many of 100.
const LINKS: u64 = 2;
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
}

/// Names to know beside those of the head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<(i32, String)>);

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
        Names(titled.chain(linked.map(|(name, _)| (CATEGORY, name))).collect())
    }
}

impl Names {
    /// Tells `site` of them; what it knows already stays.
    pub fn tell(&self, site: &mut Site) {
        for (namespace, name) in &self.0 {
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
