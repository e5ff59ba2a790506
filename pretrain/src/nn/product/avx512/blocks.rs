//! A product shared among rayon's threads. The factor with fewer rows (the right one has columns) is packed once, by all;
//! then each task packs its rows of the other one, block by block of k, and multiplies them while they are in its core's
//! cache. Tasks depend on the shapes alone and share no element of the result, so threads change no bit.
//!
//! Large products are made of seven of half the size ([`strassen`]): a task has its rows of both halves of its factor, and
//! goes through the seven panel by panel, so that what they all add to stays in its core's cache.

use super::factor::{Factor, Lanes, Lines, Part, Ready, Side, blocks, parts, passes};
use super::kernel::{self, Call, Line, Target};
use super::number::{F32, Number};
use super::pack;
use super::strassen::{self, Product, Scheme};
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
    let scheme = strassen::scheme::<N>(left.rows, right.columns, left.columns, false);
    let sides = (Side::left::<N>(left, right.columns), Side::Right(right.transposed()));
    // SAFETY: the caller's word.
    unsafe { multiply_sides::<N>(out, sides, (left.columns, scheme), (scale, old), threads) }
}

/// As [`multiply`], on all threads.
///
/// # Safety
/// The processor has the number's instructions, and `right` was made for this number, for as many k, and by a scheme that
/// fits the shapes.
pub(super) unsafe fn multiply_ready<N: Number>(out: &mut MatrixMut, left: Matrix, right: &Ready, old: Old) {
    let sides = (Side::left::<N>(left, right.columns), Side::Ready(right));
    // SAFETY: the caller's word.
    unsafe { multiply_sides::<N>(out, sides, (left.columns, right.scheme), (1.0, old), Threads::All) }
}

