//! Which windows a batch has: of which languages, by turns, and where in their rings, by epochs.

use super::epochs::{Epochs, Window};
use super::ring::Ring;
use super::source::TokenSource;
use super::turns::Turns;
use super::{Batch, IGNORED};
use crate::error::{Error, Result};
use crate::random::Key;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tongues_languages::Tag;
use tongues_pipeline::vocabulary::Vocabulary;

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

/// Makes batches. Nothing in it changes: a batch is a function of its number, and the n-th window of a language is the same
/// whatever other languages there are.
#[derive(Clone)]
pub struct Sampler<'a> {
    source: &'a dyn TokenSource,
    languages: Vec<Language>,
    turns: Turns,
    /// Id of `</s>`.
    end: u32,
    window: usize,
    consecutive: usize,
    language_per: LanguagePer,
    begins_word: Option<Arc<[bool]>>,
    language_tokens: Arc<[u32]>,
}

#[derive(Debug, Clone)]
struct Language {
    ring: Ring,
    /// What begins its documents.
    beginning: u32,
    epochs: Epochs,
    key: Key,
}

/// What has been read of a language.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Read {
    /// Language.
    pub language: Tag,
    /// Targets.
    pub tokens: u64,
    /// The same over the tokens that there are.
    pub epochs: f64,
}

