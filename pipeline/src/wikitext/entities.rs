//! Character references: `&amp;`, `&#263;`, `&#x107;`, `&nbsp;`.

use scraper::Html;
use std::borrow::Cow;

/// Longest name looked at, in bytes; HTML knows few longer ones.
const LONGEST: usize = 12;

/// The characters that a reference at the beginning of `text` stands for, and its length in bytes.
/// None where it is no reference. A no-break space becomes a space.
pub(super) fn decode(text: &str) -> Option<(Cow<'static, str>, usize)> {
    let body = text.strip_prefix('&')?;
    let end = body.bytes().take(LONGEST + 1).position(|byte| byte == b';')?;
    let name = &body[..end];
    let length = end + 2;
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
            None => number.parse().ok()?,
        };
        let c = char::from_u32(code)?;
        let shown = match c {
            '\u{a0}' => Cow::Borrowed(" "),
            c if c.is_control() && c != '\n' && c != '\t' => Cow::Borrowed(""),
            c => Cow::Owned(c.to_string()),
        };
        return Some((shown, length));
    }
    let known = match name {
        "nbsp" | "thinsp" | "ensp" | "emsp" => " ",
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        "ndash" => "–",
        "mdash" => "—",
        "shy" => "",
        "minus" => "−",
        "middot" => "·",
        "bull" => "•",
        "hellip" => "…",
        "times" => "×",
        "deg" => "°",
        "laquo" => "«",
        "raquo" => "»",
        "zwnj" => "\u{200c}",
        "zwj" => "\u{200d}",
        _ => return unusual(name).map(|shown| (Cow::Owned(shown), length)),
    };
    Some((Cow::Borrowed(known), length))
}

/// The rare ones are known to the HTML parser.
fn unusual(name: &str) -> Option<String> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let written = format!("&{name};");
    let shown: String = Html::parse_fragment(&written).root_element().text().collect();
    (!shown.is_empty() && !shown.ends_with(';')).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_every_kind() {
        let decoded = |text| decode(text);
        assert_eq!(decoded("&amp;x"), Some(("&".into(), 5)));
        assert_eq!(decoded("&#263;"), Some(("ć".into(), 6)));
        assert_eq!(decoded("&#x107;"), Some(("ć".into(), 7)));
        assert_eq!(decoded("&cacute;"), Some(("ć".into(), 8)));
        assert_eq!(decoded("&nothing;"), None);
        assert_eq!(decoded("& x;"), None);
        assert_eq!(decoded("&#xD800;"), None);
        assert_eq!(decoded("&"), None);
    }
}
