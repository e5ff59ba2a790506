//! The attention half of a decoder layer as one operation: norm, attention, dropout and residual. Between the passes it
//! keeps queries, keys and values, the attention's result, and the logarithms of the softmax's sums.

use crate::error::Result;
use crate::nn::attention::{self, Sizes};
use crate::nn::dropout::{self, Mask};
use crate::nn::fresh::zeros;
use crate::nn::heads::{HeadNorms, Heads};
use crate::nn::kept::Kept;
use crate::nn::linear::{add_times, times, times_transposed, transposed_times};
use crate::nn::product::{Matrix, MatrixMut};
use crate::nn::seen::Seen;
use crate::nn::weights::Weights;
use crate::nn::{linear, norm, plain, residual, rms_norm, slices};
use crate::precision::Precision;
use crate::random::Key;
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use std::ops::Range;

/// What an attention layer has beside weights.
#[derive(Clone)]
pub struct AttentionSettings {
    /// H and G, and rotary positions of at least T tokens.
    pub heads: Heads,
    /// The keys each query sees.
    pub seen: Seen,
    /// Added to the mean square in the norms.
    pub epsilon: f64,
    /// Share dropped, with a key.
    pub rate: f64,
    /// Of the products with weights; those of attention itself are in f32 on the CPU.
    pub precision: Precision,
}

/// `x + dropout(o(attention(q(n), k(n), v(n))))` with n the normed `x` (B, T, D): `weights` are the norm's (D), q
/// (H · K, D), k and v (G · K, D), and o (D, H · K). With `head_norms` (K each) every query and every key is normed.
pub fn attention_layer(
    x: &Tensor,
    weights: [&Tensor; 5],
    head_norms: Option<[&Tensor; 2]>,
    settings: &AttentionSettings,
    key: Option<Key>,
) -> Result<Tensor> {
    let [of_norm, q, k, v, o] = weights;
    if slices::are_f32_on_cpu(&[x, of_norm, q, k, v, o]) {
        return match head_norms {
            None => fused(x, weights, settings, key),
            Some([of_queries, of_keys]) => fused(x, [of_norm, q, k, v, o, of_queries, of_keys], settings, key),
        };
    }
    let precision = settings.precision;
    let joined = linear(&rms_norm(x, of_norm, settings.epsilon)?, &Tensor::cat(&[q, k, v], 0)?, precision)?;
    let norms = head_norms.map(|weights| (weights, settings.epsilon));
    let attended = plain::attention(&joined, &settings.heads, &settings.seen, norms, precision)?;
    residual(x, &linear(&attended, o, precision)?, settings.rate, key)
}

/// The operation on five weights, or on seven with the norms of queries and keys.
fn fused<const N: usize>(
    x: &Tensor,
    weights: [&Tensor; N],
    settings: &AttentionSettings,
    key: Option<Key>,
) -> Result<Tensor> {
    let (weights, sign) = Weights::new(weights)?;
    let mask = Mask::when(settings.rate, key);
    let op = AttentionLayer { weights, settings: settings.clone(), mask, kept: Kept::nothing() };
    Ok(x.contiguous()?.apply_op2(&sign, op)?)
}

/// What the forward pass keeps for the backward pass.
struct Passed {
    /// Queries, keys and values side by side (N, (H + 2G) · K).
    joined: Vec<f32>,
    /// (N, H · K).
    attended: Vec<f32>,
    /// (B, H, T).
    logarithms: Vec<f32>,
}

struct AttentionLayer<const N: usize> {
    weights: Weights<N>,
    settings: AttentionSettings,
    mask: Option<Mask>,
    kept: Kept<Passed>,
}

/// The weights of an operation by their names.
struct Named<'a> {
    of_norm: &'a [f32],
    /// Queries', keys' and values' maps.
    maps: [&'a [f32]; 3],
    o: &'a [f32],
    head_norms: Option<HeadNorms<'a>>,
}

