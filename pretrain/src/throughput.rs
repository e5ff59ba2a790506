//! How fast this machine trains: steps on random ids, where their time goes, and how near the matrix products' limit.

use crate::error::Result;
use crate::models::decoder::{Decoder, DecoderConfig};
use crate::models::weights::HEAD;
use crate::nn::product::{Matrix, MatrixMut, Old, multiply_in};
use crate::optimiser::{AdamW, AdamWSettings, Gradients};
use crate::precision::Precision;
use crate::random::Key;
use candle_core::{Device, Tensor};
use serde::Serialize;
use std::time::Instant;

/// Steps that are not counted.
const WARM_UP: usize = 3;

/// Medians over the steps.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Numbers of the matrix products.
    pub precision: Precision,
    /// Trained numbers.
    pub parameters: usize,
    /// Tokens of a step over its seconds.
    pub tokens_per_second: f64,
    /// Milliseconds of the forward pass, the loss read.
    pub forward_ms: f64,
    /// Milliseconds of the backward pass.
    pub backward_ms: f64,
    /// Milliseconds of gradient norm, clipping and update.
    pub optimiser_ms: f64,
    /// Operations of the matrix products of a step over its seconds, in 10⁹; see [`products_per_token`].
    pub gflops: f64,
    /// The same of one large product alone, in the same precision, measured before and after: what the machine gives
    /// (CPU only).
    pub limit_gflops: Option<f64>,
    /// Largest resident memory of the process so far, bytes; 0 where the system does not tell.
    pub peak_bytes: u64,
    /// Loss after the last step, nats a token.
    pub loss: f64,
}

/// Trains a new model for `steps` steps of `rows` windows of random ids with AdamW, with products in this precision, and
/// measures each.
///
/// # Errors
/// Sizes that cannot work, a device without the memory.
pub fn measure(
    config: &DecoderConfig,
    precision: Precision,
    rows: usize,
    steps: usize,
    device: &Device,
) -> Result<Figures> {
    let decoder = Decoder::new(config, 1, device)?.in_precision(precision);
    let mut optimiser = AdamW::new(&decoder.parameters, AdamWSettings::default())?;
    let (t, vocabulary) = (config.context_length, config.vocabulary_size as u64);
    let count = rows * t;
    let tokens: Vec<u32> = (0..=count as u64).map(|index| Key::new(2).below(index, vocabulary) as u32).collect();
    let ids = Tensor::from_slice(&tokens[..count], (rows, t), device)?;
    let limit = || device.is_cpu().then(|| product_limit(precision));
    let before = limit();
    let (mut times, mut loss) = (Vec::new(), 0.0);
    for step in 0..WARM_UP + steps {
        let began = Instant::now();
        let sum = decoder.loss(&ids, &tokens[1..], None, Some(Key::new(3).stream(step as u64)))?.sum;
        loss = f64::from(sum.to_scalar::<f32>()?) / count as f64;
        let forward = began.elapsed().as_secs_f64();
        let store = sum.backward()?;
        device.synchronize()?;
        let backward = began.elapsed().as_secs_f64() - forward;
        let mut gradients = Gradients::default();
        gradients.add(&decoder.parameters, &store, 1.0 / count as f64)?;
        gradients.clip(Some(1.0))?;
        optimiser.step(&decoder.parameters, &gradients, 3e-4)?;
        device.synchronize()?;
        drop((sum, store, gradients));
        let whole = began.elapsed().as_secs_f64();
        times.push([whole, forward, backward, whole - forward - backward]);
    }
    let [whole, forward, backward, optimiser] =
        [0, 1, 2, 3].map(|column| median(times[WARM_UP..].iter().map(|row: &[f64; 4]| row[column]).collect()));
    Ok(Figures {
        precision,
        parameters: decoder.parameters.count(),
        tokens_per_second: count as f64 / whole,
        forward_ms: forward * 1e3,
        backward_ms: backward * 1e3,
        optimiser_ms: optimiser * 1e3,
        gflops: products_per_token(&decoder) * count as f64 / whole / 1e9,
        limit_gflops: before.zip(limit()).map(|(before, after)| before.max(after)),
        peak_bytes: peak_memory(),
        loss,
    })
}