/// # Safety
/// As for its callers.
unsafe fn multiply_sides<N: Number>(
    out: &mut MatrixMut,
    (left, right): (Side, Side),
    (k, scheme): (usize, Scheme),
    (scale, old): (f32, Old),
    threads: Threads,
) {
    assert!([left.rows(), right.rows(), k].iter().all(|size| size.is_multiple_of(scheme.parts)), "equal parts");
    let (m, n) = (left.rows() / scheme.parts, right.rows() / scheme.parts);
    let by_columns = m >= n;
    let (once, by_task) = if by_columns { (right, left) } else { (left, right) };
    let (once, by_task) = (factors::<N>(once, k, scheme), factors::<N>(by_task, k, scheme));
    let whole: usize = once[0].room::<N>(once[0].rows()).iter().map(Vec::len).sum();
    let in_a_round = (ROUND / whole.max(1)).clamp(1, once.len());
    let mut packed: Vec<_> = once[..in_a_round].iter().map(|factor| factor.room::<N>(factor.rows())).collect();
    let passing = passes(whole * in_a_round);
    let tasks = by_task[0].tasks(scheme.parts);
    let most = tasks.iter().map(Range::len).max().unwrap_or(0);
    let out = &*out;
    for (round, (once, by_task)) in once.chunks(in_a_round).zip(by_task.chunks(in_a_round)).enumerate() {
        // SAFETY: the caller's word on the processor. Tasks share no row of the left factor, or no column of the right
        // one, and so no element of the result, which is exclusive.
        unsafe {
            let panels = once
                .iter()
                .zip(&mut packed)
                .flat_map(|(factor, lines)| factor.panels::<N>(lines).into_iter().map(move |part| (factor, part)));
            let task = |(factor, mut part): (&Factor, Part)| {
                factor.pack::<N>(&mut part.places, part.rows, part.k, passing);
            };
            match threads {
                Threads::One => panels.for_each(task),
                Threads::All => panels.collect::<Vec<_>>().into_par_iter().for_each(task),
            }
            let space = || by_task[0].room::<N>(most);
            let task = |space: &mut Vec<Lines>, part: Range<usize>| {
                for (number, ((once, by_task), packed)) in once.iter().zip(by_task).zip(&packed).enumerate() {
                    by_task.pack_rows::<N>(space, part.clone());
                    let old = if round == 0 && number == 0 { old } else { Old::Add };
                    let (rows, steps) = (once.rows(), once.steps::<N>());
                    let panel = if scheme.parts == 1 { rows.max(1) } else { once.panel() };
                    let targets = targets(out, scheme, (scale, old));
                    for some in parts(0..rows, panel) {
                        for (product, targets) in targets.iter().enumerate() {
                            let own = by_task.lanes::<N>(product, space, &part);
                            let shared = once.lanes::<N>(product, packed, &(0..rows));
                            let (some, part_rows) = (some.clone(), 0..part.len());
                            let place = Place { targets: *targets, stride: out.stride };
                            if by_columns {
                                let left = (own, part_rows, part.len());
                                block::<N>(place.at(part.start, 0), left, (shared, some), steps);
                            } else {
                                let left = (shared, some, rows);
                                block::<N>(place.at(0, part.start), left, (own, part_rows), steps);
                            }
                        }
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

/// What a scheme takes of a factor, by block of k.
fn factors<N: Number>(side: Side<'_>, k: usize, scheme: Scheme) -> Vec<Factor<'_>> {
    blocks::<N>(k).enumerate().map(|block| side.factor(scheme, block)).collect()
}

/// Where each product of a scheme goes: the quadrants of `out`; the first one there does with the old values what it is
/// told to, the others add.
fn targets(out: &MatrixMut, scheme: Scheme, (scale, old): (f32, Old)) -> Vec<(Target, Option<Target>)> {
    let (rows, columns) = (out.rows / scheme.parts, out.columns / scheme.parts);
    let mut met = [[old == Old::Add; 2]; 2];
    let mut target = |(row, column): (usize, usize), negative: bool| Target {
        first: out.pointer.wrapping_add(row * rows * out.stride + column * columns),
        scale: if negative { -scale } else { scale },
        add: std::mem::replace(&mut met[row][column], true),
    };
    let of = |Product { out, .. }: &Product| {
        (target(out.first, false), out.second.map(|(quadrant, negative)| target(quadrant, negative)))
    };
    scheme.products.iter().map(of).collect()
}

/// Where a product's first element goes.
#[derive(Clone, Copy)]
struct Place {
    targets: (Target, Option<Target>),
    /// From one row of the result to the next.
    stride: usize,
}

impl Place {
    /// The same so many rows and columns further on.
    fn at(self, row: usize, column: usize) -> Place {
        let numbers = row * self.stride + column;
        let (first, second) = self.targets;
        Place { targets: (first.at(numbers), second.map(|target| target.at(numbers))), ..self }
    }
}

/// The product of some rows, of so many that are packed together, and of some columns, which begin with a panel; both are
/// counted from the first one that is packed, and so is what `place` leads to.
///
/// # Safety
/// The processor has the number's instructions; the lanes have these rows and columns and so many steps along k, and what
/// `place` leads to is exclusive.
unsafe fn block<N: Number>(
    place: Place,
    (left, rows, all_rows): (Lanes, Range<usize>, usize),
    (right, columns): (Lanes, Range<usize>),
    steps: usize,
) {
    let right: *const Line = right.first.cast();
    for columns in parts(columns, pack::PANEL) {
        let panel = right.wrapping_add(pack::vectors(columns.start) * steps);
        for rows in parts(rows.clone(), kernel::ROWS) {
            let (left, row_stride, lane_stride) = left.at(rows.start, all_rows, steps);
            let (out, second) = place.at(rows.start, columns.start).targets;
            let call = Call {
                steps,
                left,
                row_stride,
                lane_stride,
                right: panel,
                ahead: panel, // the processor foresees these panels; asking for the next one gained nothing
                out,
                second,
                out_stride: place.stride,
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
    for k in parts(0..panel.len(), block) {
        let right = panel[k.clone()].as_ptr().cast::<Line>();
        for (number, rows) in parts(0..left.rows, kernel::ROWS).enumerate() {
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
                out: Target { first: sums[rows.start * width..].as_mut_ptr(), scale: 1.0, add: true },
                second: None,
                out_stride: width,
            };
            // SAFETY: the caller's word, and the lengths checked above.
            unsafe { kernel::multiply::<F32>(rows.len(), width, call) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::product::avx512::{has_bf16, has_f32};
    use crate::nn::product::by_gemm;
    use crate::random::Key;

    /// The product made by a scheme, of a right factor packed before or not, agrees with a library's and doesn't depend on
    /// threads; columns beside it stay as they are.
    fn check<N: Number>(scheme: Scheme, [m, n, k]: [usize; 3], tolerance: f32) {
        let (a, b) = (Key::new(1).normals(m * k, 1.0), Key::new(2).normals(k * n, 1.0));
        let lefts = [Matrix::new(&a, m), Matrix::new(&a, k).transposed()];
        let rights = [Matrix::new(&b, k), Matrix::new(&b, n).transposed()];
        for (left, right) in lefts.into_iter().flat_map(|left| rights.map(|right| (left, right))) {
            let side = Side::left::<N>(left, n);
            // SAFETY: the callers looked whether the processor has the instructions.
            let ready = unsafe { Ready::by_scheme::<N>(right, scheme) };
            for (old, scale) in [(Old::Replace, 1.0), (Old::Add, 0.5)] {
                let product = |multiply: &dyn Fn(&mut MatrixMut)| {
                    let mut values = vec![1f32; m * (n + 3)];
                    multiply(&mut MatrixMut::new(&mut values, m).columns(0..n));
                    values
                };
                let expected = product(&|out| by_gemm(out, left, right, scale, old, Threads::One));
                let ours = |right: Side, threads| {
                    // SAFETY: as above.
                    product(&|out| unsafe {
                        multiply_sides::<N>(out, (side, right), (k, scheme), (scale, old), threads)
                    })
                };
                let fresh = Side::Right(right.transposed());
                let all = ours(fresh, Threads::All);
                assert!(all == ours(fresh, Threads::One), "threads");
                for found in [all, ours(Side::Ready(&ready), Threads::All)] {
                    let near = |(x, y): (&f32, &f32)| (x - y).abs() < tolerance * (k as f32).sqrt();
                    assert!(found.iter().zip(&expected).all(near), "{m} × {n} × {k}");
                    assert!(found.chunks(n + 3).all(|row| row[n..] == [1.0; 3]), "numbers beside the product");
                }
            }
        }
    }

    #[test]
    fn every_scheme_multiplies() {
        for sizes in [[2, 2, 2], [14, 70, 34], [70, 14, 100], [130, 262, 34], [300, 132, 66], [12, 400, 1602]] {
            if has_f32() {
                check::<F32>(strassen::STRASSEN, sizes, 1e-5);
                check::<F32>(strassen::WHOLE, sizes, 1e-5);
            }
            if has_bf16() {
                check::<super::super::number::Bf16>(strassen::WHOLE, sizes, 0.03);
            }
        }
    }

    #[test]
    fn large_products_are_made_of_seven() {
        let of = |m, n, k, before| strassen::scheme::<F32>(m, n, k, before).parts;
        assert_eq!([of(512, 512, 512, false), of(2048, 1376, 512, false), of(512, 8192, 512, true)], [2; 3]);
        assert_eq!([of(511, 512, 512, false), of(512, 1376, 512, false), of(2048, 256, 2048, true)], [1; 3]);
        assert_eq!(strassen::scheme::<super::super::number::Bf16>(1024, 1024, 1024, true).parts, 1);
    }
}
