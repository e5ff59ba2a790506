//! Kinds of pages.

use super::outline::{Letters, Outline};
use serde::{Deserialize, Serialize};
use tongues_languages::{Tag, segment};

/// Words from which a page is more than a stub; Gopher's shortest document (Rae et al. 2021, table A1).
const STUB_WORDS: usize = 50;
/// Characters that make fifty words in any script.
const NO_STUB_CHARACTERS: usize = 2_000;
/// Items and rows of a list, at least.
const LIST_ITEMS: usize = 10;
/// Share of a list's letters that stand in them, in tenths.
const LIST_SHARE: usize = 7;

/// What a page of a wiki is. Redirects are no documents and are counted as skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageKind {
    /// Running text of fifty words or more.
    Article,
    /// An article of fewer words.
    Stub,
    /// Mostly items of lists and rows of tables, ten or more.
    List,
    /// Says which of several things a name may mean.
    Disambiguation,
    /// One of many pages of the same sentences with other numbers and names, mostly made by a bot.
    Series,
}

impl PageKind {
    /// All, in the order of the documentation.
    pub const ALL: [PageKind; 5] =
        [PageKind::Article, PageKind::Stub, PageKind::List, PageKind::Disambiguation, PageKind::Series];

    /// As it is written into data.
    pub fn name(self) -> &'static str {
        match self {
            PageKind::Article => "article",
            PageKind::Stub => "stub",
            PageKind::List => "list",
            PageKind::Disambiguation => "disambiguation",
            PageKind::Series => "series",
        }
    }

    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<PageKind> {
        PageKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// With the text looked at: a short article is a stub.
    pub(crate) fn with_text(self, text: &str, tag: Tag) -> PageKind {
        let short = self == PageKind::Article
            && text.chars().nth(NO_STUB_CHARACTERS).is_none()
            && segment::words(text, tag).len() < STUB_WORDS;
        if short { PageKind::Stub } else { self }
    }
}

/// A list or an article.
pub(super) fn of_source(source: &str) -> PageKind {
    if most_items(source) < LIST_ITEMS {
        return PageKind::Article;
    }
    // With so many bytes to come that may all be of lists.
    let listed = |letters: Letters, outline: &Outline, rest: usize| {
        let listed = letters.items + letters.links + outline.table_letters + rest;
        listed * 10 >= (listed + letters.prose) * LIST_SHARE
    };
    match Outline::unless(source, |letters, outline, rest| !listed(letters, outline, rest)) {
        Some((outline, _)) => {
            let items = outline.text.lines().filter(|line| line.starts_with(['*', '#', ';'])).count();
            if items + outline.rows >= LIST_ITEMS { PageKind::List } else { PageKind::Article }
        }
        None => PageKind::Article,
    }
}

/// No more items and rows than this are in an outline: a mark of an item stands behind a line end or something left out.
fn most_items(source: &str) -> usize {
    // So few at once that their number fits a byte: the compiler looks at many bytes in one step.
    const AT_ONCE: usize = 128;
    let item = |last: u8, byte: u8| {
        ((byte == b'*') | (byte == b'#') | (byte == b';'))
            & ((last == b'\n') | (last == b'}') | (last == b'>') | (last == b'{') | (last == b'|'))
            | (last == b'|') & (byte == b'-')
    };
    let bytes = source.as_bytes();
    let after = bytes.get(1..).unwrap_or_default();
    let pairs = bytes.chunks(AT_ONCE).zip(after.chunks(AT_ONCE));
    let count = |(last, byte): (&[u8], &[u8])| {
        let items = last.iter().zip(byte).map(|(last, byte)| u8::from(item(*last, *byte)));
        usize::from(items.fold(0, u8::wrapping_add))
    };
    1 + pairs.map(count).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sources put together at random have no more items and rows than they are said to have at most.
    #[test]
    fn no_source_has_more_items_than_its_marks_allow() {
        const PIECES: [&str; 18] = [
            "*", "#", ";", "\n", "|-", "{|", "|}", "{{", "}}", "<!--", "-->", "<ref>", "</ref>", "<ref/>", " ", ":",
            "a", "|",
        ];
        let mut state = 1_u64;
        let mut random = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        for _ in 0..20_000 {
            let length = 1 + random(30);
            let source: String = (0..length).map(|_| PIECES[random(PIECES.len())]).collect();
            let outline = Outline::of(&source);
            let items = outline.text.lines().filter(|line| line.starts_with(['*', '#', ';'])).count();
            assert!(items + outline.rows <= most_items(&source), "{source:?}");
        }
    }

    #[test]
    fn a_list_is_mostly_items_or_rows() {
        let items = "* [[Upe]] Latgolā\n".repeat(10);
        assert_eq!(of_source(&format!("Upis:\n{items}")), PageKind::List);
        assert_eq!(of_source(&format!("Upis:\n{}", "* [[Upe]]\n".repeat(9))), PageKind::Article);
        assert_eq!(of_source(&format!("{}\n{items}", "Ilgs teksts par upem. ".repeat(10))), PageKind::Article);
        assert_eq!(of_source(&format!("{{|\n{}|}}", "|-\n| upe || azars\n".repeat(10))), PageKind::List);
    }

    #[test]
    fn a_stub_is_a_short_article() {
        let tag = "ltg_Latn".parse().unwrap();
        assert_eq!(PageKind::Article.with_text(&"upe ".repeat(49), tag), PageKind::Stub);
        assert_eq!(PageKind::Article.with_text(&"upe ".repeat(50), tag), PageKind::Article);
        assert_eq!(PageKind::List.with_text("upe", tag), PageKind::List);
    }

    #[test]
    fn names_are_those_of_the_recipe() {
        for kind in PageKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(PageKind::of_name(kind.name()), Some(kind));
        }
    }
}
