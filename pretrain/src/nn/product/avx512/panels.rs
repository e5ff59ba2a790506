//! Products with some columns, or some rows, of a right factor that was packed whole (see [`crate::nn::product::panels`]).

use super::factor::{Side, parts};
use super::kernel::{self, Call, Line, Target};
use super::number::F32;
use super::pack::{self, Places};
use super::strassen::WHOLE;
use crate::nn::product::panels::union;
use crate::nn::product::{Matrix, MatrixMut, Old};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Packs `right` (K, N) into `room`, all k of a panel of columns together.
///
/// # Safety
/// The processor has the instructions of f32.
pub(super) unsafe fn packed<'a>(right: Matrix, room: &'a mut Vec<MaybeUninit<Line>>) -> &'a [MaybeUninit<Line>] {
    let factor = Side::Right(right.transposed()).factor(WHOLE, (0, 0..right.rows));
    let lines = pack::vectors(right.columns) * right.rows;
    room.clear();
    room.reserve(lines);
    let lines_there = &mut room.spare_capacity_mut()[..lines];
    // SAFETY: lines may stay unwritten, as their type says; the caller's word on the processor.
    unsafe {
        let packed = std::slice::from_raw_parts_mut(lines_there.as_mut_ptr().cast(), lines);
        let mut places = Places::default();
        places[0] = packed;
        factor.pack::<F32>(&mut places, 0..right.columns, 0..right.rows, false);
        let [packed, ..] = places;
        packed
    }
}

/// As [`crate::nn::product::panels::Panels::multiply_columns`].
///
/// # Safety
/// The processor has the instructions of f32; `packed` are the lines of `right`.
pub(super) unsafe fn multiply_columns(
    out: &mut MatrixMut,
    left: Matrix,
    (right, packed): (Matrix, &[MaybeUninit<Line>]),
    wanted: impl Fn(usize) -> Range<usize>,
) {
    let of_rows = |rows: Range<usize>| (rows.clone(), union(rows, &wanted));
    let groups: Vec<_> = parts(0..left.rows, kernel::ROWS).map(of_rows).collect();
    let all = union(0..left.rows, &wanted);
    assert!(all.end <= right.columns, "columns that exist");
    let first = all.start / pack::PANEL * pack::PANEL;
    for columns in parts(0..right.columns, pack::PANEL).skip_while(|columns| columns.end <= first) {
        if columns.start >= all.end {
            break;
        }
        for (rows, wanted) in &groups {
            if wanted.start < columns.end && columns.start < wanted.end {
                // SAFETY: the caller's word; rows and columns lie within the matrices.
                unsafe { call(out, left, (right, packed), (rows, &columns, 0..right.rows, 0), Old::Replace) };
            }
        }
    }
}

/// As [`crate::nn::product::panels::Panels::multiply_rows`].
///
/// # Safety
/// As [`multiply_columns`].
pub(super) unsafe fn multiply_rows(
    out: &mut MatrixMut,
    left: Matrix,
    right: (Matrix, &[MaybeUninit<Line>]),
    met: Range<usize>,
    wanted: impl Fn(usize) -> Range<usize>,
    old: Old,
) {
    for columns in parts(0..right.0.columns, pack::PANEL) {
        for rows in parts(0..left.rows, kernel::ROWS) {
            let k = union(rows.clone(), &wanted);
            assert!(k.end <= left.columns, "columns that exist");
            // SAFETY: the caller's word; rows and columns lie within the matrices.
            unsafe { call(out, left, right, (&rows, &columns, k, met.start), old) };
        }
    }
}

/// Multiplies these rows of `left` with a panel's columns, over these columns of `left`, which meet as many rows of the right
/// factor from `before` + `k.start` on.
///
/// # Safety
/// As [`multiply_columns`]; the rows and columns exist.
unsafe fn call(
    out: &mut MatrixMut,
    left: Matrix,
    (right, packed): (Matrix, &[MaybeUninit<Line>]),
    (rows, columns, k, before): (&Range<usize>, &Range<usize>, Range<usize>, usize),
    old: Old,
) {
    let (row, lane) = left.strides;
    let panel = pack::vectors(columns.start) * right.rows;
    let lines = &packed[panel + pack::vectors(columns.len()) * (before + k.start)..];
    assert!(lines.len() >= pack::vectors(columns.len()) * k.len(), "lines that exist");
    let call = Call {
        steps: k.len(),
        left: left.pointer.wrapping_offset(row * rows.start as isize + lane * k.start as isize).cast(),
        row_stride: row as usize,
        lane_stride: lane as usize,
        right: lines.as_ptr().cast(),
        ahead: lines.as_ptr().cast(),
        out: Target {
            first: out.pointer.wrapping_add(rows.start * out.stride + columns.start),
            scale: 1.0,
            add: old == Old::Add,
        },
        second: None,
        out_stride: out.stride,
    };
    // SAFETY: the caller's word.
    unsafe { kernel::multiply::<F32>(rows.len(), columns.len(), call) };
}
