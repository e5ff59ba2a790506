//! Causal multi-head attention (Vaswani et al. 2017) with rotary positions, without a (B, H, T, T) tensor: each head works
//! through blocks of queries against the keys before them, and the backward pass computes the weights again from the
//! logarithms of their sums, as in FlashAttention (Dao et al. 2022).

use crate::error::Result;
use crate::nn::product::{Matrix, MatrixMut, Old, Threads, multiply};
use crate::nn::rope::Rope;
use crate::nn::vector::{dot, exp, exponentials, largest, scale, vectorised};
use crate::nn::{plain, slices};
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;
use std::sync::OnceLock;

/// Queries handled at once: their weights against a few hundred keys stay in the second-level cache.
const BLOCK: usize = 64;

/// `softmax(q kᵀ / √K) v` over the keys up to each query, q and k rotated by `rope`. `joined` (B, T, 3D) holds q, k and v
/// side by side, each of `heads` heads; gives (B, T, D).
pub fn causal_attention(joined: &Tensor, heads: usize, rope: &Rope) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[joined]) {
        let op = CausalAttention { heads, rope: rope.clone(), logarithms: OnceLock::new() };
        return Ok(joined.contiguous()?.apply_op1(op)?);
    }
    plain::causal_attention(joined, heads, rope)
}

/// Sizes: tokens T, heads H, width of a head K.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    t: usize,
    h: usize,
    k: usize,
}

impl Sizes {
    /// Of a joined tensor (B, T, 3D).
    pub fn of(joined: (usize, usize, usize), heads: usize) -> Sizes {
        Sizes { t: joined.1, h: heads, k: joined.2 / 3 / heads }
    }

    /// q, k and v (T, K) of head `head` in one sequence of the joined tensor.
    fn parts(self, sequence: &[f32], head: usize) -> [Matrix<'_>; 3] {
        let all = Matrix::new(sequence, self.t);
        [0, 1, 2].map(|part| all.columns((part * self.h + head) * self.k..(part * self.h + head + 1) * self.k))
    }

    /// The factor of the scores.
    fn factor(self) -> f32 {
        1.0 / (self.k as f32).sqrt()
    }
}

/// Rotates all rows of `from` into a new matrix.
fn rotated(from: Matrix, rope: &Rope, factor: f32, into: &mut [f32]) {
    for (position, to) in into.chunks_exact_mut(from.columns).enumerate() {
        rope.rotate(from.row(position), to, position, factor);
    }
}

/// Attends in every sequence and head of `joined`: writes (B, T, H · K) to `out` and gives the logarithms of the
/// softmax's sums (B, H, T).
pub(crate) fn forward(joined: &[f32], sizes: Sizes, rope: &Rope, out: &mut [f32]) -> Vec<f32> {
    let Sizes { t, h, k } = sizes;
    let mut logarithms = vec![0.0; out.len() / k];
    let outs = out.chunks_exact_mut(t * h * k).flat_map(|out| MatrixMut::new(out, t).split_columns(h));
    let tasks: Vec<_> = outs.zip(logarithms.chunks_exact_mut(t)).enumerate().collect();
    let scratch = || (vec![0.0; t * k], vec![0.0; t * k], vec![0.0; BLOCK.min(t) * t]);
    tasks.into_par_iter().for_each_init(scratch, |(queries, keys, scores), (task, (mut out, logarithms))| {
        let sequence = &joined[task / h * (3 * t * h * k)..(task / h + 1) * (3 * t * h * k)];
        let [q, key, v] = sizes.parts(sequence, task % h);
        rotated(q, rope, sizes.factor(), queries);
        rotated(key, rope, 1.0, keys);
        for start in (0..t).step_by(BLOCK) {
            let (end, rows) = ((start + BLOCK).min(t), BLOCK.min(t - start));
            let scores = &mut scores[..rows * end];
            multiply_scores(queries, keys, k, start..end, scores);
            for (i, row) in scores.chunks_exact_mut(end).enumerate() {
                let (seen, later) = row.split_at_mut(start + i + 1);
                let most = largest(seen);
                let sum = exponentials(seen, most);
                scale(seen, 1.0 / sum);
                later.fill(0.0);
                logarithms[start + i] = most + sum.ln();
            }
            let (weights, values) = (Matrix::new(scores, rows), v.rows(0..end));
            multiply(&mut out.rows(start..end), weights, values, 1.0, Old::Replace, Threads::One);
        }
    });
    logarithms
}

