//! Right factors that one thread packs once and multiplies many times, each time with some of their columns or rows: in
//! attention a query sees some of the keys, and products with the others would be thrown away.
//!
//! Ranges are given row by row of the left factor; neither end ever goes back from a row to the next.

use super::{Line, Matrix, MatrixMut, Old, Threads, multiply};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Where [`Panels`] are packed; one serves many, one after the other.
#[derive(Default)]
pub(crate) struct Room(#[allow(dead_code, reason = "only kernels of ours pack")] Vec<MaybeUninit<Line>>);

/// A right factor (K, N) in the order in which the kernels read it; where there are none of ours, as it is.
pub(crate) struct Panels<'a> {
    right: Matrix<'a>,
    /// None without kernels of ours.
    #[cfg(target_arch = "x86_64")]
    packed: Option<&'a [MaybeUninit<Line>]>,
}

impl<'a> Panels<'a> {
    /// Packs `right` into `room`, on this thread.
    pub fn new(right: Matrix<'a>, room: &'a mut Room) -> Panels<'a> {
        #[cfg(target_arch = "x86_64")]
        {
            let packed = super::avx512::has_f32().then(|| super::avx512::packed(right, &mut room.0));
            Panels { right, packed }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = room;
            Panels { right }
        }
    }

    /// `out = left · right`, on this thread, in the columns that `wanted` says of each row; what other columns hold
    /// afterwards is not said.
    pub fn multiply_columns(&self, out: &mut MatrixMut, left: Matrix, wanted: impl Fn(usize) -> Range<usize>) {
        let sizes = (left.rows, self.right.columns, left.columns);
        assert_eq!((out.rows, out.columns, self.right.rows), sizes, "shapes of a product");
        #[cfg(target_arch = "x86_64")]
        if let Some(packed) = self.packed {
            return super::avx512::multiply_columns(out, left, (self.right, packed), wanted);
        }
        let columns = union(0..left.rows, &wanted);
        multiply(&mut out.columns(columns.clone()), left, self.right.columns(columns), 1.0, Old::Replace, Threads::One);
    }

    /// `out = left · right`, or that added to `out`, on this thread, where the columns of `left` meet these `rows` of the
    /// right factor. `wanted` says in which columns each row of `left` may be other than 0.
    pub fn multiply_rows(
        &self,
        out: &mut MatrixMut,
        left: Matrix,
        rows: Range<usize>,
        wanted: impl Fn(usize) -> Range<usize>,
        old: Old,
    ) {
        assert!(rows.end <= self.right.rows, "rows of the right factor");
        let sizes = (left.rows, self.right.columns, left.columns);
        assert_eq!((out.rows, out.columns, rows.len()), sizes, "shapes of a product");
        #[cfg(target_arch = "x86_64")]
        if let Some(packed) = self.packed {
            return super::avx512::multiply_rows(out, left, (self.right, packed), rows, wanted, old);
        }
        let columns = union(0..left.rows, &wanted);
        let right = self.right.rows(rows.start + columns.start..rows.start + columns.end);
        multiply(out, left.columns(columns), right, 1.0, old, Threads::One);
    }
}

/// What any of these rows wants.
pub(super) fn union(rows: Range<usize>, wanted: &impl Fn(usize) -> Range<usize>) -> Range<usize> {
    if rows.is_empty() {
        return 0..0;
    }
    let (start, end) = (wanted(rows.start).start, wanted(rows.end - 1).end);
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    /// Rows of f64 of a product by its definition.
    fn expected(a: &[f32], b: &[f32], [m, n, k]: [usize; 3]) -> Vec<f64> {
        let at = |i: usize, j: usize| (0..k).map(|q| f64::from(a[i * k + q]) * f64::from(b[q * n + j])).sum();
        (0..m * n).map(|place| at(place / n, place % n)).collect()
    }

    /// A band: row r of m wants about as many of n before its place as after it.
    fn band(row: usize, m: usize, n: usize) -> Range<usize> {
        let middle = row * n / m;
        middle.saturating_sub(n / 5)..(middle + n / 4 + 1).min(n)
    }

    /// The right factor as it lies and as the transposed of another, by kernels and by the library.
    fn each_way(b: &[f32], k: usize, n: usize, test: impl Fn(&Panels)) {
        let turned: Vec<f32> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
        for right in [Matrix::new(b, k), Matrix::new(&turned, n).transposed()] {
            let mut room = Room::default();
            // Packed over what another factor left.
            Panels::new(Matrix::new(&vec![7.0; 9 * 70], 9), &mut room);
            let panels = Panels::new(right, &mut room);
            test(&panels);
            #[cfg(target_arch = "x86_64")]
            test(&Panels { right, packed: None });
        }
    }

    #[test]
    fn wanted_columns_are_those_of_the_product() {
        for (m, n, k) in [(1, 1, 1), (5, 33, 7), (130, 200, 64), (64, 64, 20), (13, 150, 3)] {
            let (a, b) = (Key::new(1).normals(m * k, 1.0), Key::new(2).normals(k * n, 1.0));
            let expected = expected(&a, &b, [m, n, k]);
            each_way(&b, k, n, |panels| {
                // Two columns more than there are: they stay as they are.
                let mut values = vec![f32::NAN; m * (n + 2)];
                let mut out = MatrixMut::new(&mut values, m);
                panels.multiply_columns(&mut out.columns(0..n), Matrix::new(&a, m), |row| band(row, m, n));
                for row in 0..m {
                    for column in band(row, m, n) {
                        let found = f64::from(values[row * (n + 2) + column]);
                        assert!((found - expected[row * n + column]).abs() < 1e-4, "{m} {n} {k}: {row} {column}");
                    }
                    assert!(values[row * (n + 2) + n].is_nan() && values[row * (n + 2) + n + 1].is_nan());
                }
            });
        }
    }

    #[test]
    fn rows_that_meet_zeros_are_passed_over() {
        for (m, n, k) in [(1, 1, 1), (5, 33, 7), (130, 64, 200), (20, 70, 64), (13, 3, 150)] {
            let mut a = Key::new(1).normals(m * k, 1.0);
            for row in 0..m {
                let within = band(row, m, k);
                a[row * k..(row + 1) * k]
                    .iter_mut()
                    .enumerate()
                    .for_each(|(at, x)| *x *= f32::from(within.contains(&at)));
            }
            // What is passed over must not even be read: the right factor has more rows, before and after.
            let (before, all) = (3, k + 8);
            let b = Key::new(2).normals(all * n, 1.0);
            let expected = expected(&a, &b[before * n..(before + k) * n], [m, n, k]);
            let across: Vec<f32> = (0..k * m).map(|i| a[i % m * k + i / m]).collect();
            each_way(&b, all, n, |panels| {
                for left in [Matrix::new(&a, m), Matrix::new(&across, k).transposed()] {
                    for (old, there) in [(Old::Replace, 0.0), (Old::Add, 1.0)] {
                        let mut values = vec![1f32; m * n];
                        let out = &mut MatrixMut::new(&mut values, m);
                        panels.multiply_rows(out, left, before..before + k, |row| band(row, m, k), old);
                        let near =
                            |(found, expected): (&f32, &f64)| (f64::from(*found) - expected - there).abs() < 1e-4;
                        assert!(values.iter().zip(&expected).all(near), "{m} {n} {k}");
                    }
                }
            });
        }
    }
}
