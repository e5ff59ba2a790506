//! Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000) over a whole
//! sequence as one operation: the input's products for all steps at once, then a step at a time the product of the state
//! with a packed weight and, in the same task, what the units make of it. Tensors are time first, (T, B, D), so that the
//! rows of a step lie side by side. Products are in f32.
//!
//! Between the passes it keeps the gates and the cells; the backward pass turns the gates into their gradients in place.

mod cell;

use crate::error::{Error, Result};
use crate::nn::affine::sum_of_rows;
use crate::nn::fresh::zeros;
use crate::nn::kept::Kept;
use crate::nn::linear::{times, times_transposed, transposed_times};
use crate::nn::product::packed::{PANEL, Packed};
use crate::nn::product::{Matrix, MatrixMut, Old, Threads, multiply};
use crate::nn::vector::add;
use crate::nn::weights::Weights;
use crate::nn::{plain, slices};
use crate::precision::Precision::F32;
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use cell::{backward_row, forward_row};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The weights of an LSTM of H units, named and laid out as PyTorch's `nn.LSTM`: the gates' rows are those of input,
/// forget, candidate and output. P is H, or the width of the projection.
#[derive(Clone, Copy)]
pub struct LstmWeights<'a> {
    /// Of the input (4H, I).
    pub weight_ih: &'a Tensor,
    /// Of the state (4H, P). For weight drop (Merity et al. 2018) give what [`crate::nn::dropout()`] makes of it.
    pub weight_hh: &'a Tensor,
    /// (4H).
    pub bias_ih: &'a Tensor,
    /// (4H); added to the other one.
    pub bias_hh: &'a Tensor,
    /// Of the projection (P, H) (Sak et al. 2014), if there is one.
    pub weight_hr: Option<&'a Tensor>,
}

/// What an LSTM has beside weights.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LstmSettings {
    /// Whether it reads from the last step to the first.
    pub reverse: bool,
    /// Cells are cut to this size before they are used. A cell that was cut passes no gradient on, as with
    /// `torch.clamp`; so does a projection.
    pub cell_clip: Option<f64>,
    /// Projections are cut to this size.
    pub projection_clip: Option<f64>,
}

/// The state between two sequences. It leads back to nothing: backpropagation through time ends at a sequence's start.
#[derive(Debug, Clone)]
pub struct LstmState {
    /// (B, P).
    pub hidden: Tensor,
    /// (B, H).
    pub cell: Tensor,
}

/// The states (T, B, P) of all steps of `x` (T, B, I), and the state after the last step. Without a state it begins with
/// zeros.
///
/// # Errors
/// Shapes that do not fit.
pub fn lstm(
    x: &Tensor,
    weights: &LstmWeights,
    state: Option<&LstmState>,
    settings: LstmSettings,
) -> Result<(Tensor, LstmState)> {
    let LstmWeights { weight_ih, weight_hh, bias_ih, bias_hh, weight_hr } = *weights;
    let ((_, b, _), (h, p)) = (x.dims3()?, check(x, weights)?);
    let zeros = || -> Result<LstmState> {
        let zeros = |width| Tensor::zeros((b, width), x.dtype(), x.device());
        Ok(LstmState { hidden: zeros(p)?, cell: zeros(h)? })
    };
    let state = state.cloned().map_or_else(zeros, Ok)?;
    if state.hidden.dims() != [b, p] || state.cell.dims() != [b, h] {
        let (hidden, cell) = (state.hidden.dims(), state.cell.dims());
        return Err(Error::Settings(format!(
            "lstm: a state of {hidden:?} and {cell:?}; expected [{b}, {p}] and [{b}, {h}]"
        )));
    }
    if !slices::are_f32_on_cpu(&[x, weight_ih, weight_hh, bias_ih, bias_hh]) {
        return plain::lstm(x, weights, &state, settings);
    }
    match weight_hr {
        None => fused(x, [weight_ih, weight_hh, bias_ih, bias_hh], &state, settings),
        Some(weight_hr) => fused(x, [weight_ih, weight_hh, bias_ih, bias_hh, weight_hr], &state, settings),
    }
}

