//! Scores of a block of queries against the keys: all of a sequence that ever exist at once.

use crate::nn::product::{Matrix, MatrixMut};
use std::ops::Range;

/// Queries handled at once, of so many tokens: their scores stay in the second cache.
pub(crate) fn block_of_queries(t: usize) -> usize {
    (t / 4).next_multiple_of(64).clamp(64, 128).min(t.max(1))
}

/// A row for each query of a block.
pub(super) struct Scores {
    values: Vec<f32>,
    t: usize,
}

impl Scores {
    /// Numbers between the rows, so that those of a column don't all fall into the same few sets of the first cache.
    const APART: usize = 16;

    /// For sequences of T = `t`.
    pub fn of(t: usize) -> Scores {
        Scores { values: vec![0.0; block_of_queries(t) * (t + Self::APART)], t }
    }

    /// The first rows (`count`, T).
    pub fn rows(&self, count: usize) -> Matrix<'_> {
        Matrix::new(&self.values[..count * (self.t + Self::APART)], count).columns(0..self.t)
    }

    /// The same to write, and a few columns that nobody reads.
    pub fn rows_mut(&mut self, count: usize) -> MatrixMut<'_> {
        MatrixMut::new(&mut self.values[..count * (self.t + Self::APART)], count)
    }

    /// A row's scores of the keys that its query sees; those of the others among `all` become 0.
    pub fn seen_of(&mut self, row: usize, seen: Range<usize>, all: &Range<usize>) -> &mut [f32] {
        let row = &mut self.values[row * (self.t + Self::APART)..][..self.t];
        row[all.start..seen.start].fill(0.0);
        row[seen.end..all.end].fill(0.0);
        &mut row[seen]
    }
}
