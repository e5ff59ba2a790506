//! What the model reads at a step: windows of packed documents, drawn as a function of (seed, step) and of nothing else.

use crate::error::{Error, Result};
use crate::random::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tongues_languages::Tag;
use tongues_pipeline::tokens::{Corpus, Split};
use tongues_pipeline::vocabulary::Vocabulary;

/// Documents as token ids, by language and split. No beginning or end token is stored.
pub trait TokenSource: Send + Sync {
    /// Languages, in tag order.
    fn languages(&self) -> Vec<Tag>;
    /// How many documents.
    fn documents(&self, language: Tag, split: Split) -> usize;
    /// The ids of one document.
    fn tokens(&self, language: Tag, split: Split, document: usize) -> Vec<u32>;
    /// UTF-8 bytes of its text.
    fn bytes(&self, language: Tag, split: Split, document: usize) -> u32;
    /// Tokens of all documents.
    fn total_tokens(&self, language: Tag, split: Split) -> u64 {
        (0..self.documents(language, split)).map(|document| self.tokens(language, split, document).len() as u64).sum()
    }
    /// Its id, as people know it; its number where there is none.
    fn id(&self, _language: Tag, _split: Split, document: usize) -> String {
        document.to_string()
    }
    /// Ids are below this.
    fn vocabulary_size(&self) -> usize;
    /// The language whose windows are the same in the same order whatever other languages there are, and its share of
    /// all windows; none: all languages are drawn alike.
    fn studied(&self) -> Option<(Tag, f64)> {
        None
    }
    /// The words for the ids; none where only ids are known.
    fn vocabulary(&self) -> Option<&Vocabulary> {
        None
    }
}

impl TokenSource for Corpus {
    fn languages(&self) -> Vec<Tag> {
        Corpus::languages(self).to_vec()
    }
    fn documents(&self, language: Tag, split: Split) -> usize {
        self.split(language, split).len()
    }
    fn tokens(&self, language: Tag, split: Split, document: usize) -> Vec<u32> {
        self.split(language, split).tokens(document).collect()
    }
    fn bytes(&self, language: Tag, split: Split, document: usize) -> u32 {
        self.split(language, split).bytes(document)
    }
    fn total_tokens(&self, language: Tag, split: Split) -> u64 {
        self.split(language, split).total_tokens()
    }
    fn id(&self, language: Tag, split: Split, document: usize) -> String {
        self.split(language, split).id(document).to_owned()
    }
    fn vocabulary_size(&self) -> usize {
        Corpus::vocabulary_size(self)
    }
}

/// UTF-8 bytes of all training documents.
pub fn training_bytes(source: &dyn TokenSource) -> u64 {
    let of_language = |tag| {
        let documents = 0..source.documents(tag, Split::Train);
        documents.map(|document| u64::from(source.bytes(tag, Split::Train, document))).sum::<u64>()
    };
    source.languages().into_iter().map(of_language).sum()
}

/// Ids of a document and the bytes of its text.
pub type Tokens = (Vec<u32>, u32);

/// Documents in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemory {
    /// Ids and bytes of every document.
    pub documents: BTreeMap<(Tag, Split), Vec<Tokens>>,
    /// Ids are below this.
    pub vocabulary_size: usize,
}

impl TokenSource for InMemory {
    fn languages(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.documents.keys().map(|(tag, _)| *tag).collect();
        tags.dedup();
        tags
    }
    fn documents(&self, language: Tag, split: Split) -> usize {
        self.documents.get(&(language, split)).map_or(0, Vec::len)
    }
    fn tokens(&self, language: Tag, split: Split, document: usize) -> Vec<u32> {
        self.documents[&(language, split)][document].0.clone()
    }
    fn bytes(&self, language: Tag, split: Split, document: usize) -> u32 {
        self.documents[&(language, split)][document].1
    }
    fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }
}

/// Target of a place that is not learnt from.
pub const IGNORED: u32 = u32::MAX;

/// What a language is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LanguagePer {
    /// Each row of a batch has its own.
    #[default]
    Row,
    /// All rows of a batch have one.
    Batch,
}

/// One language's training text as a ring: `<s>` document `</s>` after document, the first after the last. A window may
/// begin anywhere, so each token is read equally often, those of a language with less text than a window too.
#[derive(Debug, Clone)]
struct Stream {
    tag: Tag,
    ids: Vec<u32>,
    /// Where each document begins, and its number.
    starts: Vec<(usize, u32)>,
    share: f64,
}

