//! Products by OpenBLAS, called on one thread each: rayon's threads share the blocks of a product, so that one pool does
//! all the work, and the blocks depend on the shapes alone, so that threads change no bit.

use super::{Matrix, MatrixMut, Old, Threads};
use rayon::prelude::*;
use std::ffi::c_int;
use std::sync::Once;

// From cblas.h; an enumeration of C is passed as an int.
const ROW_MAJOR: c_int = 101;
const AS_IT_IS: c_int = 111;
const TRANSPOSED: c_int = 112;

unsafe extern "C" {
    fn cblas_sgemm(
        order: c_int,
        transpose_left: c_int,
        transpose_right: c_int,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: f32,
        left: *const f32,
        left_stride: c_int,
        right: *const f32,
        right_stride: c_int,
        beta: f32,
        out: *mut f32,
        out_stride: c_int,
    );
    fn openblas_set_num_threads(threads: c_int);
}

/// Rows or columns of a block, about: OpenBLAS packs the other factor anew for each, so fewer are less work, and more
/// keep more threads busy to the end (docs/log.md has the sizes that were tried).
const BLOCK: usize = if cfg!(test) { 64 } else { 256 };
/// Rows or columns that OpenBLAS's kernels take at once, or a multiple of them.
const UNIT: usize = 16;

/// Rows or columns of each block of so many: equal blocks, an even number of them but for the rounding to whole units, so
/// that two threads end together, whatever the length. It depends on the length alone.
fn of_a_block(length: usize) -> usize {
    let blocks = length.div_ceil(BLOCK).next_multiple_of(2);
    length.div_ceil(blocks).next_multiple_of(UNIT)
}

/// As [`super::multiply`].
pub fn multiply(out: &mut MatrixMut, left: Matrix, right: Matrix, scale: f32, old: Old, threads: Threads) {
    static ONE_THREAD: Once = Once::new();
    // SAFETY: sets a number of the library's own.
    ONE_THREAD.call_once(|| unsafe { openblas_set_num_threads(1) });
    let (rows, columns) = (left.rows, right.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    let by_rows = rows >= columns;
    let length = rows.max(columns);
    let part = of_a_block(length);
    if threads == Threads::One || length <= part {
        // SAFETY: `out` is exclusive.
        return unsafe { block(out, left, right, scale, old) };
    }
    let out = &*out;
    (0..length.div_ceil(part)).into_par_iter().for_each(|number| {
        let range = number * part..((number + 1) * part).min(length);
        // SAFETY: no two blocks share an element of `out`, which is exclusive.
        unsafe {
            if by_rows {
                block(&out.block(range.clone(), 0..columns), left.rows(range), right, scale, old);
            } else {
                block(&out.block(0..rows, range.clone()), left, right.columns(range), scale, old);
            }
        }
    });
}

/// The product on this thread.
///
/// # Safety
/// Nobody else reads or writes the elements of `out` meanwhile.
unsafe fn block(out: &MatrixMut, left: Matrix, right: Matrix, scale: f32, old: Old) {
    let ((transpose_left, left_stride), (transpose_right, right_stride)) = (layout(&left), layout(&right));
    let beta = if old == Old::Add { 1.0 } else { 0.0 };
    let int = |size: usize| c_int::try_from(size).expect("a matrix of fewer than 2³¹ rows and columns");
    // SAFETY: pointers and strides come from slices that hold all elements of these shapes (checked where they were
    // made); the caller keeps `out` to this call.
    unsafe {
        cblas_sgemm(
            ROW_MAJOR,
            transpose_left,
            transpose_right,
            int(left.rows),
            int(right.columns),
            int(left.columns),
            scale,
            left.pointer,
            int(left_stride),
            right.pointer,
            int(right_stride),
            beta,
            out.pointer,
            int(out.stride),
        );
    }
}

/// How BLAS reads this matrix, and the distance of the rows that lie in memory.
fn layout(matrix: &Matrix) -> (c_int, usize) {
    let (row, column) = (matrix.strides.0 as usize, matrix.strides.1 as usize);
    if column == 1 && row >= matrix.columns {
        return (AS_IT_IS, row.max(1));
    }
    assert!(row == 1 && column >= matrix.rows, "a matrix or a transposed one");
    (TRANSPOSED, column.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_equal_parts_in_sixteens() {
        // Blocks of about 64: two of 32 (50 / 2, in sixteens); two of 64; a quarter of 130 in sixteens is 48, of which three
        // are enough; 16 are one, since half of it would be no unit.
        assert_eq!([50, 128, 130, 16, 1].map(of_a_block), [32, 64, 48, 16, 16]);
    }
}
