//! Writes a small model folder and what this crate computes with it (`logits`, `loss`, `grad.NAME`), for comparing with
//! another implementation: `parity MODEL_DIR IDS.json OUT.safetensors [--tied]`; with `--tied` the head is the embedding.

use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tongues_pretrain::models::decoder::{Decoder, DecoderConfig};
use tongues_pretrain::parameters;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (paths, tied_embeddings) = match words.split_last() {
        Some((last, paths)) if last.as_os_str() == "--tied" => (paths, true),
        _ => (words.as_slice(), false),
    };
    let [folder, ids, out] = paths else {
        return Err("usage: parity MODEL_DIR IDS.json OUT.safetensors [--tied]".into());
    };
    let config = DecoderConfig { vocabulary_size: 300, tied_embeddings, rope_theta: 5000.0, ..Default::default() };
    Decoder::new(&config, 11, &Device::Cpu)?.save(folder)?;
    let decoder = Decoder::load(folder, &Device::Cpu)?;
    let rows: Vec<Vec<u32>> = serde_json::from_slice(&std::fs::read(ids)?)?;
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
    parameters::save(&tensors, out)?;
    Ok(())
}
