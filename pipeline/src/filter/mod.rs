//! Filters judge one document by itself: a pure function of text, language and settings.

/// Every stage and reason this crate writes into data. The names are frozen.
const NAMES: [&str; 22] = [
    "read",
    "filter",
    "language",
    "duplicates",
    "contamination",
    "empty",
    "too_short",
    "too_long",
    "few_letters",
    "other_script",
    "repeated_lines",
    "repeated_line_characters",
    "top_2gram",
    "top_3gram",
    "top_4gram",
    "repeated_5grams",
    "repeated_10grams",
    "other_language",
    "exact_duplicate",
    "contaminated",
    "words_too_long",
    "words_too_short",
];

/// The name as this crate writes it; `None` where this version does not write it.
pub fn known(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|known| **known == name).copied()
}
