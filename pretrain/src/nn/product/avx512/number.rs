//! What the factors of a product are kept in: how a number gets into a 32-bit lane, and how lanes are multiplied.
//!
//! Bodies that are the same for all numbers are compiled into functions of each, which carry the instructions it needs.

use super::kernel::{self, Call};
use super::pack::{self, Places, Source};
use std::arch::x86_64::*;
use std::ops::Range;

/// Rows of a tile, and its lanes.
pub(super) const TILE: usize = 16;
/// 16 registers of 16 lanes.
pub(super) type Tile = [__m512i; TILE];
/// Takes the call and which columns of the last vector exist.
pub(super) type Kernel = unsafe fn(Call, __mmask16);

/// A kind of number.
pub(super) trait Number {
    /// Numbers along k that share a lane.
    const DEPTH: usize;
    /// Numbers of k in a block, at most: a panel of the right factor and the rows of a task, 192 and 384 KiB of f32 or
    /// half as much of bf16, stay in the second cache; fewer would have the result read and written more often.
    const BLOCK: usize;
    /// Kernels by rows and vectors of columns, each less one.
    const KERNELS: [[Kernel; kernel::VECTORS]; kernel::ROWS];

    /// `sum + left · right`, lane by lane, where a lane's numbers are multiplied in pairs and summed.
    ///
    /// # Safety
    /// The processor has this number's instructions, as for all functions here.
    unsafe fn multiply_add(sum: __m512, left: __m512i, right: __m512i) -> __m512;

    /// 16 lanes of numbers that lie side by side; of `count` numbers, what is missing is 0.
    ///
    /// # Safety
    /// Those numbers exist.
    unsafe fn along(place: *const f32, count: usize) -> __m512i;

    /// The same lane of up to 16 rows that lie side by side (`rows` says which exist): `count` numbers of k, each
    /// `stride` after the one before.
    ///
    /// # Safety
    /// Those numbers exist.
    unsafe fn across(place: *const f32, stride: isize, rows: __mmask16, count: usize) -> __m512i;

    /// As [`pack::by_row`].
    ///
    /// # Safety
    /// As there.
    unsafe fn by_row(places: &mut Places, source: Source, rows: Range<usize>, k: Range<usize>);

    /// As [`pack::by_panel`], past the caches where `passing` says so.
    ///
    /// # Safety
    /// As there.
    unsafe fn by_panel(
        places: &mut Places,
        source: Source,
        rows: Range<usize>,
        k: Range<usize>,
        width: usize,
        passing: bool,
    );
}

/// The functions that are compiled with a number's instructions.
macro_rules! compiled_with {
    ($features:literal, $number:ty) => {
        const KERNELS: [[Kernel; kernel::VECTORS]; kernel::ROWS] = {
            /// # Safety
            /// As the body's.
            #[target_feature(enable = $features)]
            unsafe fn tile<const R: usize, const V: usize>(call: Call, last: __mmask16) {
                // SAFETY: the caller's word.
                unsafe { kernel::tile::<$number, R, V>(call, last) }
            }
            [
                [tile::<1, 1>, tile::<1, 2>, tile::<1, 3>, tile::<1, 4>],
                [tile::<2, 1>, tile::<2, 2>, tile::<2, 3>, tile::<2, 4>],
                [tile::<3, 1>, tile::<3, 2>, tile::<3, 3>, tile::<3, 4>],
                [tile::<4, 1>, tile::<4, 2>, tile::<4, 3>, tile::<4, 4>],
                [tile::<5, 1>, tile::<5, 2>, tile::<5, 3>, tile::<5, 4>],
                [tile::<6, 1>, tile::<6, 2>, tile::<6, 3>, tile::<6, 4>],
            ]
        };

        #[target_feature(enable = $features)]
        unsafe fn by_row(places: &mut Places, source: Source, rows: Range<usize>, k: Range<usize>) {
            // SAFETY: the caller's word.
            unsafe {
                match Self::DEPTH == 1 && source.quadrants.is_some() {
                    true => pack::by_row::<Self, true>(places, source, rows, k),
                    false => pack::by_row::<Self, false>(places, source, rows, k),
                }
            }
        }

        #[target_feature(enable = $features)]
        unsafe fn by_panel(
            places: &mut Places,
            source: Source,
            rows: Range<usize>,
            k: Range<usize>,
            width: usize,
            passing: bool,
        ) {
            // SAFETY: the caller's word.
            unsafe {
                match (passing, Self::DEPTH == 1 && source.quadrants.is_some()) {
                    (true, true) => pack::by_panel::<Self, true, true>(places, source, rows, k, width),
                    (true, false) => pack::by_panel::<Self, true, false>(places, source, rows, k, width),
                    (false, true) => pack::by_panel::<Self, false, true>(places, source, rows, k, width),
                    (false, false) => pack::by_panel::<Self, false, false>(places, source, rows, k, width),
                }
            }
        }
    };
}

