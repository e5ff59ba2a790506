//! Training an identifier: labelled lines become a sample, the sample a fastText model, the model a card.

use crate::card::{Card, Outcome};
use crate::confusable::{self, NEAR};
use crate::error::{Error, Result};
use crate::group_training::{self, GroupTraining, Line};
use crate::groups::{Group, Groups};
use crate::identify::{GROUPS, Identifier, MODEL, hash, io, whole, write_card};
use crate::labels::LABEL;
use crate::noise;
use crate::prepare::Preparation;
use crate::tag::Tag;
use fasttext::args::Args;
use fasttext::{FastText, FastTextError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// What a source that not all members of a group have counts there, beside those that all have.
const OWN_SOURCE: f32 = 0.1;
/// Words of a window, fewest and most; characters where words are not written apart.
const WINDOW_WORDS: (usize, usize) = (3, 8);
const WINDOW_CHARACTERS: (usize, usize) = (10, 30);

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
    /// Share of the sampled lines that are cut to a window of a few words, 0 to 1: short texts are what is asked about.
    pub window_share: f64,
    /// Features kept for each member of a group of near languages ([`crate::groups`]); 0: no second look.
    pub group_features: usize,
    /// The same of a group with varieties that readers confuse too ([`crate::confusable::GROUPS`]).
    pub confusable_features: usize,
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
            window_share: 0.3,
            group_features: 0,
            confusable_features: 0,
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
            epochs: 2,
            learning_rate: 1.0,
            lines_per_language: 4_000,
            least_word_count: 30,
            quantised_rows: Some(80_000),
            group_features: 500,
            confusable_features: 1_400,
            noise_lines: 2_000,
            ..TrainSettings::default()
        }
    }
}

/// A labelled line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Language of the line.
    pub language: Tag,
    /// Which source it is from: what tells near languages apart is learned where they have one in common.
    pub source: u32,
    /// The line.
    pub line: String,
}

impl From<(Tag, String)> for Example {
    /// Of the only source.
    fn from((language, line): (Tag, String)) -> Example {
        Example { language, source: 0, line }
    }
}

/// Trains a model on labelled lines, measures it on held-out lines and writes
/// `identifier.bin`, `groups.bin` and `card.json` into the folder `output`.
///
/// One thread, so the same examples in any order give the same bytes. Equal lines of one language
/// count once, and an even sample of at most `lines_per_language` is kept in memory.
///
/// # Errors
/// [`Error::Identifier`] for settings out of range, fewer than two languages, or a failed training;
/// [`Error::Io`] where a file cannot be written.
pub fn train(examples: &mut dyn Iterator<Item = Example>, settings: &TrainSettings, output: &Path) -> Result<Card> {
    let wrong = |cause: String| Error::Identifier { path: output.to_owned(), cause };
    check(settings).map_err(wrong)?;
    let noise = noise::lines(settings.noise_lines).into_iter().map(|line| (Tag::NO_LANGUAGE, line).into());
    let collected = collect(&mut examples.chain(noise), settings.lines_per_language);
    if collected.len() < 2 {
        return Err(wrong(format!("examples of {} languages; identification needs two or more", collected.len())));
    }
    // Lines are ordered by hash: the first ones are a fixed random sample.
    let mut trained: Vec<(Tag, Vec<String>)> = Vec::new();
    let mut held_out: Vec<(Tag, String)> = Vec::new();
    let mut of_sources: BTreeMap<Tag, Vec<(u32, String)>> = BTreeMap::new();
    for (tag, lines) in collected {
        let count = lines.len().min(settings.lines_per_language);
        let held = ((count as f64 * settings.held_out).ceil() as usize).min(count - 1);
        let mut lines = lines.into_iter().map(|((_, line), source)| (source, line));
        held_out.extend(lines.by_ref().take(held).map(|(_, line)| (tag, line)));
        let lines: Vec<(u32, String)> = lines.collect();
        trained.push((tag, lines[..count - held].iter().map(|(_, line)| line.clone()).collect()));
        of_sources.insert(tag, lines);
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

    whole(&output.join(MODEL), |part| match model.save_model(part) {
        Err(FastTextError::IoError(error)) => Err(error),
        other => other.map_err(std::io::Error::other),
    })?;
    let near = groups(&of_sources, settings);
    match settings.group_features {
        0 => drop(fs::remove_file(output.join(GROUPS))), // of another training
        _ => whole(&output.join(GROUPS), |part| fs::write(part, near.to_bytes()))?,
    }
    // By the same way that texts will go.
    let identifier = Identifier::without_card(model, near, output)?;
    let outcome = |(language, line): &(Tag, String)| {
        let top = identifier.top(line, usize::MAX);
        let score = top.iter().find(|(tag, _)| tag == language).map_or(0.0, |(_, score)| *score);
        Outcome { language: *language, predicted: top.first().map(|(tag, _)| *tag), score }
    };
    let outcomes: Vec<Outcome> = held_out.iter().map(outcome).collect();
    let counts: Vec<(Tag, usize)> = trained.iter().map(|(tag, lines)| (*tag, lines.len())).collect();
    let card = Card::new(&counts, &outcomes);

    write_card(&card, output)?;
    Ok(card)
}

/// Distinct cleaned lines by language, ordered by hash, with their sources; of more than `most` of a source, those of the
/// least hashes.
fn collect(examples: &mut dyn Iterator<Item = Example>, most: usize) -> BTreeMap<Tag, BTreeMap<(u64, String), u32>> {
    let mut collected: BTreeMap<(Tag, u32), BTreeSet<(u64, String)>> = BTreeMap::new();
    for Example { language, source, line } in examples {
        let line = Preparation::Words.prepare(&line);
        if line.is_empty() {
            continue;
        }
        let lines = collected.entry((language, source)).or_default();
        lines.insert((hash(line.as_bytes(), 0), line));
        if lines.len() > most {
            lines.pop_last();
        }
    }
    let mut by_language: BTreeMap<Tag, BTreeMap<(u64, String), u32>> = BTreeMap::new();
    for ((language, source), lines) in collected {
        let all = by_language.entry(language).or_default();
        for line in lines {
            all.entry(line).or_insert(source);
        }
    }
    by_language
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
            let draw = hash(line.as_bytes(), 1 + (place / lines.len()) as u64);
            let is_window = (hash(&draw.to_le_bytes(), 0) % 1000) as f64 / 1000.0 < settings.window_share;
            order.push((draw, *tag, if is_window { window(line, draw) } else { line }));
        }
    }
    order.sort();
    let mut file = BufWriter::new(File::create(path)?);
    for (_, tag, line) in order {
        writeln!(file, "{LABEL}{tag} {line}")?;
    }
    file.flush()
}