impl<'a> Named<'a> {
    fn of<const N: usize>(weights: [&'a [f32]; N], epsilon: f32) -> Named<'a> {
        let head_norms = match weights[5..] {
            [queries, keys] => Some(HeadNorms { weights: [queries, keys], epsilon }),
            _ => None,
        };
        Named { of_norm: weights[0], maps: [weights[1], weights[2], weights[3]], o: weights[4], head_norms }
    }

    /// The columns of the joined matrix that each map makes.
    fn parts(&self) -> [Range<usize>; 3] {
        let d = self.of_norm.len();
        let [q, k, v] = self.maps.map(|map| map.len() / d);
        [0..q, q..q + k, q + k..q + k + v]
    }
}

impl<const N: usize> AttentionLayer<N> {
    fn forward(&self, x: &[f32], (b, t, d): (usize, usize, usize), weights: [&[f32]; N]) -> Vec<f32> {
        let AttentionSettings { heads, seen, epsilon, precision, .. } = &self.settings;
        let named = Named::of(weights, *epsilon as f32);
        let (rows, parts) = (b * t, named.parts());
        let normed = norm::forward(x, named.of_norm, *epsilon as f32);
        let maps = named.maps.map(|map| Matrix::new(map, map.len() / d));
        let joined = times_transposed(Matrix::new(&normed, rows), maps, *precision);
        drop(normed);
        let mut attended = zeros(rows * parts[0].len());
        let sizes = Sizes::of((b, t, parts[2].end), heads);
        let logarithms = attention::forward(&joined, sizes, heads, seen, named.head_norms, &mut attended);
        let branch = times_transposed(Matrix::new(&attended, rows), [Matrix::new(named.o, d)], *precision);
        self.kept.keep(Passed { joined, attended, logarithms });
        dropout::join(x, &branch, self.mask)
    }

    /// The gradients by `x` and by the weights.
    fn backward(
        &self,
        x: &[f32],
        (b, t, d): (usize, usize, usize),
        weights: [&[f32]; N],
        gradient: &[f32],
        Passed { joined, attended, logarithms }: Passed,
    ) -> (Vec<f32>, [Vec<f32>; N]) {
        let AttentionSettings { heads, seen, epsilon, precision, .. } = &self.settings;
        let named = Named::of(weights, *epsilon as f32);
        let (rows, columns) = (b * t, named.parts());
        let of_branch = self.mask.map(|mask| dropout::masked(gradient, mask));
        let of_branch = Matrix::new(of_branch.as_deref().unwrap_or(gradient), rows);
        let of_o = transposed_times(of_branch, Matrix::new(&attended, rows), *precision);
        let of_attended = times(of_branch, Matrix::new(named.o, d), *precision);
        let mut of_joined = zeros(joined.len());
        let given = [joined.as_slice(), &attended, &of_attended];
        let sizes = Sizes::of((b, t, columns[2].end), heads);
        let by_head_norms =
            attention::backward(given, sizes, (heads, seen), named.head_norms, &logarithms, &mut of_joined);
        drop((joined, attended, of_attended));
        let of_joined = Matrix::new(&of_joined, rows);
        let parts = columns.map(|columns| of_joined.columns(columns));
        let normed = norm::forward(x, named.of_norm, *epsilon as f32);
        let by_maps = parts.map(|part| transposed_times(part, Matrix::new(&normed, rows), *precision));
        drop(normed);
        let maps = named.maps.map(|map| Matrix::new(map, map.len() / d));
        let mut of_normed = times(parts[0], maps[0], *precision);
        for (part, map) in parts.into_iter().zip(maps).skip(1) {
            add_times(&mut MatrixMut::new(&mut of_normed, rows), part, map, *precision);
        }
        let (of_x, by_norm) = norm::backward(x, named.of_norm, &of_normed, *epsilon as f32, Some(gradient));
        let all = std::iter::once(by_norm).chain(by_maps).chain([of_o]).chain(by_head_norms);
        let mut all = all.take(N);
        (of_x, std::array::from_fn(|_| all.next().expect("a gradient for each of five or seven weights")))
    }
}

impl<const N: usize> CustomOp2 for AttentionLayer<N> {
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
        self.settings.seen.check(shape.0, shape.1)?;
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
        let (shape, passed) = (x.dims3()?, self.kept.take(self.name())?);
        let (of_x, of_weights) = slices::read([x, gradient], |[values, gradient]| {
            let all = self.weights.tensors.each_ref();
            slices::read(all, |weights| self.backward(values, shape, weights, gradient, passed))
        })??;
        self.weights.leave(of_weights)?;
        Ok((Some(Tensor::from_vec(of_x, x.shape(), x.device())?), Some(sign.zeros_like()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Rope;
    use crate::nn::check::{agree, normal};

    #[test]
    fn agrees_with_the_plain_path() {
        for (b, t, queries, keys, width, d) in
            [(1, 1, 1, 1, 2, 2), (2, 3, 2, 2, 4, 8), (2, 70, 3, 3, 6, 18), (2, 5, 4, 2, 6, 10), (1, 66, 2, 1, 4, 7)]
        {
            let (of_queries, of_keys) = (queries * width, keys * width);
            let shapes: [&[usize]; 8] = [
                &[b, t, d],
                &[d],
                &[of_queries, d],
                &[of_keys, d],
                &[of_keys, d],
                &[d, of_queries],
                &[width],
                &[width],
            ];
            // Weights as small as a model's: scores stay moderate.
            let inputs: [Tensor; 8] = std::array::from_fn(|i| (normal(shapes[i], i as u64) * 0.3).unwrap());
            let heads = Heads { queries, keys, rope: Some(Rope::new(t, width, 100.0)) };
            let starts = vec![(0..t).step_by(t.div_ceil(2)).collect(); b];
            let apart = Seen::causal().apart(&starts, t).unwrap();
            for (key, seen) in [(None, Seen::causal()), (Some(Key::new(3)), Seen::causal()), (None, apart)] {
                let precision = Precision::F32;
                let settings = AttentionSettings { heads: heads.clone(), seen, epsilon: 1e-5, rate: 0.3, precision };
                // In f64 the same function takes the plain path.
                let bare = |[x, n, q, k, v, o]: [&Tensor; 6]| attention_layer(x, [n, q, k, v, o], None, &settings, key);
                let [x, n, q, k, v, o, a, b] = inputs.each_ref();
                agree(&[x, n, q, k, v, o], bare, bare);
                let normed = |[x, n, q, k, v, o, a, b]: [&Tensor; 8]| {
                    attention_layer(x, [n, q, k, v, o], Some([a, b]), &settings, key)
                };
                agree(&[x, n, q, k, v, o, a, b], normed, normed);
            }
        }
    }
}
