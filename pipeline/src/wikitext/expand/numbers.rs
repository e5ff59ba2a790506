//! Numbers as text: as the wiki's server writes the result of a sum, and as a language writes them.

use super::language::{self, Language};

/// A result with 14 digits, as PHP writes it: `0.33333333333333`, `1.0E+25`.
pub(super) fn php(value: f64) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let written = format!("{:.13e}", value.abs());
    let (mantissa, exponent) = written.split_once('e').expect("written so");
    let exponent: i32 = exponent.parse().expect("written so");
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let sign = if value < 0.0 { "-" } else { "" };
    if !(-4..14).contains(&exponent) {
        let rest = if digits.len() > 1 { &digits[1..] } else { "0" };
        return format!("{sign}{}.{rest}E{exponent:+}", &digits[..1]);
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(-exponent as usize - 1));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}

/// `1234.5` as a language writes it: `1,234.5`, `1 234,5`, `১,২৩৪.৫`. What is no number in `text` stays.
pub(super) fn formatted(text: &str, code: &str) -> String {
    let language = language::find(code);
    let mut out = String::with_capacity(text.len() + 4);
    let mut rest = text;
    if let Some(positive) = text.strip_prefix('-')
        && positive.starts_with(|c: char| c.is_ascii_digit())
    {
        out.push('−');
        rest = positive;
    }
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let count = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = count(rest);
        let fraction = rest[whole..].strip_prefix('.').map_or(0, count);
        out.push_str(&grouped(&rest[..whole], &language));
        rest = &rest[whole..];
        if fraction > 0 {
            out.push_str(language.decimal);
            out.extend(rest[1..=fraction].chars().map(|c| language.digit(c)));
            rest = &rest[1 + fraction..];
        }
    }
    out + rest
}

fn grouped(digits: &str, language: &Language) -> String {
    let count = digits.len();
    let mut out = String::with_capacity(2 * count);
    let group = count >= 3 + language.least_before_group;
    for (i, c) in digits.chars().enumerate() {
        let left = count - i;
        let ends = if language.by_hundreds && left > 3 { left % 2 == 1 } else { left.is_multiple_of(3) };
        if group && i > 0 && ends {
            out.push_str(language.group);
        }
        out.push(language.digit(c));
    }
    out
}

/// With the language's digits and nothing else changed.
pub(super) fn digits(text: &str, code: &str) -> String {
    let language = language::find(code);
    text.chars().map(|c| language.digit(c)).collect()
}

/// A number of a language as a sum takes it: `1 234,5` is `1234.5`.
pub(super) fn plain(text: &str, code: &str) -> String {
    let language = language::find(code);
    let mut out: String = text.chars().map(|c| language.ascii(c)).collect::<String>().replace('−', "-");
    out = out.replace(language.group, "");
    if language.group.trim().is_empty() {
        // Writers put a plain space.
        out = out.replace("&nbsp;", "").replace([' ', '\u{a0}', '\u{202f}'], "");
    }
    if language.decimal == "." { out } else { out.replace(language.decimal, ".") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_written_as_php_writes_them() {
        for (value, wanted) in [
            (1.0 / 3.0, "0.33333333333333"),
            (0.1 + 0.2, "0.3"),
            (99_999_999_999_999.0, "99999999999999"),
            (1e14, "1.0E+14"),
            (1.25e20, "1.25E+20"),
            (0.0001, "0.0001"),
            (0.00001, "1.0E-5"),
            (-1234.5, "-1234.5"),
            (100.0, "100"),
            (-0.0, "-0"),
        ] {
            assert_eq!(php(value), wanted);
        }
    }

    #[test]
    fn numbers_of_languages() {
        for (code, text, wanted) in [
            ("en", "987654321.654321", "987,654,321.654321"), // Help:Magic words
            ("en", "-1234", "−1,234"),
            ("en", "00001", "00,001"),
            ("en", "12", "12"),
            ("de", "1234567.5", "1.234.567,5"),
            ("uk", "12345.5", "12\u{a0}345,5"),
            ("uk", "1234", "1234"), // groups from five digits on
            ("lv", "1234567", "1\u{a0}234\u{a0}567"),
            ("bn", "12345678.9", "১,২৩,৪৫,৬৭৮.৯"),
            ("mr", "123", "१२३"),
            ("hi", "1234567", "12,34,567"),
            ("fa", "1234.5", "۱٬۲۳۴٫۵"),
            ("en", "about 1234 km", "about 1,234 km"),
            ("unheard of", "1234.5", "1,234.5"),
        ] {
            assert_eq!(formatted(text, code), wanted, "{code}");
        }
        assert_eq!(plain("987,654,321.654321", "en"), "987654321.654321"); // Help:Magic words
        assert_eq!(plain("12 345,5", "uk"), "12345.5");
        assert_eq!(plain("−১,২৩৪.৫", "bn"), "-1234.5");
        assert_eq!(digits("1234.5", "mr"), "१२३४.५");
    }
}
