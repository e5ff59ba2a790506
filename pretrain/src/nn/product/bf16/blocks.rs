//! A product shared among rayon's threads. The factor with fewer rows (the right one has columns) is packed once, by all;
//! then each task packs its rows of the other one, block by block of k, and multiplies them while they are in its core's
//! cache. Tasks depend on the shapes alone and share no element of the result, so threads change no bit.

use super::kernel::{self, Call, Line};
use super::pack;
use crate::nn::product::{Matrix, MatrixMut, Old};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Numbers of k in a block: a panel of the right factor, 64 KiB, stays in the second cache for all rows of a task.
const K: usize = 512;
/// Tasks of a product, about: many enough that two to eight threads end together.
const TASKS: usize = 24;

/// A factor as a matrix of k columns, so the right one transposed.
#[derive(Clone, Copy)]
enum Factor<'a> {
    Left(Matrix<'a>),
    Right(Matrix<'a>),
}

impl Factor<'_> {
    fn rows(&self) -> usize {
        match self {
            Factor::Left(x) | Factor::Right(x) => x.rows,
        }
    }

    /// Rows of a task: whole calls of the kernel, or half ones for the right factor, as many tasks as [`TASKS`] but none
    /// so small that starting it costs more than it does, or so large that its lines leave the second cache.
    fn rows_of_a_task(&self) -> usize {
        let share = self.rows().div_ceil(TASKS);
        match self {
            Factor::Left(_) => share.next_multiple_of(kernel::ROWS).clamp(2 * kernel::ROWS, 16 * kernel::ROWS),
            Factor::Right(_) => share.next_multiple_of(pack::PANEL / 2).clamp(pack::PANEL / 2, 4 * pack::PANEL),
        }
    }

    /// Lines that so many rows fill.
    fn lines(&self, rows: usize, k: usize) -> usize {
        match self {
            Factor::Left(_) => rows * pack::lines_of_a_row(k),
            Factor::Right(_) => pack::vectors(rows) * k.div_ceil(2),
        }
    }

    /// # Safety
    /// The processor has AVX512-BF16.
    unsafe fn pack(&self, lines: &mut [MaybeUninit<Line>], rows: Range<usize>, k: Range<usize>) {
        // SAFETY: the caller's word.
        unsafe {
            match self {
                Factor::Left(x) => pack::by_row(lines, *x, rows, k),
                Factor::Right(x) => pack::by_panel(lines, *x, rows, k),
            }
        }
    }

    /// All rows packed, block by block of k, by all threads.
    ///
    /// # Safety
    /// The processor has AVX512-BF16.
    unsafe fn packed(&self, blocks: &[Range<usize>]) -> Vec<Vec<MaybeUninit<Line>>> {
        let mut whole: Vec<_> = blocks.iter().map(|k| room(self.lines(self.rows(), k.len()))).collect();
        let mut tasks = Vec::new();
        for (lines, k) in whole.iter_mut().zip(blocks) {
            let mut rest = lines.as_mut_slice();
            for rows in parts(self.rows(), pack::PANEL) {
                let (lines, others) = rest.split_at_mut(self.lines(rows.len(), k.len()));
                rest = others;
                tasks.push((lines, rows, k.clone()));
            }
        }
        // SAFETY: the caller's word.
        tasks.into_par_iter().for_each(|(lines, rows, k)| unsafe { self.pack(lines, rows, k) });
        whole
    }
}

/// As [`super::multiply`].
///
/// # Safety
/// The processor has AVX512-BF16.
pub(super) unsafe fn multiply(out: &mut MatrixMut, left: Matrix, right: Matrix, old: Old) {
    let (m, n, k) = (left.rows, right.columns, left.columns);
    let blocks: Vec<_> = parts(k, K).collect();
    let (left, right) = (Factor::Left(left), Factor::Right(right.transposed()));
    let (once, by_task) = if m >= n { (right, left) } else { (left, right) };
    let out = &*out;
    // SAFETY: the caller's word on the processor. Tasks share no row of the left factor, or no column of the right one,
    // and so no element of the result, which is exclusive.
    unsafe {
        let packed = once.packed(&blocks);
        let of_a_task = by_task.rows_of_a_task();
        let tasks: Vec<_> = parts(by_task.rows(), of_a_task).collect();
        let space = || room(by_task.lines(of_a_task, k.min(K)));
        tasks.into_par_iter().for_each_init(space, |space, part| {
            for (number, (k, once)) in blocks.iter().zip(&packed).enumerate() {
                let lines = &mut space[..by_task.lines(part.len(), k.len())];
                by_task.pack(lines, part.clone(), k.clone());
                let old = if number == 0 { old } else { Old::Add };
                if m >= n {
                    block(&out.block(part.clone(), 0..n), lines, once, k.len(), old);
                } else {
                    block(&out.block(0..m, part.clone()), once, lines, k.len(), old);
                }
            }
        });
    }
}

/// The product of packed rows and packed panels over one block of k.
///
/// # Safety
/// The processor has AVX512-BF16; the lines are those of as many rows and columns as `out` has, which is exclusive.
unsafe fn block(out: &MatrixMut, left: &[MaybeUninit<Line>], right: &[MaybeUninit<Line>], k: usize, old: Old) {
    let (pairs, left_stride) = (k.div_ceil(2), pack::lines_of_a_row(k));
    assert!(left.len() >= out.rows * left_stride && right.len() >= pack::vectors(out.columns) * pairs);
    for columns in parts(out.columns, pack::PANEL) {
        for rows in parts(out.rows, kernel::ROWS) {
            let call = Call {
                pairs,
                left: left.as_ptr().wrapping_add(rows.start * left_stride).cast(),
                left_stride,
                right: right.as_ptr().wrapping_add(pack::vectors(columns.start) * pairs).cast(),
                out: out.pointer.wrapping_add(rows.start * out.stride + columns.start),
                out_stride: out.stride,
                add: old == Old::Add,
            };
            // SAFETY: the caller's word, and the lengths checked above.
            unsafe { kernel::multiply(rows.len(), columns.len(), call) };
        }
    }
}

/// Lines that nobody has written yet.
fn room(lines: usize) -> Vec<MaybeUninit<Line>> {
    let mut room = Vec::with_capacity(lines);
    // SAFETY: they may stay unwritten, as their type says.
    unsafe { room.set_len(lines) };
    room
}

/// Ranges of `part`, the last one shorter.
fn parts(whole: usize, part: usize) -> impl Iterator<Item = Range<usize>> {
    (0..whole).step_by(part).map(move |start| start..(start + part).min(whole))
}
