//! What this crate computes with a model folder (`logits`, `loss`, `grad.NAME`), for comparing with another
//! implementation: `parity MODEL_DIR IDS.json OUT.safetensors [--layout LAYOUT] [--tied] [--shared] [--read]`.
//!
//! The folder is written first, with a small model of `LAYOUT` (`llama`, `qwen3`, `gpt2`, `gpt1`); with `--tied` its head is
//! the embedding, with `--shared` two heads of queries share one of keys and heads are wider than D / H. With `--read` the
//! folder is there already.

use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tongues_pretrain::models::decoder::{Decoder, DecoderConfig, Layout};
use tongues_pretrain::parameters;

fn config(words: &[String]) -> Result<DecoderConfig, Box<dyn std::error::Error>> {
    let has = |flag: &str| words.iter().any(|word| word == flag);
    let name = words.iter().position(|word| word == "--layout").and_then(|at| words.get(at + 1));
    let layout: Layout = match name {
        Some(name) => serde_json::from_value(name.as_str().into())?,
        None => Layout::default(),
    };
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
    if has("--shared") {
        (config.key_value_heads, config.head_width) = (Some(config.heads / 2), Some(80));
    }
    Ok(config)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, ids, out] = words.iter().take(3).map(PathBuf::from).collect::<Vec<_>>().try_into().map_err(
        |_| "usage: parity MODEL_DIR IDS.json OUT.safetensors [--layout LAYOUT] [--tied] [--shared] [--read]",
    )?;
    if !words.iter().any(|word| word == "--read") {
        let decoder = Decoder::new(&config(&words[3..])?, 11, &Device::Cpu)?;
        // Norms and biases begin with 1 and 0: moved, so that one that is left out shows.
        for (name, var) in decoder.parameters.iter().filter(|(_, var)| var.rank() == 1) {
            let noise = tongues_pretrain::random::Key::new(12).named(name).normals(var.elem_count(), 0.1);
            var.set(&(var.as_detached_tensor() + Tensor::from_vec(noise, var.dims(), &Device::Cpu)?)?)?;
        }
        decoder.save(&folder)?;
    }
    let decoder = Decoder::load(&folder, &Device::Cpu)?;
    let rows: Vec<Vec<u32>> = serde_json::from_slice(&std::fs::read(&ids)?)?;
    let ids = Tensor::new(rows.clone(), &Device::Cpu)?;
    // The label of a position is the next token; the last position has none.
    let targets: Vec<u32> = rows.iter().flat_map(|row| row[1..].iter().copied().chain([u32::MAX])).collect();
    let loss = decoder.loss(&ids, &targets, Some(u32::MAX), None)?;
    let mean = (loss.sum / loss.rows as f64)?;
    let gradients = mean.backward()?;
    let mut tensors =
        BTreeMap::from([("logits".to_owned(), decoder.logits(&ids)?), ("loss".to_owned(), mean.reshape(1)?)]);
    for (name, var) in decoder.parameters.iter() {
        let gradient = gradients.get(var).ok_or_else(|| format!("{name} has no gradient"))?;
        tensors.insert(format!("grad.{name}"), gradient.clone());
    }
    parameters::save(&tensors, &out)?;
    Ok(())
}
