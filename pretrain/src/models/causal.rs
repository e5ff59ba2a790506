//! What evaluation and generation know of a model that goes on with a text, beside [`Model`].

use crate::error::Result;
use crate::evaluate::WindowSettings;
use crate::evaluate::scorer::Scorer;
use crate::evaluate::windows::{Stride, WindowScorer};
use crate::generate::reader::Reader;
use crate::generate::window_reader::WindowReader;
use crate::models::Model;
use crate::models::decoder::Decoder;
use crate::nn::linear;
use crate::precision::Precision::F32;
use candle_core::Tensor;

/// A model that tells the next token from those before.
pub trait Causal: Model {
    /// As [`Model::detached`].
    fn detached_causal(&self) -> Box<dyn Causal>;

    /// Logits (…, V) of final states (…, D), for evaluation.
    fn logits_of(&self, states: &Tensor) -> Result<Tensor>;

    /// How texts longer than a window are scored.
    ///
    /// # Errors
    /// A stride that the model does not allow.
    fn window_settings(&self, stride: Stride) -> Result<WindowSettings>;

    /// What sums up the nats of texts. `self` is best detached: no gradient is wanted.
    ///
    /// # Errors
    /// A stride that the model does not allow.
    fn scorer(&self, stride: Stride) -> Result<Box<dyn Scorer + '_>>;

    /// Reads `prompt`, a single text after which at most `tokens` more will come; gives the logits after it.
    ///
    /// # Errors
    /// No prompt, or one longer than the model takes.
    fn reader(&self, prompt: &[u32], tokens: usize) -> Result<(Box<dyn Reader + '_>, Vec<f32>)>;
}

impl Causal for Decoder {
    fn detached_causal(&self) -> Box<dyn Causal> {
        Box::new(Decoder::detached(self))
    }

    fn logits_of(&self, states: &Tensor) -> Result<Tensor> {
        linear(states, self.head(), F32)
    }

    fn window_settings(&self, stride: Stride) -> Result<WindowSettings> {
        let length = self.config.context_length;
        Ok(WindowSettings::overlapping(length, stride.tokens(length)?))
    }

    fn scorer(&self, stride: Stride) -> Result<Box<dyn Scorer + '_>> {
        Ok(Box::new(WindowScorer::new(self, stride)?))
    }

    fn reader(&self, prompt: &[u32], tokens: usize) -> Result<(Box<dyn Reader + '_>, Vec<f32>)> {
        let (reader, logits) = WindowReader::begin(self, prompt, tokens)?;
        Ok((Box::new(reader), logits))
    }
}
