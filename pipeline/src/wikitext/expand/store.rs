//! The templates and modules of a dump, gathered in a first pass over it; and of its articles those that are made to be
//! included in others (`<onlyinclude>`), or that a page before them includes (`{{:Page}}`).
//!
//! Sources lie in a temporary file without a name (in `TMPDIR`) that is mapped into memory: what is resident is what
//! is used, and the system may drop it. In memory of our own are 24 bytes a template, 8 a page (for `#ifexist`), and
//! the parsed templates that were met first, up to a bound.

use super::time::Moment;
use super::tree::Body;
use crate::wikitext::site::{MODULE, Site, TEMPLATE};
use crate::wikitext::title::Title;
use memmap2::Mmap;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Redirects followed one after another. The wiki follows one; bots repair the others.
const REDIRECTS: usize = 4;
/// Bytes of sources kept parsed; their trees take about three times as much.
const KEPT_PARSED: usize = 32 << 20;

/// Bytes of an article that is kept, and of all of them.
const LONGEST_ARTICLE: usize = 256 << 10;
const ARTICLES: u64 = 64 << 20;
/// Articles to keep because somebody calls them, at most.
const CALLED: usize = 100_000;
/// What a page says that is made to be included.
const MARKS: [&str; 3] = ["<onlyinclude", "<noinclude", "<includeonly"];

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Template,
    Module,
    Article,
}

impl Kind {
    fn of(namespace: i32) -> Kind {
        match namespace {
            MODULE => Kind::Module,
            TEMPLATE => Kind::Template,
            _ => Kind::Article,
        }
    }
}

/// Where a template, module or article lies.
struct Entry {
    hash: u64,
    offset: u64,
    length: u32,
    /// The name comes first, then the source or, of a redirect, the name it leads to.
    name_length: u16,
    redirect: bool,
    kind: Kind,
}

/// Of the stores made in this process, one after the other.
static STORES: AtomicU64 = AtomicU64::new(0);

/// Templates and titles of one wiki; the same whatever reads it and in what order.
pub struct Templates {
    map: Option<Mmap>,
    /// By hash; of two with one name the first in the dump comes first.
    entries: Vec<Entry>,
    /// Hashes of all titles, sorted.
    titles: Vec<u64>,
    date: Moment,
    modules: bool,
    /// Tells stores apart.
    number: u64,
    parsed: RwLock<HashMap<usize, Arc<Body>>>,
    parsed_bytes: AtomicUsize,
}

/// Takes in the pages of a dump.
pub struct Gatherer {
    file: BufWriter<File>,
    length: u64,
    entries: Vec<Entry>,
    titles: Vec<u64>,
    latest: String,
    /// Hashes of the articles that pages call.
    called: HashSet<u64>,
    article_bytes: u64,
}

impl Gatherer {
    /// An empty one.
    ///
    /// # Errors
    /// No temporary file can be made.
    pub fn new() -> Result<Gatherer> {
        let file = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
        let (entries, titles, latest) = (Vec::new(), Vec::new(), String::new());
        Ok(Gatherer { file, length: 0, entries, titles, latest, called: HashSet::new(), article_bytes: 0 })
    }

    /// A page of any namespace, by its title as the dump has it, and the time of its last revision (ISO 8601).
    pub fn page(&mut self, namespace: i32, title: &str, timestamp: &str) {
        if timestamp > self.latest.as_str() {
            timestamp.clone_into(&mut self.latest);
        }
        self.titles.push(hash(namespace, name_of(namespace, title)));
    }

