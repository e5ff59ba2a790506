//! A factor laid out for the kernel, in tiles of 16 rows by 16 lanes of k.
//!
//! A factor is seen as a matrix of k columns: the left one as it is, the right one transposed. A tile whose rows lie the
//! other way than the kernel wants them is transposed in registers.

use super::kernel::{Line, ROWS, VECTORS, first_lanes};
use super::number::{Number, TILE, Tile};
use super::strassen::{self, MOST, Sum};
use crate::nn::product::Matrix;
use std::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// What the products of a scheme multiply of a factor: sums of its quadrants, all of the same rows and k.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// The first quadrant, or the whole factor where there are no others.
    pub x: Matrix<'a>,
    /// Numbers from the first quadrant to the one below it, and to the one beside it; none where a factor isn't cut.
    pub quadrants: Option<(isize, isize)>,
    /// Whether it is the left factor.
    pub left: bool,
}

/// Where the sums of each product go; nothing is packed where there are no lines.
pub(super) type Places<'l> = [&'l mut [MaybeUninit<Line>]; MOST];

/// Rows that lie together in [`by_panel`]'s lines: the columns of one call of the kernel.
pub(super) const PANEL: usize = 16 * VECTORS;

/// Rows of a left factor that lie together in [`by_panel`]'s lines: eight calls of the kernel.
pub(super) const LEFT_PANEL: usize = 8 * ROWS;

/// Lines that a row fills in [`by_row`].
pub(super) fn lines_of_a_row<N: Number>(k: usize) -> usize {
    k.div_ceil(N::DEPTH * TILE)
}

/// Lines that a lane of k fills in [`by_panel`].
pub(super) fn vectors(rows: usize) -> usize {
    rows.div_ceil(TILE)
}

/// The parts of a range, `length` long but for the last one.
fn runs(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(length).map(move |start| start..(start + length).min(end))
}

/// For each of these rows the lanes of these k, side by side; the last line of a row is filled up with 0.
///
/// # Safety
/// The processor has the number's instructions.
#[inline(always)]
pub(super) unsafe fn by_row<N: Number, const CUT: bool>(
    places: &mut Places,
    source: Source,
    rows: Range<usize>,
    k: Range<usize>,
) {
    let (x, stride) = (source.x, lines_of_a_row::<N>(k.len()));
    let to = pointers(places, rows.len() * stride);
    assert!(rows.end <= x.rows && k.end <= x.columns && CUT == source.quadrants.is_some());
    if CUT && x.strides.1 == 1 {
        for (number, row) in rows.enumerate() {
            for vector in 0..stride {
                let start = k.start + vector * N::DEPTH * TILE;
                // SAFETY: the row and its k lie within the matrix, and the place within the lines.
                unsafe {
                    let places = quadrants(source, x.pointer.offset(x.strides.0 * row as isize).add(start));
                    let mut lines = [_mm512_setzero_si512(); 4];
                    for (line, place) in lines.iter_mut().zip(places) {
                        *line = N::along(place, k.end - start);
                    }
                    write_sums::<true, false>(to, number * stride + vector, lines);
                }
            }
        }
        return;
    }
    let (tall, wide) = (rows.len().div_ceil(TILE), stride);
    for index in 0..tall * wide {
        // In the order in which the numbers lie in memory.
        let (row, number) = if x.strides.1 == 1 { (index / wide, index % wide) } else { (index % tall, index / tall) };
        let (row, start) = (row * TILE, k.start + number * N::DEPTH * TILE);
        let count = TILE.min(rows.len() - row);
        // SAFETY: rows and k lie within the matrix, and the place within `lines`.
        unsafe {
            let depth = (k.end - start).min(N::DEPTH * TILE);
            let first = x.pointer.offset(x.strides.0 * (rows.start + row) as isize + x.strides.1 * start as isize);
            let tile = tile::<N, true>(first, x.strides, count, depth);
            for (i, line) in tile.into_iter().enumerate().take(count) {
                to[0].add((row + i) * stride + number).write(line);
            }
        }
    }
}

