//! `tongues bench train`: how fast this machine trains a model of these sizes.

use super::print;
use super::run::open;
use crate::args::BenchTrainArguments;
use anyhow::{Context, Result};
use tongues_pretrain::models::decoder::DecoderConfig;
use tongues_pretrain::throughput::{self, Figures};

/// Measures and prints one line.
pub fn train(arguments: &BenchTrainArguments) -> Result<()> {
    let d = arguments.d;
    let config = DecoderConfig {
        vocabulary_size: arguments.vocab,
        hidden_size: d,
        // Two thirds of 4 · D, in eights: as many operations with three matrices as 4 · D with two.
        intermediate_size: arguments.intermediate.unwrap_or((d * 8 / 3).div_ceil(8) * 8),
        layers: arguments.layers,
        heads: arguments.heads,
        context_length: arguments.seq,
        dropout: arguments.dropout,
        ..DecoderConfig::default()
    };
    let device = open(arguments.device)?;
    let (rows, steps) = (arguments.batch, arguments.steps.max(1));
    let figures = throughput::measure(&config, arguments.precision, rows, steps, &device).context("cannot measure")?;
    if arguments.json {
        print(&serde_json::to_string(&figures)?);
    } else {
        print(&line(&figures));
    }
    Ok(())
}

fn line(figures: &Figures) -> String {
    let limit = figures
        .limit_gflops
        .map_or(String::new(), |limit| format!(" of {limit:.0} ({:.0} %)", 100.0 * figures.gflops / limit));
    format!(
        "{} parameters  {:.0} tokens/s  forward {:.1} ms  backward {:.1} ms  optimiser {:.1} ms  {:.0} GFLOP/s{limit}  peak {} MiB  loss {:.3}",
        figures.parameters,
        figures.tokens_per_second,
        figures.forward_ms,
        figures.backward_ms,
        figures.optimiser_ms,
        figures.gflops,
        figures.peak_bytes >> 20,
        figures.loss,
    )
}
