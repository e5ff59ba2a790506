//! Products by kernels of our own for AVX-512, in f32 and in bf16 with sums in f32: one frame, one kernel and one way to
//! pack, for any [`Number`].

mod blocks;
mod factor;
mod kernel;
mod number;
mod pack;
mod panels;
mod strassen;

use super::{Matrix, MatrixMut, Old, Threads};
use crate::precision::Precision;
pub use factor::Ready;
pub use kernel::Line;
use number::{Bf16, F32};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Whether this processor multiplies f32 by them.
pub fn has_f32() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Whether this processor multiplies bf16 by them.
pub fn has_bf16() -> bool {
    has_f32() && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512bf16")
}

/// As [`super::multiply`].
pub fn multiply(out: &mut MatrixMut, left: Matrix, right: Matrix, scale: f32, old: Old, threads: Threads) {
    assert!(has_f32(), "the processor's instructions");
    // SAFETY: the processor has them.
    unsafe { blocks::multiply::<F32>(out, left, right, scale, old, threads) }
}

/// As [`multiply`], with rounded factors.
pub fn multiply_bf16(out: &mut MatrixMut, left: Matrix, right: Matrix, old: Old) {
    assert!(has_bf16(), "the processor's instructions");
    // SAFETY: the processor has them.
    unsafe { blocks::multiply::<Bf16>(out, left, right, 1.0, old, Threads::All) }
}

/// A right factor packed for many products in this precision, with left ones of about so many rows; none where the
/// processor lacks the instructions.
pub fn ready(right: Matrix, rows: usize, precision: Precision) -> Option<Ready> {
    // SAFETY: the processor has the instructions.
    unsafe {
        match precision {
            Precision::F32 => has_f32().then(|| Ready::new::<F32>(right, rows)),
            Precision::Bf16 => has_bf16().then(|| Ready::new::<Bf16>(right, rows)),
        }
    }
}

/// Numbers of f32 that [`ready`] makes of a right factor (K, N) for left ones of about so many rows.
pub fn ready_numbers(k: usize, n: usize, rows: usize) -> usize {
    let scheme = strassen::scheme::<F32>(rows.next_multiple_of(2), n, k, true);
    k * n * scheme.products.len() / scheme.parts.pow(2)
}

/// `out = left · right`, or that added to `out`, on all threads; `right` was made in this precision, and `left` has whole
/// [`Ready::rows_together`].
pub fn multiply_ready(out: &mut MatrixMut, left: Matrix, right: &Ready, old: Old, precision: Precision) {
    // SAFETY: what is ready was made by instructions that the processor has.
    unsafe {
        match precision {
            Precision::F32 => blocks::multiply_ready::<F32>(out, left, right, old),
            Precision::Bf16 => blocks::multiply_ready::<Bf16>(out, left, right, old),
        }
    }
}

/// Adds the product of `left` (M, K) and a panel (K, 16 · `VECTORS`) to `sums`, a row of the panel's width for each of
/// `left`'s, on this thread. What lies behind the panel is fetched from memory meanwhile.
pub fn add_panel<const VECTORS: usize>(left: Matrix, panel: &[[Line; VECTORS]], sums: &mut [f32]) {
    assert!(has_f32(), "the processor's instructions");
    // SAFETY: the processor has them.
    unsafe { blocks::add_panel(left, panel, sums) }
}

/// A right factor packed into `room` for [`multiply_columns`] and [`multiply_rows`], on this thread.
pub fn packed<'a>(right: Matrix, room: &'a mut Vec<MaybeUninit<Line>>) -> &'a [MaybeUninit<Line>] {
    assert!(has_f32(), "the processor's instructions");
    // SAFETY: the processor has them.
    unsafe { panels::packed(right, room) }
}

/// As [`super::panels::Panels::multiply_columns`], with a right factor and what it was packed into.
pub fn multiply_columns(
    out: &mut MatrixMut,
    left: Matrix,
    right: (Matrix, &[MaybeUninit<Line>]),
    wanted: impl Fn(usize) -> Range<usize>,
) {
    // SAFETY: what is packed was made by instructions that the processor has.
    unsafe { panels::multiply_columns(out, left, right, wanted) }
}

/// As [`super::panels::Panels::multiply_rows`], with a right factor and what it was packed into.
pub fn multiply_rows(
    out: &mut MatrixMut,
    left: Matrix,
    right: (Matrix, &[MaybeUninit<Line>]),
    met: Range<usize>,
    wanted: impl Fn(usize) -> Range<usize>,
    old: Old,
) {
    // SAFETY: as above.
    unsafe { panels::multiply_rows(out, left, right, met, wanted, old) }
}
