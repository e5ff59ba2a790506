//! Both factors rounded to bf16 and laid out for the kernel, in tiles of 16 rows by 32 of k.
//!
//! A factor is seen as a matrix of k columns: the left one as it is, the right one transposed. One instruction rounds two
//! vectors of f32 (to nearest, ties to even; denormals become 0); a tile whose rows lie the other way than the kernel
//! wants them is transposed in registers.

use super::kernel::{Line, VECTORS, first_lanes};
use crate::nn::product::Matrix;
use std::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows of a tile, and pairs of k.
const TILE: usize = 16;
/// Rows that lie together in [`by_panel`]'s lines: the columns of one call of the kernel.
pub(super) const PANEL: usize = 16 * VECTORS;

/// Lines that a row fills in [`by_row`].
pub(super) fn lines_of_a_row(k: usize) -> usize {
    k.div_ceil(2 * TILE)
}

/// Lines that a pair of k fills in [`by_panel`].
pub(super) fn vectors(rows: usize) -> usize {
    rows.div_ceil(TILE)
}

/// For each of these rows the pairs of these k, side by side; the last line of a row is filled up with 0.
///
/// # Safety
/// The processor has AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn by_row(lines: &mut [MaybeUninit<Line>], x: Matrix, rows: Range<usize>, k: Range<usize>) {
    let stride = lines_of_a_row(k.len());
    assert!(lines.len() >= rows.len() * stride && rows.end <= x.rows && k.end <= x.columns);
    let lines: *mut __m512i = lines.as_mut_ptr().cast();
    let (tall, wide) = (rows.len().div_ceil(TILE), stride);
    for index in 0..tall * wide {
        // In the order in which the numbers lie in memory.
        let (row, number) = if x.strides.1 == 1 { (index / wide, index % wide) } else { (index % tall, index / tall) };
        let (row, start) = (row * TILE, k.start + number * 2 * TILE);
        let count = TILE.min(rows.len() - row);
        // SAFETY: rows and k lie within the matrix, and the place within `lines`.
        unsafe {
            let tile = tile::<true>(&x, rows.start + row, count, start, (k.end - start).min(2 * TILE));
            for (i, line) in tile.into_iter().enumerate().take(count) {
                lines.add((row + i) * stride + number).write(line);
            }
        }
    }
}

/// For each [`PANEL`] of rows and each pair of these k a line of 16 rows, then those of the next 16: rows that are missing
/// at the end are 0.
///
/// # Safety
/// The processor has AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn by_panel(lines: &mut [MaybeUninit<Line>], x: Matrix, rows: Range<usize>, k: Range<usize>) {
    let pairs = k.len().div_ceil(2);
    assert!(lines.len() >= vectors(rows.len()) * pairs && rows.end <= x.rows && k.end <= x.columns);
    for start in rows.clone().step_by(PANEL) {
        let lines = lines[vectors(start - rows.start) * pairs..].as_mut_ptr().cast();
        // SAFETY: rows and k lie within the matrix, and there are lines for all of them.
        unsafe { panel(lines, &x, start..(start + PANEL).min(rows.end), k.clone()) };
    }
}

/// One panel.
///
/// # Safety
/// The rows and k exist, and as many lines as they fill.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn panel(lines: *mut __m512i, x: &Matrix, rows: Range<usize>, k: Range<usize>) {
    let (vectors, pairs) = (vectors(rows.len()), k.len().div_ceil(2));
    for pair in (0..pairs).step_by(TILE) {
        let start = k.start + 2 * pair;
        for vector in 0..vectors {
            let row = rows.start + vector * TILE;
            // SAFETY: the caller's word.
            unsafe {
                let tile = tile::<false>(x, row, (rows.end - row).min(TILE), start, (k.end - start).min(2 * TILE));
                for (i, line) in tile.into_iter().enumerate().take(pairs - pair) {
                    lines.add((pair + i) * vectors + vector).write(line);
                }
            }
        }
    }
}

