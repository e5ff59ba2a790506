//! The script of a character, as an ISO 15924 code.

use crate::tag::Tag;
use std::sync::LazyLock;
use unicode_script::{Script, UnicodeScript};

/// Scripts of the basic plane: a text asks for each of its characters, and a search is slower than a look.
static BASIC: LazyLock<Box<[Script]>> = LazyLock::new(|| {
    let script = |code: u32| char::from_u32(code).map_or(Script::Unknown, |c| c.script());
    (0..0x1_0000).map(script).collect()
});

/// A bit for each letter of the basic plane: the library's search was a third of the time of telling Marathi.
static LETTERS: LazyLock<Box<[u64]>> = LazyLock::new(|| {
    let bit = |code: u32| u64::from(char::from_u32(code).is_some_and(char::is_alphabetic)) << (code % 64);
    (0..0x1_0000).step_by(64).map(|first| (first..first + 64).map(bit).sum()).collect()
});

/// As [`char::is_alphabetic`].
pub(crate) fn is_letter(c: char) -> bool {
    match LETTERS.get(c as usize / 64) {
        Some(bits) => bits >> (c as usize % 64) & 1 == 1,
        None => c.is_alphabetic(),
    }
}

/// The script of `c`.
pub(crate) fn script(c: char) -> Script {
    BASIC.get(c as usize).copied().unwrap_or_else(|| c.script())
}

/// ISO 15924 code of the script of `c`: `Latn`, `Cyrl`, …
///
/// `Zyyy` is common to many scripts (digits, punctuation), `Zinh` takes the script of what stands
/// before it (combining marks), `Zzzz` is unassigned.
pub fn of(c: char) -> &'static str {
    script(c).short_name()
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

/// (share of letters and marks among characters that are not white space, share of letters of the script of `tag`
/// among letters). 0 and 1 for a text without any.
pub fn letter_shares(text: &str, tag: Tag) -> (f32, f32) {
    let (mut visible, mut letters, mut own) = (0u64, 0u64, 0u64);
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        visible += 1;
        let script = of(c);
        // Marks (Bengali vowel signs, combining accents) are not alphabetic everywhere, but have a script.
        if c.is_alphabetic() || script == "Zinh" || (!c.is_numeric() && !matches!(script, "Zyyy" | "Zzzz")) {
            letters += 1;
            own += u64::from(tag.script() == "Zzzz" || fits(c, tag));
        }
    }
    (ratio(letters, visible, 0.0), ratio(own, letters, 1.0))
}

fn ratio(part: u64, whole: u64, empty: f32) -> f32 {
    if whole == 0 { empty } else { (part as f64 / whole as f64) as f32 }
}

/// The letters of a text by script, to ask of many tags.
pub struct Letters(Vec<(char, Script, usize)>, usize);

impl Letters {
    /// Counts them; one letter stands for all of its script.
    pub fn of(text: &str) -> Letters {
        let mut counts: Vec<(char, Script, usize)> = Vec::new();
        let (mut all, mut latin) = (0, 0);
        for c in text.chars() {
            if c.is_ascii() {
                latin += usize::from(c.is_ascii_alphabetic());
            } else if is_letter(c) {
                let script = script(c);
                if matches!(script, Script::Common | Script::Inherited) {
                    continue;
                }
                all += 1;
                match counts.iter_mut().find(|(_, other, _)| *other == script) {
                    Some((.., count)) => *count += 1,
                    None => counts.push((c, script, 1)),
                }
            }
        }
        if latin > 0 {
            // Latin letters with and without accents are one script, whose first letter stands for it.
            counts.push(('a', Script::Latin, latin));
        }
        Letters(counts, all + latin)
    }

    /// Whether there is no letter.
    pub fn none(&self) -> bool {
        self.1 == 0
    }

    /// Letters, without those common to all scripts.
    pub fn count(&self) -> u32 {
        self.1 as u32
    }