    /// A template by its title as the dump has it; a redirect has no source but the template it leads to.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn template(&mut self, title: &str, source: &str, redirect: bool, site: &Site) -> Result<()> {
        let name = name_of(TEMPLATE, title);
        self.calls(source, site);
        let target = if redirect { target(source, site) } else { None };
        if redirect && target.is_none() {
            return Ok(()); // It leads out of the namespace, to what is not gathered.
        }
        let text = target.as_ref().map_or(source, |target| &target.name);
        self.add(Kind::Template, name, text, target.is_some())
    }

    /// An article, which is kept where another page may include it. One that a page behind it calls is known too late.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn article(&mut self, title: &str, source: &str, site: &Site) -> Result<()> {
        self.calls(source, site);
        let length = source.len() as u64;
        let wanted = MARKS.iter().any(|mark| source.contains(mark)) || self.called.contains(&hash(0, title));
        if !wanted || source.len() > LONGEST_ARTICLE || self.article_bytes + length > ARTICLES {
            return Ok(());
        }
        self.article_bytes += length;
        self.add(Kind::Article, title, source, false)
    }

    /// Notes the articles that a source includes.
    fn calls(&mut self, source: &str, site: &Site) {
        // Few do, and looking whether is faster than splitting.
        let parts = source.contains("{{:").then(|| source.split("{{:").skip(1));
        for part in parts.into_iter().flatten() {
            let name = part.split(['|', '}', '{', '\n']).next().unwrap_or_default();
            if let Some(title) = Title::read(name, 0, site).filter(|title| title.namespace == 0)
                && self.called.len() < CALLED
            {
                self.called.insert(hash(0, &title.name));
            }
        }
    }

    fn add(&mut self, kind: Kind, name: &str, text: &str, redirect: bool) -> Result<()> {
        let (Ok(length), Ok(name_length)) = (u32::try_from(text.len()), u16::try_from(name.len())) else {
            return Ok(()); // Four gigabytes are no template.
        };
        self.file.write_all(name.as_bytes())?;
        self.file.write_all(text.as_bytes())?;
        let namespace = match kind {
            Kind::Template => TEMPLATE,
            Kind::Module => MODULE,
            Kind::Article => 0,
        };
        let (hash, offset) = (hash(namespace, name), self.length);
        self.entries.push(Entry { hash, offset, length, name_length, redirect, kind });
        self.length += u64::from(length) + u64::from(name_length);
        Ok(())
    }

    /// A module by its title as the dump has it: its Lua, or data in JSON.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn module(&mut self, title: &str, source: &str) -> Result<()> {
        self.add(Kind::Module, name_of(MODULE, title), source, false)
    }

    /// The store; none where the dump has neither template nor module: its pages are then read as they are written.
    ///
    /// # Errors
    /// The temporary file cannot be written or mapped.
    pub fn finish(self) -> Result<Option<Templates>> {
        let Gatherer { file, length, mut entries, mut titles, latest, .. } = self;
        if entries.iter().all(|entry| entry.kind == Kind::Article) {
            return Ok(None);
        }
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        // SAFETY: the file has no name, so nobody else can change it, and nothing writes to it any more.
        let map = if length > 0 { Some(unsafe { Mmap::map(&file)? }) } else { None };
        entries.sort_by_key(|entry| (entry.hash, entry.offset));
        titles.sort_unstable();
        titles.dedup();
        entries.shrink_to_fit();
        titles.shrink_to_fit();
        let date = Moment::parse_timestamp(&latest).or_else(|| Moment::day(1970, 1, 1)).expect("a day");
        let (parsed, parsed_bytes) = (RwLock::default(), AtomicUsize::new(0));
        let modules = entries.iter().any(|entry| entry.kind == Kind::Module);
        let number = STORES.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Templates { map, entries, titles, date, modules, number, parsed, parsed_bytes }))
    }
}

impl Templates {
    /// How many templates there are, redirects included.
    pub fn count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.kind == Kind::Template).count()
    }

    /// Whether modules were gathered, so that they can be run.
    pub(super) fn has_modules(&self) -> bool {
        self.modules
    }

    /// No other store in this process has it.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The source of a module, by its name without the namespace.
    pub(super) fn module(&self, name: &str) -> Option<&str> {
        self.entry(MODULE, name).map(|(_, text)| text)
    }

    /// When the dump was made: the time of its latest revision.
    pub(super) fn date(&self) -> Moment {
        self.date
    }

    /// Whether the dump has a page.
    pub(super) fn exists(&self, title: &Title) -> bool {
        self.titles.binary_search(&hash(title.namespace, &title.name)).is_ok()
    }

    /// A template, redirects followed, or an article: its own title and what it gives to a page.
    pub(super) fn find(&self, title: &Title) -> Option<(Title, Arc<Body>)> {
        if title.namespace == 0 {
            let (index, text) = self.entry(0, &title.name)?;
            return Some((title.clone(), self.parsed(index, text)));
        }
        if !title.is_template() {
            return None;
        }
        let mut name = title.name.as_str();
        for _ in 0..=REDIRECTS {
            let (index, text) = self.entry(TEMPLATE, name)?;
            if !self.entries[index].redirect {
                return Some((Title { namespace: TEMPLATE, name: name.to_owned() }, self.parsed(index, text)));
            }
            name = text;
        }
        None
    }

    fn entry(&self, namespace: i32, name: &str) -> Option<(usize, &str)> {
        let wanted = hash(namespace, name);
        let first = self.entries.partition_point(|entry| entry.hash < wanted);
        let same = self.entries[first..].iter().take_while(|entry| entry.hash == wanted);
        same.enumerate().find_map(|(i, entry)| {
            let begin = entry.offset as usize;
            let middle = begin + usize::from(entry.name_length);
            let bytes = self.map.as_deref()?.get(begin..middle + entry.length as usize)?;
            let (found, text) = std::str::from_utf8(bytes).ok()?.split_at(middle - begin);
            (found == name && entry.kind == Kind::of(namespace)).then_some((first + i, text))
        })
    }

    fn parsed(&self, index: usize, text: &str) -> Arc<Body> {
        if let Some(body) = self.parsed.read().expect("nobody panics with it").get(&index) {
            return body.clone();
        }
        let body = Arc::new(Body::parse(text, true));
        if self.parsed_bytes.fetch_add(text.len(), Ordering::Relaxed) < KEPT_PARSED {
            self.parsed.write().expect("nobody panics with it").insert(index, body.clone());
        }
        body
    }
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates").field("count", &self.count()).finish_non_exhaustive()
    }
}