impl Stream {
    /// The token at `place`, from 0 without end.
    fn token(&self, place: usize) -> u32 {
        self.ids[place % self.ids.len()]
    }

    /// The numbers of the documents that `count` tokens from `start` on are of.
    fn documents(&self, start: usize, count: usize) -> impl Iterator<Item = usize> {
        let (length, end) = (self.ids.len(), start + count.min(self.ids.len()));
        self.between(start, end.min(length)).chain(self.between(0, end.saturating_sub(length)))
    }

    /// The same without going round.
    fn between(&self, start: usize, end: usize) -> impl Iterator<Item = usize> {
        let first = self.starts.partition_point(|(begin, _)| *begin <= start) - 1;
        self.starts[first..].iter().take_while(move |(begin, _)| *begin < end).map(|(_, document)| *document as usize)
    }
}

/// The stream that has its turn by count and not by chance, and its share of all rows.
#[derive(Debug, Clone)]
struct Studied {
    stream: Stream,
    share: f64,
}

impl Studied {
    /// The number of the turn (from 0) where row `row` of the whole training is one.
    fn turn(&self, row: u64) -> Option<u64> {
        let turns_before = |row: u64| (row as f64 * self.share).floor() as u64;
        (turns_before(row + 1) > turns_before(row)).then(|| turns_before(row))
    }
}

/// Draws batches.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// Those that are drawn; their shares come to 1.
    streams: Vec<Stream>,
    studied: Option<Studied>,
    window: usize,
    language_per: LanguagePer,
    key: Key,
}

/// One batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// (B, T), row by row.
    pub ids: Vec<u32>,
    /// The token after each, (B, T), row by row; [`IGNORED`] where that was in the row before.
    pub targets: Vec<u32>,
    /// The language of each row.
    pub languages: Vec<Tag>,
}

impl Sampler {
    /// Packs the training documents of all languages; for each row a language is drawn. A language is drawn in proportion to its tokens to the power
    /// `alpha` (1: as they come; 0: all alike). `window` is T.
    pub fn new(
        source: &dyn TokenSource,
        (beginning, end): (u32, u32),
        window: usize,
        alpha: f64,
        seed: u64,
    ) -> Result<Sampler> {
        let key = Key::new(seed).named("batches");
        let mut streams = Vec::new();
        for tag in source.languages() {
            let order = key.named(tag.as_str()).permutation(source.documents(tag, Split::Train));
            let (mut ids, mut starts) = (Vec::new(), Vec::new());
            for document in order {
                starts.push((ids.len(), document));
                ids.push(beginning);
                ids.extend(source.tokens(tag, Split::Train, document as usize));
                ids.push(end);
            }
            if !ids.is_empty() {
                let share = (ids.len() as f64).powf(alpha);
                streams.push(Stream { tag, ids, starts, share });
            }
        }
        if streams.is_empty() {
            return Err(Error::Settings("no language has a training document".to_owned()));
        }
        let studied = source.studied().map(|(tag, share)| {
            let at = streams.iter().position(|stream| stream.tag == tag).expect("a studied language has text");
            Studied { stream: streams.remove(at), share }
        });
        let total: f64 = streams.iter().map(|stream| stream.share).sum();
        streams.iter_mut().for_each(|stream| stream.share /= total);
        Ok(Sampler { streams, studied, window, language_per: LanguagePer::Row, key })
    }

    /// The same with a language drawn for each of these.
    pub fn with(self, language_per: LanguagePer) -> Sampler {
        Sampler { language_per, ..self }
    }

    /// The share of rows each language gets; the studied one first.
    pub fn shares(&self) -> Vec<(Tag, f64)> {
        let studied = self.studied.as_ref().map(|studied| (studied.stream.tag, studied.share));
        let rest = 1.0 - studied.map_or(0.0, |(_, share)| share);
        studied.into_iter().chain(self.streams.iter().map(|stream| (stream.tag, stream.share * rest))).collect()
    }

    /// Training tokens, `<s>` and `</s>` included.
    pub fn tokens(&self) -> u64 {
        let studied = self.studied.as_ref().map(|studied| &studied.stream);
        self.streams.iter().chain(studied).map(|stream| stream.ids.len() as u64).sum()
    }

