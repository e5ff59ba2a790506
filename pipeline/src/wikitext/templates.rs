//! The few templates whose argument is text of the page. All others vanish: what they would say is not in the source.

/// Text of a template from its parts (name first, then arguments, their own markup already turned into text).
pub(super) fn text<S: AsRef<str>>(parts: &[S]) -> String {
    let name = parts.first().map(|name| name.as_ref().trim().to_lowercase().replace('_', " ")).unwrap_or_default();
    if let Some((function, argument)) = name.split_once(':') {
        let written = parts[0].as_ref().split_once(':').map_or("", |(_, argument)| argument.trim());
        return match function {
            "formatnum" | "lcfirst" | "ucfirst" => written.to_owned(),
            "lc" => argument.trim().to_owned(),
            "uc" => written.to_uppercase(),
            _ => String::new(),
        };
    }
    let argument = |n: usize| argument(parts, n);
    match name.as_str() {
        "convert" | "cvt" => match argument(2) {
            "to" | "and" | "or" | "by" | "x" | "-" | "–" => {
                [argument(1), argument(2), argument(3), argument(4)].join(" ")
            }
            unit => format!("{} {unit}", argument(1)),
        },
        "lang" | "transl" | "transliteration" | "langx" | "lang-x" | "script" => last(parts).to_owned(),
        "nowrap"
        | "nobr"
        | "nobreak"
        | "small"
        | "smaller"
        | "big"
        | "larger"
        | "sc"
        | "smallcaps"
        | "unicode"
        | "abbr"
        | "tooltip"
        | "nihongo"
        | "ill"
        | "val"
        | "quote"
        | "blockquote"
        | "cquote"
        | "s"
        | "em"
        | "strong"
        | "resize"
        | "мова"
        | "начало цитаты"
        | "цитата"
        | "s2"
        | "okina text"
        | "math"
        | "mvar"
        | "nobold"
        | "noitalic"
        | "nastaliq"
        | "polytonic" => argument(1).to_owned(),
        "color" | "colour" => argument(2).to_owned(),
        "chem" => (1..parts.len()).map(argument).collect(),
        "circa" | "c." | "ca." if !argument(1).is_empty() => format!("c. {}", argument(1)),
        "frac" if !argument(2).is_empty() => format!("{}/{}", argument(1), argument(2)),
        "snd" | "spaced ndash" | "ndash" | "–" => " – ".to_owned(),
        "mdash" | "—" => "—".to_owned(),
        "nbsp" | "space" | "·" | "•" => " ".to_owned(),
        _ if name.starts_with("lang-") || name.starts_with("lang ") => argument(1).to_owned(),
        _ => String::new(),
    }
}

/// Whether a template of this name shows something of its arguments.
pub(super) fn is_known(name: &str) -> bool {
    !text(&[name, "1", "2", "3"]).is_empty()
}

/// The `n`th argument without a name; `2=x` is the second wherever it stands.
fn argument<S: AsRef<str>>(parts: &[S], n: usize) -> &str {
    let mut position = 0;
    for part in parts.iter().skip(1).map(S::as_ref) {
        match split(part) {
            Some((name, value)) if name.parse() == Ok(n) => return value,
            Some(_) => {}
            None => {
                position += 1;
                if position == n {
                    return part.trim();
                }
            }
        }
    }
    ""
}

/// The last argument without a name.
fn last<S: AsRef<str>>(parts: &[S]) -> &str {
    let mut found = "";
    for part in parts.iter().skip(1).map(S::as_ref) {
        match split(part) {
            Some((name, value)) if name.parse::<usize>().is_ok() => found = value,
            Some(_) => {}
            None if !part.trim().is_empty() => found = part.trim(),
            None => {}
        }
    }
    found
}

/// Name and value of `name=value`.
fn split(part: &str) -> Option<(&str, &str)> {
    let (name, value) = part.split_once('=')?;
    let name = name.trim();
    let plain = name.len() <= 24 && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    plain.then_some((name, value.trim()))
}
