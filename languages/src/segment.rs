//! Words and sentences by Unicode Standard Annex 29, with dictionaries or small networks for scripts
//! that write no spaces (Khmer, Lao, Burmese, Thai, Chinese, Japanese).
//!
//! The annex parts Tibetan at every tsheg and Ethiopic at its word space, spaces around it or not: a Tibetan word here
//! is a syllable, since the script does not show where a word of several ends.

use crate::profile;
use crate::tag::Tag;
use icu_segmenter::options::{SentenceBreakInvariantOptions, WordBreakInvariantOptions};
use icu_segmenter::{SentenceSegmenter, WordSegmenter};

/// Ends of sentence that the Unicode rules treat with more care than "cut here".
const COMMON_ENDS: &str = ".?!…";

const WORD_SPACE: char = '፡';
const ETHIOPIC_STOP: char = '።';

/// The words of a text in order: letters and numbers, no space and no punctuation.
///
/// The rules of Annex 29 serve every language; `_tag` is there for those that will need their own.
pub fn words(text: &str, _tag: Tag) -> Vec<&str> {
    word_pieces(text).into_iter().filter(|piece| piece.chars().any(char::is_alphanumeric)).collect()
}

/// The sentences of a text in order, trimmed, none empty. A line end always ends a sentence.
pub fn sentences(text: &str, tag: Tag) -> Vec<&str> {
    sentence_pieces(text, tag).into_iter().map(str::trim).filter(|sentence| !sentence.is_empty()).collect()
}

