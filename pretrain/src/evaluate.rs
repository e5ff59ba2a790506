//! Bits per byte by language: comparable whatever the vocabulary.

use crate::batch::TokenSource;
use crate::error::{Error, Result};
use crate::models::decoder::Decoder;
use crate::ngram::text::spread as chosen;
use crate::ngram::{Baselines, Bits, MAXIMUM_TRAINING_TOKENS, ORDER};
use crate::nn::cross_entropy::losses;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tongues_languages::Tag;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Split;

/// `evaluation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What was measured.
    pub split: Split,
    /// What the n-gram models read; none in a file of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ngrams: Option<NgramSettings>,
    /// By language, in tag order; those without documents are left out.
    pub languages: Vec<LanguageEvaluation>,
}

/// How the n-gram models were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NgramSettings {
    /// Longest n-grams of the Kneser–Ney model.
    pub order: usize,
    /// Training tokens a language they read at most; of more, documents spread evenly are taken.
    pub maximum_training_tokens: u64,
}

/// Figures of one language. Bits are of all tokens and `</s>`, given `<s>`; bytes are of the text as UTF-8.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanguageEvaluation {
    /// Which.
    pub language: Tag,
    /// Documents measured.
    pub documents: u64,
    /// UTF-8 bytes of their texts.
    pub bytes: u64,
    /// Tokens predicted, `</s>` included.
    pub tokens: u64,
    /// The decoder.
    pub bits_per_byte: f64,
    /// Unigram trained on the same language's training split; nothing where there is no such text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unigram_bits_per_byte: Option<f64>,
    /// Bigram trained on the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bigram_bits_per_byte: Option<f64>,
    /// Interpolated modified Kneser–Ney model trained on the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kneser_ney_bits_per_byte: Option<f64>,
    /// Tokens the three were trained on, `</s>` included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ngram_training_tokens: Option<u64>,
}

/// Padding target.
const NONE: u32 = u32::MAX;

/// One window to score.
struct Window {
    ids: Vec<u32>,
    targets: Vec<u32>,
}

/// Windows over `<s>` tokens `</s>`: each holds `length` tokens and scores what the one before did not, half a window
/// further on, so that (but at the document's start) at least half a window of context is seen.
fn windows(tokens: &[u32], (beginning, end): (u32, u32), length: usize, out: &mut Vec<Window>) {
    let all: Vec<u32> = [beginning].into_iter().chain(tokens.iter().copied()).chain([end]).collect();
    let (mut start, mut scored) = (0, 0);
    while scored < all.len() - 1 {
        let stop = (start + length).min(all.len() - 1);
        let ids = all[start..stop].to_vec();
        let targets = (start..stop).map(|i| if i < scored { NONE } else { all[i + 1] }).collect();
        out.push(Window { ids, targets });
        scored = stop;
        start += (length / 2).max(1);
    }
}

/// Nats of a language's documents, at most `limit` of them, with their tokens and bytes: (nats, tokens, bytes, documents).
fn measure(
    model: &Decoder,
    source: &dyn TokenSource,
    (language, split): (Tag, Split),
    limit: Option<usize>,
    progress: &dyn Progress,
) -> Result<(f64, u64, u64, u64)> {
    let special = (model.config.beginning, model.config.end);
    let documents: Vec<usize> = chosen(source.documents(language, split), limit).collect();
    let (mut waiting, mut nats, mut tokens, mut bytes) = (Vec::new(), 0.0, 0, 0);
    for (number, &document) in documents.iter().enumerate() {
        let ids = source.tokens(language, split, document);
        tokens += ids.len() as u64 + 1;
        bytes += source.bytes(language, split, document) as u64;
        windows(&ids, special, model.config.context_length, &mut waiting);
        if waiting.len() >= ROWS || number + 1 == documents.len() {
            nats += score(model, &mut waiting)?;
        }
        progress.advance(1);
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
    }
    Ok((nats, tokens, bytes, documents.len() as u64))
}

/// Windows gathered before they are scored, so that batches hold windows of like length.
const ROWS: usize = 64;
/// Tokens in one forward pass, padding included.
const TOKENS_AT_ONCE: usize = 2048;

/// Summed nats; takes the windows out. Those of like length go together; they are filled up at the end, where a causal
/// model does not look.
fn score(model: &Decoder, windows: &mut Vec<Window>) -> Result<f64> {
    windows.sort_by_key(|window| window.ids.len());
    let device: Device = model.head().device().clone();
    let mut nats = 0.0;
    while !windows.is_empty() {
        let longest = windows.last().map_or(0, |window| window.ids.len());
        let rows = (TOKENS_AT_ONCE / longest).clamp(1, windows.len());
        let group = windows.split_off(windows.len() - rows);
        let (mut ids, mut targets) = (Vec::new(), Vec::new());
        for window in &group {
            ids.extend(window.ids.iter().copied().chain(std::iter::repeat(model.config.end)).take(longest));
            targets.extend(window.targets.iter().copied().chain(std::iter::repeat(NONE)).take(longest));
        }
        let ids = Tensor::from_vec(ids, (group.len(), longest), &device)?;
        let hidden = model.hidden(&ids, None)?.flatten(0, 1)?;
        nats += losses(&hidden, model.head(), &targets, Some(NONE))?.iter().sum::<f64>();
    }
    Ok(nats)
}

