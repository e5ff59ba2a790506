//! A dump cut into pieces of whole pages, which any thread can read.
//!
//! The bytes `<page>` stand in no text of a dump, since `<` is written otherwise there; only comments, CDATA and processing
//! instructions could hold them. A piece with one of these, the end of the dump, what comes before and behind damage, and
//! a page too long to be held (one with all its revisions) are read here, page by page from the stream.

use super::GATHERED;
use super::page::{Broken, Page};
use super::xml::{End, Events, Parser, Streamed};
use crate::read::bytes::Text;
use crate::read::damaged::Damaged;
use memchr::memmem;
use std::io::{BufRead, Error, Read, Result};

/// Bytes of a piece, about.
const PIECE: usize = 1 << 18;
/// Bytes of a page that is held. Wikis take pages of 2 MiB; longer ones have many revisions.
const LONGEST: usize = 4 << 20;
/// Bytes read at once.
const READ: usize = 1 << 16;
const PAGE: &[u8] = b"<page>";
/// What makes a piece one for the stream.
const ODD: [&str; 3] = ["<!", "<?", "</mediawiki"];

/// Cuts a dump behind its head.
pub(super) struct Splitter {
    text: Rest,
    /// Bytes of the XML before `held`.
    position: u64,
    /// Read from `text` for the next piece.
    held: Vec<u8>,
    /// What was wrong before the first page.
    pub broken: Option<String>,
    /// The pages stand inside `<mediawiki>`.
    pub wrapped: bool,
    ended: bool,
    last_title: Option<String>,
}

/// Pages, or what they are read from.
pub(super) enum Piece {
    Text {
        text: Vec<u8>,
        /// Of the XML.
        position: u64,
        /// Title of the page before.
        before: Option<String>,
    },
    Pages(Vec<std::result::Result<Page, Failure>>),
}

/// A page that cannot be read.
#[derive(Debug)]
pub(super) struct Failure {
    pub place: String,
    pub cause: String,
}

impl Splitter {
    /// A dump from its beginning on; its head is to be read first.
    pub fn new(text: Text) -> Splitter {
        let text = Rest { again: Vec::new(), at: 0, text, owed: None };
        Splitter { text, position: 0, held: Vec::new(), broken: None, wrapped: false, ended: false, last_title: None }
    }

    /// The bytes that come next, of the beginning.
    pub fn begin(&mut self) -> Result<&[u8]> {
        self.text.fill_buf()
    }

    /// Reads the stream with `read`, and remembers how far it came.
    pub fn stream<T>(&mut self, read: impl FnOnce(&mut Parser<Streamed<&mut Rest>>) -> T) -> T {
        let end = End::File { wrapped: self.wrapped };
        let mut parser = Parser::reading(&mut self.text, end);
        let given = read(&mut parser);
        let (position, opened) = (parser.events.position(), parser.opened);
        self.position += position;
        if opened {
            self.reopen();
        }
        given
    }

    /// Takes the opening tag of a page back.
    fn reopen(&mut self) {
        self.text.unread(PAGE);
        self.position -= PAGE.len() as u64;
    }

    /// The next piece; none at the end.
    pub fn next(&mut self) -> Option<Piece> {
        if let Some(cause) = self.broken.take() {
            return Some(Piece::Pages(vec![Err(Failure { place: "before the first page".to_owned(), cause })]));
        }
        let mut searched = 1;
        while !self.ended {
            if self.held.len() >= PIECE {
                if let Some(at) = memmem::rfind(&self.held[searched..], PAGE) {
                    return Some(self.cut(searched + at));
                }
                if self.held.len() > LONGEST {
                    return Some(self.pages(self.held.len() as u64));
                }
                searched = self.held.len() - PAGE.len();
            }
            match self.text.fill_buf() {
                Ok([]) => return Some(self.pages(u64::MAX)),
                Ok(bytes) => {
                    let count = bytes.len().min(READ);
                    self.held.extend_from_slice(&bytes[..count]);
                    self.text.consume(count);
                }
                Err(error) => {
                    self.text.owed = Some(error);
                    return Some(self.pages(self.held.len() as u64));
                }
            }
        }
        None
    }

    /// What is held up to a `<page>`.
    fn cut(&mut self, at: usize) -> Piece {
        if ODD.iter().any(|odd| memmem::find(&self.held[..at], odd.as_bytes()).is_some()) {
            return self.pages(at as u64);
        }
        let rest = self.held[at..].to_vec();
        self.held.truncate(at);
        let text = std::mem::replace(&mut self.held, rest);
        let (position, title) = (self.position, last_title(&text));
        self.position += at as u64;
        let before =
            if title.is_some() { std::mem::replace(&mut self.last_title, title) } else { self.last_title.clone() };
        Piece::Text { text, position, before }
    }

