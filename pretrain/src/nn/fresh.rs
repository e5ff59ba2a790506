//! New vectors of numbers, written by all threads. `vec![0.0; n]` has one thread write the zeros while the others wait, and
//! most results overwrite them: in a training step that cost more than the optimiser.

use crate::nn::product::{Matrix, MatrixMut, Old, multiply_in};
use crate::precision::Precision;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Numbers of a chunk of zeros.
const CHUNK: usize = 1 << 16;

/// So many zeros.
pub(crate) fn zeros(length: usize) -> Vec<f32> {
    by_chunks(length, CHUNK, |_, _| ())
}

/// So many numbers, by chunks of so many: `write` gets the place of a chunk's first number, and the chunk, full of zeros.
pub(crate) fn by_chunks(length: usize, chunk: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    by_chunks_with(length, chunk, write).0
}

/// As [`by_chunks`], with what `write` gives for each chunk, in order.
pub(crate) fn by_chunks_with<R: Send>(
    length: usize,
    chunk: usize,
    write: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    let mut values = Vec::with_capacity(length);
    let spare = &mut values.spare_capacity_mut()[..length];
    let task = |(number, part): (usize, &mut [MaybeUninit<f32>])| {
        part.fill(MaybeUninit::new(0.0)); // while it is in the core's cache
        // SAFETY: all of them have just been written.
        let part = unsafe { std::slice::from_raw_parts_mut(part.as_mut_ptr().cast(), part.len()) };
        write(number * chunk, part)
    };
    let given = match length {
        0 => Vec::new(),
        // Not worth another thread.
        length if length <= chunk => vec![task((0, spare))],
        _ => spare.par_chunks_mut(chunk).enumerate().map(task).collect(),
    };
    // SAFETY: every chunk has been written.
    unsafe { values.set_len(length) };
    (values, given)
}

/// The products of `left` with each of `rights`, side by side, with the factors in this precision.
pub(crate) fn products(left: Matrix, rights: &[Matrix], precision: Precision) -> Vec<f32> {
    let columns = rights.iter().map(|right| right.columns).sum::<usize>();
    let length = left.rows * columns;
    if left.columns == 0 {
        return zeros(length); // an empty sum; not every library writes it
    }
    let mut values = Vec::with_capacity(length);
    let mut out = MatrixMut::unwritten(&mut values.spare_capacity_mut()[..length], left.rows);
    let mut first = 0;
    for right in rights {
        let out = &mut out.columns(first..first + right.columns);
        multiply_in(out, left, *right, Old::Replace, precision);
        first += right.columns;
    }
    // SAFETY: a product that replaces what was there writes every element, and they cover all columns.
    unsafe { values.set_len(length) };
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    #[test]
    fn chunks_are_where_they_belong_and_begin_as_zeros() {
        for (length, chunk) in [(0, 3), (1, 3), (3, 3), (7, 3), (9, 3)] {
            let write = |start: usize, part: &mut [f32]| {
                assert!(part.iter().all(|x| *x == 0.0) && part.len() == chunk.min(length - start));
                part.iter_mut().enumerate().for_each(|(i, x)| *x = (start + i) as f32);
                start
            };
            let (values, starts) = by_chunks_with(length, chunk, write);
            assert!(values.iter().enumerate().all(|(i, x)| *x == i as f32) && values.len() == length);
            assert!(starts == (0..length).step_by(chunk).collect::<Vec<_>>());
        }
        assert_eq!(zeros(CHUNK + 1), vec![0.0; CHUNK + 1]);
    }

    #[test]
    fn products_stand_side_by_side() {
        for precision in [Precision::F32, Precision::Bf16] {
            for (m, k, widths) in [(1, 1, vec![1]), (7, 5, vec![3, 1, 70]), (130, 70, vec![33, 20]), (3, 0, vec![2])] {
                let left = Key::new(1).normals(m * k, 1.0);
                let left = Matrix::new(&left, m);
                // A matrix of no rows has no width of its own: it is the transposed of one with empty rows.
                let rights: Vec<_> = widths.iter().map(|n| Key::new(*n as u64).normals(k * n, 1.0)).collect();
                let rights = rights.iter().zip(&widths).map(|(right, n)| Matrix::new(right, *n).transposed());
                let rights: Vec<_> = rights.collect();
                let all = products(left, &rights, precision);
                let width = widths.iter().sum::<usize>();
                assert_eq!(all.len(), m * width);
                let mut first = 0;
                for right in rights {
                    let mut one = vec![0.0; m * right.columns];
                    multiply_in(&mut MatrixMut::new(&mut one, m), left, right, Old::Replace, precision);
                    for (row, one) in all.chunks_exact(width).zip(one.chunks_exact(right.columns)) {
                        let part = &row[first..first + right.columns];
                        assert!(part.iter().zip(one).all(|(x, y)| (x - y).abs() < 1e-4));
                    }
                    first += right.columns;
                }
            }
        }
    }
}
