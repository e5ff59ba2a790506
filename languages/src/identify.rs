//! Which language a text is in, by fastText models over character n-grams; [`crate::train`] trains them.

use crate::card::{Card, Outcome, Test};
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::labels::{self, LABEL};
use crate::prepare::Preparation;
use crate::sample::sample;
use crate::scorer::Scorer;
use crate::script;
use crate::tag::Tag;
use crate::tree::Tree;
use fasttext::FastText;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

pub use crate::train::{Example, TrainSettings, train};

/// Name of the model in its folder.
pub const MODEL: &str = "identifier.bin";
/// The identifier that comes with this program, its groups and its card.
const SHIPPED: (&[u8], &[u8], &str) = (
    include_bytes!("../models/identifier.ftz"),
    include_bytes!("../models/groups.bin"),
    include_str!("../models/card.json"),
);
/// Share of a text's letters that have to be of a label's script.
const SCRIPT_SHARE: f32 = 0.5;
/// Letters that a language is told from, at least, where there are several of the script.
pub const LEAST_LETTERS: u32 = 5;
/// Name of the card, beside the model.
pub const CARD: &str = "card.json";
/// Name of the groups of near languages, beside the model.
pub const GROUPS: &str = "groups.bin";

/// A loaded identification model.
pub struct Identifier {
    model: Model,
    /// Tag of each label, in the model's order.
    tags: Vec<Tag>,
    /// A tag for each script of the labels, and which of them each label's is.
    scripts: (Vec<Tag>, Vec<usize>),
    /// Whether a label is ever given: those are that the card has, all without a card.
    given: Vec<bool>,
    groups: Groups,
    card: Option<Card>,
    preparation: Preparation,
}

/// How the outputs of a model are read.
enum Model {
    /// By us.
    Scorer(Box<Scorer>),
    /// By us, from the library's hidden vector.
    Tree(Box<FastText>, Tree),
    /// By the library, whose answers are by label.
    Library(Box<FastText>, BTreeMap<String, usize>),
}

impl Model {
    /// The probability of each label for a line, in the model's order; empty where the model knows nothing of it.
    fn probabilities(&self, line: &str) -> Vec<f32> {
        match self {
            Model::Scorer(scorer) => scorer.probabilities(line),
            Model::Tree(model, tree) => tree.predict(model, line),
            Model::Library(model, places) => {
                let mut all = vec![0.0; places.len()];
                for found in model.predict(line, places.len(), 0.0) {
                    // The library adds this before its logarithm; over hundreds of labels it would be a thousandth.
                    all[places[&found.label]] = (found.prob - 1e-5).clamp(0.0, 1.0);
                }
                all
            }
        }
    }
}

impl Identifier {
    /// Loads a fastText model (`.bin` or `.ftz`) with labels as [`labels`] reads them, and the `card.json` and `groups.bin`
    /// beside it, if any.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::Identifier`] where it is no such model, card or groups.
    pub fn load(path: &Path) -> Result<Identifier> {
        let model = BufReader::new(File::open(path).map_err(io("read", path))?);
        let beside = |name: &str| path.parent().map(|folder| folder.join(name)).filter(|file| file.is_file());
        let card = beside(CARD).map(|card| fs::read_to_string(&card).map_err(io("read", &card))).transpose()?;
        let groups = beside(GROUPS).map(|groups| fs::read(&groups).map_err(io("read", &groups))).transpose()?;
        Identifier::read(model, groups.as_deref(), card.as_deref(), path)
    }

    /// The identifier that comes with this program; `languages/models/README.md` is about it.
    ///
    /// ```
    /// let identifier = tongues_languages::identify::Identifier::shipped();
    /// assert_eq!(identifier.top("Where is the nearest station?", 1)[0].0.as_str(), "eng_Latn");
    /// ```
    pub fn shipped() -> Identifier {
        let path = Path::new("the identifier of this program");
        Identifier::read(SHIPPED.0, Some(SHIPPED.1), Some(SHIPPED.2), path).expect("a test reads it")
    }

