//! MediaWiki XML exports, versions 0.3 to 0.11, with or without siteinfo, one page at a time.
//! Only wikitext pages of the article namespace are documents; of a history dump the last revision counts.
//! After a page that cannot be read, or a damaged block of a `.bz2`, reading goes on at the next `<page>`.
//!
//! [`head`] knows the siteinfo, [`split`] cuts a dump into pieces that any thread can read, [`xml`] knows tags and [`page`]
//! one page with its revisions, [`gather`] is the first pass over a dump and [`kept`] what it keeps for the second; here
//! pages are judged.

mod gather;
mod head;
mod kept;
mod page;
mod split;
mod xml;

#[cfg(test)]
mod tests;

use super::{Body, Item, Raw};
use crate::wikitext::{Names, Site};
use page::Page;
use split::{Failure, Piece, Splitter};
use std::collections::VecDeque;
use std::sync::Arc;

pub(super) use gather::Pass;
use kept::Packed;
pub(super) use kept::{Again, Kept, Room};

/// What dumps of the Wikimedia projects are given under.
const LICENCE: &str = "CC BY-SA";

const ARTICLES: i32 = 0;
const TEMPLATES: i32 = 10;
const MODULES: i32 = 828;
/// All whose pages anybody wants.
const GATHERED: [i32; 3] = [ARTICLES, TEMPLATES, MODULES];

/// A dump being read.
pub(super) struct Pages {
    head: Arc<Head>,
    splitter: Splitter,
    ready: VecDeque<Item>,
}

/// What a dump says of its wiki.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    site: Arc<Site>,
    /// Address of the wiki's pages without the title: `https://ltg.wikipedia.org/wiki/`.
    base: Option<String>,
    /// It names no namespaces, or speaks of another wiki.
    headless: bool,
}

/// Some pages of a dump, to be read by any thread.
pub(super) struct Batch {
    content: Content,
    head: Arc<Head>,
}

enum Content {
    Piece(Piece),
    Kept(Packed),
}

impl Batch {
    pub(super) fn items(self) -> Vec<Item> {
        let Batch { content, head } = self;
        match content {
            Content::Piece(piece) => piece.pages(&[ARTICLES]).into_iter().map(|page| head.item(page)).collect(),
            Content::Kept(packed) => packed.items(&head),
        }
    }
}

impl Pages {
    pub(super) fn head(&self) -> &Arc<Head> {
        &self.head
    }

    /// What was learned of the wiki's names; the head that knows it.
    pub(super) fn learn(&mut self, names: &Names) -> &Head {
        Arc::make_mut(&mut self.head).learn(names);
        &self.head
    }

    /// The next page, or one that is broken; reading goes on behind it.
    pub(super) fn next(&mut self) -> Option<Item> {
        while self.ready.is_empty() {
            self.ready = self.batch()?.items().into();
        }
        self.ready.pop_front()
    }

    /// Some pages more, none at the end. Not after [`Pages::next`], which keeps some at hand.
    pub(super) fn batch(&mut self) -> Option<Batch> {
        Some(Batch { content: Content::Piece(self.splitter.next()?), head: self.head.clone() })
    }
}

impl Head {
    pub(super) fn site(&self) -> Arc<Site> {
        self.site.clone()
    }

    /// Address of the wiki's pages without the title, where the dump says.
    pub(super) fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// Whether what the wiki calls its namespaces has to be learned from its pages.
    pub(super) fn is_headless(&self) -> bool {
        self.headless
    }

    /// Words that begin redirects of this wiki, to know beside those of all.
    fn learn(&mut self, names: &Names) {
        if names.has_redirect_words() {
            names.tell_redirect_words(Arc::make_mut(&mut self.site));
        }
    }

    fn namespace(&self, page: &Page) -> i32 {
        page.namespace.unwrap_or_else(|| self.site.namespace_of(&page.title))
    }

    fn item(&self, page: Result<Page, Failure>) -> Item {
        match page {
            Err(Failure { place, cause }) => Item::Failed { place, cause },
            Ok(page) => match self.no_document(&page) {
                Some(kind) => Item::Skipped(kind),
                None => {
                    let id = if page.id.is_empty() { page.title.clone() } else { page.id };
                    Item::Document(self.document(id, page.title, page.timestamp, page.text))
                }
            },
        }
    }

    /// What a page is that is no document.
    fn no_document(&self, page: &Page) -> Option<&'static str> {
        if self.namespace(page) != ARTICLES {
            return Some("namespace");
        }
        if page.redirect || self.site.is_redirect(&page.text) {
            return Some("redirect");
        }
        if !matches!(page.model.as_str(), "" | "wikitext") || !matches!(page.format.as_str(), "" | "text/x-wiki") {
            return Some("not_wikitext");
        }
        page.text.trim().is_empty().then_some("empty")
    }

    fn document(&self, id: String, title: String, timestamp: String, source: String) -> Raw {
        Raw {
            id,
            url: self.base.as_ref().map(|base| format!("{base}{}", address(&title))),
            title: Some(title),
            timestamp: Some(timestamp).filter(|timestamp| !timestamp.is_empty()),
            licence: Some(LICENCE.to_owned()),
            body: Body::Wikitext(source),
        }
    }
}

/// A title as it stands in an address.
fn address(title: &str) -> String {
    let mut out = String::with_capacity(title.len());
    for byte in title.bytes() {
        match byte {
            b' ' => out.push('_'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(byte as char),
            b'-' | b'_' | b'.' | b'~' | b'/' | b':' | b',' | b';' | b'@' | b'(' | b')' | b'!' | b'*' | b'$' | b'\'' => {
                out.push(byte as char);
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
