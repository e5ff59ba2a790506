//! Wiki markup to text. Whatever the source, none of its brackets and tags is left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tongues_fuzz::{bounded, text_of};
use tongues_pipeline::read::{Body, Raw};
use tongues_pipeline::wikitext::{self, Site};

fuzz_target!(|source: &str| {
    let raw = Raw {
        id: "1".to_owned(),
        title: Some("Lobs".to_owned()),
        url: None,
        timestamp: None,
        licence: None,
        body: Body::Wikitext(source.to_owned()),
    };
    bounded(|| text_of(&raw, None));
    // Before normalising, which joins what signs nobody sees had parted; and without the marks of slanted text, whose
    // going joins `<''ref>`, which is no tag and shown as it stands.
    let source = source.replace("''", "");
    let text = wikitext::to_text(&source, &Site::default());
    // What the source says literally, by entities or <nowiki>, is text.
    if !source.contains('&') && !source.to_ascii_lowercase().contains("<nowiki") && !source.contains("<pre") {
        for debris in ["{{", "}}", "[[", "]]", "{|", "|}", "<ref>", "</ref>", "<!--"] {
            assert!(!text.contains(debris), "{debris} left in {text:?}");
        }
    }
});
