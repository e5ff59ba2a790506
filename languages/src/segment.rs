//! Words and sentences by Unicode Standard Annex 29, with dictionaries or small networks for scripts
//! that write no spaces (Khmer, Lao, Burmese, Thai, Chinese, Japanese).

use crate::profile;
use crate::tag::Tag;
use icu_segmenter::options::{SentenceBreakInvariantOptions, WordBreakInvariantOptions};
use icu_segmenter::{SentenceSegmenter, WordSegmenter};

/// Ends of sentence that the Unicode rules treat with more care than "cut here".
const COMMON_ENDS: &str = ".?!…";

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
    let (mut ended, mut spaced) = (false, false);
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
        ended = ends.contains(c) && !COMMON_ENDS.contains(c);
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
    fn scripts_without_spaces_have_words_too() {
        assert_eq!(words("ខ្ញុំទៅផ្សារ", tag("khm_Khmr")), ["ខ្ញុំ", "ទៅ", "ផ្សារ"]);
        assert!(words("川は長い", tag("jpn_Jpan")).len() >= 3);
    }
}
