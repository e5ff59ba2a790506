//! Matrix products on slices, with strides, sums and scales: by kernels of our own where the processor has AVX-512, in f32
//! and in bf16; elsewhere in f32 by OpenBLAS where it was found (see `build.rs`), else by the crate `gemm`, which candle
//! multiplies with.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod bf16;
#[cfg(openblas)]
mod openblas;
pub(crate) mod packed;
pub(crate) mod panels;

use crate::precision::Precision;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

/// A matrix to read: a slice with strides.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pointer: *const f32,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    strides: (isize, isize),
    slice: PhantomData<&'a [f32]>,
}

// SAFETY: a `Matrix` is a shared slice, which may go to other threads.
unsafe impl Send for Matrix<'_> {}
// SAFETY: as above.
unsafe impl Sync for Matrix<'_> {}

impl<'a> Matrix<'a> {
    /// `rows` rows of `values`, one after the other.
    pub fn new(values: &'a [f32], rows: usize) -> Matrix<'a> {
        let columns = values.len() / rows.max(1);
        assert_eq!(rows * columns, values.len(), "a matrix has whole rows");
        Matrix { pointer: values.as_ptr(), rows, columns, strides: (columns as isize, 1), slice: PhantomData }
    }

    /// The transposed matrix; nothing moves.
    pub fn transposed(self) -> Matrix<'a> {
        let (row, column) = self.strides;
        Matrix { rows: self.columns, columns: self.rows, strides: (column, row), ..self }
    }

    /// These columns.
    pub fn columns(self, range: Range<usize>) -> Matrix<'a> {
        assert!(range.start <= range.end && range.end <= self.columns);
        let pointer = self.pointer.wrapping_offset(self.strides.1 * range.start as isize);
        Matrix { pointer, columns: range.len(), ..self }
    }

    /// These rows.
    pub fn rows(self, range: Range<usize>) -> Matrix<'a> {
        self.transposed().columns(range).transposed()
    }

    /// A row whose elements lie side by side.
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert!(row < self.rows && self.strides.1 == 1);
        // SAFETY: the row lies within the slice this matrix was made of.
        unsafe { std::slice::from_raw_parts(self.pointer.offset(self.strides.0 * row as isize), self.columns) }
    }
}

/// A matrix to write: rows of a slice whose elements lie side by side.
pub(crate) struct MatrixMut<'a> {
    pointer: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `MatrixMut` is the only way to its elements, like an exclusive slice.
unsafe impl Send for MatrixMut<'_> {}
// SAFETY: a shared `MatrixMut` gives nothing but its shape to safe code.
unsafe impl Sync for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// `rows` rows of `values`, one after the other.
    pub fn new(values: &'a mut [f32], rows: usize) -> MatrixMut<'a> {
        let columns = values.len() / rows.max(1);
        assert_eq!(rows * columns, values.len(), "a matrix has whole rows");
        MatrixMut { pointer: values.as_mut_ptr(), rows, columns, stride: columns, slice: PhantomData }
    }

    /// The same of numbers that nobody has written yet: it can only be written to.
    pub fn unwritten(values: &'a mut [MaybeUninit<f32>], rows: usize) -> MatrixMut<'a> {
        let columns = values.len() / rows.max(1);
        assert_eq!(rows * columns, values.len(), "a matrix has whole rows");
        MatrixMut { pointer: values.as_mut_ptr().cast(), rows, columns, stride: columns, slice: PhantomData }
    }

    /// `parts` matrices of equally many columns side by side.
    pub fn split_columns(self, parts: usize) -> impl Iterator<Item = MatrixMut<'a>> {
        let columns = self.columns / parts;
        assert_eq!(columns * parts, self.columns, "parts of one width");
        // No two parts share an element.
        (0..parts).map(move |part| MatrixMut { pointer: self.pointer.wrapping_add(part * columns), columns, ..self })
    }

    /// Matrices of `width` columns side by side; the last one may have fewer.
    pub fn blocks(self, width: usize) -> impl Iterator<Item = MatrixMut<'a>> {
        let all = self.columns;
        // No two blocks share an element.
        (0..all).step_by(width).map(move |first| {
            let pointer = self.pointer.wrapping_add(first);
            MatrixMut { pointer, columns: width.min(all - first), ..self }
        })
    }

    /// These rows.
    pub fn rows(&mut self, range: Range<usize>) -> MatrixMut<'_> {
        assert!(range.start <= range.end && range.end <= self.rows);
        let pointer = self.pointer.wrapping_add(range.start * self.stride);
        MatrixMut { pointer, rows: range.len(), columns: self.columns, stride: self.stride, slice: PhantomData }
    }

    /// These columns.
    pub fn columns(&mut self, range: Range<usize>) -> MatrixMut<'_> {
        assert!(range.start <= range.end && range.end <= self.columns);
        let pointer = self.pointer.wrapping_add(range.start);
        MatrixMut { pointer, rows: self.rows, columns: range.len(), stride: self.stride, slice: PhantomData }
    }

    /// These rows and columns, by a shared reference.
    ///
    /// # Safety
    /// The caller sees to it that nobody else has an element of this block.
    #[cfg(any(openblas, target_arch = "x86_64"))]
    unsafe fn block(&self, rows: Range<usize>, columns: Range<usize>) -> MatrixMut<'_> {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        assert!(columns.start <= columns.end && columns.end <= self.columns);
        let pointer = self.pointer.wrapping_add(rows.start * self.stride + columns.start);
        MatrixMut { pointer, rows: rows.len(), columns: columns.len(), stride: self.stride, slice: PhantomData }
    }

    /// One row.
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows);
        // SAFETY: the row lies within the slice this matrix was made of, and only this matrix reaches it.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(row * self.stride), self.columns) }
    }
}

