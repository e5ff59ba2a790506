//! A product shared among rayon's threads. The factor with fewer rows (the right one has columns) is packed once, by all;
//! then each task packs its rows of the other one, block by block of k, and multiplies them while they are in its core's
//! cache. Tasks depend on the shapes alone and share no element of the result, so threads change no bit.

use super::factor::{Factor, Lanes, Part, Ready, blocks, of_a_block, parts, passes, room};
use super::kernel::{self, Call, Line};
use super::number::{F32, Number};
use super::pack;
use crate::nn::product::{Matrix, MatrixMut, Old, Threads};
use rayon::prelude::*;
use std::ops::Range;

/// Lines of the packed factor that are packed in one round, about: 8 MiB, which are still in the last cache when they are
/// read; with smaller rounds the threads wait for each other more often.
const ROUND: usize = 1 << 17;

/// As [`super::multiply`].
///
/// # Safety
/// The processor has the number's instructions.
pub(super) unsafe fn multiply<N: Number>(
    out: &mut MatrixMut,
    left: Matrix,
    right: Matrix,
    scale: f32,
    old: Old,
    threads: Threads,
) {
    let k = left.columns;
    let (left, right) = (Factor::left::<N>(left, right.columns), Factor::Right(right.transposed()));
    // SAFETY: the caller's word.
    unsafe { multiply_factors::<N>(out, (left, right), k, scale, old, threads) }
}

/// As [`multiply`], on all threads.
///
/// # Safety
/// The processor has the number's instructions, and `right` was made for this number and as many k.
pub(super) unsafe fn multiply_ready<N: Number>(out: &mut MatrixMut, left: Matrix, right: &Ready, old: Old) {
    let factors = (Factor::left::<N>(left, right.columns), Factor::Ready(right));
    // SAFETY: the caller's word.
    unsafe { multiply_factors::<N>(out, factors, left.columns, 1.0, old, Threads::All) }
}

/// # Safety
/// As for its callers.
unsafe fn multiply_factors<N: Number>(
    out: &mut MatrixMut,
    (left, right): (Factor, Factor),
    k: usize,
    scale: f32,
    old: Old,
    threads: Threads,
) {
    let (m, n) = (left.rows(), right.rows());
    let blocks: Vec<_> = blocks::<N>(k).collect();
    let (once, by_task) = if m >= n { (right, left) } else { (left, right) };
    let longest = of_a_block::<N>(k).min(k);
    let whole = once.lines::<N>(once.rows(), longest);
    let in_a_round = (ROUND / whole.max(1)).clamp(1, blocks.len());
    let mut packed: Vec<_> = (0..in_a_round).map(|_| room(whole)).collect();
    let passing = passes(whole * in_a_round);
    let tasks = by_task.tasks();
    let length = tasks.iter().map(Range::len).max().unwrap_or(0);
    let out = &*out;
    for (round, blocks) in blocks.chunks(in_a_round).enumerate() {
        // SAFETY: the caller's word on the processor. Tasks share no row of the left factor, or no column of the right
        // one, and so no element of the result, which is exclusive.
        unsafe {
            if !once.is_ready() {
                let panels = packed.iter_mut().zip(blocks).flat_map(|(lines, k)| once.panels::<N>(lines, k));
                let task = |part: Part| once.pack::<N>(part.lines, part.rows, part.k, passing);
                match threads {
                    Threads::One => panels.for_each(task),
                    Threads::All => panels.collect::<Vec<_>>().into_par_iter().for_each(task),
                }
            }
            let space = || room(by_task.lines::<N>(length, longest));
            let task = |space: &mut Vec<_>, part: Range<usize>| {
                for (number, (k, once_lines)) in blocks.iter().zip(&packed).enumerate() {
                    by_task.pack::<N>(space, part.clone(), k.clone(), false);
                    let old = if round == 0 && number == 0 { old } else { Old::Add };
                    let lanes = by_task.lanes::<N>(space, &part, k);
                    let once = once.lanes::<N>(once_lines, &(0..once.rows()), k);
                    if m >= n {
                        block::<N>(&out.block(part.clone(), 0..n), lanes, once, k.len(), scale, old);
                    } else {
                        block::<N>(&out.block(0..m, part.clone()), once, lanes, k.len(), scale, old);
                    }
                }
            };
            let tasks = tasks.iter().cloned();
            match threads {
                Threads::One => {
                    let mut space = space();
                    tasks.for_each(|part| task(&mut space, part));
                }
                Threads::All => tasks.collect::<Vec<_>>().into_par_iter().for_each_init(space, task),
            }
        }
    }
}

/// The product of rows and packed panels over one block of k.
///
/// # Safety
/// The processor has the number's instructions; the lanes are those of as many rows and columns as `out` has, which is
/// exclusive.
unsafe fn block<N: Number>(out: &MatrixMut, left: Lanes, right: Lanes, k: usize, scale: f32, old: Old) {
    let steps = k.div_ceil(N::DEPTH);
    let right: *const Line = right.first.cast();
    for columns in parts(out.columns, pack::PANEL) {
        let panel = right.wrapping_add(pack::vectors(columns.start) * steps);
        for rows in parts(out.rows, kernel::ROWS) {
            let (left, row_stride, lane_stride) = left.at(rows.start, out.rows, steps);
            let call = Call {
                steps,
                left,
                row_stride,
                lane_stride,
                right: panel,
                ahead: panel, // the processor foresees these panels; asking for the next one gained nothing
                out: out.pointer.wrapping_add(rows.start * out.stride + columns.start),
                out_stride: out.stride,
                scale,
                add: old == Old::Add,
            };
            // SAFETY: the caller's word.
            unsafe { kernel::multiply::<N>(rows.len(), columns.len(), call) };
        }
    }
}

/// Adds the product of `left` and a panel, whose rows are `VECTORS` lines each, to `sums`, rows as wide as the panel; what
/// lies behind the panel is asked for meanwhile.
///
/// # Safety
/// The processor has the instructions of f32.
pub(super) unsafe fn add_panel<const VECTORS: usize>(left: Matrix, panel: &[[Line; VECTORS]], sums: &mut [f32]) {
    let width = 16 * VECTORS;
    assert!(left.strides.1 == 1 && left.columns == panel.len() && sums.len() == left.rows * width);
    let block = 64 * 1024 / (64 * VECTORS);
    for k in parts(panel.len(), block) {
        let right = panel[k.clone()].as_ptr().cast::<Line>();
        for (number, rows) in parts(left.rows, kernel::ROWS).enumerate() {
            let first = left.pointer.wrapping_offset(left.strides.0 * rows.start as isize).wrapping_add(k.start);
            // The first calls share what comes next; the others ask for what they have.
            let next = right.wrapping_add((VECTORS + number) * k.len());
            let ahead = if number < VECTORS { next } else { right };
            let call = Call {
                steps: k.len(),
                left: first.cast(),
                row_stride: left.strides.0 as usize,
                lane_stride: 1,
                right,
                ahead,
                out: sums[rows.start * width..].as_mut_ptr(),
                out_stride: width,
                scale: 1.0,
                add: true,
            };
            // SAFETY: the caller's word, and the lengths checked above.
            unsafe { kernel::multiply::<F32>(rows.len(), width, call) };
        }
    }
}
