//! Tokens a second of training steps on random ids, and where the time goes:
//! `cargo bench --workspace --bench throughput -- [--vocabulary 8192 --hidden 256 --intermediate 688 --layers 4 --heads 4
//! --context 256 --batch 8 --steps 10 --threads 2 --dropout 0]`. Prints one line of medians over the steps after 3 to warm
//! up. `--profile dev` before the `--` spares the release build: dependencies and this crate are optimised there too.

#![expect(clippy::print_stdout, reason = "a program whose result is a line of text")]

use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::time::Instant;
use tongues_pretrain::models::decoder::{Decoder, DecoderConfig};
use tongues_pretrain::optimiser::{AdamW, AdamWSettings, Gradients};
use tongues_pretrain::random::Key;

/// Steps that are not counted.
const WARM_UP: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut flags: BTreeMap<&str, f64> = BTreeMap::from([
        ("--vocabulary", 8192.0),
        ("--hidden", 256.0),
        ("--intermediate", 688.0),
        ("--layers", 4.0),
        ("--heads", 4.0),
        ("--context", 256.0),
        ("--batch", 8.0),
        ("--steps", 10.0),
        ("--threads", 2.0),
        ("--dropout", 0.0),
    ]);
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect(); // cargo adds it
    for pair in words.chunks(2) {
        let [flag, value] = pair else { return Err(format!("{} without a number", pair[0]).into()) };
        let known = flags.keys().copied().collect::<Vec<_>>().join(" ");
        *flags.get_mut(flag.as_str()).ok_or_else(|| format!("{flag}: expected one of {known}"))? = value.parse()?;
    }
    let whole = |flag: &str| flags[flag] as usize;
    rayon::ThreadPoolBuilder::new().num_threads(whole("--threads")).build_global()?;
    let config = DecoderConfig {
        vocabulary_size: whole("--vocabulary"),
        hidden_size: whole("--hidden"),
        intermediate_size: whole("--intermediate"),
        layers: whole("--layers"),
        heads: whole("--heads"),
        context_length: whole("--context"),
        dropout: flags["--dropout"],
        ..Default::default()
    };
    let decoder = Decoder::new(&config, 1, &Device::Cpu)?;
    let mut optimiser = AdamW::new(&decoder.parameters, AdamWSettings::default())?;
    let (b, t, v) = (whole("--batch"), config.context_length, config.vocabulary_size as u64);
    let tokens: Vec<u32> = (0..=(b * t) as u64).map(|index| Key::new(2).below(index, v) as u32).collect();
    let ids = Tensor::from_slice(&tokens[..b * t], (b, t), &Device::Cpu)?;
    let (mut rows, mut last) = (Vec::new(), 0.0);
    for step in 0..WARM_UP + whole("--steps") {
        let began = Instant::now();
        let loss = decoder.loss(&ids, &tokens[1..], None, Some(Key::new(3).stream(step as u64)))?.sum;
        last = f64::from(loss.to_scalar::<f32>()?) / (b * t) as f64;
        let forward = began.elapsed().as_secs_f64();
        let store = loss.backward()?;
        let backward = began.elapsed().as_secs_f64() - forward;
        let mut gradients = Gradients::default();
        gradients.add(&decoder.parameters, &store, 1.0 / (b * t) as f64)?;
        optimiser.step(&decoder.parameters, &gradients, 3e-4)?;
        drop((loss, store, gradients));
        let whole = began.elapsed().as_secs_f64();
        rows.push([whole, forward, backward, whole - forward - backward]);
    }
    let [whole, forward, backward, update] = [0, 1, 2, 3].map(|column| {
        let mut times: Vec<f64> = rows[WARM_UP..].iter().map(|row: &[f64; 4]| row[column]).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    println!(
        "params {} tokens_per_s {:.0} forward_ms {:.1} backward_ms {:.1} optimiser_ms {:.1} loss {last:.3}",
        decoder.parameters.count(),
        (b * t) as f64 / whole,
        forward * 1e3,
        backward * 1e3,
        update * 1e3,
    );
    Ok(())
}
