//! A text as an identification model is shown it.

use crate::script;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_script::Script;

/// How a text is made ready for a model; its card says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preparation {
    /// One line, and no more than that: models from elsewhere, which have no card.
    #[default]
    Line,
    /// The words alone: NFC, lower case, letters and marks; digits and punctuation are gone, apostrophes are one.
    ///
    /// With little text a word that has a comma stuck to it is another word, and digits teach whose news was read.
    Words,
}

impl Preparation {
    /// The text on one line.
    pub fn prepare(self, text: &str) -> String {
        match self {
            Preparation::Line => text.split(|c: char| c.is_whitespace() || c.is_control()).fold(String::new(), join),
            Preparation::Words => words(text),
        }
    }
}

fn join(mut line: String, word: &str) -> String {
    if !line.is_empty() && !word.is_empty() {
        line.push(' ');
    }
    line.push_str(word);
    line
}

fn words(text: &str) -> String {
    let composed: Cow<str> = if is_nfc(text) { text.into() } else { text.nfc().collect::<String>().into() };
    let mut line = String::with_capacity(text.len());
    let mut space = false;
    for c in composed.chars().flat_map(char::to_lowercase) {
        let kept = match c {
            '\'' | '’' | 'ʼ' | 'ʻ' | '‘' => Some('\''),
            // Joiners are spelling.
            '\u{200C}' | '\u{200D}' => Some(c),
            c if script::is_letter(c) => Some(c),
            // Marks: those that take the script before them, and vowel signs that have one of their own.
            c if !c.is_ascii()
                && !c.is_numeric()
                && !matches!(script::script(c), Script::Common | Script::Unknown)
                && !is_sign(c) =>
            {
                Some(c)
            }
            _ => None,
        };
        match kept {
            Some(c) => {
                if space && !line.is_empty() {
                    line.push(' ');
                }
                space = false;
                line.push(c);
            }
            None => space = true,
        }
    }
    line
}

/// Punctuation that has a script of its own: the Arabic comma is common to several, these are not.
fn is_sign(c: char) -> bool {
    matches!(c, '՚'..='՟' | '։' | '־' | '׀' | '׃' | '׆' | '׳' | '״' | '؞' | '܀'..='܍' | '߷'..='߹' | '॰' | '৽' | '๏' | '๚' | '๛'
        | '༄'..='༒' | '༔' | '༺'..='༽' | '྅' | '࿐'..='࿔' | '၊'..='၏' | '፠'..='፨' | '។'..='៚' | '᠀'..='᠊' | '᱾' | '᱿' | '⳹'..='⳿' | '⵰')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_marks() {
        let words = |text| Preparation::Words.prepare(text);
        assert_eq!(words(" Upe, 3,5 km «GARA»!\n\u{FEFF}"), "upe km gara");
        assert_eq!(words("e\u{301} ma’a l'eau"), "é ma'a l'eau");
        assert_eq!(words("नदी लंबी है। बांग्ला ১২"), "नदी लंबी है बांग्ला");
        assert_eq!(words("ሰላም፡ለዓለም። ལྷ་ས།"), "ሰላም ለዓለም ལྷ ས");
        assert_eq!(words("می\u{200C}خواهم، ១២ ភាសា។"), "می\u{200C}خواهم ភាសា");
        assert_eq!(words("12.5 % __label__x"), "label x");
    }

    #[test]
    fn a_model_from_elsewhere_gets_the_text_as_it_is() {
        assert_eq!(Preparation::Line.prepare("Upe,  3\r\ngara!\0"), "Upe, 3 gara!");
    }
}
