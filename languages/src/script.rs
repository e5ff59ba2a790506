//! The script of a character, as an ISO 15924 code.

use crate::tag::Tag;
use unicode_script::{Script, UnicodeScript};

/// ISO 15924 code of the script of `c`: `Latn`, `Cyrl`, …
///
/// `Zyyy` is common to many scripts (digits, punctuation), `Zinh` takes the script of what stands
/// before it (combining marks), `Zzzz` is unassigned.
pub fn of(c: char) -> &'static str {
    c.script().short_name()
}

/// Whether `c` may stand in a text of this tag's script. Common and inherited characters always may.
///
/// `Jpan`, `Hans`, `Hant`, `Hang` and `Kore` are made of several Unicode scripts.
pub fn fits(c: char, tag: Tag) -> bool {
    let extension = c.script_extension();
    if extension.is_common() || extension.is_inherited() {
        return true;
    }
    let contains = |script| extension.contains_script(script);
    match tag.script() {
        "Jpan" => contains(Script::Han) || contains(Script::Hiragana) || contains(Script::Katakana),
        "Hans" | "Hant" => contains(Script::Han) || contains(Script::Bopomofo),
        "Hang" | "Kore" => contains(Script::Hangul) || contains(Script::Han),
        code => Script::from_short_name(code).is_some_and(contains),
    }
}

/// Share of the letters of `text` that fit the tag's script, 0 to 1; `None` where there is no letter.
pub fn share(text: &str, tag: Tag) -> Option<f32> {
    let (mut letters, mut fitting) = (0usize, 0usize);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        fitting += usize::from(fits(c, tag));
    }
    (letters > 0).then(|| fitting as f32 / letters as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_iso_15924() {
        let found: Vec<_> = "aяनا ក1\u{301}".chars().map(of).collect();
        assert_eq!(found, ["Latn", "Cyrl", "Deva", "Arab", "Zyyy", "Khmr", "Zyyy", "Zinh"]);
    }

    #[test]
    fn composed_scripts_take_their_parts() {
        let tag = |text: &str| text.parse::<Tag>().unwrap();
        assert!("日本のカ、".chars().all(|c| fits(c, tag("jpn_Jpan"))));
        assert!(!fits('の', tag("zho_Hans")));
        assert!(!fits('a', tag("rus_Cyrl")));
        // The danda is shared by the scripts of India, not by Latin.
        assert!(fits('।', tag("ben_Beng")) && !fits('।', tag("eng_Latn")));
    }

    #[test]
    fn share_counts_letters_alone() {
        assert_eq!(share("abся 12.", "rus_Cyrl".parse().unwrap()), Some(0.5));
        assert_eq!(share("12.", "rus_Cyrl".parse().unwrap()), None);
    }
}
