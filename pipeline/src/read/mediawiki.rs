//! MediaWiki XML exports, versions 0.3 to 0.11, with or without siteinfo, one page at a time.
//! Only wikitext pages of the article namespace are documents; of a history dump the last revision counts.
//! After a page that cannot be read, or a damaged block of a `.bz2`, reading goes on at the next `<page>`.

use super::bytes::Text;
use super::damaged::Damaged;
use super::{Body, Item, Raw};
use crate::error::{Error, Result};
use crate::wikitext::{Gatherer, Learner, Site};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use tongues_languages::profile;

/// What dumps of the Wikimedia projects are given under.
const LICENCE: &str = "CC BY-SA";

const ARTICLES: i32 = 0;
const TEMPLATES: i32 = 10;
const MODULES: i32 = 828;

/// A dump being read.
pub(super) struct Pages {
    xml: Reader<Text>,
    buffer: Vec<u8>,
    site: Arc<Site>,
    /// Address of the wiki's pages without the title: `https://ltg.wikipedia.org/wiki/`.
    base: Option<String>,
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

enum Tag {
    /// Name, and the attribute `key` where it is a number.
    Open(String, Option<i32>),
    Empty(String),
    Close(String),
    /// End of the file.
    End,
}

#[derive(Default)]
struct Page {
    id: String,
    title: String,
    namespace: Option<i32>,
    redirect: bool,
    timestamp: String,
    model: String,
    format: String,
    text: String,
}

impl Pages {
    /// Reads up to the first page. An error: this is no dump, or has no page.
    pub(super) fn open(path: &Path, mut text: Text) -> Result<Pages> {
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

    /// Goes on after something broken: passes over what comes before the next `<page>`, and the tag; false where none
    /// comes.
    fn find_page(&mut self) -> bool {
        const WANTED: &[u8] = b"<page>";
        let mut position = self.xml.buffer_position();
        let mut text = std::mem::replace(&mut self.xml, lenient(Box::new(std::io::empty()))).into_inner();
        let mut met = 0; // bytes of it
        let found = 'search: loop {
            let bytes = match text.fill_buf() {
                Ok([]) => break false,
                Ok(bytes) => bytes,
                Err(error) if Damaged::is(&error) => {
                    met = 0;
                    continue;
                }
                Err(_) => break false,
            };
            for (at, byte) in bytes.iter().enumerate() {
                met = if *byte == WANTED[met] { met + 1 } else { usize::from(*byte == WANTED[0]) };
                if met == WANTED.len() {
                    position += at as u64 + 1;
                    text.consume(at + 1);
                    break 'search true;
                }
            }
            let count = bytes.len();
            position += count as u64;
            text.consume(count);
        };
        (self.passed, self.xml) = (self.passed + position, lenient(text));
        found
    }

    pub(super) fn site(&self) -> Arc<Site> {
        self.site.clone()
    }

    /// Address of the wiki's pages without the title, where the dump says.
    pub(super) fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// Takes the pages for a wiki in `language`. A head that speaks of the Wikipedia of another language is wrong (dumps
    /// that were put together with another wiki's head): addresses and server become those of the right one, and what
    /// namespaces are called there is known by the head's names, the English ones and those that wikis borrow. Gives
    /// the server that the head names, where it was wrong.
    pub(super) fn claim(&mut self, language: tongues_languages::Tag) -> Option<String> {
        let code = |host: &str| host.trim_start_matches("//").strip_suffix(".wikipedia.org").map(str::to_owned);
        let of_head = profile::for_wikipedia(&code(self.site.server())?)?;
        let wanted = profile::find(language)?;
        let right = wanted.wikipedia.as_deref()?;
        if of_head.tag.language() == wanted.tag.language() {
            return None;
        }
        let wrong = self.site.server().trim_start_matches("//").to_owned();
        let base = format!("https://{right}.wikipedia.org/wiki/");
        let mut site = Site::clone(&self.site);
        let name = site.name().to_owned();
        site.introduce(&name, &base);
        (self.site, self.base) = (Arc::new(site), Some(base));
        Some(wrong)
    }

