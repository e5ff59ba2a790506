//! A decoder that reads texts token by token, with the keys and values of what it has read.
//!
//! When the context is full, the window slides: the last half of its tokens is read again as a window of its own, in one
//! pass, and reading goes on after it. So a token has at least half a context before it, as in
//! [`crate::evaluate::windows`], `<s>` is gone from then on, and a slide costs about as much as a prompt of half a context.

use super::reader::Reader;
use crate::error::{Error, Result};
use crate::models::decoder::Decoder;
use crate::nn::few_rows::linear;
use crate::nn::key_values::KeyValues;
use candle_core::{DType, Tensor};

/// Texts of one length.
#[derive(Debug)]
pub struct WindowReader<'model> {
    decoder: &'model Decoder,
    cache: Vec<KeyValues>,
    /// What is in the window, row by row.
    windows: Vec<Vec<u32>>,
    /// Tokens the cache has room for.
    room: usize,
}

impl<'model> WindowReader<'model> {
    /// Reads `prompt`, a single text after which at most `tokens` more will come; gives the logits after it.
    ///
    /// # Errors
    /// No prompt, or one longer than the context.
    pub fn begin(decoder: &'model Decoder, prompt: &[u32], tokens: usize) -> Result<(WindowReader<'model>, Vec<f32>)> {
        let context = decoder.config.context_length;
        if prompt.is_empty() || prompt.len() > context {
            let found = prompt.len();
            return Err(Error::Settings(format!(
                "a prompt of {found} tokens; expected 1 to {context}, the model's context, with `<s>`"
            )));
        }
        let room = context.min(prompt.len() + tokens);
        let mut reader = WindowReader { decoder, cache: decoder.cache(1, room)?, windows: vec![prompt.to_vec()], room };
        let ids = Tensor::from_slice(prompt, (1, prompt.len()), decoder.head().device())?;
        let hidden = decoder.hidden_after(&ids, &mut reader.cache)?;
        let mut logits = reader.logits(&hidden)?;
        Ok((reader, logits.pop().expect("one row")))
    }

    /// Reads the last half of each full window again. Each alone: a row is computed the same whatever is beside it.
    fn slide(&mut self) -> Result<Tensor> {
        let half = (self.decoder.config.context_length / 2).max(1);
        let (mut caches, mut last) = (Vec::new(), Vec::new());
        for window in &mut self.windows {
            window.drain(..window.len() - half);
            let ids = Tensor::from_slice(window, (1, half), self.decoder.head().device())?;
            let mut cache = self.decoder.cache(1, self.room)?;
            last.push(self.decoder.hidden_after(&ids, &mut cache)?.narrow(1, half - 1, 1)?);
            caches.push(cache.into_iter());
        }
        let layers = (0..self.cache.len()).map(|_| {
            let of_layer: Vec<KeyValues> = caches.iter_mut().filter_map(Iterator::next).collect();
            KeyValues::stack(&of_layer)
        });
        self.cache = layers.collect::<Result<_>>()?;
        Ok(Tensor::cat(&last, 0)?)
    }

    /// Of the last of the states (B, t, D).
    fn logits(&self, hidden: &Tensor) -> Result<Vec<Vec<f32>>> {
        let last = hidden.narrow(1, hidden.dim(1)? - 1, 1)?.squeeze(1)?.contiguous()?;
        Ok(linear(&last, self.decoder.head())?.to_dtype(DType::F32)?.to_vec2()?)
    }
}

impl Reader for WindowReader<'_> {
    fn end(&self) -> u32 {
        self.decoder.config.end
    }

    fn select<'a>(&self, rows: &[usize]) -> Result<Box<dyn Reader + 'a>>
    where
        Self: 'a,
    {
        let ids: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
        let ids = Tensor::new(ids, self.decoder.head().device())?;
        let cache = self.cache.iter().map(|layer| layer.select(&ids)).collect::<Result<_>>()?;
        let windows = rows.iter().map(|row| self.windows[*row].clone()).collect();
        Ok(Box::new(WindowReader { cache, windows, ..*self }))
    }

    fn read(&mut self, next: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.windows.iter_mut().zip(next).for_each(|(window, token)| window.push(*token));
        let device = self.decoder.head().device();
        let hidden = if self.windows.iter().any(|window| window.len() > self.decoder.config.context_length) {
            self.slide()?
        } else {
            let ids = Tensor::from_slice(next, (next.len(), 1), device)?;
            self.decoder.hidden_after(&ids, &mut self.cache)?
        };
        self.logits(&hidden)
    }
}
