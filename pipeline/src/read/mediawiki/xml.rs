//! Tags of a dump, of a text in memory or one that is read.

use quick_xml::Reader;
use quick_xml::events::Event;
use std::io::BufRead;

/// What stands in angle brackets.
pub(super) enum Tag {
    /// Name, and the attribute `key` where it is a number.
    Open(String, Option<i32>),
    Empty(String),
    Close(String),
    /// End of what is read.
    End,
}

/// What comes behind the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing; the pages stand inside `<mediawiki>`, or they do not.
    File { wrapped: bool },
    /// Another `<page>`.
    Page,
}

/// What gives XML in parts.
pub(super) trait Events {
    fn event(&mut self) -> Result<Event<'_>, quick_xml::Error>;
    /// Bytes taken.
    fn position(&self) -> u64;
}

/// A text in memory.
pub(super) struct InMemory<'a>(Reader<&'a [u8]>);

/// A text that is read.
pub(super) struct Streamed<R> {
    reader: Reader<R>,
    buffer: Vec<u8>,
}

impl Events for InMemory<'_> {
    fn event(&mut self) -> Result<Event<'_>, quick_xml::Error> {
        self.0.read_event()
    }

    fn position(&self) -> u64 {
        self.0.buffer_position()
    }
}

impl<R: BufRead> Events for Streamed<R> {
    fn event(&mut self) -> Result<Event<'_>, quick_xml::Error> {
        self.buffer.clear();
        self.reader.read_event_into(&mut self.buffer)
    }

    fn position(&self) -> u64 {
        self.reader.buffer_position()
    }
}

/// Reads tags and pages.
pub(super) struct Parser<E> {
    pub events: E,
    pub end: End,
    /// The opening tag of a page has been read already.
    pub opened: bool,
}

impl<'a> Parser<InMemory<'a>> {
    pub fn of(text: &'a str, end: End) -> Self {
        Parser { events: InMemory(lenient(Reader::from_str(text))), end, opened: false }
    }

    /// What was not read yet.
    pub fn rest(self) -> &'a str {
        let rest = self.events.0.into_inner();
        std::str::from_utf8(rest).expect("what follows ASCII in a text is one")
    }
}

impl<R: BufRead> Parser<Streamed<R>> {
    pub fn reading(text: R, end: End) -> Self {
        let reader = lenient(Reader::from_reader(text));
        Parser { events: Streamed { reader, buffer: Vec::new() }, end, opened: false }
    }
}

/// A reader that can begin in the middle of a file, where elements end that it never saw begin.
fn lenient<R>(mut reader: Reader<R>) -> Reader<R> {
    reader.config_mut().allow_unmatched_ends = true;
    reader
}

impl<E: Events> Parser<E> {
    /// The next tag, what stands between tags skipped.
    pub fn tag(&mut self) -> Result<Tag, String> {
        loop {
            match self.events.event().map_err(|error| error.to_string())? {
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
    pub fn content(&mut self, name: &str) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.events.event().map_err(|error| error.to_string())? {
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
                Event::Eof => return Err(self.ends_inside(name)),
                _ => {}
            }
        }
    }

    /// Up to the end tag of `name`.
    pub fn pass_over(&mut self, name: &str) -> Result<(), String> {
        loop {
            match self.events.event().map_err(|error| error.to_string())? {
                Event::End(tag) if tag.name().as_ref() == name => return Ok(()),
                Event::Eof => return Err(self.ends_inside(name)),
                _ => {}
            }
        }
    }

    fn ends_inside(&self, name: &str) -> String {
        match self.end {
            End::Page => ANOTHER_PAGE.to_owned(),
            End::File { .. } => format!("the file ends inside <{name}>; expected </{name}>"),
        }
    }
}

pub(super) const ANOTHER_PAGE: &str = "another <page> begins inside this page";
