//! What the first pass over a dump keeps for the second: the articles, so that a dump that is dear to decompress is
//! decompressed once.
//!
//! They lie in a temporary file without a name (in `TMPDIR`), a piece of the dump behind the other, each compressed as fast
//! as can be. Where there is no more [`Room`], nothing is kept of that dump, and it is read again.

use super::page::Page;
use super::split::Failure;
use super::{Batch, Content, Head, Item};
use crate::read::bytes::Meters;
use crate::wikitext::Names;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of all temporary files together, at most: a dump of about 4 GB.
const ROOM: u64 = 1 << 30;
/// zstd's: negative ones are faster.
const LEVEL: i32 = -3;
/// What is no document, by its number.
const KINDS: [&str; 4] = ["namespace", "redirect", "not_wikitext", "empty"];
/// Numbers of what else there is.
const DOCUMENT: u8 = KINDS.len() as u8;
const FAILED: u8 = DOCUMENT + 1;

/// A temporary file for what is kept of several dumps, and how much of it is left.
#[derive(Debug, Clone)]
pub struct Room {
    file: Arc<Mutex<File>>,
    length: Arc<AtomicU64>,
}

/// The items of a dump.
#[derive(Debug)]
pub struct Kept {
    room: Room,
    frames: Vec<Frame>,
    head: Arc<Head>,
    /// What was said of the head when its language was claimed.
    claimed: Option<String>,
    /// Of the whole dump.
    pub(in crate::read) meters: Meters,
}

/// What was kept of a dump, being read.
pub(in crate::read) struct Again {
    kept: Arc<Kept>,
    head: Arc<Head>,
    next: usize,
    read: u64,
    ready: VecDeque<Item>,
}

/// A piece of the dump in the file.
#[derive(Debug, Clone, Copy)]
struct Frame {
    offset: u64,
    length: usize,
    /// Bytes before it was compressed.
    plain: usize,
    /// Bytes of the dump read up to its end.
    read: u64,
}

/// A piece of the dump, compressed.
pub(super) struct Packed {
    bytes: Vec<u8>,
    plain: usize,
}

impl Room {
    /// A new file.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new() -> Result<Room> {
        Ok(Room { file: Arc::new(Mutex::new(tempfile::tempfile()?)), length: Arc::default() })
    }

    /// Adds bytes; gives where they lie, or none where there is no room for them.
    fn write(&self, bytes: &[u8]) -> Option<u64> {
        let offset = self.length.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if offset + bytes.len() as u64 > ROOM {
            return None;
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes)).ok().map(|()| offset)
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Kept {
    /// Of a dump with this head, nothing yet.
    pub(in crate::read) fn new(room: Room, head: Arc<Head>, claimed: Option<String>, meters: Meters) -> Kept {
        Kept { room, frames: Vec::new(), head, claimed, meters }
    }

    /// Takes in a piece; false where there is no room for it.
    pub(super) fn push(&mut self, packed: &Packed) -> bool {
        let Some(offset) = self.room.write(&packed.bytes) else { return false };
        let (length, plain, read) = (packed.bytes.len(), packed.plain, self.meters.counter.get());
        self.frames.push(Frame { offset, length, plain, read });
        true
    }
}

impl Again {
    /// What was kept, from its beginning on.
    pub fn new(kept: Arc<Kept>) -> Again {
        Again { head: kept.head.clone(), kept, next: 0, read: 0, ready: VecDeque::new() }
    }

    /// What was learned of the wiki's names; the head that knows it.
    pub fn learn(&mut self, names: &Names) -> &Head {
        Arc::make_mut(&mut self.head).learn(names);
        &self.head
    }

    /// What was said of the head.
    pub fn claimed(&self) -> Option<String> {
        self.kept.claimed.clone()
    }

    /// Bytes of the dump that what was given stands for.
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The next item; none at the end.
    pub fn next(&mut self) -> Result<Option<Item>> {
        while self.ready.is_empty() {
            let Some(batch) = self.batch()? else { return Ok(None) };
            self.ready = batch.items().into();
        }
        Ok(self.ready.pop_front())
    }

