//! What of a long text is looked at to tell its language: windows of whole words, spread evenly over it.
//!
//! A language shows in a few hundred characters; the rest of a long text costs time and changes no answer, and its beginning
//! alone may be a table or a foreign motto.

use std::borrow::Cow;

/// Characters of a text that is looked at whole, at most.
pub const WHOLE: usize = 1_000;
/// Windows of a longer one, and the characters of each, more or less.
const WINDOWS: usize = 8;
const WINDOW: usize = 100;
/// Characters that a window's end is moved at most to be that of a word; where words are not written apart, it is cut.
const LONGEST_WORD: usize = 40;

/// The text, or windows of it, one a line, where it is long.
///
/// ```
/// use tongues_languages::sample::{WHOLE, sample};
/// assert_eq!(sample("a short one"), "a short one");
/// assert!(sample(&"word ".repeat(100_000)).len() < WHOLE);
/// ```
pub fn sample(text: &str) -> Cow<'_, str> {
    if text.char_indices().nth(WHOLE).is_none() {
        return Cow::Borrowed(text);
    }
    let mut windows = String::with_capacity(WINDOWS * 2 * WINDOW);
    let mut end = 0;
    for window in 0..WINDOWS {
        let place = (text.len() / WINDOWS * window).max(end);
        let start = if place == end { place } else { beginning_of_word(text, text.ceil_char_boundary(place)) };
        let after = text[start..].char_indices().nth(WINDOW).map_or(text.len(), |(at, _)| start + at);
        end = end_of_word(text, after);
        windows.push_str(&text[start..end]);
        windows.push('\n');
    }
    Cow::Owned(windows)
}

/// Where the next word begins, if that is near.
fn beginning_of_word(text: &str, from: usize) -> usize {
    let space = text[from..].char_indices().take(LONGEST_WORD).find(|(_, c)| c.is_whitespace());
    space.map_or(from, |(at, c)| from + at + c.len_utf8())
}

/// Where this word ends, if that is near.
fn end_of_word(text: &str, from: usize) -> usize {
    let space = text[from..].char_indices().take(LONGEST_WORD).find(|(_, c)| c.is_whitespace());
    space.map_or(from, |(at, _)| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_of_whole_words_from_everywhere() {
        let text: String = (0..2_000).map(|n| format!("w{n:04} ")).collect();
        let found = sample(&text);
        let words: Vec<&str> = found.split_whitespace().collect();
        assert!(words.iter().all(|word| word.len() == 5), "{words:?}");
        // 100 characters are 16 words and four characters of another; 2,000 words in 8 windows.
        assert_eq!(words.len(), 8 * 17);
        assert_eq!([words[0], words[17], words[7 * 17]], ["w0000", "w0251", "w1751"]);
        assert!(words.is_sorted());
    }

    #[test]
    fn what_has_no_spaces_is_cut_between_characters() {
        let text = "水".repeat(5_000);
        assert_eq!(sample(&text).chars().filter(|c| *c == '水').count(), 8 * 100);
        // Hardly longer than what is looked at whole: windows follow each other and nothing is read twice.
        let text: String = (0..1_001).map(|n| char::from_u32(0x4E00 + n).unwrap()).collect();
        let mut found: Vec<char> = sample(&text).chars().filter(|c| *c != '\n').collect();
        let count = found.len();
        found.dedup();
        assert!(found.is_sorted() && found.len() == count && count <= 800, "{count}");
    }
}
