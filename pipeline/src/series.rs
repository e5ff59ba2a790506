//! Series: many pages of the same sentences with other numbers and names, as bots write them by the thousand.
//!
//! Map: of every page the skeletons of its sentences, numbers and names taken out ([`skeletons`]). Group: how many pages
//! have each skeleton. Reduce: a page whose sentences are almost all shared by [`LEAST_PAGES`] pages or more belongs to
//! the series that its first such sentence names. Nothing depends on the order in which pages are added.
//!
//! What a name is, is told without a list: a word of the page's title, one with a capital inside of a sentence, or one
//! that few pages of the language have.

use crate::document::{Document, Reason, Verdict};
use crate::duplicates::Position;
use std::collections::{BTreeMap, HashMap, HashSet};
use tongues_languages::{Tag, segment};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Pages that make a series.
pub const LEAST_PAGES: usize = 20;
/// Words of a page, at most: what bots write is short, and long pages cost time.
const MOST_WORDS: u32 = 400;
/// Words left in a skeleton, at least; fewer are alike by chance.
const LEAST_LEFT: usize = 4;
/// Share of a page's words that stand in sentences shared with a series: of those that have a skeleton, and of all.
const SHARED: (f64, f64) = (0.8, 0.5);
/// Share of pages that have a word which is no name, and how many at least.
const FREQUENT: (f64, u32) = (0.005, 5);

/// In how many pages of a language each word is.
#[derive(Default)]
pub struct Frequencies {
    pages: u32,
    words: HashMap<u64, u32>,
}

fn hash_of(word: &str) -> u64 {
    xxh3_64(word.to_lowercase().as_bytes())
}

impl Frequencies {
    /// The distinct words of a text, to be given to [`Frequencies::add`].
    pub fn words(text: &str, tag: Tag) -> HashSet<u64> {
        segment::words(text, tag).into_iter().map(hash_of).collect()
    }

    /// Adds a page.
    pub fn add(&mut self, words: HashSet<u64>) {
        self.pages += 1;
        for word in words {
            *self.words.entry(word).or_default() += 1;
        }
    }

    /// The words that are no names.
    pub fn frequent(self) -> HashSet<u64> {
        let least = ((f64::from(self.pages) * FREQUENT.0) as u32).max(FREQUENT.1);
        self.words.into_iter().filter(|(_, pages)| *pages >= least).map(|(word, _)| word).collect()
    }
}

/// A sentence without its names and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skeleton {
    hash: u64,
    /// Words of the sentence.
    words: u32,
    /// Whether enough is left to tell it from others.
    telling: bool,
}

/// Whether a document may belong to a series.
pub fn is_candidate(document: &Document) -> bool {
    document.page_kind.is_some() && document.signals.words <= MOST_WORDS
}

/// The skeletons of a page's sentences.
pub fn skeletons(document: &Document, frequent: &HashSet<u64>) -> Vec<Skeleton> {
    let tag = document.language;
    let title: HashSet<u64> =
        segment::words(document.title.as_deref().unwrap_or_default(), tag).into_iter().map(hash_of).collect();
    let skeleton = |sentence: &str| {
        let words = segment::words(sentence, tag);
        let (mut hash, mut left, mut open) = (Xxh3::new(), 0, false);
        for (at, word) in words.iter().enumerate() {
            let code = hash_of(word);
            let name = word.chars().any(char::is_numeric)
                || title.contains(&code)
                || at > 0 && word.chars().next().is_some_and(char::is_uppercase)
                || !frequent.contains(&code);
            // A run of names and numbers is one gap, however long.
            if name && open {
                continue;
            }
            open = name;
            left += usize::from(!name);
            hash.update(&if name { 0 } else { code }.to_le_bytes());
        }
        Skeleton { hash: hash.digest(), words: words.len() as u32, telling: left >= LEAST_LEFT }
    };
    segment::sentences(&document.text, tag).into_iter().map(skeleton).collect()
}

/// One series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Its pages in order.
    pub pages: Vec<Position>,
    /// Id of the first.
    pub id: String,
}

/// Takes in the pages of one language, then knows their series.
#[derive(Default)]
pub struct AllSeries {
    pages: Vec<(Position, String, Vec<Skeleton>)>,
    series: Vec<Series>,
    member_of: HashMap<Position, (usize, u32)>,
}

impl AllSeries {
    /// Adds a page by its skeletons.
    pub fn add(&mut self, position: Position, id: String, skeletons: Vec<Skeleton>) {
        self.pages.push((position, id, skeletons));
    }

