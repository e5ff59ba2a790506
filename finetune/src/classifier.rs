//! A pretrained model with a head for the labels of a task.
//!
//! Reading order: the [`tokenizer`] makes ids of texts, [`batch`] puts them side by side; the [`network`] is model and
//! head, with its [`pooling`] between; [`training`] fine-tunes it by the [`settings`], starting from a [`pretrained`]
//! model. A [`Classifier`] is the result on disk, with everything that prediction needs.

pub mod batch;
pub mod network;
pub mod pooling;
pub mod pretrained;
pub mod settings;
pub mod tokenizer;
pub mod training;

pub use network::Network;
pub use pretrained::Pretrained;
pub use settings::ClassifierSettings;
pub use tokenizer::Tokenizer;

use crate::error::{Error, Result};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tongues_languages::Tag;
use tongues_pipeline::io::{atomic, manifest};

/// Name of the card in the classifier's folder.
pub const CARD: &str = "classifier.json";

/// `classifier.json`: what prediction needs beside weights, and where the weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of the folder's format: 1.
    pub format: u32,
    /// Name of the task.
    pub task: String,
    /// Language of its texts.
    pub language: Tag,
    /// In the order of the head's rows.
    pub labels: Vec<String>,
    /// `last_mean_max` of a decoder, `first_mean_max` of an encoder.
    pub pooling: String,
    /// Tokens of a text that are read.
    pub maximum_tokens: usize,
    /// Seed of the run.
    pub seed: u64,
    /// SHA-256 of the vocabulary's file.
    pub vocabulary_sha256: String,
    /// Share of right labels on the validation set, if there was one.
    pub validation_accuracy: Option<f64>,
    /// Macro-averaged F1 there.
    pub validation_macro_f1: Option<f64>,
}

/// Version of the folder's format.
pub const FORMAT: u32 = 1;

/// A fine-tuned model, ready to predict.
#[derive(Debug)]
pub struct Classifier {
    network: Network,
    tokenizer: Arc<Tokenizer>,
    card: Card,
}

impl Classifier {
    /// A classifier out of its parts.
    ///
    /// # Errors
    /// A card of another tokenizer or another pooling, or with more tokens than the network takes.
    pub fn new(network: Network, tokenizer: Arc<Tokenizer>, card: Card) -> Result<Classifier> {
        Classifier { network, tokenizer, card }.checked(Path::new(CARD))
    }

    fn checked(self, place: &Path) -> Result<Classifier> {
        let wrong = |key: &str, found: String, expected: String| {
            Err(Error::Mismatch { place: format!("{}, {key}", place.display()), found, expected })
        };
        let Classifier { network, tokenizer, card } = &self;
        if card.format != FORMAT {
            return wrong("format", card.format.to_string(), FORMAT.to_string());
        }
        let pooling = network.pooling().name();
        if card.pooling != pooling {
            return wrong("pooling", format!("`{}`", card.pooling), format!("`{pooling}`"));
        }
        let context = network.config().context_length();
        if card.maximum_tokens < 3 || context.is_some_and(|context| card.maximum_tokens > context) {
            let expected =
                context.map_or("3 or more".to_owned(), |most| format!("3 to {most}, the context of the model"));
            return wrong("maximum_tokens", card.maximum_tokens.to_string(), expected);
        }
        tokenizer.check(network.config().pieces(), Some(&card.vocabulary_sha256), place)?;
        Ok(self)
    }

    /// Opens `classifier/NAME` of a run, or the `model/` in it.
    ///
    /// # Errors
    /// A folder that is neither, a stage that was not finished, parts that do not belong together.
    pub fn load(folder: &Path, device: &Device) -> Result<Classifier> {
        let folder = model_folder(folder)?;
        let path = folder.join(CARD);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let card: Card = serde_json::from_slice(&bytes).map_err(tongues_pipeline::Error::format(&path))?;
        let network = Network::load(&folder, card.labels.len(), device)?;
        Classifier { network, tokenizer: Arc::new(Tokenizer::load(&folder)?), card }.checked(&path)
    }

    /// The labels, in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        &self.card.labels
    }

    /// What the folder says of itself.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Probability of each label for each of `texts`. White space at either end of a text does not count; which texts are
    /// predicted together may change the sixth decimal, because sums are then added up in another order.
    pub fn predict(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let Card { language, maximum_tokens, .. } = self.card;
        let encoded: Vec<Vec<u32>> =
            texts.iter().map(|text| self.tokenizer.encode(text, language, maximum_tokens)).collect();
        self.network.probabilities(&encoded)
    }

    /// Writes `config.json`, `model.safetensors`, the vocabulary and the card, which comes last.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.network.save(folder)?;
        self.tokenizer.save(folder)?;
        let mut card = serde_json::to_vec_pretty(&self.card).expect("a card is plain data");
        card.push(b'\n');
        Ok(atomic::write(&folder.join(CARD), &card)?)
    }
}

/// The folder with the card: `folder` itself or `model/` in it, which counts only with a manifest beside it.
fn model_folder(folder: &Path) -> Result<PathBuf> {
    let wrong = |found: &str, expected: &str| Error::Input {
        path: folder.to_owned(),
        place: String::new(),
        found: found.to_owned(),
        expected: expected.to_owned(),
    };
    if folder.join(CARD).is_file() {
        return Ok(folder.to_owned());
    }
    let inside = folder.join("model");
    if !inside.join(CARD).is_file() {
        return Err(wrong(
            "no classifier.json, neither in it nor in its model/",
            "the folder `classifier/NAME` of a run with a pretrained model",
        ));
    }
    if !folder.join(manifest::FILE).is_file() {
        return Err(wrong("no manifest.json", "a finished stage; run `tongues run` again to go on"));
    }
    Ok(inside)
}
