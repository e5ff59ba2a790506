//! Recurrent language models: AWD-LSTM (Merity et al. 2018) and its quasi-recurrent sister, with the arithmetic of
//! fastai, in f32. The head is the embedding, with a bias of its own. The state is carried from window to window, and leads back
//! to nothing.
//!
//! Tensors have the names of fastai's checkpoints: `0.encoder.weight` (V, D); of each layer
//! `0.rnns.N.weight_hh_l0_raw` and `0.rnns.N.module.{weight_ih_l0,bias_ih_l0,bias_hh_l0}`, or in a `qrnn`
//! `0.rnns.N.layers.0.linear.weight_raw` and `0.rnns.N.layers.0.linear.module.bias`; and `1.decoder.bias`. Its copies
//! of a tensor under a second name (the tied head, weights after their dropout) are not stored, and passed over when read.

mod config;

pub use config::{Architecture, RecurrentConfig, RecurrentDropout};

use crate::error::Result;
use crate::nn::cross_entropy::Loss;
use crate::nn::{
    LstmSettings, LstmState, LstmWeights, QrnnState, dropout, embedding, embedding_dropout, linear, lstm, qrnn,
    smoothed_cross_entropy, variational_dropout,
};
use crate::parameters::{self, Parameters};
use crate::precision::Precision::F32;
use crate::random::Key;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;

const EMBEDDING: &str = "0.encoder.weight";
const HEAD_BIAS: &str = "1.decoder.bias";
/// Bound of new embeddings.
const EMBEDDING_BOUND: f64 = 0.1;

/// A recurrent language model: configuration and parameters.
#[derive(Debug, Clone)]
pub struct Recurrent {
    /// Sizes.
    pub config: RecurrentConfig,
    /// Weights, by fastai's names.
    pub parameters: Parameters,
    values: BTreeMap<String, Tensor>,
}

/// What the layers remember of what they have read, by layer.
#[derive(Debug, Clone)]
pub struct RecurrentState(Vec<LayerState>);

#[derive(Debug, Clone)]
enum LayerState {
    Lstm(LstmState),
    Qrnn(QrnnState),
}

/// What a forward pass gives.
pub struct Hidden {
    /// The last layer's output (T, B, D).
    pub raw: Tensor,
    /// The same after its dropout.
    pub dropped: Tensor,
    /// After the last token.
    pub state: RecurrentState,
}

impl Recurrent {
    /// New weights, a function of `seed` alone: embeddings uniform within ±0.1, layers within ±1 / √H (`qrnn`: of their
    /// inputs in place of H), the head's bias 0, as in fastai and PyTorch.
    pub fn new(config: &RecurrentConfig, seed: u64, device: &Device) -> Result<Recurrent> {
        config.check()?;
        let (key, mut parameters) = (Key::new(seed).named("initial values"), Parameters::new());
        let (v, d) = (config.vocabulary_size, config.embedding_size);
        parameters.uniform(EMBEDDING, &[v, d], EMBEDDING_BOUND, key, device)?;
        parameters.mark_embedding(EMBEDDING);
        parameters.zeros(HEAD_BIAS, &[v], device)?;
        for layer in 0..config.layers {
            let ((inputs, h), window) = (config.widths(layer), config.window(layer));
            let (shapes, fan): (Vec<(String, Vec<usize>)>, usize) = match config.architecture {
                Architecture::AwdLstm => {
                    let shapes = [vec![4 * h, inputs], vec![4 * h, h], vec![4 * h], vec![4 * h]];
                    (lstm_names(layer).into_iter().zip(shapes).collect(), h)
                }
                Architecture::Qrnn => {
                    let shapes = [vec![3 * h, window * inputs], vec![3 * h]];
                    (qrnn_names(layer).into_iter().zip(shapes).collect(), window * inputs)
                }
            };
            for (name, shape) in shapes {
                parameters.uniform(&name, &shape, (fan as f64).powf(-0.5), key, device)?;
            }
        }
        Recurrent::with_parameters(config, parameters)
    }

    /// A model over given parameters (of one type, on one device).
    pub fn with_parameters(config: &RecurrentConfig, parameters: Parameters) -> Result<Recurrent> {
        parameters.get(EMBEDDING)?;
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
        let path = folder.join("config.json");
        let bytes = std::fs::read(&path).map_err(FileError::io("read", &path))?;
        let config: RecurrentConfig = serde_json::from_slice(&bytes).map_err(FileError::format(&path))?;
        let model = Recurrent::new(&config, 0, device)?;
        let path = folder.join("model.safetensors");
        let mut stored = parameters::load(&path, device)?;
        stored.retain(|name, _| !is_copy(name));
        model.parameters.take_values(stored, &path)?;
        Ok(model)
    }

    /// Writes `config.json` and `model.safetensors`.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let config = serde_json::to_vec_pretty(&self.config).expect("a configuration is plain data");
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

