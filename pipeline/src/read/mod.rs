//! Files become documents: dumps, lines, pages and tables, whatever their compression, one item at a time; archives of
//! files too.
//!
//! A broken record is an [`Item::Failed`] and reading goes on; a file that is not what it should be is an error.

mod archive;
mod bible;
mod bytes;
mod bzip2;
mod damaged;
mod encoding;
mod folder;
mod gzip_members;
mod html;
mod lines;
mod mediawiki;
mod separated;
mod stores;
mod warc;

use crate::error::{Error, Result};
use crate::io::table;
use crate::wikitext::{self, MarkupSettings, Page, PageText, Variant, Wiki};
use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tongues_languages::Tag;

pub use folder::files_in;
pub use html::HtmlContent;
pub use stores::{Gathered, gather_templates};

/// Bytes of a file by which its format is told.
const LOOKED_AT: u64 = 4096;
/// Items of a batch and bytes of their sources, at most: large enough to be worth handing over, small enough for every
/// core to get some of a small file.
const AT_ONCE: usize = 500;
const BYTES_AT_ONCE: usize = 1 << 18;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A MediaWiki XML export.
    Mediawiki,
    /// One JSON object a line.
    Jsonl,
    /// The whole file is one document.
    TextFile,
    /// Every line is a document.
    TextLines,
    /// Documents are separated by blank lines.
    TextParagraphs,
    /// The file is one web page.
    Html,
    /// A Parquet table, one row a document.
    Parquet,
    /// Values separated by tabs, names of the columns first, one row a document.
    Tsv,
    /// The same, separated by commas.
    Csv,
    /// A web archive: responses are web pages, conversions (WET) are texts.
    Warc,
    /// A bible in XML, a chapter a document.
    BibleXml,
}

impl Format {
    /// By the name, a compression suffix set aside; none where the name says nothing.
    ///
    /// ```
    /// use tongues_pipeline::read::Format;
    /// assert_eq!(Format::guess("xywiki.xml.bz2".as_ref()), Some(Format::Mediawiki));
    /// ```
    pub fn guess(path: &Path) -> Option<Format> {
        let name = path.file_name()?.to_str()?.to_lowercase();
        let bare = [".bz2", ".gz", ".xz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        match bare.rsplit_once('.')?.1 {
            "xml" => Some(Format::Mediawiki),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            "txt" => Some(Format::TextFile),
            "html" | "htm" | "xhtml" => Some(Format::Html),
            "parquet" => Some(Format::Parquet),
            "tsv" => Some(Format::Tsv),
            "csv" => Some(Format::Csv),
            "warc" | "wet" => Some(Format::Warc),
            _ => None,
        }
    }

    /// By name and first bytes; none where they say nothing.
    fn find(path: &Path) -> Option<Format> {
        let named = Format::guess(path);
        // A look into .bz2 costs as much as decoding its first blocks, and it is a dump but for rare exceptions.
        let is_bz2 = path.extension().is_some_and(|end| end == "bz2");
        if named.is_some_and(|format| format != Format::Mediawiki || is_bz2) {
            return named;
        }
        let mut begin = Vec::new();
        match bytes::decompressed(path).ok()?.0.take(LOOKED_AT).read_to_end(&mut begin) {
            Ok(_) => Format::of_bytes(named, &begin),
            Err(_) => named,
        }
    }

    /// By the first bytes, where the name says nothing or only `.xml`.
    fn of_bytes(named: Option<Format>, begin: &[u8]) -> Option<Format> {
        if named.is_some_and(|format| format != Format::Mediawiki) {
            return named;
        }
        let begin = &begin[..begin.len().min(LOOKED_AT as usize)];
        let text = encoding::whole(begin, None, &encoding::Decoding::default()).to_lowercase();
        let text = text.trim_start();
        let bibles = ["<cesdoc", "<xmlbible", "<bible", "<osis", "<usx"];
        let found = match text {
            _ if begin.starts_with(b"PAR1") => Some(Format::Parquet),
            _ if text.starts_with("warc/") => Some(Format::Warc),
            _ if text.contains("<mediawiki") => Some(Format::Mediawiki),
            _ if bibles.iter().any(|root| text.contains(root)) => Some(Format::BibleXml),
            _ if text.starts_with("<!doctype html") || text.starts_with("<html") => Some(Format::Html),
            _ if text.starts_with('{') => Some(Format::Jsonl),
            _ => None,
        };
        match (named, found) {
            // What is no dump is told when it is opened as one.
            (Some(_), Some(Format::BibleXml)) | (None, _) => found,
            _ => named,
        }
    }
}

/// What becomes of a wiki's templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateUse {
    /// What the dump's own templates give is text of the page, where the dump has templates.
    #[default]
    Expand,
    /// Calls of templates are left out, but for those that only dress their text.
    Drop,
}