/// f32 as it is.
pub(super) struct F32;

impl Number for F32 {
    const DEPTH: usize = 1;
    const BLOCK: usize = 768;
    compiled_with!("avx512f", F32);

    #[inline(always)]
    unsafe fn multiply_add(sum: __m512, left: __m512i, right: __m512i) -> __m512 {
        // SAFETY: the caller's word.
        unsafe { _mm512_fmadd_ps(_mm512_castsi512_ps(left), _mm512_castsi512_ps(right), sum) }
    }

    #[inline(always)]
    unsafe fn along(place: *const f32, count: usize) -> __m512i {
        // SAFETY: a mask keeps the load from what does not exist.
        unsafe { _mm512_castps_si512(_mm512_maskz_loadu_ps(kernel::first_lanes(count), place)) }
    }

    #[inline(always)]
    unsafe fn across(place: *const f32, stride: isize, rows: __mmask16, _count: usize) -> __m512i {
        // SAFETY: as above; the prefetch reads nothing. Each k lies in another page, which the processor doesn't foresee:
        // the next tile's numbers are asked for.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(place.wrapping_offset(TILE as isize * stride).cast());
            _mm512_castps_si512(_mm512_maskz_loadu_ps(rows, place))
        }
    }
}

/// bf16: rounded to nearest, ties to even; denormals become 0.
pub(super) struct Bf16;

impl Number for Bf16 {
    const DEPTH: usize = 2;
    const BLOCK: usize = 512;
    compiled_with!("avx512f,avx512bw,avx512bf16", Bf16);

    #[inline(always)]
    unsafe fn multiply_add(sum: __m512, left: __m512i, right: __m512i) -> __m512 {
        // SAFETY: the caller's word.
        unsafe { _mm512_dpbf16_ps(sum, as_bf16(left), as_bf16(right)) }
    }

    #[inline(always)]
    unsafe fn along(place: *const f32, count: usize) -> __m512i {
        // SAFETY: masks keep the loads from what does not exist.
        unsafe {
            let first = _mm512_maskz_loadu_ps(kernel::first_lanes(count), place);
            let rest = kernel::first_lanes(count.saturating_sub(TILE));
            rounded(first, _mm512_maskz_loadu_ps(rest, place.wrapping_add(TILE)))
        }
    }

    #[inline(always)]
    unsafe fn across(place: *const f32, stride: isize, rows: __mmask16, count: usize) -> __m512i {
        // Numbers 0 and 16, 1 and 17, …
        const PAIRS: [u16; 32] = {
            let mut order = [0; 32];
            let mut i = 0;
            while i < 32 {
                order[i] = (i / 2 + i % 2 * 16) as u16;
                i += 1;
            }
            order
        };
        // SAFETY: masks keep the loads from what does not exist; a prefetch reads nothing.
        unsafe {
            // Each k lies in another page, which the processor doesn't foresee: the next tile's numbers are asked for.
            _mm_prefetch::<_MM_HINT_T0>(place.wrapping_offset(2 * TILE as isize * stride).cast());
            _mm_prefetch::<_MM_HINT_T0>(place.wrapping_offset((2 * TILE + 1) as isize * stride).cast());
            let low = _mm512_maskz_loadu_ps(rows, place);
            let second = if count > 1 { rows } else { 0 };
            let high = _mm512_maskz_loadu_ps(second, place.wrapping_offset(stride));
            _mm512_permutexvar_epi16(_mm512_loadu_si512(PAIRS.as_ptr().cast()), rounded(low, high))
        }
    }
}

/// The same bits as 32 numbers of bf16.
#[inline(always)]
fn as_bf16(lanes: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits, and every pattern is valid in both.
    unsafe { std::mem::transmute(lanes) }
}

/// The numbers of `low`, then those of `high`, rounded.
///
/// # Safety
/// The processor has AVX512-BF16.
#[inline(always)]
unsafe fn rounded(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both types are 512 bits, and every pattern is valid in both.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(high, low)) }
}
