//! One vector out of the states of a text: the last or the first, the mean and the largest, side by side (concat pooling,
//! Howard and Ruder 2018, §3.3). In a causal decoder the last state has seen the whole text; an encoder's first state,
//! that of `<s>`, has too, and stands for the text (Devlin et al. 2019); the mean and the largest keep what a word in the
//! middle said loudly.

use crate::error::Result;
use candle_core::{DType, Tensor};
use tongues_pretrain::models::ModelConfig;

/// Added to padded positions before the largest is taken: below every state there is.
const NEVER: f64 = -1e30;

/// Which states are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The last, the mean, the largest: of a model that sees what came before.
    LastMeanMax,
    /// The first, the mean, the largest: of a model that sees both sides.
    FirstMeanMax,
}

impl Pooling {
    /// What fits a model.
    pub fn of(model: &ModelConfig) -> Pooling {
        if model.is_bidirectional() { Pooling::FirstMeanMax } else { Pooling::LastMeanMax }
    }

    /// Name in `classifier.json`.
    pub fn name(self) -> &'static str {
        match self {
            Pooling::LastMeanMax => "last_mean_max",
            Pooling::FirstMeanMax => "first_mean_max",
        }
    }
}

/// `hidden` (B, T, D) with `lengths` (B) real positions, 1 to T, first in each row: (B, 3·D). Padded positions have no
/// part in it, neither forward nor backward.
pub fn pool(hidden: &Tensor, lengths: &[usize], pooling: Pooling) -> Result<Tensor> {
    let (b, t, d) = hidden.dims3()?;
    let device = hidden.device();
    let of_positions = |value: &dyn Fn(usize, usize) -> f64| -> Result<Tensor> {
        let values: Vec<f64> =
            lengths.iter().flat_map(|&length| (0..t).map(move |position| value(position, length))).collect();
        // f64 does not exist on every device, so the type is changed before the move.
        Ok(Tensor::from_vec(values, (b, t, 1), &candle_core::Device::Cpu)?
            .to_dtype(hidden.dtype())?
            .to_device(device)?)
    };
    let one = lengths.iter().enumerate().map(|(row, length)| match pooling {
        Pooling::LastMeanMax => (row * t + length - 1) as u32,
        Pooling::FirstMeanMax => (row * t) as u32,
    });
    let one = Tensor::from_vec(one.collect::<Vec<_>>(), b, device)?;
    let one = hidden.reshape((b * t, d))?.index_select(&one, 0)?; // (B, D)
    let shares = of_positions(&|position, length| if position < length { 1.0 / length as f64 } else { 0.0 })?;
    let mean = hidden.broadcast_mul(&shares)?.sum(1)?;
    let padding = of_positions(&|position, length| if position < length { 0.0 } else { NEVER })?;
    let largest = hidden.broadcast_add(&padding)?.max(1)?;
    Ok(Tensor::cat(&[one, mean, largest], 1)?)
}

/// Summed cross-entropy of `logits` (B, C) against `targets` (B), of whose probability a share `smoothing` is spread over
/// all C labels; scalar, nats.
pub fn cross_entropy(logits: &Tensor, targets: &[usize], smoothing: f64) -> Result<Tensor> {
    let (b, c) = logits.dims2()?;
    let spread = smoothing / c as f64;
    let wanted: Vec<f64> = targets
        .iter()
        .flat_map(|&target| (0..c).map(move |label| if label == target { 1.0 - smoothing + spread } else { spread }))
        .collect();
    let wanted = Tensor::from_vec(wanted, (b, c), &candle_core::Device::Cpu)?
        .to_dtype(logits.dtype())?
        .to_device(logits.device())?;
    Ok((log_softmax(logits)? * wanted)?.sum_all()?.neg()?)
}

/// Logarithms of the probabilities, (B, C) like `logits`; the gradient goes through (candle's fused softmax loses it).
pub fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    // Taken off as a constant: the result does not depend on it.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
    Ok(shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(1)?.log()?)?)
}

/// Probabilities by row, of `logits` (B, C).
pub fn probabilities(logits: &Tensor) -> Result<Vec<Vec<f32>>> {
    Ok(log_softmax(&logits.to_dtype(DType::F32)?)?.exp()?.to_vec2()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use tongues_pretrain::nn::check::{gradients, scalar, variable};
    use tongues_pretrain::precision::Precision;

    fn numbers(x: &Tensor) -> Vec<f64> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn pooling_by_hand() {
        // Two texts of two states of width 1: 3 and 5; 7 and padding of 100.
        let hidden = Tensor::new(&[[[3f64], [5.0]], [[7.0], [100.0]]], &Device::Cpu).unwrap();
        let pooled = |pooling| pool(&hidden, &[2, 1], pooling).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(pooled(Pooling::LastMeanMax), [[5.0, 4.0, 5.0], [7.0, 7.0, 7.0]]);
        assert_eq!(pooled(Pooling::FirstMeanMax), [[3.0, 4.0, 5.0], [7.0, 7.0, 7.0]]);
    }

    #[test]
    fn gradients_match_finite_differences_and_padding_gets_none() {
        for pooling in [Pooling::LastMeanMax, Pooling::FirstMeanMax] {
            gradients_match_finite_differences_and_padding_gets_none_with(pooling);
        }
    }

    fn gradients_match_finite_differences_and_padding_gets_none_with(pooling: Pooling) {
        let hidden = variable(&[3, 4, 2], 1);
        let (weight, bias) = (variable(&[5, 6], 2), variable(&[5], 3));
        let loss = || {
            let pooled = pool(&hidden, &[4, 2, 1], pooling).unwrap();
            let logits =
                tongues_pretrain::nn::linear(&pooled, &weight, Precision::F32).unwrap().broadcast_add(&bias).unwrap();
            (cross_entropy(&logits, &[4, 0, 2], 0.1).unwrap() + scalar(&pooled)).unwrap()
        };
        gradients(&[&hidden, &weight, &bias], loss);
        // Padding that leaked into value and gradient alike would have passed so far.
        let store = loss().backward().unwrap();
        let of_hidden = store.get(&hidden).unwrap();
        for (row, length) in [(1, 2), (2, 1)] {
            let padded = of_hidden.get(row).unwrap().narrow(0, length, 4 - length).unwrap();
            assert!(numbers(&padded).iter().all(|gradient| *gradient == 0.0));
        }
    }

    #[test]
    fn cross_entropy_by_hand() {
        // Two labels with logits 0 and ln 3: probabilities 1/4 and 3/4.
        let logits = Tensor::new(&[[0f64, 3f64.ln()]], &Device::Cpu).unwrap();
        let loss = |target, smoothing| numbers(&cross_entropy(&logits, &[target], smoothing).unwrap())[0];
        assert!((loss(0, 0.0) - 4f64.ln()).abs() < 1e-12);
        // 0.2 spread over both: 0.9 and 0.1.
        assert!((loss(1, 0.2) - (0.9 * (4f64 / 3.0).ln() + 0.1 * 4f64.ln())).abs() < 1e-12);
        let shares = probabilities(&logits).unwrap();
        assert!((shares[0][1] - 0.75).abs() < 1e-6);
        let large = Tensor::new(&[[1000f64, 0.0]], &Device::Cpu).unwrap();
        assert_eq!(numbers(&cross_entropy(&large, &[1], 0.0).unwrap()), [1000.0]);
    }
}