/// Scores of the queries of a block against all keys up to its end.
fn multiply_scores(queries: &[f32], keys: &[f32], k: usize, block: std::ops::Range<usize>, scores: &mut [f32]) {
    let queries = Matrix::new(&queries[block.start * k..block.end * k], block.len());
    let keys = Matrix::new(&keys[..block.end * k], block.end).transposed();
    let out = &mut MatrixMut::new(scores, block.len());
    multiply(out, queries, keys, 1.0, Old::Replace, Threads::One);
}

/// What one thread needs for the backward pass of one head.
struct Scratch {
    queries: Vec<f32>,
    keys: Vec<f32>,
    of_queries: Vec<f32>,
    of_keys: Vec<f32>,
    weights: Vec<f32>,
    of_scores: Vec<f32>,
}

/// Writes the gradient by `joined` to `of_joined`, which holds zeros.
pub(crate) fn backward(
    [joined, out, gradient]: [&[f32]; 3],
    sizes: Sizes,
    rope: &Rope,
    logarithms: &[f32],
    of_joined: &mut [f32],
) {
    let Sizes { t, h, k } = sizes;
    let mut tasks = Vec::with_capacity(logarithms.len() / t);
    for of_sequence in of_joined.chunks_exact_mut(3 * t * h * k) {
        let mut parts: Vec<_> = MatrixMut::new(of_sequence, t).split_columns(3 * h).collect();
        let (values, keys) = (parts.split_off(2 * h), parts.split_off(h));
        tasks.extend(parts.into_iter().zip(keys).zip(values));
    }
    let vec = |len| vec![0.0; len];
    let scratch = || Scratch {
        queries: vec(t * k),
        keys: vec(t * k),
        of_queries: vec(t * k),
        of_keys: vec(t * k),
        weights: vec(BLOCK.min(t) * t),
        of_scores: vec(BLOCK.min(t) * t),
    };
    tasks.into_par_iter().enumerate().for_each_init(scratch, |scratch, (task, ((of_q, of_k), of_v))| {
        let (sequence, head) = (task / h, task % h);
        let joined = &joined[sequence * (3 * t * h * k)..(sequence + 1) * (3 * t * h * k)];
        let of_head = |all| {
            let all: &[f32] = all;
            Matrix::new(&all[sequence * (t * h * k)..(sequence + 1) * (t * h * k)], t).columns(head * k..(head + 1) * k)
        };
        let head = Head {
            parts: sizes.parts(joined, head),
            out: of_head(out),
            gradient: of_head(gradient),
            logarithms: &logarithms[task * t..(task + 1) * t],
        };
        head.backward(sizes, rope, scratch, [of_q, of_k, of_v]);
    });
}

/// One head of one sequence, each matrix (T, K).
struct Head<'a> {
    parts: [Matrix<'a>; 3],
    out: Matrix<'a>,
    gradient: Matrix<'a>,
    logarithms: &'a [f32],
}

impl Head<'_> {
    fn backward(&self, sizes: Sizes, rope: &Rope, scratch: &mut Scratch, gradients: [MatrixMut; 3]) {
        let Sizes { t, k, .. } = sizes;
        let [q, key, v] = self.parts;
        let [mut of_q, mut of_k, mut of_v] = gradients;
        rotated(q, rope, sizes.factor(), &mut scratch.queries);
        rotated(key, rope, 1.0, &mut scratch.keys);
        scratch.of_keys.fill(0.0);
        for start in (0..t).step_by(BLOCK) {
            let (end, rows) = ((start + BLOCK).min(t), BLOCK.min(t - start));
            let weights = &mut scratch.weights[..rows * end];
            let of_scores = &mut scratch.of_scores[..rows * end];
            multiply_scores(&scratch.queries, &scratch.keys, k, start..end, weights);
            let (gradient, values) = (self.gradient.rows(start..end), v.rows(0..end));
            let by_weights = &mut MatrixMut::new(of_scores, rows);
            multiply(by_weights, gradient, values.transposed(), 1.0, Old::Replace, Threads::One);
            for (i, (weights, of_scores)) in
                weights.chunks_exact_mut(end).zip(of_scores.chunks_exact_mut(end)).enumerate()
            {
                let (row, seen) = (start + i, start + i + 1);
                let (out, gradient) = (self.out.row(row), self.gradient.row(row));
                through_softmax(&mut weights[..seen], &mut of_scores[..seen], self.logarithms[row], out, gradient);
                weights[seen..].fill(0.0);
                of_scores[seen..].fill(0.0);
            }
            let (weights, of_scores) = (Matrix::new(weights, rows), Matrix::new(of_scores, rows));
            let block = start * k..end * k;
            let queries = Matrix::new(&scratch.queries[block.clone()], rows);
            let keys = Matrix::new(&scratch.keys[..end * k], end);
            let of_queries = &mut MatrixMut::new(&mut scratch.of_queries[block], rows);
            let of_keys = &mut MatrixMut::new(&mut scratch.of_keys[..end * k], end);
            multiply(&mut of_v.rows(0..end), weights.transposed(), gradient, 1.0, Old::Add, Threads::One);
            multiply(of_queries, of_scores, keys, 1.0, Old::Replace, Threads::One);
            multiply(of_keys, of_scores.transposed(), queries, 1.0, Old::Add, Threads::One);
        }
        for position in 0..t {
            let row = position * k..(position + 1) * k;
            rope.rotate_back(&scratch.of_queries[row.clone()], of_q.row(position), position, sizes.factor());
            rope.rotate_back(&scratch.of_keys[row], of_k.row(position), position, 1.0);
        }
    }
}