/// H and P, if all shapes fit.
fn check(x: &Tensor, weights: &LstmWeights) -> Result<(usize, usize)> {
    let (_, _, i) = x.dims3()?;
    let (gates, p) = weights.weight_hh.dims2()?;
    let h = gates / 4;
    let fits = gates == 4 * h
        && weights.weight_ih.dims() == [gates, i]
        && [weights.bias_ih, weights.bias_hh].iter().all(|bias| bias.dims() == [gates])
        && weights.weight_hr.map_or(p == h, |projection| projection.dims() == [p, h]);
    if fits && h > 0 {
        return Ok((h, p));
    }
    let [ih, hh] = [weights.weight_ih.dims(), weights.weight_hh.dims()];
    let hr = weights.weight_hr.map(Tensor::dims);
    Err(Error::Settings(format!("lstm: {:?} with weights of {ih:?}, {hh:?} and {hr:?}", x.dims())))
}

/// The operation on four weights, or on five with the projection.
fn fused<const N: usize>(
    x: &Tensor,
    weights: [&Tensor; N],
    state: &LstmState,
    settings: LstmSettings,
) -> Result<(Tensor, LstmState)> {
    let (weights, sign) = Weights::new(weights)?;
    let last_cell = Arc::new(OnceLock::new());
    let op = Lstm {
        weights,
        settings,
        hidden: state.hidden.flatten_all()?.to_vec1()?,
        cell: state.cell.flatten_all()?.to_vec1()?,
        differentiate: x.track_op() || sign.track_op(),
        kept: Kept::nothing(),
        last_cell: last_cell.clone(),
    };
    let out = x.contiguous()?.apply_op2(&sign, op)?;
    let t = out.dim(0)?;
    // An empty sequence leaves the state as it was.
    let Some(last) = times_of(t, settings.reverse).last() else { return Ok((out, state.clone())) };
    let hidden = out.detach().get(last)?.force_contiguous()?;
    let cell: &Vec<f32> = last_cell.get().expect("the forward pass has run");
    Ok((out, LstmState { hidden, cell: Tensor::from_slice(cell, state.cell.shape(), x.device())? }))
}

/// The steps in the order they are read.
fn times_of(t: usize, reverse: bool) -> impl DoubleEndedIterator<Item = usize> {
    (0..t).map(move |step| if reverse { t - 1 - step } else { step })
}

/// What the backward pass needs of the forward pass.
struct Gates {
    /// Input, forget, candidate and output gates (T, B, 4H), after their sigmoid or hyperbolic tangent.
    gates: Vec<f32>,
    /// (T, B, H).
    cells: Vec<f32>,
    /// What is projected (T, B, H); empty where nothing is.
    units: Vec<f32>,
}

struct Lstm<const N: usize> {
    weights: Weights<N>,
    settings: LstmSettings,
    /// The state at the start.
    hidden: Vec<f32>,
    cell: Vec<f32>,
    /// Whether a gradient is wanted.
    differentiate: bool,
    kept: Kept<Gates>,
    /// The cells (B, H) after the last step.
    last_cell: Arc<OnceLock<Vec<f32>>>,
}

/// The weights by their names, and the sizes.
struct Named<'a> {
    ih: Matrix<'a>,
    hh: Matrix<'a>,
    biases: [&'a [f32]; 2],
    hr: Option<Matrix<'a>>,
    h: usize,
    p: usize,
}

