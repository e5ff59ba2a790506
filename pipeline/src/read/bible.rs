//! Bibles in XML: a chapter is a document, a verse a line.
//!
//! The Corpus Encoding Standard (`<div type="chapter">`, `<seg type="verse">`), files with elements that say what they
//! are (`<chapter>` and `<verse>`, or `<CHAPTER>` and `<VERS>` of Zefania), and milestones, empty elements where a chapter
//! or verse begins and ends: OSIS (`<verse sID="Mark.1.1"/>` … `<verse eID="Mark.1.1"/>`) and USX (`<verse number="1"/>`,
//! whose end may be missing). Notes and headings are no verses. The language is what the caller says.

use super::bytes::Text;
use super::{Item, Raw};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements inside of a verse that are not the verse: notes, headings between milestones, other readings.
const ASIDE: &[&str] = &["note", "title", "rdg", "figure"];

/// Elements that begin a line or paragraph, in which a verse may go on.
const LINES: &[&str] = &["p", "para", "l", "lg", "div", "q"];

/// A bible being read.
pub(super) struct Chapters {
    xml: Reader<Text>,
    buffer: Vec<u8>,
    chapters: u64,
    /// Elements that are open.
    depth: u32,
    chapter: Option<Chapter>,
    ended: bool,
}

/// A chapter so far.
struct Chapter {
    id: Option<String>,
    verses: Vec<String>,
    /// Depth of its element; none where milestones say where it begins.
    depth: Option<u32>,
    verse: Option<Verse>,
    /// Depth of the outermost element that is aside of the text.
    aside: Option<u32>,
}

/// A verse so far.
struct Verse {
    text: String,
    /// As for a chapter.
    depth: Option<u32>,
}

impl Chapter {
    fn new(id: Option<String>, depth: Option<u32>) -> Chapter {
        Chapter { id, verses: Vec::new(), depth, verse: None, aside: None }
    }

    fn text(&mut self, text: &str) {
        if let (Some(verse), None) = (&mut self.verse, self.aside) {
            verse.text.push_str(text);
        }
    }

    fn end_verse(&mut self) {
        if let Some(Verse { text, .. }) = self.verse.take() {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            self.verses.extend(Some(text).filter(|text| !text.is_empty()));
        }
    }
}

impl Chapters {
    pub(super) fn new(text: Text) -> Chapters {
        let xml = Reader::from_reader(text);
        Chapters { xml, buffer: Vec::new(), chapters: 0, depth: 0, chapter: None, ended: false }
    }

    /// The next chapter. What is no XML from some place on ends the file.
    pub(super) fn next(&mut self) -> Option<Item> {
        while !self.ended {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            let item = match self.xml.read_event_into(&mut buffer) {
                Ok(Event::Start(tag)) => {
                    self.start(&tag);
                    None
                }
                Ok(Event::Empty(tag)) => self.milestone(&tag),
                Ok(Event::End(_)) => self.end(),
                Ok(Event::Text(part)) => self.text(&part.xml10_content()),
                Ok(Event::CData(part)) => self.text(&part.xml10_content()),
                Ok(Event::GeneralRef(reference)) => match reference.resolve_char_ref() {
                    Ok(Some(c)) => self.text(c.encode_utf8(&mut [0; 4])),
                    _ => self.text(quick_xml::escape::resolve_xml_entity(&reference).unwrap_or_default()),
                },
                Ok(Event::Eof) => self.end_of_file(),
                Ok(_) => None,
                Err(error) => {
                    self.ended = true;
                    let place = format!("byte {} of the XML", self.xml.buffer_position());
                    Some(Item::Failed { place, cause: error.to_string() })
                }
            };
            self.buffer = buffer;
            if item.is_some() {
                return item;
            }
        }
        None
    }

    fn text(&mut self, text: &str) -> Option<Item> {
        self.chapter.iter_mut().for_each(|chapter| chapter.text(text));
        None
    }

    fn start(&mut self, tag: &BytesStart) {
        self.depth += 1;
        match &mut self.chapter {
            None if is(tag, "chapter") => {
                let id = attribute(tag, &["id", "osisID", "cnumber", "number"]);
                self.chapter = Some(Chapter::new(id, Some(self.depth)));
            }
            None => {}
            Some(chapter) if is(tag, "verse") && chapter.verse.is_none() => {
                chapter.verse = Some(Verse { text: String::new(), depth: Some(self.depth) });
            }
            Some(chapter) => {
                let name = tag.name();
                let name: &str = name.as_ref();
                if ASIDE.contains(&name) && chapter.aside.is_none() {
                    chapter.aside = Some(self.depth);
                }
                if LINES.contains(&name) {
                    chapter.text(" ");
                }
            }
        }
    }