/// What becomes of a wiki's modules, programs in Lua that its templates call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModuleUse {
    /// They run, and what they say is text of the page.
    Run,
    /// Calls of modules are left out.
    #[default]
    Drop,
}

/// How a source is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadSettings {
    /// None: by the file's name and first bytes.
    pub format: Option<Format>,
    /// Field (JSONL) or column (Parquet, TSV, CSV) that holds the text.
    pub text_column: String,
    /// Field or column of the id; none: the record's number.
    pub id_column: Option<String>,
    /// Field or column of the title.
    pub title_column: Option<String>,
    /// Field or column of the address.
    pub url_column: Option<String>,
    /// Field or column of the time.
    pub timestamp_column: Option<String>,
    /// Cut from the beginning of every text that has it; `#` stands for one digit or more: `content_#` and a tab.
    pub drop_prefix: Option<String>,
    /// Of dumps.
    pub templates: TemplateUse,
    /// Of dumps: what becomes of the parts of a page.
    pub markup: MarkupSettings,
    /// Of dumps whose templates are expanded.
    pub modules: ModuleUse,
    /// Of web pages.
    pub html_content: HtmlContent,
    /// A label of the Encoding Standard, as `windows-1257`; none: by what the file says and looks like.
    pub encoding: Option<String>,
}

impl Default for ReadSettings {
    fn default() -> Self {
        ReadSettings {
            format: None,
            text_column: "text".to_owned(),
            id_column: None,
            title_column: None,
            url_column: None,
            timestamp_column: None,
            drop_prefix: None,
            templates: TemplateUse::default(),
            markup: MarkupSettings::default(),
            modules: ModuleUse::default(),
            html_content: HtmlContent::default(),
            encoding: None,
        }
    }
}

impl ReadSettings {
    /// The encoding that is asked for. An error: there is no such encoding.
    pub fn encoding(&self) -> Result<Option<&'static Encoding>> {
        let unknown = |label: &String| {
            Error::Settings(format!(
                "encoding {label:?}: expected a label of the Encoding Standard, as \"windows-1257\""
            ))
        };
        let find = |label: &String| Encoding::for_label(label.as_bytes()).ok_or_else(|| unknown(label));
        self.encoding.as_ref().map(find).transpose()
    }

    /// As it is said, or by name and first bytes.
    fn format_of(&self, path: &Path) -> Option<Format> {
        self.format.or_else(|| Format::find(path))
    }
}

/// A document as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// Unique within the file.
    pub id: String,
    /// Title.
    pub title: Option<String>,
    /// Where a reader finds it.
    pub url: Option<String>,
    /// As the file has it; ISO 8601 in dumps.
    pub timestamp: Option<String>,
    /// What the format itself says of the licence.
    pub licence: Option<String>,
    /// The text.
    pub body: Body,
}

impl Raw {
    /// Bytes of what its text is made of.
    pub fn size(&self) -> usize {
        match &self.body {
            Body::Text(source) | Body::Html(source, _) | Body::Wikitext(source) => source.len(),
        }
    }

    /// A document with nothing but a text.
    fn plain(id: impl ToString, text: String) -> Raw {
        Raw { id: id.to_string(), title: None, url: None, timestamp: None, licence: None, body: Body::Text(text) }
    }
}

/// A text with its markup.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Plain.
    Text(String),
    /// A web page.
    Html(String, HtmlContent),
    /// A wiki page.
    Wikitext(String),
}

/// What a reader comes upon.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A document.
    Document(Raw),
    /// Something that is no document, by kind: `redirect`, `namespace`, `not_wikitext`, `empty`.
    Skipped(&'static str),
    /// A record that cannot be read.
    Failed {
        /// Line, row, or page and byte.
        place: String,
        /// What is wrong with it.
        cause: String,
    },
}

enum Source {
    Mediawiki(Box<mediawiki::Pages>),
    Again(Box<mediawiki::Again>),
    Lines(lines::Lines),
    Once(Option<Item>),
    Table(Box<table::Rows>),
    Separated(Box<separated::Rows>),
    Warc(Box<warc::Records>),
    Bible(Box<bible::Chapters>),
    Archive(Box<archive::Members>),
}

impl Source {
    fn next(&mut self) -> Result<Option<Item>> {
        Ok(match self {
            Source::Mediawiki(pages) => pages.next(),
            Source::Again(pages) => pages.next().map_err(Error::io("read", &std::env::temp_dir()))?,
            Source::Lines(lines) => lines.next()?,
            Source::Once(item) => item.take(),
            Source::Table(rows) => rows.next()?,
            Source::Separated(rows) => rows.next(),
            Source::Warc(records) => records.next(),
            Source::Bible(chapters) => chapters.next(),
            Source::Archive(members) => members.next()?,
        })
    }
}

