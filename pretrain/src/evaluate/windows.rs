//! Text cut into the windows a model reads, and what it pays for their tokens.

use super::scorer::Scorer;
use crate::error::{Error, Result};
use crate::models::decoder::Decoder;
use crate::nn::cross_entropy::losses;
use candle_core::{Device, Tensor};

/// How far apart windows begin in a text longer than one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stride {
    /// A window: they do not overlap and each token is read once. Cheap, but the first tokens of each window have
    /// hardly any context: what training looks at.
    Window,
    /// Half a window: each token but those of the first window has at least half a window of context.
    #[default]
    HalfWindow,
    /// So many tokens, at most a window; the fewer the more context, and the more work.
    Tokens(usize),
}

impl Stride {
    /// In tokens, for windows of `length` tokens.
    ///
    /// # Errors
    /// None, or more than a window: tokens would be left out.
    pub fn tokens(self, length: usize) -> Result<usize> {
        match self {
            Stride::Window => Ok(length),
            Stride::HalfWindow => Ok((length / 2).max(1)),
            Stride::Tokens(tokens) if (1..=length).contains(&tokens) => Ok(tokens),
            Stride::Tokens(tokens) => {
                Err(Error::Settings(format!("stride is {tokens}; expected 1 to {length}, the model's window")))
            }
        }
    }

    /// Refuses a number of tokens for a model that carries its state, which reads each token once whatever is usual
    /// elsewhere.
    ///
    /// # Errors
    /// [`Stride::Tokens`].
    pub fn of_carried_state(self) -> Result<()> {
        match self {
            Stride::Window | Stride::HalfWindow => Ok(()),
            Stride::Tokens(tokens) => Err(Error::Settings(format!(
                "stride is {tokens}; expected none: a recurrent model carries its state, and reads each token once"
            ))),
        }
    }
}

/// Target of a place that is not scored.
const NONE: u32 = u32::MAX;
/// Windows gathered before they are scored, so that batches hold windows of like length.
const ROWS: usize = 64;
/// Tokens in one forward pass, padding included.
const TOKENS_AT_ONCE: usize = 2048;

/// One window: ids, and for each the token after it where that is scored.
#[derive(Debug)]
struct Window {
    ids: Vec<u32>,
    targets: Vec<u32>,
}

/// Gathers windows of texts and scores them in batches of like length.
#[derive(Debug)]
pub struct WindowScorer<'model> {
    model: &'model Decoder,
    stride: usize,
    waiting: Vec<Window>,
    nats: f64,
}