    fn read(
        mut model: impl std::io::Read,
        groups: Option<&[u8]>,
        card: Option<&str>,
        path: &Path,
    ) -> Result<Identifier> {
        let wrong = |cause: String| Error::Identifier { path: path.to_owned(), cause };
        let model = FastText::load(&mut model).map_err(|error| wrong(format!("not a fastText model: {error}")))?;
        let card =
            card.map(|text| serde_json::from_str(text).map_err(|error| wrong(format!("{CARD} is no card: {error}"))));
        let groups = groups.map(|bytes| Groups::from_bytes(bytes).map_err(|cause| wrong(format!("{GROUPS}: {cause}"))));
        let card: Option<Card> = card.transpose()?;
        let preparation = card.as_ref().map_or(Preparation::Line, |card| card.preparation);
        let identifier = Identifier::of(model, groups.transpose()?.unwrap_or_default(), preparation).map_err(wrong)?;
        let in_card = |tag: &Tag| card.as_ref().is_none_or(|card| card.threshold(*tag).is_some());
        let given = identifier.tags.iter().map(in_card).collect();
        Ok(Identifier { card, given, ..identifier })
    }

    /// A model without a card, which is made with it.
    pub(crate) fn without_card(model: FastText, groups: Groups, path: &Path) -> Result<Identifier> {
        let wrong = |cause: String| Error::Identifier { path: path.to_owned(), cause };
        Identifier::of(model, groups, Preparation::Words).map_err(wrong)
    }

    fn of(model: FastText, groups: Groups, preparation: Preparation) -> std::result::Result<Identifier, String> {
        let (names, _) = model.get_labels();
        if names.is_empty() {
            return Err("a fastText model without labels; expected one trained with `supervised`".into());
        }
        let tags = labels::tags(names.iter().map(String::as_str))
            .ok_or_else(|| format!("labels as `{}`; expected `{LABEL}` and a language", names[0]))?;
        let tree = Tree::of(&model)?;
        let model = match (tree, Scorer::of(&model)) {
            (Some(tree), _) => Model::Tree(Box::new(model), tree),
            (None, Some(scorer)) => Model::Scorer(Box::new(scorer)),
            (None, None) => Model::Library(Box::new(model), names.into_iter().zip(0..).collect()),
        };
        let mut scripts: Vec<Tag> = Vec::new();
        let place = |tag: &Tag| {
            scripts.iter().position(|one| one.script() == tag.script()).unwrap_or_else(|| {
                scripts.push(*tag);
                scripts.len() - 1
            })
        };
        let of_labels = tags.iter().map(place).collect();
        let given = vec![true; tags.len()];
        Ok(Identifier { model, scripts: (scripts, of_labels), tags, given, groups, card: None, preparation })
    }

    /// The `n` most probable languages, best first, among those whose script most letters of the text are in, as if the
    /// model knew these alone: their probabilities sum to 1. Ties are ordered by tag.
    ///
    /// Of a long text windows are looked at ([`sample`]). Empty for a text of white space; `zxx_Zzzz` for one without letters, `und_Zzzz` for one in a script that the model
    /// knows no language of.
    pub fn top(&self, text: &str, n: usize) -> Vec<(Tag, f32)> {
        self.best(text, n, |_| true)
    }

    /// As [`Identifier::top`], as if the model knew `candidates` alone, which is what a softmax over their scores gives.
    pub fn top_among(&self, text: &str, n: usize, candidates: &[Tag]) -> Vec<(Tag, f32)> {
        self.best(text, n, |tag| candidates.contains(&tag))
    }

