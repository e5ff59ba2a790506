//! Which language a text is in: fastText models over character n-grams, loaded or trained.

use crate::card::{Card, Outcome};
use crate::error::{Error, Result};
use crate::tag::Tag;
use fasttext::args::Args;
use fasttext::{FastText, FastTextError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What stands before the tag in a model's labels.
const LABEL: &str = "__label__";
/// fastText's own token for the end of a line.
const END_OF_LINE: &str = "</s>";
/// Name of the model in its folder.
pub const MODEL: &str = "identifier.bin";
/// Name of the card, beside the model.
pub const CARD: &str = "card.json";

/// How to train an identification model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Length of the vectors.
    pub dimension: u32,
    /// Rows of the table that n-grams are hashed into; with `dimension` it sets the model's size
    /// (`buckets × dimension × 4` bytes).
    pub buckets: u32,
    /// Longest character n-gram; the shortest is one character.
    pub longest_ngram: u32,
    /// Passes over the sampled lines.
    pub epochs: u32,
    /// Step size at the start, falling to 0.
    pub learning_rate: f64,
    /// Most lines taken from one language; of more, an even sample.
    pub lines_per_language: usize,
    /// A language of n lines is seen in proportion to n to this power: 1 as it is, 0 all alike.
    pub sampling_exponent: f64,
    /// Most times that one line is repeated to reach its language's share.
    pub most_repeats: usize,
    /// Share of each language's lines held out to measure by, above 0 and below 1.
    pub held_out: f64,
    /// Fewest occurrences for which a whole word gets a vector of its own.
    pub least_word_count: u32,
}

impl Default for TrainSettings {
    fn default() -> Self {
        TrainSettings {
            dimension: 16,
            buckets: 1 << 18,
            longest_ngram: 5,
            epochs: 5,
            learning_rate: 0.5,
            lines_per_language: 10_000,
            sampling_exponent: 0.3,
            most_repeats: 5,
            held_out: 0.05,
            least_word_count: 10,
        }
    }
}

/// A loaded identification model.
pub struct Identifier {
    model: FastText,
    card: Option<Card>,
}

impl Identifier {
    /// Loads a fastText model whose labels are `__label__` and a tag, and the `card.json` beside it, if any.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::Identifier`] where it is no such model or card.
    pub fn load(path: &Path) -> Result<Identifier> {
        let wrong = |cause: String| Error::Identifier { path: path.to_owned(), cause };
        // Opened first: the library's own error for a missing file does not name it.
        File::open(path).map_err(io("read", path))?;
        let model = FastText::load_model(path).map_err(|error| wrong(format!("not a fastText model: {error}")))?;
        let (labels, _) = model.get_labels();
        if labels.is_empty() {
            return Err(wrong("a fastText model without labels; expected one trained with `supervised`".into()));
        }
        for label in &labels {
            if tag_of(label).is_none() {
                return Err(wrong(format!("label `{label}`; expected labels as `{LABEL}ltg_Latn`")));
            }
        }
        let card = match path.parent().map(|folder| folder.join(CARD)) {
            Some(beside) if beside.is_file() => {
                let text = fs::read_to_string(&beside).map_err(io("read", &beside))?;
                let card = serde_json::from_str(&text)
                    .map_err(|error| Error::Identifier { path: beside, cause: format!("not a card: {error}") })?;
                Some(card)
            }
            _ => None,
        };
        Ok(Identifier { model, card })
    }

    /// The `n` most probable languages with their probabilities (0 to 1), best first.
    ///
    /// Empty for a text without any word. Ties are ordered by tag.
    pub fn top(&self, text: &str, n: usize) -> Vec<(Tag, f32)> {
        top(&self.model, &clean(text), n)
    }

    /// As [`Identifier::top`], as if the model knew `candidates` alone: their probabilities sum to 1, which is what a
    /// softmax over their scores gives. Empty where the model knows none of them.
    pub fn top_among(&self, text: &str, n: usize, candidates: &[Tag]) -> Vec<(Tag, f32)> {
        let mut among = self.top(text, usize::MAX);
        among.retain(|(tag, _)| candidates.contains(tag));
        let sum: f32 = among.iter().map(|(_, probability)| probability).sum();
        among.truncate(n);
        // Where all have vanished in f32 they are alike.
        among.into_iter().map(|(tag, probability)| (tag, if sum > 0.0 { probability / sum } else { 0.0 })).collect()
    }