/// For each panel of `width` rows (whole vectors) and each lane of these k a line of 16 rows, then those of the next 16:
/// rows that are missing at the end are 0. With `PASSING` lines are written past the caches: what is packed for all
/// threads is too much for them, and reading it in first only to overwrite it took half of the time. It is in memory
/// when this returns.
///
/// # Safety
/// The processor has the number's instructions.
#[inline(always)]
pub(super) unsafe fn by_panel<N: Number, const PASSING: bool, const CUT: bool>(
    places: &mut Places,
    source: Source,
    rows: Range<usize>,
    k: Range<usize>,
    width: usize,
) {
    let x = source.x;
    let steps = k.len().div_ceil(N::DEPTH);
    let to = pointers(places, vectors(rows.len()) * steps);
    assert!(rows.end <= x.rows && k.end <= x.columns && CUT == source.quadrants.is_some());
    // A tile of k after the other, so that a matrix whose rows lie side by side is read in its order. Where those of one k
    // do, lines that pass the caches are written one after the other, which is how they are gathered.
    for step in (0..steps).step_by(TILE) {
        let start = k.start + N::DEPTH * step;
        for panel in runs(rows.clone(), width) {
            let (across, some) = (vectors(panel.len()), TILE.min(steps - step));
            let place = vectors(panel.start - rows.start) * steps + step * across;
            // SAFETY: rows and k lie within the matrix.
            unsafe {
                let at = |row: usize, k: usize| x.pointer.offset(x.strides.0 * row as isize + x.strides.1 * k as isize);
                if x.strides.1 == 1 || !PASSING {
                    for (vector, rows) in runs(panel, TILE).enumerate() {
                        let depth = (k.end - start).min(N::DEPTH * TILE);
                        let first = at(rows.start, start);
                        if CUT {
                            let mut tiles = [[_mm512_setzero_si512(); TILE]; 4];
                            for (one, first) in tiles.iter_mut().zip(quadrants(source, first)) {
                                *one = tile::<N, false>(first, x.strides, rows.len(), depth);
                            }
                            #[expect(clippy::needless_range_loop, reason = "iterators over four might not be inlined")]
                            for i in 0..some {
                                let lines = [tiles[0][i], tiles[1][i], tiles[2][i], tiles[3][i]];
                                let place = place + i * across + vector;
                                match source.left {
                                    true => write_sums::<true, PASSING>(to, place, lines),
                                    false => write_sums::<false, PASSING>(to, place, lines),
                                }
                            }
                        } else {
                            let tile = tile::<N, false>(first, x.strides, rows.len(), depth);
                            for (i, line) in tile.into_iter().enumerate().take(some) {
                                write::<PASSING>(to[0].add(place + i * across + vector), line);
                            }
                        }
                    }
                    continue;
                }
                for (lane, k_start) in (start..k.end).step_by(N::DEPTH).enumerate().take(some) {
                    for (vector, rows) in runs(panel.clone(), TILE).enumerate() {
                        let (first, mask, depth) = (at(rows.start, k_start), first_lanes(rows.len()), k.end - k_start);
                        let place = place + lane * across + vector;
                        if CUT {
                            let mut lines = [_mm512_setzero_si512(); 4];
                            for (line, first) in lines.iter_mut().zip(quadrants(source, first)) {
                                *line = N::across(first, x.strides.1, mask, depth);
                            }
                            match source.left {
                                true => write_sums::<true, PASSING>(to, place, lines),
                                false => write_sums::<false, PASSING>(to, place, lines),
                            }
                        } else {
                            write::<PASSING>(to[0].add(place), N::across(first, x.strides.1, mask, depth));
                        }
                    }
                }
            }
        }
    }
    if PASSING {
        // Other threads are told by what they may see before those lines.
        // SAFETY: the caller's word.
        unsafe { _mm_sfence() };
    }
}

/// The first line of each place; null where there is none.
fn pointers(places: &mut Places, lines: usize) -> [*mut __m512i; MOST] {
    std::array::from_fn(|product| match places[product].is_empty() {
        true => std::ptr::null_mut(),
        false => {
            assert!(places[product].len() >= lines, "lines for all that is packed");
            places[product].as_mut_ptr().cast()
        }
    })
}

/// The same element of each quadrant, row by row.
#[inline(always)]
fn quadrants(source: Source, first: *const f32) -> [*const f32; 4] {
    let (down, across) = source.quadrants.unwrap_or((0, 0));
    let place = |offset| first.wrapping_offset(offset);
    [place(0), place(across), place(down), place(down + across)]
}

