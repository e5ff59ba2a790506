//! `tongues bench train`: how fast this machine trains a model of these sizes.

use super::print;
use super::run::open;
use crate::args::{BenchModel, BenchTrainArguments};
use anyhow::{Context, Result, bail};
use tongues_pretrain::device::Device;
use tongues_pretrain::models::decoder::DecoderConfig;
use tongues_pretrain::models::recurrent::{Architecture, RecurrentConfig, RecurrentDropout};
use tongues_pretrain::precision::Precision;
use tongues_pretrain::throughput::{self, Figures};

/// Measures and prints one line.
pub fn train(arguments: &BenchTrainArguments) -> Result<()> {
    let (device, steps) = (open(arguments.device)?, arguments.steps.max(1));
    if arguments.model != BenchModel::Decoder && arguments.precision != Precision::F32 {
        bail!("--dtype bf16: a recurrent model multiplies in f32");
    }
    let figures = match arguments.model {
        BenchModel::Decoder => {
            let rows = arguments.batch.unwrap_or(8);
            throughput::measure_decoder(&decoder(arguments), arguments.precision, rows, steps, &device)
        }
        BenchModel::AwdLstm => recurrent(arguments, Architecture::AwdLstm, steps, &device),
        BenchModel::Qrnn => recurrent(arguments, Architecture::Qrnn, steps, &device),
    };
    let figures = figures.context("cannot measure")?;
    if arguments.json {
        print(&serde_json::to_string(&figures)?);
    } else {
        print(&line(&figures));
    }
    Ok(())
}

fn decoder(arguments: &BenchTrainArguments) -> DecoderConfig {
    let d = arguments.d.unwrap_or(256);
    DecoderConfig {
        vocabulary_size: arguments.vocab,
        hidden_size: d,
        // Two thirds of 4 · D, in eights: as many operations with three matrices as 4 · D with two.
        intermediate_size: arguments.intermediate.unwrap_or((d * 8 / 3).div_ceil(8) * 8),
        layers: arguments.layers.unwrap_or(4),
        heads: arguments.heads,
        context_length: arguments.seq.unwrap_or(256),
        dropout: arguments.dropout,
        ..DecoderConfig::default()
    }
}

/// All five dropouts are the one that was given; the activations are not regularised.
fn recurrent(
    arguments: &BenchTrainArguments,
    architecture: Architecture,
    steps: usize,
    device: &Device,
) -> tongues_pretrain::Result<Figures> {
    let config = RecurrentConfig {
        architecture,
        vocabulary_size: arguments.vocab,
        embedding_size: arguments.d.unwrap_or(400),
        hidden_size: arguments.hidden,
        layers: arguments.layers.unwrap_or(if architecture == Architecture::Qrnn { 4 } else { 3 }),
        sequence_length: arguments.seq.unwrap_or(70),
        dropout: RecurrentDropout::all(arguments.dropout),
        activation_regularisation: 0.0,
        temporal_activation_regularisation: 0.0,
        ..RecurrentConfig::default()
    };
    throughput::measure_recurrent(&config, arguments.batch.unwrap_or(40), steps, device)
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
