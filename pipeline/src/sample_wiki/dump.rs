//! The wiki as dump files: MediaWiki export XML 0.11, compressed with bzip2.

use super::{Kind, Page, SampleLanguage, SampleWiki};
use crate::error::{Error, Result};
use crate::io::atomic;
use bzip2::Compression;
use bzip2::write::BzEncoder;
use quick_xml::escape::escape;
use sha1::{Digest, Sha1};
use std::io::Write;
use std::path::{Path, PathBuf};
use tongues_languages::Tag;

/// A dump that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpFile {
    /// Its language.
    pub language: Tag,
    /// Where it is.
    pub path: PathBuf,
    /// How many pages it has, of all namespaces.
    pub pages: usize,
}

impl SampleWiki {
    /// Writes `LANGUAGE/CODEwiki-20240101-pages-articles.xml.bz2` under `folder` for every language.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<DumpFile>> {
        self.languages
            .iter()
            .map(|language| {
                let name = format!("{}wiki-20240101-pages-articles.xml.bz2", language.wikipedia_code);
                let path = folder.join(language.tag.as_str()).join(name);
                let mut encoder = BzEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(xml(language).as_bytes()).map_err(Error::io("write", &path))?;
                let bytes = encoder.finish().map_err(Error::io("write", &path))?;
                atomic::write(&path, &bytes)?;
                Ok(DumpFile { language: language.tag, path, pages: language.pages.len() })
            })
            .collect()
    }
}

/// The whole export of one language.
fn xml(language: &SampleLanguage) -> String {
    let code = language.wikipedia_code;
    let [talk, user, file, template, category] = language.lexicon.namespaces;
    let mut xml = format!(
        "<mediawiki xmlns=\"http://www.mediawiki.org/xml/export-0.11/\" version=\"0.11\" xml:lang=\"{code}\">\n  \
         <siteinfo>\n    <sitename>Wikipedia</sitename>\n    <dbname>{code}wiki</dbname>\n    \
         <base>https://{code}.wikipedia.org/wiki/</base>\n    <generator>tongues sample wiki</generator>\n    \
         <case>first-letter</case>\n    <namespaces>\n"
    );
    for (key, name) in [(0, ""), (1, talk), (2, user), (6, file), (10, template), (14, category)] {
        if name.is_empty() {
            xml.push_str("      <namespace key=\"0\" case=\"first-letter\" />\n");
        } else {
            xml.push_str(&format!(
                "      <namespace key=\"{key}\" case=\"first-letter\">{}</namespace>\n",
                escape(name)
            ));
        }
    }
    xml.push_str("    </namespaces>\n  </siteinfo>\n");
    for page in &language.pages {
        push_page(&mut xml, language, page);
    }
    xml.push_str("</mediawiki>\n");
    xml
}

fn push_page(xml: &mut String, language: &SampleLanguage, page: &Page) {
    let redirect = match page.truth.kind {
        Kind::Redirect { to } => {
            let target = &language.pages[to as usize - 1].title;
            format!("    <redirect title=\"{}\" />\n", escape(target.as_str()))
        }
        _ => String::new(),
    };
    // A time that follows from the id: 28 days of 24 hours.
    let timestamp = format!("2023-12-{:02}T{:02}:00:00Z", 1 + page.id / 24 % 28, page.id % 24);
    xml.push_str(&format!(
        "  <page>\n    <title>{}</title>\n    <ns>{}</ns>\n    <id>{}</id>\n{redirect}    <revision>\n      \
         <id>{}</id>\n      <timestamp>{timestamp}</timestamp>\n      <contributor>\n        \
         <username>Sample</username>\n        <id>1</id>\n      </contributor>\n      <origin>{}</origin>\n      \
         <model>wikitext</model>\n      <format>text/x-wiki</format>\n      \
         <text bytes=\"{}\" sha1=\"{sha1}\" xml:space=\"preserve\">{}</text>\n      <sha1>{sha1}</sha1>\n    \
         </revision>\n  </page>\n",
        escape(page.title.as_str()),
        page.namespace,
        page.id,
        1000 + page.id,
        1000 + page.id,
        page.wikitext.len(),
        escape(page.wikitext.as_str()),
        sha1 = sha1_base36(&page.wikitext),
    ));
}

/// SHA-1 in base 36, 31 digits, as MediaWiki writes it.
fn sha1_base36(text: &str) -> String {
    let mut number: Vec<u8> = Sha1::digest(text.as_bytes()).to_vec();
    let mut digits = [b'0'; 31];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            *byte = (value / 36) as u8;
            rest = value % 36;
        }
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[rest as usize];
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bzip2::read::BzDecoder;
    use quick_xml::Reader;
    use quick_xml::events::Event;
    use std::io::Read;

    #[test]
    fn the_empty_text_has_the_known_sum() {
        assert_eq!(sha1_base36(""), "phoiac9h4m842xq45sp7s6u21eteeq1");
    }

    #[test]
    fn the_files_are_the_same_each_time_and_hold_every_page() {
        let wiki = SampleWiki::generate(7, 40);
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let files = wiki.write(folders[0].path()).unwrap();
        let again = SampleWiki::generate(7, 40).write(folders[1].path()).unwrap();
        assert_eq!(files.len(), 8);
        for ((file, other), language) in files.iter().zip(&again).zip(&wiki.languages) {
            let bytes = std::fs::read(&file.path).unwrap();
            assert_eq!(bytes, std::fs::read(&other.path).unwrap());
            let mut xml = String::new();
            BzDecoder::new(&bytes[..]).read_to_string(&mut xml).unwrap();
            assert_eq!(texts(&xml), language.pages.iter().map(|page| page.wikitext.clone()).collect::<Vec<_>>());
        }
    }

    /// The contents of all `<text>` elements; an error of form panics.
    fn texts(xml: &str) -> Vec<String> {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().check_end_names = true;
        let (mut texts, mut inside) = (Vec::<String>::new(), false);
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => return texts,
                Event::Start(start) if start.name().as_ref() == "text" => {
                    inside = true;
                    texts.push(String::new());
                }
                Event::End(end) if end.name().as_ref() == "text" => inside = false,
                Event::Text(text) if inside => texts.last_mut().unwrap().push_str(&text.xml10_content()),
                Event::GeneralRef(name) if inside => {
                    let resolved = quick_xml::escape::resolve_xml_entity(&name).unwrap();
                    texts.last_mut().unwrap().push_str(resolved);
                }
                _ => {}
            }
        }
    }
}
