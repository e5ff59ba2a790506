//! Multi-head attention (Vaswani et al. 2017) without a (B, H, T, T) tensor: each head works through blocks of queries
//! against the keys they see (see [`Seen`]), and the backward pass computes the weights again from the logarithms of their
//! sums, as in FlashAttention (Dao et al. 2022). Heads of queries may share heads of keys and values (Ainslie et al. 2023).

use crate::error::Result;
use crate::nn::fresh::zeros;
use crate::nn::heads::{HeadNorms, Heads, Preparation};
use crate::nn::product::{Matrix, MatrixMut, Old, Threads, multiply};
use crate::nn::seen::Seen;
use crate::nn::vector::{add, dot, exp, exponentials, largest, scale, vectorised};
use crate::nn::{plain, slices};
use crate::precision::Precision;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;

/// Queries handled at once: their weights against a few hundred keys stay in the second-level cache.
const BLOCK: usize = 64;

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
    let scratch = || (vec![0.0; t * k], vec![0.0; t * k], vec![0.0; BLOCK.min(t) * t]);
    tasks.into_par_iter().for_each_init(scratch, |(queries, keys, scores), (task, (out, logarithms))| {
        let (sequence, group) = (task / g, task % g);
        let [key, v] = [h, h + g].map(|first| sizes.part(joined, sequence, first + group));
        of_keys.prepare(key, keys);
        let outs = out.split_columns(sizes.shared()).zip(logarithms.chunks_exact_mut(t));
        for (member, (mut out, logarithms)) in outs.enumerate() {
            of_queries.prepare(sizes.part(joined, sequence, group * sizes.shared() + member), queries);
            for start in (0..t).step_by(BLOCK) {
                let (end, rows) = ((start + BLOCK).min(t), BLOCK.min(t - start));
                let block = seen.keys_of_block(sequence, start..end, t);
                let scores = &mut scores[..rows * block.len()];
                multiply_scores(queries, keys, k, start..end, block.clone(), scores);
                for (i, row) in scores.chunks_exact_mut(block.len()).enumerate() {
                    let range = within(seen.keys(sequence, start + i, t), &block);
                    row[..range.start].fill(0.0);
                    row[range.end..].fill(0.0);
                    let row = &mut row[range];
                    let most = largest(row);
                    let sum = exponentials(row, most);
                    scale(row, 1.0 / sum);
                    logarithms[start + i] = most + sum.ln();
                }
                let (weights, values) = (Matrix::new(scores, rows), v.rows(block));
                multiply(&mut out.rows(start..end), weights, values, 1.0, Old::Replace, Threads::One);
            }
        }
    });
    logarithms
}

/// Keys by their place in a block of keys.
fn within(keys: Range<usize>, block: &Range<usize>) -> Range<usize> {
    keys.start - block.start..keys.end - block.start
}

/// Rows of (T, K).
fn rows_of(all: &[f32], k: usize, rows: Range<usize>) -> Matrix<'_> {
    Matrix::new(&all[rows.start * k..rows.end * k], rows.len())
}

