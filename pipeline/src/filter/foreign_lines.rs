//! Foreign lines: lines of a document that are in another language than the document.
//!
//! - Counts them by language, and cuts them out where the recipe says `foreign_lines = "cut"`; `foreign_lines.jsonl` has
//!   each with what it was taken for.
//! - Why: a page of a small Wikipedia is often half translated, and what was not yet is in the neighbour's language.
//! - Cut: an English paragraph between Latgalian ones; a stanza in Cyrillic.
//! - Near miss, kept: a line of names; an item of a list, which is mostly names and titles, in the document's script; a sentence with a foreign title in it; a heading; a Bosnian line in a Croatian
//!   page, because even readers do not tell these apart; any line in a language that the identifier does not know.
//! - Threshold: of another script are lines with at least [`OTHER_SCRIPT_LETTERS`] letters of which at most
//!   [`OWN_SCRIPT_SHARE`] are of the document's script. Of another language are lines of at least [`LEAST_LETTERS`] letters
//!   that the identifier gives another language [`LEAST_SCORE`] or its threshold, if that is more, and the document's
//!   own, together with those it is confused with, no more than [`OWN_SCORE`]. Set by hand, to be sure rather than complete;
//!   docs/log.md says how many of the lines found were foreign.
//!
//! A document of which more than half is foreign is not cut: the filter [`language`](super::language) judges it whole.

use super::language::Identify;
use serde::{Deserialize, Serialize};
use tongues_languages::confusable::group;
use tongues_languages::{Tag, script};

/// Letters of a line that is judged by its script alone.
pub const OTHER_SCRIPT_LETTERS: u32 = 20;
/// Most of the letters of a line in another script that are of the document's own.
pub const OWN_SCRIPT_SHARE: f32 = 0.1;
/// Letters from which a line is long enough for the identifier's word to count.
pub const LEAST_LETTERS: u32 = 50;
/// Words from which it is, in scripts with spaces.
const LEAST_WORDS: usize = 6;
/// Probability of the other language at least.
pub const LEAST_SCORE: f32 = 0.95;
/// Probability of the document's language, with those it is confused with, at most.
pub const OWN_SCORE: f32 = 0.03;
/// What an item of a list begins with, as wikitext becomes text.
const ITEM: &str = "- ";
/// Share of the words of a line that begin with a capital, from which it is a list of names.
const NAMES: f32 = 0.5;
/// Letters among characters that are not white space; with fewer a line is a table's.
const LETTER_SHARE: f32 = 0.7;
/// Share of a document's characters in foreign lines, from which the document is foreign.
const MOSTLY: f64 = 0.5;

/// What is done about foreign lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForeignLines {
    /// Nobody looks for them.
    Ignore,
    /// They are counted and stay.
    #[default]
    Count,
    /// They are counted and cut out.
    Cut,
}

/// A foreign line.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignLine {
    /// Place among the text's lines, from 0.
    pub line: usize,
    /// The language it was taken for; `und_Zzzz` where only the script is surely another.
    pub found: Tag,
    /// Probability of that language among those of its script, 0 to 1.
    pub score: f32,
}

/// The foreign lines of a text in `claimed`, in order.
pub fn find(text: &str, claimed: Tag, identify: Identify) -> Vec<ForeignLine> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(line, text)| {
            judge(text, claimed, identify).map(|(found, score)| ForeignLine { line, found, score })
        })
        .collect()
}

/// What a line is taken for, where that is surely not `claimed`.
fn judge(line: &str, claimed: Tag, identify: Identify) -> Option<(Tag, f32)> {
    // A letter has four bytes at most; most lines are headings and items.
    if line.len() < OTHER_SCRIPT_LETTERS as usize {
        return None;
    }
    let letters = script::Letters::of(line);
    if letters.count() < OTHER_SCRIPT_LETTERS {
        return None;
    }
    if letters.share(claimed) <= OWN_SCRIPT_SHARE {
        let (found, score) = (identify.top)(line).into_iter().next()?;
        return Some((if score < (identify.threshold)(found) { Tag::UNDETERMINED } else { found }, score));
    }
    let visible = line.chars().filter(|c| !c.is_whitespace()).count();
    let words: Vec<&str> = line.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).collect();
    let capitals = words
        .iter()
        .filter(|word| word.trim_start_matches(|c: char| !c.is_alphabetic()).starts_with(char::is_uppercase));
    if letters.count() < LEAST_LETTERS
        || line.starts_with(ITEM)
        || !(identify.knows)(claimed)
        || (has_spaces(claimed) && words.len() < LEAST_WORDS)
        || (letters.count() as f32) < LETTER_SHARE * visible as f32 && is_without_marks(claimed)
        || capitals.count() as f32 >= NAMES * words.len() as f32
    {
        return None;
    }
    let top = (identify.top)(line);
    let (found, score) = *top.first()?;
    let own: f32 = top.iter().filter(|(tag, _)| group(*tag) == group(claimed)).map(|(_, score)| score).sum();
    let sure = score >= LEAST_SCORE.max((identify.threshold)(found)) && own <= OWN_SCORE;
    (sure && found != Tag::UNDETERMINED && found != Tag::NO_LANGUAGE).then_some((found, score))
}