    /// Batch number `number` (from 0) of `rows` windows, each from a place drawn at random in its language's ring. Where a
    /// window goes round more than once, a token that comes again is context and no target: it could be copied.
    pub fn batch(&self, number: u64, rows: usize) -> Batch {
        let mut batch = Batch { ids: Vec::new(), targets: Vec::new(), languages: Vec::new() };
        for (stream, start) in self.places(number, rows) {
            batch.ids.extend((0..self.window).map(|place| stream.token(start + place)));
            let target = |place| if place <= stream.ids.len() { stream.token(start + place) } else { IGNORED };
            batch.targets.extend((1..=self.window).map(target));
            batch.languages.push(stream.tag);
        }
        batch
    }

    /// Targets of batch `number` that are not [`IGNORED`].
    pub fn targets(&self, number: u64, rows: usize) -> usize {
        self.places(number, rows).map(|(stream, _)| self.window.min(stream.ids.len())).sum()
    }

    /// Language and number of every document that batch `number` has tokens of, row by row.
    pub fn documents(&self, number: u64, rows: usize) -> Vec<(Tag, usize)> {
        let of_row = |(stream, start): (&Stream, usize)| -> Vec<(Tag, usize)> {
            stream.documents(start, self.window + 1).map(|document| (stream.tag, document)).collect()
        };
        self.places(number, rows).flat_map(of_row).collect()
    }