/// Scores of the queries of a block against a block of keys.
fn multiply_scores(
    queries: &[f32],
    keys: &[f32],
    k: usize,
    of_queries: Range<usize>,
    of_keys: Range<usize>,
    scores: &mut [f32],
) {
    let out = &mut MatrixMut::new(scores, of_queries.len());
    let (queries, keys) = (rows_of(queries, k, of_queries), rows_of(keys, k, of_keys).transposed());
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

/// Writes the gradient by `joined` to `of_joined`, which holds zeros, and gives those by the norms of queries and keys
/// (K each; empty without norms).
pub(crate) fn backward(
    [joined, out, gradient]: [&[f32]; 3],
    sizes: Sizes,
    (heads, seen): (&Heads, &Seen),
    norms: Option<HeadNorms>,
    logarithms: &[f32],
    of_joined: &mut [f32],
) -> [Vec<f32>; 2] {
    let Sizes { t, h, g, k } = sizes;
    let [of_queries, of_keys] = Preparation::both(heads, norms, sizes.factor());
    let mut tasks = Vec::with_capacity(logarithms.len() / t);
    for of_sequence in of_joined.chunks_exact_mut(t * sizes.width()) {
        let mut parts: Vec<_> = MatrixMut::new(of_sequence, t).split_columns(h + 2 * g).collect();
        let (values, keys) = (parts.split_off(h + g), parts.split_off(h));
        let mut queries = parts.into_iter();
        let groups = keys.into_iter().zip(values);
        tasks.extend(groups.map(|pair| (pair, queries.by_ref().take(sizes.shared()).collect::<Vec<_>>())));
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
    let tasks = tasks.into_par_iter().enumerate();
    let by_norms = tasks.map_init(scratch, |scratch, (task, ((mut of_key, mut of_value), of_group))| {
        let (sequence, group) = (task / g, task % g);
        let [key, values] = [h, h + g].map(|first| sizes.part(joined, sequence, first + group));
        let mut by_norms = [of_queries.zeros(), of_keys.zeros()];
        of_keys.prepare(key, &mut scratch.keys);
        scratch.of_keys.fill(0.0);
        for (member, mut of_query) in of_group.into_iter().enumerate() {
            let number = group * sizes.shared() + member;
            let query = sizes.part(joined, sequence, number);
            of_queries.prepare(query, &mut scratch.queries);
            let head = Head {
                values,
                out: sizes.head(out, sequence, number),
                gradient: sizes.head(gradient, sequence, number),
                logarithms: &logarithms[(sequence * h + number) * t..(sequence * h + number + 1) * t],
            };
            head.backward(k, (seen, sequence), scratch, &mut of_value);
            of_queries.back(query, &scratch.of_queries, &mut of_query, &mut by_norms[0]);
        }
        of_keys.back(key, &scratch.of_keys, &mut of_key, &mut by_norms[1]);
        by_norms
    });
    // In the order of the tasks, so threads change no bit.
    let by_norms: Vec<[Vec<f32>; 2]> = by_norms.collect();
    let mut sums = [of_queries.zeros(), of_keys.zeros()];
    for parts in &by_norms {
        sums.iter_mut().zip(parts).for_each(|(sum, part)| add(sum, part));
    }
    sums
}

/// One head of queries of one sequence, each matrix (T, K).
struct Head<'a> {
    values: Matrix<'a>,
    out: Matrix<'a>,
    gradient: Matrix<'a>,
    logarithms: &'a [f32],
}

impl Head<'_> {
    /// Writes the gradient by the prepared queries to the scratch space, and adds those by the prepared keys and by the
    /// values to what other heads left.
    fn backward(&self, k: usize, (seen, sequence): (&Seen, usize), scratch: &mut Scratch, of_values: &mut MatrixMut) {
        let t = self.logarithms.len();
        for start in (0..t).step_by(BLOCK) {
            let (end, rows) = ((start + BLOCK).min(t), BLOCK.min(t - start));
            let block = seen.keys_of_block(sequence, start..end, t);
            let weights = &mut scratch.weights[..rows * block.len()];
            let of_scores = &mut scratch.of_scores[..rows * block.len()];
            multiply_scores(&scratch.queries, &scratch.keys, k, start..end, block.clone(), weights);
            let (gradient, values) = (self.gradient.rows(start..end), self.values.rows(block.clone()));
            let by_weights = &mut MatrixMut::new(of_scores, rows);
            multiply(by_weights, gradient, values.transposed(), 1.0, Old::Replace, Threads::One);
            let each = weights.chunks_exact_mut(block.len()).zip(of_scores.chunks_exact_mut(block.len()));
            for (row, (weights, of_scores)) in (start..).zip(each) {
                let range = within(seen.keys(sequence, row, t), &block);
                for unseen in [0..range.start, range.end..block.len()] {
                    weights[unseen.clone()].fill(0.0);
                    of_scores[unseen].fill(0.0);
                }
                let (out, gradient) = (self.out.row(row), self.gradient.row(row));
                let (weights, of_scores) = (&mut weights[range.clone()], &mut of_scores[range]);
                through_softmax(weights, of_scores, self.logarithms[row], out, gradient);
            }
            let (weights, of_scores) = (Matrix::new(weights, rows), Matrix::new(of_scores, rows));
            let queries = rows_of(&scratch.queries, k, start..end);
            let keys = rows_of(&scratch.keys, k, block.clone());
            let of_queries = &mut MatrixMut::new(&mut scratch.of_queries[start * k..end * k], rows);
            let of_keys = &mut scratch.of_keys[block.start * k..block.end * k];
            let of_keys = &mut MatrixMut::new(of_keys, block.len());
            multiply(&mut of_values.rows(block), weights.transposed(), gradient, 1.0, Old::Add, Threads::One);
            multiply(of_queries, of_scores, keys, 1.0, Old::Replace, Threads::One);
            multiply(of_keys, of_scores.transposed(), queries, 1.0, Old::Add, Threads::One);
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
mod tests {
    use super::*;
    use crate::nn::Rope;
    use crate::nn::check::{agree, normal};
    use crate::precision::Precision::F32;

    /// Causal and bidirectional, each with whole sequences, with texts of several lengths, and filled up.
    fn kinds(b: usize, t: usize) -> Vec<Seen> {
        let every = |step: usize| (0..t).step_by(step).collect::<Vec<_>>();
        let starts: Vec<_> = (0..b).map(|sequence| every([t.div_ceil(3), 1, 7][sequence % 3])).collect();
        let lengths: Vec<_> = (0..b).map(|sequence| [t.div_ceil(2), t, 1][sequence % 3]).collect();
        let of = |seen: Seen| {
            let (apart, padded) = (seen.clone().apart(&starts, t), seen.clone().padded(&lengths, t));
            [seen, apart.unwrap(), padded.unwrap()]
        };
        [Seen::causal(), Seen::bidirectional()].into_iter().flat_map(of).collect()
    }

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{a} {b}"));
    }

    #[test]
    fn a_boundary_makes_two_sequences_of_one() {
        let (t, cut, h, k) = (2 * BLOCK + 9, BLOCK + 3, 2, 4);
        let heads = Heads { queries: h, keys: h, rope: None };
        let joined = normal(&[1, t, 3 * h * k], 1);
        for seen in [Seen::causal(), Seen::bidirectional()] {
            let gradient = normal(&[1, t, h * k], 2);
            // Value and gradient of a part of the tokens by itself, or of all with the boundary.
            let run = |from: usize, count: usize, seen: &Seen| {
                let part = candle_core::Var::from_tensor(&joined.narrow(1, from, count).unwrap()).unwrap();
                let out = attention(&part, &heads, seen, F32).unwrap();
                let loss = (&out * gradient.narrow(1, from, count).unwrap()).unwrap().sum_all().unwrap();
                [numbers(&out), numbers(loss.backward().unwrap().get(&part).unwrap())]
            };
            let together = run(0, t, &seen.clone().apart(&[vec![0, cut]], t).unwrap());
            let (first, second) = (run(0, cut, &seen), run(cut, t - cut, &seen));
            for which in [0, 1] {
                near(&together[which], &[first[which].clone(), second[which].clone()].concat());
            }
            assert_ne!(together[0], run(0, t, &seen)[0]);
        }
    }

    #[test]
    fn padding_changes_nothing_and_is_not_changed() {
        let (t, length, h, k) = (BLOCK + 9, BLOCK - 2, 2, 4);
        let heads = Heads { queries: h, keys: h, rope: Some(Rope::new(t, k, 100.0)) };
        let seen = Seen::bidirectional().padded(&[length], t).unwrap();
        let joined = candle_core::Var::from_tensor(&normal(&[1, t, 3 * h * k], 1)).unwrap();
        let alone = attention(&joined.narrow(1, 0, length).unwrap(), &heads, &Seen::bidirectional(), F32).unwrap();
        let padded = attention(&joined, &heads, &seen, F32).unwrap().narrow(1, 0, length).unwrap();
        near(&numbers(&padded), &numbers(&alone));
        let store = padded.sum_all().unwrap().backward().unwrap();
        let of_padding = store.get(&joined).unwrap().narrow(1, length, t - length).unwrap();
        assert!(numbers(&of_padding).iter().all(|gradient| *gradient == 0.0));
        // A later token is seen.
        let changed = joined.slice_assign(&[0..1, length - 1..length, 0..3 * h * k], &normal(&[1, 1, 3 * h * k], 2));
        let other = attention(&changed.unwrap(), &heads, &seen, F32).unwrap();
        assert_ne!(numbers(&other)[..h * k], numbers(&padded)[..h * k]);
    }

    #[test]
    fn agrees_with_the_plain_path() {
        // One token, odd sizes, more than one block of queries with a rest, several sequences and heads, shared keys.
        let sizes = [
            (1, 1, 1, 1, 2),
            (2, 3, 2, 2, 4),
            (1, 2 * BLOCK + 5, 3, 3, 6),
            (2, BLOCK, 2, 2, 32),
            (2, 5, 6, 2, 4),
            (2, BLOCK + 3, 4, 1, 6),
        ];
        for (b, t, queries, keys, k) in sizes {
            let joined = normal(&[b, t, (queries + 2 * keys) * k], 1);
            for rope in [None, Some(Rope::new(t + 2, k, 100.0))] {
                let heads = Heads { queries, keys, rope };
                for seen in kinds(b, t) {
                    agree(
                        &[&joined],
                        |[x]| attention(x, &heads, &seen, F32),
                        |[x]| plain::attention(x, &heads, &seen, None, F32),
                    );
                }
            }
        }
    }

    #[test]
    fn heads_that_share_keys_are_heads_with_equal_keys() {
        let (t, k) = (9, 4);
        let rope = Some(Rope::new(t, k, 100.0));
        let part = |count, seed| normal(&[1, t, count, k], seed);
        let (q, key, v) = (part(4, 1), part(2, 2), part(2, 3));
        let join = |parts: [&Tensor; 3]| Tensor::cat(&parts, 2).unwrap().reshape((1, t, ())).unwrap();
        let attend = |joined: &Tensor, keys| {
            let heads = Heads { queries: 4, keys, rope: rope.clone() };
            attention(joined, &heads, &Seen::causal(), F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let twice = |x: &Tensor| x.index_select(&Tensor::new(&[0u32, 0, 1, 1], x.device()).unwrap(), 2).unwrap();
        assert_eq!(attend(&join([&q, &key, &v]), 2), attend(&join([&q, &twice(&key), &twice(&v)]), 4));
    }

    #[test]
    fn nothing_is_seen_before_its_time() {
        let (t, h, k) = (BLOCK + 3, 2, 4);
        let heads = Heads { queries: h, keys: h, rope: Some(Rope::new(t, k, 100.0)) };
        let joined = normal(&[1, t, 3 * h * k], 1);
        let changed = joined.slice_assign(&[0..1, t - 1..t, 0..3 * h * k], &normal(&[1, 1, 3 * h * k], 2)).unwrap();
        let out = |x: &Tensor| {
            attention(x, &heads, &Seen::causal(), F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (a, b) = (out(&joined), out(&changed));
        assert_eq!(a[..(t - 1) * h * k], b[..(t - 1) * h * k]);
        assert_ne!(a[(t - 1) * h * k..], b[(t - 1) * h * k..]);
        // The first token sees itself alone.
        let first: Vec<f32> = joined.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(a[..h * k], first[2 * h * k..3 * h * k]);
    }
}
