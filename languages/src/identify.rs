//! Which language a text is in: fastText models over character n-grams, loaded or trained.

use crate::card::{Card, Outcome, Test};
use crate::error::{Error, Result};
use crate::labels::{self, LABEL};
use crate::prepare::Preparation;
use crate::tag::Tag;
use crate::tree::Tree;
use crate::{noise, script};
use fasttext::args::Args;
use fasttext::{FastText, FastTextError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Name of the model in its folder.
pub const MODEL: &str = "identifier.bin";
/// The identifier that comes with this program, and its card.
const SHIPPED: (&[u8], &str) = (include_bytes!("../models/identifier.ftz"), include_str!("../models/card.json"));
/// Share of a text's letters that have to be of a label's script.
const SCRIPT_SHARE: f32 = 0.5;
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
    /// N-grams and words kept, those with the longest vectors, and their vectors quantised; none keeps all as they are.
    pub quantised_rows: Option<usize>,
    /// Lines of noise and code made up for `zxx_Zzzz`; 0: the model knows no such label.
    pub noise_lines: u64,
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
            quantised_rows: None,
            noise_lines: 0,
        }
    }
}

impl TrainSettings {
    /// Those of the identifier that comes with this program: two hundred languages in at most 3 MB.
    pub fn shipped() -> TrainSettings {
        TrainSettings {
            dimension: 32,
            buckets: 1 << 20,
            epochs: 5,
            learning_rate: 1.0,
            lines_per_language: 3_000,
            least_word_count: 30,
            quantised_rows: Some(100_000),
            noise_lines: 2_000,
            ..TrainSettings::default()
        }
    }
}

/// A loaded identification model.
pub struct Identifier {
    model: FastText,
    /// How its outputs are read, where the library does not.
    tree: Option<Tree>,
    /// Tags of the model's labels by label.
    tags: BTreeMap<String, Tag>,
    card: Option<Card>,
}

impl Identifier {
    /// Loads a fastText model (`.bin` or `.ftz`) with labels as [`labels`] reads them, and the `card.json` beside it,
    /// if any.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::Identifier`] where it is no such model or card.
    pub fn load(path: &Path) -> Result<Identifier> {
        let model = BufReader::new(File::open(path).map_err(io("read", path))?);
        let beside = path.parent().map(|folder| folder.join(CARD)).filter(|card| card.is_file());
        let card = beside.map(|card| fs::read_to_string(&card).map_err(io("read", &card))).transpose()?;
        Identifier::read(model, card.as_deref(), path)
    }

    /// The identifier that comes with this program; `languages/models/README.md` is about it.
    ///
    /// ```
    /// let identifier = tongues_languages::identify::Identifier::shipped();
    /// assert_eq!(identifier.top("Where is the nearest station?", 1)[0].0.as_str(), "eng_Latn");
    /// ```
    pub fn shipped() -> Identifier {
        let path = Path::new("the identifier of this program");
        Identifier::read(SHIPPED.0, Some(SHIPPED.1), path).expect("a test reads it")
    }

    fn read(mut model: impl std::io::Read, card: Option<&str>, path: &Path) -> Result<Identifier> {
        let wrong = |cause: String| Error::Identifier { path: path.to_owned(), cause };
        let model = FastText::load(&mut model).map_err(|error| wrong(format!("not a fastText model: {error}")))?;
        let (names, _) = model.get_labels();
        if names.is_empty() {
            return Err(wrong("a fastText model without labels; expected one trained with `supervised`".into()));
        }
        let tags = labels::tags(names.iter().map(String::as_str))
            .ok_or_else(|| wrong(format!("labels as `{}`; expected `{LABEL}` and a language", names[0])))?;
        let card =
            card.map(|text| serde_json::from_str(text).map_err(|error| wrong(format!("{CARD} is no card: {error}"))));
        Ok(Identifier {
            tree: Tree::of(&model).map_err(wrong)?,
            model,
            tags: names.into_iter().zip(tags).collect(),
            card: card.transpose()?,
        })
    }

    /// The `n` most probable languages, best first, among those whose script most letters of the text are in, as if the
    /// model knew these alone: their probabilities sum to 1. Ties are ordered by tag.
    ///
    /// Empty for a text of white space; `zxx_Zzzz` for one without letters, `und_Zzzz` for one in a script that the model
    /// knows no language of.
    pub fn top(&self, text: &str, n: usize) -> Vec<(Tag, f32)> {
        self.best(text, n, |_| true)
    }

    /// As [`Identifier::top`], as if the model knew `candidates` alone, which is what a softmax over their scores gives.
    pub fn top_among(&self, text: &str, n: usize, candidates: &[Tag]) -> Vec<(Tag, f32)> {
        self.best(text, n, |tag| candidates.contains(&tag))
    }

