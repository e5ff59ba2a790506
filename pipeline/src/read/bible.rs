//! Bibles in XML: a chapter is a document, a verse a line.
//!
//! The Corpus Encoding Standard (`<div type="chapter">`, `<seg type="verse">`) and files with elements that say what
//! they are: `<chapter>` and `<verse>`, or `<CHAPTER>` and `<VERS>` (Zefania). The language is what the caller says.

use super::bytes::Text;
use super::{Item, Raw};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// A bible being read.
pub(super) struct Chapters {
    xml: Reader<Text>,
    buffer: Vec<u8>,
    chapters: u64,
    ended: bool,
}

impl Chapters {
    pub(super) fn new(text: Text) -> Chapters {
        Chapters { xml: Reader::from_reader(text), buffer: Vec::new(), chapters: 0, ended: false }
    }

    /// The next chapter. What is no XML from some place on ends the file.
    pub(super) fn next(&mut self) -> Option<Item> {
        if self.ended {
            return None;
        }
        let (mut id, mut verses) = (None, Vec::new());
        let mut verse: Option<String> = None;
        // Elements inside of the chapter, and inside of the verse, by which their own end is known.
        let (mut in_chapter, mut in_verse) = (0u32, 0u32);
        loop {
            self.buffer.clear();
            let event = match self.xml.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => {
                    self.ended = true;
                    let place = format!("byte {} of the XML", self.xml.buffer_position());
                    return Some(Item::Failed { place, cause: error.to_string() });
                }
            };
            match event {
                Event::Start(tag) => match (in_chapter, is(&tag, "chapter"), is(&tag, "verse")) {
                    (0, true, _) => {
                        in_chapter = 1;
                        id = attribute(&tag, &["id", "osisID", "cnumber", "number"]);
                    }
                    (0, ..) => {}
                    (_, _, true) if verse.is_none() => {
                        (in_chapter, in_verse, verse) = (in_chapter + 1, 1, Some(String::new()))
                    }
                    _ => (in_chapter, in_verse) = (in_chapter + 1, in_verse + u32::from(verse.is_some())),
                },
                Event::End(_) if in_chapter > 0 => {
                    in_chapter -= 1;
                    if verse.is_some() {
                        in_verse -= 1;
                    }
                    if in_verse == 0
                        && let Some(text) = verse.take()
                    {
                        verses.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
                    }
                    if in_chapter == 0 {
                        self.chapters += 1;
                        verses.retain(|verse| !verse.is_empty());
                        let id = match id.take() {
                            // `MAT.1` says the book, `1` does not.
                            Some(id) if id.contains('.') => id,
                            _ => self.chapters.to_string(),
                        };
                        if verses.is_empty() {
                            return Some(Item::Skipped("empty"));
                        }
                        return Some(Item::Document(Raw::plain(id, verses.join("\n"))));
                    }
                }
                Event::Text(part) => verse.iter_mut().for_each(|verse| verse.push_str(&part.xml10_content())),
                Event::CData(part) => verse.iter_mut().for_each(|verse| verse.push_str(&part.xml10_content())),
                Event::GeneralRef(reference) => {
                    let known = match reference.resolve_char_ref() {
                        Ok(Some(c)) => c.to_string(),
                        _ => quick_xml::escape::resolve_xml_entity(&reference).unwrap_or_default().to_owned(),
                    };
                    verse.iter_mut().for_each(|verse| verse.push_str(&known));
                }
                Event::Eof => {
                    self.ended = true;
                    return (in_chapter > 0).then(|| Item::Failed {
                        place: format!("chapter {}", id.unwrap_or_else(|| (self.chapters + 1).to_string())),
                        cause: "the file ends inside this chapter: it was cut".to_owned(),
                    });
                }
                _ => {}
            }
        }
    }
}

/// Whether the element is a `chapter` or a `verse`.
fn is(tag: &BytesStart, what: &str) -> bool {
    let name = tag.name();
    let name: &str = name.as_ref();
    name.eq_ignore_ascii_case(what)
        || what == "verse" && name.eq_ignore_ascii_case("vers")
        || matches!(name, "div" | "seg") && attribute(tag, &["type"]).as_deref() == Some(what)
}

fn attribute(tag: &BytesStart, names: &[&str]) -> Option<String> {
    let found = names.iter().find_map(|name| tag.try_get_attribute(name).ok().flatten())?;
    Some(found.value.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Body;
    use super::*;

    fn read(xml: &str) -> Vec<String> {
        let mut chapters = Chapters::new(Box::new(std::io::Cursor::new(xml.as_bytes().to_vec())));
        let told = |item| match item {
            Item::Document(Raw { id, body: Body::Text(text), .. }) => format!("{id}|{text}"),
            Item::Failed { place, cause } => format!("{place}: {cause}"),
            other => format!("{other:?}"),
        };
        std::iter::from_fn(|| chapters.next()).map(told).collect()
    }

    #[test]
    fn verses_are_lines_and_chapters_are_documents() {
        let ces = "<cesDoc><cesHeader><h.title>Bible</h.title></cesHeader><text><body><div id='b.MAT' type='book'>\
            <div id='b.MAT.1' type='chapter'>\n<seg id='b.MAT.1.1' type='verse'>\n Vīns &amp;\n divi <i>treis</i>. </seg>\
            <seg type='verse'/><seg id='b.MAT.1.2' type='verse'>Ūtruo.</seg></div>\
            <div id='b.MAT.2' type='chapter'></div></div></body></text></cesDoc>";
        assert_eq!(read(ces), ["b.MAT.1|Vīns & divi treis.\nŪtruo.", "Skipped(\"empty\")"]);
        let zefania = "<XMLBIBLE><BIBLEBOOK><CHAPTER cnumber='1'><VERS vnumber='1'>A</VERS><VERS>B</VERS></CHAPTER>\
            <CHAPTER cnumber='2'><VERS>C</VERS>";
        assert_eq!(read(zefania), ["1|A\nB", "chapter 2: the file ends inside this chapter: it was cut"]);
    }
}
