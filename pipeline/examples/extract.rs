//! Prints the documents of one file as JSON lines, and what was counted: `extract FILE [FORMAT] [expand|drop]`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::Write;
use tongues_pipeline::progress::Silent;
use tongues_pipeline::read::{self, Item, ReadSettings};
use tongues_pipeline::wikitext::Ledger;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which file? extract FILE [FORMAT] [expand|drop]")?;
    let format = arguments.next().map(|name| serde_json::from_value(name.into())).transpose()?;
    let templates = arguments.next().map(|name| serde_json::from_value(name.into())).transpose()?.unwrap_or_default();
    let language = tongues_languages::Tag::UNDETERMINED;
    let settings = ReadSettings { format, templates, ..ReadSettings::default() };
    let mut stores = read::gather_templates(&[(path.as_ref(), language, &settings)], &Silent)?;
    let mut reader = read::open(path.as_ref(), &settings)?;
    let wiki = reader.wiki(stores.swap_remove(0));
    let mut ledger = Ledger::default();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    while let Some(item) = reader.next()? {
        let kind = match item {
            Item::Document(raw) => {
                let page = read::to_text(&raw, wiki.as_ref());
                let of_page = page.ledger;
                if !of_page.unexpanded.is_empty() {
                    eprintln!("not expanded: {:?}: {:?}", raw.title, of_page.unexpanded);
                }
                ledger.add(&of_page);
                let line = serde_json::json!({ "id": raw.id, "title": raw.title, "url": raw.url, "timestamp": raw.timestamp, "text": page.text, "page_kind": page.kind });
                writeln!(out, "{line}")?;
                "document".to_owned()
            }
            Item::Skipped(kind) => kind.to_owned(),
            Item::Failed { place, cause } => {
                eprintln!("failed: {place}: {cause}");
                "failed".to_owned()
            }
        };
        *counts.entry(kind).or_default() += 1;
    }
    out.flush()?;
    eprintln!("{counts:?}, {} bytes read; {ledger:?}", reader.bytes_read());
    Ok(())
}