fn hash(namespace: i32, name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), namespace as u64)
}

/// A title without its namespace.
fn name_of(namespace: i32, title: &str) -> &str {
    match title.split_once(':') {
        Some((_, name)) if namespace != 0 => name,
        _ => title,
    }
}

/// The template a redirect leads to.
fn target(source: &str, site: &Site) -> Option<Title> {
    let link = source.split_once("[[")?.1.split_once("]]")?.0;
    let title = Title::read(link.split('|').next()?, 0, site)?;
    title.is_template().then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered() -> Templates {
        let site = Site::default();
        let mut gatherer = Gatherer::new().unwrap();
        gatherer.page(0, "Lobs: a", "2018-02-28T13:05:09Z");
        gatherer.page(14, "Kategoreja:X", "2017-02-28T13:05:09Z");
        for (title, source, redirect) in [
            ("Taiss:A", "{{{1}}}", false),
            ("Taiss:B", "#REDIRECT [[Template:a]]", true),
            ("Taiss:C", "#REDIRECT [[template:B#x|y]]", true),
            ("Taiss:Loop", "#REDIRECT [[Template:Loop]]", true),
            ("Taiss:Out", "#REDIRECT [[Lobs]]", true),
            ("Taiss:A", "second", false),
            ("Taiss:Empty", "", false),
        ] {
            gatherer.template(title, source, redirect, &site).unwrap();
        }
        gatherer.finish().unwrap().unwrap()
    }

    #[test]
    fn templates_are_found_by_name_and_through_redirects() {
        let templates = gathered();
        let find = |name: &str| {
            let found = templates.find(&Title { namespace: TEMPLATE, name: name.to_owned() });
            found.map(|(title, body)| (title.name, body.length()))
        };
        assert_eq!(templates.count(), 6);
        for name in ["A", "B", "C"] {
            assert_eq!(find(name), Some(("A".to_owned(), 7)), "{name}");
        }
        assert_eq!(find("Empty"), Some(("Empty".to_owned(), 0)));
        assert_eq!(find("Loop"), None);
        assert_eq!(find("D"), None);
        assert_eq!(find("Out"), None);
        assert_eq!(templates.date().format("Y-m-d", ""), "2018-02-28");
        let exists = |namespace, name: &str| templates.exists(&Title { namespace, name: name.to_owned() });
        assert!(exists(0, "Lobs: a") && exists(14, "X") && !exists(0, "X") && !exists(14, "Kategoreja:X"));
    }

    #[test]
    fn modules_are_found_by_name_and_are_no_templates() {
        let mut gatherer = Gatherer::new().unwrap();
        gatherer.module("Modulis:A/dati", "return {}").unwrap();
        let templates = gatherer.finish().unwrap().unwrap();
        assert_eq!((templates.module("A/dati"), templates.module("B")), (Some("return {}"), None));
        assert!(templates.find(&Title { namespace: TEMPLATE, name: "A/dati".to_owned() }).is_none());
        assert!(templates.has_modules() && !gathered().has_modules());
        assert_eq!(templates.count(), 0);
        assert_ne!(templates.number(), gathered().number());
    }

    #[test]
    fn articles_are_kept_that_are_made_to_be_included_or_were_called_before() {
        let site = Site::default();
        let mut gatherer = Gatherer::new().unwrap();
        let pages =
            [("Before", "x"), ("List", "a<onlyinclude>b</onlyinclude>"), ("Caller", "{{:after}} {{:Before|1}}")];
        let long = "y".repeat(LONGEST_ARTICLE + 1);
        for (title, source) in pages.into_iter().chain([("After", "y"), ("Other", "y"), ("After", &long)]) {
            gatherer.article(title, source, &site).unwrap();
        }
        gatherer.template("Template:A", "{{:After}}", false, &site).unwrap();
        let templates = gatherer.finish().unwrap().unwrap();
        let find = |name: &str| templates.find(&Title { namespace: 0, name: name.to_owned() }).is_some();
        assert_eq!(["List", "After", "Before", "Other"].map(find), [true, true, false, false]);
        assert_eq!(templates.count(), 1);
    }

    #[test]
    fn a_dump_without_templates_has_no_store() {
        let mut gatherer = Gatherer::new().unwrap();
        gatherer.page(0, "A", "");
        gatherer.article("A", "<onlyinclude>x</onlyinclude>", &Site::default()).unwrap();
        assert!(gatherer.finish().unwrap().is_none());
    }
}