    /// The languages the model can name, ordered by tag.
    pub fn languages(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.model.get_labels().0.iter().filter_map(|label| tag_of(label)).collect();
        tags.sort();
        tags
    }

    /// Least probability for which the model should be believed about this language: from the card
    /// beside the model, else from the language's profile, else 0.5.
    pub fn threshold(&self, tag: Tag) -> f32 {
        let from_card = self.card.as_ref().and_then(|card| card.threshold(tag));
        let from_profile = || crate::profile::find(tag).and_then(|profile| profile.thresholds.identification);
        from_card.or_else(from_profile).unwrap_or(0.5)
    }
}

/// Trains a model on `(language, line)` examples, measures it on held-out lines and writes
/// `identifier.bin` and `card.json` into the folder `output`.
///
/// One thread, so the same examples in any order give the same bytes. Equal lines of one language
/// count once, and an even sample of at most `lines_per_language` is kept in memory.
///
/// # Errors
/// [`Error::Identifier`] for settings out of range, fewer than two languages, or a failed training;
/// [`Error::Io`] where a file cannot be written.
pub fn train(
    examples: &mut dyn Iterator<Item = (Tag, String)>,
    settings: &TrainSettings,
    output: &Path,
) -> Result<Card> {
    let wrong = |cause: String| Error::Identifier { path: output.to_owned(), cause };
    check(settings).map_err(wrong)?;
    let collected = collect(examples, settings.lines_per_language);
    if collected.len() < 2 {
        return Err(wrong(format!("examples of {} languages; identification needs two or more", collected.len())));
    }
    // Lines are ordered by hash: the first ones are a fixed random sample.
    let mut trained: Vec<(Tag, Vec<String>)> = Vec::new();
    let mut held_out: Vec<(Tag, String)> = Vec::new();
    for (tag, lines) in collected {
        let mut lines: Vec<String> = lines.into_values().collect();
        let held = ((lines.len() as f64 * settings.held_out).ceil() as usize).min(lines.len() - 1);
        held_out.extend(lines.drain(..held).map(|line| (tag, line)));
        trained.push((tag, lines));
    }

    fs::create_dir_all(output).map_err(io("create", output))?;
    let text = output.join("identifier.txt.part");
    let written = write_training_text(&trained, settings, &text).map_err(io("write", &text));
    let model = written.and_then(|()| {
        FastText::train(arguments(settings, &text)).map_err(|error| wrong(format!("training: {error}")))
    });
    let _ = fs::remove_file(&text);
    let model = model?;

    let outcomes: Vec<Outcome> = held_out
        .iter()
        .map(|(language, line)| {
            let all = top(&model, line, trained.len());
            let score = all.iter().find(|(tag, _)| tag == language).map_or(0.0, |(_, score)| *score);
            Outcome { language: *language, predicted: all.first().map(|(tag, _)| *tag), score }
        })
        .collect();
    let counts: Vec<(Tag, usize)> = trained.iter().map(|(tag, lines)| (*tag, lines.len())).collect();
    let card = Card::new(&counts, &outcomes);

    whole(&output.join(MODEL), |part| match model.save_model(part) {
        Err(FastTextError::IoError(error)) => Err(error),
        other => other.map_err(std::io::Error::other),
    })?;
    let mut json = serde_json::to_string_pretty(&card).expect("a card has string keys and finite numbers");
    json.push('\n');
    whole(&output.join(CARD), |part| fs::write(part, json))?;
    Ok(card)
}

/// A file that appears whole or not at all: written beside it, synced, renamed.
fn whole(path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let written = write(&part).and_then(|()| File::open(&part)?.sync_all()).and_then(|()| fs::rename(&part, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&part);
        io("write", path)(source)
    })
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { path, action, source }
}

fn tag_of(label: &str) -> Option<Tag> {
    label.strip_prefix(LABEL)?.parse().ok()
}

