//! A small wiki in eight languages, three scripts and three families, made from our own words: for `quickstart`, which
//! works without a network, and for tests that need a truth to compare with.
//!
//! Its sentences are simple and its places invented. Its dirt is real: infoboxes, references, tables, redirects, talk
//! pages, copies, near copies, pages in a neighbour's language, markup that never closes. [`Truth`] says what is what.
//! All follows from the seed; nothing looks at a clock.

mod article;
mod dump;
mod lexicon;
mod names;
mod pages;
mod random;
mod sentence;
mod tasks;

pub use dump::DumpFile;
pub use tasks::Split;

use lexicon::{LEXICONS, Lexicon};
use std::collections::HashSet;
use tongues_languages::Tag;

/// The fewest pages a language can have with every [`Kind`] among them.
pub const FEWEST_PAGES: usize = 20;

/// The whole wiki, in memory.
///
/// ```
/// let wiki = tongues_pipeline::sample_wiki::SampleWiki::generate(7, 20);
/// assert_eq!(wiki.languages.len(), 8);
/// assert_eq!(wiki.languages[0].pages.len(), 20);
/// ```
pub struct SampleWiki {
    /// One entry a language, families side by side.
    pub languages: Vec<SampleLanguage>,
    seed: u64,
}

/// The wiki of one language.
pub struct SampleLanguage {
    /// The language.
    pub tag: Tag,
    /// As in `es.wikipedia.org`.
    pub wikipedia_code: &'static str,
    /// In the order of their ids.
    pub pages: Vec<Page>,
    lexicon: &'static Lexicon,
    /// Every plain sentence that stands in a page.
    sentences: HashSet<String>,
}

/// One page.
pub struct Page {
    /// From 1, without gaps.
    pub id: u64,
    /// Unique in its language; with the namespace in front where there is one.
    pub title: String,
    /// What stands in the dump.
    pub wikitext: String,
    /// MediaWiki's number: 0 article, 1 talk, 10 template.
    pub namespace: i32,
    /// What the generator knows about it.
    pub truth: Truth,
}

/// What a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// How it came about.
    pub kind: Kind,
    /// Paragraphs, headings (a line) and lists (`- ` before an item) with a blank line between them. For
    /// [`Kind::Broken`] what stands before the break: a conversion should begin with it. `None` where no article is.
    pub clean_text: Option<String>,
    /// Label of its topic, where it is about one.
    pub topic: Option<&'static str>,
}

/// How a page came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary article.
    Article,
    /// An article of one sentence.
    Stub,
    /// Leads to another page.
    Redirect {
        /// Id of that page.
        to: u64,
    },
    /// Somebody wrote about an article.
    Talk,
    /// A template.
    Template,
    /// The same wikitext under another title.
    Duplicate {
        /// Id of the first page.
        of: u64,
    },
    /// One sentence and some markup differ.
    NearDuplicate {
        /// Id of the first page.
        of: u64,
    },
    /// An article in a related language.
    WrongLanguage(Tag),
    /// Good text, then markup that never closes.
    Broken,
}

impl SampleWiki {
    /// Makes `pages_per_language` pages in each language; each [`Kind`] is there from [`FEWEST_PAGES`] on.
    ///
    /// Subjects and topics are the same in every language, what is said of them is not.
    pub fn generate(seed: u64, pages_per_language: usize) -> SampleWiki {
        let names = pages::names(seed, pages_per_language);
        let languages = (0..LEXICONS.len()).map(|index| pages::generate(seed, index, &names)).collect();
        SampleWiki { languages, seed }
    }

    fn language(&self, tag: Tag) -> Option<&SampleLanguage> {
        self.languages.iter().find(|language| language.tag == tag)
    }
}

/// The tag of a lexicon.
fn tag(lexicon: &Lexicon) -> Tag {
    lexicon.tag.parse().expect("the tags of the lexicons are well formed, a test reads them all")
}
