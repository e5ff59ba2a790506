//! How good an encoder is: what it pays for hidden tokens of held-out documents and how many it tells, and the
//! pseudo-likelihood of sentences.
//!
//! None of this is comparable with a decoder's bits per byte: the model sees both sides of what it has to tell. The
//! pseudo-log-likelihood (Salazar et al. 2020) is the sum over a sentence's tokens of the log-probability of each when it
//! alone is hidden; no probabilities of sentences that add up to one are behind it.

mod score;

use super::Settings;
use crate::batch::TokenSource;
use crate::error::Result;
use crate::models::encoder::{Encoder, EncoderConfig};
use crate::models::masking::{Masked, Masking};
use crate::ngram::text::spread;
use crate::random::Key;
use score::{Told, score};
use serde::{Deserialize, Serialize};
use tongues_languages::Tag;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Split;
use tongues_pipeline::vocabulary::{Vocabulary, halves};

/// Share of the tokens that is hidden, whatever share the model was trained with: that of BERT.
const SHARE: f64 = 0.15;

/// `evaluation.json` of an encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskedEvaluation {
    /// What was measured.
    pub split: Split,
    /// How tokens were hidden.
    pub masks: Masks,
    /// By language, in tag order; those without documents are left out.
    pub languages: Vec<MaskedLanguageEvaluation>,
}

/// How tokens were hidden.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Masks {
    /// Share of the tokens, single ones, the same in every evaluation with the same vocabulary.
    pub share: f64,
    /// What they became.
    pub replaced_by: String,
    /// Tokens of a window at most; windows do not overlap.
    pub window: usize,
}

/// Figures of one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskedLanguageEvaluation {
    /// Which.
    pub language: Tag,
    /// Documents measured.
    pub documents: u64,
    /// UTF-8 bytes of their texts.
    pub bytes: u64,
    /// Tokens hidden.
    pub masked_tokens: u64,
    /// Nats per hidden token, by the softmax over the whole vocabulary.
    pub masked_loss: f64,
    /// Share of the hidden tokens that are the model's likeliest.
    pub masked_accuracy: f64,
    /// Of sentences; nothing without a vocabulary or sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudo_likelihood: Option<PseudoLikelihood>,
}

/// The pseudo-log-likelihood of sentences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PseudoLikelihood {
    /// How many, of 20 characters and more that fit into a window, evenly spread.
    pub sentences: u64,
    /// UTF-8 bytes of them.
    pub bytes: u64,
    /// Tokens, each hidden once; what begins a document and `</s>` are seen and not counted.
    pub tokens: u64,
    /// Bits of all tokens over the bytes. No bits per byte: each token is told with those after it seen.
    pub pseudo_bits_per_byte: f64,
}

/// Masked loss by language on `split`, of at most `limit` documents each, nats per hidden token: what training watches.
pub fn losses(
    model: &Encoder,
    source: &dyn TokenSource,
    split: Split,
    limit: Option<usize>,
    progress: &dyn Progress,
) -> Result<Vec<(Tag, f64)>> {
    let model = model.detached();
    let mut all = Vec::new();
    for language in source.languages() {
        let documents: Vec<usize> = spread(source.documents(language, split), limit).collect();
        let told = score(&model, windows(&model, source, (language, split), &documents), progress)?;
        if told.tokens > 0 {
            all.push((language, told.nats / told.tokens as f64));
        }
    }
    Ok(all)
}

