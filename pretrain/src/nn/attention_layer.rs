//! The attention half of a decoder layer as one operation: norm, attention, dropout and residual. Between the passes it
//! keeps queries, keys and values, the attention's result, and the logarithms of the softmax's sums.

use crate::error::Result;
use crate::nn::attention::{self, Sizes};
use crate::nn::dropout::{self, Mask};
use crate::nn::linear::{times, times_transposed, transposed_times};
use crate::nn::product::{Matrix, MatrixMut, Old};
use crate::nn::rope::Rope;
use crate::nn::vector::add;
use crate::nn::weights::Weights;
use crate::nn::{causal_attention, linear, norm, residual, rms_norm, slices};
use crate::random::Key;
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use std::sync::OnceLock;

/// What an attention layer has beside weights.
#[derive(Clone)]
pub struct AttentionSettings {
    /// H.
    pub heads: usize,
    /// Rotary positions of at least T tokens.
    pub rope: Rope,
    /// Added to the mean square in the norm.
    pub epsilon: f64,
    /// Share dropped, with a key.
    pub rate: f64,
}

/// `x + dropout(o(attention(q(n), k(n), v(n))))` with n the normed `x` (B, T, D): `weights` are the norm's (D), and q, k,
/// v and o (D, D).
pub fn attention_layer(
    x: &Tensor,
    weights: [&Tensor; 5],
    settings: &AttentionSettings,
    key: Option<Key>,
) -> Result<Tensor> {
    let [of_norm, q, k, v, o] = weights;
    if slices::are_f32_on_cpu(&[x, of_norm, q, k, v, o]) {
        let (weights, sign) = Weights::new(weights)?;
        let mask = Mask::when(settings.rate, key);
        let op = AttentionLayer { weights, settings: settings.clone(), mask, kept: OnceLock::new() };
        return Ok(x.contiguous()?.apply_op2(&sign, op)?);
    }
    let joined = linear(&rms_norm(x, of_norm, settings.epsilon)?, &Tensor::cat(&[q, k, v], 0)?)?;
    let attended = causal_attention(&joined, settings.heads, &settings.rope)?;
    residual(x, &linear(&attended, o)?, settings.rate, key)
}

/// What the forward pass keeps for the backward pass.
struct Kept {
    /// Queries, keys and values side by side (N, 3D).
    joined: Vec<f32>,
    /// (N, D).
    attended: Vec<f32>,
    /// (B, H, T).
    logarithms: Vec<f32>,
}

struct AttentionLayer {
    weights: Weights<5>,
    settings: AttentionSettings,
    mask: Option<Mask>,
    kept: OnceLock<Kept>,
}

impl AttentionLayer {
    fn sizes(&self, (b, t, d): (usize, usize, usize)) -> Sizes {
        Sizes::of((b, t, 3 * d), self.settings.heads)
    }

    fn forward(&self, x: &[f32], shape: (usize, usize, usize), [of_norm, q, k, v, o]: [&[f32]; 5]) -> Vec<f32> {
        let d = of_norm.len();
        let rows = x.len() / d;
        let mut normed = vec![0.0; x.len()];
        norm::forward(x, of_norm, self.settings.epsilon as f32, &mut normed);
        let mut joined = vec![0.0; 3 * x.len()];
        for (mut part, map) in MatrixMut::new(&mut joined, rows).split_columns(3).zip([q, k, v]) {
            times_transposed(&mut part, Matrix::new(&normed, rows), Matrix::new(map, d));
        }
        let mut attended = vec![0.0; x.len()];
        let logarithms = attention::forward(&joined, self.sizes(shape), &self.settings.rope, &mut attended);
        let branch = &mut normed; // its values are no longer needed
        times_transposed(&mut MatrixMut::new(branch, rows), Matrix::new(&attended, rows), Matrix::new(o, d));
        self.kept.get_or_init(|| Kept { joined, attended, logarithms });
        dropout::join(x, branch, self.mask)
    }

    /// The gradients by `x` and by the weights.
    fn backward(
        &self,
        x: &[f32],
        shape: (usize, usize, usize),
        [of_norm, q, k, v, o]: [&[f32]; 5],
        gradient: &[f32],
    ) -> (Vec<f32>, [Vec<f32>; 5]) {
        let Kept { joined, attended, logarithms } =
            self.kept.get().expect("the forward pass comes before the backward pass");
        let d = of_norm.len();
        let rows = x.len() / d;
        let of_branch = self.mask.map(|mask| dropout::masked(gradient, mask));
        let of_branch = Matrix::new(of_branch.as_deref().unwrap_or(gradient), rows);
        let of_o = transposed_times(of_branch, Matrix::new(attended, rows));
        let mut of_attended = vec![0.0; x.len()];
        times(&mut MatrixMut::new(&mut of_attended, rows), of_branch, Matrix::new(o, d), Old::Replace);
        let mut of_joined = vec![0.0; joined.len()];
        let given = [joined.as_slice(), attended, &of_attended];
        attention::backward(given, self.sizes(shape), &self.settings.rope, logarithms, &mut of_joined);
        let of_joined = Matrix::new(&of_joined, rows);
        let parts = [0, 1, 2].map(|part| of_joined.columns(part * d..(part + 1) * d));
        let mut normed = of_attended; // its values are no longer needed
        norm::forward(x, of_norm, self.settings.epsilon as f32, &mut normed);
        let [of_q, of_k, of_v] = parts.map(|part| transposed_times(part, Matrix::new(&normed, rows)));
        let of_normed = &mut normed; // as above
        for (part, (map, old)) in parts.into_iter().zip([(q, Old::Replace), (k, Old::Add), (v, Old::Add)]) {
            times(&mut MatrixMut::new(of_normed, rows), part, Matrix::new(map, d), old);
        }
        let mut of_x = vec![0.0; x.len()];
        let by_norm = norm::backward(x, of_norm, of_normed, self.settings.epsilon as f32, &mut of_x);
        add(&mut of_x, gradient);
        (of_x, [by_norm, of_q, of_k, of_v, of_o])
    }
}

impl CustomOp2 for AttentionLayer {
    fn name(&self) -> &'static str {
        "attention-layer"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, shape) = (slices::of(x, layout)?, layout.shape().dims3()?);
        let out = slices::read(self.weights.tensors.each_ref(), |weights| self.forward(x, shape, weights))?;
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        sign: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let shape = x.dims3()?;
        let (of_x, of_weights) = slices::read([x, gradient], |[values, gradient]| {
            slices::read(self.weights.tensors.each_ref(), |weights| self.backward(values, shape, weights, gradient))
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
        for (b, t, heads, width) in [(1, 1, 1, 2), (2, 3, 2, 4), (2, 70, 3, 6)] {
            let d = heads * width;
            let shapes: [&[usize]; 6] = [&[b, t, d], &[d], &[d, d], &[d, d], &[d, d], &[d, d]];
            // Weights as small as a model's: scores stay moderate.
            let inputs: [Tensor; 6] = std::array::from_fn(|i| (normal(shapes[i], i as u64) * 0.3).unwrap());
            let settings = AttentionSettings { heads, rope: Rope::new(t, width, 100.0), epsilon: 1e-5, rate: 0.3 };
            for key in [None, Some(Key::new(3))] {
                // In f64 the same function takes the plain path.
                let layer = |[x, n, q, k, v, o]: [&Tensor; 6]| attention_layer(x, [n, q, k, v, o], &settings, key);
                agree(&inputs.each_ref(), layer, layer);
            }
        }
    }
}