    /// Reads all pages for their templates, for their modules where they are asked for, and titles, and for what articles
    /// teach of the wiki, `each` being told after every page; what is broken is for the reading of the articles to tell.
    /// Without a gatherer, no more than the learner wants.
    pub(super) fn gather(
        mut self,
        (mut gatherer, modules): (Option<&mut Gatherer>, bool),
        learner: &mut Learner,
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
            let redirect = page.redirect || self.site.is_redirect(&page.text);
            let wikitext = matches!(page.model.as_str(), "" | "wikitext");
            if namespace == ARTICLES && wikitext && !redirect {
                learner.article(&page.title, &page.text, &self.site);
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

    /// The next tag, what stands between tags skipped.
    fn tag(&mut self) -> std::result::Result<Tag, String> {
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer).map_err(|error| error.to_string())? {
                Event::Start(tag) => {
                    let key = tag.try_get_attribute("key").ok().flatten().and_then(|key| key.value.parse().ok());
                    return Ok(Tag::Open(tag.name().as_ref().to_owned(), key));
                }
                Event::Empty(tag) => return Ok(Tag::Empty(tag.name().as_ref().to_owned())),
                Event::End(tag) => return Ok(Tag::Close(tag.name().as_ref().to_owned())),
                Event::Eof => return Ok(Tag::End),
                _ => {}
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
        let mut site = Site::new(namespaces);
        site.introduce(&name, &address);
        self.site = Arc::new(site);
        self.opened = found;
        Ok(found)
    }

    /// Text up to the end tag of `name`, elements inside it ignored.
    fn content(&mut self, name: &str) -> std::result::Result<String, String> {
        let mut text = String::new();
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer).map_err(|error| error.to_string())? {
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::CData(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(c)) => text.push(c),
                    _ => match quick_xml::escape::resolve_xml_entity(&reference) {
                        Some(known) => text.push_str(known),
                        None => {
                            text.push('&');
                            text.push_str(&reference);
                            text.push(';');
                        }
                    },
                },
                Event::End(tag) if tag.name().as_ref() == name => return Ok(text),
                Event::Eof => return Err(format!("the file ends inside <{name}>; expected </{name}>")),
                _ => {}
            }
        }
    }