vectorised! {
    /// Scores become weights `e^(score - logarithm)`, and gradients by the weights become gradients by the scores:
    /// weight · (gradient - Σ weight · gradient), where the sum is the product of the head's output with its gradient.
    fn through_softmax(weights: &mut [f32], of_scores: &mut [f32], logarithm: f32, out: &[f32], gradient: &[f32]) {
        let mean = dot::<FUSED>(out, gradient);
        for (weight, of_score) in weights.iter_mut().zip(of_scores) {
            *weight = exp::<FUSED>(*weight - logarithm);
            *of_score = *weight * (*of_score - mean);
        }
    }
}

struct CausalAttention {
    heads: usize,
    rope: Rope,
    /// Kept by the forward pass for the backward pass.
    logarithms: OnceLock<Vec<f32>>,
}

impl CustomOp1 for CausalAttention {
    fn name(&self) -> &'static str {
        "causal-attention"
    }

    fn cpu_fwd(&self, joined: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (b, t, width) = layout.shape().dims3()?;
        let joined = slices::of(joined, layout)?;
        let mut out = vec![0.0; joined.len() / 3];
        let logarithms = forward(joined, Sizes::of((b, t, width), self.heads), &self.rope, &mut out);
        // Only the first call sets it; a second forward pass of one operation has the same input.
        self.logarithms.get_or_init(|| logarithms);
        Ok((CpuStorage::F32(out), Shape::from((b, t, width / 3))))
    }

    fn bwd(&self, joined: &Tensor, result: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let sizes = Sizes::of(joined.dims3()?, self.heads);
        let logarithms = self.logarithms.get().expect("the forward pass comes before the backward pass");
        let mut of_joined = vec![0.0; joined.elem_count()];
        slices::read([joined, result, gradient], |given| {
            backward(given, sizes, &self.rope, logarithms, &mut of_joined);
        })?;
        Ok(Some(Tensor::from_vec(of_joined, joined.shape(), joined.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};

    #[test]
    fn agrees_with_the_plain_path() {
        // One token, odd sizes, more than one block of queries with a rest, several sequences and heads.
        for (b, t, h, k) in [(1, 1, 1, 2), (2, 3, 2, 4), (1, 2 * BLOCK + 5, 3, 6), (2, BLOCK, 2, 32)] {
            let joined = normal(&[b, t, 3 * h * k], 1);
            let rope = Rope::new(t + 2, k, 100.0);
            agree(&[&joined], |[x]| causal_attention(x, h, &rope), |[x]| plain::causal_attention(x, h, &rope));
        }
    }

    #[test]
    fn nothing_is_seen_before_its_time() {
        let (t, h, k) = (BLOCK + 3, 2, 4);
        let rope = Rope::new(t, k, 100.0);
        let joined = normal(&[1, t, 3 * h * k], 1);
        let changed = joined.slice_assign(&[0..1, t - 1..t, 0..3 * h * k], &normal(&[1, 1, 3 * h * k], 2)).unwrap();
        let out = |x: &Tensor| causal_attention(x, h, &rope).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (a, b) = (out(&joined), out(&changed));
        assert_eq!(a[..(t - 1) * h * k], b[..(t - 1) * h * k]);
        assert_ne!(a[(t - 1) * h * k..], b[(t - 1) * h * k..]);
        // The first token sees itself alone.
        let first: Vec<f32> = joined.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(a[..h * k], first[2 * h * k..3 * h * k]);
    }
}
