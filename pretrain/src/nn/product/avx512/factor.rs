//! A factor of a product: which of its rows a task takes, how they are packed, and how the kernel finds them.

use super::kernel::Line;
use super::number::{Number, TILE};
use super::pack::{self, Places, Source};
use super::strassen::{self, MOST, Scheme};
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

/// A whole factor as a matrix of k columns, so the right one transposed.
#[derive(Clone, Copy)]
pub(super) enum Side<'a> {
    /// The left one, and whether the kernel may read it as it is.
    Left(Matrix<'a>, bool),
    Right(Matrix<'a>),
    Ready(&'a Ready),
}

/// What the products of a scheme multiply of a factor over one block of k, each of so many rows and k.
#[derive(Clone, Copy)]
pub(super) enum Factor<'a> {
    /// Packed; of the left factor those that are no sum are not where the kernel may read it as it is.
    Fresh { source: Source<'a>, direct: bool, scheme: Scheme },
    /// A right one that was packed before.
    Ready { lines: &'a [Lines], columns: usize, k: usize },
}

/// A right factor packed once for many products.
pub struct Ready {
    /// By block of k, then by product of the scheme.
    lines: Vec<Vec<Lines>>,
    pub(super) scheme: Scheme,
    pub columns: usize,
}

impl Ready {
    /// Packs it for products with left factors of about so many rows, on all threads.
    ///
    /// # Safety
    /// The processor has the number's instructions.
    pub(super) unsafe fn new<N: Number>(right: Matrix, rows: usize) -> Ready {
        // SAFETY: the caller's word.
        unsafe {
            Ready::by_scheme::<N>(
                right,
                strassen::scheme::<N>(rows.next_multiple_of(2), right.columns, right.rows, true),
            )
        }
    }

    /// Packs it for the products of a scheme, on all threads.
    ///
    /// # Safety
    /// The processor has the number's instructions.
    pub(super) unsafe fn by_scheme<N: Number>(right: Matrix, scheme: Scheme) -> Ready {
        let whole = Side::Right(right.transposed());
        let pack = |block: (usize, Range<usize>)| {
            let factor = whole.factor(scheme, block);
            let mut lines = factor.room::<N>(factor.rows());
            let passing = passes(lines.iter().map(Vec::len).sum());
            // SAFETY: the caller's word.
            let task = |mut part: Part| unsafe { factor.pack::<N>(&mut part.places, part.rows, part.k, passing) };
            factor.panels::<N>(&mut lines).into_par_iter().for_each(task);
            lines
        };
        Ready { lines: blocks::<N>(right.rows).enumerate().map(pack).collect(), scheme, columns: right.columns }
    }

    /// Left factors have a multiple of so many rows.
    pub fn rows_together(&self) -> usize {
        self.scheme.parts
    }
}

impl<'a> Side<'a> {
    /// A left factor of a product of so many columns. f32 are read as they are where those of a row lie side by side, and
    /// where they are read so few times that packing them would take longer than stepping from row to row of the memory.
    pub fn left<N: Number>(x: Matrix<'a>, columns: usize) -> Side<'a> {
        Side::Left(x, N::DEPTH == 1 && (x.strides.1 == 1 || x.columns * columns <= FEW))
    }

    pub fn rows(&self) -> usize {
        match self {
            Side::Left(x, _) | Side::Right(x) => x.rows,
            Side::Ready(ready) => ready.columns,
        }
    }

    /// What a scheme takes of it over one block of k, which has a number.
    pub fn factor(&self, scheme: Scheme, (block, k): (usize, Range<usize>)) -> Factor<'a> {
        let fresh = |x: Matrix<'a>, left, direct| {
            let (rows, length) = (x.rows / scheme.parts, k.len() / scheme.parts);
            let cut = scheme.parts > 1;
            let quadrants = cut.then(|| (x.strides.0 * rows as isize, x.strides.1 * length as isize));
            let x = x.rows(0..rows).columns(k.start..k.start + length);
            Factor::Fresh { source: Source { x, quadrants, left }, direct, scheme }
        };
        match *self {
            Side::Left(x, direct) => fresh(x, true, direct),
            Side::Right(x) => fresh(x, false, false),
            Side::Ready(ready) => {
                let (columns, k) = (ready.columns / scheme.parts, k.len() / scheme.parts);
                Factor::Ready { lines: &ready.lines[block], columns, k }
            }
        }
    }
}

/// Some rows of a factor as the kernel reads them.
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

impl Factor<'_> {
    pub fn rows(&self) -> usize {
        match self {
            Factor::Fresh { source, .. } => source.x.rows,
            Factor::Ready { columns, .. } => *columns,
        }
    }

    /// Numbers along k.
    fn k(&self) -> usize {
        match self {
            Factor::Fresh { source, .. } => source.x.columns,
            Factor::Ready { k, .. } => *k,
        }
    }

    /// Lanes along k.
    pub fn steps<N: Number>(&self) -> usize {
        self.k().div_ceil(N::DEPTH)
    }

    /// Rows that lie together in a panel.
    pub fn panel(&self) -> usize {
        match self {
            Factor::Fresh { source: Source { left: true, .. }, .. } => pack::LEFT_PANEL,
            _ => pack::PANEL,
        }
    }

    /// The rows of each task: an even number of parts, equal but for one unit, so that two threads end together; a right
    /// factor's unit is a vector or a panel. Where rows are cut into `parts`, a task has its rows in each of them.
    pub fn tasks(&self, parts: usize) -> Vec<Range<usize>> {
        let rows = self.rows();
        let unit = match self {
            Factor::Fresh { source, .. } if source.left => 1,
            Factor::Fresh { .. } => 16,
            Factor::Ready { .. } => pack::PANEL,
        };
        let (units, parts) = (rows.div_ceil(unit), rows.div_ceil(ROWS / parts).next_multiple_of(2));
        let start = |part: usize| (units * part / parts * unit).min(rows);
        (0..parts).map(|part| start(part)..start(part + 1)).filter(|rows| !rows.is_empty()).collect()
    }

    /// Whether a product's rows are packed: not where the kernel reads them as they are, and not again.
    fn is_packed(&self, product: usize) -> bool {
        match self {
            Factor::Fresh { source, direct, scheme } => match scheme.products.get(product) {
                Some(product) => !direct || product.factor(source.left).second.is_some(),
                None => false,
            },
            Factor::Ready { .. } => false,
        }
    }

    /// Whether the lanes of a row lie side by side when they are packed.
    fn is_by_row(&self) -> bool {
        matches!(self, Factor::Fresh { source, .. } if source.left && source.x.strides.1 == 1)
    }

    /// Lines that so many rows and k of each product fill.
    fn lines<N: Number>(&self, rows: usize, k: usize) -> [usize; MOST] {
        let lines = match self.is_by_row() {
            true => rows * pack::lines_of_a_row::<N>(k),
            false => pack::vectors(rows) * k.div_ceil(N::DEPTH),
        };
        std::array::from_fn(|product| if self.is_packed(product) { lines } else { 0 })
    }

    /// Lines for so many rows, by product; nobody has written them yet.
    pub fn room<N: Number>(&self, rows: usize) -> Vec<Lines> {
        self.lines::<N>(rows, self.k()).map(room).into()
    }

    /// These rows over these k, packed into `places` where they have to be; past the caches where `passing` says so.
    ///
    /// # Safety
    /// The processor has the number's instructions.
    pub unsafe fn pack<N: Number>(&self, places: &mut Places, rows: Range<usize>, k: Range<usize>, passing: bool) {
        let Factor::Fresh { source, .. } = *self else { return };
        if places.iter().all(|lines| lines.is_empty()) {
            return;
        }
        // SAFETY: the caller's word.
        unsafe {
            match self.is_by_row() {
                true => N::by_row(places, source, rows, k),
                false => N::by_panel(places, source, rows, k, self.panel(), passing),
            }
        }
    }

    /// As [`Factor::pack`], over all k, into what [`Factor::room`] gave for so many rows or more.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn pack_rows<N: Number>(&self, room: &mut [Lines], rows: Range<usize>) {
        let (lines, mut rest) = (self.lines::<N>(rows.len(), self.k()), room.iter_mut());
        let mut places: Places = lines.map(|lines| &mut rest.next().expect("a place for each product")[..lines]);
        // SAFETY: the caller's word.
        unsafe { self.pack::<N>(&mut places, rows, 0..self.k(), false) }
    }

    /// What the kernel reads of these rows for a product; they were packed into `lines` where they had to be.
    pub fn lanes<N: Number>(&self, product: usize, room: &[Lines], rows: &Range<usize>) -> Lanes {
        match self {
            Factor::Ready { lines, k, .. } => {
                assert!(rows.start.is_multiple_of(pack::PANEL), "whole panels");
                let before = pack::vectors(rows.start) * k.div_ceil(N::DEPTH);
                Lanes { first: lines[product][before..].as_ptr().cast(), row_stride: 1, lane_stride: None }
            }
            Factor::Fresh { source, scheme, .. } if !self.is_packed(product) => {
                let ((row, lane), (down, across)) = (source.x.strides, source.quadrants.unwrap_or((0, 0)));
                let (lower, right) = scheme.products[product].factor(true).first;
                let first = source.x.pointer.wrapping_offset(down * lower as isize + across * right as isize);
                let first = first.wrapping_offset(row * rows.start as isize);
                Lanes { first: first.cast(), row_stride: row as usize, lane_stride: Some(lane as usize) }
            }
            Factor::Fresh { .. } => {
                assert!(room[product].len() >= self.lines::<N>(rows.len(), self.k())[product], "packed lines");
                let first = room[product].as_ptr().cast();
                match self.is_by_row() {
                    true => {
                        let row_stride = 16 * pack::lines_of_a_row::<N>(self.k());
                        Lanes { first, row_stride, lane_stride: Some(1) }
                    }
                    false => Lanes { first, row_stride: 1, lane_stride: None },
                }
            }
        }
    }

    /// All rows, as tasks that each pack some k of a panel into their parts of `room`, in the order in which the numbers lie
    /// in memory.
    pub fn panels<'l, N: Number>(&self, room: &'l mut [Lines]) -> Vec<Part<'l>> {
        let Factor::Fresh { source: Source { x, .. }, .. } = self else { return Vec::new() };
        let (mut rest, mut tasks) = (places(room), Vec::new());
        let depth = if x.strides.1 == 1 { x.columns.max(1) } else { STRIP };
        for rows in parts(0..x.rows, self.panel()) {
            let mut panel = taken(&mut rest, self.lines::<N>(rows.len(), x.columns));
            for k in parts(0..x.columns, depth) {
                let places = taken(&mut panel, self.lines::<N>(rows.len(), k.len()));
                tasks.push(Part { places, rows: rows.clone(), k });
            }
        }
        tasks.sort_by_key(|part| part.k.start);
        tasks
    }
}