    /// Up to the end tag of `name`.
    fn pass_over(&mut self, name: &str) -> std::result::Result<(), String> {
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer).map_err(|error| error.to_string())? {
                Event::End(tag) if tag.name().as_ref() == name => return Ok(()),
                Event::Eof => return Err(format!("the file ends inside <{name}>; expected </{name}>")),
                _ => {}
            }
        }
    }

    /// The next whole page, or the title of the broken one and what is wrong.
    fn page(&mut self) -> std::result::Result<Option<Page>, (String, String)> {
        while !self.opened {
            match self.tag().map_err(|cause| (String::new(), cause))? {
                Tag::Open(name, _) if name == "page" => self.opened = true,
                Tag::Close(name) if name == "mediawiki" => return Ok(None),
                Tag::End if !self.wrapped => return Ok(None),
                Tag::End => return Err((String::new(), "the file ends before </mediawiki>: it was cut".to_owned())),
                _ => {}
            }
        }
        self.opened = false;
        let mut page = Page::default();
        match self.fields(&mut page) {
            Ok(()) => Ok(Some(page)),
            Err(cause) => Err((page.title, cause)),
        }
    }

    fn fields(&mut self, page: &mut Page) -> std::result::Result<(), String> {
        let (mut revision, mut inside_revision, mut inside_contributor) = (Page::default(), false, false);
        loop {
            match self.tag()? {
                Tag::Open(name, _) => match name.as_str() {
                    "page" => {
                        self.opened = true;
                        return Err("another <page> begins inside this page".to_owned());
                    }
                    "revision" => (revision, inside_revision) = (Page::default(), true),
                    "contributor" => inside_contributor = true,
                    "redirect" => page.redirect = true,
                    "title" => page.title = self.content("title")?,
                    "ns" => page.namespace = self.content("ns")?.trim().parse().ok(),
                    "id" if !inside_revision && !inside_contributor => page.id = self.content("id")?,
                    "timestamp" if inside_revision => revision.timestamp = self.content("timestamp")?,
                    "model" if inside_revision => revision.model = self.content("model")?,
                    "format" if inside_revision => revision.format = self.content("format")?,
                    "text"
                        if inside_revision
                            && page.namespace.is_some_and(|namespace| !self.wanted.contains(&namespace)) =>
                    {
                        self.pass_over("text")?;
                    }
                    "text" if inside_revision => revision.text = self.content("text")?,
                    _ => {}
                },
                Tag::Empty(name) if name == "redirect" => page.redirect = true,
                Tag::Empty(_) => {}
                Tag::Close(name) => match name.as_str() {
                    "contributor" => inside_contributor = false,
                    "revision" => {
                        inside_revision = false;
                        // ISO 8601 sorts as text.
                        if revision.timestamp >= page.timestamp {
                            let last = std::mem::take(&mut revision);
                            (page.timestamp, page.model) = (last.timestamp, last.model);
                            (page.format, page.text) = (last.format, last.text);
                        }
                    }
                    "page" => return Ok(()),
                    _ => {}
                },
                Tag::End => return Err("the file ends inside this page: it was cut".to_owned()),
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

/// A reader that can begin in the middle of a file, where elements end that it never saw begin.
fn lenient(text: Text) -> Reader<Text> {
    let mut reader = Reader::from_reader(text);
    reader.config_mut().allow_unmatched_ends = true;
    reader
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "<mediawiki version=\"0.10\"><siteinfo><base>https://xy.wikipedia.org/wiki/Main</base><namespaces>\
        <namespace key=\"0\" case=\"first-letter\" /><namespace key=\"6\">Fails</namespace></namespaces></siteinfo>";

    fn page(title: &str, extra: &str, text: &str) -> String {
        format!(
            "<page><title>{title}</title>{extra}<id>7</id><revision><id>9</id><timestamp>2020-01-02T00:00:00Z</timestamp>\
             <contributor><username>u</username><id>3</id></contributor>{text}</revision></page>"
        )
    }

    fn read(xml: String) -> Vec<Item> {
        let mut pages = Pages::open(Path::new("f"), Box::new(std::io::Cursor::new(xml.into_bytes()))).unwrap();
        std::iter::from_fn(|| pages.next()).collect()
    }

    #[test]
    fn articles_are_documents_and_everything_else_is_skipped_by_kind() {
        let xml = [
            HEAD,
            &page("A &amp; B?", "<ns>0</ns>", "<model>wikitext</model><text>x &lt;b&gt; &#263; &amp;nbsp;</text>"),
            &page("R", "<ns>0</ns><redirect title=\"A\" />", "<text>#REDIRECT [[A]]</text>"),
            &page("R", "<ns>0</ns>", "<text>#Redirect [[A]]</text>"),
            &page("Fails:X", "<ns>6</ns>", "<text>x</text>"),
            &page("fails:X", "", "<text>x</text>"),
            &page("C", "<ns>0</ns>", "<model>json</model><text>{}</text>"),
            &page("D", "<ns>0</ns>", "<text bytes=\"0\" />"),
            "</mediawiki>",
        ]
        .concat();
        let all = read(xml);
        let Item::Document(raw) = &all[0] else { panic!("{all:?}") };
        assert_eq!((raw.id.as_str(), raw.title.as_deref()), ("7", Some("A & B?")));
        assert_eq!(raw.url.as_deref(), Some("https://xy.wikipedia.org/wiki/A_%26_B%3F"));
        assert_eq!(raw.timestamp.as_deref(), Some("2020-01-02T00:00:00Z"));
        assert_eq!(raw.body, Body::Wikitext("x <b> ć &nbsp;".to_owned()));
        let kinds: Vec<&str> = all[1..]
            .iter()
            .map(|item| match item {
                Item::Skipped(kind) => *kind,
                _ => panic!("{item:?}"),
            })
            .collect();
        assert_eq!(kinds, ["redirect", "redirect", "namespace", "namespace", "not_wikitext", "empty"]);
    }

    #[test]
    fn of_a_history_the_latest_revision_counts() {
        let revision = |day: u8, text: &str| {
            format!("<revision><timestamp>2020-01-0{day}T00:00:00Z</timestamp><text>{text}</text></revision>")
        };
        let xml = format!(
            "<mediawiki><page><title>A</title><id>1</id>{}{}{}</page></mediawiki>",
            revision(1, "old"),
            revision(3, "new"),
            revision(2, "late")
        );
        let Item::Document(raw) = &read(xml)[0] else { panic!() };
        assert_eq!(
            (raw.timestamp.as_deref(), &raw.body),
            (Some("2020-01-03T00:00:00Z"), &Body::Wikitext("new".into()))
        );
    }

    #[test]
    fn a_cut_dump_gives_its_whole_pages_and_one_failure_with_its_place() {
        let whole = page("A", "", "<text>a</text>");
        let cut = page("Bē", "", "<text>long text &amp; more</text>");
        for end in [cut.len() - 1, cut.find("&amp;").unwrap() + 3, cut.find("<text>").unwrap() + 9] {
            let all = read(format!("{HEAD}{whole}{}", &cut[..end]));
            assert_eq!(all.len(), 2, "{all:?}");
            assert!(matches!(&all[0], Item::Document(_)));
            let Item::Failed { place, cause } = &all[1] else { panic!("{all:?}") };
            assert!(place.contains("\"Bē\"") && place.contains("byte"), "{place}");
            assert!(!cause.is_empty());
        }
        let all = read(format!("{HEAD}{whole}"));
        assert!(matches!(&all[1], Item::Failed { place, .. } if place.contains("after page \"A\"")), "{all:?}");
    }

    #[test]
    fn after_a_broken_page_the_next_one_is_read() {
        let good = |title: &str| page(title, "", "<text>a</text>");
        let unclosed = page("B", "", "<text>b</text>").replace("</page>", "");
        let garbage = "<page><title>C</title><revision><text>c</te<<xt></revision></page>";
        let all = read(format!("{HEAD}{}{unclosed}{}{garbage}{}</mediawiki>", good("A"), good("D"), good("E")));
        let said: Vec<String> = all
            .iter()
            .map(|item| match item {
                Item::Document(raw) => raw.title.clone().unwrap(),
                Item::Failed { place, .. } => format!("failed: {place}"),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(said[0], "A");
        assert!(said[1].starts_with("failed: page \"B\""), "{said:?}");
        assert_eq!(said[2], "D");
        assert_eq!(said.last().unwrap(), "E", "{said:?}");
    }

    #[test]
    fn a_head_of_another_wikipedia_is_not_believed() {
        let head = HEAD.replace("xy.wiki", "en.wiki");
        let open = || {
            let xml = format!("{head}{}</mediawiki>", page("A", "", "<text>a</text>"));
            Pages::open(Path::new("f"), Box::new(std::io::Cursor::new(xml.into_bytes()))).unwrap()
        };
        let url = |mut pages: Pages| match pages.next() {
            Some(Item::Document(raw)) => (raw.url.unwrap(), pages.site().language().to_owned()),
            other => panic!("{other:?}"),
        };
        let mut pages = open();
        assert_eq!(pages.claim("ltg_Latn".parse().unwrap()).as_deref(), Some("en.wikipedia.org"));
        assert_eq!(url(pages), ("https://ltg.wikipedia.org/wiki/A".to_owned(), "ltg".to_owned()));
        for believed in ["eng_Latn", "und_Zyyy"] {
            let mut pages = open();
            assert_eq!(pages.claim(believed.parse().unwrap()), None, "{believed}");
            assert_eq!(url(pages).1, "en");
        }
    }

    #[test]
    fn deleted_texts_and_names_and_missing_heads_are_no_obstacle() {
        let deleted = "<page><title>A</title><ns>0</ns><id>1</id><revision><id>2</id>\
            <timestamp>2020-01-02T00:00:00Z</timestamp><contributor deleted=\"deleted\" /><comment deleted=\"deleted\" />\
            <text deleted=\"deleted\" /></revision></page>";
        let bytes = "<text xml:space=\"preserve\"> b\n c</text><sha1>x</sha1>";
        let all =
            read(format!("{deleted}<page><title>B</title><ns>0</ns><id>3</id><revision>{bytes}</revision></page>"));
        assert_eq!(all[0], Item::Skipped("empty"));
        let Item::Document(raw) = &all[1] else { panic!("{all:?}") };
        assert_eq!((raw.id.as_str(), &raw.url, &raw.timestamp), ("3", &None, &None));
        assert_eq!(raw.body, Body::Wikitext(" b\n c".to_owned()));
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn what_is_no_dump_is_refused_with_what_it_is() {
        let said = |text: &str| {
            let text: Text = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
            Pages::open(Path::new("f"), text).err().expect("refused").to_string()
        };
        assert!(said("<!DOCTYPE html><html><body>404</body></html>").contains("found an HTML page"));
        assert!(said("").contains("an empty file"));
        assert!(said("{\"Ab\":1}").contains("found \"{\\\"Ab\\\":1}\", which is no XML"));
        assert!(said("<mediawiki></mediawiki>").contains("found no <page>; expected a MediaWiki XML export"));
    }
}