/// Operations of the matrix products for one token, forward and backward: 6 for each number of a matrix that is
/// multiplied with (Kaplan et al. 2020, §2.1; the embedding counts once, as the head), and 6 · H · K for each of the
/// (T + 1) / 2 keys a query sees on average, once for the scores and once for the values.
pub fn products_per_token(decoder: &Decoder) -> f64 {
    let config = &decoder.config;
    let head = config.vocabulary_size * config.hidden_size;
    let matrices: usize = decoder
        .parameters
        .iter()
        .filter(|(name, _)| decoder.parameters.is_map(name) && *name != HEAD)
        .map(|(_, var)| var.elem_count())
        .sum();
    let keys = (config.context_length + 1) as f64 / 2.0;
    6.0 * (matrices + head) as f64 + (12 * config.layers * config.heads * config.width_of_head()) as f64 * keys
}

/// 10⁹ operations a second of a product of two square matrices on all threads, the best of some.
fn product_limit(precision: Precision) -> f64 {
    let mut product = Product::new([1024; 3], [false; 2]);
    (0..10).map(|_| product.gflops(precision)).fold(0.0, f64::max)
}

/// A matrix product to be measured.
pub struct Product {
    sizes: [usize; 3],
    transposed: [bool; 2],
    factors: [Vec<f32>; 2],
    out: Vec<f32>,
}

impl Product {
    /// Normal factors of m × k and k × n for `sizes` m, n, k; one that is `transposed` lies column by column.
    pub fn new(sizes: [usize; 3], transposed: [bool; 2]) -> Product {
        let [m, n, k] = sizes;
        let factors = [Key::new(4).normals(m * k, 1.0), Key::new(5).normals(k * n, 1.0)];
        Product { sizes, transposed, factors, out: vec![0.0; m * n] }
    }

    /// Multiplies once, on all threads; 10⁹ operations a second.
    pub fn gflops(&mut self, precision: Precision) -> f64 {
        let ([m, n, k], [left, right]) = (self.sizes, &self.factors);
        let matrix = |values, rows, columns, transposed| {
            if transposed { Matrix::new(values, columns).transposed() } else { Matrix::new(values, rows) }
        };
        let (left, right) = (matrix(left, m, k, self.transposed[0]), matrix(right, k, n, self.transposed[1]));
        let began = Instant::now();
        multiply_in(&mut MatrixMut::new(&mut self.out, m), left, right, Old::Replace, precision);
        2.0 * (m * n * k) as f64 / began.elapsed().as_secs_f64() / 1e9
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Largest resident memory of this process so far, bytes; 0 where the system does not tell.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::layout::Layout;

    fn config() -> DecoderConfig {
        let sizes = DecoderConfig { hidden_size: 8, layers: 2, heads: 2, intermediate_size: 12, ..Default::default() };
        DecoderConfig { vocabulary_size: 10, context_length: 5, ..sizes }
    }

    #[test]
    fn the_products_of_a_token_by_hand() {
        // A layer: 4 · 8 · 8 of attention, 3 · 8 · 12 of the feed-forward part; the head 80; on average 3 keys.
        let decoder = Decoder::new(&config(), 1, &Device::Cpu).unwrap();
        let expected = 6.0 * (2.0 * (256.0 + 288.0) + 80.0) + 12.0 * 2.0 * 8.0 * 3.0;
        assert_eq!(products_per_token(&decoder), expected);
        // A head of its own takes part once, too; learned positions are not multiplied with. 2 · 8 · 12 without a gate.
        let other = DecoderConfig { layout: Layout::Gpt2, tied_embeddings: false, ..config() };
        let decoder = Decoder::new(&other, 1, &Device::Cpu).unwrap();
        assert_eq!(products_per_token(&decoder), expected - 6.0 * 2.0 * 96.0);
    }

    #[test]
    fn a_step_is_made_of_its_parts() {
        let measured = |precision| {
            let figures = measure(&config(), precision, 3, 5, &Device::Cpu).unwrap();
            assert!(figures.loss.is_finite() && figures.loss > 0.0 && figures.parameters > 0);
            assert!([figures.forward_ms, figures.backward_ms, figures.optimiser_ms].iter().all(|ms| *ms > 0.0));
            assert!(figures.tokens_per_second > 0.0 && figures.gflops > 0.0 && figures.limit_gflops > Some(0.0));
            figures.loss
        };
        let (exact, rounded) = (measured(Precision::F32), measured(Precision::Bf16));
        assert!(exact != rounded && (exact - rounded).abs() < 1e-2, "{exact} in f32, {rounded} in bf16");
    }
}