/// Some items of a file, some of the work still to be done, which any thread can do.
pub struct Batch {
    content: Content,
    drop_prefix: Option<String>,
    /// Bytes of the file read up to its end.
    pub read: u64,
}

enum Content {
    Items(Vec<Item>),
    Pages(mediawiki::Batch),
}

impl Batch {
    /// The items.
    pub fn items(self) -> Vec<Item> {
        match self.content {
            Content::Items(items) => items,
            Content::Pages(pages) => {
                let whole = pages.items().into_iter();
                whole.map(|item| without_prefix(item, self.drop_prefix.as_deref())).collect()
            }
        }
    }
}

/// A file being read.
pub struct Reader {
    source: Source,
    meters: bytes::Meters,
    file_bytes: u64,
    drop_prefix: Option<String>,
    markup: MarkupSettings,
}

/// Opens `path`. An error: the file is missing, or not of the format at all.
pub fn open(path: &Path, settings: &ReadSettings) -> Result<Reader> {
    let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
    let input = |found: &str, expected: String| Error::Input {
        path: path.to_owned(),
        place: String::new(),
        found: found.to_owned(),
        expected,
    };
    let meters = bytes::Meters::default();
    let archive = archive::kind(path);
    let (source, meters) = if let Some(kind) = archive {
        let (members, counter) = archive::Members::open(path, kind, settings, meters.decoding.clone())?;
        (Source::Archive(Box::new(members)), bytes::Meters { counter, ..meters })
    } else {
        let format = settings.format_of(path).ok_or_else(|| {
            let known = ".xml, .jsonl, .txt, .html, .warc, .wet, .parquet, .tsv or .csv (may be compressed, or in a .tar \
                         or .zip), or `format` in the source's settings";
            input("a file whose name and first bytes tell no format", known.to_owned())
        })?;
        if metadata.len() == 0 {
            return Err(input("an empty file", format!("a file of format {format:?}")));
        }
        if format == Format::Parquet {
            (Source::Table(Box::new(table::Rows::open(path, settings)?)), meters)
        } else {
            let (bytes, counter) = bytes::decompressed(path)?;
            (source(path, format, bytes, settings, &meters.decoding)?, bytes::Meters { counter, ..meters })
        }
    };
    let (drop_prefix, markup) = (settings.drop_prefix.clone(), settings.markup);
    Ok(Reader { source, meters, file_bytes: metadata.len(), drop_prefix, markup })
}

/// Opens `path` as [`open`] does, or what the first pass over it kept of it; the language is the one that it was gathered
/// for.
pub fn open_gathered(path: &Path, settings: &ReadSettings, gathered: &Gathered) -> Result<Reader> {
    let Some(kept) = &gathered.kept else { return open(path, settings) };
    let file_bytes = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    let (source, meters) = (Source::Again(Box::new(mediawiki::Again::new(kept.clone()))), kept.meters.clone());
    Ok(Reader { source, meters, file_bytes, drop_prefix: settings.drop_prefix.clone(), markup: settings.markup })
}

/// What reads the bytes of a file of any format but Parquet.
fn source(
    path: &Path,
    format: Format,
    bytes: Box<dyn Read + Send>,
    settings: &ReadSettings,
    decoding: &encoding::Decoding,
) -> Result<Source> {
    if format == Format::Warc {
        return Ok(Source::Warc(Box::new(warc::Records::new(bytes, settings.html_content, decoding.clone()))));
    }
    let text = bytes::text(bytes, settings.encoding()?, decoding);
    Ok(match format {
        Format::Mediawiki => Source::Mediawiki(Box::new(mediawiki::Pages::open(path, text)?)),
        Format::BibleXml => Source::Bible(Box::new(bible::Chapters::new(text))),
        Format::Html => Source::Once(Some(html::page(path, text, settings.html_content)?)),
        Format::Tsv | Format::Csv => Source::Separated(Box::new(separated::Rows::open(path, text, format, settings)?)),
        _ => Source::Lines(lines::Lines::new(path, text, format, settings)),
    })
}