    /// ISO 15924 code of the script of most letters, `Jpan` for Han with kana; none where there is no letter.
    pub fn most(&self) -> Option<&'static str> {
        let count = |wanted: &[Script]| -> usize {
            self.0.iter().filter(|(_, script, _)| wanted.contains(script)).map(|(.., count)| count).sum()
        };
        let kana = count(&[Script::Hiragana, Script::Katakana]);
        let japanese = if kana > 0 { kana + count(&[Script::Han]) } else { 0 };
        // Latin letters may be counted in two places.
        let of_script = self.0.iter().map(|(_, script, _)| (count(&[*script]), *script));
        let (most, script) = of_script.max_by_key(|(count, script)| (*count, script.short_name()))?;
        Some(if japanese > most { "Jpan" } else { script.short_name() })
    }

    /// Share of the letters that fit a tag's script, 0 to 1; 1 for the script `Zzzz`, which fits all.
    pub fn share(&self, tag: Tag) -> f32 {
        let fitting = self.0.iter().filter(|(c, ..)| tag.script() == "Zzzz" || fits(*c, tag));
        ratio(fitting.map(|(.., count)| *count as u64).sum(), self.1 as u64, 1.0)
    }
}

/// Zeros of the decimal digits in use: each is followed by the other nine (Unicode's `Nd`, those of living scripts).
const ZEROS: [char; 22] = [
    '0',
    '٠',
    '۰',
    '߀',
    '०',
    '০',
    '੦',
    '૦',
    '୦',
    '௦',
    '౦',
    '೦',
    '൦',
    '๐',
    '໐',
    '༠',
    '၀',
    '႐',
    '០',
    '᠐',
    '᱐',
    '\u{1E950}',
];

/// Value of a decimal digit of any script, 0 to 9.
pub fn digit(c: char) -> Option<u32> {
    ZEROS.iter().map(|zero| (c as u32).wrapping_sub(*zero as u32)).find(|value| *value < 10)
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
    fn letters_are_those_of_the_library() {
        assert!((0..=0x10FFFF).filter_map(char::from_u32).all(|c| is_letter(c) == c.is_alphabetic()));
    }

    #[test]
    fn digits_have_values_in_every_script() {
        assert_eq!(
            ['7', '٣', '۴', '९', '᱑', 'x', '½'].map(digit),
            [Some(7), Some(3), Some(4), Some(9), Some(1), None, None]
        );
    }

    #[test]
    fn letters_are_counted_by_script() {
        let letters = Letters::of("abсд 12, の日e\u{301}");
        let share = |tag: &str| letters.share(tag.parse().unwrap());
        // 3 of 7 Latin, 2 Cyrillic, 2 Japanese.
        assert_eq!([share("eng_Latn"), share("rus_Cyrl"), share("jpn_Jpan")], [3.0 / 7.0, 2.0 / 7.0, 2.0 / 7.0]);
        assert_eq!((share("und_Zzzz"), Letters::of("12.").none()), (1.0, true));
        let most = |text: &str| Letters::of(text).most();
        assert_eq!(
            ["abé дом 1", "の日本語 ab", "日本 a", "한국", "12."].map(most),
            [Some("Latn"), Some("Jpan"), Some("Hani"), Some("Hang"), None]
        );
    }

    #[test]
    fn letter_shares_are_counted_by_hand() {
        let tag = |text: &str| text.parse::<Tag>().unwrap();
        assert_eq!(letter_shares("ab 12", tag("ltg_Latn")), (0.5, 1.0));
        assert_eq!(letter_shares("abв г.", tag("ltg_Latn")), (0.8, 0.5));
        assert_eq!(letter_shares("", tag("ltg_Latn")), (0.0, 1.0));
        assert_eq!(letter_shares("日本の", tag("jpn_Jpan")), (1.0, 1.0));
        assert_eq!(letter_shares("বাংলা", tag("ben_Beng")), (1.0, 1.0));
    }

    #[test]
    fn share_counts_letters_alone() {
        assert_eq!(share("abся 12.", "rus_Cyrl".parse().unwrap()), Some(0.5));
        assert_eq!(share("12.", "rus_Cyrl".parse().unwrap()), None);
    }
}