/// 16 numbers of f32, or as many bits, where a vector register's worth has to lie.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Line(pub [f32; 16]);

/// What becomes of the values already there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Old {
    /// They are overwritten.
    Replace,
    /// The product is added to them.
    Add,
}

/// Who multiplies. The sums run in the same order either way, so the bits are the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The calling thread: for products inside a parallel loop.
    One,
    /// All threads of the current rayon pool.
    All,
}

/// `out = scale · left · right`, or that added to `out`.
pub(crate) fn multiply(out: &mut MatrixMut, left: Matrix, right: Matrix, scale: f32, old: Old, threads: Threads) {
    let (m, n, k) = (left.rows, right.columns, left.columns);
    assert_eq!((out.rows, out.columns, right.rows), (m, n, k), "shapes of a product");
    #[cfg(target_arch = "x86_64")]
    if avx512::has_f32() {
        return avx512::multiply(out, left, right, scale, old, threads);
    }
    #[cfg(openblas)]
    openblas::multiply(out, left, right, scale, old, threads);
    #[cfg(not(openblas))]
    by_gemm(out, left, right, scale, old, threads);
}

/// `out = left · right`, or that added to `out`, with the factors in this precision, on all threads.
pub(crate) fn multiply_in(out: &mut MatrixMut, left: Matrix, right: Matrix, old: Old, precision: Precision) {
    match precision {
        Precision::F32 => multiply(out, left, right, 1.0, old, Threads::All),
        Precision::Bf16 => {
            let sizes = (left.rows, right.columns, left.columns);
            assert_eq!((out.rows, out.columns, right.rows), sizes, "shapes of a product");
            bf16::multiply(out, left, right, old);
        }
    }
}

/// A right factor of many products, brought once into the order in which the kernels read it; where there are no kernels
/// of ours, the matrix as it is.
pub(crate) struct Prepared<'a> {
    right: Matrix<'a>,
    precision: Precision,
    #[cfg(target_arch = "x86_64")]
    ready: Option<avx512::Ready>,
}