/// Bits per byte by language on `split`, of at most `limit` documents each: what training watches.
pub fn bits_per_byte(
    model: &Decoder,
    source: &dyn TokenSource,
    split: Split,
    limit: Option<usize>,
    progress: &dyn Progress,
) -> Result<Vec<(Tag, f64)>> {
    let model = model.detached();
    let mut all = Vec::new();
    for language in source.languages() {
        let (nats, _, bytes, _) = measure(&model, source, (language, split), limit, progress)?;
        if bytes > 0 {
            all.push((language, nats / std::f64::consts::LN_2 / bytes as f64));
        }
    }
    Ok(all)
}

/// The decoder and the n-gram models on the same tokens and bytes, at most `limit` documents a language.
pub fn evaluate(
    model: &Decoder,
    source: &dyn TokenSource,
    split: Split,
    limit: Option<usize>,
    progress: &dyn Progress,
) -> Result<Evaluation> {
    let model = model.detached();
    let count = |language: Tag| chosen(source.documents(language, split), limit).count() as u64;
    let total = source.languages().into_iter().map(count).sum();
    progress.begin("bits per byte", Some(total), "documents");
    let special = (model.config.beginning, model.config.end);
    let mut languages = Vec::new();
    for language in source.languages() {
        let (nats, tokens, bytes, documents) = measure(&model, source, (language, split), limit, progress)?;
        if bytes == 0 {
            continue;
        }
        let baselines = Baselines::train(source, language, special, MAXIMUM_TRAINING_TOKENS);
        let mut bits = Bits::default();
        for document in chosen(source.documents(language, split), limit) {
            if let Some(baselines) = &baselines {
                bits += baselines.bits(&source.tokens(language, split, document));
            }
        }
        let baseline = |bits: f64| baselines.is_some().then(|| bits / bytes as f64);
        languages.push(LanguageEvaluation {
            language,
            documents,
            bytes,
            tokens,
            bits_per_byte: nats / std::f64::consts::LN_2 / bytes as f64,
            unigram_bits_per_byte: baseline(bits.unigram),
            bigram_bits_per_byte: baseline(bits.bigram),
            kneser_ney_bits_per_byte: baseline(bits.kneser_ney),
            ngram_training_tokens: baselines.as_ref().map(|baselines| baselines.tokens),
        });
    }
    progress.end();
    let ngrams = NgramSettings { order: ORDER, maximum_training_tokens: MAXIMUM_TRAINING_TOKENS };
    Ok(Evaluation { split, ngrams: Some(ngrams), languages })
}

impl Evaluation {
    /// Reads `evaluation.json`.
    pub fn read(folder: &Path) -> Result<Evaluation> {
        let path = folder.join("evaluation.json");
        let bytes = std::fs::read(&path).map_err(FileError::io("read", &path))?;
        Ok(serde_json::from_slice(&bytes).map_err(FileError::format(&path))?)
    }

    /// Writes `evaluation.json`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self).expect("figures are plain data");
        Ok(atomic::write(&folder.join("evaluation.json"), &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::InMemory;
    use crate::models::decoder::DecoderConfig;
    use tongues_pipeline::progress::Silent;

    #[test]
    fn every_token_is_scored_once() {
        let tokens: Vec<u32> = (10..33).collect();
        let mut out = Vec::new();
        windows(&tokens, (1, 2), 6, &mut out);
        let scored: Vec<u32> = out.iter().flat_map(|w| w.targets.iter().copied().filter(|t| *t != NONE)).collect();
        assert_eq!(scored, tokens.iter().copied().chain([2]).collect::<Vec<_>>());
        assert!(out.iter().all(|w| w.ids.len() <= 6 && w.ids.len() == w.targets.len()));
        assert!(out.iter().skip(1).all(|w| w.targets[..3] == [NONE; 3]), "half a window of context");
    }

    #[test]
    fn a_model_that_knows_nothing_pays_the_logarithm_of_the_vocabulary() {
        let sizes = DecoderConfig { vocabulary_size: 8, hidden_size: 8, layers: 1, heads: 2, ..Default::default() };
        let config = DecoderConfig { intermediate_size: 8, context_length: 4, ..sizes };
        let model = Decoder::new(&config, 1, &Device::Cpu).unwrap();
        let head = model.parameters.get("model.embed_tokens.weight").unwrap();
        head.set(&head.zeros_like().unwrap()).unwrap();
        let tag: Tag = "ltg_Latn".parse().unwrap();
        let texts = vec![(vec![3, 4, 5, 6, 7], 6), (vec![3], 2)];
        let documents = [((tag, Split::Train), texts.clone()), ((tag, Split::Test), texts)].into();
        let source = InMemory { documents, vocabulary_size: 8 };
        let result = evaluate(&model, &source, Split::Test, None, &Silent).unwrap();
        let figures = &result.languages[0];
        assert_eq!((figures.documents, figures.bytes, figures.tokens), (2, 8, 8)); // 5 + 1 tokens, two ends
        assert!((figures.bits_per_byte - 3.0).abs() < 1e-6, "8 tokens of log2(8) bits over 8 bytes");
        let bits = [figures.kneser_ney_bits_per_byte, figures.bigram_bits_per_byte, figures.unigram_bits_per_byte];
        let [kneser_ney, bigram, unigram] = bits.map(Option::unwrap);
        assert!(kneser_ney < unigram && bigram < unigram && unigram < figures.bits_per_byte, "{bits:?}");
        assert_eq!(figures.ngram_training_tokens, Some(8));
    }
}
