//! Text of a link from its target and its label, the last of its parts.

use super::site::{Site, Target};
use std::borrow::Cow;

/// What a reader sees of `[[target|label]]`; empty for pictures, categories and other languages.
pub(super) fn text<'t>(target: &'t str, label: Option<&'t str>, site: &Site) -> Cow<'t, str> {
    let target = target.trim();
    let (target, shown) = match target.strip_prefix(':') {
        Some(rest) => (rest.trim(), Target::Page),
        None => (target, site.target(target)),
    };
    if shown != Target::Page {
        return Cow::Borrowed("");
    }
    match label {
        Some(label) if !label.trim().is_empty() => Cow::Borrowed(label),
        Some(_) => Cow::Borrowed(piped(target)),
        None if target.contains('_') => Cow::Owned(target.trim_start_matches('/').replace('_', " ")),
        None => Cow::Borrowed(target.trim_start_matches('/')),
    }
}

/// `[[Help:Lobs (sign)|]]` shows `Lobs`.
fn piped(target: &str) -> &str {
    let bare = target.rsplit_once(':').map_or(target, |(_, rest)| rest);
    let end = bare.find(" (").or_else(|| bare.find(", ")).unwrap_or(bare.len());
    bare[..end].trim()
}