/// `rows` ≤ 16 rows by `k` ≤ 32 numbers, rounded; the rest is 0. With `BY_ROW` a register holds the pairs of one row,
/// else the rows of one pair.
///
/// # Safety
/// These elements exist.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tile<const BY_ROW: bool>(x: &Matrix, row: usize, rows: usize, start: usize, k: usize) -> [__m512i; TILE] {
    let (row_stride, stride) = x.strides;
    // SAFETY: the caller's word; a mask keeps loads from what does not exist.
    unsafe {
        let first = x.pointer.offset(row_stride * row as isize + stride * start as isize);
        if stride == 1 {
            let tile = match (rows, k) {
                (TILE, 32) => along_k(first, row_stride, TILE, 32),
                _ => along_k(first, row_stride, rows, k),
            };
            if BY_ROW { tile } else { transposed(tile) }
        } else {
            let tile = match (rows, k) {
                (TILE, 32) => across_k(first, stride, TILE, 32),
                _ => across_k(first, stride, rows, k),
            };
            if BY_ROW { transposed(tile) } else { tile }
        }
    }
}

/// Rows whose numbers lie side by side: a register for each row.
///
/// # Safety
/// `rows` rows of `k` numbers exist.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn along_k(first: *const f32, stride: isize, rows: usize, k: usize) -> [__m512i; TILE] {
    // SAFETY: as above.
    unsafe {
        let mut tile = [_mm512_setzero_si512(); TILE];
        let (low, high) = (first_lanes(k), first_lanes(k.saturating_sub(TILE)));
        for (row, line) in tile.iter_mut().enumerate().take(rows) {
            let place = first.offset(stride * row as isize);
            let first = _mm512_maskz_loadu_ps(low, place);
            *line = rounded(first, _mm512_maskz_loadu_ps(high, place.wrapping_add(TILE)));
        }
        tile
    }
}

/// Numbers of one k that lie side by side: a register for each pair.
///
/// # Safety
/// `rows` rows of `k` numbers exist.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn across_k(first: *const f32, stride: isize, rows: usize, k: usize) -> [__m512i; TILE] {
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
    // SAFETY: as above.
    unsafe {
        let order = _mm512_loadu_si512(PAIRS.as_ptr().cast());
        let mut tile = [_mm512_setzero_si512(); TILE];
        let exist = first_lanes(rows);
        for (pair, line) in tile.iter_mut().enumerate().take(k.div_ceil(2)) {
            let place = first.offset(2 * stride * pair as isize);
            // Each k lies in another page, which the processor doesn't foresee: the next tile's numbers are asked for.
            _mm_prefetch::<_MM_HINT_T0>(place.wrapping_offset(2 * TILE as isize * stride).cast());
            _mm_prefetch::<_MM_HINT_T0>(place.wrapping_offset((2 * TILE + 1) as isize * stride).cast());
            let low = _mm512_maskz_loadu_ps(exist, place);
            let second = if 2 * pair + 1 < k { exist } else { 0 };
            let high = _mm512_maskz_loadu_ps(second, place.wrapping_offset(stride));
            *line = _mm512_permutexvar_epi16(order, rounded(low, high));
        }
        tile
    }
}

/// The numbers of `low`, then those of `high`, rounded.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn rounded(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both types are 512 bits, and every pattern is valid in both.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(high, low)) }
}

/// 16 rows of 16 pairs, transposed.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn transposed(x: [__m512i; TILE]) -> [__m512i; TILE] {
    let zero = [_mm512_setzero_si512(); TILE];
    // Pairs of neighbours, then fours of them, then quarters of registers twice.
    let (mut a, mut b) = (zero, zero);
    for i in 0..8 {
        a[2 * i] = _mm512_unpacklo_epi32(x[2 * i], x[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_epi32(x[2 * i], x[2 * i + 1]);
    }
    for i in 0..4 {
        b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
    }
    // b[4i + c], quarter q: column 4q + c of rows 4i to 4i + 3.
    for c in 0..4 {
        a[c] = _mm512_shuffle_i32x4::<0x88>(b[c], b[4 + c]);
        a[4 + c] = _mm512_shuffle_i32x4::<0xdd>(b[c], b[4 + c]);
        a[8 + c] = _mm512_shuffle_i32x4::<0x88>(b[8 + c], b[12 + c]);
        a[12 + c] = _mm512_shuffle_i32x4::<0xdd>(b[8 + c], b[12 + c]);
    }
    for c in 0..4 {
        b[c] = _mm512_shuffle_i32x4::<0x88>(a[c], a[8 + c]);
        b[8 + c] = _mm512_shuffle_i32x4::<0xdd>(a[c], a[8 + c]);
        b[4 + c] = _mm512_shuffle_i32x4::<0x88>(a[4 + c], a[12 + c]);
        b[12 + c] = _mm512_shuffle_i32x4::<0xdd>(a[4 + c], a[12 + c]);
    }
    b
}
