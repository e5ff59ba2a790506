//! Texts read by a model that carries its state: each from nothing at its `<s>`, window after window to its end, so that
//! every token is read once and scored given all of its text before.

use super::scorer::Scorer;
use crate::error::Result;
use crate::models::recurrent::{Hidden, Recurrent};
use crate::models::state::State;
use crate::nn::cross_entropy::losses;
use candle_core::Tensor;

/// Texts gathered before they are scored, so that those of like length are read side by side.
const TEXTS: usize = 64;
/// Tokens in one forward pass, padding included.
const TOKENS_AT_ONCE: usize = 2048;

/// A text, and the first place that is scored.
#[derive(Debug)]
struct Text {
    ids: Vec<u32>,
    first: usize,
}

impl Text {
    /// Tokens that are read: of the last nothing comes after.
    fn length(&self) -> usize {
        self.ids.len().saturating_sub(1)
    }
}

/// Gathers texts and scores them.
#[derive(Debug)]
pub struct CarriedScorer<'model> {
    model: &'model Recurrent,
    waiting: Vec<Text>,
    nats: f64,
}

impl<'model> CarriedScorer<'model> {
    /// `model` is best detached: no gradient is wanted.
    pub fn new(model: &'model Recurrent) -> CarriedScorer<'model> {
        CarriedScorer { model, waiting: Vec::new(), nats: 0.0 }
    }

    fn flush(&mut self) -> Result<()> {
        self.waiting.sort_by_key(|text| std::cmp::Reverse(text.length()));
        let texts = std::mem::take(&mut self.waiting);
        let length = self.model.config.sequence_length;
        for texts in texts.chunks((TOKENS_AT_ONCE / length).max(1)) {
            self.read(texts, length)?;
        }
        Ok(())
    }

    /// Texts side by side, the longest first: those that have ended drop out at the end of a window. What fills a window up
    /// is behind all that counts, where no state goes on from.
    fn read(&mut self, texts: &[Text], length: usize) -> Result<()> {
        let device = self.model.head().0.device().clone();
        let mut state = State::default();
        let longest = texts.first().map_or(0, Text::length);
        for start in (0..longest).step_by(length) {
            let texts = &texts[..texts.iter().take_while(|text| text.length() > start).count()];
            let (b, t) = (texts.len(), length.min(longest - start));
            let mut ids = vec![self.model.config.end; b * t];
            let (mut places, mut targets) = (Vec::new(), Vec::new());
            for (row, text) in texts.iter().enumerate() {
                for place in start..(start + t).min(text.length()) {
                    ids[row * t + place - start] = text.ids[place];
                    if place + 1 >= text.first {
                        places.push(((place - start) * b + row) as u32); // time first
                        targets.push(text.ids[place + 1]);
                    }
                }
            }
            state = state.first(b)?;
            let Hidden { raw, state: after, .. } =
                self.model.hidden(&Tensor::from_vec(ids, (b, t), &device)?, &state, None)?;
            state = after;
            if places.is_empty() {
                continue;
            }
            let count = places.len();
            let hidden = raw.flatten(0, 1)?.index_select(&Tensor::from_vec(places, count, &device)?, 0)?;
            let (weight, bias) = self.model.head();
            self.nats += losses(&hidden, (weight, Some(bias)), &targets, None)?.iter().sum::<f64>();
        }
        Ok(())
    }
}

impl Scorer for CarriedScorer<'_> {
    fn add(&mut self, ids: &[u32], first: usize) -> Result<()> {
        self.waiting.push(Text { ids: ids.to_vec(), first: first.max(1) });
        if self.waiting.len() >= TEXTS { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<f64> {
        self.flush()?;
        Ok(self.nats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::windows::Stride;
    use crate::models::Causal;
    use crate::models::recurrent::{RecurrentConfig, RecurrentLayout};
    use candle_core::{DType, Device};

    fn models() -> impl Iterator<Item = Recurrent> {
        RecurrentLayout::ALL.into_iter().map(|layout| {
            let sizes = RecurrentConfig { layout, embedding_size: 8, hidden_size: 11, layers: 2, ..Default::default() };
            let config = RecurrentConfig { vocabulary_size: 40, sequence_length: 6, ..sizes };
            let model = Recurrent::new(&config, 1, &Device::Cpu).unwrap();
            // Larger weights than at the start of training, so that context makes a difference.
            for (_, var) in model.parameters.iter() {
                var.set(&(var.as_tensor() * 4.0).unwrap()).unwrap();
            }
            model.detached()
        })
    }

    /// The nats of the tokens from `first` on, the text read at once.
    fn at_once(model: &Recurrent, text: &[u32], first: usize) -> f64 {
        let ids = Tensor::from_slice(text, (1, text.len()), &Device::Cpu).unwrap();
        let logits = model.logits(&ids, &State::default()).unwrap().0.to_dtype(DType::F64).unwrap();
        let rows: Vec<Vec<f64>> = logits.squeeze(0).unwrap().to_vec2().unwrap();
        let nats = |place: usize| {
            rows[place].iter().map(|x| x.exp()).sum::<f64>().ln() - rows[place][text[place + 1] as usize]
        };
        (first - 1..text.len() - 1).map(nats).sum()
    }

    #[test]
    fn every_token_is_scored_given_all_of_its_text_and_nothing_of_others() {
        for model in models() {
            let texts: Vec<Vec<u32>> = (2..90).map(|n| (0..n).map(|i| (7 * i + n) % 40).collect()).collect();
            for first in [1, 2, 9] {
                let mut scorer = model.scorer(Stride::HalfWindow).unwrap();
                let mut expected = 0.0;
                for text in texts.iter().filter(|text| text.len() > first) {
                    scorer.add(text, first).unwrap();
                    expected += at_once(&model, text, first);
                }
                let found = scorer.finish().unwrap();
                assert!((found - expected).abs() < 1e-5 * expected, "{found}, {expected}");
            }
            let mut scorer = model.scorer(Stride::Window).unwrap();
            for text in [&[][..], &[1]] {
                scorer.add(text, 1).unwrap();
            }
            assert_eq!(scorer.finish().unwrap(), 0.0, "nothing is scored of a text without a second token");
            assert!(model.scorer(Stride::Tokens(3)).err().unwrap().to_string().contains("stride is 3; expected none"));
        }
    }
}