/// The lines of each product, as far as there are any.
fn places(room: &mut [Lines]) -> Places<'_> {
    let mut room = room.iter_mut();
    std::array::from_fn(|_| room.next().map(Vec::as_mut_slice).unwrap_or_default())
}

/// So many lines from the front of each.
fn taken<'l>(places: &mut Places<'l>, lines: [usize; MOST]) -> Places<'l> {
    std::array::from_fn(|product| {
        let (first, rest) = std::mem::take(&mut places[product]).split_at_mut(lines[product]);
        places[product] = rest;
        first
    })
}

/// Some rows and k of a factor, and where they go.
pub(super) struct Part<'l> {
    pub places: Places<'l>,
    pub rows: Range<usize>,
    pub k: Range<usize>,
}

/// Lines that a factor is packed into.
pub(super) type Lines = Vec<MaybeUninit<Line>>;

/// Blocks of k, about equally long; no k at all are an empty one, whose product is 0.
pub(super) fn blocks<N: Number>(k: usize) -> impl Iterator<Item = Range<usize>> {
    parts(0..k, of_a_block::<N>(k)).chain((k == 0).then_some(0..0))
}

/// Numbers of k in a block, at most.
fn of_a_block<N: Number>(k: usize) -> usize {
    k.div_ceil(k.div_ceil(N::BLOCK).max(1)).max(1).next_multiple_of(TILE * N::DEPTH)
}

/// Whether so many lines, packed for all threads, are written past the caches: 256 KiB or more, which the threads will not
/// have in their caches anyway when they read them.
pub(super) fn passes(lines: usize) -> bool {
    lines >= 1 << 12
}

/// Lines that nobody has written yet.
fn room(lines: usize) -> Lines {
    let mut room = Vec::with_capacity(lines);
    // SAFETY: they may stay unwritten, as their type says.
    unsafe { room.set_len(lines) };
    room
}

/// Ranges of `part`, the last one shorter.
pub(super) fn parts(whole: Range<usize>, part: usize) -> impl Iterator<Item = Range<usize>> {
    let end = whole.end;
    whole.step_by(part).map(move |start| start..(start + part).min(end))
}
