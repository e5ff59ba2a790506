//! The feed-forward half of a decoder layer as one operation: norm, gated unit, dropout and residual. Between the passes
//! it keeps the gated unit's input; all else is computed again.

use crate::error::Result;
use crate::nn::dropout::{self, Mask};
use crate::nn::kept::Kept;
use crate::nn::linear::{add_times, times, times_transposed, transposed_times};
use crate::nn::product::{Matrix, MatrixMut};
use crate::nn::weights::Weights;
use crate::nn::{linear, norm, residual, rms_norm, slices, swiglu};
use crate::precision::Precision;
use crate::random::Key;
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};

/// `x + dropout(down(silu(gate(n)) · up(n)))` with n the normed `x` (B, T, D): `weights` are the norm's (D), gate and up
/// (F, D) and down (D, F), multiplied in `precision`. Without a key, or at rate 0, nothing is dropped.
pub fn feed_forward(
    x: &Tensor,
    weights: [&Tensor; 4],
    epsilon: f64,
    rate: f64,
    key: Option<Key>,
    precision: Precision,
) -> Result<Tensor> {
    let [of_norm, gate, up, down] = weights;
    if slices::are_f32_on_cpu(&[x, of_norm, gate, up, down]) {
        let (weights, sign) = Weights::new(weights)?;
        let mask = Mask::when(rate, key);
        let op = FeedForward { weights, epsilon: epsilon as f32, mask, precision, joined: Kept::nothing() };
        return Ok(x.contiguous()?.apply_op2(&sign, op)?);
    }
    let joined = linear(&rms_norm(x, of_norm, epsilon)?, &Tensor::cat(&[gate, up], 0)?, precision)?;
    residual(x, &linear(&swiglu(&joined)?, down, precision)?, rate, key)
}

struct FeedForward {
    weights: Weights<4>,
    epsilon: f32,
    mask: Option<Mask>,
    precision: Precision,
    /// Gate beside up (N, 2F), from the forward pass.
    joined: Kept<Vec<f32>>,
}

impl FeedForward {
    fn forward(&self, x: &[f32], [of_norm, gate, up, down]: [&[f32]; 4]) -> Vec<f32> {
        let d = of_norm.len();
        let (rows, f) = (x.len() / d, gate.len() / d);
        let normed = norm::forward(x, of_norm, self.epsilon);
        let maps = [gate, up].map(|map| Matrix::new(map, f));
        let joined = times_transposed(Matrix::new(&normed, rows), maps, self.precision);
        drop(normed);
        let inner = swiglu::forward(&joined, f);
        self.joined.keep(joined);
        let branch = times_transposed(Matrix::new(&inner, rows), [Matrix::new(down, d)], self.precision);
        drop(inner);
        dropout::join(x, &branch, self.mask)
    }

    /// The gradients by `x` and by the weights.
    fn backward(
        &self,
        x: &[f32],
        [of_norm, gate, up, down]: [&[f32]; 4],
        gradient: &[f32],
        mut joined: Vec<f32>,
    ) -> (Vec<f32>, [Vec<f32>; 4]) {
        let d = of_norm.len();
        let (rows, f) = (x.len() / d, gate.len() / d);
        let of_branch = self.mask.map(|mask| dropout::masked(gradient, mask));
        let of_branch = Matrix::new(of_branch.as_deref().unwrap_or(gradient), rows);
        let inner = swiglu::forward(&joined, f);
        let of_down = transposed_times(of_branch, Matrix::new(&inner, rows), self.precision);
        drop(inner);
        let of_inner = times(of_branch, Matrix::new(down, d), self.precision);
        swiglu::backward_in_place(&mut joined, f, &of_inner);
        drop(of_inner);
        let of_joined = Matrix::new(&joined, rows);
        let halves = [of_joined.columns(0..f), of_joined.columns(f..2 * f)];
        let normed = norm::forward(x, of_norm, self.epsilon);
        let [of_gate, of_up] = halves.map(|half| transposed_times(half, Matrix::new(&normed, rows), self.precision));
        drop(normed);
        let mut of_normed = times(halves[0], Matrix::new(gate, f), self.precision);
        add_times(&mut MatrixMut::new(&mut of_normed, rows), halves[1], Matrix::new(up, f), self.precision);
        let (of_x, by_norm) = norm::backward(x, of_norm, &of_normed, self.epsilon, Some(gradient));
        (of_x, [by_norm, of_gate, of_up, of_down])
    }
}

impl CustomOp2 for FeedForward {
    fn name(&self) -> &'static str {
        "feed-forward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = slices::of(x, layout)?;
        let out = slices::read(self.weights.tensors.each_ref(), |weights| self.forward(x, weights))?;
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        sign: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let joined = self.joined.take(self.name())?;
        let (of_x, of_weights) = slices::read([x, gradient], |[values, gradient]| {
            slices::read(self.weights.tensors.each_ref(), |weights| self.backward(values, weights, gradient, joined))
        })??;
        self.weights.leave(of_weights)?;
        Ok((Some(Tensor::from_vec(of_x, x.shape(), x.device())?), Some(sign.zeros_like()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};

    #[test]
    fn agrees_with_the_plain_path() {
        for (b, t, d, f) in [(1, 1, 2, 1), (2, 3, 5, 7), (2, 40, 33, 50)] {
            let shapes: [&[usize]; 5] = [&[b, t, d], &[d], &[f, d], &[f, d], &[d, f]];
            let inputs: [Tensor; 5] = std::array::from_fn(|i| normal(shapes[i], i as u64));
            for key in [None, Some(Key::new(3))] {
                // In f64 the same function takes the plain path.
                let layer = |[x, n, gate, up, down]: [&Tensor; 5]| {
                    let scaled = (x * 0.5)?;
                    feed_forward(&scaled, [n, gate, up, down], 1e-5, 0.3, key, Precision::F32)
                };
                agree(&inputs.each_ref(), layer, layer);
            }
        }
    }
}
