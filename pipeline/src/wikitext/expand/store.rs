//! The templates of a dump, gathered in a first pass over it.
//!
//! Sources lie in a temporary file without a name (in `TMPDIR`) that is mapped into memory: what is resident is what
//! is used, and the system may drop it. In memory of our own are 24 bytes a template, 8 a page (for `#ifexist`), and
//! the parsed templates that were met first, up to a bound.

use super::time::Moment;
use super::tree::Body;
use crate::wikitext::site::{Site, TEMPLATE};
use crate::wikitext::title::Title;
use memmap2::Mmap;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Redirects followed one after another. The wiki follows one; bots repair the others.
const REDIRECTS: usize = 4;
/// Bytes of sources kept parsed; their trees take about three times as much.
const KEPT_PARSED: usize = 32 << 20;

/// Where a template lies.
struct Entry {
    hash: u64,
    offset: u64,
    length: u32,
    /// The name comes first, then the source or, of a redirect, the name it leads to.
    name_length: u16,
    redirect: bool,
}

/// Templates and titles of one wiki; the same whatever reads it and in what order.
pub struct Templates {
    map: Option<Mmap>,
    /// By hash; of two with one name the first in the dump comes first.
    entries: Vec<Entry>,
    /// Hashes of all titles, sorted.
    titles: Vec<u64>,
    date: Moment,
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
}

impl Gatherer {
    /// An empty one.
    ///
    /// # Errors
    /// No temporary file can be made.
    pub fn new() -> Result<Gatherer> {
        let file = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
        Ok(Gatherer { file, length: 0, entries: Vec::new(), titles: Vec::new(), latest: String::new() })
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
        let target = if redirect { target(source, site) } else { None };
        if redirect && target.is_none() {
            return Ok(()); // It leads out of the namespace, to what is not gathered.
        }
        let text = target.as_ref().map_or(source, |target| &target.name);
        let (Ok(length), Ok(name_length)) = (u32::try_from(text.len()), u16::try_from(name.len())) else {
            return Ok(()); // Four gigabytes are no template.
        };
        self.file.write_all(name.as_bytes())?;
        self.file.write_all(text.as_bytes())?;
        let redirect = target.is_some();
        self.entries.push(Entry { hash: hash(TEMPLATE, name), offset: self.length, length, name_length, redirect });
        self.length += u64::from(length) + u64::from(name_length);
        Ok(())
    }

    /// The store; none where the dump has no template.
    ///
    /// # Errors
    /// The temporary file cannot be written or mapped.
    pub fn finish(self) -> Result<Option<Templates>> {
        let Gatherer { file, length, mut entries, mut titles, latest } = self;
        if entries.is_empty() {
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
        Ok(Some(Templates { map, entries, titles, date, parsed, parsed_bytes }))
    }
}

impl Templates {
    /// How many there are, redirects included.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// When the dump was made: the time of its latest revision.
    pub(super) fn date(&self) -> Moment {
        self.date
    }

    /// Whether the dump has a page.
    pub(super) fn exists(&self, title: &Title) -> bool {
        self.titles.binary_search(&hash(title.namespace, &title.name)).is_ok()
    }

    /// A template, redirects followed: its own title and what it gives to a page.
    pub(super) fn find(&self, title: &Title) -> Option<(Title, Arc<Body>)> {
        if !title.is_template() {
            return None;
        }
        let mut name = title.name.as_str();
        for _ in 0..=REDIRECTS {
            let (index, text) = self.entry(name)?;
            if !self.entries[index].redirect {
                return Some((Title { namespace: TEMPLATE, name: name.to_owned() }, self.parsed(index, text)));
            }
            name = text;
        }
        None
    }

    fn entry(&self, name: &str) -> Option<(usize, &str)> {
        let wanted = hash(TEMPLATE, name);
        let first = self.entries.partition_point(|entry| entry.hash < wanted);
        let same = self.entries[first..].iter().take_while(|entry| entry.hash == wanted);
        same.enumerate().find_map(|(i, entry)| {
            let begin = entry.offset as usize;
            let middle = begin + usize::from(entry.name_length);
            let bytes = self.map.as_deref()?.get(begin..middle + entry.length as usize)?;
            let (found, text) = std::str::from_utf8(bytes).ok()?.split_at(middle - begin);
            (found == name).then_some((first + i, text))
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
    fn a_dump_without_templates_has_no_store() {
        let mut gatherer = Gatherer::new().unwrap();
        gatherer.page(0, "A", "");
        assert!(gatherer.finish().unwrap().is_none());
    }
}
