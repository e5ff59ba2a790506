//! Recurrent language models: AWD-LSTM (Merity et al. 2018) and its quasi-recurrent sister, with the arithmetic of
//! fastai, in f32. The head is the embedding, with a bias of its own. The state is carried from window to window, and leads
//! back to nothing.
//!
//! [`weights`] has the names of the tensors, [`model`] what training and evaluation know, [`reading`] what generation does.

mod config;
mod memory;
mod model;
pub mod reading;
pub mod weights;

pub use config::{RecurrentConfig, RecurrentDropout, RecurrentLayout};

use crate::error::Result;
use crate::models::state::State;
use crate::nn::cross_entropy::Loss;
use crate::nn::{
    LstmSettings, LstmState, LstmWeights, QrnnState, dropout, embedding, embedding_dropout, linear, lstm, qrnn,
    smoothed_cross_entropy, variational_dropout,
};
use crate::parameters::Parameters;
use crate::precision::Precision::F32;
use crate::random::Key;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use tongues_pipeline::io::atomic;
use weights::{EMBEDDING, HEAD_BIAS, lstm_names, qrnn_names};

/// A recurrent language model: configuration and parameters.
#[derive(Debug, Clone)]
pub struct Recurrent {
    /// Sizes.
    pub config: RecurrentConfig,
    /// Weights, by fastai's names.
    pub parameters: Parameters,
    values: BTreeMap<String, Tensor>,
}

/// What a forward pass gives.
pub struct Hidden {
    /// The last layer's output (T, B, D).
    pub raw: Tensor,
    /// The same after its dropout.
    pub dropped: Tensor,
    /// After the last token.
    pub state: State,
}

impl Recurrent {
    /// New weights, a function of `seed` alone: embeddings uniform within ±0.1, layers within ±1 / √H (`qrnn`: of their
    /// inputs in place of H), the head's bias 0, as in fastai and PyTorch.
    pub fn new(config: &RecurrentConfig, seed: u64, device: &Device) -> Result<Recurrent> {
        config.check()?;
        let parameters = weights::new(config, Key::new(seed).named("initial values"), device)?;
        Recurrent::with_parameters(config, parameters)
    }

    /// A model over given parameters (of one type, on one device).
    pub fn with_parameters(config: &RecurrentConfig, parameters: Parameters) -> Result<Recurrent> {
        for weight in weights::weights(config) {
            parameters.get(&weight.name)?;
        }
        Ok(Recurrent { config: config.clone(), values: parameters.attached(), parameters })
    }

    /// The same weights without a graph, sharing storage: for evaluation and prediction.
    pub fn detached(&self) -> Recurrent {
        Recurrent { values: self.parameters.detached(), ..self.clone() }
    }

    /// Reads `config.json` and `model.safetensors`, written by [`Recurrent::save`].
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, a tensor that is missing, unknown or of another shape.
    pub fn load(folder: &Path, device: &Device) -> Result<Recurrent> {
        let config = RecurrentConfig::read(&folder.join("config.json"))?;
        let model = Recurrent::new(&config, 0, device)?;
        let path = folder.join("model.safetensors");
        model.parameters.take_values(weights::stored(&path, device)?, &path)?;
        Ok(model)
    }

