//! A factor of a product: which of its rows a task takes, how they are packed, and how the kernel finds them.

use super::kernel::Line;
use super::number::{Number, TILE};
use super::pack;
use crate::nn::product::Matrix;
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows of a task, about: many, so that the packed factor, which every task reads whole, comes from the third cache seldom.
const ROWS: usize = 128;
/// Numbers of a right factor with which a left one is read as it is, though its rows lie apart: on an AMD Zen 4 that is
/// 3 to 10 % faster (D 256), with more of them 3 to 5 % slower (D 512; docs/log.md).
const FEW: usize = 3 << 18;
/// Numbers of k that are packed by one task, where those of one k lie side by side.
const STRIP: usize = 32;

/// A factor as a matrix of k columns, so the right one transposed.
#[derive(Clone, Copy)]
pub(super) enum Factor<'a> {
    Left(Matrix<'a>),
    /// A left one that the kernel reads as it is.
    Direct(Matrix<'a>),
    Right(Matrix<'a>),
    Ready(&'a Ready),
}

/// A right factor packed once for many products.
pub struct Ready {
    /// By block of k.
    lines: Vec<Vec<MaybeUninit<Line>>>,
    /// Numbers of k in a block.
    of_a_block: usize,
    pub columns: usize,
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
            let passing = passes(lines.len());
            // SAFETY: the caller's word.
            let task = |part: Part| unsafe { factor.pack::<N>(part.lines, part.rows, part.k, passing) };
            factor.panels::<N>(&mut lines, &k).into_par_iter().for_each(task);
            lines
        };
        let lines = blocks::<N>(right.rows).map(pack).collect();
        Ready { lines, of_a_block: of_a_block::<N>(right.rows), columns }
    }
}

/// Some rows of a factor over one block of k, as the kernel reads them.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    pub first: *const i32,
    /// From one row to the next, within a panel.
    row_stride: usize,
    /// From one lane of k to the next; none where rows lie in panels, which say it by their width.
    lane_stride: Option<usize>,
}