impl<'a> Prepared<'a> {
    /// A copy of `right`, where that helps, for left factors of about so many rows.
    pub fn new(right: Matrix<'a>, rows: usize, precision: Precision) -> Prepared<'a> {
        #[cfg(target_arch = "x86_64")]
        let ready = avx512::ready(right, rows, precision);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = rows;
        Prepared {
            right,
            precision,
            #[cfg(target_arch = "x86_64")]
            ready,
        }
    }
}

/// Numbers of f32 that a [`Prepared`] factor (K, N) for left ones of about so many rows holds, up to the filling of its
/// last panel.
pub(crate) fn prepared_numbers(k: usize, n: usize, rows: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    if avx512::has_f32() {
        return avx512::ready_numbers(k, n, rows);
    }
    let _ = (k, n, rows);
    0
}

/// As [`multiply_in`], in the precision of `right`.
pub(crate) fn multiply_prepared(out: &mut MatrixMut, left: Matrix, right: &Prepared, old: Old) {
    let sizes = (left.rows, right.right.columns, left.columns);
    assert_eq!((out.rows, out.columns, right.right.rows), sizes, "shapes of a product");
    #[cfg(target_arch = "x86_64")]
    if let Some(ready) = &right.ready {
        // An odd row is one too many for a factor that was prepared for pairs of them.
        let whole = left.rows - left.rows % ready.rows_together();
        avx512::multiply_ready(&mut out.rows(0..whole), left.rows(0..whole), ready, old, right.precision);
        let rest = whole..left.rows;
        return match rest.is_empty() {
            true => (),
            false => multiply_in(&mut out.rows(rest.clone()), left.rows(rest), right.right, old, right.precision),
        };
    }
    multiply_in(out, left, right.right, old, right.precision);
}

/// As [`multiply`], by the crate `gemm`.
#[cfg(any(test, not(openblas)))]
fn by_gemm(out: &mut MatrixMut, left: Matrix, right: Matrix, scale: f32, old: Old, threads: Threads) {
    use gemm::{Parallelism, gemm};
    let parallelism = match (threads, rayon::current_num_threads()) {
        (Threads::All, count) if count > 1 => Parallelism::Rayon(count),
        _ => Parallelism::None,
    };
    // SAFETY: pointers and strides come from slices that hold all elements of these shapes (checked where they were
    // made), and `out` is exclusive.
    unsafe {
        gemm(
            left.rows,
            right.columns,
            left.columns,
            out.pointer,
            1,
            out.stride as isize,
            old == Old::Add,
            left.pointer,
            left.strides.1,
            left.strides.0,
            right.pointer,
            right.strides.1,
            right.strides.0,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    /// The product by its definition, in f64.
    fn expected(a: Matrix, b: Matrix, i: usize, j: usize) -> f64 {
        let at = |m: &Matrix, i: usize, j: usize| m.rows(i..i + 1).columns(j..j + 1).row_value();
        (0..a.columns).map(|k| at(&a, i, k) * at(&b, k, j)).sum()
    }

    impl Matrix<'_> {
        fn row_value(&self) -> f64 {
            // SAFETY: a matrix of one element, made of a slice.
            f64::from(unsafe { *self.pointer })
        }
    }

    type Multiply = fn(&mut MatrixMut, Matrix, Matrix, f32, Old, Threads);

    #[test]
    fn every_layout_multiplies_by_definition_and_threads_change_no_bit() {
        by_definition(multiply);
        by_definition(by_gemm);
        #[cfg(target_arch = "x86_64")]
        if avx512::has_f32() {
            by_definition(avx512::multiply);
        }
        #[cfg(openblas)]
        by_definition(openblas::multiply);
    }

    fn by_definition(multiply: Multiply) {
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for (m, n, k) in [(1, 1, 1), (3, 5, 2), (17, 33, 40), (70, 130, 300), (300, 7, 20), (5, 290, 3)] {
            let (a, b) = (Key::new(1).normals(m * k, 1.0), Key::new(2).normals(k * n, 1.0));
            let lefts = [Matrix::new(&a, m), Matrix::new(&a, k).transposed()];
            let rights = [Matrix::new(&b, k), Matrix::new(&b, n).transposed()];
            for (left, right) in lefts.into_iter().flat_map(|left| rights.map(|right| (left, right))) {
                let product = |threads, old| {
                    // Two columns more than the product needs: they must stay as they are.
                    let mut values = vec![1f32; m * 2 * n];
                    let mut out = MatrixMut::new(&mut values, m).split_columns(2).next().unwrap();
                    pool(threads).install(|| multiply(&mut out, left, right, 0.5, old, Threads::All));
                    values
                };
                let (replaced, added) = (product(1, Old::Replace), product(1, Old::Add));
                assert!(replaced == product(2, Old::Replace) && added == product(2, Old::Add), "threads");
                for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    let expected = 0.5 * expected(left, right, i, j);
                    assert!((f64::from(replaced[i * 2 * n + j]) - expected).abs() < 1e-4);
                    assert!((f64::from(added[i * 2 * n + j]) - expected - 1.0).abs() < 1e-4);
                    assert_eq!(replaced[i * 2 * n + n + j], 1.0);
                }
            }
        }
    }

    #[test]
    fn an_odd_row_of_a_factor_prepared_for_pairs_is_multiplied() {
        let (m, n, k) = (513, 512, 512);
        let (a, b) = (Key::new(1).normals(m * k, 1.0), Key::new(2).normals(k * n, 1.0));
        let (left, right) = (Matrix::new(&a, m), Matrix::new(&b, k));
        let (mut found, mut expected) = (vec![1f32; m * n], vec![1f32; m * n]);
        let prepared = Prepared::new(right, 512, Precision::F32);
        multiply_prepared(&mut MatrixMut::new(&mut found, m), left, &prepared, Old::Add);
        by_gemm(&mut MatrixMut::new(&mut expected, m), left, right, 1.0, Old::Add, Threads::All);
        assert!(found.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-3));
    }

    #[test]
    fn a_prepared_factor_gives_the_same_up_to_the_order_of_sums() {
        for (precision, (m, n, k)) in [Precision::F32, Precision::Bf16]
            .into_iter()
            .flat_map(|p| [(p, (5, 200, 700)), (p, (300, 70, 20)), (p, (1, 1, 1))])
        {
            let (a, b) = (Key::new(1).normals(m * k, 1.0), Key::new(2).normals(k * n, 1.0));
            let left = Matrix::new(&a, m);
            for right in [Matrix::new(&b, k), Matrix::new(&b, n).transposed()] {
                let prepared = Prepared::new(right, m, precision);
                let product = |prepared: Option<&Prepared>, old| {
                    let mut values = vec![1f32; m * n];
                    let out = &mut MatrixMut::new(&mut values, m);
                    match prepared {
                        Some(prepared) => multiply_prepared(out, left, prepared, old),
                        None => multiply_in(out, left, right, old, precision),
                    }
                    values
                };
                for old in [Old::Replace, Old::Add] {
                    let (found, expected) = (product(Some(&prepared), old), product(None, old));
                    assert!(found.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-3), "{m} × {n} × {k}");
                }
            }
        }
    }
}
