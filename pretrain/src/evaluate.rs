//! How good a model is. Of one that goes on with a text: bits per byte by language beside n-gram models, what second halves of sentences cost,
//! and how much of its training text it has by heart. Of an encoder: see [`masked`].
//!
//! Bits per byte are comparable whatever the vocabulary: bits of all tokens of a document and of its `</s>`, given `<s>`
//! or the token of its language (which is context and is not paid for), by the softmax over the whole vocabulary, over the UTF-8 bytes of the text. A
//! decoder reads a long document in windows ([`windows`]), a recurrent model carries its state through it ([`carried`]); both
//! know nothing before `<s>`.

pub mod carried;
pub mod masked;
pub mod measurement;
pub mod memorisation;
pub mod scorer;
pub mod second_half;
pub mod tables;
pub mod windows;

use crate::batch::TokenSource;
use crate::error::{Error, Result};
use crate::models::Causal;
use crate::ngram::text::spread;
use crate::ngram::{Baselines, Bits, MAXIMUM_TRAINING_TOKENS, ORDER};
use masked::MaskedEvaluation;
use memorisation::Memorisation;
use second_half::SecondHalf;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tongues_languages::Tag;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Split;
use windows::Stride;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// On which documents.
    pub split: Split,
    /// Of each language at most so many documents, evenly spread.
    pub documents: Option<usize>,
    /// Between windows.
    pub stride: Stride,
    /// Tokens of a language's training text that the n-gram models read at most.
    pub ngram_training_tokens: u64,
    /// Sentences of each language whose second half is measured, at most; FLORES, where the score is from, has 997 and
    /// 1,012.
    pub sentences: usize,
    /// Documents of each language and split that are probed for memorisation, at most.
    pub probed_documents: usize,
    /// Sentences of each language whose pseudo-likelihood is measured, at most: an encoder reads a sentence as often as it
    /// has tokens.
    pub pseudo_sentences: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            split: Split::Test,
            documents: None,
            stride: Stride::HalfWindow,
            ngram_training_tokens: MAXIMUM_TRAINING_TOKENS,
            sentences: 500,
            probed_documents: 100,
            pseudo_sentences: 50,
        }
    }
}

/// `evaluation.json`.
// An encoder's comes first: it has a key that a decoder's has not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Figures {
    /// Of an encoder.
    Masked(MaskedEvaluation),
    /// Of a model that goes on with a text.
    Causal(Evaluation),
}

/// `evaluation.json` of a model that goes on with a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What was measured.
    pub split: Split,
    /// How documents were cut; none in a file of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowSettings>,
    /// What the n-gram models read; none in a file of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ngrams: Option<NgramSettings>,
    /// By language, in tag order; those without documents are left out.
    pub languages: Vec<LanguageEvaluation>,
}

/// How documents were cut into windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSettings {
    /// Tokens of a window at most.
    pub length: usize,
    /// Tokens from the beginning of one to that of the next; each token is scored once, in the first window that
    /// reaches it.
    pub stride: usize,
    /// What stands before a document.
    pub beginning: String,
    /// What stands after it.
    pub end: String,
    /// What a window knows of those before it, where it knows more than its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

impl WindowSettings {
    /// Windows of `length` tokens, `stride` apart, each read alone.
    pub fn overlapping(length: usize, stride: usize) -> WindowSettings {
        let (beginning, end) = ("<s>, as context, not scored".to_owned(), "</s>, scored".to_owned());
        WindowSettings { length, stride, beginning, end, state: None }
    }

    /// The same of a model whose documents begin with the token of their language.
    pub fn with_language_tokens(self) -> WindowSettings {
        WindowSettings { beginning: "the token of the language, as context, not scored".to_owned(), ..self }
    }

    /// Windows of `length` tokens one after another, with the state carried from each to the next.
    pub fn carried(length: usize) -> WindowSettings {
        let state = Some("carried from window to window, zeros before a document".to_owned());
        WindowSettings { state, ..WindowSettings::overlapping(length, length) }
    }
}

/// How the n-gram models were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NgramSettings {
    /// Longest n-grams of the Kneser–Ney model.
    pub order: usize,
    /// Training tokens a language they read at most; of more, documents spread evenly are taken.
    pub maximum_training_tokens: u64,
}

/// Figures of one language. Bits are of all tokens and `</s>`, given what begins the document; bytes are of the text as UTF-8.
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
    /// The model.
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
    /// What second halves of sentences cost; nothing without a vocabulary or sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_half: Option<SecondHalf>,
    /// What the model has by heart; none in a file of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memorisation: Option<Memorisation>,
}