impl<'a> Named<'a> {
    fn of<const N: usize>(weights: [&'a [f32]; N]) -> Named<'a> {
        let gates = weights[2].len();
        let (h, p) = (gates / 4, weights[1].len() / gates);
        let hr = weights.get(4).map(|hr| Matrix::new(hr, p));
        let [ih, hh] = [weights[0], weights[1]].map(|weight| Matrix::new(weight, gates));
        Named { ih, hh, biases: [weights[2], weights[3]], hr, h, p }
    }
}

/// One step's values, to write, and another step's.
fn now_and(values: &mut [f32], size: usize, now: usize, other: Option<usize>) -> (&mut [f32], Option<&[f32]>) {
    match other {
        None => (&mut values[now * size..(now + 1) * size], None),
        Some(other) => {
            let (low, high) = values.split_at_mut(now.max(other) * size);
            let (low, high) = (&mut low[now.min(other) * size..][..size], &mut high[..size]);
            if now < other { (low, Some(high)) } else { (high, Some(low)) }
        }
    }
}

/// The gates of a step (B, 4H), block of units by block of units.
fn blocks_of_gates(gates: &mut [f32], b: usize) -> Vec<[MatrixMut<'_>; 4]> {
    let count = (gates.len() / b / 4).div_ceil(PANEL);
    let mut four = MatrixMut::new(gates, b).split_columns(4);
    let mut four: [_; 4] = std::array::from_fn(|_| four.next().expect("four gates").blocks(PANEL));
    (0..count).map(|_| four.each_mut().map(|gate| gate.next().expect("as many blocks in every gate"))).collect()
}

impl<const N: usize> Lstm<N> {
    fn clips(&self) -> [f32; 2] {
        let LstmSettings { cell_clip, projection_clip, .. } = self.settings;
        [cell_clip, projection_clip].map(|clip| clip.map_or(f32::INFINITY, |clip| clip as f32))
    }

    fn forward(&self, x: &[f32], (t, b): (usize, usize), weights: [&[f32]; N]) -> Vec<f32> {
        let Named { ih, hh, biases, hr, h, p } = Named::of(weights);
        let (rows, [cell_clip, projection_clip]) = (t * b, self.clips());
        let mut gates = times_transposed(Matrix::new(x, rows), [ih], F32);
        let mut bias = biases[0].to_vec();
        add(&mut bias, biases[1]);
        let of_gates: [_; 4] = std::array::from_fn(|gate| Packed::new(hh.rows(gate * h..(gate + 1) * h).transposed()));
        let projection = hr.map(|hr| Packed::new(hr.transposed()));
        let (mut cells, mut out) = (zeros(rows * h), zeros(rows * p));
        let mut units = vec![0.0; if hr.is_some() { rows * h } else { 0 }];
        let mut last = None;
        for now in times_of(t, self.settings.reverse) {
            let (out, hidden) = now_and(&mut out, b * p, now, last);
            let (cells, cell) = now_and(&mut cells, b * h, now, last);
            let before = (Matrix::new(hidden.unwrap_or(&self.hidden), b), Matrix::new(cell.unwrap_or(&self.cell), b));
            let gates = blocks_of_gates(&mut gates[now * b * 4 * h..][..b * 4 * h], b);
            match &projection {
                None => step(gates, &of_gates, &bias, before, cells, out, cell_clip),
                Some(projection) => {
                    let units = &mut units[now * b * h..][..b * h];
                    step(gates, &of_gates, &bias, before, cells, units, cell_clip);
                    project(units, projection, out, b, projection_clip);
                }
            }
            last = Some(now);
        }
        if let Some(last) = last {
            self.last_cell.get_or_init(|| cells[last * b * h..][..b * h].to_vec());
        }
        if self.differentiate {
            self.kept.keep(Gates { gates, cells, units });
        }
        out
    }

    /// The gradients by `x` and by the weights.
    fn backward(
        &self,
        kept: Gates,
        x: &[f32],
        (t, b): (usize, usize),
        weights: [&[f32]; N],
        [out, gradient]: [&[f32]; 2],
    ) -> (Vec<f32>, [Vec<f32>; N]) {
        let Gates { mut gates, cells, units } = kept;
        let Named { ih, hh, hr, h, p, .. } = Named::of(weights);
        let (rows, [cell_clip, projection_clip]) = (t * b, self.clips());
        let recurrent = Packed::new(hh);
        let projection = hr.map(Packed::new);
        let mut of_cell = vec![0.0; b * h];
        let mut of_hidden = vec![0.0; if hr.is_some() { rows * p } else { 0 }];
        let times_read: Vec<usize> = times_of(t, self.settings.reverse).collect();
        for (number, now) in times_read.iter().copied().enumerate().rev() {
            let (gates, of_after) = now_and(&mut gates, b * 4 * h, now, times_read.get(number + 1).copied());
            let of_after = of_after.map(|of_after| (Matrix::new(of_after, b), &recurrent));
            let of_out = Matrix::new(&gradient[now * b * p..][..b * p], b);
            let before = number.checked_sub(1).map(|number| &cells[times_read[number] * b * h..][..b * h]);
            let before = Matrix::new(before.unwrap_or(&self.cell), b);
            let cell = Matrix::new(&cells[now * b * h..][..b * h], b);
            let gates = blocks_of_gates(gates, b);
            let Some(projection) = &projection else {
                let from = (Some(of_out), of_after);
                step_back(gates, from, before, cell, &mut of_cell, cell_clip);
                continue;
            };
            let of_hidden = &mut of_hidden[now * b * p..][..b * p];
            project_back(of_out, of_after, Matrix::new(&out[now * b * p..][..b * p], b), of_hidden, projection_clip);
            let from = (None, Some((Matrix::new(of_hidden, b), projection)));
            step_back(gates, from, before, cell, &mut of_cell, cell_clip);
        }
        let of_gates = Matrix::new(&gates, rows);
        let of_x = times(of_gates, ih, F32);
        let of_ih = transposed_times(of_gates, Matrix::new(x, rows), F32);
        let of_hh = self.by_state(of_gates, Matrix::new(out, rows), b);
        let of_bias = sum_of_rows(&gates, 4 * h);
        let of_hr = hr.map(|_| transposed_times(Matrix::new(&of_hidden, rows), Matrix::new(&units, rows), F32));
        let mut all = [of_ih, of_hh, of_bias.clone(), of_bias].into_iter().chain(of_hr);
        (of_x, std::array::from_fn(|_| all.next().expect("a gradient for each of four or five weights")))
    }

    /// The gradient by `weight_hh`: of the first step by the state at the start, of the others by the one before.
    fn by_state(&self, of_gates: Matrix, out: Matrix, b: usize) -> Vec<f32> {
        let rows = out.rows;
        let (first, others, before) = match self.settings.reverse {
            false => (0..b, b..rows, 0..rows - b),
            true => (rows - b..rows, 0..rows - b, b..rows),
        };
        let mut of_hh = transposed_times(of_gates.rows(first), Matrix::new(&self.hidden, b), F32);
        let to = &mut MatrixMut::new(&mut of_hh, of_gates.columns);
        multiply(to, of_gates.rows(others).transposed(), out.rows(before), 1.0, Old::Add, Threads::All);
        of_hh
    }
}

/// One step: turns the gates' sums over the input into gates, and writes cells and units (B, H). `before` are the state
/// (B, P) and the cells.
fn step(
    gates: Vec<[MatrixMut; 4]>,
    weights: &[Packed; 4],
    bias: &[f32],
    before: (Matrix, Matrix),
    cells: &mut [f32],
    units: &mut [f32],
    clip: f32,
) {
    let (hidden, cell) = before;
    let (b, h) = (cell.rows, cell.columns);
    let blocks = MatrixMut::new(cells, b).blocks(PANEL).zip(MatrixMut::new(units, b).blocks(PANEL));
    let tasks: Vec<_> = gates.into_iter().zip(blocks).collect();
    tasks.into_par_iter().enumerate().for_each(|(block, (mut gates, (mut cells, mut units)))| {
        let mut sums = vec![0.0; 4 * b * PANEL];
        let (first, end) = (block * PANEL, h.min((block + 1) * PANEL));
        for (weight, sums) in weights.iter().zip(sums.chunks_exact_mut(b * PANEL)) {
            weight.add_product(hidden, block, sums);
        }
        let bias: [&[f32]; 4] = std::array::from_fn(|gate| &bias[gate * h + first..gate * h + end]);
        for row in 0..b {
            let sums = std::array::from_fn(|gate| &sums[(gate * b + row) * PANEL..][..PANEL]);
            let before = &cell.row(row)[first..end];
            forward_row(gates.each_mut().map(|g| g.row(row)), sums, bias, before, cells.row(row), units.row(row), clip);
        }
    });
}

/// One step back: turns the gates into the gradients of their sums, and the gradient by the cells into the one by the
/// cells before. The gradient by the units is that by the output, if given, and a product.
fn step_back(
    gates: Vec<[MatrixMut; 4]>,
    (of_out, product): (Option<Matrix>, Option<(Matrix, &Packed)>),
    before: Matrix,
    cell: Matrix,
    of_cell: &mut [f32],
    clip: f32,
) {
    let (b, h) = (cell.rows, cell.columns);
    let tasks: Vec<_> = gates.into_iter().zip(MatrixMut::new(of_cell, b).blocks(PANEL)).collect();
    tasks.into_par_iter().enumerate().for_each(|(block, (mut gates, mut of_cell))| {
        let (first, end) = (block * PANEL, h.min((block + 1) * PANEL));
        let of_units = sum_of_gradients(of_out, product, block, b);
        for (row, of_unit) in of_units.chunks_exact(PANEL).enumerate() {
            let [before, cell] = [before, cell].map(|cell| &cell.row(row)[first..end]);
            backward_row(gates.each_mut().map(|gate| gate.row(row)), of_unit, before, cell, of_cell.row(row), clip);
        }
    });
}

/// A block of columns of a gradient plus a product, rows of [`PANEL`].
fn sum_of_gradients(given: Option<Matrix>, product: Option<(Matrix, &Packed)>, block: usize, b: usize) -> Vec<f32> {
    let mut sums = vec![0.0; b * PANEL];
    if let Some(given) = given {
        let columns = block * PANEL..given.columns.min((block + 1) * PANEL);
        for (row, sums) in sums.chunks_exact_mut(PANEL).enumerate() {
            sums[..columns.len()].copy_from_slice(&given.row(row)[columns.clone()]);
        }
    }
    if let Some((left, weight)) = product {
        weight.add_product(left, block, &mut sums);
    }
    sums
}

/// Projects `units` (B, H) to `out` (B, P).
fn project(units: &[f32], projection: &Packed, out: &mut [f32], b: usize, clip: f32) {
    let blocks: Vec<_> = MatrixMut::new(out, b).blocks(PANEL).collect();
    blocks.into_par_iter().enumerate().for_each(|(block, mut out)| {
        let mut sums = vec![0.0; b * PANEL];
        projection.add_product(Matrix::new(units, b), block, &mut sums);
        for (row, sums) in sums.chunks_exact(PANEL).enumerate() {
            out.row(row).iter_mut().zip(sums).for_each(|(out, sum)| *out = sum.clamp(-clip, clip));
        }
    });
}

/// Writes the gradient by the projections before they were cut: that by the output and that by the step after, where
/// the projection `out` was not cut.
fn project_back(of_out: Matrix, of_after: Option<(Matrix, &Packed)>, out: Matrix, of_hidden: &mut [f32], clip: f32) {
    let blocks: Vec<_> = MatrixMut::new(of_hidden, out.rows).blocks(PANEL).collect();
    blocks.into_par_iter().enumerate().for_each(|(block, mut of_hidden)| {
        let sums = sum_of_gradients(Some(of_out), of_after, block, out.rows);
        for (row, sums) in sums.chunks_exact(PANEL).enumerate() {
            let values = of_hidden.row(row).iter_mut().zip(sums).zip(&out.row(row)[block * PANEL..]);
            values.for_each(|((of_hidden, sum), out)| *of_hidden = if out.abs() < clip { *sum } else { 0.0 });
        }
    });
}

impl<const N: usize> CustomOp2 for Lstm<N> {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, (t, b, _)) = (slices::of(x, layout)?, layout.shape().dims3()?);
        let out = slices::read(self.weights.tensors.each_ref(), |weights| self.forward(x, (t, b), weights))?;
        let width = self.weights.tensors[1].dim(1)?;
        Ok((CpuStorage::F32(out), Shape::from((t, b, width))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        sign: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (t, b, _) = x.dims3()?;
        let kept = self.kept.take(self.name())?;
        let (of_x, of_weights) = slices::read([x, out, gradient], |[values, out, gradient]| {
            slices::read(self.weights.tensors.each_ref(), |weights| {
                self.backward(kept, values, (t, b), weights, [out, gradient])
            })
        })??;
        self.weights.leave(of_weights)?;
        Ok((Some(Tensor::from_vec(of_x, x.shape(), x.device())?), Some(sign.zeros_like()?)))
    }
}

#[cfg(test)]
mod tests;