    fn end(&mut self) -> Option<Item> {
        let depth = Some(self.depth);
        self.depth = self.depth.saturating_sub(1);
        let chapter = self.chapter.as_mut()?;
        if chapter.aside == depth {
            chapter.aside = None;
        }
        if chapter.verse.as_ref().is_some_and(|verse| verse.depth == depth) {
            chapter.end_verse();
        }
        (chapter.depth == depth).then(|| self.chapter_ends()).flatten()
    }

    /// An empty element: where it is no milestone it says nothing.
    fn milestone(&mut self, tag: &BytesStart) -> Option<Item> {
        let begins = attribute(tag, &["sID", "sid", "number"]);
        let ends = attribute(tag, &["eID", "eid"]).is_some();
        if is(tag, "chapter") && self.chapter.as_ref().is_none_or(|chapter| chapter.depth.is_none()) {
            let before = self.chapter.is_some().then(|| self.chapter_ends()).flatten();
            if let Some(id) = begins.filter(|_| !ends) {
                let id = attribute(tag, &["osisID", "sid"]).unwrap_or(id);
                self.chapter = Some(Chapter::new(Some(id.replacen(' ', ".", 1)), None));
            }
            return before;
        }
        let chapter = self.chapter.as_mut().filter(|_| is(tag, "verse") && (ends || begins.is_some()))?;
        if chapter.verse.as_ref().is_none_or(|verse| verse.depth.is_none()) {
            chapter.end_verse();
            chapter.verse = (!ends).then(|| Verse { text: String::new(), depth: None });
        }
        None
    }

    fn chapter_ends(&mut self) -> Option<Item> {
        let mut chapter = self.chapter.take()?;
        chapter.end_verse();
        self.chapters += 1;
        let id = match chapter.id {
            // `MAT.1` says the book, `1` does not.
            Some(id) if id.contains('.') => id,
            _ => self.chapters.to_string(),
        };
        Some(match chapter.verses.is_empty() {
            true => Item::Skipped("empty"),
            false => Item::Document(Raw::plain(id, chapter.verses.join("\n"))),
        })
    }

    /// A chapter of milestones ends with a file that is whole.
    fn end_of_file(&mut self) -> Option<Item> {
        self.ended = true;
        let chapter = self.chapter.as_ref()?;
        if self.depth == 0 && chapter.depth.is_none() {
            return self.chapter_ends();
        }
        let id = chapter.id.clone().unwrap_or_else(|| (self.chapters + 1).to_string());
        let cause = "the file ends inside this chapter: it was cut".to_owned();
        Some(Item::Failed { place: format!("chapter {id}"), cause })
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

    #[test]
    fn milestones_of_osis_begin_and_end_verses_across_paragraphs() {
        let verses = "<title>Viersroksts</title><p><verse sID='Mark.1.1' osisID='Mark.1.1'/>Vīns <note>pīzeime</note>i \
            <verse eID='Mark.1.1'/> storpā <verse sID='Mark.1.2' osisID='Mark.1.2'/>div</p><p>treis.<verse eID='Mark.1.2'/></p>";
        let contained = format!("<osis><chapter osisID='Mark.1'>{verses}</chapter></osis>");
        assert_eq!(read(&contained), ["Mark.1|Vīns i\ndiv treis."]);
        let milestones = format!(
            "<osis><div><chapter sID='Mark.1' osisID='Mark.1'/>{verses}<chapter eID='Mark.1'/><p>beigys</p>\
             <chapter sID='Mark.2' osisID='Mark.2'/><chapter eID='Mark.2'/></div></osis>"
        );
        assert_eq!(read(&milestones), ["Mark.1|Vīns i\ndiv treis.", "Skipped(\"empty\")"]);
    }

    #[test]
    fn milestones_of_usx_may_lack_their_ends() {
        let usx = "<usx><chapter number='1' style='c' sid='MRK 1'/><para><verse number='1' style='v' sid='MRK 1:1'/>Vīns\
            <verse eid='MRK 1:1'/><verse number='2' style='v'/>div</para><para>treis</para>\
            <chapter number='2' style='c'/><para><verse number='1'/>catri</para></usx>";
        assert_eq!(read(usx), ["MRK.1|Vīns\ndiv treis", "2|catri"]);
        let cut = &usx[..usx.len() - "</usx>".len()];
        assert_eq!(read(cut).last().unwrap(), "chapter 2: the file ends inside this chapter: it was cut");
    }
}