    /// Some items more, none at the end. Not after [`Again::next`], which keeps some at hand.
    pub fn batch(&mut self) -> Result<Option<Batch>> {
        let Some(Frame { offset, length, plain, read }) = self.kept.frames.get(self.next).copied() else {
            return Ok(None);
        };
        let bytes = self.kept.room.read(offset, length)?;
        (self.next, self.read) = (self.next + 1, read);
        let content = Content::Kept(Packed { bytes, plain });
        Ok(Some(Batch { content, head: self.head.clone() }))
    }
}

impl Packed {
    /// The pages of a piece.
    pub fn new(pages: &[std::result::Result<Page, Failure>], head: &Head) -> Packed {
        let mut out = Vec::new();
        for page in pages {
            match page {
                Err(Failure { place, cause }) => put(&mut out, FAILED, &[place, cause]),
                Ok(page) => match head.no_document(page) {
                    Some(kind) => {
                        let number = KINDS.iter().position(|known| *known == kind).expect("all kinds are listed");
                        put(&mut out, number as u8, &[]);
                    }
                    None => {
                        let id = if page.id.is_empty() { &page.title } else { &page.id };
                        put(&mut out, DOCUMENT, &[id, &page.title, &page.timestamp, &page.text]);
                    }
                },
            }
        }
        let bytes = zstd::bulk::compress(&out, LEVEL).expect("memory can be compressed");
        Packed { bytes, plain: out.len() }
    }

    /// Its items, of a dump with this head.
    pub fn items(&self, head: &Head) -> Vec<Item> {
        let plain = zstd::bulk::decompress(&self.bytes, self.plain).expect("as it was compressed");
        let (mut bytes, mut items) = (&plain[..], Vec::new());
        while let [number, rest @ ..] = bytes {
            bytes = rest;
            let mut text = || {
                let (length, rest) = bytes.split_first_chunk::<8>().expect("as it was written");
                let (text, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
                bytes = rest;
                String::from_utf8(text.to_vec()).expect("texts were written")
            };
            items.push(match *number {
                DOCUMENT => {
                    let (id, title, timestamp, text) = (text(), text(), text(), text());
                    // What begins a redirect may have been learned since it was kept.
                    match head.site.is_redirect(&text) {
                        true => Item::Skipped("redirect"),
                        false => Item::Document(head.document(id, title, timestamp, text)),
                    }
                }
                FAILED => Item::Failed { place: text(), cause: text() },
                kind => Item::Skipped(KINDS[usize::from(kind)]),
            });
        }
        items
    }
}

/// Adds an item: its number, and its texts, each behind its length.
fn put(out: &mut Vec<u8>, number: u8, texts: &[&str]) {
    out.push(number);
    for text in texts {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wikitext::Site;

    #[test]
    fn a_redirect_by_a_word_that_was_learned_later_is_one() {
        let page = |text: &str| Ok(Page { title: "Lobdīn".to_owned(), text: text.to_owned(), ..Page::default() });
        let packed = Packed::new(&[page("#PUORADRESEIT [[Upe]] {{veidne}}"), page("Upe tak.")], &Head::default());
        let of = |head: &Head| -> Vec<bool> {
            packed.items(head).iter().map(|item| matches!(item, Item::Skipped("redirect"))).collect()
        };
        assert_eq!(of(&Head::default()), [false, false]);
        let mut site = Site::default();
        site.add_redirect_word("puoradreseit");
        assert_eq!(of(&Head { site: Arc::new(site), ..Head::default() }), [true, false]);
    }

    #[test]
    fn where_there_is_no_room_nothing_is_kept() {
        let room = Room::new().unwrap();
        let packed = Packed::new(&[], &Head::default());
        let mut kept = Kept::new(room.clone(), Arc::default(), None, Meters::default());
        assert!(kept.push(&packed));
        room.length.store(ROOM, Ordering::Relaxed);
        assert!(!kept.push(&packed));
    }
}
