//! Multi-head attention (Vaswani et al. 2017) without a (B, H, T, T) tensor: each head works through blocks of queries
//! against the keys they see (see [`Seen`]), and the backward pass computes the weights again from the logarithms of their
//! sums, as in FlashAttention (Dao et al. 2022). Heads of queries may share heads of keys and values (Ainslie et al. 2023).

mod backward;
mod scores;

use crate::error::Result;
use crate::nn::fresh::zeros;
use crate::nn::heads::{HeadNorms, Heads, Preparation};
use crate::nn::product::panels::{Panels, Room};
use crate::nn::product::{Matrix, MatrixMut, Old};
use crate::nn::seen::Seen;
use crate::nn::vector::{exponentials, largest, scale};
use crate::nn::{plain, slices};
use crate::precision::Precision;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;

pub(crate) use backward::backward;
use scores::Scores;
pub(crate) use scores::block_of_queries;

/// `softmax(q kᵀ / √K) v` over the keys each query sees, q and k rotated where `heads` has rotary positions. `joined`
/// (B, T, (H + 2G) · K) holds q, k and v side by side, each head by head; gives (B, T, H · K). Products
/// of f32 on the CPU are in f32 whatever `precision` says: they are few and small.
pub fn attention(joined: &Tensor, heads: &Heads, seen: &Seen, precision: Precision) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[joined]) {
        let op = Attention { heads: heads.clone(), seen: seen.clone(), logarithms: OnceLock::new() };
        return Ok(joined.contiguous()?.apply_op1(op)?);
    }
    plain::attention(joined, heads, seen, None, precision)
}

/// Sizes: tokens T, heads of queries H, heads of keys G, width of a head K.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    t: usize,
    h: usize,
    g: usize,
    k: usize,
}

impl Sizes {
    /// Of a joined tensor (B, T, (H + 2G) · K).
    pub fn of((_, t, width): (usize, usize, usize), heads: &Heads) -> Sizes {
        Sizes { t, h: heads.queries, g: heads.keys, k: heads.width(width) }
    }

    /// Columns of the joined tensor.
    fn width(self) -> usize {
        (self.h + 2 * self.g) * self.k
    }

    /// Heads of queries that share a head of keys.
    fn shared(self) -> usize {
        self.h / self.g
    }

    /// A part (T, K) of one sequence of the joined tensor: heads of queries, then of keys, then of values.
    fn part(self, joined: &[f32], sequence: usize, part: usize) -> Matrix<'_> {
        let size = self.t * self.width();
        let all = Matrix::new(&joined[sequence * size..(sequence + 1) * size], self.t);
        all.columns(part * self.k..(part + 1) * self.k)
    }

    /// Head `head` (T, K) of one sequence of a tensor (B, T, H · K).
    fn head(self, all: &[f32], sequence: usize, head: usize) -> Matrix<'_> {
        let size = self.t * self.h * self.k;
        Matrix::new(&all[sequence * size..(sequence + 1) * size], self.t).columns(head * self.k..(head + 1) * self.k)
    }

    /// The factor of the scores.
    fn factor(self) -> f32 {
        1.0 / (self.k as f32).sqrt()
    }
}

/// Attends in every sequence and head of `joined`: writes (B, T, H · K) to `out` and gives the logarithms of the
/// softmax's sums (B, H, T).
pub(crate) fn forward(
    joined: &[f32],
    sizes: Sizes,
    heads: &Heads,
    seen: &Seen,
    norms: Option<HeadNorms>,
    out: &mut [f32],
) -> Vec<f32> {
    let Sizes { t, h, g, k } = sizes;
    let [of_queries, of_keys] = Preparation::both(heads, norms, sizes.factor());
    let mut logarithms = vec![0.0; out.len() / k];
    // A task is a head of keys with the heads of queries that share it.
    let outs = out.chunks_exact_mut(t * h * k).flat_map(|out| MatrixMut::new(out, t).split_columns(g));
    let tasks: Vec<_> = outs.zip(logarithms.chunks_exact_mut(t * sizes.shared())).enumerate().collect();
    let at_once = block_of_queries(t);
    let rows = || vec![0.0; t * k];
    let scratch = || ([Room::default(), Room::default()], [rows(), rows()], Scores::of(t));
    tasks.into_par_iter().for_each_init(scratch, |(rooms, [queries, keys], scores), (task, (out, logarithms))| {
        let (sequence, group) = (task / g, task % g);
        let [key, value] = [h, h + g].map(|first| sizes.part(joined, sequence, first + group));
        of_keys.prepare(key, keys);
        let [key_room, value_room] = rooms;
        let keys = Panels::new(Matrix::new(keys, t).transposed(), key_room);
        let values = Panels::new(value, value_room);
        let outs = out.split_columns(sizes.shared()).zip(logarithms.chunks_exact_mut(t));
        for (member, (mut out, logarithms)) in outs.enumerate() {
            of_queries.prepare(sizes.part(joined, sequence, group * sizes.shared() + member), queries);
            for start in (0..t).step_by(at_once) {
                let block = start..(start + at_once).min(t);
                let sees = |row| seen.keys(sequence, start + row, t);
                let all = seen.keys_of_block(sequence, block.clone(), t);
                let rows = rows_of(queries, k, block.clone());
                keys.multiply_columns(&mut scores.rows_mut(block.len()).columns(0..t), rows, sees);
                for (i, logarithm) in logarithms[block.clone()].iter_mut().enumerate() {
                    let row = scores.seen_of(i, sees(i), &all);
                    let most = largest(row);
                    let sum = exponentials(row, most);
                    scale(row, 1.0 / sum);
                    *logarithm = most + sum.ln();
                }
                let weights = scores.rows(block.len());
                values.multiply_rows(&mut out.rows(block), weights, 0..t, sees, Old::Replace);
            }
        }
    });
    logarithms
}

/// Rows of (T, K).
fn rows_of(all: &[f32], k: usize, rows: Range<usize>) -> Matrix<'_> {
    Matrix::new(&all[rows.start * k..rows.end * k], rows.len())
}

struct Attention {
    heads: Heads,
    seen: Seen,
    /// Kept by the forward pass for the backward pass.
    logarithms: OnceLock<Vec<f32>>,
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, joined: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (b, t, width) = layout.shape().dims3()?;
        self.seen.check(b, t)?;
        let (joined, sizes) = (slices::of(joined, layout)?, Sizes::of((b, t, width), &self.heads));
        let mut out = zeros(b * t * sizes.h * sizes.k);
        let logarithms = forward(joined, sizes, &self.heads, &self.seen, None, &mut out);
        // Only the first call sets it; a second forward pass of one operation has the same input.
        self.logarithms.get_or_init(|| logarithms);
        Ok((CpuStorage::F32(out), Shape::from((b, t, sizes.h * sizes.k))))
    }

    fn bwd(&self, joined: &Tensor, result: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let sizes = Sizes::of(joined.dims3()?, &self.heads);
        let logarithms = self.logarithms.get().expect("the forward pass comes before the backward pass");
        let mut of_joined = zeros(joined.elem_count());
        slices::read([joined, result, gradient], |given| {
            backward(given, sizes, (&self.heads, &self.seen), None, logarithms, &mut of_joined);
        })?;
        Ok(Some(Tensor::from_vec(of_joined, joined.shape(), joined.device())?))
    }
}

#[cfg(test)]
mod tests;