/// A text as the model sees it: one line, lower case, single spaces, without fastText's own marks.
fn clean(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut line = String::with_capacity(lower.len());
    for word in lower.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() || word.starts_with(LABEL) || word == END_OF_LINE {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Predictions for a cleaned line.
fn top(model: &FastText, line: &str, n: usize) -> Vec<(Tag, f32)> {
    let mut all: Vec<(Tag, f32)> = model
        .predict(line, model.get_labels().0.len(), 0.0)
        .into_iter()
        // The library adds a small constant before its logarithm, so that 1 can come out as 1.00001.
        .filter_map(|prediction| Some((tag_of(&prediction.label)?, prediction.prob.min(1.0))))
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(n);
    all
}

/// FNV-1a, 64 bits, with a last mixing step (that of SplitMix64): orders lines as if at random.
fn hash(bytes: &[u8], copy: u64) -> u64 {
    let mut value = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325 ^ copy, |value, &byte| (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Distinct cleaned lines by language, ordered by hash; of more than `most`, those of the least hashes.
fn collect(
    examples: &mut dyn Iterator<Item = (Tag, String)>,
    most: usize,
) -> BTreeMap<Tag, BTreeMap<(u64, String), String>> {
    let mut collected: BTreeMap<Tag, BTreeMap<(u64, String), String>> = BTreeMap::new();
    for (tag, line) in examples {
        let line = clean(&line);
        if line.is_empty() {
            continue;
        }
        let lines = collected.entry(tag).or_default();
        lines.insert((hash(line.as_bytes(), 0), line.clone()), line);
        if lines.len() > most {
            lines.pop_last();
        }
    }
    collected
}

/// Writes the lines with their labels, sampled by the exponent and shuffled by hash.
fn write_training_text(trained: &[(Tag, Vec<String>)], settings: &TrainSettings, path: &Path) -> std::io::Result<()> {
    let largest = trained.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0) as f64;
    let mut order: Vec<(u64, Tag, &str)> = Vec::new();
    for (tag, lines) in trained {
        let wanted = largest * (lines.len() as f64 / largest).powf(settings.sampling_exponent);
        let wanted = (wanted.round() as usize).min(lines.len() * settings.most_repeats);
        for place in 0..wanted {
            let line = &lines[place % lines.len()];
            order.push((hash(line.as_bytes(), 1 + (place / lines.len()) as u64), *tag, line));
        }
    }
    order.sort();
    let mut file = BufWriter::new(File::create(path)?);
    for (_, tag, line) in order {
        writeln!(file, "{LABEL}{tag} {line}")?;
    }
    file.flush()
}

fn check(settings: &TrainSettings) -> std::result::Result<(), String> {
    let positive = [
        ("dimension", settings.dimension as usize),
        ("buckets", settings.buckets as usize),
        ("longest_ngram", settings.longest_ngram as usize),
        ("epochs", settings.epochs as usize),
        ("most_repeats", settings.most_repeats),
        ("lines_per_language", settings.lines_per_language),
        ("least_word_count", settings.least_word_count as usize),
    ];
    for (name, value) in positive {
        if value == 0 || value > i32::MAX as usize {
            return Err(format!("{name} = {value}; expected 1 to {}", i32::MAX));
        }
    }
    let within = |value: f64, least: f64, most: f64| value >= least && value <= most;
    if !(settings.held_out > 0.0 && settings.held_out < 1.0) {
        return Err(format!("held_out = {}; expected above 0 and below 1", settings.held_out));
    }
    if !within(settings.sampling_exponent, 0.0, 1.0) {
        return Err(format!("sampling_exponent = {}; expected 0 to 1", settings.sampling_exponent));
    }
    if !(settings.learning_rate > 0.0 && settings.learning_rate.is_finite()) {
        return Err(format!("learning_rate = {}; expected above 0", settings.learning_rate));
    }
    Ok(())
}

/// The library's settings. One thread: with more, threads race for the same vectors.
fn arguments(settings: &TrainSettings, text: &Path) -> Args {
    let mut args = Args::new();
    args.apply_supervised_defaults();
    args.input = text.to_owned();
    args.dim = settings.dimension as i32;
    args.bucket = settings.buckets as i32;
    args.minn = 1;
    args.maxn = settings.longest_ngram as i32;
    args.epoch = settings.epochs as i32;
    args.lr = settings.learning_rate;
    args.min_count = settings.least_word_count as i32;
    args.thread = 1;
    args.seed = 0;
    args.verbose = 0;
    args
}

#[cfg(test)]
#[path = "identify_tests.rs"]
mod tests;