    /// Writes `config.json` and `model.safetensors`.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let config = serde_json::to_vec_pretty(&self.config.to_json()).expect("a configuration is plain data");
        self.parameters.save(&folder.join("model.safetensors"))?;
        Ok(atomic::write(&folder.join("config.json"), &config)?)
    }

    fn value(&self, name: &str) -> &Tensor {
        self.values.get(name).expect("every name asked for was made in `new`")
    }

    /// The head: the embedding (V, D), and a bias (V).
    pub fn head(&self) -> (&Tensor, &Tensor) {
        (self.value(EMBEDDING), self.value(HEAD_BIAS))
    }

    /// Reads `ids` (B, T) u32 on from `state`. With a key, dropout is on.
    ///
    /// # Errors
    /// A state of other sizes.
    pub fn hidden(&self, ids: &Tensor, state: &State, key: Option<Key>) -> Result<Hidden> {
        let [output, hidden, input, rows, weight] = self.config.dropout.rates();
        let key = |place: u64| key.map(|key| key.stream(place));
        let ids = ids.t()?.contiguous()?;
        let x = embedding(&ids, self.value(EMBEDDING))?;
        let x = embedding_dropout(&x, &ids.flatten_all()?.to_vec1()?, rows, key(0))?;
        let mut x = variational_dropout(&x, input, key(1))?;
        let mut after = State::default();
        for layer in 0..self.config.layers {
            let places = 3 + 2 * layer as u64;
            if layer > 0 {
                x = variational_dropout(&x, hidden, key(places))?;
            }
            x = self.layer(&x, layer, (state, &mut after), weight, key(places + 1))?;
        }
        let dropped = variational_dropout(&x, output, key(2))?;
        Ok(Hidden { raw: x, dropped, state: after })
    }

    /// A layer of `x` (T, B, I), read on from the state before; its own goes into that after.
    fn layer(
        &self,
        x: &Tensor,
        layer: usize,
        (before, after): (&State, &mut State),
        rate: f64,
        key: Option<Key>,
    ) -> Result<Tensor> {
        match self.config.layout {
            RecurrentLayout::AwdLstm => {
                let names = lstm_names(layer);
                let [weight_ih, weight_hh, bias_ih, bias_hh] = names.each_ref().map(|name| self.value(name));
                let weight_hh = &dropout(weight_hh, rate, key)?;
                let weights = LstmWeights { weight_ih, weight_hh, bias_ih, bias_hh, weight_hr: None };
                let (out, state) = lstm(x, &weights, lstm_state(before, layer).as_ref(), LstmSettings::default())?;
                keep_lstm_state(after, layer, state);
                Ok(out)
            }
            RecurrentLayout::Qrnn => {
                let names = qrnn_names(layer);
                let [weight, bias] = names.each_ref().map(|name| self.value(name));
                let weight = dropout(weight, rate, key)?;
                let (out, state) = qrnn(x, &weight, bias, qrnn_state(before, layer).as_ref())?;
                keep_qrnn_state(after, layer, state);
                Ok(out)
            }
        }
    }

    /// Logits (B, T, V) of `ids` (B, T) on from `state`, and the state after them.
    pub fn logits(&self, ids: &Tensor, state: &State) -> Result<(Tensor, State)> {
        let Hidden { raw, state, .. } = self.hidden(ids, state, None)?;
        let (weight, bias) = self.head();
        Ok((linear(&raw.transpose(0, 1)?.contiguous()?, weight, F32)?.broadcast_add(bias)?, state))
    }

    /// Summed cross-entropy of `targets` (B·T, row by row) after `ids` (B, T), read on from `state`, and the state after
    /// them; targets equal to `ignore` do not count. With a key, dropout is on and the regularisation of the activations
    /// is part of the loss, once for each target that counts.
    pub fn loss(
        &self,
        ids: &Tensor,
        targets: &[u32],
        ignore: Option<u32>,
        state: &State,
        key: Option<Key>,
    ) -> Result<(Loss, State)> {
        let (b, t) = ids.dims2()?;
        let Hidden { raw, dropped, state } = self.hidden(ids, state, key)?;
        // Time first, as the states are.
        let targets: Vec<u32> = (0..t).flat_map(|step| (0..b).map(move |row| targets[row * t + step])).collect();
        let (weight, bias) = self.head();
        let mut loss =
            smoothed_cross_entropy(&dropped.flatten(0, 1)?, (weight, Some(bias)), &targets, ignore, 0.0, F32)?;
        if key.is_some() {
            for (size, activations) in self.regularisation(&raw, &dropped)? {
                loss.sum = (loss.sum + (activations.sqr()?.mean_all()? * (size * loss.rows as f64))?)?;
            }
        }
        Ok((loss, state))
    }

    /// What is to be small, each with the weight of its mean square.
    fn regularisation(&self, raw: &Tensor, dropped: &Tensor) -> Result<Vec<(f64, Tensor)>> {
        let t = raw.dim(0)?;
        let mut all = Vec::new();
        if self.config.activation_regularisation > 0.0 {
            all.push((self.config.activation_regularisation, dropped.clone()));
        }
        if self.config.temporal_activation_regularisation > 0.0 && t > 1 {
            let change = (raw.narrow(0, 1, t - 1)? - raw.narrow(0, 0, t - 1)?)?;
            all.push((self.config.temporal_activation_regularisation, change));
        }
        Ok(all)
    }

    /// Copy in another type, for gradient checks in f64.
    pub fn to_dtype(&self, dtype: DType) -> Result<Recurrent> {
        Recurrent::with_parameters(&self.config, self.parameters.to_dtype(dtype)?)
    }
}

/// Name of a part of a layer's state.
fn part(layer: usize, name: &str) -> String {
    format!("{layer}.{name}")
}

fn lstm_state(state: &State, layer: usize) -> Option<LstmState> {
    let get = |name| state.get(&part(layer, name)).cloned();
    Some(LstmState { hidden: get("hidden")?, cell: get("cell")? })
}

fn keep_lstm_state(to: &mut State, layer: usize, LstmState { hidden, cell }: LstmState) {
    to.insert(part(layer, "hidden"), hidden);
    to.insert(part(layer, "cell"), cell);
}

fn qrnn_state(state: &State, layer: usize) -> Option<QrnnState> {
    let get = |name| state.get(&part(layer, name)).cloned();
    Some(QrnnState { cell: get("cell")?, input: get("input") })
}

fn keep_qrnn_state(to: &mut State, layer: usize, QrnnState { cell, input }: QrnnState) {
    to.insert(part(layer, "cell"), cell);
    if let Some(input) = input {
        to.insert(part(layer, "input"), input);
    }
}

#[cfg(test)]
mod tests;