/// All figures. Sentences are measured where the source has a vocabulary to find them.
///
/// # Errors
/// An interruption.
pub fn evaluate(
    model: &Encoder,
    source: &dyn TokenSource,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<MaskedEvaluation> {
    let (model, vocabulary) = (model.detached(), source.vocabulary());
    let (split, mut languages) = (settings.split, Vec::new());
    let all = source.languages();
    progress.begin("masked loss", Some(all.len() as u64), "languages");
    for language in all {
        let documents: Vec<usize> = spread(source.documents(language, split), settings.documents).collect();
        let told = score(&model, windows(&model, source, (language, split), &documents), progress)?;
        progress.advance(1);
        if told.tokens == 0 {
            continue;
        }
        progress.note(&format!("{language}: pseudo-likelihood"));
        let tokens = |document: &usize| source.tokens(language, split, *document);
        let sentences: Vec<Vec<u32>> = vocabulary.map_or(Vec::new(), |vocabulary| {
            let of = |document| halves::sentences(vocabulary, &tokens(document), language);
            let fit = documents.iter().flat_map(of).map(|sentence| sentence.ids);
            fit.filter(|ids| ids.len() + 2 <= model.config.context_length).collect()
        });
        let chosen = spread(sentences.len(), Some(settings.pseudo_sentences)).map(|number| &sentences[number]);
        languages.push(MaskedLanguageEvaluation {
            language,
            documents: documents.len() as u64,
            bytes: documents.iter().map(|document| u64::from(source.bytes(language, split, *document))).sum(),
            masked_tokens: told.tokens,
            masked_loss: told.nats / told.tokens as f64,
            masked_accuracy: told.right as f64 / told.tokens as f64,
            pseudo_likelihood: match vocabulary {
                Some(vocabulary) => {
                    let beginning = source.beginning(language, model.config.beginning);
                    pseudo_likelihood((&model, beginning), chosen.collect(), vocabulary, progress)?
                }
                None => None,
            },
        });
    }
    progress.end();
    let masks = Masks { share: SHARE, replaced_by: "<mask>".to_owned(), window: model.config.context_length };
    Ok(MaskedEvaluation { split, masks, languages })
}

/// Documents between what begins them and `</s>`, cut at the window's length, with tokens hidden by a fixed key.
fn windows(
    model: &Encoder,
    source: &dyn TokenSource,
    (language, split): (Tag, Split),
    documents: &[usize],
) -> Vec<Masked> {
    let (config, key) = (&model.config, Key::new(0).named("held-out masks").named(language.as_str()));
    let masking = Masking { share: SHARE, whole_words: false, always: true, ..config.masking() };
    let beginning = source.beginning(language, config.beginning);
    let masking = masking.sparing([beginning]);
    let of = |&document: &usize| {
        let middle = source.tokens(language, split, document);
        let ids: Vec<u32> = [beginning].into_iter().chain(middle).chain([config.end]).collect();
        let key = key.stream(document as u64);
        let cut = ids.chunks(config.context_length).enumerate();
        let cut = cut.map(|(number, ids)| masking.hide(ids, ids.len(), None, key.stream(number as u64)));
        cut.filter(|window| !window.places.is_empty()).collect::<Vec<_>>()
    };
    documents.iter().flat_map(of).collect()
}

/// Nothing where there are no sentences.
fn pseudo_likelihood(
    (model, beginning): (&Encoder, u32),
    sentences: Vec<&Vec<u32>>,
    vocabulary: &Vocabulary,
    progress: &dyn Progress,
) -> Result<Option<PseudoLikelihood>> {
    if sentences.is_empty() {
        return Ok(None);
    }
    let mut told = Told::default();
    for sentence in &sentences {
        let found = score(model, one_by_one(&model.config, beginning, sentence), progress)?;
        (told.tokens, told.nats) = (told.tokens + found.tokens, told.nats + found.nats);
    }
    let bytes: u64 = sentences.iter().map(|ids| vocabulary.decode(ids).len() as u64).sum();
    Ok(Some(PseudoLikelihood {
        sentences: sentences.len() as u64,
        bytes,
        tokens: told.tokens,
        pseudo_bits_per_byte: told.nats / std::f64::consts::LN_2 / bytes as f64,
    }))
}

/// A sentence as often as it has tokens, each time with another one hidden.
fn one_by_one(config: &EncoderConfig, beginning: u32, sentence: &[u32]) -> Vec<Masked> {
    let whole: Vec<u32> = [beginning].into_iter().chain(sentence.iter().copied()).chain([config.end]).collect();
    let hidden = |place: usize| {
        let mut ids = whole.clone();
        ids[place] = config.mask;
        Masked { ids, places: vec![place as u32], targets: vec![whole[place]] }
    };
    (1..=sentence.len()).map(hidden).collect()
}

#[cfg(test)]
mod tests {
    use super::score::tell;
    use super::*;
    use crate::batch::InMemory;
    use crate::models::encoder_weights::EMBEDDING;
    use candle_core::Device;
    use tongues_pipeline::progress::Silent;

    fn encoder() -> Encoder {
        let sizes = EncoderConfig { hidden_size: 8, layers: 1, heads: 2, intermediate_size: 8, ..Default::default() };
        let config = EncoderConfig { context_length: 6, ..sizes }.for_vocabulary(31).unwrap();
        Encoder::new(&config, 1, &Device::Cpu).unwrap()
    }

    fn source(texts: Vec<(Vec<u32>, u32)>) -> (InMemory, Tag) {
        let tag: Tag = "ltg_Latn".parse().unwrap();
        (InMemory { documents: [((tag, Split::Test), texts)].into(), vocabulary_size: 31 }, tag)
    }

    #[test]
    fn a_model_that_knows_nothing_pays_the_logarithm_of_the_vocabulary() {
        let encoder = encoder();
        let embedding = encoder.parameters.get(EMBEDDING).unwrap();
        embedding.set(&embedding.zeros_like().unwrap()).unwrap();
        let (source, tag) = source(vec![((4..24).collect(), 50), (vec![7], 3)]);
        let found = evaluate(&encoder, &source, &Settings::default(), &Silent).unwrap();
        let figures = &found.languages[0];
        assert_eq!((figures.language, figures.documents, figures.bytes), (tag, 2, 53));
        // 22 tokens in windows of 6, 6, 6 and 4 with 5, 6, 6 and 3 ordinary ones, and one of 3 with 1: a token each.
        assert_eq!(figures.masked_tokens, 5);
        assert!((figures.masked_loss - 32f64.ln()).abs() < 1e-6, "{figures:?}");
        assert_eq!((figures.masked_accuracy, &figures.pseudo_likelihood), (0.0, &None));
        let watched = losses(&encoder, &source, Split::Test, None, &Silent).unwrap();
        assert_eq!(watched, [(tag, figures.masked_loss)]);
    }

    #[test]
    fn company_and_padding_change_no_figure() {
        let encoder = encoder();
        for (_, var) in encoder.parameters.iter() {
            var.set(&(var.as_detached_tensor() * 5.0).unwrap()).unwrap();
        }
        let texts: Vec<_> = (1..40u32).map(|n| ((0..n % 11 + 1).map(|i| 4 + (7 * i + n) % 27).collect(), 9)).collect();
        let (all, tag) = source(texts);
        let of = |documents: &[usize]| {
            score(&encoder, windows(&encoder, &all, (tag, Split::Test), documents), &Silent).unwrap()
        };
        let together = of(&(0..39).collect::<Vec<_>>());
        let alone: Vec<Told> = (0..39).map(|document| of(&[document])).collect();
        let nats: f64 = alone.iter().map(|told| told.nats).sum();
        assert!((together.nats - nats).abs() < 1e-4 * nats, "{} {nats}", together.nats);
        assert_eq!(together.right, alone.iter().map(|told| told.right).sum::<u64>());
    }

    #[test]
    fn each_token_of_a_sentence_is_hidden_once() {
        let encoder = encoder();
        let windows = one_by_one(&encoder.config, 1, &[5, 6, 7]);
        let ids: Vec<&[u32]> = windows.iter().map(|window| window.ids.as_slice()).collect();
        assert_eq!(ids, [[1, 31, 6, 7, 2], [1, 5, 31, 7, 2], [1, 5, 6, 31, 2]]);
        assert_eq!(windows.iter().map(|window| window.targets[0]).collect::<Vec<_>>(), [5, 6, 7]);
        // The likeliest of three, at ln 2 of 4: e^ln2 / (1 + 1 + e^ln2).
        let (nats, right) = tell(&[0.0, 2f32.ln(), 0.0], 1);
        assert!(right && (nats - 2f64.ln()).abs() < 1e-6);
        assert!(!tell(&[0.0, 0.0], 1).1, "equal to another is not told");
    }

    #[test]
    fn a_language_is_measured_as_by_an_encoder_whose_beginning_is_its_token() {
        use crate::generate::text::tests::{invented, with_language_tokens};
        let (_folder, vocabulary) = with_language_tokens();
        let tag: Tag = "ltg_Latn".parse().unwrap();
        let texts = (0..12).map(|i| (vocabulary.encode(&invented(i)), 9)).collect();
        let tokens = InMemory { documents: [((tag, Split::Test), texts)].into(), vocabulary_size: 300 };
        let source = crate::text_source::TextSource { tokens: &tokens, vocabulary: &vocabulary };
        let of = |beginning| {
            let sizes =
                EncoderConfig { hidden_size: 8, layers: 1, heads: 2, intermediate_size: 8, ..Default::default() };
            let config = EncoderConfig { context_length: 64, beginning, ..sizes }.for_vocabulary(300).unwrap();
            Encoder::new(&config, 1, &Device::Cpu).unwrap()
        };
        let found = evaluate(&of(1), &source, &Settings::default(), &Silent).unwrap().languages.swap_remove(0);
        let plain = evaluate(&of(5), &tokens, &Settings::default(), &Silent).unwrap().languages.swap_remove(0);
        assert_eq!(found.masked_loss, plain.masked_loss);
        assert_ne!(
            found.masked_loss,
            evaluate(&of(1), &tokens, &Settings::default(), &Silent).unwrap().languages[0].masked_loss
        );
        let sentences: Vec<Vec<u32>> = (0..12).map(|i| vocabulary.encode(&invented(i))).collect();
        let expected = pseudo_likelihood((&of(1), 5), sentences.iter().collect(), &vocabulary, &Silent).unwrap();
        assert!(expected.is_some() && found.pseudo_likelihood == expected, "{found:?}, not {expected:?}");
    }
}
