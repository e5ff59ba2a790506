//! Products of factors rounded to bf16 (8 significant bits, to nearest, ties to even; denormals become 0), with sums in
//! f32: by a kernel of our own where the processor has AVX512-BF16, else by rounding both factors and multiplying them
//! as f32, which gives the same up to the order of the sums but is slower than f32.

use super::{Matrix, MatrixMut, Old, Threads};
use crate::nn::vector::vectorised;
use rayon::prelude::*;

/// Whether this processor multiplies bf16 by instructions of its own.
pub fn is_native() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        super::avx512::has_bf16()
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// `out = left · right`, or that added to `out`, with rounded factors, on all threads of the current rayon pool. Shapes
/// are checked by [`super::multiply_in`].
pub fn multiply(out: &mut MatrixMut, left: Matrix, right: Matrix, old: Old) {
    #[cfg(target_arch = "x86_64")]
    if is_native() {
        return super::avx512::multiply_bf16(out, left, right, old);
    }
    by_rounding(out, left, right, old);
}

/// As [`multiply`], with the rounded factors kept as f32.
fn by_rounding(out: &mut MatrixMut, left: Matrix, right: Matrix, old: Old) {
    let (left_values, right_values) = (rounded(left), rounded(right));
    let [left, right] = [(left, &left_values), (right, &right_values)].map(|(matrix, values)| {
        if matrix.strides.1 == 1 {
            Matrix::new(values, matrix.rows)
        } else {
            Matrix::new(values, matrix.columns).transposed()
        }
    });
    super::multiply(out, left, right, 1.0, old, Threads::All);
}

/// The elements rounded, row by row, or column by column where these lie side by side.
fn rounded(matrix: Matrix) -> Vec<f32> {
    let matrix = if matrix.strides.1 == 1 { matrix } else { matrix.transposed() };
    let mut values = vec![0.0; matrix.rows * matrix.columns];
    let rows = values.par_chunks_mut(matrix.columns.max(1)).enumerate();
    rows.for_each(|(row, values)| round(matrix.row(row), values));
    values
}

