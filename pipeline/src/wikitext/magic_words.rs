//! Magic words and parser functions by their names in the languages of wikis: `{{SEITENNAME}}`, `{{#si:…}}`, `#ALIH`.
//!
//! `magic_words.tsv` has them, data only. A wiki understands the English words, those of its own language, and those of
//! the language that it falls back to; words for redirects are known on every wiki, since heads of dumps may lie.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

const DATA: &str = include_str!("magic_words.tsv");
/// Languages that a language falls back to, one after another.
const FALLBACKS: usize = 4;

/// Names of one language, to the English ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Words {
    /// Variables, whose case counts: `SIDNAMN` is one and `Sidnamn` a template.
    variables: HashMap<String, &'static str>,
    /// Functions, in lower case.
    functions: HashMap<String, &'static str>,
    fallback: Option<&'static str>,
}

struct Table {
    redirects: BTreeSet<String>,
    languages: HashMap<&'static str, Words>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { redirects: BTreeSet::new(), languages: HashMap::new() };
    for line in DATA.lines().filter(|line| !line.starts_with("//")) {
        let mut cells = line.split('\t');
        let (Some(code), Some(english)) = (cells.next(), cells.next()) else { continue };
        if english == "REDIRECT" {
            table.redirects.extend(cells.map(normal));
            continue;
        }
        let words = table.languages.entry(code).or_default();
        match english {
            "=" => words.fallback = cells.next(),
            _ if english.starts_with(|c: char| c.is_ascii_uppercase()) && !english.ends_with("SORT") => {
                words.variables.extend(cells.map(|word| (spaced(word), english)));
            }
            _ => words.functions.extend(cells.map(|word| (spaced(word).to_lowercase(), english))),
        }
    }
    table
});

/// Whether a word in lower case, without `#`, begins a redirect in some language.
pub(super) fn is_redirect_word(word: &str) -> bool {
    word == "redirect" || TABLE.redirects.contains(word)
}

/// The English name of a variable or function (with its `#`) of a wiki with this code; none where it has no other.
pub(super) fn english(code: &str, name: &str) -> Option<&'static str> {
    let (exact, mut code) = (spaced(name), code);
    for _ in 0..FALLBACKS {
        let words = TABLE.languages.get(code)?;
        let found = words.variables.get(&exact).or_else(|| words.functions.get(&exact.to_lowercase()));
        if let Some(english) = found {
            return Some(english);
        }
        code = words.fallback?;
    }
    None
}

/// Whether there are names for a wiki with this code.
pub(super) fn has_names(code: &str) -> bool {
    TABLE.languages.contains_key(code)
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

fn normal(word: &str) -> String {
    spaced(word).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_language_and_of_the_one_it_falls_back_to() {
        for (code, name, wanted) in [
            ("de", "SEITENNAME", Some("PAGENAME")),
            ("de", "Seitenname", None),
            ("bar", "SEITENNAME", Some("PAGENAME")),
            ("fr", "#SI", Some("#if")),
            ("ru", "нрег", Some("lc")),
            ("ba", "ТЕКУЩИЙ_ГОД", Some("CURRENTYEAR")),
            ("sv", "standardsortering", Some("DEFAULTSORT")),
            ("en", "SEITENNAME", None),
        ] {
            assert_eq!(english(code, name), wanted, "{code} {name}");
        }
        assert_eq!(["bar", "ltg", "en"].map(has_names), [true, false, false]);
    }

    #[test]
    fn every_line_of_the_table_says_something_and_nothing_twice() {
        let mut seen = BTreeSet::new();
        for line in DATA.lines().filter(|line| !line.starts_with("//")) {
            let cells: Vec<&str> = line.split('\t').collect();
            assert!(cells.len() > 2 && cells.iter().all(|cell| !cell.is_empty() && cell.trim() == *cell), "{line}");
            assert!(seen.insert((cells[0], cells[1])), "{line}");
            let function = cells[1].starts_with('#');
            assert!(cells[2..].iter().all(|word| word.starts_with('#') == function), "{line}");
        }
        let fallbacks = TABLE.languages.values().filter_map(|words| words.fallback);
        for code in fallbacks {
            assert!(TABLE.languages.contains_key(code), "{code} has no names");
        }
    }
}
