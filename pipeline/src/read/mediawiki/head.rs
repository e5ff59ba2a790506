//! The head of a dump, and whether it is believed.

use super::split::Splitter;
use super::xml::{Events, Parser, Tag};
use super::{Head, Pages};
use crate::error::{Error, Result};
use crate::read::bytes::Text;
use crate::wikitext::Site;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use tongues_languages::profile;

impl Pages {
    /// Reads up to the first page. An error: this is no dump, or has no page.
    pub(in crate::read) fn open(path: &Path, text: Text) -> Result<Pages> {
        let mut splitter = Splitter::new(text);
        let begin = splitter.begin().map_err(Error::io("read", path))?;
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
        let mut head = Head { headless: true, ..Head::default() };
        let mut wrapped = false;
        let found = splitter.stream(|parser| {
            let found = head.read(parser, &mut wrapped);
            parser.opened = found == Ok(true);
            found
        });
        splitter.wrapped = wrapped;
        match found {
            Ok(true) => {}
            Ok(false) => return Err(refuse(String::new(), "no <page>")),
            Err(cause) => {
                let place = format!("byte {} of the XML", splitter.position());
                if !splitter.find_page() {
                    return Err(refuse(place, &cause));
                }
                splitter.broken = Some(cause);
            }
        }
        Ok(Pages { head: Arc::new(head), splitter, ready: VecDeque::new() })
    }

    /// Takes the pages for a wiki in `language`. A head that speaks of the Wikipedia of another language is wrong (dumps
    /// that were put together with another wiki's head): addresses and server become those of the right one, and what
    /// namespaces are called there is known by the head's names, the English ones and those that wikis borrow. Gives
    /// the server that the head names, where it was wrong. A head without an address learns its language.
    pub(in crate::read) fn claim(&mut self, language: tongues_languages::Tag) -> Option<String> {
        let code = |host: &str| host.trim_start_matches("//").strip_suffix(".wikipedia.org").map(str::to_owned);
        let head = Arc::make_mut(&mut self.head);
        let wanted = profile::find(language)?;
        let right = wanted.wikipedia.as_deref()?;
        if head.site.server().is_empty() {
            Arc::make_mut(&mut head.site).speak(right);
            return None;
        }
        let of_head = profile::for_wikipedia(&code(head.site.server())?)?;
        if of_head.tag.language() == wanted.tag.language() {
            return None;
        }
        let wrong = head.site.server().trim_start_matches("//").to_owned();
        let base = format!("https://{right}.wikipedia.org/wiki/");
        let mut site = Site::clone(&head.site);
        let name = site.name().to_owned();
        site.introduce(&name, &base);
        (head.site, head.base, head.headless) = (Arc::new(site), Some(base), true);
        Some(wrong)
    }
}

impl Head {
    /// Siteinfo, up to the opening tag of the first page; false where there is none. `wrapped`: whether the pages stand
    /// inside `<mediawiki>`.
    fn read<E: Events>(&mut self, parser: &mut Parser<E>, wrapped: &mut bool) -> std::result::Result<bool, String> {
        let (mut namespaces, mut name, mut address) = (BTreeMap::new(), String::new(), String::new());
        let found = loop {
            match parser.tag()? {
                Tag::Open(name, _) if name == "page" => break true,
                Tag::Open(name, key) if name == "namespace" => {
                    let text = parser.content(&name)?;
                    if let Some(key) = key {
                        namespaces.insert(key, text);
                    }
                }
                Tag::Open(tag, _) if tag == "sitename" => name = parser.content(&tag)?,
                Tag::Open(tag, _) if tag == "base" => {
                    address = parser.content(&tag)?;
                    self.base = address.rfind('/').map(|slash| address[..=slash].to_owned());
                }
                Tag::Open(name, _) if name == "mediawiki" => *wrapped = true,
                Tag::End => break false,
                _ => {}
            }
        };
        self.headless = namespaces.values().all(String::is_empty);
        let mut site = Site::new(namespaces);
        site.introduce(&name, &address);
        self.site = Arc::new(site);
        Ok(found)
    }
}