impl Reader {
    /// The next item; none at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Item>> {
        Ok(self.source.next()?.map(|item| without_prefix(item, self.drop_prefix.as_deref())))
    }

    /// Some items more, none at the end; not after [`Reader::next`], which may keep some at hand.
    pub fn batch(&mut self) -> Result<Option<Batch>> {
        let temporary = std::env::temp_dir();
        let content = match &mut self.source {
            Source::Mediawiki(pages) => pages.batch().map(Content::Pages),
            Source::Again(pages) => pages.batch().map_err(Error::io("read", &temporary))?.map(Content::Pages),
            _ => {
                let (mut items, mut size) = (Vec::new(), 0);
                while items.len() < AT_ONCE && size < BYTES_AT_ONCE {
                    let Some(item) = self.next()? else { break };
                    if let Item::Document(raw) = &item {
                        size += raw.size();
                    }
                    items.push(item);
                }
                (!items.is_empty()).then_some(Content::Items(items))
            }
        };
        let (drop_prefix, read) = (self.drop_prefix.clone(), self.bytes_read());
        Ok(content.map(|content| Batch { content, drop_prefix, read }))
    }

    /// Says what language the file is in. The server that the head of a dump names, where it is another language's.
    /// Of texts in several variants the one in the language's script is taken, where the settings name none.
    pub fn claim(&mut self, language: Tag) -> Option<String> {
        if language != Tag::UNDETERMINED && self.markup.variant.is_none() {
            self.markup.variant = Variant::try_from(language.script().to_owned()).ok();
        }
        match &mut self.source {
            Source::Mediawiki(pages) => pages.claim(language),
            Source::Again(pages) => pages.claimed(),
            _ => None,
        }
    }

    /// The wiki of a dump, with what was gathered of it, by which its redirects are told from now on too.
    pub fn wiki(&mut self, Gathered { templates, habits, names, .. }: Gathered) -> Option<Wiki> {
        let head = match &mut self.source {
            Source::Mediawiki(pages) => pages.learn(&names),
            Source::Again(pages) => pages.learn(&names),
            _ => return None,
        };
        let mut site = head.site();
        if head.is_headless() {
            names.tell(Arc::make_mut(&mut site));
        }
        Some(Wiki { site, templates, habits, markup: self.markup })
    }

    /// The encoding of what was read so far, none where all of it is ASCII; and places that could not be decoded.
    pub fn encoding(&self) -> (Option<&'static str>, u64) {
        (self.meters.decoding.name(), self.meters.decoding.replaced())
    }

    /// Bytes of the (compressed) file taken so far.
    pub fn bytes_read(&self) -> u64 {
        match &self.source {
            Source::Again(pages) => pages.bytes_read(),
            Source::Table(rows) => (rows.share_read() * self.file_bytes as f64) as u64,
            _ => self.meters.counter.get(),
        }
    }
}

fn without_prefix(mut item: Item, prefix: Option<&str>) -> Item {
    if let (Some(prefix), Item::Document(raw)) = (prefix, &mut item) {
        let (Body::Text(text) | Body::Html(text, _) | Body::Wikitext(text)) = &mut raw.body;
        let cut = prefix_length(text, prefix);
        text.drain(..cut);
    }
    item
}

/// Bytes of `text` that match `pattern` at its beginning; 0 where it does not.
fn prefix_length(text: &str, pattern: &str) -> usize {
    let mut rest = text;
    for wanted in pattern.chars() {
        let next = if wanted == '#' {
            let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            (after.len() < rest.len()).then_some(after)
        } else {
            rest.strip_prefix(wanted)
        };
        match next {
            Some(after) => rest = after,
            None => return 0,
        }
    }
    text.len() - rest.len()
}

/// Plain text of a record, paragraphs separated by blank lines, and what became of its templates. Pure; never fails.
pub fn to_text(raw: &Raw, wiki: Option<&Wiki>) -> PageText {
    match (&raw.body, wiki) {
        (Body::Text(text), _) => PageText::plain(text.clone()),
        (Body::Html(source, content), _) => PageText::plain(html::to_text(source, *content)),
        (Body::Wikitext(source), wiki) => {
            let page = Page { title: raw.title.as_deref().unwrap_or_default(), timestamp: raw.timestamp.as_deref() };
            wikitext::page_text(source, page, wiki.unwrap_or(&Wiki::default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_with_a_number_is_cut_only_where_it_stands() {
        assert_eq!(prefix_length("content_12\tLobdīn", "content_#\t"), 11);
        assert_eq!(prefix_length("content_\tLobdīn", "content_#\t"), 0);
        assert_eq!(prefix_length("x", "content_#\t"), 0);
    }

    #[test]
    fn names_tell_the_format() {
        assert_eq!(Format::guess("a/b.jsonl.zst".as_ref()), Some(Format::Jsonl));
        assert_eq!(Format::guess("a/b.HTM".as_ref()), Some(Format::Html));
        assert_eq!(Format::guess("a/b".as_ref()), None);
    }

    #[test]
    fn an_empty_or_nameless_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, said) in [("a.xml", "an empty file"), ("a.unknown", "tell no format")] {
            std::fs::write(folder.path().join(name), "").unwrap();
            let error = open(&folder.path().join(name), &ReadSettings::default()).err().unwrap();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
