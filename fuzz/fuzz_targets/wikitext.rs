//! Wiki markup to text. Whatever the source, none of its brackets and tags is left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tongues_fuzz::{bounded, text_of};
use tongues_pipeline::read::{self, Body, Raw};

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
    // Before normalising, which joins what signs nobody sees had parted.
    let text = read::to_text(&raw, None).text;
    // What the source says literally, by entities or <nowiki>, is text.
    if !source.contains('&') && !source.to_ascii_lowercase().contains("<nowiki") && !source.contains("<pre") {
        for debris in ["{{", "}}", "[[", "]]", "{|", "|}", "<ref>", "</ref>", "<!--"] {
            assert!(!text.contains(debris), "{debris} left in {text:?}");
        }
    }
});
