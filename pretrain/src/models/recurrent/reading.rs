//! Reading texts token by token, forward only, with the state as all that is kept of what was read.
//!
//! A step is computed by maps of a few rows, so that a text's logits are the same to the bit whatever is beside it. The
//! tests of `generate` hold it against the whole text read at once.

use super::weights::{EMBEDDING, lstm_names, qrnn_names};
use super::{Hidden, Recurrent, RecurrentLayout, keep_lstm_state, keep_qrnn_state, lstm_state, qrnn_state};
use crate::error::{Error, Result};
use crate::generate::reader::Reader;
use crate::models::state::State;
use crate::nn::few_rows::linear;
use crate::nn::{LstmState, QrnnState, embedding};
use candle_core::{D, DType, Tensor};
use candle_nn::ops::sigmoid;

/// Texts and what the model remembers of them.
#[derive(Debug)]
pub struct StateReader<'model> {
    model: &'model Recurrent,
    state: State,
}

impl<'model> StateReader<'model> {
    /// Reads `prompt`, a single text of any length; gives the logits after it.
    ///
    /// # Errors
    /// No prompt.
    pub fn begin(model: &'model Recurrent, prompt: &[u32]) -> Result<(StateReader<'model>, Vec<f32>)> {
        if prompt.is_empty() {
            return Err(Error::Settings("a prompt of 0 tokens; expected 1 or more, with `<s>`".to_owned()));
        }
        let mut reader = StateReader { model, state: State::default() };
        let mut last = None;
        for part in prompt.chunks(model.config.sequence_length) {
            let ids = Tensor::from_slice(part, (1, part.len()), model.head().0.device())?;
            let Hidden { raw, state, .. } = model.hidden(&ids, &reader.state, None)?;
            reader.state = state;
            last = Some(raw.get(part.len() - 1)?);
        }
        let mut logits = reader.logits(&last.expect("a prompt of one token and more"))?;
        Ok((reader, logits.pop().expect("one row")))
    }

    /// Of states (B, D).
    fn logits(&self, states: &Tensor) -> Result<Vec<Vec<f32>>> {
        let (weight, bias) = self.model.head();
        Ok(linear(&states.contiguous()?, weight)?.broadcast_add(bias)?.to_dtype(DType::F32)?.to_vec2()?)
    }
}

impl<'model> Reader for StateReader<'model> {
    fn end(&self) -> u32 {
        self.model.config.end
    }

    fn select<'a>(&self, rows: &[usize]) -> Result<Box<dyn Reader + 'a>>
    where
        Self: 'a,
    {
        let ids: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
        let rows = Tensor::new(ids, self.model.head().0.device())?;
        Ok(Box::new(StateReader { model: self.model, state: self.state.select(&rows)? }))
    }

    fn read(&mut self, next: &[u32]) -> Result<Vec<Vec<f32>>> {
        let (last, state) = self.model.step(next, &self.state)?;
        self.state = state;
        self.logits(&last)
    }
}

impl Recurrent {
    /// One more token of each text: the last layer's output (B, D), and the state after it.
    fn step(&self, next: &[u32], before: &State) -> Result<(Tensor, State)> {
        let ids = Tensor::from_slice(next, (next.len(), 1), self.head().0.device())?;
        let mut x = embedding(&ids, self.value(EMBEDDING))?.squeeze(1)?;
        let mut after = State::default();
        for layer in 0..self.config.layers {
            x = match self.config.layout {
                RecurrentLayout::AwdLstm => self.lstm_step(&x, layer, before, &mut after)?,
                RecurrentLayout::Qrnn => self.qrnn_step(&x, layer, before, &mut after)?,
            };
        }
        Ok((x, after))
    }

    fn lstm_step(&self, x: &Tensor, layer: usize, before: &State, after: &mut State) -> Result<Tensor> {
        let names = lstm_names(layer);
        let [weight_ih, weight_hh, bias_ih, bias_hh] = names.each_ref().map(|name| self.value(name));
        let LstmState { hidden, cell } = lstm_state(before, layer).expect("a text that has begun has a state");
        let bias = (bias_ih + bias_hh)?;
        let gates = (linear(x, weight_ih)? + linear(&hidden, weight_hh)?)?.broadcast_add(&bias)?;
        let gates = gates.chunk(4, D::Minus1)?;
        let gate = |number: usize| sigmoid(&gates[number].contiguous()?);
        let cell = ((gate(1)? * cell)? + (gate(0)? * gates[2].tanh()?)?)?;
        let hidden = (gate(3)? * cell.tanh()?)?;
        keep_lstm_state(after, layer, LstmState { hidden: hidden.clone(), cell });
        Ok(hidden)
    }

    fn qrnn_step(&self, x: &Tensor, layer: usize, before: &State, after: &mut State) -> Result<Tensor> {
        let names = qrnn_names(layer);
        let [weight, bias] = names.each_ref().map(|name| self.value(name));
        let QrnnState { cell, input } = qrnn_state(before, layer).expect("a text that has begun has a state");
        let source = match &input {
            Some(input) => Tensor::cat(&[x, input], D::Minus1)?,
            None => x.clone(),
        };
        let gates = linear(&source, weight)?.broadcast_add(bias)?.chunk(3, D::Minus1)?;
        let gate = |number: usize| sigmoid(&gates[number].contiguous()?);
        let forget = gate(1)?;
        let cell = ((&forget * gates[0].tanh()?)? + ((1.0 - &forget)? * cell)?)?;
        let out = (gate(2)? * &cell)?;
        keep_qrnn_state(after, layer, QrnnState { cell, input: input.map(|_| x.clone()) });
        Ok(out)
    }
}
