//! A product shared among rayon's threads. The factor with fewer rows (the right one has columns) is packed once, by all;
//! then each task packs its rows of the other one, block by block of k, and multiplies them while they are in its core's
//! cache. Tasks depend on the shapes alone and share no element of the result, so threads change no bit.

use super::kernel::{self, Call, Line};
use super::number::Number;
use super::pack;
use crate::nn::product::{Matrix, MatrixMut, Old, Threads};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows of a task, about: many, so that the packed factor, which every task reads whole, comes from the third cache seldom.
const ROWS: usize = 128;
/// Lines of the packed factor that are packed in one round, about: 2 MiB, which are still in a cache when they are read.
const ROUND: usize = 1 << 15;

/// Numbers of k that are packed by one task, where those of one k lie side by side.
const STRIP: usize = 32;

/// A factor as a matrix of k columns, so the right one transposed.
#[derive(Clone, Copy)]
enum Factor<'a> {
    Left(Matrix<'a>),
    Right(Matrix<'a>),
    Ready(&'a Ready),
}

/// A right factor packed once for many products.
pub struct Ready {
    /// By block of k.
    lines: Vec<Vec<MaybeUninit<Line>>>,
    columns: usize,
}

impl Ready {
    /// Packs it, on all threads.
    ///
    /// # Safety
    /// The processor has the number's instructions.
    pub(super) unsafe fn new<N: Number>(right: Matrix) -> Ready {
        let (columns, factor) = (right.columns, Factor::Right(right.transposed()));
        let pack = |k: Range<usize>| {
            let mut lines = room(factor.lines::<N>(columns, k.len()));
            // SAFETY: the caller's word.
            let task = |part: Part| unsafe { factor.pack::<N>(part.lines, part.rows, part.k) };
            factor.panels::<N>(&mut lines, &k).into_par_iter().for_each(task);
            lines
        };
        Ready { lines: blocks::<N>(right.rows).map(pack).collect(), columns }
    }
}

/// Some rows of a factor over one block of k, as the kernel reads them.
#[derive(Clone, Copy)]
struct Lanes {
    first: *const i32,
    /// From one row to the next, within a panel.
    row_stride: usize,
    /// From one lane of k to the next; none where rows lie in panels, which say it by their width.
    lane_stride: Option<usize>,
}

impl Lanes {
    /// Where these rows of so many begin, and their strides.
    fn at(&self, row: usize, rows: usize, steps: usize) -> (*const i32, usize, usize) {
        match self.lane_stride {
            Some(lane_stride) => (self.first.wrapping_add(row * self.row_stride), self.row_stride, lane_stride),
            None => {
                let panel = row / pack::LEFT_PANEL * pack::LEFT_PANEL;
                let width = 16 * pack::vectors((rows - panel).min(pack::LEFT_PANEL));
                (self.first.wrapping_add(panel * steps + row - panel), self.row_stride, width)
            }
        }
    }
}

// SAFETY: it leads to what nobody writes while it is in use.
unsafe impl Sync for Lanes {}

impl Factor<'_> {
    fn rows(&self) -> usize {
        match self {
            Factor::Left(x) | Factor::Right(x) => x.rows,
            Factor::Ready(ready) => ready.columns,
        }
    }

    /// Rows of each task: equal parts, an even number of them, so that two threads end together; whole panels or vectors
    /// of a right factor.
    fn of_a_task(&self) -> usize {
        let part = self.rows().div_ceil(self.rows().div_ceil(ROWS).next_multiple_of(2));
        match self {
            Factor::Left(_) => part,
            Factor::Right(_) => part.next_multiple_of(16),
            Factor::Ready(_) => part.next_multiple_of(pack::PANEL),
        }
    }

    /// Whether the kernel reads it without packing: a left factor's rows of f32, or what was packed before.
    fn is_ready<N: Number>(&self) -> bool {
        match self {
            Factor::Left(x) => N::DEPTH == 1 && x.strides.1 == 1,
            Factor::Right(_) => false,
            Factor::Ready(_) => true,
        }
    }

    /// Lines that so many rows fill.
    fn lines<N: Number>(&self, rows: usize, k: usize) -> usize {
        match self {
            _ if self.is_ready::<N>() => 0,
            Factor::Left(x) if x.strides.1 == 1 => rows * pack::lines_of_a_row::<N>(k),
            _ => pack::vectors(rows) * k.div_ceil(N::DEPTH),
        }
    }

    /// These rows over these k, packed into `lines` where they have to be.
    ///
    /// # Safety
    /// The processor has the number's instructions.
    unsafe fn pack<N: Number>(&self, lines: &mut [MaybeUninit<Line>], rows: Range<usize>, k: Range<usize>) {
        // SAFETY: the caller's word.
        unsafe {
            match self {
                _ if self.is_ready::<N>() => {}
                Factor::Left(x) if x.strides.1 == 1 => N::by_row(lines, *x, rows, k),
                Factor::Left(x) => N::by_panel(lines, *x, rows, k, pack::LEFT_PANEL),
                Factor::Right(x) => N::by_panel(lines, *x, rows, k, pack::PANEL),
                Factor::Ready(_) => {}
            }
        }
    }

    /// What the kernel reads of these rows and k, which were packed into `lines` where they had to be.
    fn lanes<N: Number>(&self, lines: &[MaybeUninit<Line>], rows: &Range<usize>, k: &Range<usize>) -> Lanes {
        assert!(rows.end <= self.rows() && lines.len() >= self.lines::<N>(rows.len(), k.len()));
        let first = lines.as_ptr().cast();
        match self {
            Factor::Left(x) if self.is_ready::<N>() => {
                assert!(k.end <= x.columns);
                let first = x.pointer.wrapping_offset(x.strides.0 * rows.start as isize).wrapping_add(k.start);
                Lanes { first: first.cast(), row_stride: x.strides.0 as usize, lane_stride: Some(1) }
            }
            Factor::Left(x) if x.strides.1 == 1 => {
                Lanes { first, row_stride: 16 * pack::lines_of_a_row::<N>(k.len()), lane_stride: Some(1) }
            }
            Factor::Left(_) | Factor::Right(_) => Lanes { first, row_stride: 1, lane_stride: None },
            Factor::Ready(ready) => {
                assert!(rows.start.is_multiple_of(pack::PANEL), "whole panels");
                let before = pack::vectors(rows.start) * k.len().div_ceil(N::DEPTH);
                let first = ready.lines[k.start / N::BLOCK][before..].as_ptr().cast();
                Lanes { first, row_stride: 1, lane_stride: None }
            }
        }
    }

    /// All rows over one block of k, as tasks that each pack some k of a panel into its part of `lines`, in the order in
    /// which the numbers lie in memory.
    fn panels<'l, N: Number>(&self, lines: &'l mut [MaybeUninit<Line>], k: &Range<usize>) -> Vec<Part<'l>> {
        let (mut rest, mut tasks) = (lines, Vec::new());
        let (matrix, panel) = match self {
            Factor::Left(x) => (x, pack::LEFT_PANEL),
            Factor::Right(x) => (x, pack::PANEL),
            Factor::Ready(_) => return tasks,
        };
        let depth = if matrix.strides.1 == 1 { k.len() } else { STRIP };
        for rows in parts(matrix.rows, panel) {
            let (mut lines, others) = rest.split_at_mut(self.lines::<N>(rows.len(), k.len()));
            rest = others;
            for some in parts(k.len(), depth) {
                let (first, others) = lines.split_at_mut(self.lines::<N>(rows.len(), some.len()));
                lines = others;
                tasks.push(Part { lines: first, rows: rows.clone(), k: k.start + some.start..k.start + some.end });
            }
        }
        tasks.sort_by_key(|part| part.k.start);
        tasks
    }
}