/// Nats, tokens and bytes of documents of a language.
fn measure(
    model: &dyn Causal,
    source: &dyn TokenSource,
    (language, split): (Tag, Split),
    documents: &[usize],
    stride: Stride,
    progress: &dyn Progress,
) -> Result<(f64, u64, u64)> {
    let (mut scorer, mut tokens, mut bytes) = (model.scorer(stride)?, 0, 0);
    let (usual, end) = model.config().special();
    let beginning = source.beginning(language, usual);
    for &document in documents {
        let middle = source.tokens(language, split, document);
        let ids: Vec<u32> = [beginning].into_iter().chain(middle).chain([end]).collect();
        scorer.add(&ids, 1)?;
        tokens += ids.len() as u64 - 1;
        bytes += u64::from(source.bytes(language, split, document));
        progress.advance(1);
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
    }
    Ok((scorer.finish()?, tokens, bytes))
}

fn chosen(source: &dyn TokenSource, language: Tag, split: Split, limit: Option<usize>) -> Vec<usize> {
    spread(source.documents(language, split), limit).collect()
}

/// Bits per byte by language on `split`, of at most `limit` documents each: what training watches. The cheap way,
/// [`Stride::Window`]; [`evaluate`] gives documents longer than a window less.
pub fn bits_per_byte(
    model: &dyn Causal,
    source: &dyn TokenSource,
    split: Split,
    limit: Option<usize>,
    progress: &dyn Progress,
) -> Result<Vec<(Tag, f64)>> {
    let model = &*model.detached_causal();
    let mut all = Vec::new();
    for language in source.languages() {
        let documents = chosen(source, language, split, limit);
        let (nats, _, bytes) = measure(model, source, (language, split), &documents, Stride::Window, progress)?;
        if bytes > 0 {
            all.push((language, nats / std::f64::consts::LN_2 / bytes as f64));
        }
    }
    Ok(all)
}

