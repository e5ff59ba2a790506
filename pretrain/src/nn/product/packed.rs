//! Products of few rows with one matrix, many times over: a recurrent net multiplies its state with the same weight at
//! every step. BLAS would copy the weight into its own order each time; here that is done once.
//!
//! The sums of an element run over k in order, whatever the number of threads.

use super::{Line, Matrix};
use crate::nn::vector::{multiply_add, vectorised};
use rayon::prelude::*;

/// Columns of a panel: two AVX-512 registers.
pub(crate) const PANEL: usize = 32;
/// Rows whose sums are in registers at once.
const ROWS: usize = 8;
/// Rows of a panel that meet all rows of the left matrix before the next ones: 128 KiB, which stay in the second cache.
const DEPTH: usize = 1024;
/// Rows of a panel that are packed together.
const STRIP: usize = 16;

/// A right-hand matrix, panel by panel; in a panel row by row, filled up with zeros.
pub(crate) struct Packed {
    /// Rows of panels, panel by panel.
    lines: Vec<[Line; PANEL / 16]>,
    rows: usize,
}

impl Packed {
    /// A copy of `right` in this order.
    pub fn new(right: Matrix) -> Packed {
        let (rows, columns) = (right.rows, right.columns);
        let mut lines = vec![[Line([0.0; 16]); PANEL / 16]; rows * columns.div_ceil(PANEL)];
        lines.par_chunks_mut(rows.max(1)).enumerate().for_each(|(number, panel)| {
            let panel = numbers_mut(panel);
            let first = number * PANEL;
            let width = PANEL.min(columns - first);
            if right.strides.1 == 1 {
                for (row, to) in panel.chunks_exact_mut(PANEL).enumerate() {
                    to[..width].copy_from_slice(&right.row(row)[first..first + width]);
                }
                return;
            }
            let transposed = right.transposed();
            for start in (0..rows).step_by(STRIP) {
                let end = (start + STRIP).min(rows);
                for column in 0..width {
                    for (row, value) in (start..end).zip(&transposed.row(first + column)[start..end]) {
                        panel[row * PANEL + column] = *value;
                    }
                }
            }
        });
        Packed { lines, rows }
    }

    /// Adds `left` times a panel to `sums`, a row of [`PANEL`] for each row of `left`, on this thread.
    pub fn add_product(&self, left: Matrix, panel: usize, sums: &mut [f32]) {
        assert!(left.columns == self.rows && sums.len() == left.rows * PANEL, "shapes of a product");
        let panel = &self.lines[panel * self.rows..(panel + 1) * self.rows];
        #[cfg(target_arch = "x86_64")]
        if super::avx512::has_f32() {
            return super::avx512::add_panel(left, panel, sums);
        }
        add_product(left, numbers(panel), sums);
    }
}

/// The numbers of lines, side by side.
fn numbers(lines: &[[Line; PANEL / 16]]) -> &[f32] {
    // SAFETY: a line is 16 numbers without anything between or around them.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * PANEL) }
}

/// As [`numbers`], to write.
fn numbers_mut(lines: &mut [[Line; PANEL / 16]]) -> &mut [f32] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * PANEL) }
}

vectorised! {
    fn add_product(left: Matrix<'_>, panel: &[f32], sums: &mut [f32]) {
        for start in (0..left.columns).step_by(DEPTH) {
            let end = (start + DEPTH).min(left.columns);
            let panel = &panel[start * PANEL..end * PANEL];
            let mut row = 0;
            while row + ROWS <= left.rows {
                add_rows::<FUSED, ROWS>(left, row, start, panel, sums);
                row += ROWS;
            }
            if row + 4 <= left.rows {
                add_rows::<FUSED, 4>(left, row, start, panel, sums);
                row += 4;
            }
            while row < left.rows {
                add_rows::<FUSED, 1>(left, row, start, panel, sums);
                row += 1;
            }
        }
    }
}

/// `R` rows from `row` on, their elements from `start` on.
#[inline(always)]
fn add_rows<const FUSED: bool, const R: usize>(
    left: Matrix,
    row: usize,
    start: usize,
    panel: &[f32],
    sums: &mut [f32],
) {
    let depth = panel.len() / PANEL;
    let left: [&[f32]; R] = std::array::from_fn(|r| &left.row(row + r)[start..start + depth]);
    let mut lanes = [[0f32; PANEL]; R];
    for (k, right) in panel.as_chunks::<PANEL>().0.iter().enumerate() {
        for r in 0..R {
            let x = left[r][k];
            for j in 0..PANEL {
                lanes[r][j] = multiply_add::<FUSED>(x, right[j], lanes[r][j]);
            }
        }
    }
    // By number, not by iterator: indices that are known let the compiler keep the sums in registers, at twice the speed.
    for r in 0..R {
        let sums = &mut sums[(row + r) * PANEL..][..PANEL];
        for j in 0..PANEL {
            sums[j] += lanes[r][j];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    #[test]
    fn multiplies_by_definition() {
        for (m, n, k) in [(1, 1, 1), (5, 33, 7), (8, 64, 20), (13, 31, DEPTH + 9)] {
            let (a, b) = (Key::new(1).normals(m * k, 1.0), Key::new(2).normals(k * n, 1.0));
            // The same numbers as a matrix and as the transposed of another.
            let turned: Vec<f32> = (0..n * k).map(|i| b[(i % k) * n + i / k]).collect();
            for right in [Matrix::new(&b, k), Matrix::new(&turned, n).transposed()] {
                let packed = Packed::new(right);
                for panel in 0..n.div_ceil(PANEL) {
                    let mut sums = vec![1.0; m * PANEL];
                    packed.add_product(Matrix::new(&a, m), panel, &mut sums);
                    // Without instructions of its own, too.
                    let mut plain = vec![1.0; m * PANEL];
                    add_product(Matrix::new(&a, m), numbers(&packed.lines[panel * k..][..k]), &mut plain);
                    assert!(sums.iter().zip(&plain).all(|(x, y)| (x - y).abs() < 1e-3));
                    for (i, j) in (0..m).flat_map(|i| (0..PANEL).map(move |j| (i, j))) {
                        let column = panel * PANEL + j;
                        let product = |k_: usize| f64::from(a[i * k + k_]) * f64::from(b[k_ * n + column]);
                        let expected = 1.0 + if column < n { (0..k).map(product).sum() } else { 0.0 };
                        assert!((f64::from(sums[i * PANEL + j]) - expected).abs() < 1e-3, "{m} {n} {k}: {i}, {column}");
                    }
                }
            }
        }
    }
}
