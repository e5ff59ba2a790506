//! What of a language's manners numbers need: separators, digits, plural forms.
//!
//! Keys are the codes of Wikipedias. Separators, groups and digits are those MediaWiki sets for the language
//! (`$separatorTransformTable`, `$digitGroupingPattern`, `$minimumGroupingDigits`, `$digitTransformTable`); plural
//! forms are CLDR's. A language that is not here writes numbers as English does.

/// How a language writes numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Language {
    /// Between groups of digits.
    pub(super) group: &'static str,
    /// Before the fraction.
    pub(super) decimal: &'static str,
    /// `12,34,567`: after the first three, groups of two.
    pub(super) by_hundreds: bool,
    /// Digits that stand before the first separator at least.
    pub(super) least_before_group: usize,
    /// Its own zero.
    zero: char,
}

const SPACE: &str = "\u{a0}";

/// A space and a comma: `1 234,5`.
const SPACED: &[&str] = &[
    "ab",
    "af",
    "av",
    "ba",
    "bat-smg",
    "be-tarask",
    "be-x-old",
    "br",
    "ce",
    "cs",
    "cv",
    "eo",
    "et",
    "fi",
    "fiu-vro",
    "frp",
    "fur",
    "hy",
    "inh",
    "it",
    "kaa",
    "kk",
    "koi",
    "kv",
    "ky",
    "lbe",
    "lez",
    "lij",
    "lmo",
    "ln",
    "lt",
    "ltg",
    "lv",
    "mhr",
    "mrj",
    "myv",
    "nap",
    "nb",
    "nn",
    "no",
    "oc",
    "os",
    "pms",
    "ru",
    "sah",
    "scn",
    "se",
    "sgs",
    "sk",
    "sv",
    "tt",
    "tyv",
    "udm",
    "vec",
    "vro",
    "wa",
];
/// The same, and `1234` stays whole.
const SPACED_FROM_FIVE: &[&str] =
    &["an", "ay", "be", "bg", "es", "gn", "hu", "ka", "nah", "pl", "pt", "qu", "uk", "xmf"];
/// A dot and a comma: `1.234,5`.
const DOTTED: &[&str] = &[
    "als", "ast", "az", "bar", "bs", "ca", "crh", "da", "de", "dsb", "el", "eu", "fo", "fy", "gl", "hr", "hsb", "id",
    "is", "jv", "km", "ksh", "lb", "li", "lo", "mk", "nds", "nds-nl", "nl", "pdc", "pt-br", "ro", "roa-rup", "rue",
    "sh", "sl", "sq", "sr", "srn", "stq", "su", "tk", "tr", "vi", "vls", "zea",
];
/// `12,34,567`.
const BY_HUNDREDS: &[&str] =
    &["as", "bh", "bho", "bn", "bpy", "gu", "hi", "kn", "mai", "ml", "mr", "ne", "new", "or", "pa", "sa", "ta", "te"];

/// Zeros of the languages whose wikis write their own digits.
const ZEROS: &[(char, &[&str])] = &[
    ('०', &["bh", "bho", "mai", "mr", "ne", "new", "sa", "dty"]),
    ('০', &["as", "bn", "bpy"]),
    ('૦', &["gu"]),
    ('୦', &["or"]),
    ('೦', &["kn"]),
    ('၀', &["my", "shn"]),
    ('០', &["km"]),
    ('໐', &["lo"]),
    ('༠', &["bo", "dz"]),
    ('۰', &["fa", "glk", "mzn", "lrc", "ps"]),
    ('٠', &["ckb"]),
    ('߀', &["nqo"]),
    ('᱐', &["sat"]),
    ('꯰', &["mni"]),
];

/// Manners of a language.
pub(super) fn find(code: &str) -> Language {
    let is = |list: &[&str]| list.contains(&code);
    let arabic = is(&["ar", "ckb", "fa", "glk", "lrc", "mzn", "ps"]);
    let (group, decimal) = match code {
        _ if arabic => ("٬", "٫"),
        "fr" => ("\u{202f}", ","),
        _ if is(SPACED) || is(SPACED_FROM_FIVE) => (SPACE, ","),
        _ if is(DOTTED) => (".", ","),
        _ => (",", "."),
    };
    Language {
        group,
        decimal,
        by_hundreds: is(BY_HUNDREDS),
        least_before_group: if is(SPACED_FROM_FIVE) { 2 } else { 1 },
        zero: ZEROS.iter().find(|(_, codes)| is(codes)).map_or('0', |(zero, _)| *zero),
    }
}

