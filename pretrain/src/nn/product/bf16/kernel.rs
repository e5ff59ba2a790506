//! The innermost product: a few rows by up to four vectors of columns, kept in registers over a block of k.
//!
//! Zen 4 starts one 512-bit `vdpbf16ps` (32 products and sums) in a cycle, with a latency of six; any shape whose sums
//! keep more than six of them in flight and whose loads take fewer cycles than they do reaches that limit. 6 × 64 is
//! one: 24 sums, 4 loads and 6 broadcasts for 24 instructions. It divides widths of models, and needs no shuffling of
//! the left factor.

use std::arch::x86_64::*;

/// 16 pairs of bf16, one register: what both factors are packed in.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub [u32; 16]);

/// Rows of the left factor that one call multiplies, at most.
pub(super) const ROWS: usize = 6;
/// Vectors of 16 columns of the right factor that one call multiplies, at most.
pub(super) const VECTORS: usize = 4;

/// What one call multiplies and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// Pairs along k.
    pub pairs: usize,
    /// The first row's pairs, side by side.
    pub left: *const Line,
    /// Lines from one row to the next.
    pub left_stride: usize,
    /// For each pair of k the lines of the columns.
    pub right: *const Line,
    /// First element of the result.
    pub out: *mut f32,
    /// Numbers from one row of the result to the next.
    pub out_stride: usize,
    /// Whether the product is added to what is there.
    pub add: bool,
}

/// Takes the call and which columns of the last vector exist.
type Kernel = unsafe fn(Call, __mmask16);

/// By rows and vectors of columns, each less one.
const KERNELS: [[Kernel; VECTORS]; ROWS] = [
    [tile::<1, 1>, tile::<1, 2>, tile::<1, 3>, tile::<1, 4>],
    [tile::<2, 1>, tile::<2, 2>, tile::<2, 3>, tile::<2, 4>],
    [tile::<3, 1>, tile::<3, 2>, tile::<3, 3>, tile::<3, 4>],
    [tile::<4, 1>, tile::<4, 2>, tile::<4, 3>, tile::<4, 4>],
    [tile::<5, 1>, tile::<5, 2>, tile::<5, 3>, tile::<5, 4>],
    [tile::<6, 1>, tile::<6, 2>, tile::<6, 3>, tile::<6, 4>],
];

/// Multiplies `rows` (1 to [`ROWS`]) rows by `columns` (1 to 16 · [`VECTORS`]) columns.
///
/// # Safety
/// The processor has AVX512-BF16; the pointers of `call` lead to as much as it says.
#[inline]
pub(super) unsafe fn multiply(rows: usize, columns: usize, call: Call) {
    let vectors = columns.div_ceil(16);
    // SAFETY: as the caller says.
    unsafe { KERNELS[rows - 1][vectors - 1](call, first_lanes(columns - 16 * (vectors - 1))) }
}

/// # Safety
/// As [`multiply`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tile<const R: usize, const V: usize>(call: Call, last: __mmask16) {
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    // SAFETY: the caller's word on the lengths.
    unsafe {
        let mut left = [call.left.cast::<i32>(); R];
        for (row, left) in left.iter_mut().enumerate() {
            *left = call.left.add(row * call.left_stride).cast();
        }
        let mut right: *const __m512bh = call.right.cast();
        for pair in 0..call.pairs {
            let columns = right.cast::<[__m512bh; V]>().read();
            for (sums, left) in sums.iter_mut().zip(left) {
                let value = bits(_mm512_set1_epi32(left.add(pair).read()));
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = _mm512_dpbf16_ps(*sum, value, columns);
                }
            }
            right = right.add(V);
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (vector, mut sum) in sums.into_iter().enumerate() {
                let place = call.out.add(row * call.out_stride + 16 * vector);
                let mask = if vector + 1 == V { last } else { __mmask16::MAX };
                if call.add {
                    sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, place), sum);
                }
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
#[inline]
pub(super) fn first_lanes(count: usize) -> __mmask16 {
    if count < 16 { (1 << count) - 1 } else { __mmask16::MAX }
}

/// The same bits as pairs of bf16.
#[target_feature(enable = "avx512f,avx512bf16")]
fn bits(value: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits, and every pattern is valid in both.
    unsafe { std::mem::transmute(value) }
}
