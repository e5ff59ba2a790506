//! What this crate computes with a model folder (`logits`, `loss`, `grad.NAME`), for comparing with another
//! implementation: `parity MODEL_DIR IDS.json OUT.safetensors [--layout LAYOUT] [--tied] [--shared] [--squared] [--read]`.
//!
//! The folder is written first, with a small model of `LAYOUT` (`llama`, `qwen3`, `gpt2`, `gpt1`, `roberta`,
//! `xlm-roberta`); with `--tied` its head is the embedding, with `--shared` two heads of queries share one of keys and heads
//! are wider than D / H, with `--squared` the activation is the square of ReLU. With `--read` the folder is there already.
//! The label of a place is the next token, or with an encoder the token itself.

use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tongues_pretrain::models::decoder::{Decoder, DecoderConfig, Layout};
use tongues_pretrain::models::encoder::{Encoder, EncoderConfig};
use tongues_pretrain::models::layout::Activation;
use tongues_pretrain::models::{self, ModelConfig};
use tongues_pretrain::nn::Seen;
use tongues_pretrain::nn::cross_entropy::Loss;
use tongues_pretrain::parameters;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn config(words: &[String]) -> Result<ModelConfig> {
    let has = |flag: &str| words.iter().any(|word| word == flag);
    let name = words.iter().position(|word| word == "--layout").and_then(|at| words.get(at + 1));
    let name = name.map_or("llama", String::as_str);
    if let Ok(layout) = serde_json::from_value(name.into()) {
        // The special ids and the first position are RoBERTa's.
        let special = EncoderConfig { layout, beginning: 0, padding: 1, end: 2, ..Default::default() };
        return Ok(EncoderConfig { norm_epsilon: 2e-5, ..special }.for_vocabulary(299)?.into());
    }
    let layout: Layout = serde_json::from_value(name.into())?;
    let mut config = DecoderConfig {
        layout,
        vocabulary_size: 300,
        tied_embeddings: has("--tied"),
        rope_theta: 5000.0,
        norm_epsilon: 2e-5,
        ..Default::default()
    };
    if layout.is_gpt() {
        config.intermediate_size = 4 * config.hidden_size;
    }
    config.activation = has("--squared").then_some(Activation::ReluSquared);
    if has("--shared") {
        (config.key_value_heads, config.head_width) = (Some(config.heads / 2), Some(80));
    }
    Ok(config.into())
}

/// Logits and loss of `ids` (B, T), whose rows are `rows`.
fn compute(folder: &Path, ids: &Tensor, rows: &[Vec<u32>]) -> Result<(parameters::Parameters, Tensor, Loss)> {
    match ModelConfig::read(&folder.join("config.json"))? {
        ModelConfig::Decoder(_) => {
            let decoder = Decoder::load(folder, &Device::Cpu)?;
            // The last position has no next token.
            let targets: Vec<u32> = rows.iter().flat_map(|row| row[1..].iter().copied().chain([u32::MAX])).collect();
            let loss = decoder.loss(ids, &targets, Some(u32::MAX), None)?;
            Ok((decoder.parameters.clone(), decoder.logits(ids)?, loss))
        }
        ModelConfig::Encoder(_) => {
            let encoder = Encoder::load(folder, &Device::Cpu)?;
            let targets = rows.concat();
            let places: Vec<u32> = (0..targets.len() as u32).collect();
            let seen = Seen::bidirectional();
            let loss = encoder.loss(ids, &seen, (&places, &targets), None)?;
            let logits = encoder.logits(&encoder.hidden(ids, &seen, None)?)?;
            Ok((encoder.parameters.clone(), logits, loss))
        }
        ModelConfig::Recurrent(_) => Err("`transformers` has no recurrent model to compare with".into()),
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, ids, out] = words.iter().take(3).map(PathBuf::from).collect::<Vec<_>>().try_into().map_err(
        |_| "usage: parity MODEL_DIR IDS.json OUT.safetensors [--layout LAYOUT] [--tied] [--shared] [--squared] [--read]",
    )?;
    if !words.iter().any(|word| word == "--read") {
        let model = models::new(&config(&words[3..])?, 11, &Device::Cpu)?;
        // Norms and biases begin with 1 and 0: moved, so that one that is left out shows.
        for (name, var) in model.parameters().iter().filter(|(_, var)| var.rank() == 1) {
            let noise = tongues_pretrain::random::Key::new(12).named(name).normals(var.elem_count(), 0.1);
            var.set(&(var.as_detached_tensor() + Tensor::from_vec(noise, var.dims(), &Device::Cpu)?)?)?;
        }
        model.save(&folder)?;
    }
    let rows: Vec<Vec<u32>> = serde_json::from_slice(&std::fs::read(&ids)?)?;
    let (parameters, logits, loss) = compute(&folder, &Tensor::new(rows.clone(), &Device::Cpu)?, &rows)?;
    let mean = (loss.sum / loss.rows as f64)?;
    let gradients = mean.backward()?;
    let mut tensors = BTreeMap::from([("logits".to_owned(), logits), ("loss".to_owned(), mean.reshape(1)?)]);
    for (name, var) in parameters.iter() {
        let gradient = gradients.get(var).ok_or_else(|| format!("{name} has no gradient"))?;
        tensors.insert(format!("grad.{name}"), gradient.clone());
    }
    parameters::save(&tensors, &out)?;
    Ok(())
}