impl Language {
    /// An ASCII digit as the language writes it; other characters stay.
    pub(super) fn digit(&self, c: char) -> char {
        match c.to_digit(10) {
            Some(digit) if self.zero != '0' => {
                char::from_u32(self.zero as u32 + digit).expect("digits follow their zero")
            }
            _ => c,
        }
    }

    /// The other way.
    pub(super) fn ascii(&self, c: char) -> char {
        match (c as u32).checked_sub(self.zero as u32) {
            Some(digit @ 0..=9) => char::from_digit(digit, 10).expect("below ten"),
            _ => c,
        }
    }
}

/// Which form of a word goes with a number, from 0.
pub(super) fn plural(code: &str, number: f64) -> usize {
    let whole = number.abs() as u64;
    let (one, two) = (whole % 10, whole % 100);
    if number.fract() != 0.0 {
        return usize::MAX; // the last form there is
    }
    match code {
        "be" | "be-tarask" | "be-x-old" | "bs" | "hr" | "ru" | "sh" | "sr" | "uk" => match (one, two) {
            (1, two) if two != 11 => 0,
            (2..=4, two) if !(12..=14).contains(&two) => 1,
            _ => 2,
        },
        "pl" => match (whole, one, two) {
            (1, ..) => 0,
            (_, 2..=4, two) if !(12..=14).contains(&two) => 1,
            _ => 2,
        },
        "cs" | "sk" => match whole {
            1 => 0,
            2..=4 => 1,
            _ => 2,
        },
        "lt" | "sgs" | "bat-smg" => match (one, two) {
            (1, two) if two != 11 => 0,
            (2..=9, two) if !(11..=19).contains(&two) => 1,
            _ => 2,
        },
        "lv" | "ltg" => match (one, two) {
            (0, _) | (_, 11..=19) => 0,
            (1, _) => 1,
            _ => 2,
        },
        "sl" => match two {
            1 => 0,
            2 => 1,
            3 | 4 => 2,
            _ => 3,
        },
        "ro" => match (whole, two) {
            (1, _) => 0,
            (0, _) | (_, 1..=19) => 1,
            _ => 2,
        },
        "ar" => match (whole, two) {
            (0..=2, _) => whole as usize,
            (_, 3..=10) => 3,
            (_, 11..=99) => 4,
            _ => 5,
        },
        "fr" | "hi" | "bn" | "as" | "gu" | "kn" | "fa" | "am" | "zu" => usize::from(whole > 1),
        // No forms.
        "ja" | "zh" | "ko" | "vi" | "th" | "id" | "ms" | "my" | "km" | "lo" | "yo" | "ig" | "bo" | "dz" => 0,
        _ => usize::from(whole != 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLDR's examples of integers for each form.
    #[test]
    fn plural_forms() {
        for (code, numbers, form) in [
            ("en", &[1][..], 0),
            ("en", &[0, 2, 11], 1),
            ("fr", &[0, 1], 0),
            ("uk", &[1, 21, 101], 0),
            ("uk", &[2, 4, 22], 1),
            ("uk", &[0, 5, 11, 12, 14, 111], 2),
            ("pl", &[1], 0),
            ("pl", &[2, 22, 104], 1),
            ("pl", &[0, 5, 21, 112], 2),
            ("cs", &[1], 0),
            ("cs", &[2, 4], 1),
            ("cs", &[5, 100], 2),
            ("lv", &[0, 10, 11, 20], 0),
            ("lv", &[1, 21], 1),
            ("lv", &[2, 9, 22], 2),
            ("ar", &[0], 0),
            ("ar", &[2], 2),
            ("ar", &[103], 3),
            ("ja", &[7], 0),
        ] {
            for number in numbers {
                assert_eq!(plural(code, f64::from(*number)), form, "{code} {number}");
            }
        }
    }
}
