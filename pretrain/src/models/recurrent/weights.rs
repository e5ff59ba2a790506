//! Every trainable tensor of a recurrent model: its name and shape in fastai's checkpoints, and how it begins.
//!
//! `0.encoder.weight` (V, D); of each layer `0.rnns.N.weight_hh_l0_raw` and
//! `0.rnns.N.module.{weight_ih_l0,bias_ih_l0,bias_hh_l0}`, or in a `qrnn` `0.rnns.N.layers.0.linear.weight_raw` and
//! `0.rnns.N.layers.0.linear.module.bias`; and `1.decoder.bias`. fastai's copies of a tensor under a second name (the tied
//! head, weights after their dropout) are not stored, and passed over when read.

use super::{RecurrentConfig, RecurrentLayout};
use crate::error::Result;
use crate::parameters::{self, Parameters};
use crate::random::Key;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the embedding (V, D), which is the head too.
pub const EMBEDDING: &str = "0.encoder.weight";
/// Name of the head's bias (V).
pub const HEAD_BIAS: &str = "1.decoder.bias";
/// Bound of new embeddings.
const EMBEDDING_BOUND: f64 = 0.1;

/// A tensor before it has values.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// fastai's.
    pub name: String,
    /// As stored.
    pub shape: Vec<usize>,
    /// In a new model its values are uniform within ± this.
    pub bound: f64,
}

/// All tensors of a model.
pub fn weights(config: &RecurrentConfig) -> Vec<Weight> {
    let (v, d) = (config.vocabulary_size, config.embedding_size);
    let mut all = vec![
        Weight { name: EMBEDDING.to_owned(), shape: vec![v, d], bound: EMBEDDING_BOUND },
        Weight { name: HEAD_BIAS.to_owned(), shape: vec![v], bound: 0.0 },
    ];
    for layer in 0..config.layers {
        let ((inputs, h), window) = (config.widths(layer), config.window(layer));
        let (shapes, fan): (Vec<(String, Vec<usize>)>, usize) = match config.layout {
            RecurrentLayout::AwdLstm => {
                let shapes = [vec![4 * h, inputs], vec![4 * h, h], vec![4 * h], vec![4 * h]];
                (lstm_names(layer).into_iter().zip(shapes).collect(), h)
            }
            RecurrentLayout::Qrnn => {
                let shapes = [vec![3 * h, window * inputs], vec![3 * h]];
                (qrnn_names(layer).into_iter().zip(shapes).collect(), window * inputs)
            }
        };
        let bound = (fan as f64).powf(-0.5);
        all.extend(shapes.into_iter().map(|(name, shape)| Weight { name, shape, bound }));
    }
    all
}

/// New parameters; the values of each depend on (key, name) alone.
pub(super) fn new(config: &RecurrentConfig, key: Key, device: &Device) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    for Weight { name, shape, bound } in weights(config) {
        if bound == 0.0 {
            parameters.zeros(&name, &shape, device)?;
        } else {
            parameters.uniform(&name, &shape, bound, key, device)?;
        }
    }
    parameters.mark_embedding(EMBEDDING);
    Ok(parameters)
}

/// Tensors of a file without fastai's copies.
pub(super) fn stored(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let mut stored = parameters::load(path, device)?;
    stored.retain(|name, _| !is_copy(name));
    Ok(stored)
}

/// Of the input, of the state, biases.
pub(super) fn lstm_names(layer: usize) -> [String; 4] {
    let module = |name: &str| format!("0.rnns.{layer}.module.{name}_l0");
    let state = format!("0.rnns.{layer}.weight_hh_l0_raw");
    [module("weight_ih"), state, module("bias_ih"), module("bias_hh")]
}

/// Weight and bias of the gates.
pub(super) fn qrnn_names(layer: usize) -> [String; 2] {
    ["weight_raw", "module.bias"].map(|name| format!("0.rnns.{layer}.layers.0.linear.{name}"))
}

/// Whether fastai stores under this name what another name holds too.
fn is_copy(name: &str) -> bool {
    let dropped = [".module.weight_hh_l0", ".linear.module.weight"].iter().any(|ending| name.ends_with(ending));
    dropped || ["0.encoder_dp.emb.weight", "1.decoder.weight"].contains(&name)
}