impl Lanes {
    /// Where these rows of so many begin, and their strides.
    pub fn at(&self, row: usize, rows: usize, steps: usize) -> (*const i32, usize, usize) {
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

impl<'a> Factor<'a> {
    /// A left factor of a product of so many columns. f32 are read as they are where those of a row lie side by side, and
    /// where they are read so few times that packing them would take longer than stepping from row to row of the memory.
    pub fn left<N: Number>(x: Matrix<'a>, columns: usize) -> Factor<'a> {
        let direct = x.strides.1 == 1 || x.columns * columns <= FEW;
        if N::DEPTH == 1 && direct { Factor::Direct(x) } else { Factor::Left(x) }
    }

    pub fn rows(&self) -> usize {
        match self {
            Factor::Left(x) | Factor::Direct(x) | Factor::Right(x) => x.rows,
            Factor::Ready(ready) => ready.columns,
        }
    }

    /// The rows of each task: an even number of parts, equal but for one unit, so that two threads end together; a right
    /// factor's unit is a vector or a panel.
    pub fn tasks(&self) -> Vec<Range<usize>> {
        let rows = self.rows();
        let unit = match self {
            Factor::Left(_) | Factor::Direct(_) => 1,
            Factor::Right(_) => 16,
            Factor::Ready(_) => pack::PANEL,
        };
        let (units, parts) = (rows.div_ceil(unit), rows.div_ceil(ROWS).next_multiple_of(2));
        let start = |part: usize| (units * part / parts * unit).min(rows);
        (0..parts).map(|part| start(part)..start(part + 1)).filter(|rows| !rows.is_empty()).collect()
    }

    /// Whether the kernel reads it without packing, or after it was packed before.
    pub fn is_ready(&self) -> bool {
        matches!(self, Factor::Direct(_) | Factor::Ready(_))
    }

    /// Lines that so many rows fill.
    pub fn lines<N: Number>(&self, rows: usize, k: usize) -> usize {
        match self {
            _ if self.is_ready() => 0,
            Factor::Left(x) if x.strides.1 == 1 => rows * pack::lines_of_a_row::<N>(k),
            _ => pack::vectors(rows) * k.div_ceil(N::DEPTH),
        }
    }

    /// These rows over these k, packed into `lines` where they have to be; past the caches where `passing` says so.
    ///
    /// # Safety
    /// The processor has the number's instructions.
    pub unsafe fn pack<N: Number>(
        &self,
        lines: &mut [MaybeUninit<Line>],
        rows: Range<usize>,
        k: Range<usize>,
        passing: bool,
    ) {
        // SAFETY: the caller's word.
        unsafe {
            match self {
                Factor::Direct(_) | Factor::Ready(_) => {}
                Factor::Left(x) if x.strides.1 == 1 => N::by_row(lines, *x, rows, k),
                Factor::Left(x) => N::by_panel(lines, *x, rows, k, pack::LEFT_PANEL, passing),
                Factor::Right(x) => N::by_panel(lines, *x, rows, k, pack::PANEL, passing),
            }
        }
    }

    /// What the kernel reads of these rows and k, which were packed into `lines` where they had to be.
    pub fn lanes<N: Number>(&self, lines: &[MaybeUninit<Line>], rows: &Range<usize>, k: &Range<usize>) -> Lanes {
        assert!(rows.end <= self.rows() && lines.len() >= self.lines::<N>(rows.len(), k.len()));
        let first = lines.as_ptr().cast();
        match self {
            Factor::Direct(x) => {
                assert!(k.end <= x.columns);
                let (row, lane) = x.strides;
                let first = x.pointer.wrapping_offset(row * rows.start as isize + lane * k.start as isize);
                Lanes { first: first.cast(), row_stride: row as usize, lane_stride: Some(lane as usize) }
            }
            Factor::Left(x) if x.strides.1 == 1 => {
                Lanes { first, row_stride: 16 * pack::lines_of_a_row::<N>(k.len()), lane_stride: Some(1) }
            }
            Factor::Left(_) | Factor::Right(_) => Lanes { first, row_stride: 1, lane_stride: None },
            Factor::Ready(ready) => {
                assert!(rows.start.is_multiple_of(pack::PANEL), "whole panels");
                let before = pack::vectors(rows.start) * k.len().div_ceil(N::DEPTH);
                let first = ready.lines[k.start / ready.of_a_block][before..].as_ptr().cast();
                Lanes { first, row_stride: 1, lane_stride: None }
            }
        }
    }

    /// All rows over one block of k, as tasks that each pack some k of a panel into its part of `lines`, in the order in
    /// which the numbers lie in memory.
    pub fn panels<'l, N: Number>(&self, lines: &'l mut [MaybeUninit<Line>], k: &Range<usize>) -> Vec<Part<'l>> {
        let (mut rest, mut tasks) = (lines, Vec::new());
        let (matrix, panel) = match self {
            Factor::Left(x) => (x, pack::LEFT_PANEL),
            Factor::Right(x) => (x, pack::PANEL),
            Factor::Direct(_) | Factor::Ready(_) => return tasks,
        };
        let depth = if matrix.strides.1 == 1 { k.len().max(1) } else { STRIP };
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
pub(super) struct Part<'l> {
    pub lines: &'l mut [MaybeUninit<Line>],
    pub rows: Range<usize>,
    pub k: Range<usize>,
}

/// Blocks of k, about equally long; no k at all are an empty one, whose product is 0.
pub(super) fn blocks<N: Number>(k: usize) -> impl Iterator<Item = Range<usize>> {
    parts(k, of_a_block::<N>(k)).chain((k == 0).then_some(0..0))
}

/// Numbers of k in a block, at most.
pub(super) fn of_a_block<N: Number>(k: usize) -> usize {
    k.div_ceil(k.div_ceil(N::BLOCK).max(1)).max(1).next_multiple_of(TILE * N::DEPTH)
}

/// Whether so many lines, packed for all threads, are written past the caches: 256 KiB or more, which the threads will not
/// have in their caches anyway when they read them.
pub(super) fn passes(lines: usize) -> bool {
    lines >= 1 << 12
}

/// Lines that nobody has written yet.
pub(super) fn room(lines: usize) -> Vec<MaybeUninit<Line>> {
    let mut room = Vec::with_capacity(lines);
    // SAFETY: they may stay unwritten, as their type says.
    unsafe { room.set_len(lines) };
    room
}

/// Ranges of `part`, the last one shorter.
pub(super) fn parts(whole: usize, part: usize) -> impl Iterator<Item = Range<usize>> {
    (0..whole).step_by(part).map(move |start| start..(start + part).min(whole))
}