/// All pieces between word boundaries. Joined they give back the text.
///
/// The segmenter's own mark of what is a word is not used: it is missing on Devanagari words.
fn word_pieces(text: &str) -> Vec<&str> {
    let segmenter = WordSegmenter::new_auto(WordBreakInvariantOptions::default());
    let mut start = 0;
    let mut pieces = Vec::new();
    for end in segmenter.segment_str(text) {
        if end > start {
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    pieces
}

/// All pieces between sentence boundaries. Joined they give back the text.
fn sentence_pieces(text: &str, tag: Tag) -> Vec<&str> {
    let ends = profile::find(tag).map_or("", |profile| profile.sentence_ends.as_str());
    let segmenter = SentenceSegmenter::new(SentenceBreakInvariantOptions::default());
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in segmenter.segment_str(text) {
        if end > start {
            cut_at_own_ends(&text[start..end], ends, &mut pieces);
            start = end;
        }
    }
    pieces
}

/// Cuts a piece once more where one of the language's own sentence ends and a space stand together:
/// the Unicode rules know neither the Tibetan shad nor the Greek question mark.
fn cut_at_own_ends<'text>(piece: &'text str, ends: &str, pieces: &mut Vec<&'text str>) {
    let mut start = 0;
    let (mut ended, mut spaced, mut before) = (false, false, ' ');
    for (place, c) in piece.char_indices() {
        if c.is_whitespace() {
            spaced = ended;
            continue;
        }
        if spaced {
            pieces.push(&piece[start..place]);
            start = place;
        }
        spaced = false;
        // Two Ethiopic word spaces are typed for a full stop.
        let doubled = c == WORD_SPACE && before == WORD_SPACE && ends.contains(ETHIOPIC_STOP);
        ended = doubled || ends.contains(c) && !COMMON_ENDS.contains(c);
        before = c;
    }
    pieces.push(&piece[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    const TEXTS: [(&str, &str); 7] = [
        ("ltg_Latn", "Upe ir gara. Cik gara?  3,5 km!\n\nTei tak iz jiuru…"),
        ("hin_Deva", "नदी लंबी है। पानी साफ है।"),
        ("khm_Khmr", "ខ្ញុំទៅផ្សារ។ ទឹកថ្លា។"),
        ("bod_Tibt", "ཆུ་བོ་རིང་། གཙང་མ་རེད།"),
        ("ell_Grek", "Πού είναι; Εδώ."),
        ("jpn_Jpan", "川は長い。水はきれいだ。"),
        ("eng_Latn", " \n"),
    ];

    #[test]
    fn pieces_give_back_the_text() {
        for (language, text) in TEXTS {
            assert_eq!(sentence_pieces(text, tag(language)).concat(), text);
            assert_eq!(word_pieces(text).concat(), text);
        }
    }

    #[test]
    fn sentences_end_where_the_language_ends_them() {
        let counts: Vec<_> = TEXTS.iter().map(|(language, text)| sentences(text, tag(language)).len()).collect();
        assert_eq!(counts, [4, 2, 2, 2, 2, 2, 0]);
        assert_eq!(sentences("Pi 3.5 i. e. viens.\nDivi", tag("lvs_Latn")).last(), Some(&"Divi"));
        // The semicolon ends a sentence in Greek alone.
        assert_eq!(sentences("one; two", tag("eng_Latn")).len(), 1);
    }

    #[test]
    fn words_are_words_alone() {
        assert_eq!(words("Upe, 3,5 km «gara»!", tag("ltg_Latn")), ["Upe", "3,5", "km", "gara"]);
        assert_eq!(words("नदी लंबी है।", tag("hin_Deva")), ["नदी", "लंबी", "है"]);
    }

    #[test]
    fn tsheg_and_word_space_part_words() {
        assert_eq!(words("བོད་ཡིག་གི་སྐད།", tag("bod_Tibt")), ["བོད", "ཡིག", "གི", "སྐད"]);
        // U+0F0C, which allows no line break, parts syllables too.
        assert_eq!(words("ཞེས༌པ་དང་།", tag("dzo_Tibt")), ["ཞེས", "པ", "དང"]);
        for spaced in ["ሰላም፡ለዓለም፡ሁሉ", "ሰላም ፡ ለዓለም ፡ ሁሉ", "ሰላም፡ ለዓለም ሁሉ።"]
        {
            assert_eq!(words(spaced, tag("amh_Ethi")), ["ሰላም", "ለዓለም", "ሁሉ"]);
        }
        assert_eq!(sentences("ሰላም፡ለዓለም፡፡ ሁሉ፡ነው፡፡", tag("amh_Ethi")), ["ሰላም፡ለዓለም፡፡", "ሁሉ፡ነው፡፡"]);
        assert_eq!(sentences("ሰላም፡ ለዓለም። ሁሉ", tag("tir_Ethi")).len(), 2);
    }

    /// Strings of letters, marks, digits, signs and spaces of every script that a profile has, in every language.
    #[test]
    fn pieces_of_any_text_give_it_back() {
        let mut of_script: std::collections::BTreeMap<&str, Vec<char>> = std::collections::BTreeMap::new();
        for c in (0..0x20000).filter_map(char::from_u32) {
            of_script.entry(crate::script::of(c)).or_default().push(c);
        }
        let mut state = 1_u64;
        let mut random = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        let profiles: Vec<_> = profile::all().collect();
        assert!(of_script.len() > 100);
        for (number, script) in of_script.keys().enumerate() {
            for round in 0..20 {
                let tag = profiles[(number * 20 + round) % profiles.len()].tag;
                let mut text = String::new();
                for _ in 0..random(40) {
                    let from = &of_script[[script, "Zyyy", "Zinh"][random(8).saturating_sub(5)]];
                    text.push(from[random(from.len())]);
                    text.extend((random(4) == 0).then_some(' '));
                }
                assert_eq!(word_pieces(&text).concat(), text, "{tag}");
                assert_eq!(sentence_pieces(&text, tag).concat(), text, "{tag}");
                assert!(words(&text, tag).iter().all(|word| text.contains(word)));
            }
        }
    }

    #[test]
    fn scripts_without_spaces_have_words_too() {
        assert_eq!(words("ខ្ញុំទៅផ្សារ", tag("khm_Khmr")), ["ខ្ញុំ", "ទៅ", "ផ្សារ"]);
        assert!(words("川は長い", tag("jpn_Jpan")).len() >= 3);
    }
}