vectorised! {
    /// Rounds each element as the instructions for bf16 do. NaN stays NaN, what is too large becomes infinite.
    fn round(from: &[f32], to: &mut [f32]) {
        for (x, to) in from.iter().zip(to) {
            let bits = x.to_bits();
            let nearest = f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000);
            let normal = if x.abs() < f32::MIN_POSITIVE { 0.0 } else { nearest };
            *to = if x.is_nan() { f32::NAN } else { normal };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    type Multiply = fn(&mut MatrixMut, Matrix, Matrix, Old);
    /// The kernel where the processor has the instructions, and the fallback.
    const BOTH: [Multiply; 2] = [multiply, by_rounding];

    /// To nearest, ties to even, by its definition: of the two neighbours with 8 significant bits the nearer one.
    fn nearest(x: f32) -> f64 {
        let down = f32::from_bits(x.to_bits() & 0xffff_0000);
        let up = f32::from_bits((x.to_bits() & 0xffff_0000) + 0x1_0000);
        let (x, below, above) = (f64::from(x), f64::from(down), f64::from(up));
        let even = down.to_bits() & 0x1_0000 == 0;
        match (x - below).abs().total_cmp(&(above - x).abs()) {
            std::cmp::Ordering::Less => below,
            std::cmp::Ordering::Equal if even => below,
            _ => above,
        }
    }

    /// A sum of k products, each exact in f32 (8 and 8 significant bits make 16), is rounded at most once for each of
    /// them, whichever order and pairs the processor adds in, and once more for what was there: the error is below
    /// (k + 1) · 2⁻²⁴ · (Σ |a · b| + |old|), up to terms of second order (Higham 2002, §3.1). Blocks of k change nothing
    /// about the number of sums.
    #[test]
    fn every_layout_is_as_near_to_the_exact_product_of_rounded_factors_as_f32_sums_can_be() {
        let sizes = [(1, 1, 1), (3, 5, 2), (17, 33, 41), (6, 64, 32), (70, 130, 300), (300, 7, 20), (5, 290, 3)];
        for (m, n, k) in sizes.into_iter().chain([(13, 100, 1100), (100, 13, 1025)]) {
            let (a, b) = (Key::new(1).normals(m * k, 1.0), Key::new(2).normals(k * n, 1.0));
            // The factors as they are and as parts of wider matrices, row by row and column by column.
            let wide = |values: &[f32], rows: usize| -> Vec<f32> {
                let row = |row: usize| &values[row * (values.len() / rows)..(row + 1) * (values.len() / rows)];
                (0..rows).flat_map(|number| row(number).iter().copied().chain([f32::NAN; 3])).collect()
            };
            let turned = |values: &[f32], rows: usize| -> Vec<f32> {
                let columns = values.len() / rows;
                (0..values.len()).map(|i| values[i % rows * columns + i / rows]).collect()
            };
            let (left_turned, right_turned) = (turned(&a, m), turned(&b, k));
            let (left_wide, right_wide) = (wide(&a, m), wide(&right_turned, n));
            let lefts = [
                Matrix::new(&a, m),
                Matrix::new(&left_wide, m).columns(0..k),
                Matrix::new(&left_turned, k).transposed(),
            ];
            let rights = [
                Matrix::new(&b, k),
                Matrix::new(&right_wide, n).columns(0..k).transposed(),
                Matrix::new(&right_turned, n).transposed(),
            ];
            let exact = |i: usize, j: usize| {
                let products = (0..k).map(|q| nearest(a[i * k + q]) * nearest(b[q * n + j]));
                products.fold((0.0, 0.0), |(sum, size), product| (sum + product, size + product.abs()))
            };
            let exact: Vec<(f64, f64)> = (0..m * n).map(|i| exact(i / n, i % n)).collect();
            for (left, right) in lefts.into_iter().flat_map(|left| rights.map(|right| (left, right))) {
                for (multiply, old) in BOTH.into_iter().flat_map(|one| [(one, Old::Replace), (one, Old::Add)]) {
                    // Columns beside the product, which must stay as they are.
                    let mut values = vec![1f32; m * 2 * n];
                    let mut out = MatrixMut::new(&mut values, m).split_columns(2).next().unwrap();
                    multiply(&mut out, left, right, old);
                    let there = if old == Old::Add { 1.0 } else { 0.0 };
                    for (i, (sum, size)) in exact.iter().enumerate() {
                        let place = i / n * 2 * n + i % n;
                        let error = (f64::from(values[place]) - sum - there).abs();
                        let bound = (k + 1) as f64 * 2f64.powi(-24) * (size + there);
                        assert!(error <= 1.01 * bound, "{m} × {n} × {k}: {error} at {i}, at most {bound}");
                        assert_eq!(values[place + n], 1.0);
                    }
                }
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        for (m, n, k) in [(200, 70, 600), (70, 400, 600)] {
            let (a, b) = (Key::new(1).normals(m * k, 1.0), Key::new(2).normals(k * n, 1.0));
            for multiply in BOTH {
                let product = |threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let mut values = vec![0f32; m * n];
                    let out = &mut MatrixMut::new(&mut values, m);
                    pool.install(|| multiply(out, Matrix::new(&a, m), Matrix::new(&b, k), Old::Replace));
                    values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                assert!(product(1) == product(2) && product(2) == product(3));
            }
        }
    }

    #[test]
    fn numbers_are_rounded_to_nearest_even_and_special_ones_keep_their_meaning() {
        // 1 + 2⁻⁸ lies between 1 and 1 + 2⁻⁷ and goes to the even one; 1 + 3 · 2⁻⁸ goes up; a little more than the middle
        // goes up, too. The largest f32 is nearer to 2¹²⁸, which there is not.
        let (half, least) = (2f32.powi(-8), f32::MIN_POSITIVE);
        let cases = [
            (1.0 + half, 1.0),
            (1.0 + 3.0 * half, 1.0 + 4.0 * half),
            (-1.0 - half, -1.0),
            (1.0 + half + f32::EPSILON, 1.0 + 2.0 * half),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (least, least),
            (least / 2.0, 0.0),
            (-least / 4.0, 0.0),
        ];
        for multiply in BOTH {
            // A product with 1, once as the left and once as the right factor.
            let left: Vec<f32> = cases.iter().map(|(x, _)| *x).chain([f32::NAN]).collect();
            for transposed in [false, true] {
                let mut values = vec![0f32; left.len()];
                let (column, one) = (Matrix::new(&left, left.len()), Matrix::new(&[1.0], 1));
                if transposed {
                    multiply(&mut MatrixMut::new(&mut values, 1), one, column.transposed(), Old::Replace);
                } else {
                    multiply(&mut MatrixMut::new(&mut values, left.len()), column, one, Old::Replace);
                }
                let expected = cases.iter().map(|(_, expected)| expected);
                assert!(values.iter().zip(expected).all(|(found, expected)| found == expected), "{values:?}");
                assert!(values[cases.len()].is_nan());
            }
        }
    }
}
