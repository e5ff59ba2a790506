//! A web page in any encoding, whole and its main content alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tongues_fuzz::{Memory, bounded, text_of};
use tongues_pipeline::read::{self, Format, HtmlContent, Item, ReadSettings};

thread_local! {
    static FILE: RefCell<Memory> = RefCell::default();
}

fuzz_target!(|bytes: &[u8]| {
    FILE.with_borrow_mut(|file| {
        let path = file.with(bytes);
        for html_content in [HtmlContent::Main, HtmlContent::Whole] {
            let settings = ReadSettings { format: Some(Format::Html), html_content, ..ReadSettings::default() };
            bounded(|| {
                let Ok(mut reader) = read::open(path, &settings) else { return };
                while let Ok(Some(item)) = reader.next() {
                    if let Item::Document(raw) = item {
                        text_of(&raw, None);
                    }
                }
            });
        }
    });
});