/// Some rows and k of a factor, and where they go.
struct Part<'l> {
    lines: &'l mut [MaybeUninit<Line>],
    rows: Range<usize>,
    k: Range<usize>,
}

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
    let (left, right) = (Factor::Left(left), Factor::Right(right.transposed()));
    // SAFETY: the caller's word.
    unsafe { multiply_factors::<N>(out, (left, right), k, scale, old, threads) }
}

/// As [`multiply`], on all threads.
///
/// # Safety
/// The processor has the number's instructions, and `right` was made for this number and as many k.
pub(super) unsafe fn multiply_ready<N: Number>(out: &mut MatrixMut, left: Matrix, right: &Ready, old: Old) {
    let factors = (Factor::Left(left), Factor::Ready(right));
    // SAFETY: the caller's word.
    unsafe { multiply_factors::<N>(out, factors, left.columns, 1.0, old, Threads::All) }
}

/// Blocks of k; no k at all are an empty one, whose product is 0.
fn blocks<N: Number>(k: usize) -> impl Iterator<Item = Range<usize>> {
    parts(k, N::BLOCK).chain((k == 0).then_some(0..0))
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
    let whole = once.lines::<N>(once.rows(), k.min(N::BLOCK));
    let in_a_round = (ROUND / whole.max(1)).clamp(1, blocks.len());
    let mut packed: Vec<_> = (0..in_a_round).map(|_| room(whole)).collect();
    let length = by_task.of_a_task();
    let out = &*out;
    for (round, blocks) in blocks.chunks(in_a_round).enumerate() {
        // SAFETY: the caller's word on the processor. Tasks share no row of the left factor, or no column of the right
        // one, and so no element of the result, which is exclusive.
        unsafe {
            if !once.is_ready::<N>() {
                let panels = packed.iter_mut().zip(blocks).flat_map(|(lines, k)| once.panels::<N>(lines, k));
                let task = |part: Part| once.pack::<N>(part.lines, part.rows, part.k);
                match threads {
                    Threads::One => panels.for_each(task),
                    Threads::All => panels.collect::<Vec<_>>().into_par_iter().for_each(task),
                }
            }
            let space = || room(by_task.lines::<N>(length, k.min(N::BLOCK)));
            let task = |space: &mut Vec<_>, part: Range<usize>| {
                for (number, (k, once_lines)) in blocks.iter().zip(&packed).enumerate() {
                    by_task.pack::<N>(space, part.clone(), k.clone());
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
            let tasks = parts(by_task.rows(), length);
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
            unsafe { kernel::multiply::<super::number::F32>(rows.len(), width, call) };
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