/// Whether words of the script have spaces between them.
fn has_spaces(tag: Tag) -> bool {
    !matches!(tag.script(), "Jpan" | "Hans" | "Hant" | "Thai" | "Laoo" | "Khmr" | "Mymr" | "Tibt")
}

/// Whether the letters of a script are most of its characters: in Brahmic scripts vowel signs are not alphabetic.
fn is_without_marks(tag: Tag) -> bool {
    matches!(tag.script(), "Latn" | "Cyrl" | "Grek" | "Armn" | "Geor" | "Ethi" | "Hang" | "Cher" | "Tfng")
}

/// Whether so much of the text is foreign that it is the document which is.
pub fn mostly(text: &str, found: &[ForeignLine]) -> bool {
    let foreign: usize = found.iter().filter_map(|one| text.lines().nth(one.line)).map(str::len).sum();
    foreign as f64 > MOSTLY * text.len() as f64
}

/// The text without the lines found; where a whole paragraph is gone, so is the blank line before it.
pub fn without(text: &str, found: &[ForeignLine]) -> String {
    let mut places = found.iter().map(|one| one.line).peekable();
    let mut kept: Vec<&str> = Vec::new();
    for (place, line) in text.lines().enumerate() {
        if places.next_if_eq(&place).is_some() {
            continue;
        }
        if line.trim().is_empty() && kept.last().is_none_or(|last| last.trim().is_empty()) {
            continue;
        }
        kept.push(line);
    }
    kept.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tongues_languages::identify::Identifier;

    const OWN: &str = "Piļsātā dzeivuoja daudzi cylvāki, kas roksteja gruomotys i laseja ar breinumu par sovu volūdu.";
    const ENGLISH: &str = "The river is one of the longest in the whole country and flows through several lakes.";

    fn found(text: &str, claimed: &str) -> Vec<(usize, String)> {
        let identifier = Identifier::shipped();
        let known = identifier.languages();
        let top = |text: &str| identifier.top(text, 10);
        let knows = |tag: Tag| known.contains(&tag);
        let threshold = |tag: Tag| identifier.threshold(tag);
        let identify = Identify { top: &top, knows: &knows, threshold: &threshold };
        let found = find(text, claimed.parse().unwrap(), identify);
        found.into_iter().map(|one| (one.line, one.found.to_string())).collect()
    }

    #[test]
    fn the_card_holds() {
        let text =
            format!("{OWN}\n\n{ENGLISH}\n\nEnglish words: river\n{OWN}\nЭта река очень длинная и течёт через лес.");
        assert_eq!(found(&text, "ltg_Latn"), [(2, "eng_Latn".to_owned()), (6, "rus_Cyrl".to_owned())]);
        let names =
            "John Smith, Mary Johnson of London, William Brown, Elizabeth Taylor, George Harrison and Peter Cook";
        assert_eq!(found(names, "ltg_Latn"), []);
        assert_eq!(found(&format!("{OWN} \"The long river\""), "ltg_Latn"), []);
        assert_eq!(
            found("Ova rijeka je jedna od najdužih u cijeloj zemlji i protječe kroz nekoliko jezera.", "bos_Latn"),
            []
        );
        assert_eq!(found(ENGLISH, "grc_Grek").len(), 1);
        // Nothing of a language that the identifier does not know, in its own script.
        assert_eq!(found(ENGLISH, "fkv_Latn"), []);
    }

    #[test]
    fn lines_are_cut_with_the_blank_line_before_them() {
        let line = |line| ForeignLine { line, found: Tag::UNDETERMINED, score: 1.0 };
        assert_eq!(without("a\n\nb\nc\n\nd", &[line(2), line(3)]), "a\n\nd");
        assert_eq!(without("a\nb\n\nc", &[line(1)]), "a\n\nc");
        assert_eq!(without("a\n\nb", &[line(0)]), "b");
        assert_eq!(without("a\n\nb", &[line(2)]), "a");
        assert!(mostly("aaa\nb", &[line(0)]) && !mostly("aaa\nbbbb", &[line(0)]));
    }
}
