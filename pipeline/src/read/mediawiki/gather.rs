//! The first pass over a dump: templates, modules, titles, and what pages teach of their wiki.

use super::kept::Packed;
use super::page::Page;
use super::{ARTICLES, GATHERED, Head, Kept, MODULES, Pages, TEMPLATES};
use crate::error::{Error, Result};
use crate::in_order::in_order;
use crate::wikitext::{Gatherer, Learner, NameLearner};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a first pass is for.
pub(in crate::read) struct Pass<'a> {
    /// None where no templates are wanted.
    pub gatherer: Option<&'a mut Gatherer>,
    pub modules: bool,
    pub learner: &'a mut Learner,
    pub names: &'a mut NameLearner,
    /// For the second pass; none where it is to read the dump itself, and none any more where there is no room.
    pub kept: Option<Kept>,
}

impl Pages {
    /// Reads all pages for their templates, for their modules where they are asked for, and titles, and for what articles
    /// teach of the wiki, its names where the head does not tell them; `each` is told after some pages. What is broken is
    /// for the reading of the articles to tell. Without a gatherer, no more than the learner wants. All cores read while
    /// one thread learns, from the pages in their order.
    pub(in crate::read) fn gather(self, pass: &mut Pass, each: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let Pages { head, mut splitter, .. } = self;
        let (full, keeping) = (AtomicBool::new(pass.learner.is_full()), AtomicBool::new(pass.kept.is_some()));
        let (templates, modules) = (pass.gatherer.is_some(), pass.modules);
        let (is_full, is_kept) = (|| full.load(Ordering::Relaxed), || keeping.load(Ordering::Relaxed));
        in_order(
            |give| {
                while let Some(piece) = splitter.next() {
                    if !give(piece) || is_full() && !templates && !is_kept() {
                        return;
                    }
                }
            },
            |piece| {
                let (kept, wanted) = (is_kept(), |namespace: &i32| match *namespace {
                    ARTICLES => !is_full() || is_kept(),
                    MODULES => modules,
                    _ => true,
                });
                let wanted: Vec<i32> = GATHERED.into_iter().filter(wanted).collect();
                let pages = piece.pages(&wanted);
                let packed = kept.then(|| Packed::new(&pages, &head));
                (pages, packed)
            },
            |(pages, packed)| {
                for page in pages.into_iter().flatten() {
                    pass.page(&head, &page)?;
                }
                full.store(pass.learner.is_full(), Ordering::Relaxed);
                // Where one was not packed, none behind it is wanted either.
                let has_room = match (&mut pass.kept, &packed) {
                    (Some(kept), Some(packed)) => kept.push(packed),
                    _ => false,
                };
                if !has_room {
                    pass.kept = None;
                    keeping.store(false, Ordering::Relaxed);
                }
                each()
            },
        )
    }
}

impl Pass<'_> {
    fn page(&mut self, head: &Arc<Head>, page: &Page) -> Result<()> {
        if self.gatherer.is_none() && self.learner.is_full() {
            return Ok(()); // read ahead
        }
        let (namespace, site) = (head.namespace(page), &head.site);
        if head.headless {
            self.names.title(namespace, &page.title);
        }
        let redirect = page.redirect || site.is_redirect(&page.text);
        let wikitext = matches!(page.model.as_str(), "" | "wikitext");
        if redirect && namespace == ARTICLES {
            self.names.redirect(&page.text);
        }
        // So are articles after the last one that is wanted.
        if namespace == ARTICLES && wikitext && !redirect && !self.learner.is_full() {
            self.learner.article(&page.title, &page.text, site);
            if let Some(gatherer) = &mut self.gatherer {
                let written = gatherer.article(&page.title, &page.text, site);
                written.map_err(Error::io("write", &std::env::temp_dir()))?;
            }
            if head.headless {
                self.names.article(&page.text, site);
            }
        }
        if namespace == TEMPLATES && wikitext && !redirect {
            self.learner.template(&page.title, &page.text);
        }
        let Some(gatherer) = &mut self.gatherer else { return Ok(()) };
        gatherer.page(namespace, &page.title, &page.timestamp);
        if namespace == TEMPLATES && wikitext {
            let written = gatherer.template(&page.title, &page.text, redirect, site);
            written.map_err(Error::io("write", &std::env::temp_dir()))?;
        }
        if namespace == MODULES && self.modules {
            let written = gatherer.module(&page.title, &page.text);
            written.map_err(Error::io("write", &std::env::temp_dir()))?;
        }
        Ok(())
    }
}
