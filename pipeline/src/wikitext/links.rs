//! Text of a link from its parts.

use super::site::{Site, Target};

/// What a reader sees of `[[target|label]]`; empty for pictures, categories and other languages.
pub(super) fn text(parts: &[String], site: &Site) -> String {
    let target = parts.first().map_or("", |target| target.trim());
    let (target, shown) = match target.strip_prefix(':') {
        Some(rest) => (rest.trim(), Target::Page),
        None => (target, site.target(target)),
    };
    if shown != Target::Page {
        return String::new();
    }
    match parts.last().filter(|_| parts.len() > 1) {
        Some(label) if !label.trim().is_empty() => label.clone(),
        Some(_) => piped(target).to_owned(),
        None => target.trim_start_matches('/').replace('_', " "),
    }
}

/// `[[Help:Lobs (sign)|]]` shows `Lobs`.
fn piped(target: &str) -> &str {
    let bare = target.rsplit_once(':').map_or(target, |(_, rest)| rest);
    let end = bare.find(" (").or_else(|| bare.find(", ")).unwrap_or(bare.len());
    bare[..end].trim()
}
