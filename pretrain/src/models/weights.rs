//! Every trainable tensor of a layout: its name and shape in Hugging Face's checkpoints, and how it begins.

use crate::error::Result;
use crate::models::config::DecoderConfig;
use crate::models::layout::Layout;
use crate::parameters::{self, Parameters};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of a head that is not the embedding.
pub const HEAD: &str = "lm_head.weight";
/// Deviation of new weights (Radford et al. 2019).
pub(crate) const DEVIATION: f64 = 0.02;

/// A tensor before it has values.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// Hugging Face's.
    pub name: String,
    /// As stored.
    pub shape: Vec<usize>,
    /// Its values in a new model.
    pub first: First,
    /// Whether its rows are looked up: tokens or positions.
    pub is_embedding: bool,
}

/// Values of a tensor in a new model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum First {
    /// Normal of mean 0 and this deviation.
    Normal(f64),
    /// 1.
    Ones,
    /// 0.
    Zeros,
}

/// All tensors of a decoder.
pub fn weights(config: &DecoderConfig) -> Vec<Weight> {
    let (d, v, layout) = (config.hidden_size, config.vocabulary_size, config.layout);
    let mut all = vec![Weight { is_embedding: true, ..normal(layout.embedding(), &[v, d], DEVIATION) }];
    if let Some(name) = layout.positions() {
        all.push(Weight { is_embedding: true, ..normal(name, &[config.context_length, d], DEVIATION) });
    }
    for layer in 0..config.layers {
        let block = if layout.is_gpt() { gpt_block(config) } else { gated_block(config) };
        let prefix = layout.block(layer);
        all.extend(block.into_iter().map(|weight| Weight { name: format!("{prefix}{}", weight.name), ..weight }));
    }
    match layout {
        Layout::Llama | Layout::Qwen3 => all.push(ones("model.norm.weight", d)),
        Layout::Gpt2 => all.extend([ones("transformer.ln_f.weight", d), zeros("transformer.ln_f.bias", d)]),
        Layout::Gpt1 => {}
    }
    if !config.tied_embeddings {
        all.push(normal(HEAD, &[v, d], DEVIATION));
    }
    all
}

/// New parameters; the values of each depend on (key, name) alone.
pub(crate) fn new(weights: Vec<Weight>, key: crate::random::Key, device: &Device) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    for Weight { name, shape, first, is_embedding } in weights {
        match first {
            First::Normal(deviation) => parameters.normal(&name, &shape, deviation, key, device)?,
            First::Ones => parameters.ones(&name, &shape, device)?,
            First::Zeros => parameters.zeros(&name, &shape, device)?,
        }
        if is_embedding {
            parameters.mark_embedding(&name);
        }
    }
    Ok(parameters)
}

/// Tensors of a file, or of its parts, by this crate's names. `transformers` leaves the prefix out when it saves a model without a head,
/// and older versions of it stored the causal mask, the rotary frequencies and a second copy of a tied head.
pub(crate) fn stored(config: &DecoderConfig, path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let mut stored = parameters::load_parts(path, device)?;
    let computed = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"];
    stored.retain(|name, _| !computed.iter().any(|ending| name.ends_with(ending)));
    if config.tied_embeddings {
        stored.remove(HEAD);
    }
    if stored.contains_key(config.layout.embedding()) {
        return Ok(stored);
    }
    let with_prefix = |name: String| if name == HEAD { name } else { config.layout.prefix().to_owned() + &name };
    Ok(stored.into_iter().map(|(name, tensor)| (with_prefix(name), tensor)).collect())
}

pub(crate) fn normal(name: &str, shape: &[usize], deviation: f64) -> Weight {
    Weight { name: name.to_owned(), shape: shape.to_vec(), first: First::Normal(deviation), is_embedding: false }
}

pub(crate) fn ones(name: &str, width: usize) -> Weight {
    Weight { first: First::Ones, ..normal(name, &[width], 0.0) }
}

pub(crate) fn zeros(name: &str, width: usize) -> Weight {
    Weight { first: First::Zeros, ..normal(name, &[width], 0.0) }
}

/// Deviation of the maps that end a residual branch: 0.02 / √(2 · layers) (Radford et al. 2019); GPT did not yet have it.
fn ending(config: &DecoderConfig) -> f64 {
    if config.layout == Layout::Gpt1 { DEVIATION } else { DEVIATION / (2.0 * config.layers as f64).sqrt() }
}

/// Llama's and Qwen3's block: maps (O, I), no biases.
fn gated_block(config: &DecoderConfig) -> Vec<Weight> {
    let (d, f, k) = (config.hidden_size, config.intermediate_size, config.width_of_head());
    let (queries, keys) = (config.heads * k, config.heads_of_keys() * k);
    let mut block = vec![
        ones("input_layernorm.weight", d),
        normal("self_attn.q_proj.weight", &[queries, d], DEVIATION),
        normal("self_attn.k_proj.weight", &[keys, d], DEVIATION),
        normal("self_attn.v_proj.weight", &[keys, d], DEVIATION),
        normal("self_attn.o_proj.weight", &[d, queries], ending(config)),
        ones("post_attention_layernorm.weight", d),
        normal("mlp.gate_proj.weight", &[f, d], DEVIATION),
        normal("mlp.up_proj.weight", &[f, d], DEVIATION),
        normal("mlp.down_proj.weight", &[d, f], ending(config)),
    ];
    if config.layout == Layout::Qwen3 {
        block.extend(["q_norm", "k_norm"].map(|name| ones(&format!("self_attn.{name}.weight"), k)));
    }
    block
}

/// GPT's and GPT-2's block: maps (I, O) with biases.
fn gpt_block(config: &DecoderConfig) -> Vec<Weight> {
    let (d, f) = (config.hidden_size, config.intermediate_size);
    let maps = [
        ("attn.c_attn", [d, 3 * d], DEVIATION),
        ("attn.c_proj", [d, d], ending(config)),
        ("mlp.c_fc", [d, f], DEVIATION),
        ("mlp.c_proj", [f, d], ending(config)),
    ];
    let maps = maps.iter().flat_map(|(name, shape, deviation)| {
        [normal(&format!("{name}.weight"), shape, *deviation), zeros(&format!("{name}.bias"), shape[1])]
    });
    let norms = ["ln_1", "ln_2"].map(|name| [ones(&format!("{name}.weight"), d), zeros(&format!("{name}.bias"), d)]);
    maps.chain(norms.into_iter().flatten()).collect()
}
