//! How fast this machine trains: steps on random ids, where their time goes, and how near the matrix products' limit.

use crate::average::Average;
use crate::device;
use crate::error::Result;
use crate::memory::{self, Forecast, Sizes, Text};
use crate::models::State;
use crate::models::decoder::{Decoder, DecoderConfig};
use crate::models::encoder::{Encoder, EncoderConfig};
use crate::models::recurrent::{Recurrent, RecurrentConfig};
use crate::nn::cross_entropy::Loss;
use crate::nn::product::{Matrix, MatrixMut, Old, multiply_in};
use crate::nn::{Seen, backward};
use crate::optimiser::{Gradients, Optimiser};
use crate::parameters::Parameters;
use crate::precision::Precision;
use crate::random::Key;
use crate::train::TrainSettings;
use candle_core::{Device, Tensor};
use serde::Serialize;
use std::time::Instant;

/// Steps that are not counted.
const WARM_UP: usize = 3;

/// Share of the products' limit that training of small models reaches on two cores: 0.65 to 0.82 of f32's, 0.48 to 0.65
/// of bf16's (docs/log.md).
fn share(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 0.75,
        Precision::Bf16 => 0.6,
    }
}

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
    /// Operations of the matrix products of a step over its seconds, in 10⁹; see [`Sizes::products_per_token`].
    pub gflops: f64,
    /// The same of one large product alone, in the same precision, measured before and after: what the machine gives
    /// (CPU only).
    pub limit_gflops: Option<f64>,
    /// Largest resident memory of the process so far, bytes; 0 where the system does not tell.
    pub peak_bytes: u64,
    /// Largest memory of the tensors on the device so far, bytes (CUDA only).
    pub device_peak_bytes: Option<u64>,
    /// The same as it was forecast before the first step, where the architecture tells; see [`crate::memory`].
    pub forecast_bytes: Option<u64>,
    /// Loss after the last step, nats a token that counts: of an encoder a hidden one.
    pub loss: f64,
}

/// Ids (rows, T), the tokens after them and the key of all that is random in the step to a summed loss.
pub type LossOfStep<'a> = &'a mut dyn FnMut(&Tensor, &[u32], Key) -> Result<Loss>;

/// What is measured: a new model and its steps.
pub struct Work<'a> {
    /// Of a new model.
    pub parameters: &'a Parameters,
    /// V; ids are below it.
    pub vocabulary_size: usize,
    /// T, tokens of a window.
    pub window: usize,
    /// Operations of the matrix products for one token, forward and backward.
    pub products_per_token: f64,
    /// Peak of memory as forecast, where the architecture tells.
    pub forecast: Option<Forecast>,
    /// The summed loss of ids (rows, T) and the tokens after them (rows · T), with the step's key.
    pub loss: LossOfStep<'a>,
}

/// Trains a new decoder for `steps` steps of random ids and measures each; of `settings`, batch size, precision,
/// optimiser, average and recomputing count.
///
/// # Errors
/// Sizes that cannot work, a device without the memory.
pub fn measure_decoder(
    config: &DecoderConfig,
    settings: &TrainSettings,
    steps: usize,
    device: &Device,
) -> Result<Figures> {
    config.check()?;
    let forecast = Some(Forecast::new(config, settings, Text::default(), device.is_cpu()));
    let mut decoder = Decoder::new(config, 1, device)?.in_precision(settings.precision);
    decoder.recompute = settings.recompute;
    let work = Work {
        parameters: &decoder.parameters,
        vocabulary_size: config.vocabulary_size,
        window: config.context_length,
        products_per_token: config.products_per_token(),
        forecast,
        loss: &mut |ids, targets, key| decoder.loss(ids, targets, None, Some(key)),
    };
    measure(work, settings, steps, device)
}