/// Bits of each document of `language` and `split` that [`evaluate`] would measure, and the bytes of its text.
///
/// # Errors
/// A stride the model's window does not allow, an interruption.
pub fn document_bits(
    model: &dyn Causal,
    source: &dyn TokenSource,
    (language, split): (Tag, Split),
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Vec<(f64, u64)>> {
    let model = &*model.detached_causal();
    let documents = chosen(source, language, split, settings.documents);
    progress.begin("bits of documents", Some(documents.len() as u64), "documents");
    let bits = documents.iter().map(|&document| {
        let (nats, _, bytes) = measure(model, source, (language, split), &[document], settings.stride, progress)?;
        Ok((nats / std::f64::consts::LN_2, bytes))
    });
    let bits = bits.collect();
    progress.end();
    bits
}

/// The model and the n-gram models on the same tokens and bytes. Second halves of sentences are measured where the source
/// has a vocabulary to cut them.
///
/// # Errors
/// A stride the model's window does not allow, an interruption.
pub fn evaluate(
    model: &dyn Causal,
    source: &dyn TokenSource,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Evaluation> {
    let windows = model.window_settings(settings.stride)?;
    let has_language_tokens = source.vocabulary().is_some_and(|vocabulary| !vocabulary.language_tokens().is_empty());
    let windows = if has_language_tokens { windows.with_language_tokens() } else { windows };
    let model = &*model.detached_causal();
    let documents = |language: Tag| chosen(source, language, settings.split, settings.documents);
    let total = source.languages().into_iter().map(|language| documents(language).len() as u64).sum();
    progress.begin("bits per byte", Some(total), "documents");
    let languages = source.languages().into_iter().filter_map(|language| {
        language_evaluation(model, source, (language, &documents(language)), settings, progress).transpose()
    });
    let languages = languages.collect::<Result<Vec<_>>>();
    progress.end();
    let ngrams = NgramSettings { order: ORDER, maximum_training_tokens: settings.ngram_training_tokens };
    Ok(Evaluation { split: settings.split, windows: Some(windows), ngrams: Some(ngrams), languages: languages? })
}

/// Nothing where there are no documents, or no bytes in them.
fn language_evaluation(
    model: &dyn Causal,
    source: &dyn TokenSource,
    (language, documents): (Tag, &[usize]),
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Option<LanguageEvaluation>> {
    let at = (language, settings.split);
    let (nats, tokens, bytes) = measure(model, source, at, documents, settings.stride, progress)?;
    if bytes == 0 {
        return Ok(None);
    }
    let special = model.config().special();
    let beginning = source.beginning(language, special.0);
    progress.note(&format!("{language}: n-grams"));
    let baselines = Baselines::train(source, language, special, settings.ngram_training_tokens);
    let mut bits = Bits::default();
    if let Some(baselines) = &baselines {
        for &document in documents {
            bits += baselines.bits(&source.tokens(language, settings.split, document));
        }
    }
    progress.note(&format!("{language}: second halves"));
    let sentences = source
        .vocabulary()
        .map(|vocabulary| second_half::sentences(source, at, documents, vocabulary, settings.sentences))
        .unwrap_or_default();
    let kneser_ney = baselines.as_ref().map(|baselines| &baselines.kneser_ney);
    let second_half = second_half::measure(model, beginning, &sentences, kneser_ney, progress)?;
    progress.note(&format!("{language}: memorisation"));
    let memorisation = memorisation::measure(model, source, at, settings.probed_documents, progress)?;
    let baseline = |bits: f64| baselines.is_some().then(|| bits / bytes as f64);
    Ok(Some(LanguageEvaluation {
        language,
        documents: documents.len() as u64,
        bytes,
        tokens,
        bits_per_byte: nats / std::f64::consts::LN_2 / bytes as f64,
        unigram_bits_per_byte: baseline(bits.unigram),
        bigram_bits_per_byte: baseline(bits.bigram),
        kneser_ney_bits_per_byte: baseline(bits.kneser_ney),
        ngram_training_tokens: baselines.as_ref().map(|baselines| baselines.tokens),
        second_half,
        memorisation: Some(memorisation),
    }))
}

impl Figures {
    /// Reads `evaluation.json`.
    pub fn read(folder: &Path) -> Result<Figures> {
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
    use crate::evaluate::masked::Masks;

    fn masked_evaluation() -> MaskedEvaluation {
        let masks = Masks { share: 0.15, replaced_by: "<mask>".into(), window: 8 };
        MaskedEvaluation { split: Split::Test, masks, languages: Vec::new() }
    }

    use crate::batch::InMemory;
    use crate::generate::text::tests::{invented, with_language_tokens};
    use crate::models::decoder::{Decoder, DecoderConfig};
    use crate::text_source::TextSource;
    use candle_core::Device;
    use tongues_pipeline::progress::Silent;
    use tongues_pipeline::vocabulary::Vocabulary;

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
        let result = evaluate(&model, &source, &Settings::default(), &Silent).unwrap();
        let figures = &result.languages[0];
        assert_eq!((figures.documents, figures.bytes, figures.tokens), (2, 8, 8)); // 5 + 1 tokens, two ends
        assert!((figures.bits_per_byte - 3.0).abs() < 1e-6, "8 tokens of log2(8) bits over 8 bytes");
        let of_documents = document_bits(&model, &source, (tag, Split::Test), &Settings::default(), &Silent).unwrap();
        let bytes: Vec<u64> = of_documents.iter().map(|(_, bytes)| *bytes).collect();
        assert_eq!(bytes, [6, 2]);
        assert!((of_documents[0].0 - 18.0).abs() < 1e-5 && (of_documents[1].0 - 6.0).abs() < 1e-5, "{of_documents:?}");
        let bits = [figures.kneser_ney_bits_per_byte, figures.bigram_bits_per_byte, figures.unigram_bits_per_byte];
        let [kneser_ney, bigram, unigram] = bits.map(Option::unwrap);
        assert!(kneser_ney < unigram && bigram < unigram && unigram < figures.bits_per_byte, "{bits:?}");
        assert_eq!(figures.ngram_training_tokens, Some(8));
        let windows = result.windows.unwrap();
        assert_eq!((windows.length, windows.stride), (4, 2));
        let probed = figures.memorisation.as_ref().unwrap();
        assert_eq!(probed.training.as_ref().unwrap().documents, 1, "one of two documents has four tokens");
    }

    #[test]
    fn without_training_text_there_are_no_baselines_and_old_files_are_read() {
        let sizes = DecoderConfig { vocabulary_size: 8, hidden_size: 8, layers: 1, heads: 2, ..Default::default() };
        let config = DecoderConfig { intermediate_size: 8, context_length: 4, ..sizes };
        let model = Decoder::new(&config, 1, &Device::Cpu).unwrap();
        let tag: Tag = "ltg_Latn".parse().unwrap();
        let documents = [((tag, Split::Validation), vec![(vec![3, 4, 5, 6, 7, 3, 5, 4, 4], 9)])].into();
        let source = InMemory { documents, vocabulary_size: 8 };
        let settings = Settings { split: Split::Validation, ..Default::default() };
        let found = evaluate(&model, &source, &settings, &Silent).unwrap();
        let figures = &found.languages[0];
        assert_eq!((figures.kneser_ney_bits_per_byte, figures.ngram_training_tokens), (None, None));
        // What training watches is the cheap way.
        let cheap = bits_per_byte(&model, &source, Split::Validation, None, &Silent).unwrap()[0].1;
        let whole = Settings { stride: Stride::Window, ..settings.clone() };
        assert_eq!(cheap, evaluate(&model, &source, &whole, &Silent).unwrap().languages[0].bits_per_byte);
        assert_ne!(cheap, figures.bits_per_byte);
        let settings = Settings { stride: Stride::Tokens(5), ..settings };
        assert!(evaluate(&model, &source, &settings, &Silent).is_err());

        let old = r#"{"split":"test","languages":[{"language":"ltg_Latn","documents":1,"bytes":1,"tokens":1,
            "bits_per_byte":2.5,"unigram_bits_per_byte":3.5,"bigram_bits_per_byte":3.0}]}"#;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("evaluation.json"), old).unwrap();
        let Figures::Causal(read) = Figures::read(folder.path()).unwrap() else { panic!("no decoder's") };
        assert_eq!((read.languages[0].bigram_bits_per_byte, &read.ngrams), (Some(3.0), &None));
        for figures in [Figures::Causal(found), Figures::Masked(masked_evaluation())] {
            figures.write(folder.path()).unwrap();
            assert_eq!(Figures::read(folder.path()).unwrap(), figures);
        }
    }

    /// Two languages with the same text, whose vocabulary has a token for each.
    fn in_two_languages(vocabulary: &Vocabulary) -> InMemory {
        let texts = |first: usize| -> Vec<_> {
            let of = |i| (vocabulary.encode(&invented(i)), invented(i).len() as u32);
            (first..first + 12).map(of).collect()
        };
        let mut source = InMemory { vocabulary_size: vocabulary.size(), ..Default::default() };
        for tag in vocabulary.language_tokens().keys() {
            source.documents.insert((*tag, Split::Train), texts(0));
            source.documents.insert((*tag, Split::Test), texts(50));
        }
        source
    }

    #[test]
    fn a_language_is_measured_as_by_a_model_whose_beginning_is_its_token() {
        let (_folder, vocabulary) = with_language_tokens();
        let tokens = in_two_languages(&vocabulary);
        let source = TextSource { tokens: &tokens, vocabulary: &vocabulary };
        let sizes = DecoderConfig { vocabulary_size: 300, hidden_size: 8, layers: 1, heads: 2, ..Default::default() };
        let of = |beginning| {
            let config = DecoderConfig { intermediate_size: 8, context_length: 16, beginning, ..sizes.clone() };
            Decoder::new(&config, 1, &Device::Cpu).unwrap()
        };
        let found = evaluate(&of(1), &source, &Settings::default(), &Silent).unwrap();
        assert_eq!(found.windows.unwrap().beginning, "the token of the language, as context, not scored");
        let watched = bits_per_byte(&of(1), &source, Split::Test, None, &Silent).unwrap();
        for (number, figures) in found.languages.iter().enumerate() {
            let token = vocabulary.language_token(figures.language).unwrap();
            let model = of(token);
            let plain = evaluate(&model, &tokens, &Settings::default(), &Silent).unwrap();
            let expected =
                LanguageEvaluation { second_half: figures.second_half.clone(), ..plain.languages[number].clone() };
            assert_eq!(*figures, expected);
            let halves = figures.second_half.as_ref().unwrap();
            let at = (figures.language, Split::Test);
            let sentences = second_half::sentences(&tokens, at, &(0..12).collect::<Vec<_>>(), &vocabulary, 500);
            let expected = second_half::measure(&model, token, &sentences, None, &Silent).unwrap().unwrap();
            assert_eq!((halves.sentences, halves.bits), (12, expected.bits));
            let plain = bits_per_byte(&model, &tokens, Split::Test, None, &Silent).unwrap();
            assert_eq!(watched[number], plain[number]);
        }
        let [kpv, ltg] = &found.languages[..] else { panic!("two languages") };
        assert_ne!(kpv.bits_per_byte, ltg.bits_per_byte, "the same text given another token");
        assert_eq!(kpv.kneser_ney_bits_per_byte, ltg.kneser_ney_bits_per_byte, "the n-gram models know one language");
    }
}