    /// Reads `ids` (B, T) u32 on from `state`, or from nothing. With a key, dropout is on.
    ///
    /// # Errors
    /// A state of other sizes.
    pub fn hidden(&self, ids: &Tensor, state: Option<&RecurrentState>, key: Option<Key>) -> Result<Hidden> {
        let [output, hidden, input, rows, weight] = self.config.dropout.rates();
        let key = |place: u64| key.map(|key| key.stream(place));
        let ids = ids.t()?.contiguous()?;
        let x = embedding(&ids, self.value(EMBEDDING))?;
        let x = embedding_dropout(&x, &ids.flatten_all()?.to_vec1()?, rows, key(0))?;
        let mut x = variational_dropout(&x, input, key(1))?;
        let mut states = Vec::with_capacity(self.config.layers);
        for layer in 0..self.config.layers {
            let places = 3 + 2 * layer as u64;
            if layer > 0 {
                x = variational_dropout(&x, hidden, key(places))?;
            }
            let before = state.and_then(|state| state.0.get(layer));
            let (out, after) = self.layer(&x, layer, before, weight, key(places + 1))?;
            x = out;
            states.push(after);
        }
        let dropped = variational_dropout(&x, output, key(2))?;
        Ok(Hidden { raw: x, dropped, state: RecurrentState(states) })
    }

    fn layer(
        &self,
        x: &Tensor,
        layer: usize,
        state: Option<&LayerState>,
        rate: f64,
        key: Option<Key>,
    ) -> Result<(Tensor, LayerState)> {
        match self.config.architecture {
            Architecture::AwdLstm => {
                let names = lstm_names(layer);
                let [weight_ih, weight_hh, bias_ih, bias_hh] = names.each_ref().map(|name| self.value(name));
                let weight_hh = &dropout(weight_hh, rate, key)?;
                let weights = LstmWeights { weight_ih, weight_hh, bias_ih, bias_hh, weight_hr: None };
                let state =
                    state.and_then(|state| if let LayerState::Lstm(state) = state { Some(state) } else { None });
                let (out, state) = lstm(x, &weights, state, LstmSettings::default())?;
                Ok((out, LayerState::Lstm(state)))
            }
            Architecture::Qrnn => {
                let names = qrnn_names(layer);
                let [weight, bias] = names.each_ref().map(|name| self.value(name));
                let state =
                    state.and_then(|state| if let LayerState::Qrnn(state) = state { Some(state) } else { None });
                let (out, state) = qrnn(x, &dropout(weight, rate, key)?, bias, state)?;
                Ok((out, LayerState::Qrnn(state)))
            }
        }
    }

    /// Logits (B, T, V) of `ids` (B, T) on from `state`, and the state after them.
    pub fn logits(&self, ids: &Tensor, state: Option<&RecurrentState>) -> Result<(Tensor, RecurrentState)> {
        let Hidden { raw, state, .. } = self.hidden(ids, state, None)?;
        let (weight, bias) = self.head();
        Ok((linear(&raw.transpose(0, 1)?.contiguous()?, weight, F32)?.broadcast_add(bias)?, state))
    }

    /// Summed cross-entropy of `targets` (B·T, row by row) after `ids` (B, T), read on from `state`, and the state after
    /// them; targets equal to `ignore` do not count. With a key, dropout is on and the regularisation of the activations
    /// is part of the loss, once for each target that counts.
    pub fn loss_from(
        &self,
        state: Option<&RecurrentState>,
        ids: &Tensor,
        targets: &[u32],
        ignore: Option<u32>,
        key: Option<Key>,
    ) -> Result<(Loss, RecurrentState)> {
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

    /// As [`Recurrent::loss_from`], from no state: every window begins anew.
    pub fn loss(&self, ids: &Tensor, targets: &[u32], ignore: Option<u32>, key: Option<Key>) -> Result<Loss> {
        Ok(self.loss_from(None, ids, targets, ignore, key)?.0)
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

/// Of the input, of the state, biases.
fn lstm_names(layer: usize) -> [String; 4] {
    let module = |name: &str| format!("0.rnns.{layer}.module.{name}_l0");
    let state = format!("0.rnns.{layer}.weight_hh_l0_raw");
    [module("weight_ih"), state, module("bias_ih"), module("bias_hh")]
}

/// Weight and bias of the gates.
fn qrnn_names(layer: usize) -> [String; 2] {
    ["weight_raw", "module.bias"].map(|name| format!("0.rnns.{layer}.layers.0.linear.{name}"))
}

/// Whether fastai stores under this name what another name holds too.
fn is_copy(name: &str) -> bool {
    let dropped = [".module.weight_hh_l0", ".linear.module.weight"].iter().any(|ending| name.ends_with(ending));
    dropped || ["0.encoder_dp.emb.weight", "1.decoder.weight"].contains(&name)
}

#[cfg(test)]
mod tests;
