//! A page and its templates, parted by lines of `%%%`: the page first, then `Template:A`, `Template:B` and so on; one
//! that begins with `#` and a capital letter is a redirect. All of the expander but modules, which have bounds of their own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tongues_fuzz::{bounded, text_of};
use tongues_pipeline::read::{Body, Raw};
use tongues_pipeline::wikitext::{Gatherer, Site, Wiki};

fuzz_target!(|whole: &str| {
    let mut parts = whole.split("\n%%%\n");
    let page = parts.next().unwrap_or_default();
    let site = Site::default();
    let mut gatherer = Gatherer::new().expect("a temporary file");
    gatherer.page(0, "Lobs", "2020-02-29T23:59:59Z");
    for (letter, source) in (b'A'..=b'Z').zip(parts) {
        let title = format!("Template:{}", letter as char);
        gatherer.page(10, &title, "2020-01-01T00:00:00Z");
        let redirect = source.starts_with('#') && source[1..].starts_with(|c: char| c.is_ascii_uppercase());
        gatherer.template(&title, source, redirect, &site).expect("a temporary file");
    }
    // So that the expander runs for a page without templates too.
    gatherer.template("Template:Own", "{{{1|}}}", false, &site).expect("a temporary file");
    let templates = gatherer.finish().expect("a temporary file").map(Arc::new);
    let wiki = Wiki { site: Arc::new(site), templates, ..Wiki::default() };
    let raw = Raw {
        id: "1".to_owned(),
        title: Some("Lobs".to_owned()),
        url: None,
        timestamp: Some("2019-12-31T00:00:00Z".to_owned()),
        licence: None,
        body: Body::Wikitext(page.to_owned()),
    };
    bounded(|| text_of(&raw, Some(&wiki)));
});
