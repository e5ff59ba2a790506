//! The gradients of [`super::attention`]: weights are computed again, block by block, from the logarithms of their sums.

use super::scores::Scores;
use super::{Sizes, block_of_queries, rows_of};
use crate::nn::heads::{HeadNorms, Heads, Preparation};
use crate::nn::product::panels::{Panels, Room};
use crate::nn::product::{Matrix, MatrixMut, Old};
use crate::nn::seen::Seen;
use crate::nn::vector::{add, dot, exp, vectorised};
use rayon::prelude::*;
use std::ops::Range;

/// What one thread needs for the backward pass of one head.
struct Scratch {
    queries: Vec<f32>,
    keys: Vec<f32>,
    of_queries: Vec<f32>,
    of_keys: Vec<f32>,
    weights: Scores,
    of_scores: Scores,
    /// Of the keys twice, the values, the queries and the gradient.
    rooms: [Room; 5],
}

impl Scratch {
    fn new(sizes: Sizes) -> Scratch {
        let rows = || vec![0.0; sizes.t * sizes.k];
        Scratch {
            queries: rows(),
            keys: rows(),
            of_queries: rows(),
            of_keys: rows(),
            weights: Scores::of(sizes.t),
            of_scores: Scores::of(sizes.t),
            rooms: Default::default(),
        }
    }
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
    let Sizes { t, h, g, .. } = sizes;
    let [of_queries, of_keys] = Preparation::both(heads, norms, sizes.factor());
    let mut tasks = Vec::with_capacity(logarithms.len() / t);
    for of_sequence in of_joined.chunks_exact_mut(t * sizes.width()) {
        let mut parts: Vec<_> = MatrixMut::new(of_sequence, t).split_columns(h + 2 * g).collect();
        let (values, keys) = (parts.split_off(h + g), parts.split_off(h));
        let mut queries = parts.into_iter();
        let groups = keys.into_iter().zip(values);
        tasks.extend(groups.map(|pair| (pair, queries.by_ref().take(sizes.shared()).collect::<Vec<_>>())));
    }
    let tasks = tasks.into_par_iter().enumerate();
    let by_norms = tasks.map_init(
        || Scratch::new(sizes),
        |scratch, (task, ((mut of_key, mut of_value), of_group))| {
            let (sequence, group) = (task / g, task % g);
            let [key, value] = [h, h + g].map(|first| sizes.part(joined, sequence, first + group));
            let mut by_norms = [of_queries.zeros(), of_keys.zeros()];
            of_keys.prepare(key, &mut scratch.keys);
            scratch.of_keys.fill(0.0);
            let [keys_room, turned_room, values_room, queries_room, gradient_room] = &mut scratch.rooms;
            let keys = Matrix::new(&scratch.keys, t);
            let shared = Shared {
                keys: Panels::new(keys, keys_room),
                keys_turned: Panels::new(keys.transposed(), turned_room),
                values_turned: Panels::new(value.transposed(), values_room),
            };
            for (member, mut of_query) in of_group.into_iter().enumerate() {
                let number = group * sizes.shared() + member;
                let query = sizes.part(joined, sequence, number);
                of_queries.prepare(query, &mut scratch.queries);
                let gradient = sizes.head(gradient, sequence, number);
                let head = Head {
                    shared: &shared,
                    queries: &scratch.queries,
                    queries_packed: Panels::new(Matrix::new(&scratch.queries, t), queries_room),
                    out: sizes.head(out, sequence, number),
                    gradient,
                    gradient_packed: Panels::new(gradient, gradient_room),
                    logarithms: &logarithms[(sequence * h + number) * t..(sequence * h + number + 1) * t],
                };
                let of = Of { queries: &mut scratch.of_queries, keys: &mut scratch.of_keys, values: &mut of_value };
                head.backward(sizes, (seen, sequence), [&mut scratch.weights, &mut scratch.of_scores], of);
                of_queries.back(query, &scratch.of_queries, &mut of_query, &mut by_norms[0]);
            }
            of_keys.back(key, &scratch.of_keys, &mut of_key, &mut by_norms[1]);
            by_norms
        },
    );
    // In the order of the tasks, so threads change no bit.
    let by_norms: Vec<[Vec<f32>; 2]> = by_norms.collect();
    let mut sums = [of_queries.zeros(), of_keys.zeros()];
    for parts in &by_norms {
        sums.iter_mut().zip(parts).for_each(|(sum, part)| add(sum, part));
    }
    sums
}

