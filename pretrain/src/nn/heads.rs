//! Heads of attention, and what a head's queries and keys go through before they meet: a norm of each row (Qwen3), rotary
//! positions, a factor. Each is left out where a layout has none.

use crate::nn::norm;
use crate::nn::product::{Matrix, MatrixMut};
use crate::nn::rope::Rope;
use crate::nn::vector::scale;

/// How many heads there are and how they know where a token stands.
#[derive(Debug, Clone)]
pub struct Heads {
    /// H, heads of queries.
    pub queries: usize,
    /// G, heads of keys and of values; divides H, and each is shared by H / G neighbouring heads of queries.
    pub keys: usize,
    /// Rotary positions of at least T tokens; none: a token is what its state says.
    pub rope: Option<Rope>,
}

impl Heads {
    /// K, from the columns (H + 2G) · K of queries, keys and values side by side.
    pub fn width(&self, joined: usize) -> usize {
        joined / (self.queries + 2 * self.keys)
    }
}

/// Weights (K) of the RMS norms over each query and each key, and what is added to the mean square.
#[derive(Clone, Copy)]
pub(crate) struct HeadNorms<'a> {
    /// Of queries and of keys.
    pub weights: [&'a [f32]; 2],
    /// Added to the mean square.
    pub epsilon: f32,
}

/// What all queries, or all keys, go through.
#[derive(Clone, Copy)]
pub(crate) struct Preparation<'a> {
    rope: Option<&'a Rope>,
    norm: Option<(&'a [f32], f32)>,
    factor: f32,
}

impl<'a> Preparation<'a> {
    /// Of the queries, with a factor, and of the keys.
    pub fn both(heads: &'a Heads, norms: Option<HeadNorms<'a>>, factor: f32) -> [Preparation<'a>; 2] {
        [(0, factor), (1, 1.0)].map(|(which, factor)| Preparation {
            rope: heads.rope.as_ref(),
            norm: norms.map(|norms| (norms.weights[which], norms.epsilon)),
            factor,
        })
    }

    /// A gradient of 0 by the norm's weight; empty without a norm.
    pub fn zeros(&self) -> Vec<f32> {
        self.norm.map_or(Vec::new(), |(weight, _)| vec![0.0; weight.len()])
    }

    /// Writes the prepared rows of `from` (T, K) to `into`.
    pub fn prepare(&self, from: Matrix, into: &mut [f32]) {
        self.prepare_after(0, from, into);
    }

    /// The same for rows that come after `before` others.
    pub fn prepare_after(&self, before: usize, from: Matrix, into: &mut [f32]) {
        let mut normed = self.zeros();
        for (number, to) in into.chunks_exact_mut(from.columns).enumerate() {
            let mut row = from.row(number);
            if let Some((weight, epsilon)) = self.norm {
                norm::forward_rows(row, weight, epsilon, &mut normed);
                row = &normed;
            }
            match self.rope {
                Some(rope) => rope.rotate(row, to, before + number, self.factor),
                None => {
                    to.copy_from_slice(row);
                    scale(to, self.factor);
                }
            }
        }
    }

    /// From the gradient by the prepared rows (T, K): writes that by `from` to `of_from` and adds that by the norm's
    /// weight to `of_weight`.
    pub fn back(&self, from: Matrix, gradient: &[f32], of_from: &mut MatrixMut, of_weight: &mut [f32]) {
        let mut of_normed = self.zeros();
        for (position, gradient) in gradient.chunks_exact(from.columns).enumerate() {
            let of_row = of_from.row(position);
            let turned = if self.norm.is_some() { &mut of_normed } else { &mut *of_row };
            match self.rope {
                Some(rope) => rope.rotate_back(gradient, turned, position, self.factor),
                None => {
                    turned.copy_from_slice(gradient);
                    scale(turned, self.factor);
                }
            }
            if let Some((weight, epsilon)) = self.norm {
                norm::backward_rows(from.row(position), weight, &of_normed, epsilon, of_row, of_weight);
            }
        }
    }
}
