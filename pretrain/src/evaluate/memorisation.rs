//! How often the model goes on with a document exactly as the document does: high on documents it was trained on and
//! not on others, it has them by heart.
//!
//! The model is given `<s>`, or the language's token, and the first tokens of a document and goes on with the likeliest token each time (the
//! "extractable" text of Carlini et al. 2023, with the beginning as prompt). Nothing has to be generated: as long as the
//! continuation equals the document, the model has read the document, so one pass over it tells the likeliest token of
//! every place, and the continuation leaves the document at the first place where that is another one.

use crate::batch::TokenSource;
use crate::error::{Error, Result};
use crate::models::Causal;
use crate::ngram::text::spread;
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};
use tongues_languages::Tag;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Split;

/// Tokens of the prompt, and of the continuation, where the window allows.
const TOKENS: usize = 32;
/// Documents in one forward pass.
const AT_ONCE: usize = 8;

/// Figures of one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memorisation {
    /// Tokens of the prompt after what begins a document.
    pub prompt_tokens: usize,
    /// Tokens compared after it.
    pub continuation_tokens: usize,
    /// On documents the model was trained on; nothing where there are none long enough.
    pub training: Option<Share>,
    /// On the documents of the split that is measured.
    pub held_out: Option<Share>,
}

/// Of some documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Documents that are long enough, at most as many as asked for, evenly spread.
    pub documents: u64,
    /// Those whose whole continuation is the document's.
    pub equal: u64,
    /// `equal` over `documents`.
    pub share: f64,
    /// Tokens until the continuation leaves the document, mean.
    pub mean_equal_tokens: f64,
}

/// Probes at most `limit` training documents and as many of `split`.
pub fn measure(
    model: &dyn Causal,
    source: &dyn TokenSource,
    (language, split): (Tag, Split),
    limit: usize,
    progress: &dyn Progress,
) -> Result<Memorisation> {
    let tokens = model.config().context_length().map_or(TOKENS, |context| TOKENS.min(context / 2).max(1));
    let of = |split| share(model, source, (language, split), tokens, limit, progress);
    let held_out = if split == Split::Train { None } else { of(split)? };
    Ok(Memorisation { prompt_tokens: tokens, continuation_tokens: tokens, training: of(Split::Train)?, held_out })
}

fn share(
    model: &dyn Causal,
    source: &dyn TokenSource,
    (language, split): (Tag, Split),
    tokens: usize,
    limit: usize,
    progress: &dyn Progress,
) -> Result<Option<Share>> {
    let long: Vec<usize> = (0..source.documents(language, split))
        .filter(|document| source.tokens(language, split, *document).len() >= 2 * tokens)
        .collect();
    let chosen: Vec<usize> = spread(long.len(), Some(limit)).map(|number| long[number]).collect();
    let beginning = source.beginning(language, model.config().special().0);
    let (mut equal, mut length) = (0, 0);
    for group in chosen.chunks(AT_ONCE) {
        let texts: Vec<Vec<u32>> = group.iter().map(|document| source.tokens(language, split, *document)).collect();
        for agreed in agreeing(model, beginning, &texts, tokens)? {
            equal += u64::from(agreed == tokens);
            length += agreed;
        }
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
    }
    let documents = chosen.len() as u64;
    Ok((documents > 0).then(|| Share {
        documents,
        equal,
        share: equal as f64 / documents as f64,
        mean_equal_tokens: length as f64 / documents as f64,
    }))
}

/// How many of the `tokens` tokens after the first `tokens` of each text the greedy continuation gets right in a row.
fn agreeing(model: &dyn Causal, beginning: u32, texts: &[Vec<u32>], tokens: usize) -> Result<Vec<usize>> {
    let ids: Vec<u32> =
        texts.iter().flat_map(|text| [beginning].into_iter().chain(text[..2 * tokens - 1].iter().copied())).collect();
    let ids = Tensor::from_vec(ids, (texts.len(), 2 * tokens), model.device())?;
    let lengths = vec![2 * tokens; texts.len()];
    let states = model.states(&ids, &lengths, None)?.narrow(1, tokens, tokens)?.contiguous()?;
    let likeliest: Vec<Vec<u32>> = model.logits_of(&states)?.argmax(D::Minus1)?.to_vec2()?;
    let agreed = |(text, likeliest): (&Vec<u32>, &Vec<u32>)| {
        text[tokens..].iter().zip(likeliest).take_while(|(token, likeliest)| token == likeliest).count()
    };
    Ok(texts.iter().zip(&likeliest).map(agreed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::decoder::{Decoder, DecoderConfig};
    use candle_core::Device;

    fn model() -> Decoder {
        let sizes = DecoderConfig { vocabulary_size: 30, hidden_size: 16, layers: 1, heads: 2, ..Default::default() };
        Decoder::new(&DecoderConfig { intermediate_size: 16, context_length: 9, ..sizes }, 3, &Device::Cpu).unwrap()
    }

    /// Goes on token by token, as one would without the shortcut.
    fn greedy(model: &Decoder, prompt: &[u32], tokens: usize) -> Vec<u32> {
        let mut all: Vec<u32> = [model.config.beginning].into_iter().chain(prompt.iter().copied()).collect();
        for _ in 0..tokens {
            let ids = Tensor::from_vec(all.clone(), (1, all.len()), &Device::Cpu).unwrap();
            let next: Vec<Vec<u32>> = model.logits(&ids).unwrap().argmax(D::Minus1).unwrap().to_vec2().unwrap();
            all.push(*next[0].last().unwrap());
        }
        all[1 + prompt.len()..].to_vec()
    }

    #[test]
    fn one_pass_tells_where_the_continuation_leaves_the_document() {
        let model = model().detached();
        let mut texts = Vec::new();
        for start in 0..12u32 {
            let prompt: Vec<u32> = (0..4).map(|i| (start * 5 + i * 7) % 30).collect();
            let mut text: Vec<u32> = prompt.iter().copied().chain(greedy(&model, &prompt, 4)).collect();
            let wrong = 4 + (start % 5) as usize; // one place is spoilt, or none (8 is beyond)
            if let Some(token) = text.get_mut(wrong) {
                *token = (*token + 1) % 30;
            }
            texts.push(text);
        }
        let found = agreeing(&model, 1, &texts, 4).unwrap();
        assert_eq!(found, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]);
    }

    #[test]
    fn short_documents_are_left_out_and_shares_add_up() {
        use crate::batch::InMemory;
        let tag: Tag = "ltg_Latn".parse().unwrap();
        let model = model().detached();
        let known: Vec<u32> = [5, 6, 7, 8].into_iter().chain(greedy(&model, &[5, 6, 7, 8], 4)).collect();
        let mut other = known.clone();
        other[6] = (other[6] + 1) % 30;
        let train = vec![(known, 9), (other.clone(), 9), (vec![5; 7], 9)];
        let documents = [((tag, Split::Train), train), ((tag, Split::Test), vec![(other, 9)])].into();
        let source = InMemory { documents, vocabulary_size: 30 };
        let found = measure(&model, &source, (tag, Split::Test), 10, &tongues_pipeline::progress::Silent).unwrap();
        assert_eq!((found.prompt_tokens, found.continuation_tokens), (4, 4));
        let training = Share { documents: 2, equal: 1, share: 0.5, mean_equal_tokens: 3.0 }; // 4 and 2
        assert_eq!(found.training, Some(training));
        assert_eq!(found.held_out, Some(Share { documents: 1, equal: 0, share: 0.0, mean_equal_tokens: 2.0 }));
    }
}
