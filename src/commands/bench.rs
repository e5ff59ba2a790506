//! `tongues bench train`: how fast this machine trains a model of these sizes.

use super::print;
use super::run::open;
use crate::args::{BenchModel, BenchTrainArguments};
use anyhow::{Context, Result, bail};
use tongues_pretrain::models::decoder::DecoderConfig;
use tongues_pretrain::models::encoder::EncoderConfig;
use tongues_pretrain::models::recurrent::{RecurrentConfig, RecurrentDropout, RecurrentLayout};
use tongues_pretrain::optimiser::OptimiserSettings;
use tongues_pretrain::precision::Precision;
use tongues_pretrain::throughput::{self, Figures};
use tongues_pretrain::train::TrainSettings;

/// Measures and prints one line.
pub fn train(arguments: &BenchTrainArguments) -> Result<()> {
    let (device, steps) = (open(arguments.device)?, arguments.steps.max(1));
    let is_recurrent = matches!(arguments.model, BenchModel::AwdLstm | BenchModel::Qrnn);
    if is_recurrent && arguments.precision != Precision::F32 {
        bail!("--dtype bf16: a recurrent model multiplies in f32");
    }
    if is_recurrent && arguments.recompute {
        bail!("--recompute: a recurrent model has no blocks that could run again");
    }
    let settings = TrainSettings {
        batch_size: arguments.batch.unwrap_or(if is_recurrent { 40 } else { 8 }),
        precision: arguments.precision,
        recompute: arguments.recompute,
        average: arguments.average,
        optimiser: OptimiserSettings { rule: arguments.optimiser, ..Default::default() },
        ..TrainSettings::default()
    };
    settings.check().context("cannot measure")?;
    let figures = match arguments.model {
        BenchModel::Decoder => throughput::measure_decoder(&decoder(arguments), &settings, steps, &device),
        BenchModel::Encoder => throughput::measure_encoder(&encoder(arguments), &settings, steps, &device),
        BenchModel::AwdLstm => {
            throughput::measure_recurrent(&recurrent(arguments, RecurrentLayout::AwdLstm), &settings, steps, &device)
        }
        BenchModel::Qrnn => {
            throughput::measure_recurrent(&recurrent(arguments, RecurrentLayout::Qrnn), &settings, steps, &device)
        }
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

/// 15 % of the tokens are hidden; `<mask>` is the last of the vocabulary.
fn encoder(arguments: &BenchTrainArguments) -> EncoderConfig {
    let d = arguments.d.unwrap_or(256);
    EncoderConfig {
        vocabulary_size: arguments.vocab,
        mask: arguments.vocab.saturating_sub(1) as u32,
        hidden_size: d,
        intermediate_size: arguments.intermediate.unwrap_or(4 * d),
        layers: arguments.layers.unwrap_or(4),
        heads: arguments.heads,
        context_length: arguments.seq.unwrap_or(256),
        dropout: arguments.dropout,
        masked_share: 0.15,
        ..EncoderConfig::default()
    }
}

/// All five dropouts are the one that was given; the activations are not regularised.
fn recurrent(arguments: &BenchTrainArguments, layout: RecurrentLayout) -> RecurrentConfig {
    RecurrentConfig {
        layout,
        vocabulary_size: arguments.vocab,
        embedding_size: arguments.d.unwrap_or(400),
        hidden_size: arguments.hidden,
        layers: arguments.layers.unwrap_or(layout.usual_layers()),
        sequence_length: arguments.seq.unwrap_or(70),
        dropout: RecurrentDropout::all(arguments.dropout),
        activation_regularisation: 0.0,
        temporal_activation_regularisation: 0.0,
        ..RecurrentConfig::default()
    }
}

fn line(figures: &Figures) -> String {
    let limit = figures
        .limit_gflops
        .map_or(String::new(), |limit| format!(" of {limit:.0} ({:.0} %)", 100.0 * figures.gflops / limit));
    let forecast = figures.forecast_bytes.map_or(String::new(), |bytes| format!(", forecast {}", bytes >> 20));
    let on_device =
        figures.device_peak_bytes.map_or(String::new(), |bytes| format!(" + {} MiB on the device", bytes >> 20));
    format!(
        "{} parameters  {:.0} tokens/s  forward {:.1} ms  backward {:.1} ms  optimiser {:.1} ms  {:.0} GFLOP/s{limit}  peak {} MiB{forecast}{on_device}  loss {:.3}",
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
