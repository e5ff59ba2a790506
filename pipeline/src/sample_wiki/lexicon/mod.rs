//! The words of the sample wiki: one file a language, all data.
//!
//! The sentence patterns of a language are the same for every topic, so that only the words tell the topic.

mod belarusian;
mod galician;
mod hindi;
mod marathi;
mod portuguese;
mod russian;
mod spanish;
mod ukrainian;

/// Topics in the order of [`Lexicon::topics`]; these words are the labels of the task.
pub(super) const TOPICS: [&str; 4] = ["geography", "animals", "health", "sports"];

/// Every language, families side by side; a wiki's pages in the wrong language come from a relative.
pub(super) const LEXICONS: [&Lexicon; 8] = [
    &spanish::LEXICON,
    &portuguese::LEXICON,
    &galician::LEXICON,
    &russian::LEXICON,
    &ukrainian::LEXICON,
    &belarusian::LEXICON,
    &hindi::LEXICON,
    &marathi::LEXICON,
];

/// For each of [`LEXICONS`], the relative whose text strays into its wiki.
pub(super) const RELATIVES: [usize; 8] = [1, 2, 0, 4, 5, 3, 7, 6];

/// One language.
///
/// A pattern has slots: `{N}` the name of the subject, `{M}` another name, `{k}` a kind, `{t}` and `{u}` two different
/// things, `{a}` and `{b}` two different acts, `{p}` a place, `{y}` a year, `{d}` a large number, `{h}` 5 to 19.
/// Names are never inflected.
pub(super) struct Lexicon {
    /// As `spa_Latn`.
    pub tag: &'static str,
    /// Wikipedia's code.
    pub code: &'static str,
    /// Local names of the namespaces talk, user, file, template and category.
    pub namespaces: [&'static str; 5],
    /// What follows `#` on a redirect.
    pub redirect: &'static str,
    /// The local word for `thumb`.
    pub thumbnail: &'static str,
    /// Name of the infobox template.
    pub infobox: &'static str,
    /// Its field for a name.
    pub name_field: &'static str,
    /// Its field for a year.
    pub year_field: &'static str,
    /// Headings that fit every topic.
    pub headings: &'static [&'static str],
    /// Category of each topic.
    pub categories: [&'static str; 4],
    /// Sentences with topic words.
    pub patterns: &'static [&'static str],
    /// Sentences without.
    pub fillers: &'static [&'static str],
    /// Words of each topic.
    pub topics: [Topic; 4],
}

/// The phrases of one topic, each list separated by `|`.
pub(super) struct Topic {
    /// What a subject can be.
    pub kinds: &'static str,
    /// What there is: plurals, fit for "there are … and …".
    pub things: &'static str,
    /// What people do: predicates in the third person plural.
    pub acts: &'static str,
    /// Where or when.
    pub places: &'static str,
}