    fn best(&self, text: &str, n: usize, allowed: impl Fn(Tag) -> bool) -> Vec<(Tag, f32)> {
        if text.chars().all(char::is_whitespace) {
            return Vec::new();
        }
        let letters = script::Letters::of(text);
        if letters.none() {
            return vec![(Tag::NO_LANGUAGE, 1.0)];
        }
        let line = self.card.as_ref().map_or(Preparation::Line, |card| card.preparation).prepare(text);
        let predicted: Vec<(String, f32)> = match &self.tree {
            Some(tree) => tree.predict(&self.model, &line),
            None => {
                let all = self.model.predict(&line, self.tags.len(), 0.0).into_iter();
                // The library adds this before its logarithm; over hundreds of labels it would be a thousandth.
                let probability = |found: f32| (found - 1e-5).clamp(0.0, 1.0);
                all.map(|prediction| (prediction.label, probability(prediction.prob))).collect()
            }
        };
        let tagged = predicted.into_iter().map(|(label, probability)| (self.tags[&label], probability));
        let mut all: Vec<(Tag, f32)> = tagged.filter(|(tag, _)| allowed(*tag)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut fitting = BTreeMap::new();
        let mut fits =
            |tag: Tag| *fitting.entry(tag.script().to_owned()).or_insert_with(|| letters.share(tag) >= SCRIPT_SHARE);
        all.retain(|(tag, _)| fits(*tag));
        // As if the model knew languages of this script alone: a few letters in common can make it sure of another one.
        let sum: f32 = all.iter().map(|(_, probability)| probability).sum();
        if sum > 0.0 {
            all.iter_mut().for_each(|(_, probability)| *probability /= sum);
        }
        let mut best = all;
        best.truncate(n);
        if best.is_empty() {
            best.push((Tag::UNDETERMINED, 1.0));
        }
        best
    }

    /// The languages the model can name, ordered by tag.
    pub fn languages(&self) -> Vec<Tag> {
        let tags: BTreeSet<Tag> = self.tags.values().copied().collect();
        tags.into_iter().collect()
    }

    /// Least probability for which the model should be believed about this language: from the card
    /// beside the model, else from the language's profile, else 0.5.
    pub fn threshold(&self, tag: Tag) -> f32 {
        let from_card = self.card.as_ref().and_then(|card| card.threshold(tag));
        let from_profile = || crate::profile::find(tag).and_then(|profile| profile.thresholds.identification);
        from_card.or_else(from_profile).unwrap_or(0.5)
    }

    /// Its figures on a labelled text.
    pub fn measure(&self, text: &str, examples: impl Iterator<Item = (Tag, String)>) -> Test {
        let outcome = |(language, line): (Tag, String)| {
            let top = self.top(&line, usize::MAX);
            let score = top.iter().find(|(tag, _)| *tag == language).map_or(0.0, |(_, score)| *score);
            Outcome { language, predicted: top.first().map(|(tag, _)| *tag), score }
        };
        Test::new(text, &examples.map(outcome).collect::<Vec<_>>())
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
    let noise = noise::lines(settings.noise_lines).into_iter().map(|line| (Tag::NO_LANGUAGE, line));
    let collected = collect(&mut examples.chain(noise), settings.lines_per_language);
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
    let mut model = model?;
    if let Some(rows) = settings.quantised_rows {
        let settings = Args { cutoff: rows, qnorm: true, ..arguments(settings, &text) };
        model.quantize(&settings).map_err(|error| wrong(format!("quantising: {error}")))?;
    }

    let outcomes: Vec<Outcome> = held_out
        .iter()
        .map(|(language, line)| {
            let all = model.predict(line, trained.len(), 0.0);
            let own = format!("{LABEL}{language}");
            let score = all.iter().find(|one| one.label == own).map_or(0.0, |one| one.prob.min(1.0));
            let predicted = all.first().and_then(|one| one.label.strip_prefix(LABEL)?.parse().ok());
            Outcome { language: *language, predicted, score }
        })
        .collect();
    let counts: Vec<(Tag, usize)> = trained.iter().map(|(tag, lines)| (*tag, lines.len())).collect();
    let card = Card::new(&counts, &outcomes);

    whole(&output.join(MODEL), |part| match model.save_model(part) {
        Err(FastTextError::IoError(error)) => Err(error),
        other => other.map_err(std::io::Error::other),
    })?;
    write_card(&card, output)?;
    Ok(card)
}

/// Writes `card.json` into the folder of an identifier.
///
/// # Errors
/// [`Error::Io`] where it cannot be written.
pub fn write_card(card: &Card, folder: &Path) -> Result<()> {
    let mut json = serde_json::to_string_pretty(card).expect("a card has string keys and finite numbers");
    json.push('\n');
    whole(&folder.join(CARD), |part| fs::write(part, json))
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

/// FNV-1a, 64 bits, with a last mixing step (that of SplitMix64): orders lines as if at random.
pub(crate) fn hash(bytes: &[u8], copy: u64) -> u64 {
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
        let line = Preparation::Words.prepare(&line);
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
