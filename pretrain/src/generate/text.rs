//! Continuations as text.

use super::{Continuation, Settings, Strategy, generate};
use crate::error::Result;
use crate::models::Causal;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::vocabulary::Vocabulary;

/// How a prompt is gone on with: a line of `tongues sample --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What was given.
    pub prompt: String,
    /// What comes after it.
    pub text: String,
    /// Its tokens, with `</s>` where it ended so.
    pub tokens: usize,
    /// Whether it ended with `</s>`, not with the number of tokens.
    pub ended: bool,
    /// Of these tokens given the prompt, nats, by the softmax over the whole vocabulary.
    pub log_probability: f64,
    /// The same in bits over the UTF-8 bytes of `text`; nothing where it has none.
    pub bits_per_byte: Option<f64>,
}

/// Settings that never choose a special piece but `</s>`: what is no text is not generated. Tokens may repeat.
pub fn settings(vocabulary: &Vocabulary, strategy: Strategy, tokens: usize, seed: u64) -> Settings {
    let mut never = vec![vocabulary.unknown(), vocabulary.beginning(), vocabulary.padding()];
    never.extend(vocabulary.language_tokens().values());
    Settings { tokens, strategy, no_repeat: 0, never, seed }
}

/// Continuations of `beginning`, which is `<s>` or the token of a language, and `prompt` with these numbers, from 0.
///
/// # Errors
/// Those of [`generate`].
pub fn samples(
    (model, vocabulary): (&dyn Causal, &Vocabulary),
    (beginning, prompt): (u32, &str),
    numbers: Range<usize>,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Vec<Sample>> {
    let pieces = vocabulary.encode(prompt);
    let ids: Vec<u32> = [beginning].into_iter().chain(pieces.iter().copied()).collect();
    let found = generate(model, &ids, numbers, settings, progress)?;
    Ok(found.into_iter().map(|continuation| sample(vocabulary, prompt, &pieces, continuation)).collect())
}

/// Words for a continuation of `prompt`, whose pieces these are.
pub fn sample(vocabulary: &Vocabulary, prompt: &str, pieces: &[u32], continuation: Continuation) -> Sample {
    let Continuation { tokens, ended, log_probability } = continuation;
    // Alone, the first piece would lose the space in front of it.
    let (before, whole) = (vocabulary.decode(pieces), vocabulary.decode(&[pieces, &tokens[..]].concat()));
    let text = whole.strip_prefix(&before).map_or_else(|| vocabulary.decode(&tokens), str::to_owned);
    let bits = -log_probability / std::f64::consts::LN_2;
    Sample {
        prompt: prompt.to_owned(),
        tokens: tokens.len() + usize::from(ended),
        ended,
        log_probability,
        bits_per_byte: (!text.is_empty()).then_some(bits / text.len() as f64),
        text,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::generate::sampling::Sampling;
    use tongues_pipeline::progress::Silent;
    use tongues_pipeline::vocabulary::source::{Memory, Text};
    use tongues_pipeline::vocabulary::{VocabularySettings, train_on};

    /// Eight words of an invented language, others for each number.
    pub(crate) fn invented(number: usize) -> String {
        let syllables = ["ka", "lo", "me", "sa", "ri", "ta", "du", "se", "ki", "to"];
        let word = |at: usize| [syllables[at % 10], syllables[at / 10 % 10]].concat();
        (0..8).map(|place| word(number * 7 + place * 13)).collect::<Vec<_>>().join(" ") + "."
    }

    /// A small vocabulary of it, and the folder it is in.
    pub(crate) fn vocabulary() -> (tempfile::TempDir, Vocabulary) {
        trained(&["ltg_Latn"], &VocabularySettings { size: 300, ..Default::default() })
    }

    /// The same for two languages, `kpv_Latn` and `ltg_Latn`, with the tokens 4 and 5.
    pub(crate) fn with_language_tokens() -> (tempfile::TempDir, Vocabulary) {
        let settings = VocabularySettings { size: 300, language_tokens: true, ..Default::default() };
        trained(&["kpv_Latn", "ltg_Latn"], &settings)
    }

    fn trained(languages: &[&str], settings: &VocabularySettings) -> (tempfile::TempDir, Vocabulary) {
        let texts = || (0..200).map(|i| Text { id: i.to_string(), text: invented(i) }).collect();
        let source = Memory(languages.iter().map(|tag| (tag.parse().unwrap(), texts())).collect());
        let folder = tempfile::tempdir().unwrap();
        train_on(&source, Vec::new(), settings, folder.path(), &Silent).unwrap();
        let vocabulary = Vocabulary::load(folder.path()).unwrap();
        (folder, vocabulary)
    }

    #[test]
    fn a_text_begins_with_what_is_asked_for_and_no_token_of_a_language_comes_after_it() {
        use crate::models::decoder::{Decoder, DecoderConfig};
        let (_folder, vocabulary) = with_language_tokens();
        let sizes = DecoderConfig { vocabulary_size: 300, hidden_size: 8, layers: 1, heads: 2, ..Default::default() };
        let config = DecoderConfig { intermediate_size: 8, context_length: 32, ..sizes };
        let model = Decoder::new(&config, 1, &candle_core::Device::Cpu).unwrap();
        let settings = settings(&vocabulary, Strategy::Sample(Sampling::GREEDY), 8, 1);
        assert_eq!(settings.never, [0, 1, 3, 4, 5]);
        let of = |beginning| {
            samples((&model, &vocabulary), (beginning, "kalo"), 0..1, &settings, &Silent).unwrap().swap_remove(0)
        };
        let ids = [vec![5], vocabulary.encode("kalo")].concat();
        let expected = generate(&model, &ids, 0..1, &settings, &Silent).unwrap().swap_remove(0);
        assert_eq!(of(5).log_probability, expected.log_probability);
        assert_ne!(of(5).log_probability, of(4).log_probability);
    }

    #[test]
    fn a_continuation_keeps_its_first_space_and_is_paid_by_its_bytes() {
        let (_folder, vocabulary) = vocabulary();
        let of = |prompt: &str, text: &str, ended| {
            let tokens = vocabulary.encode(text);
            let continuation = Continuation { tokens, ended, log_probability: -8.0 * 2f64.ln() };
            sample(&vocabulary, prompt, &vocabulary.encode(prompt), continuation)
        };
        let found = of("kalo", "mesa", true);
        assert_eq!((found.text.as_str(), found.ended, found.prompt.as_str()), (" mesa", true, "kalo"));
        assert_eq!(found.tokens, vocabulary.encode("mesa").len() + 1);
        assert!((found.bits_per_byte.unwrap() - 8.0 / 5.0).abs() < 1e-12, "eight bits for five bytes");
        assert_eq!(of("", "mesa", false).text, "mesa");
        assert_eq!(of("kalo", "", true).bits_per_byte, None);
        assert_eq!(of("kalo", "ķ", false).text, " ķ", "a character without a piece, in bytes");
    }
}
