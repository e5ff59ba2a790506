//! What a profile can take from text: digits, function words, thresholds.
//!
//! After FineWeb2 (Penedo et al. 2025, §4.2–4.4, A.7), whose published thresholds are without effect or absurd for most
//! small languages, because nothing bounds them and few texts decide. Here a text too short decides nothing: the median
//! of related languages stands in ([`back_off`]); and every threshold is kept within bounds ([`bounds`]).

use crate::profile::{self, Profile, Source, Thresholds};
use crate::related::shared_steps;
use crate::tag::Tag;
use crate::{normalise, script, segment};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Words that a text needs to have function words taken from it.
pub const LEAST_WORDS_FOR_FUNCTION_WORDS: usize = 2_000;
/// Words that a text needs to have thresholds taken from it: a hundred windows.
pub const LEAST_WORDS_FOR_THRESHOLDS: usize = 5_000;
/// Words of a window, the short text that thresholds are meant for: Gopher's shortest document.
pub const WINDOW_WORDS: usize = 50;
/// Shares of all words from which a word is a function word; the next lower one where fewer than
/// [`LEAST_FUNCTION_WORDS`] reach it (FineWeb2's prototype: 0.8 %, 0.3 %, 0.2 %). At 0.1 % names of
/// towns come in.
const FREQUENT: [f64; 3] = [0.008, 0.003, 0.002];
/// Function words that a list should have.
pub const LEAST_FUNCTION_WORDS: usize = 8;
/// Function words kept, the most frequent.
const MOST_FUNCTION_WORDS: usize = 30;
/// Share of windows that may lie outside of a threshold on one side, before the margin.
const TAIL: f64 = 0.01;
/// Room left beyond the window at the tail: the reference is cleaner than what will be judged.
const MARGIN: f32 = 0.15;
/// Share of all digits from which a script's own digits belong to the language.
const DIGIT_SHARE: f64 = 0.02;
/// Profiles whose median may stand in.
const LEAST_RELATIVES: usize = 3;

/// Least and most value of each threshold, whatever the text says.
pub mod bounds {
    /// Mean word length, in characters.
    pub const MEAN_WORD_LENGTH: (f32, f32) = (1.0, 20.0);
    /// Share of letters.
    pub const LETTER_SHARE: (f32, f32) = (0.3, 0.8);
    /// Share of function words.
    pub const FUNCTION_WORD_SHARE: (f32, f32) = (0.02, 0.3);
}

/// What was found in the lines of one language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Derived {
    /// The script's own digits, if they are in use.
    pub digits: Option<String>,
    /// Function words; empty where the text is too short.
    pub function_words: Vec<String>,
    /// Thresholds; none where the text is too short.
    pub thresholds: Thresholds,
    /// Distinct lines.
    pub lines: usize,
    /// Words in them.
    pub words: usize,
    /// Share of lines that end in one of the profile's sentence ends, quotation marks aside, 0 to 1.
    pub ended_share: f32,
}

/// Derives from lines of text in `profile`'s language; equal lines count once.
///
/// ```
/// use tongues_languages::{derive::derive, profile};
/// let profile = profile::find("eng_Latn".parse().unwrap()).unwrap();
/// let derived = derive(["The cat is on the mat.", "The dog is not."], profile);
/// assert_eq!((derived.lines, derived.words, derived.ended_share), (2, 10, 1.0));
/// assert_eq!(derived.function_words, Vec::<String>::new()); // ten words say nothing
/// ```
pub fn derive<'a>(lines: impl IntoIterator<Item = &'a str>, profile: &Profile) -> Derived {
    let lines: Vec<String> = lines.into_iter().map(|line| normalise::normalise(line).0).collect();
    let mut seen = BTreeSet::new();
    let lines: Vec<&str> =
        lines.iter().map(String::as_str).filter(|line| !line.is_empty() && seen.insert(*line)).collect();
    let words: Vec<Vec<String>> = lines.iter().map(|line| words(line, profile.tag)).collect();
    let count = words.iter().map(Vec::len).sum();
    let mut derived = Derived {
        digits: digits(&lines),
        lines: lines.len(),
        words: count,
        ended_share: ended_share(&lines, &profile.sentence_ends),
        ..Derived::default()
    };
    if count >= LEAST_WORDS_FOR_FUNCTION_WORDS {
        derived.function_words = function_words(&words, profile.tag);
    }
    if count >= LEAST_WORDS_FOR_THRESHOLDS {
        let list = if derived.function_words.is_empty() { &profile.function_words } else { &derived.function_words };
        derived.thresholds = thresholds(&lines, &words, profile.tag, list);
    }
    derived
}

fn words(line: &str, tag: Tag) -> Vec<String> {
    segment::words(line, tag).into_iter().map(str::to_lowercase).collect()
}

