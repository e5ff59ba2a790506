//! Elements that are on the page and not of the text: boxes for editors, navigation, what only a screen reader or
//! nobody is shown. They are told by their classes and their style, which wikis share across languages.

use super::settings::Use;

/// Classes of what a reader of the text would leave out, in small letters.
const CLASSES: &[&str] = &[
    "ambox",
    "autoconfirmed-show",
    "catlinks",
    "dablink",
    "dmbox",
    "editlink",
    "editsection",
    "error",
    "extiw-box",
    "geo-nondefault",
    "geo-multi-punct",
    "hatnote",
    "imbox",
    "infobox",
    "mbox-small",
    "mbox-small-left",
    "metadata",
    "mw-editsection",
    "mw-empty-elt",
    "navbar",
    "navbox",
    "navbox-styles",
    "navigation-box",
    "navigation-not-searchable",
    "nomobile",
    "noprint",
    "notice",
    "ombox",
    "portal",
    "portalbox",
    "printfooter",
    "rellink",
    "sidebar",
    "sistersitebox",
    "sister-box",
    "sortkey",
    "stub",
    "succession-box",
    "tmbox",
    "toc",
    "vertical-navbox",
];

/// Elements that always have an end tag and may be left out with what they hold.
const CONTAINERS: &[&str] = &[
    "div",
    "span",
    "table",
    "ul",
    "ol",
    "dl",
    "p",
    "center",
    "small",
    "big",
    "strong",
    "em",
    "b",
    "i",
    "sup",
    "sub",
    "font",
    "cite",
    "abbr",
    "blockquote",
];

/// Class of the boxes with a page's main facts.
const INFOBOX: &str = "infobox";

/// Whether an element with these attributes is such a box.
pub(super) fn is_infobox(attributes: &str) -> bool {
    let classes = value(&attributes.to_ascii_lowercase(), "class").unwrap_or_default().to_owned();
    classes.split_ascii_whitespace().any(|class| class == INFOBOX)
}

/// Whether an element with these attributes (from its name to `>`) is left out with all it holds.
pub(super) fn is_unseen(name: &str, attributes: &str, infoboxes: Use) -> bool {
    if attributes.len() < name.len() + 8 || !CONTAINERS.contains(&name) {
        return false;
    }
    let lower = attributes.to_ascii_lowercase();
    let classes = value(&lower, "class").unwrap_or_default();
    let wanted = |class: &str| class == INFOBOX && infoboxes == Use::Keep;
    if classes.split_ascii_whitespace().any(|class| CLASSES.contains(&class) && !wanted(class)) {
        return true;
    }
    let style = value(&lower, "style").unwrap_or_default();
    style.split(';').any(|rule| {
        let Some((property, value)) = rule.split_once(':') else { return false };
        let value = value.trim().trim_end_matches("!important").trim_end();
        matches!((property.trim(), value), ("display", "none") | ("visibility", "hidden"))
    })
}

/// The value of an attribute, with quotes or without.
fn value<'t>(attributes: &'t str, name: &str) -> Option<&'t str> {
    for (at, _) in attributes.match_indices(name) {
        let before = attributes[..at].ends_with(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\''));
        let Some(value) = attributes[at + name.len()..].trim_start().strip_prefix('=').filter(|_| before) else {
            continue;
        };
        let value = value.trim_start();
        return match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
            _ => value.split(|c: char| c.is_ascii_whitespace() || c == '>').next(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_styles_tell_what_is_not_of_the_text() {
        let name = |attributes: &str| attributes.split(' ').next().unwrap().to_lowercase();
        for unseen in [
            "div class=\"noprint\" style=\"x\"",
            "DIV CLASS='plainlinks Navbox x'",
            "span style=\"color:red; display : none\"",
            "span style=display:none",
            "div style=\"display:none !important;\"",
            "span style=\"visibility:hidden\"",
            "table id=\"x\"class=\"metadata\"",
        ] {
            assert!(is_unseen(&name(unseen), unseen, Use::Drop), "{unseen}");
        }
        for seen in [
            "div",
            "div class=\"stubborn\"",
            "div subclass=\"navbox\"",
            "div style=\"display:block\"",
            "div title=\"class\" id=navbox",
            "span style=\"border:none\"",
            "div class",
            "div class=\"",
            "td class=\"navbox\"",
            "br style=\"display:none\"",
        ] {
            assert!(!is_unseen(&name(seen), seen, Use::Drop), "{seen}");
        }
    }

    #[test]
    fn boxes_of_facts_are_seen_when_wanted() {
        let infobox = "table class=\"infobox vcard\"";
        assert!(is_infobox(infobox) && !is_infobox("table class=\"infoboxes\""));
        assert!(is_unseen("table", infobox, Use::Drop) && !is_unseen("table", infobox, Use::Keep));
        assert!(is_unseen("table", "table class=\"infobox noprint\"", Use::Keep));
    }
}