    /// The ring of each row of a batch and where in it the row begins.
    fn places(&self, number: u64, rows: usize) -> impl Iterator<Item = (&Stream, usize)> {
        let key = self.key.stream(number);
        (0..rows as u64).map(move |row| {
            let studied = self.studied.as_ref().and_then(|studied| {
                let turn = match self.language_per {
                    LanguagePer::Row => studied.turn(number * rows as u64 + row)?,
                    LanguagePer::Batch => studied.turn(number)? * rows as u64 + row,
                };
                Some((&studied.stream, turn))
            });
            if let Some((stream, turn)) = studied {
                return (stream, self.key.named("studied").below(turn, stream.ids.len() as u64) as usize);
            }
            let drawn_for = if self.language_per == LanguagePer::Batch { 0 } else { row };
            let mut left = key.uniform(2 * drawn_for);
            let chosen = self.streams.iter().position(|stream| {
                left -= stream.share;
                left < 0.0
            });
            let stream = &self.streams[chosen.unwrap_or(self.streams.len() - 1)]; // rounding can leave a crumb above the last
            (stream, key.below(2 * row + 1, stream.ids.len() as u64) as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> InMemory {
        let mut source = InMemory { vocabulary_size: 20, ..Default::default() };
        for (tag, documents) in [("ltg_Latn", 30), ("lvs_Latn", 120)] {
            let texts = (0..documents).map(|i| (vec![3 + i % 7, 4, 5 + i % 11], 9)).collect();
            source.documents.insert((tag.parse().unwrap(), Split::Train), texts);
        }
        source
    }

    #[test]
    fn shares_follow_the_power_and_rows_the_shares() {
        // 150 and 600 tokens: at alpha 0.5 the shares are 1 : 2.
        assert_eq!(training_bytes(&source()), 150 * 9);
        let sampler = Sampler::new(&source(), (1, 2), 8, 0.5, 1).unwrap();
        assert!((sampler.shares()[0].1 - 1.0 / 3.0).abs() < 1e-12);
        let batch = sampler.batch(0, 3000);
        let first = batch.languages.iter().filter(|tag| tag.as_str() == "ltg_Latn").count();
        assert!((900..1100).contains(&first), "{first} of 3000");
    }

    #[test]
    fn a_batch_depends_on_its_number_alone_and_targets_are_next() {
        let make = |seed| Sampler::new(&source(), (1, 2), 8, 1.0, seed).unwrap();
        assert_eq!(make(1).batch(5, 4), make(1).batch(5, 4));
        assert_ne!(make(1).batch(5, 4), make(1).batch(6, 4));
        assert_ne!(make(1).batch(5, 4), make(2).batch(5, 4));
        let batch = make(1).batch(0, 4);
        for row in 0..4 {
            assert_eq!(batch.ids[row * 8 + 1..row * 8 + 8], batch.targets[row * 8..row * 8 + 7]);
        }
        assert!(batch.ids.windows(2).any(|pair| pair == [2, 1]), "documents are packed one after another");
    }

    #[test]
    fn the_documents_of_a_batch_are_those_its_tokens_are_of() {
        // Document i is the token 3 + i, three times: the tokens of a row tell its documents.
        let texts = (0..30).map(|i| (vec![3 + i; 3], 9)).collect();
        let documents = [(("ltg_Latn".parse().unwrap(), Split::Train), texts)].into();
        let sampler = Sampler::new(&InMemory { documents, vocabulary_size: 40 }, (1, 2), 9, 1.0, 1).unwrap();
        for number in 0..50 {
            let batch = sampler.batch(number, 1);
            let all = batch.ids.iter().chain(batch.targets.last()).filter(|id| **id > 2);
            let mut seen: Vec<usize> = all.map(|id| *id as usize - 3).collect();
            seen.dedup();
            let mut found: Vec<usize> = sampler.documents(number, 1).iter().map(|(_, document)| *document).collect();
            // A row may begin with the end of a document or end with the beginning of one: no token of its own in it.
            if batch.ids[0] == 2 {
                found.remove(0);
            }
            if batch.targets[8] == 1 {
                found.pop();
            }
            assert_eq!(found, seen, "batch {number}");
        }
    }

    #[test]
    fn a_language_for_a_batch_is_drawn_by_the_same_shares() {
        let sampler = Sampler::new(&source(), (1, 2), 8, 0.5, 1).unwrap().with(LanguagePer::Batch);
        let batches: Vec<Batch> = (0..3000).map(|number| sampler.batch(number, 4)).collect();
        assert!(batches.iter().all(|batch| batch.languages.iter().all(|tag| *tag == batch.languages[0])));
        let first = batches.iter().filter(|batch| batch.languages[0].as_str() == "ltg_Latn").count();
        assert!((900..1100).contains(&first), "{first} of 3000");
        assert!(batches[0].ids[..8] != batches[0].ids[8..16], "each row begins somewhere else");
    }

    /// How often each token of one document of `length` tokens, from 3 on and each once, is a target in 2,000 rows.
    fn counts(length: u32, window: usize) -> Vec<usize> {
        let documents = [(("ltg_Latn".parse().unwrap(), Split::Train), vec![((3..3 + length).collect(), 9)])].into();
        let sampler = Sampler::new(&InMemory { documents, vocabulary_size: 40 }, (1, 2), window, 1.0, 1).unwrap();
        let mut counts = vec![0; 3 + length as usize];
        for number in 0..2000 {
            let batch = sampler.batch(number, 1);
            let targets: Vec<u32> = batch.targets.iter().copied().filter(|target| *target != IGNORED).collect();
            assert_eq!(sampler.targets(number, 1), targets.len());
            for (id, target) in batch.ids.iter().zip(&batch.targets).filter(|(_, target)| **target != IGNORED) {
                // After `</s>` comes `<s>`, after that the first token, after the last `</s>`.
                let next = match *id {
                    1 => 3,
                    2 => 1,
                    id if id == 2 + length => 2,
                    id => id + 1,
                };
                assert_eq!(*target, next);
                counts[*target as usize] += 1;
            }
        }
        counts.remove(0);
        counts
    }

    #[test]
    fn a_text_shorter_than_a_window_goes_round_and_each_token_is_a_target_once() {
        assert!(counts(5, 20).iter().all(|count| *count == 2000), "7 tokens in a window of 20");
        assert!(counts(5, 7).iter().all(|count| *count == 2000));
    }

    #[test]
    fn every_token_of_a_longer_text_is_read_equally_often() {
        // 30 tokens, windows of 10: each is a target in a third of 2,000 rows, the first and the last too.
        let counts = counts(28, 10);
        assert!(counts.iter().all(|count| (560..780).contains(count)), "{counts:?}");
    }

    #[test]
    fn documents_of_a_window_that_goes_round_are_those_at_both_ends() {
        let (tag, starts) = ("ltg_Latn".parse().unwrap(), vec![(0, 7), (4, 5), (8, 6)]);
        let stream = Stream { tag, ids: vec![0; 12], starts, share: 1.0 };
        let of = |start, count| stream.documents(start, count).collect::<Vec<_>>();
        assert_eq!((of(4, 4), of(3, 2), of(11, 2)), (vec![5], vec![7, 5], vec![6, 7]));
        assert_eq!((of(10, 99), of(0, 12)), (vec![6, 7, 5, 6], vec![7, 5, 6]));
    }

    #[test]
    fn no_text_at_all_is_refused() {
        let none = InMemory { vocabulary_size: 20, ..Default::default() };
        assert!(Sampler::new(&none, (1, 2), 8, 1.0, 1).is_err());
    }
}