    /// The pages of the next so many bytes, the last one to its end, read from the stream; at least one.
    fn pages(&mut self, bytes: u64) -> Piece {
        self.text.unread(&std::mem::take(&mut self.held));
        let until = self.position.saturating_add(bytes.max(1));
        let mut pages = Vec::new();
        while !self.ended && self.position < until {
            let begin = self.position;
            match self.stream(|parser| (parser.page(&GATHERED), parser.events.position())) {
                (Ok(Some(page)), _) => {
                    self.last_title = Some(page.title.clone());
                    pages.push(Ok(page));
                }
                (Ok(None), _) => self.ended = true,
                (Err(broken), read) => {
                    pages.push(Err(failure(broken, self.last_title.as_deref(), begin + read)));
                    self.ended = !self.find_page();
                }
            }
        }
        Piece::Pages(pages)
    }

    /// Goes on after something broken: passes over what comes before the next `<page>`; false where none comes.
    pub fn find_page(&mut self) -> bool {
        let mut met = 0; // bytes of it
        loop {
            let bytes = match self.text.fill_buf() {
                Ok([]) => return false,
                Ok(bytes) => bytes,
                Err(error) if Damaged::is(&error) => {
                    met = 0;
                    continue;
                }
                Err(_) => return false,
            };
            for (at, byte) in bytes.iter().enumerate() {
                met = if *byte == PAGE[met] { met + 1 } else { usize::from(*byte == PAGE[0]) };
                if met == PAGE.len() {
                    self.position += at as u64 + 1;
                    self.text.consume(at + 1);
                    self.reopen();
                    return true;
                }
            }
            let count = bytes.len();
            self.position += count as u64;
            self.text.consume(count);
        }
    }

    /// Bytes of the XML read.
    pub fn position(&self) -> u64 {
        self.position
    }
}

impl Piece {
    /// Its pages in order, and what cannot be read. The sources of pages in other namespaces than these may be empty.
    pub fn pages(self, wanted: &[i32]) -> Vec<std::result::Result<Page, Failure>> {
        let (text, position, mut before) = match self {
            Piece::Pages(pages) => return pages,
            Piece::Text { text, position, before } => (text, position, before),
        };
        let text = String::from_utf8(text).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned());
        let (mut rest, mut pages) = (&*text, Vec::new());
        loop {
            let begin = position + (text.len() - rest.len()) as u64;
            let mut parser = Parser::of(rest, End::Page);
            loop {
                match parser.page(wanted) {
                    Ok(Some(page)) => {
                        before = Some(page.title.clone());
                        pages.push(Ok(page));
                    }
                    Ok(None) => return pages,
                    Err(broken) => {
                        pages.push(Err(failure(broken, before.as_deref(), begin + parser.events.position())));
                        if !parser.opened {
                            break;
                        }
                    }
                }
            }
            let behind = parser.rest();
            let Some(at) = memmem::find(behind.as_bytes(), PAGE) else { return pages };
            rest = &behind[at..];
        }
    }
}

fn failure((title, cause): Broken, before: Option<&str>, position: u64) -> Failure {
    let place = match (title.is_empty(), before) {
        (false, _) => format!("page {title:?}"),
        (true, Some(last)) => format!("after page {last:?}"),
        (true, None) => "the first page".to_owned(),
    };
    Failure { place: format!("{place}, byte {position} of the XML"), cause }
}

/// Title of the last page of a piece.
fn last_title(text: &[u8]) -> Option<String> {
    let behind = &text[memmem::rfind(text, b"<title>")? + 7..];
    let title = String::from_utf8_lossy(&behind[..memmem::find(behind, b"</title>")?]);
    Some(quick_xml::escape::unescape(&title).map_or_else(|_| title.to_string(), Into::into))
}

/// A text of which parts can be put back before the rest.
pub(super) struct Rest {
    again: Vec<u8>,
    /// How much of it was taken.
    at: usize,
    text: Text,
    /// What is wrong behind `again`.
    owed: Option<Error>,
}

impl Rest {
    fn unread(&mut self, bytes: &[u8]) {
        self.again.splice(..self.at, bytes.iter().copied());
        self.at = 0;
    }
}

impl BufRead for Rest {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.at < self.again.len() {
            return Ok(&self.again[self.at..]);
        }
        match self.owed.take() {
            Some(error) => Err(error),
            None => self.text.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        if self.at < self.again.len() {
            self.at += count;
        } else {
            self.text.consume(count);
        }
    }
}

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}