impl<'a> Sampler<'a> {
    /// Of the training documents of all languages, whose tokens stay where `source` has them; `special` are `<s>` and
    /// `</s>`, which stand around each; [`TokenSource::beginning`] may say another one than `<s>`. A language has its turn in proportion to its tokens to the power `alpha` (1: as
    /// they come; 0: all alike). `window` is T.
    ///
    /// # Errors
    /// No text at all.
    pub fn new(
        source: &'a dyn TokenSource,
        (beginning, end): (u32, u32),
        window: usize,
        alpha: f64,
        seed: u64,
    ) -> Result<Sampler<'a>> {
        let key = Key::new(seed).named("batches");
        let mut languages = Vec::new();
        for tag in source.languages() {
            let key = key.named(tag.as_str());
            if let Some(ring) = Ring::new(source, tag, key) {
                let epochs = Epochs::new(ring.length(), window, 1, key);
                let beginning = source.beginning(tag, beginning);
                languages.push(Language { ring, beginning, epochs, key });
            }
        }
        if languages.is_empty() {
            return Err(Error::Settings("no language has a training document".to_owned()));
        }
        let weights: Vec<f64> = languages.iter().map(|one| (one.ring.length() as f64).powf(alpha)).collect();
        let studied = source.studied().map(|(tag, share)| {
            let at = languages.iter().position(|language| language.ring.tag == tag);
            (at.expect("a studied language has text"), share)
        });
        let turns = Turns::new(&weights, studied, key.named("turns"));
        let begins =
            |vocabulary: &Vocabulary| (0..vocabulary.size() as u32).map(|id| vocabulary.begins_word(id)).collect();
        let begins_word = source.vocabulary().map(begins);
        let of_languages = |vocabulary: &Vocabulary| vocabulary.language_tokens().values().copied().collect();
        let language_tokens = source.vocabulary().map(of_languages).unwrap_or_default();
        Ok(Sampler {
            source,
            languages,
            turns,
            end,
            window,
            consecutive: 1,
            language_per: LanguagePer::Row,
            begins_word,
            language_tokens,
        })
    }

    /// The same with a language drawn for each of these.
    pub fn with(self, language_per: LanguagePer) -> Sampler<'a> {
        Sampler { language_per, ..self }
    }

    /// The same with rows that keep their language for so many batches and go on in its text where they can, for models
    /// that carry a state from one batch to the next; [`Batch::continues`] says where. 1: each window for itself.
    pub fn consecutive(mut self, windows: usize) -> Sampler<'a> {
        self.consecutive = windows.max(1);
        for Language { ring, epochs, key, .. } in &mut self.languages {
            *epochs = Epochs::new(ring.length(), self.window, self.consecutive, *key);
        }
        self
    }

    /// The share of rows each language gets.
    pub fn shares(&self) -> Vec<(Tag, f64)> {
        let of = |(at, language): (usize, &Language)| (language.ring.tag, self.turns.share(at));
        self.languages.iter().enumerate().map(of).collect()
    }

    /// Training tokens, `<s>` and `</s>` included.
    pub fn tokens(&self) -> u64 {
        self.languages.iter().map(|language| language.ring.length()).sum()
    }

    /// What the first `batches` batches of `rows` rows have read of each language; less than a window off where an epoch is
    /// not at its end.
    pub fn read(&self, batches: u64, rows: usize) -> Vec<Read> {
        let each = self.consecutive as u64;
        let (draws, turns) = match self.language_per {
            LanguagePer::Row => (rows as u64, 1),
            LanguagePer::Batch => (1, rows as u64),
        };
        let of = |(at, language): (usize, &Language)| {
            let before = |batches: u64| self.turns.before(at, batches / each * draws) * turns;
            let now = before(batches + each) - before(batches);
            let tokens = language.epochs.targets(before(batches) * each + now * (batches % each));
            let epochs = tokens as f64 / language.ring.length() as f64;
            Read { language: language.ring.tag, tokens, epochs }
        };
        self.languages.iter().enumerate().map(of).collect()
    }

    /// Batch number `number` (from 0) of `rows` windows.
    pub fn batch(&self, number: u64, rows: usize) -> Batch {
        let (begins_word, language_tokens) = (self.begins_word.clone(), Arc::clone(&self.language_tokens));
        let mut batch = Batch::with_capacity(rows, self.window, begins_word, language_tokens);
        let mut tokens = Vec::with_capacity(self.window + 1);
        for (Language { ring, beginning, .. }, window) in self.windows(number, rows) {
            tokens.clear();
            let around = (*beginning, self.end);
            let mut documents = ring.read(self.source, around, window.start, window.length + 1, &mut tokens);
            documents.retain(|place| (1..window.length).contains(place));
            documents.insert(0, 0);
            let filled = self.window - window.length;
            batch.ids.extend_from_slice(&tokens[..window.length]);
            batch.ids.extend(std::iter::repeat_n(self.end, filled));
            batch.targets.extend_from_slice(&tokens[1..]);
            batch.targets.extend(std::iter::repeat_n(IGNORED, filled));
            batch.languages.push(ring.tag);
            batch.documents.push(documents);
            batch.lengths.push(window.length);
            batch.continues.push(window.continues);
        }
        batch
    }

    /// Language and number of every document that batch `number` has tokens of, row by row.
    pub fn documents(&self, number: u64, rows: usize) -> Vec<(Tag, usize)> {
        let of_row = |(Language { ring, .. }, window): (&Language, Window)| -> Vec<(Tag, usize)> {
            ring.documents(window.start, window.length + 1).map(|document| (ring.tag, document)).collect()
        };
        self.windows(number, rows).flat_map(of_row).collect()
    }

    /// Language and window of each row of a batch.
    fn windows(&self, number: u64, rows: usize) -> impl Iterator<Item = (&Language, Window)> {
        let (each, rows) = (self.consecutive as u64, rows as u64);
        let (draw, place) = (number / each, number % each);
        (0..rows).map(move |row| {
            let (language, turn) = match self.language_per {
                LanguagePer::Row => self.turns.at(draw * rows + row),
                LanguagePer::Batch => {
                    let (language, turn) = self.turns.at(draw);
                    (language, turn * rows + row)
                }
            };
            let language = &self.languages[language];
            let window = language.epochs.window(turn * each + place);
            // The window before the first of a turn was read in another row.
            (language, Window { continues: window.continues && place > 0, ..window })
        })
    }
}

#[cfg(test)]
mod tests;
