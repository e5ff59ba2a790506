//! What the model reads at a step: windows of packed documents, drawn as a function of (seed, step) and of nothing else.

use crate::error::{Error, Result};
use crate::nn::Seen;
use crate::random::Key;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::sync::Arc;
use tongues_languages::Tag;
use tongues_pipeline::tokens::{Corpus, Split};

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
    /// Its id, as people know it; its number where there is none.
    fn id(&self, _language: Tag, _split: Split, document: usize) -> String {
        document.to_string()
    }
    /// Ids are below this.
    fn vocabulary_size(&self) -> usize;
    /// Of each id, whether a word begins with it; nothing where that is not known.
    fn begins_word(&self) -> Option<&[bool]> {
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
    fn id(&self, language: Tag, split: Split, document: usize) -> String {
        self.split(language, split).id(document).to_owned()
    }
    fn vocabulary_size(&self) -> usize {
        Corpus::vocabulary_size(self)
    }
    fn begins_word(&self) -> Option<&[bool]> {
        Corpus::begins_word(self)
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

/// One language's training text as a chain of windows: `<s>` document `</s>` after document, cut every T tokens.
#[derive(Debug, Clone)]
struct Stream {
    tag: Tag,
    ids: Vec<u32>,
    /// Where each document begins, and its number.
    starts: Vec<(usize, u32)>,
    share: f64,
}

impl Stream {
    /// The numbers of the documents that the tokens from `start` to `end` are of.
    fn documents(&self, start: usize, end: usize) -> impl Iterator<Item = usize> {
        let first = self.starts.partition_point(|(begin, _)| *begin <= start) - 1;
        self.starts[first..].iter().take_while(move |(begin, _)| *begin < end).map(|(_, document)| *document as usize)
    }
}

/// Draws batches.
#[derive(Debug, Clone)]
pub struct Sampler {
    streams: Vec<Stream>,
    window: usize,
    key: Key,
    begins_word: Option<Arc<[bool]>>,
}

/// One batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// (B, T), row by row.
    pub ids: Vec<u32>,
    /// The token after each, (B, T), row by row.
    pub targets: Vec<u32>,
    /// The language of each row.
    pub languages: Vec<Tag>,
    /// Where in each row a document begins, the first at 0 (it may have begun before).
    pub documents: Vec<Vec<usize>>,
    /// Of each id, whether a word begins with it.
    begins_word: Option<Arc<[bool]>>,
}

impl Batch {
    /// B.
    pub fn rows(&self) -> usize {
        self.languages.len()
    }

    /// T.
    pub fn window(&self) -> usize {
        self.ids.len() / self.rows()
    }

    /// The ids as a tensor (B, T).
    pub fn ids(&self, device: &Device) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.ids, (self.rows(), self.window()), device)?)
    }

    /// Of each id, whether a word begins with it; nothing where that is not known.
    pub fn begins_word(&self) -> Option<&[bool]> {
        self.begins_word.as_deref()
    }

    /// The same with each row as one document, whose tokens may see each other.
    pub fn joined(self) -> Batch {
        let documents = vec![vec![0]; self.rows()];
        Batch { documents, ..self }
    }

    /// Of the keys `seen`, those of the same document.
    pub fn seen(&self, seen: Seen) -> Result<Seen> {
        let whole = self.documents.iter().all(|starts| starts.len() == 1);
        if whole { Ok(seen) } else { seen.apart(&self.documents, self.window()) }
    }
}

impl Sampler {
    /// Packs the training documents of all languages. A language is drawn in proportion to its tokens to the power
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
            if ids.len() > window {
                let share = (ids.len() as f64).powf(alpha);
                streams.push(Stream { tag, ids, starts, share });
            } else {
                tracing::warn!(
                    "{tag}: {} training tokens, less than one window of {}; not trained on",
                    ids.len(),
                    window + 1
                );
            }
        }
        if streams.is_empty() {
            return Err(Error::Settings(format!("no language has the {} training tokens of one window", window + 1)));
        }
        let total: f64 = streams.iter().map(|stream| stream.share).sum();
        streams.iter_mut().for_each(|stream| stream.share /= total);
        Ok(Sampler { streams, window, key, begins_word: source.begins_word().map(Arc::from) })
    }

    /// The share of rows each language gets.
    pub fn shares(&self) -> Vec<(Tag, f64)> {
        self.streams.iter().map(|stream| (stream.tag, stream.share)).collect()
    }

    /// Training tokens, `<s>` and `</s>` included.
    pub fn tokens(&self) -> u64 {
        self.streams.iter().map(|stream| stream.ids.len() as u64).sum()
    }

    /// Batch number `number` (from 0) of `rows` windows, each from a place drawn at random in its language's chain.
    pub fn batch(&self, number: u64, rows: usize) -> Batch {
        let begins_word = self.begins_word.clone();
        let (ids, targets, languages, documents) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut batch = Batch { ids, targets, languages, documents, begins_word };
        for (stream, start) in self.places(number, rows) {
            let end = start + self.window;
            batch.ids.extend_from_slice(&stream.ids[start..end]);
            batch.targets.extend_from_slice(&stream.ids[start + 1..end + 1]);
            let later = &stream.starts[stream.starts.partition_point(|(begin, _)| *begin <= start)..];
            let later = later.iter().map(|(begin, _)| *begin).take_while(|begin| *begin < end);
            batch.documents.push([0].into_iter().chain(later.map(|begin| begin - start)).collect());
            batch.languages.push(stream.tag);
        }
        batch
    }

    /// Language and number of every document that batch `number` has tokens of, row by row.
    pub fn documents(&self, number: u64, rows: usize) -> Vec<(Tag, usize)> {
        let of_row = |(stream, start): (&Stream, usize)| -> Vec<(Tag, usize)> {
            stream.documents(start, start + self.window + 1).map(|document| (stream.tag, document)).collect()
        };
        self.places(number, rows).flat_map(of_row).collect()
    }

    /// The chain of each row of a batch and where in it the row begins.
    fn places(&self, number: u64, rows: usize) -> impl Iterator<Item = (&Stream, usize)> {
        let key = self.key.stream(number);
        (0..rows as u64).map(move |row| {
            let mut left = key.uniform(2 * row);
            let chosen = self.streams.iter().position(|stream| {
                left -= stream.share;
                left < 0.0
            });
            let stream = &self.streams[chosen.unwrap_or(self.streams.len() - 1)]; // rounding can leave a crumb above the last
            (stream, key.below(2 * row + 1, (stream.ids.len() - self.window) as u64) as usize)
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
    fn documents_of_a_row_begin_with_their_first_token() {
        let batch = Sampler::new(&source(), (1, 2), 8, 1.0, 1).unwrap().batch(0, 50);
        for (row, starts) in batch.ids.chunks(8).zip(&batch.documents) {
            let found = row.iter().enumerate().filter(|(place, id)| **id == 1 || *place == 0).map(|(place, _)| place);
            assert_eq!(*starts, found.collect::<Vec<_>>());
        }
        let t = batch.window();
        assert_eq!((batch.rows(), t), (50, 8));
        let apart = batch.seen(Seen::causal()).unwrap();
        assert_eq!(apart, Seen::causal().apart(&batch.documents, t).unwrap());
        assert_eq!(batch.joined().seen(Seen::causal()).unwrap(), Seen::causal());
    }

    #[test]
    fn too_little_text_is_refused() {
        assert!(Sampler::new(&source(), (1, 2), 600, 1.0, 1).is_err());
    }
}
