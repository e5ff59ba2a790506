//! What the pages of a wiki teach of it in a first pass: the titles of closing sections, and what marks pages that only
//! tell meanings apart. The result depends on the pages alone, not on their order.

mod disambiguation;
mod kind;
mod outline;
mod sections;

pub use kind::PageKind;

use super::site::Site;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Articles learned from: the first so many of a dump. More would change little and cost memory.
pub(crate) const ARTICLES: u32 = 20_000;

/// Takes in the pages of a dump.
#[derive(Default)]
pub struct Learner {
    sections: sections::Learner,
    disambiguation: disambiguation::Learner,
    articles: u32,
}

impl Learner {
    /// Whether more articles would be passed over.
    pub(crate) fn is_full(&self) -> bool {
        self.articles >= ARTICLES
    }

    /// A page that is no redirect, by its title and source.
    pub(crate) fn article(&mut self, title: &str, source: &str, site: &Site) {
        if !self.is_full() {
            self.articles += 1;
            self.sections.article(source);
            self.disambiguation.article(title, source, site);
        }
    }

    /// A template, by its title as the dump has it.
    pub(crate) fn template(&mut self, title: &str, source: &str) {
        self.disambiguation.template(title.split_once(':').map_or(title, |(_, name)| name), source);
    }

    /// What was learned.
    pub fn finish(self) -> Habits {
        Habits {
            articles: self.articles,
            closing_sections: self.sections.finish(),
            disambiguation: self.disambiguation.finish(),
        }
    }
}

/// What was learned of a wiki.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Habits {
    /// Articles it was learned from.
    pub articles: u32,
    /// Titles of closing sections, in lower case, and on how many sections they stood.
    pub closing_sections: BTreeMap<String, u32>,
    /// Templates, categories and bracketed ends of titles that mark disambiguation pages.
    pub disambiguation: BTreeSet<String>,
}

impl Habits {
    /// The page without its closing sections, and their titles.
    pub(crate) fn without_closing_sections<'a>(&self, source: &'a str) -> (Cow<'a, str>, Vec<String>) {
        sections::without(source, &self.closing_sections)
    }

    /// What kind of page this is as far as its source, closing sections left out, tells: a disambiguation page, a list
    /// or an article.
    pub(crate) fn kind_of(&self, title: &str, source: &str, site: &Site) -> PageKind {
        if disambiguation::is_one(title, source, site, &self.disambiguation) {
            return PageKind::Disambiguation;
        }
        kind::of_source(source)
    }
}
