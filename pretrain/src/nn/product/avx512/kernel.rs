//! The innermost product: a few rows by up to four vectors of columns, kept in registers over a block of k.
//!
//! Zen 4 starts one 512-bit multiply-add (16 of f32, or 32 of bf16) in a cycle, with a latency of four (f32) or six
//! (bf16); any shape whose sums keep more than that many of them in flight and whose loads take fewer cycles than they do
//! reaches that limit. 6 × 64 is one: 24 sums, 4 loads and 6 broadcasts for 24 instructions. It divides widths of models,
//! and needs no shuffling of the left factor.

use super::number::Number;
use std::arch::x86_64::*;

/// 16 lanes, one register: what factors are packed in. A lane is one f32 or two bf16.
pub type Line = crate::nn::product::Line;

/// Rows of the left factor that one call multiplies, at most.
pub(super) const ROWS: usize = 6;
/// Vectors of 16 columns of the right factor that one call multiplies, at most.
pub(super) const VECTORS: usize = 4;

/// What one call multiplies and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// Lanes along k.
    pub steps: usize,
    /// The first row's first lane.
    pub left: *const i32,
    /// Lanes from one row to the next.
    pub row_stride: usize,
    /// Lanes from one of k to the next.
    pub lane_stride: usize,
    /// For each lane of k the lines of the columns.
    pub right: *const Line,
    /// Lines that a call soon after will read, asked for one in each step.
    pub ahead: *const Line,
    /// Where the product goes.
    pub out: Target,
    /// Where it goes as well.
    pub second: Option<Target>,
    /// Numbers from one row of a result to the next.
    pub out_stride: usize,
}

/// Where a product goes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// First element of the result.
    pub first: *mut f32,
    /// What the product is multiplied by.
    pub scale: f32,
    /// Whether it is added to what is there.
    pub add: bool,
}

impl Target {
    /// The same some numbers further on.
    pub fn at(self, numbers: usize) -> Target {
        Target { first: self.first.wrapping_add(numbers), ..self }
    }
}

/// Multiplies `rows` (1 to [`ROWS`]) rows by `columns` (1 to 16 · [`VECTORS`]) columns.
///
/// # Safety
/// The processor has the number's instructions; the pointers of `call` lead to as much as it says.
#[inline]
pub(super) unsafe fn multiply<N: Number>(rows: usize, columns: usize, call: Call) {
    let vectors = columns.div_ceil(16);
    // SAFETY: as the caller says.
    unsafe { N::KERNELS[rows - 1][vectors - 1](call, first_lanes(columns - 16 * (vectors - 1))) }
}

/// # Safety
/// As [`multiply`].
#[inline(always)]
pub(super) unsafe fn tile<N: Number, const R: usize, const V: usize>(call: Call, last: __mmask16) {
    // SAFETY: the caller's word on the lengths.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); V]; R];
        let mut left = [call.left; R];
        for (row, left) in left.iter_mut().enumerate() {
            *left = call.left.add(row * call.row_stride);
        }
        let mut right: *const __m512i = call.right.cast();
        let mut lane = 0;
        for step in 0..call.steps {
            _mm_prefetch::<_MM_HINT_T1>(call.ahead.wrapping_add(step).cast());
            let columns = right.cast::<[__m512i; V]>().read();
            for (sums, left) in sums.iter_mut().zip(left) {
                let value = _mm512_set1_epi32(left.add(lane).read());
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = N::multiply_add(*sum, value, columns);
                }
            }
            right = right.add(V);
            lane += call.lane_stride;
        }
        write(sums, call.out, call.out_stride, last);
        if let Some(second) = call.second {
            write(sums, second, call.out_stride, last);
        }
    }
}

/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn write<const R: usize, const V: usize>(sums: [[__m512; V]; R], to: Target, stride: usize, last: __mmask16) {
    // SAFETY: the caller's word; a mask keeps the last vector to the columns that exist.
    unsafe {
        let scale = _mm512_set1_ps(to.scale);
        for (row, sums) in sums.into_iter().enumerate() {
            for (vector, sum) in sums.into_iter().enumerate() {
                let place = to.first.add(row * stride + 16 * vector);
                let mask = if vector + 1 == V { last } else { __mmask16::MAX };
                let sum = if to.add {
                    _mm512_fmadd_ps(sum, scale, _mm512_maskz_loadu_ps(mask, place))
                } else {
                    _mm512_mul_ps(sum, scale)
                };
                if mask == __mmask16::MAX {
                    _mm512_storeu_ps(place, sum);
                } else {
                    _mm512_mask_storeu_ps(place, mask, sum);
                }
            }
        }
    }
}

/// The first `count` of 16 lanes, or all.
#[inline(always)]
pub(super) fn first_lanes(count: usize) -> __mmask16 {
    if count < 16 { (1 << count) - 1 } else { __mmask16::MAX }
}