/// A head of keys and values of one sequence.
struct Shared<'a> {
    /// Prepared, (T, K).
    keys: Panels<'a>,
    /// The same, (K, T).
    keys_turned: Panels<'a>,
    /// (K, T).
    values_turned: Panels<'a>,
}

/// One head of queries of one sequence, each matrix (T, K).
struct Head<'a> {
    shared: &'a Shared<'a>,
    /// Prepared.
    queries: &'a [f32],
    queries_packed: Panels<'a>,
    out: Matrix<'a>,
    gradient: Matrix<'a>,
    gradient_packed: Panels<'a>,
    logarithms: &'a [f32],
}

/// Where gradients go, each (T, K): by the prepared queries they are written, by the prepared keys and by the values added
/// to what other heads left.
struct Of<'a, 'v> {
    queries: &'a mut [f32],
    keys: &'a mut [f32],
    values: &'a mut MatrixMut<'v>,
}

impl Head<'_> {
    fn backward(&self, sizes: Sizes, (seen, sequence): (&Seen, usize), scratch: [&mut Scores; 2], of: Of) {
        let Sizes { t, k, .. } = sizes;
        let [weights, of_scores] = scratch;
        let at_once = block_of_queries(t);
        for start in (0..t).step_by(at_once) {
            let block = start..(start + at_once).min(t);
            let count = block.len();
            let sees = |row| seen.keys(sequence, start + row, t);
            let all = seen.keys_of_block(sequence, block.clone(), t);
            let (queries, gradient) = (rows_of(self.queries, k, block.clone()), self.gradient.rows(block.clone()));
            let Shared { keys, keys_turned, values_turned } = self.shared;
            keys_turned.multiply_columns(&mut weights.rows_mut(count).columns(0..t), queries, sees);
            values_turned.multiply_columns(&mut of_scores.rows_mut(count).columns(0..t), gradient, sees);
            for (i, row) in block.clone().enumerate() {
                let [weights, of_scores] = [&mut *weights, &mut *of_scores].map(|x| x.seen_of(i, sees(i), &all));
                through_softmax(weights, of_scores, self.logarithms[row], self.out.row(row), self.gradient.row(row));
            }
            let (weights, of_scores) = (weights.rows(count), of_scores.rows(count));
            let of_queries = &mut MatrixMut::new(&mut of.queries[block.start * k..block.end * k], count);
            keys.multiply_rows(of_queries, of_scores, 0..t, sees, Old::Replace);
            // Queries of this block that see a key, by their place in it.
            let seen_by = |key: usize| within(seen.queries(sequence, all.start + key, t), &block);
            let [weights, of_scores] = [weights, of_scores].map(|x| x.columns(all.clone()).transposed());
            let of_values = &mut of.values.rows(all.clone());
            self.gradient_packed.multiply_rows(of_values, weights, block.clone(), seen_by, Old::Add);
            let of_keys = &mut MatrixMut::new(&mut of.keys[all.start * k..all.end * k], all.len());
            self.queries_packed.multiply_rows(of_keys, of_scores, block.clone(), seen_by, Old::Add);
        }
    }
}

/// The part of a range that lies in `block`, counted from where that begins.
fn within(range: Range<usize>, block: &Range<usize>) -> Range<usize> {
    range.start.clamp(block.start, block.end) - block.start..range.end.clamp(block.start, block.end) - block.start
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