/// The own digits with the largest share, from zero to nine, where that share is [`DIGIT_SHARE`] or more.
fn digits(lines: &[&str]) -> Option<String> {
    let mut zeros: BTreeMap<u32, usize> = BTreeMap::new();
    for c in lines.iter().flat_map(|line| line.chars()) {
        if let Some(value) = script::digit(c) {
            *zeros.entry(c as u32 - value).or_default() += 1;
        }
    }
    let all: usize = zeros.values().sum();
    let (zero, count) = zeros.into_iter().filter(|(zero, _)| *zero != '0' as u32).max_by_key(|(_, count)| *count)?;
    if (count as f64) < DIGIT_SHARE * all as f64 {
        return None;
    }
    (0..10).map(|value| char::from_u32(zero + value)).collect()
}

/// Share of lines whose last character, brackets and quotation marks aside, is one of `ends`.
fn ended_share(lines: &[&str], ends: &str) -> f32 {
    let closing = |c: char| c.is_whitespace() || "\"'”’»“)』」›]）】\u{200B}".contains(c);
    let ended = lines.iter().filter(|line| line.trim_end_matches(closing).ends_with(|c| ends.contains(c))).count();
    if lines.is_empty() { 0.0 } else { ended as f32 / lines.len() as f32 }
}

/// Words that are frequent everywhere in the text, not in a few places: those with [`FREQUENT`]'s share of all words,
/// in every quarter of the lines at least half as often as on the whole.
fn function_words(lines: &[Vec<String>], tag: Tag) -> Vec<String> {
    let all: usize = lines.iter().map(Vec::len).sum();
    let quarter = |line: usize| line * 4 / lines.len();
    let mut counts: HashMap<&str, [usize; 4]> = HashMap::new();
    for (place, line) in lines.iter().enumerate() {
        for word in line {
            counts.entry(word).or_default()[quarter(place)] += 1;
        }
    }
    let mut spread: Vec<(usize, &str)> = counts
        .into_iter()
        .filter(|(word, _)| own_word(word, tag))
        .map(|(word, quarters)| (quarters.iter().sum(), quarters, word))
        .filter(|(sum, quarters, _): &(usize, _, _)| quarters.iter().all(|count| count * 8 >= *sum))
        .map(|(sum, _, word)| (sum, word))
        .collect();
    spread.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let frequent = |share: f64| spread.iter().take_while(|(count, _)| *count as f64 >= share * all as f64).count();
    let enough = FREQUENT.iter().map(|share| frequent(*share)).find(|count| *count >= LEAST_FUNCTION_WORDS);
    // Fewer say nothing about a text of fifty words.
    let kept = enough.unwrap_or(0).min(MOST_FUNCTION_WORDS);
    spread[..kept].iter().map(|(_, word)| (*word).to_owned()).collect()
}

/// Whether a word can stand in a profile: letters and marks of the language's script alone, one word to the segmenter.
pub fn own_word(word: &str, tag: Tag) -> bool {
    word.chars().any(char::is_alphabetic)
        && word.chars().all(|c| script::fits(c, tag) && !c.is_numeric())
        && segment::words(word, tag) == [word]
}