/// Some words of a line, or some characters where words are not written apart; `draw` says which.
fn window(line: &str, draw: u64) -> &str {
    let pick = |copy: u64, (least, most): (usize, usize)| {
        least + (hash(&draw.to_le_bytes(), copy) % (most - least + 1) as u64) as usize
    };
    let ends = |at: usize| line[at..].find(' ').map_or(line.len(), |length| at + length);
    let words: Vec<usize> = std::iter::once(0).chain(line.match_indices(' ').map(|(at, _)| at + 1)).collect();
    if words.len() > WINDOW_WORDS.0 {
        let length = pick(1, WINDOW_WORDS).min(words.len());
        let first = pick(2, (0, words.len() - length));
        return &line[words[first]..ends(words[first + length - 1])];
    }
    let characters: Vec<usize> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
    let length = pick(1, WINDOW_CHARACTERS).min(characters.len() - 1);
    let first = pick(2, (0, characters.len() - 1 - length));
    line[characters[first]..characters[first + length]].trim()
}

/// The groups of near languages of which two or more are trained, each on all of its lines.
fn groups(trained: &BTreeMap<Tag, Vec<(u32, String)>>, settings: &TrainSettings) -> Groups {
    if settings.group_features == 0 {
        return Groups::default();
    }
    let one = |group: &&str| -> Option<Group> {
        let known = group.split(' ').filter_map(|tag| tag.parse().ok()).filter(|tag| trained.contains_key(tag));
        let tags: Vec<Tag> = known.collect();
        let of_member = |(member, tag): (usize, &Tag)| {
            trained[tag].iter().map(move |(source, text)| Line { member, source: *source, text })
        };
        let lines: Vec<Line> = tags.iter().enumerate().flat_map(of_member).collect();
        let confused: BTreeSet<Tag> = tags.iter().map(|tag| confusable::group(*tag)).collect();
        let features_per_tag =
            if confused.len() < tags.len() { settings.confusable_features } else { settings.group_features };
        let training = GroupTraining { features_per_tag, own_source: OWN_SOURCE };
        (tags.len() > 1).then(|| group_training::train(tags, &lines, training))
    };
    Groups::new(NEAR.iter().filter_map(one).collect())
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
    if !within(settings.window_share, 0.0, 1.0) {
        return Err(format!("window_share = {}; expected 0 to 1", settings.window_share));
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
#[path = "train_tests.rs"]
mod tests;
