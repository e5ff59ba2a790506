//! One spelling for one text: NFC, one kind of line end, no invisible marks, single spaces.
//!
//! What is spelling in some script stays: zero-width joiner, non-joiner and space, letters that look alike (Persian and
//! Arabic yeh, Lao SARA AM, apostrophes and ʻokina), word spaces that are signs of their own, the narrow space of Mongolian.

mod changes;
mod clean;
mod compose;
mod homoglyphs;
mod mojibake;
mod parts;
mod strip;
mod table;

use crate::tag::Tag;
pub use changes::Changes;
use clean::State;

/// Marks that only steer the direction of display (Unicode Standard Annex 9, section 2).
fn is_bidi_mark(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// How texts of one language are brought into their one spelling.
#[derive(Clone, Copy, Debug)]
pub struct Normaliser {
    tag: Tag,
    homoglyphs: bool,
}

impl Normaliser {
    /// For texts of a language: as [`normalise`], and lines whose UTF-8 was misread are repaired.
    pub fn new(tag: Tag) -> Normaliser {
        Normaliser { tag, homoglyphs: false }
    }

    /// Also repairs words that mix Latin and Cyrillic letters which look the same.
    pub fn with_homoglyphs(self, homoglyphs: bool) -> Normaliser {
        Normaliser { homoglyphs, ..self }
    }

    /// The text in its one spelling, and what was changed. Applying it twice is applying it once.
    ///
    /// ```
    /// use tongues_languages::normalise::Normaliser;
    /// let (text, changes) = Normaliser::new("ltg_Latn".parse().unwrap()).normalise("RÄ“zekne\nira piļsāta");
    /// assert_eq!((text.as_str(), changes.mojibake_lines), ("Rēzekne\nira piļsāta", 1));
    /// ```
    pub fn normalise(&self, text: &str) -> (String, Changes) {
        let mut writer = Writer::new(text.len());
        let mut rest = text;
        while let Some(end) = rest.find('\n') {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            // CR LF is one line end.
            match line.strip_suffix('\r') {
                Some(line) => {
                    writer.changes.line_ends += 1;
                    self.line(line, &mut writer);
                }
                None => self.line(line, &mut writer),
            }
        }
        self.line(rest, &mut writer);
        writer.finish()
    }

    /// Writes a line, which may turn out to be several.
    fn line(&self, line: &str, writer: &mut Writer) {
        if let Some(text) = mojibake::repaired(line, self.tag) {
            writer.changes.mojibake_lines += 1;
            return self.line(&text, writer);
        }
        match clean::state(line) {
            State::Clean => self.written(line, writer),
            State::Uncomposed => {
                writer.changes.composed_lines += 1;
                self.spelt(&compose::composed(line), writer);
            }
            State::Unclean => {
                let mut changes = std::mem::take(&mut writer.changes);
                strip::lines(line, &mut changes, |line, changes| {
                    let composed = compose::composed(line);
                    if composed != line {
                        changes.composed_lines += 1;
                    }
                    self.spelt(&composed, writer);
                });
                writer.changes += changes;
            }
        }
    }

    /// Writes a line without anything invisible; what was invisible may have hidden that it was misread.
    fn spelt(&self, line: &str, writer: &mut Writer) {
        if let Some(text) = mojibake::repaired(line, self.tag) {
            writer.changes.mojibake_lines += 1;
            return self.line(&text, writer);
        }
        self.written(line, writer);
    }

    /// Writes a line in its one spelling, but for letters that only look like the language's.
    fn written(&self, line: &str, writer: &mut Writer) {
        match self.homoglyphs.then(|| homoglyphs::repaired(line, self.tag)).flatten() {
            Some((text, letters)) => {
                writer.changes.homoglyphs += letters;
                self.line(&text, writer); // fewer such letters each time
            }
            None => writer.push(line),
        }
    }
}

/// The text in its one spelling whatever its language, and what was changed. Applying it twice is applying it once.
///
/// ```
/// let (text, changes) = tongues_languages::normalise::normalise(" e\u{301}\u{A0} a\r\n\r\n\r\nb ");
/// assert_eq!(text, "é a\n\nb");
/// assert_eq!((changes.line_ends, changes.blank_lines, changes.composed_lines), (3, 1, 1));
/// ```
pub fn normalise(text: &str) -> (String, Changes) {
    Normaliser::new(Tag::UNDETERMINED).normalise(text)
}

/// Puts lines together, with one blank line at most between them.
struct Writer {
    output: String,
    newlines: u64,
    changes: Changes,
}

impl Writer {
    fn new(capacity: usize) -> Writer {
        Writer { output: String::with_capacity(capacity), newlines: 0, changes: Changes::default() }
    }

    fn push(&mut self, line: &str) {
        if line.is_empty() {
            self.newlines += 1;
            return;
        }
        if self.output.is_empty() {
            self.changes.blank_lines += self.newlines;
        } else {
            let kept = self.newlines.min(2);
            self.changes.blank_lines += self.newlines - kept;
            self.output.push_str(&"\n\n"[..kept as usize]);
        }
        self.newlines = 1;
        self.output.push_str(line);
    }

    fn finish(mut self) -> (String, Changes) {
        // Every line counted the line end after it; the last line has none.
        self.changes.blank_lines += self.newlines.saturating_sub(1);
        (self.output, self.changes)
    }
}

/// What a line becomes without the fast path, for its test.
#[cfg(test)]
fn slow_line(line: &str) -> Vec<String> {
    use unicode_normalization::UnicodeNormalization;
    strip::lines_slowly(line, &mut Changes::default()).into_iter().map(|line| line.nfc().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_change_is_counted() {
        let (text, changes) = normalise("\u{FEFF}a\u{200F}\u{7}\t b\u{3000}c\rd\r\ne \n\n\n\n\nf\n\n");
        assert_eq!(text, "a b c\nd\ne\n\nf");
        let expected = Changes {
            line_ends: 2,
            controls: 1,
            bidi_marks: 1,
            byte_order_marks: 1,
            spaces: 3,
            blank_lines: 5,
            ..Changes::default()
        };
        assert_eq!(changes, expected);
    }

    #[test]
    fn what_is_spelling_stays() {
        for text in [
            "می\u{200C}خواهم ක්\u{200D}ෂ ភាសា\u{200B}ខ្មែរ",
            "ی ي ى ک ك ە ه ھ ۀ ں",               // Arabic letters that other languages tell apart
            "ນ້ຳ ນໍ້າ น้ำ",                          // Lao and Thai, precomposed or not
            "ọ̀rọ̀ ẹ́ ị́ ụ̀ ổ ữ",                     // tone marks
            "ሰላም፡ለዓለም፡፡ ߒߞߏ߸ ߞߊ߲߫ 𞤀𞤣𞤤𞤢𞤥 ⵜⵉⴼⵉⵏⴰⵖ⵰", // word spaces and signs of their own
            "ʻōlelo ʼokina ’ ' ` ´ ʹ ꞌ",         // apostrophes
            "ᠮᠣᠩᠭᠣᠯ\u{202F}ᠤᠨ བོད་ཡིག་",
            "ﷺ ﻻ ﬁ ① ²", // compatibility characters
        ] {
            assert_eq!(normalise(text).0, text);
            assert!(normalise(text).1.none(), "{text}");
        }
        let (text, changes) = normalise("10\u{202F}000 ᠮᠣᠩ\u{202F} ᠤᠨ\u{202F}\nᠤ\u{202F}a vo\u{AD}lūda");
        assert_eq!(text, "10 000 ᠮᠣᠩ ᠤᠨ\nᠤ a volūda");
        assert_eq!((changes.spaces, changes.soft_hyphens), (4, 1));
    }

    #[test]
    fn misread_lines_are_repaired_as_often_as_they_were_misread() {
        let normaliser = Normaliser::new("ltg_Latn".parse().unwrap());
        let (text, changes) = normaliser.normalise("RÃ„â€œzekne\nira\n");
        assert_eq!((text.as_str(), changes.mojibake_lines), ("Rēzekne\nira", 2));
        // Marks between the signs hid it.
        assert_eq!(normaliser.normalise("RÄ\u{200E}“zekne").0, "Rēzekne");
    }

    #[test]
    fn homoglyphs_are_repaired_only_when_asked() {
        let normaliser = Normaliser::new("ukr_Cyrl".parse().unwrap());
        assert_eq!(normaliser.normalise("Мoсква").0, "Мoсква");
        let (text, changes) = normaliser.with_homoglyphs(true).normalise("Мoсква");
        assert_eq!((text.as_str(), changes.homoglyphs), ("Москва", 1));
    }

    #[test]
    fn a_mark_between_letter_and_accent_does_not_keep_them_apart() {
        assert_eq!(normalise("e\u{200E}\u{301}").0, "é");
    }

    #[test]
    fn a_clean_text_is_untouched() {
        for text in ["", "a", "ē\n\nb c", "።"] {
            let (same, changes) = normalise(text);
            assert_eq!((same.as_str(), changes.none()), (text, true));
        }
        assert_eq!(normalise(" \n\n ").0, "");
    }

    #[test]
    fn twice_is_once() {
        // Every text of up to five characters over an alphabet of the awkward ones.
        let alphabet = ['a', ' ', '\n', '\r', '\u{301}', '\u{A0}', '\u{FEFF}', 'Ã', '\u{202F}', 'ᠤ', '\u{C2}'];
        let normaliser = Normaliser::new("fra_Latn".parse().unwrap()).with_homoglyphs(true);
        for length in 0..=5u32 {
            for mut number in 0..alphabet.len().pow(length) {
                let mut text = String::new();
                for _ in 0..length {
                    text.push(alphabet[number % alphabet.len()]);
                    number /= alphabet.len();
                }
                let (once, _) = normaliser.normalise(&text);
                let (twice, changes) = normaliser.normalise(&once);
                assert_eq!(once, twice, "{text:?}");
                assert!(changes.none(), "{text:?} {once:?} {changes:?}");
            }
        }
    }
}