/// The figures of every window of [`WINDOW_WORDS`] words or a few more, and the thresholds from them.
fn thresholds(lines: &[&str], words: &[Vec<String>], tag: Tag, function_words: &[String]) -> Thresholds {
    let list: BTreeSet<&str> = function_words.iter().map(String::as_str).collect();
    let (mut lengths, mut letters, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    let (mut text, mut count, mut characters, mut listed) = (String::new(), 0usize, 0usize, 0usize);
    for (line, words) in lines.iter().zip(words) {
        text.push_str(line);
        text.push('\n');
        count += words.len();
        characters += words.iter().map(|word| word.chars().count()).sum::<usize>();
        listed += words.iter().filter(|word| list.contains(word.as_str())).count();
        if count >= WINDOW_WORDS {
            lengths.push(characters as f32 / count as f32);
            letters.push(script::letter_shares(&text, tag).0);
            shares.push(listed as f32 / count as f32);
            text.clear();
            (count, characters, listed) = (0, 0, 0);
        }
    }
    for figures in [&mut lengths, &mut letters, &mut shares] {
        figures.sort_by(f32::total_cmp);
    }
    let low = |figures: &[f32]| figures[(figures.len() as f64 * TAIL) as usize] * (1.0 - MARGIN);
    let high = |figures: &[f32]| figures[figures.len() - 1 - (figures.len() as f64 * TAIL) as usize] * (1.0 + MARGIN);
    let lengths = [low(&lengths), high(&lengths)].map(|length| within(length, bounds::MEAN_WORD_LENGTH));
    let enough = list.len() >= LEAST_FUNCTION_WORDS;
    Thresholds {
        mean_word_length: Some(lengths),
        letter_share: Some(within(low(&letters), bounds::LETTER_SHARE)),
        // Half of it: a list of titles has fewer function words than sentences have.
        function_word_share: enough.then(|| within(low(&shares) / 2.0, bounds::FUNCTION_WORD_SHARE)),
        ..Thresholds::default()
    }
}

/// Two digits are all that a few hundred windows can tell.
fn within(value: f32, (least, most): (f32, f32)) -> f32 {
    (value.clamp(least, most) * 100.0).round() / 100.0
}

/// The median thresholds of `among` that share the script and the narrowest family in which there are
/// [`LEAST_RELATIVES`] of them with thresholds of their own, or the script alone; with the name of that group.
/// None where there is no such group.
pub fn back_off<'a>(profile: &Profile, among: impl Iterator<Item = &'a Profile>) -> Option<(Thresholds, String)> {
    let own = |thresholds: &Thresholds| {
        thresholds.mean_word_length.is_some()
            && thresholds.source.as_ref().is_none_or(|source| source.backed_off_to.is_none())
    };
    let with: Vec<(usize, &Thresholds)> = among
        .filter(|other| other.tag != profile.tag && other.tag.script() == profile.tag.script())
        .filter(|other| own(&other.thresholds))
        .map(|other| (shared_steps(&profile.family, &other.family), &other.thresholds))
        .collect();
    let steps = (0..=profile.family.len()).rev();
    let group =
        |least: usize| with.iter().filter(move |(shared, _)| *shared >= least).map(|(_, thresholds)| *thresholds);
    let least = steps.into_iter().find(|least| group(*least).count() >= LEAST_RELATIVES)?;
    let middle = |figure: &dyn Fn(&Thresholds) -> Option<f32>| median(group(least).filter_map(figure).collect());
    let length = |side: usize| middle(&move |thresholds| thresholds.mean_word_length.map(|length| length[side]));
    let thresholds = Thresholds {
        mean_word_length: length(0).zip(length(1)).map(|(least, most)| [least, most]),
        letter_share: middle(&|thresholds| thresholds.letter_share),
        // Without function words a share of them says nothing.
        function_word_share: (profile.function_words.len() >= LEAST_FUNCTION_WORDS)
            .then(|| middle(&|thresholds| thresholds.function_word_share))
            .flatten(),
        ..Thresholds::default()
    };
    let family = least.checked_sub(1).map(|last| format!(", {}", profile.family[last])).unwrap_or_default();
    Some((thresholds, format!("{}{family}", profile.tag.script())))
}

fn median(mut figures: Vec<f32>) -> Option<f32> {
    figures.sort_by(f32::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// The text of a profile's file with what was derived in it; comments and everything else stay.
///
/// # Errors
/// [`crate::Error::Profile`] where `text` is no profile.
pub fn fill(text: &str, name: &str, derived: &Derived, source: (&str, &str)) -> crate::Result<String> {
    let mut profile = profile::parse(name, text)?;
    let wrong = |cause: String| crate::Error::Profile { name: name.to_owned(), cause };
    let mut document: toml_edit::DocumentMut = text.parse().map_err(|error| wrong(format!("{error}")))?;
    if let Some(digits) = &derived.digits {
        document["digits"] = toml_edit::value(digits.as_str());
    }
    if !derived.function_words.is_empty() {
        profile.function_words = derived.function_words.clone();
        document["function_words"] = toml_edit::value(derived.function_words.iter().collect::<toml_edit::Array>());
    }
    let mut thresholds = derived.thresholds.clone();
    let mut backed_off_to = None;
    if thresholds.mean_word_length.is_none()
        && let Some((median, group)) = back_off(&profile, profile::all())
    {
        (thresholds, backed_off_to) = (median, Some(group));
    }
    let source = Source {
        text: source.0.to_owned(),
        licence: source.1.to_owned(),
        lines: derived.lines,
        words: derived.words,
        backed_off_to,
    };
    thresholds.identification = profile.thresholds.identification;
    document["thresholds"] = toml_edit::Item::Table(table(&thresholds, source));
    Ok(document.to_string())
}

/// The table `[thresholds]` of a profile's file.
fn table(thresholds: &Thresholds, source: Source) -> toml_edit::Table {
    // By way of text: as f64, the f32 0.62 is 0.6200000047683716.
    let figure = |value: f32| format!("{value:?}").parse::<f64>().expect("a float's text is a float");
    let mut table = toml_edit::Table::new();
    let figures = [
        ("identification", thresholds.identification),
        ("letter_share", thresholds.letter_share),
        ("function_word_share", thresholds.function_word_share),
    ];
    if let Some(length) = thresholds.mean_word_length {
        table["mean_word_length"] = toml_edit::value(length.into_iter().map(figure).collect::<toml_edit::Array>());
    }
    for (name, value) in figures {
        if let Some(value) = value {
            table[name] = toml_edit::value(figure(value));
        }
    }
    let mut from = toml_edit::InlineTable::new();
    from.insert("text", source.text.into());
    from.insert("licence", source.licence.into());
    from.insert("lines", (source.lines as i64).into());
    from.insert("words", (source.words as i64).into());
    if let Some(group) = source.backed_off_to {
        from.insert("backed_off_to", group.into());
    }
    table["source"] = toml_edit::value(from);
    table
}

#[cfg(test)]
#[path = "derive_tests.rs"]
mod tests;
