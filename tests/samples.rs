//! What the tests put in, and how they compare what comes out.

use crate::harness::Place;
use std::path::PathBuf;
use tongues_pipeline::sample_wiki::SampleWiki;

/// The folders of a run whose bytes depend on settings and inputs alone.
pub const STAGES: [&str; 3] = ["documents", "vocabulary", "tokens"];

impl Place {
    /// The sample wiki, small, and a recipe for all of its languages; the recipe's name.
    pub fn sample(&self) -> String {
        let wiki = SampleWiki::generate(7, 40);
        let mut text = String::from("name = \"sample\"\n");
        for dump in wiki.write(&self.path("wiki")).unwrap() {
            let path = dump.path.display().to_string();
            text += &format!(
                "[[source]]\nname = \"wiki_{}\"\npath = \"{path}\"\nlanguage = \"{}\"\nformat = \"mediawiki\"\n",
                dump.language.language(),
                dump.language
            );
        }
        text += "[vocabulary]\nsize = 1200\n";
        self.write("sample.toml", &text);
        "sample.toml".to_owned()
    }
}

/// Same files with the same bytes; the message names the first that differs.
#[track_caller]
pub fn assert_same(found: &[(PathBuf, Vec<u8>)], wanted: &[(PathBuf, Vec<u8>)], what: &str) {
    let names =
        |tree: &[(PathBuf, Vec<u8>)]| tree.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>();
    assert_eq!(names(found), names(wanted), "{what}");
    for ((path, a), (_, b)) in found.iter().zip(wanted) {
        assert!(a == b, "{what}: {} differs", path.display());
    }
}

/// A MediaWiki export with one article for every title and text.
pub fn dump(pages: &[(&str, &str)]) -> String {
    let mut xml = String::from("<mediawiki version=\"0.11\"><siteinfo><dbname>ltgwiki</dbname></siteinfo>\n");
    for (id, (title, text)) in (1..).zip(pages) {
        xml += &format!(
            "<page><title>{title}</title><ns>0</ns><id>{id}</id><revision><id>{id}</id>\
             <timestamp>2024-01-01T00:00:00Z</timestamp><text>{text}</text></revision></page>\n"
        );
    }
    xml + "</mediawiki>\n"
}

/// A recipe of one Latgalian dump.
pub fn recipe(path: &str) -> String {
    format!("[[source]]\nname = \"wiki\"\npath = \"{path}\"\nlanguage = \"ltg_Latn\"\nformat = \"mediawiki\"\n")
}
