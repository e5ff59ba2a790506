//! A dump, or what pretends to be one: both passes over it, and every page's text. Compressed files are dumps too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tongues_fuzz::{Memory, bounded, language, text_of};
use tongues_pipeline::progress::Silent;
use tongues_pipeline::read::{self, Format, Item, ReadSettings};

thread_local! {
    static FILE: RefCell<Memory> = RefCell::default();
}

fuzz_target!(|bytes: &[u8]| {
    FILE.with_borrow_mut(|file| {
        let path = file.with(bytes);
        let settings = ReadSettings { format: Some(Format::Mediawiki), ..ReadSettings::default() };
        bounded(|| {
            let gathered = read::gather_templates(&[(path, language(), &settings)], &Silent).expect("room in memory");
            let Ok(mut reader) = read::open(path, &settings) else { return };
            reader.claim(language());
            let wiki = reader.wiki(gathered.into_iter().next().expect("one file")).expect("a dump has a wiki");
            let mut pages = 0;
            while let Ok(Some(item)) = reader.next() {
                pages += 1;
                if let Item::Document(raw) = item {
                    assert!(!raw.id.is_empty() || raw.title.as_deref() == Some(""), "no id: {raw:?}");
                    text_of(&raw, Some(&wiki));
                }
            }
            // Damage may be told of where a page would have been. Compressed bytes hold more.
            assert!(
                pages <= 1 + bytes.len() / 6 || bytes.starts_with(b"BZh") || !bytes.starts_with(b"<"),
                "{pages} items"
            );
        });
    });
});
