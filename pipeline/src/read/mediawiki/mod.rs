//! MediaWiki XML exports, versions 0.3 to 0.11, with or without siteinfo, one page at a time.
//! Only wikitext pages of the article namespace are documents; of a history dump the last revision counts.
//! After a page that cannot be read, or a damaged block of a `.bz2`, reading goes on at the next `<page>`.
//!
//! [`xml`] knows tags and what to do where they are broken, [`head`] the siteinfo, [`page`] one page with its
//! revisions, [`gather`] the first pass over a dump; here pages are judged.

mod gather;
mod head;
mod page;
mod xml;

#[cfg(test)]
mod tests;

use super::bytes::Text;
use super::{Body, Item, Raw};
use crate::wikitext::{Names, Site};
use page::Page;
use quick_xml::Reader;
use std::sync::Arc;

/// What dumps of the Wikimedia projects are given under.
const LICENCE: &str = "CC BY-SA";

const ARTICLES: i32 = 0;

/// A dump being read.
pub(super) struct Pages {
    xml: Reader<Text>,
    buffer: Vec<u8>,
    site: Arc<Site>,
    /// Address of the wiki's pages without the title: `https://ltg.wikipedia.org/wiki/`.
    base: Option<String>,
    /// The head names no namespaces, or speaks of another wiki.
    headless: bool,
    /// The opening tag of a page has been read already.
    opened: bool,
    /// What was wrong before the first page.
    broken: Option<String>,
    /// The pages stand inside `<mediawiki>`.
    wrapped: bool,
    ended: bool,
    /// Bytes of the XML before where `xml` began.
    passed: u64,
    last_title: Option<String>,
    /// The namespaces whose pages' sources are read; those of others are passed over.
    wanted: &'static [i32],
}

impl Pages {
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
    pub(super) fn learn(&mut self, names: &Names) {
        if names.has_redirect_words() {
            names.tell_redirect_words(Arc::make_mut(&mut self.site));
        }
    }

    fn namespace(&self, page: &Page) -> i32 {
        page.namespace.unwrap_or_else(|| self.site.namespace_of(&page.title))
    }

    /// The next page, or one that is broken; reading goes on behind it.
    pub(super) fn next(&mut self) -> Option<Item> {
        if let Some(cause) = self.broken.take() {
            return Some(Item::Failed { place: "before the first page".to_owned(), cause });
        }
        if self.ended {
            return None;
        }
        match self.page() {
            Ok(Some(page)) => {
                self.last_title = Some(page.title.clone());
                Some(self.judge(page))
            }
            Ok(None) => {
                self.ended = true;
                None
            }
            Err((title, cause)) => {
                let place = match (title.is_empty(), &self.last_title) {
                    (false, _) => format!("page {title:?}"),
                    (true, Some(last)) => format!("after page {last:?}"),
                    (true, None) => "the first page".to_owned(),
                };
                let place = format!("{place}, byte {} of the XML", self.passed + self.xml.buffer_position());
                self.opened = self.opened || self.find_page();
                self.ended = !self.opened;
                Some(Item::Failed { place, cause })
            }
        }
    }

    fn judge(&self, page: Page) -> Item {
        if self.namespace(&page) != ARTICLES {
            return Item::Skipped("namespace");
        }
        if page.redirect || self.site.is_redirect(&page.text) {
            return Item::Skipped("redirect");
        }
        if !matches!(page.model.as_str(), "" | "wikitext") || !matches!(page.format.as_str(), "" | "text/x-wiki") {
            return Item::Skipped("not_wikitext");
        }
        if page.text.trim().is_empty() {
            return Item::Skipped("empty");
        }
        let url = self.base.as_ref().map(|base| format!("{base}{}", address(&page.title)));
        let id = if page.id.is_empty() { page.title.clone() } else { page.id };
        Item::Document(Raw {
            id,
            title: Some(page.title),
            url,
            timestamp: Some(page.timestamp).filter(|timestamp| !timestamp.is_empty()),
            licence: Some(LICENCE.to_owned()),
            body: Body::Wikitext(page.text),
        })
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