/// Writes a line, past the caches if so said.
///
/// # Safety
/// The processor has AVX-512, and the place exists.
#[inline(always)]
unsafe fn write<const PASSING: bool>(to: *mut __m512i, line: __m512i) {
    // SAFETY: the caller's word.
    unsafe {
        match PASSING {
            true => _mm512_stream_si512(to.cast(), line),
            false => to.write(line),
        }
    }
}

/// Writes the sums of these lines of quadrants of f32 that each of Strassen's products multiplies to where it has them.
///
/// # Safety
/// The processor has AVX-512, and the places exist.
#[inline(always)]
unsafe fn write_sums<const LEFT: bool, const PASSING: bool>(
    to: [*mut __m512i; MOST],
    place: usize,
    quadrants: [__m512i; 4],
) {
    const OF: [[Sum; MOST]; 2] = [strassen::sums(false), strassen::sums(true)];
    // No closures with intrinsics: they would not be compiled for the processor.
    for product in 0..MOST {
        let Sum { first: (row, column), second } = OF[LEFT as usize][product];
        // SAFETY: the caller's word.
        unsafe {
            let first = _mm512_castsi512_ps(quadrants[2 * row + column]);
            let sum = match second {
                None => first,
                Some(((row, column), false)) => _mm512_add_ps(first, _mm512_castsi512_ps(quadrants[2 * row + column])),
                Some(((row, column), true)) => _mm512_sub_ps(first, _mm512_castsi512_ps(quadrants[2 * row + column])),
            };
            if !to[product].is_null() {
                write::<PASSING>(to[product].add(place), _mm512_castps_si512(sum));
            }
        }
    }
}

/// `rows` ≤ 16 rows by `k` numbers, at most 16 lanes of them; the rest is 0. With `BY_ROW` a register holds the lanes of
/// one row, else one lane of the rows.
///
/// # Safety
/// These elements exist.
#[inline(always)]
unsafe fn tile<N: Number, const BY_ROW: bool>(
    first: *const f32,
    (row_stride, stride): (isize, isize),
    rows: usize,
    k: usize,
) -> Tile {
    let whole = N::DEPTH * TILE;
    // SAFETY: the caller's word.
    unsafe {
        if stride == 1 {
            let tile = match (rows, k) {
                (TILE, k) if k == whole => along_k::<N>(first, row_stride, TILE, whole),
                _ => along_k::<N>(first, row_stride, rows, k),
            };
            if BY_ROW { tile } else { transposed(tile) }
        } else {
            let tile = match (rows, k) {
                (TILE, k) if k == whole => across_k::<N>(first, stride, TILE, whole),
                _ => across_k::<N>(first, stride, rows, k),
            };
            if BY_ROW { transposed(tile) } else { tile }
        }
    }
}

/// Rows whose numbers lie side by side: a register for each row.
///
/// # Safety
/// `rows` rows of `k` numbers exist.
#[inline(always)]
unsafe fn along_k<N: Number>(first: *const f32, stride: isize, rows: usize, k: usize) -> Tile {
    // SAFETY: as above.
    unsafe {
        let mut tile = [_mm512_setzero_si512(); TILE];
        for (row, line) in tile.iter_mut().enumerate().take(rows) {
            *line = N::along(first.offset(stride * row as isize), k);
        }
        tile
    }
}

/// Numbers of one k that lie side by side: a register for each lane.
///
/// # Safety
/// `rows` rows of `k` numbers exist.
#[inline(always)]
unsafe fn across_k<N: Number>(first: *const f32, stride: isize, rows: usize, k: usize) -> Tile {
    // SAFETY: as above.
    unsafe {
        let mut tile = [_mm512_setzero_si512(); TILE];
        for (lane, line) in tile.iter_mut().enumerate().take(k.div_ceil(N::DEPTH)) {
            let place = first.offset((N::DEPTH * lane) as isize * stride);
            *line = N::across(place, stride, first_lanes(rows), k - N::DEPTH * lane);
        }
        tile
    }
}

/// 16 rows of 16 lanes, transposed.
///
/// # Safety
/// The processor has AVX-512.
#[inline(always)]
unsafe fn transposed(x: Tile) -> Tile {
    // SAFETY: the caller's word.
    unsafe {
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
}
