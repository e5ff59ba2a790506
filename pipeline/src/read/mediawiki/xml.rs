//! Tags of a dump, and the way on behind what is no XML.

use super::Pages;
use crate::read::bytes::Text;
use crate::read::damaged::Damaged;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::io::BufRead;

/// What stands in angle brackets.
pub(super) enum Tag {
    /// Name, and the attribute `key` where it is a number.
    Open(String, Option<i32>),
    Empty(String),
    Close(String),
    /// End of the file.
    End,
}

impl Pages {
    /// The next tag, what stands between tags skipped.
    pub(super) fn tag(&mut self) -> std::result::Result<Tag, String> {
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

    /// Text up to the end tag of `name`, elements inside it ignored.
    pub(super) fn content(&mut self, name: &str) -> std::result::Result<String, String> {
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
    pub(super) fn pass_over(&mut self, name: &str) -> std::result::Result<(), String> {
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer).map_err(|error| error.to_string())? {
                Event::End(tag) if tag.name().as_ref() == name => return Ok(()),
                Event::Eof => return Err(format!("the file ends inside <{name}>; expected </{name}>")),
                _ => {}
            }
        }
    }

    /// Goes on after something broken: passes over what comes before the next `<page>`, and the tag; false where none
    /// comes.
    pub(super) fn find_page(&mut self) -> bool {
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
}

/// A reader that can begin in the middle of a file, where elements end that it never saw begin.
pub(super) fn lenient(text: Text) -> Reader<Text> {
    let mut reader = Reader::from_reader(text);
    reader.config_mut().allow_unmatched_ends = true;
    reader
}