/// As [`measure_decoder`] for an encoder, whose hidden tokens are drawn anew in each step.
pub fn measure_encoder(
    config: &EncoderConfig,
    settings: &TrainSettings,
    steps: usize,
    device: &Device,
) -> Result<Figures> {
    config.check()?;
    let forecast = Some(Forecast::new(config, settings, Text::default(), device.is_cpu()));
    let mut encoder = Encoder::new(config, 1, device)?.in_precision(settings.precision);
    encoder.recompute = settings.recompute;
    let masking = config.masking();
    let work = Work {
        parameters: &encoder.parameters,
        vocabulary_size: config.vocabulary_size,
        window: config.context_length,
        products_per_token: config.products_per_token(),
        forecast,
        loss: &mut |ids, _, key| {
            let tokens: Vec<u32> = ids.flatten_all()?.to_vec1()?;
            let hidden = masking.hide(&tokens, ids.dim(1)?, None, key.named("masks"));
            let ids = Tensor::from_vec(hidden.ids, ids.shape(), device)?;
            encoder.loss(&ids, &Seen::bidirectional(), (&hidden.places, &hidden.targets), Some(key))
        },
    };
    measure(work, settings, steps, device)
}

/// As [`measure_decoder`] for a recurrent model, in f32; its state is carried from step to step.
pub fn measure_recurrent(
    config: &RecurrentConfig,
    settings: &TrainSettings,
    steps: usize,
    device: &Device,
) -> Result<Figures> {
    config.check()?;
    let forecast = Some(Forecast::new(config, settings, Text::default(), device.is_cpu()));
    let (model, mut state) = (Recurrent::new(config, 1, device)?, State::default());
    let work = Work {
        parameters: &model.parameters,
        vocabulary_size: config.vocabulary_size,
        window: config.sequence_length,
        products_per_token: config.products_per_token(),
        forecast,
        loss: &mut |ids, targets, key| {
            let (loss, after) = model.loss(ids, targets, None, &state, Some(key))?;
            state = after;
            Ok(loss)
        },
    };
    measure(work, settings, steps, device)
}

/// Does the work for `steps` steps and measures each.
///
/// # Errors
/// What the loss says.
pub fn measure(work: Work, settings: &TrainSettings, steps: usize, device: &Device) -> Result<Figures> {
    let Work { parameters, vocabulary_size, window, products_per_token, forecast, loss: of_step } = work;
    let (rows, precision) = (settings.batch_size, settings.precision);
    let mut optimiser = Optimiser::new(parameters, settings.optimiser)?;
    let mut average = Average::new(settings.averaging(), parameters)?;
    let count = rows * window;
    let token = |index| Key::new(2).below(index, vocabulary_size as u64) as u32;
    let tokens: Vec<u32> = (0..=count as u64).map(token).collect();
    let ids = Tensor::from_slice(&tokens[..count], (rows, window), device)?;
    let limit = || device.is_cpu().then(|| product_limit(precision));
    let before = limit();
    let (mut times, mut loss) = (Vec::new(), 0.0);
    for step in 0..WARM_UP + steps {
        let began = Instant::now();
        let Loss { sum, rows } = of_step(&ids, &tokens[1..], Key::new(3).stream(step as u64))?;
        loss = f64::from(sum.to_scalar::<f32>()?) / rows as f64;
        let forward = began.elapsed().as_secs_f64();
        let store = backward(&sum)?;
        device.synchronize()?;
        let backward = began.elapsed().as_secs_f64() - forward;
        let mut gradients = Gradients::default();
        drop(sum); // and with it what the forward pass kept
        gradients.add(parameters, store, 1.0 / rows as f64)?;
        gradients.clip(Some(1.0))?;
        optimiser.step(parameters, &gradients, 3e-4)?;
        average.step(parameters)?;
        device.synchronize()?;
        drop(gradients);
        let whole = began.elapsed().as_secs_f64();
        times.push([whole, forward, backward, whole - forward - backward]);
    }
    let [whole, forward, backward, optimiser] =
        [0, 1, 2, 3].map(|column| median(times[WARM_UP..].iter().map(|row: &[f64; 4]| row[column]).collect()));
    Ok(Figures {
        precision,
        parameters: parameters.count(),
        tokens_per_second: count as f64 / whole,
        forward_ms: forward * 1e3,
        backward_ms: backward * 1e3,
        optimiser_ms: optimiser * 1e3,
        gflops: products_per_token * count as f64 / whole / 1e9,
        limit_gflops: before.zip(limit()).map(|(before, after)| before.max(after)),
        peak_bytes: memory::peak(),
        device_peak_bytes: device::memory(device).filter(|_| !device.is_cpu()).map(|memory| memory.peak_bytes),
        forecast_bytes: forecast.map(|forecast| forecast.peak()),
        loss,
    })
}

