//! The first pass over a dump: templates, modules, titles, and what pages teach of their wiki.

use super::{ARTICLES, Pages};
use crate::error::{Error, Result};
use crate::wikitext::{Gatherer, Learner, NameLearner};

const TEMPLATES: i32 = 10;
const MODULES: i32 = 828;

impl Pages {
    /// Reads all pages for their templates, for their modules where they are asked for, and titles, and for what articles
    /// teach of the wiki, its names where the head does not tell them; `each` is told after every page. What is broken is
    /// for the reading of the articles to tell. Without a gatherer, no more than the learner wants.
    pub(in crate::read) fn gather(
        mut self,
        (mut gatherer, modules): (Option<&mut Gatherer>, bool),
        (learner, names): (&mut Learner, &mut NameLearner),
        each: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        loop {
            self.wanted = match (learner.is_full(), modules) {
                (true, false) => &[TEMPLATES],
                (true, true) => &[TEMPLATES, MODULES],
                (false, false) => &[ARTICLES, TEMPLATES],
                (false, true) => &[ARTICLES, TEMPLATES, MODULES],
            };
            if learner.is_full() && gatherer.is_none() {
                return Ok(());
            }
            let page = match self.page() {
                Ok(Some(page)) => page,
                Err(_) if self.opened || self.find_page() => {
                    self.opened = true;
                    continue;
                }
                _ => return Ok(()),
            };
            let namespace = self.namespace(&page);
            if self.headless {
                names.title(namespace, &page.title);
            }
            let redirect = page.redirect || self.site.is_redirect(&page.text);
            let wikitext = matches!(page.model.as_str(), "" | "wikitext");
            if namespace == ARTICLES && wikitext && !redirect {
                learner.article(&page.title, &page.text, &self.site);
                if self.headless {
                    names.article(&page.text, &self.site);
                }
            }
            if namespace == TEMPLATES && wikitext && !redirect {
                learner.template(&page.title, &page.text);
            }
            if let Some(gatherer) = &mut gatherer {
                gatherer.page(namespace, &page.title, &page.timestamp);
                if namespace == TEMPLATES && wikitext {
                    let written = gatherer.template(&page.title, &page.text, redirect, &self.site);
                    written.map_err(Error::io("write", &std::env::temp_dir()))?;
                }
                if namespace == MODULES && modules {
                    let written = gatherer.module(&page.title, &page.text);
                    written.map_err(Error::io("write", &std::env::temp_dir()))?;
                }
            }
            each()?;
        }
    }
}
