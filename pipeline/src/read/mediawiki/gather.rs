//! The first pass over a dump: templates, modules, titles, and what pages teach of their wiki.

use super::page::Page;
use super::{ARTICLES, Pages};
use crate::error::{Error, Result};
use crate::wikitext::{Gatherer, Learner, NameLearner, Site};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

const TEMPLATES: i32 = 10;
const MODULES: i32 = 828;

/// Pages that are read before what the last one teaches is known.
const AHEAD: usize = 16;

/// What a first pass is for.
struct Pass<'a> {
    site: Arc<Site>,
    headless: bool,
    /// None where no templates are wanted.
    gatherer: Option<&'a mut Gatherer>,
    modules: bool,
    learner: &'a mut Learner,
    names: &'a mut NameLearner,
}

impl Pages {
    /// Reads all pages for their templates, for their modules where they are asked for, and titles, and for what articles
    /// teach of the wiki, its names where the head does not tell them; `each` is told after every page. What is broken is
    /// for the reading of the articles to tell. Without a gatherer, no more than the learner wants. One thread reads while
    /// another learns, from the pages in their order.
    pub(in crate::read) fn gather(
        mut self,
        (gatherer, modules): (Option<&mut Gatherer>, bool),
        (learner, names): (&mut Learner, &mut NameLearner),
        each: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let (full, templates) = (AtomicBool::new(learner.is_full()), gatherer.is_some());
        let mut pass = Pass { site: self.site.clone(), headless: self.headless, gatherer, modules, learner, names };
        let (sender, pages) = sync_channel(AHEAD);
        std::thread::scope(|scope| {
            let learning = scope.spawn(|| {
                for (namespace, page) in pages {
                    pass.page(namespace, &page)?;
                    full.store(pass.learner.is_full(), Ordering::Relaxed);
                }
                Ok(())
            });
            let read = self.hand_over(&full, (templates, modules), &sender, each);
            drop(sender);
            learning.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(read)
        })
    }

    /// Reads the pages that a first pass wants, until they end or nobody listens.
    fn hand_over(
        &mut self,
        full: &AtomicBool,
        (templates, modules): (bool, bool),
        sender: &SyncSender<(i32, Page)>,
        each: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        loop {
            let full = full.load(Ordering::Relaxed);
            self.wanted = match (full, modules) {
                (true, false) => &[TEMPLATES],
                (true, true) => &[TEMPLATES, MODULES],
                (false, false) => &[ARTICLES, TEMPLATES],
                (false, true) => &[ARTICLES, TEMPLATES, MODULES],
            };
            if full && !templates {
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
            if sender.send((self.namespace(&page), page)).is_err() {
                return Ok(());
            }
            each()?;
        }
    }
}

impl Pass<'_> {
    fn page(&mut self, namespace: i32, page: &Page) -> Result<()> {
        if self.gatherer.is_none() && self.learner.is_full() {
            return Ok(()); // read ahead
        }
        if self.headless {
            self.names.title(namespace, &page.title);
        }
        let redirect = page.redirect || self.site.is_redirect(&page.text);
        let wikitext = matches!(page.model.as_str(), "" | "wikitext");
        if redirect && namespace == ARTICLES {
            self.names.redirect(&page.text);
        }
        // So are articles after the last one that is wanted.
        if namespace == ARTICLES && wikitext && !redirect && !self.learner.is_full() {
            self.learner.article(&page.title, &page.text, &self.site);
            if let Some(gatherer) = &mut self.gatherer {
                let written = gatherer.article(&page.title, &page.text, &self.site);
                written.map_err(Error::io("write", &std::env::temp_dir()))?;
            }
            if self.headless {
                self.names.article(&page.text, &self.site);
            }
        }
        if namespace == TEMPLATES && wikitext && !redirect {
            self.learner.template(&page.title, &page.text);
        }
        let Some(gatherer) = &mut self.gatherer else { return Ok(()) };
        gatherer.page(namespace, &page.title, &page.timestamp);
        if namespace == TEMPLATES && wikitext {
            let written = gatherer.template(&page.title, &page.text, redirect, &self.site);
            written.map_err(Error::io("write", &std::env::temp_dir()))?;
        }
        if namespace == MODULES && self.modules {
            let written = gatherer.module(&page.title, &page.text);
            written.map_err(Error::io("write", &std::env::temp_dir()))?;
        }
        Ok(())
    }
}