/// Seconds of a step of so many `tokens` on this machine's CPU, from its products' limit, measured now, and the share of
/// it that training reaches (docs/log.md). Forward and backward pass are one and two parts of it; recomputing adds one.
pub fn seconds_of_step(sizes: &dyn Sizes, tokens: usize, settings: &TrainSettings) -> f64 {
    let work = sizes.products_per_token() * tokens as f64 * if settings.recompute { 4.0 / 3.0 } else { 1.0 };
    work / (1e9 * share(settings.precision) * product_limit(settings.precision))
}

/// 10⁹ operations a second of a product of two square matrices on all threads, the best of some. Of an odd size, since one
/// that can be halved is made with fewer operations than are counted.
fn product_limit(precision: Precision) -> f64 {
    let mut product = Product::new([1023; 3], [false; 2]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::recurrent::RecurrentLayout;

    fn config() -> DecoderConfig {
        let sizes = DecoderConfig { hidden_size: 8, layers: 2, heads: 2, intermediate_size: 12, ..Default::default() };
        DecoderConfig { vocabulary_size: 10, context_length: 5, ..sizes }
    }

    #[test]
    fn a_step_is_made_of_its_parts() {
        let settings =
            |precision| TrainSettings { batch_size: 3, precision, recompute: true, average: 0.9, ..Default::default() };
        let sound = |figures: Figures| {
            assert!(figures.loss.is_finite() && figures.loss > 0.0 && figures.parameters > 0);
            assert!([figures.forward_ms, figures.backward_ms, figures.optimiser_ms].iter().all(|ms| *ms > 0.0));
            assert!(figures.tokens_per_second > 0.0 && figures.gflops > 0.0 && figures.limit_gflops > Some(0.0));
            figures.loss
        };
        let measured = |precision| sound(measure_decoder(&config(), &settings(precision), 5, &Device::Cpu).unwrap());
        let (exact, rounded) = (measured(Precision::F32), measured(Precision::Bf16));
        assert!(exact != rounded && (exact - rounded).abs() < 1e-2, "{exact} in f32, {rounded} in bf16");
        let sizes = EncoderConfig { hidden_size: 8, layers: 2, heads: 2, intermediate_size: 12, ..Default::default() };
        let encoder = EncoderConfig { context_length: 5, ..sizes }.for_vocabulary(10).unwrap();
        let measured = |recompute| {
            let settings = TrainSettings { recompute, ..settings(Precision::F32) };
            sound(measure_encoder(&encoder, &settings, 5, &Device::Cpu).unwrap())
        };
        // Untrained, a model pays the logarithm of its vocabulary for each hidden token.
        assert!(measured(true) == measured(false) && (measured(true) - 11f64.ln()).abs() < 0.1);
        for layout in RecurrentLayout::ALL {
            let sizes = RecurrentConfig { layout, vocabulary_size: 10, embedding_size: 4, ..Default::default() };
            let config = RecurrentConfig { hidden_size: 6, sequence_length: 5, ..sizes };
            sound(measure_recurrent(&config, &settings(Precision::F32), 5, &Device::Cpu).unwrap());
        }
    }
}
