//! The head of a dump, and whether it is believed.

use super::xml::{Tag, lenient};
use super::{ARTICLES, Pages};
use crate::error::{Error, Result};
use crate::read::bytes::Text;
use crate::wikitext::Site;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use tongues_languages::profile;

impl Pages {
    /// Reads up to the first page. An error: this is no dump, or has no page.
    pub(in crate::read) fn open(path: &Path, mut text: Text) -> Result<Pages> {
        let begin = text.fill_buf().map_err(Error::io("read", path))?;
        let begin = String::from_utf8_lossy(&begin[..begin.len().min(1000)]).trim_start().to_owned();
        let lower = begin.to_lowercase();
        let refuse = |place: String, found: &str| Error::Input {
            path: path.to_owned(),
            place,
            found: found.to_owned(),
            expected: "a MediaWiki XML export with at least one <page>".to_owned(),
        };
        if begin.is_empty() {
            return Err(refuse(String::new(), "an empty file"));
        }
        if lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.contains("<html ") {
            return Err(refuse(String::new(), "an HTML page (perhaps an error page of the server)"));
        }
        if !begin.starts_with('<') {
            let shown: String = begin.chars().take(40).collect();
            return Err(refuse(String::new(), &format!("{shown:?}, which is no XML")));
        }
        let mut pages = Pages {
            xml: lenient(text),
            buffer: Vec::new(),
            site: Arc::default(),
            base: None,
            headless: true,
            opened: false,
            broken: None,
            wrapped: false,
            ended: false,
            passed: 0,
            last_title: None,
            wanted: &[ARTICLES],
        };
        match pages.preamble() {
            Ok(true) => Ok(pages),
            Ok(false) => Err(refuse(String::new(), "no <page>")),
            Err(cause) => {
                let place = format!("byte {} of the XML", pages.xml.buffer_position());
                if pages.find_page() {
                    (pages.opened, pages.broken) = (true, Some(cause));
                    return Ok(pages);
                }
                Err(refuse(place, &cause))
            }
        }
    }

    /// Siteinfo, up to the opening tag of the first page; false where there is none.
    fn preamble(&mut self) -> std::result::Result<bool, String> {
        let (mut namespaces, mut name, mut address) = (BTreeMap::new(), String::new(), String::new());
        let mut found = false;
        loop {
            match self.tag()? {
                Tag::Open(name, _) if name == "page" => {
                    found = true;
                    break;
                }
                Tag::Open(name, key) if name == "namespace" => {
                    let text = self.content(&name)?;
                    if let Some(key) = key {
                        namespaces.insert(key, text);
                    }
                }
                Tag::Open(tag, _) if tag == "sitename" => name = self.content(&tag)?,
                Tag::Open(tag, _) if tag == "base" => {
                    address = self.content(&tag)?;
                    self.base = address.rfind('/').map(|slash| address[..=slash].to_owned());
                }
                Tag::Open(name, _) if name == "mediawiki" => self.wrapped = true,
                Tag::End => break,
                _ => {}
            }
        }
        self.headless = namespaces.values().all(String::is_empty);
        let mut site = Site::new(namespaces);
        site.introduce(&name, &address);
        self.site = Arc::new(site);
        self.opened = found;
        Ok(found)
    }

    /// Takes the pages for a wiki in `language`. A head that speaks of the Wikipedia of another language is wrong (dumps
    /// that were put together with another wiki's head): addresses and server become those of the right one, and what
    /// namespaces are called there is known by the head's names, the English ones and those that wikis borrow. Gives
    /// the server that the head names, where it was wrong. A head without an address learns its language.
    pub(in crate::read) fn claim(&mut self, language: tongues_languages::Tag) -> Option<String> {
        let code = |host: &str| host.trim_start_matches("//").strip_suffix(".wikipedia.org").map(str::to_owned);
        let wanted = profile::find(language)?;
        let right = wanted.wikipedia.as_deref()?;
        if self.site.server().is_empty() {
            Arc::make_mut(&mut self.site).speak(right);
            return None;
        }
        let of_head = profile::for_wikipedia(&code(self.site.server())?)?;
        if of_head.tag.language() == wanted.tag.language() {
            return None;
        }
        let wrong = self.site.server().trim_start_matches("//").to_owned();
        let base = format!("https://{right}.wikipedia.org/wiki/");
        let mut site = Site::clone(&self.site);
        let name = site.name().to_owned();
        site.introduce(&name, &base);
        (self.site, self.base, self.headless) = (Arc::new(site), Some(base), true);
        Some(wrong)
    }
}