    fn best(&self, text: &str, n: usize, allowed: impl Fn(Tag) -> bool) -> Vec<(Tag, f32)> {
        let text = &*sample(text);
        if text.chars().all(char::is_whitespace) {
            return Vec::new();
        }
        let letters = script::Letters::of(text);
        if letters.none() {
            return vec![(Tag::NO_LANGUAGE, 1.0)];
        }
        let Some((line, mut all)) = self.look(text, &letters, allowed) else { return vec![(Tag::UNDETERMINED, 1.0)] };
        self.groups.look_again(&line, &mut all);
        let order = |a: &(Tag, f32), b: &(Tag, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if n > 0 && n < all.len() {
            all.select_nth_unstable_by(n - 1, order);
        }
        all.truncate(n);
        all.sort_by(order);
        all
    }

    /// The text as the model is shown it, and what the model alone says of those that are allowed; none where it says
    /// nothing.
    fn look(
        &self,
        text: &str,
        letters: &script::Letters,
        allowed: impl Fn(Tag) -> bool,
    ) -> Option<(String, Vec<(Tag, f32)>)> {
        let line = self.preparation.prepare(text);
        let predicted = self.model.probabilities(&line);
        let (scripts, of_labels) = &self.scripts;
        let fits: Vec<bool> = scripts.iter().map(|tag| letters.share(*tag) >= SCRIPT_SHARE).collect();
        let fitting = self.tags.iter().zip(of_labels.iter().zip(&self.given)).zip(predicted);
        let mut all: Vec<(Tag, f32)> = fitting
            .filter(|((tag, (script, given)), _)| **given && fits[**script] && allowed(**tag))
            .map(|((tag, _), probability)| (*tag, probability))
            .collect();
        // What is in no language has no script to agree with: alone it says nothing.
        if all.iter().all(|(tag, _)| tag.script() == Tag::NO_LANGUAGE.script()) {
            return None;
        }
        // As if the model knew languages of this script alone: a few letters in common can make it sure of another one.
        let sum: f32 = all.iter().map(|(_, probability)| probability).sum();
        if sum > 0.0 {
            all.iter_mut().for_each(|(_, probability)| *probability /= sum);
        }
        Some((line, all))
    }

    /// What can be said of a text: the first of `found`, which are its languages by [`Identifier::top`], where its
    /// probability reaches its threshold ([`Identifier::threshold`]); else `und` in the script of most letters. So is a text
    /// of fewer than [`LEAST_LETTERS`], where the model knows several languages of its script, and one in a script of
    /// which it knows none.
    ///
    /// ```
    /// let identifier = tongues_languages::identify::Identifier::shipped();
    /// let said = |text: &str| identifier.answer(text, &identifier.top(text, 1)).0;
    /// assert_eq!(said("Where is the nearest station?").as_str(), "eng_Latn");
    /// assert_eq!((said("ab").as_str(), said("𐌰𐍄𐍄𐌰").as_str()), ("und_Latn", "und_Goth"));
    /// ```
    pub fn answer(&self, text: &str, found: &[(Tag, f32)]) -> (Tag, f32) {
        let Some((tag, score)) = found.first().copied() else { return (Tag::UNDETERMINED, 0.0) };
        let sure = tag != Tag::UNDETERMINED && score >= self.threshold(tag);
        let enough = text.chars().filter(|c| script::is_letter(*c)).take(LEAST_LETTERS as usize).count();
        if sure && enough == LEAST_LETTERS as usize {
            return (tag, score);
        }
        let letters = script::Letters::of(&sample(text));
        let undetermined = (letters.most().map_or(Tag::UNDETERMINED, Tag::undetermined), score);
        if !sure {
            return undetermined;
        }
        if (1..LEAST_LETTERS).contains(&letters.count()) {
            let (scripts, of_labels) = &self.scripts;
            let fits = |script: &usize| {
                scripts[*script] != Tag::NO_LANGUAGE && letters.share(scripts[*script]) >= SCRIPT_SHARE
            };
            let known = of_labels.iter().zip(&self.given).filter(|(script, given)| **given && fits(script));
            if known.count() > 1 {
                return undetermined;
            }
        }
        (tag, score)
    }

    /// The languages the model can name, ordered by tag.
    pub fn languages(&self) -> Vec<Tag> {
        let given = self.tags.iter().zip(&self.given).filter(|(_, given)| **given);
        let tags: BTreeSet<Tag> = given.map(|(tag, _)| *tag).collect();
        tags.into_iter().collect()
    }

    /// Least probability for which the model should be believed about this language: from the card
    /// beside the model, else from the language's profile, else 0.5.
    pub fn threshold(&self, tag: Tag) -> f32 {
        self.threshold_and_source(tag).0
    }

    /// As [`Identifier::threshold`], and where it is from: `identifier`, `profile`, `default`.
    pub fn threshold_and_source(&self, tag: Tag) -> (f32, &'static str) {
        let from_card = self.card.as_ref().and_then(|card| card.threshold(tag)).map(|score| (score, "identifier"));
        let profile = || crate::profile::find(tag).and_then(|profile| profile.thresholds.identification);
        from_card.or_else(|| Some((profile()?, "profile"))).unwrap_or((0.5, "default"))
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

/// Tells the identifiers of two versions of this program apart.
pub fn shipped_hash() -> u64 {
    hash(SHIPPED.0, 0) ^ hash(SHIPPED.1, 1) ^ hash(SHIPPED.2.as_bytes(), 2)
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
pub(crate) fn whole(path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let written = write(&part).and_then(|()| File::open(&part)?.sync_all()).and_then(|()| fs::rename(&part, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&part);
        io("write", path)(source)
    })
}

pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
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

#[cfg(test)]
#[path = "identify_tests.rs"]
mod tests;