impl<'model> WindowScorer<'model> {
    /// `model` is best detached: no gradient is wanted.
    pub fn new(model: &'model Decoder, stride: Stride) -> Result<WindowScorer<'model>> {
        let stride = stride.tokens(model.config.context_length)?;
        Ok(WindowScorer { model, stride, waiting: Vec::new(), nats: 0.0 })
    }

    /// Windows of like length go together; they are filled up at the end, where a causal model does not look. The head
    /// sees the places that are scored only.
    fn flush(&mut self) -> Result<()> {
        self.waiting.sort_by_key(|window| window.ids.len());
        let device: Device = self.model.head().device().clone();
        while let Some(longest) = self.waiting.last().map(|window| window.ids.len()) {
            let rows = (TOKENS_AT_ONCE / longest).clamp(1, self.waiting.len());
            let group = self.waiting.split_off(self.waiting.len() - rows);
            let (mut ids, mut places, mut targets) = (Vec::new(), Vec::new(), Vec::new());
            for (row, window) in group.iter().enumerate() {
                ids.extend(window.ids.iter().copied().chain(std::iter::repeat(self.model.config.end)).take(longest));
                let scored = window.targets.iter().enumerate().filter(|(_, target)| **target != NONE);
                for (place, &target) in scored {
                    places.push((row * longest + place) as u32);
                    targets.push(target);
                }
            }
            let ids = Tensor::from_vec(ids, (rows, longest), &device)?;
            let hidden = self.model.hidden(&ids, None)?.flatten(0, 1)?;
            let count = places.len();
            let hidden = match count == rows * longest {
                true => hidden,
                false => hidden.index_select(&Tensor::from_vec(places, count, &device)?, 0)?,
            };
            self.nats += losses(&hidden, (self.model.head(), None), &targets, None)?.iter().sum::<f64>();
        }
        Ok(())
    }
}

impl Scorer for WindowScorer<'_> {
    fn add(&mut self, ids: &[u32], first: usize) -> Result<()> {
        windows(ids, first, self.model.config.context_length, self.stride, &mut self.waiting);
        if self.waiting.len() >= ROWS { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<f64> {
        self.flush()?;
        Ok(self.nats)
    }
}

/// Windows of at most `length` tokens that begin `stride` apart. Each scores what the one before did not.
fn windows(ids: &[u32], first: usize, length: usize, stride: usize, out: &mut Vec<Window>) {
    let (mut start, mut scored) = (0, first.max(1));
    while scored < ids.len() {
        let stop = (start + length).min(ids.len() - 1);
        if stop >= scored {
            let target = |i: usize| if i + 1 < scored { NONE } else { ids[i + 1] };
            out.push(Window { ids: ids[start..stop].to_vec(), targets: (start..stop).map(target).collect() });
            scored = stop + 1;
        }
        start += stride;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Causal;
    use crate::models::decoder::DecoderConfig;

    fn cut(ids: &[u32], first: usize, stride: usize) -> Vec<Window> {
        let mut out = Vec::new();
        windows(ids, first, 6, stride, &mut out);
        out
    }

    fn scored(windows: &[Window]) -> Vec<u32> {
        windows.iter().flat_map(|window| window.targets.iter().copied().filter(|target| *target != NONE)).collect()
    }

    #[test]
    fn every_token_is_scored_once_whatever_the_stride() {
        for count in 1..40 {
            let ids: Vec<u32> = (10..10 + count).collect();
            for (stride, first) in (1..=6).flat_map(|stride| [(stride, 1), (stride, 4), (stride, 9)]) {
                let out = cut(&ids, first, stride);
                assert_eq!(scored(&out), ids.get(first..).unwrap_or_default(), "{count} tokens, stride {stride}");
                assert!(out.iter().all(|window| window.ids.len() <= 6 && window.ids.len() == window.targets.len()));
            }
        }
    }

    #[test]
    fn all_but_the_first_window_see_half_a_window_before() {
        let ids: Vec<u32> = (0..33).collect();
        for (stride, context) in [(3, 3), (2, 4), (6, 0)] {
            let out = cut(&ids, 1, stride);
            assert_eq!(out[0].targets, [1, 2, 3, 4, 5, 6]);
            for window in &out[1..] {
                let unscored = window.targets.iter().take_while(|target| **target == NONE).count();
                assert_eq!(unscored, context, "stride {stride}");
            }
        }
    }

    #[test]
    fn a_stride_that_leaves_tokens_out_is_refused() {
        assert_eq!(Stride::HalfWindow.tokens(256).unwrap(), 128);
        assert_eq!(Stride::Tokens(256).tokens(256).unwrap(), 256);
        for wrong in [0, 257] {
            let message = Stride::Tokens(wrong).tokens(256).unwrap_err().to_string();
            assert!(message.contains(&format!("stride is {wrong}; expected 1 to 256")), "{message}");
        }
    }

    #[test]
    fn batches_change_no_figure_and_context_does() {
        let sizes = DecoderConfig { vocabulary_size: 40, hidden_size: 8, layers: 1, heads: 2, ..Default::default() };
        let config = DecoderConfig { intermediate_size: 8, context_length: 6, ..sizes };
        let model = Decoder::new(&config, 1, &Device::Cpu).unwrap();
        // Larger weights than at the start of training, so that context makes a difference.
        for (_, var) in model.parameters.iter() {
            var.set(&(var.as_tensor() * 20.0).unwrap()).unwrap();
        }
        let model = model.detached();
        let texts: Vec<Vec<u32>> = (1..30).map(|n| (0..n).map(|i| (7 * i + n) % 40).collect()).collect();
        let nats = |stride: Stride, at_once: bool| {
            let mut together = model.scorer(stride).unwrap();
            let mut sum = 0.0;
            for text in &texts {
                if at_once {
                    together.add(text, 1).unwrap();
                } else {
                    let mut alone = model.scorer(stride).unwrap();
                    alone.add(text, 1).unwrap();
                    sum += alone.finish().unwrap();
                }
            }
            sum + together.finish().unwrap()
        };
        for stride in [Stride::Window, Stride::HalfWindow, Stride::Tokens(1)] {
            let (one, many) = (nats(stride, false), nats(stride, true));
            assert!((one - many).abs() < 1e-4 * one, "{stride:?}: {one} {many}");
        }
        assert!((nats(Stride::Window, true) - nats(Stride::HalfWindow, true)).abs() > 1e-2);
    }
}