    /// Finds the series among the pages that were added.
    pub fn find(&mut self) {
        let pages = std::mem::take(&mut self.pages);
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for (_, _, skeletons) in &pages {
            let distinct: HashSet<u64> = skeletons.iter().filter(|one| one.telling).map(|one| one.hash).collect();
            distinct.into_iter().for_each(|hash| *counts.entry(hash).or_default() += 1);
        }
        let shared = |one: &&Skeleton| one.telling && counts[&one.hash] >= LEAST_PAGES;
        let mut groups: BTreeMap<u64, Vec<(Position, String)>> = BTreeMap::new();
        for (position, id, skeletons) in pages {
            let words = |among: &dyn Fn(&&Skeleton) -> bool| -> f64 {
                skeletons.iter().filter(among).map(|one| f64::from(one.words)).sum()
            };
            let in_shared = words(&shared);
            let alike = in_shared >= SHARED.0 * words(&|one| one.telling) && in_shared >= SHARED.1 * words(&|_| true);
            if let Some(first) = skeletons.iter().find(shared).filter(|_| alike) {
                groups.entry(first.hash).or_default().push((position, id));
            }
        }
        let large = groups.into_values().filter(|pages| pages.len() >= LEAST_PAGES);
        self.series = large
            .map(|mut pages| {
                pages.sort_unstable();
                let id = pages[0].1.clone();
                Series { pages: pages.into_iter().map(|(position, _)| position).collect(), id }
            })
            .collect();
        self.series.sort_by(|a, b| b.pages.len().cmp(&a.pages.len()).then(a.pages[0].cmp(&b.pages[0])));
        for (number, series) in self.series.iter().enumerate() {
            let ranked = series.pages.iter().zip(0..).map(|(position, rank)| (*position, (number, rank)));
            self.member_of.extend(ranked);
        }
    }

    /// The series, largest first.
    pub fn all(&self) -> &[Series] {
        &self.series
    }

    /// Writes its series into a document; drops it where the series has `keep` pages before it.
    pub fn judge(&self, position: Position, document: &mut Document, keep: Option<u32>) -> Verdict {
        let Some((number, rank)) = self.member_of.get(&position) else { return Verdict::Keep };
        let series = &self.series[*number];
        document.page_kind = Some(crate::wikitext::PageKind::Series);
        document.series_id = Some(series.id.clone());
        document.series_size = series.pages.len() as u32;
        match keep.filter(|keep| rank >= keep) {
            None => Verdict::Keep,
            Some(keep) => Verdict::Drop(Reason {
                stage: "series",
                reason: "series_page",
                found: format!("page {} of {} in the series of {}", rank + 1, series.pages.len(), series.id),
                limit: format!("at most {keep} pages"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Extracted;
    use crate::wikitext::PageKind;

    fn page(number: usize, title: &str, text: String) -> Document {
        let extracted = Extracted {
            id: format!("wiki:{number}"),
            language: "ltg_Latn".parse().unwrap(),
            title: Some(title.to_owned()),
            text,
            url: None,
            source: "wiki".into(),
            timestamp: None,
            licence: None,
            page_kind: Some(PageKind::Stub),
        };
        extracted.measured()
    }

    /// 25 rivers that a bot wrote, one of them with a sentence of somebody's own, and 30 pages that share no sentence.
    fn pages() -> Vec<Document> {
        let mut pages: Vec<Document> = (0..25)
            .map(|n| {
                let own = if n == 7 {
                    " Itū upi sapynūt bārneibā redzieja munys vacuokais bruoļs, kurs tod dzeivuoja turpat."
                } else {
                    ""
                };
                let text = format!(
                    "Upe{n} ira upe pi Cīms{}. Itei upe ir {} kilometrus gara i tak da jiurai.{own}",
                    n * 3,
                    n + 5
                );
                page(n, &format!("Upe{n}"), text)
            })
            .collect();
        pages.extend((0..30).map(|n| {
            // The same words in orders and numbers that never come twice.
            let mut words = ["itei", "ira", "upe", "i", "da", "tak", "gara", "pi"];
            words.rotate_left(n % 7);
            page(100 + n, &format!("Puslopa {n}"), format!("Ka {}.", words[..4 + n / 7].join(" ")))
        }));
        pages
    }

    fn found(pages: &[Document], order: impl Iterator<Item = usize>) -> AllSeries {
        let mut frequencies = Frequencies::default();
        pages.iter().for_each(|page| frequencies.add(Frequencies::words(&page.text, page.language)));
        let frequent = frequencies.frequent();
        let mut all = AllSeries::default();
        for at in order {
            all.add((0, 0, at as u64), pages[at].id.clone(), skeletons(&pages[at], &frequent));
        }
        all.find();
        all
    }

    #[test]
    fn a_bot_is_found_whatever_the_order_and_others_are_left_alone() {
        let pages = pages();
        let forward = found(&pages, 0..pages.len());
        let series = forward.all();
        assert!(!series.is_empty());
        assert_eq!((series[0].id.as_str(), series[0].pages.len()), ("wiki:0", 24));
        assert!(!series[0].pages.contains(&(0, 0, 7)));
        assert_eq!(found(&pages, (0..pages.len()).rev()).all(), series);
    }

    #[test]
    fn the_first_pages_of_a_series_stay() {
        let mut pages = pages();
        let all = found(&pages, 0..pages.len());
        let kept: Vec<usize> =
            (0..25).filter(|at| all.judge((0, 0, *at as u64), &mut pages[*at], Some(3)) == Verdict::Keep).collect();
        assert_eq!(kept, [0, 1, 2, 7]);
        assert_eq!((pages[9].page_kind, pages[9].series_size), (Some(PageKind::Series), 24));
        assert_eq!((pages[7].page_kind, pages[7].series_size), (Some(PageKind::Stub), 1));
        assert_eq!(all.judge((0, 0, 9), &mut pages[9], None), Verdict::Keep);
    }
}
