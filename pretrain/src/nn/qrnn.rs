//! Quasi-recurrent layer (Bradbury et al. 2017) over a whole sequence as one operation: products of the input for all
//! steps at once, and a recurrence that is linear in the cells, sequence by sequence. Tensors are time first, (T, B, D); products are in
//! f32.
//!
//! The convention is fastai's: the forget gate lets the *input* in, and a window of two reads the input before as well.
//! Between the passes it keeps gates and cells; the backward pass turns the gates into their gradients in place.

use crate::error::{Error, Result};
use crate::nn::affine::sum_of_rows;
use crate::nn::backward::of_weight;
use crate::nn::fresh::zeros;
use crate::nn::kept::Kept;
use crate::nn::linear::{add_times, times, times_transposed};
use crate::nn::product::{Matrix, MatrixMut, Old, Threads, multiply};
use crate::nn::vector::{LANES, load, multiply_add, sigmoid, store, tanh, vectorised};
use crate::nn::{plain, slices};
use crate::precision::Precision::F32;
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The state between two sequences; it leads back to nothing.
#[derive(Debug, Clone)]
pub struct QrnnState {
    /// (B, H).
    pub cell: Tensor,
    /// The last step's input (B, I), for a window of two.
    pub input: Option<Tensor>,
}

/// `o · c` (T, B, H) for all steps of `x` (T, B, I), with `c = f · z + (1 - f) · c before`; z is a hyperbolic tangent, f
/// and o are sigmoids, of `weight` (3H, W · I) times the input and, where W is 2, the input before; `bias` (3H). Without
/// a state it begins with zeros.
///
/// # Errors
/// Shapes that do not fit.
pub fn qrnn(x: &Tensor, weight: &Tensor, bias: &Tensor, state: Option<&QrnnState>) -> Result<(Tensor, QrnnState)> {
    let ((t, b, i), (gates, inputs)) = (x.dims3()?, weight.dims2()?);
    let (h, window) = (gates / 3, inputs / i.max(1));
    if gates != 3 * h || h == 0 || bias.dims() != [gates] || window * i != inputs || !(1..=2).contains(&window) {
        let (x, weight, bias) = (x.dims(), weight.dims(), bias.dims());
        return Err(Error::Settings(format!("qrnn: {x:?} with a weight of {weight:?} and a bias of {bias:?}")));
    }
    let zeros = |width| Tensor::zeros((b, width), x.dtype(), x.device());
    let cell = state.map_or_else(|| zeros(h), |state| Ok(state.cell.clone()))?;
    let input = match state.and_then(|state| state.input.clone()) {
        _ if window == 1 => None,
        None => Some(zeros(i)?),
        given => given,
    };
    let fits = |tensor: &Tensor, width| tensor.dims() == [b, width];
    if !fits(&cell, h) || !input.iter().all(|input| fits(input, i)) {
        let (cell, input) = (cell.dims(), input.as_ref().map(Tensor::dims));
        return Err(Error::Settings(format!(
            "qrnn: a state of {cell:?} and {input:?}; expected [{b}, {h}], [{b}, {i}]"
        )));
    }
    let begin = QrnnState { cell: cell.detach(), input: input.map(|input| input.detach()) };
    if t == 0 {
        return Ok((Tensor::zeros((t, b, h), x.dtype(), x.device())?, begin));
    }
    let input = begin.input.is_some().then(|| x.detach().get(t - 1)?.force_contiguous()).transpose()?;
    if !slices::are_f32_on_cpu(&[x, weight, bias]) {
        let (out, cell) = plain::qrnn(x, weight, bias, &begin)?;
        return Ok((out, QrnnState { cell, input }));
    }
    let last_cell = Arc::new(OnceLock::new());
    let op = Qrnn {
        cell: begin.cell.flatten_all()?.to_vec1()?,
        input: begin.input.map(|input| input.flatten_all()?.to_vec1()).transpose()?,
        differentiate: [x, weight, bias].iter().any(|tensor| tensor.track_op()),
        kept: Kept::nothing(),
        last_cell: last_cell.clone(),
    };
    let out = x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?;
    let cell: &Vec<f32> = last_cell.get().expect("the forward pass has run");
    Ok((out, QrnnState { cell: Tensor::from_slice(cell, (b, h), x.device())?, input }))
}

vectorised! {
    /// One step of one sequence. `z`, `f`, `o` hold the gates' sums, and the gates afterwards; `cell` the cells before,
    /// and the new ones afterwards.
    fn forward_row(z: &mut [f32], f: &mut [f32], o: &mut [f32], bias: &[f32], cell: &mut [f32], out: &mut [f32]) {
        let h = cell.len();
        for start in (0..h).step_by(LANES) {
            let mut c = load(&cell[start..]);
            let (mut gates, biases) = (
                [load(&z[start..]), load(&f[start..]), load(&o[start..])],
                [load(&bias[start..h]), load(&bias[h + start..2 * h]), load(&bias[2 * h + start..])],
            );
            let mut y = [0.0; LANES];
            for j in 0..LANES {
                gates[0][j] = tanh::<FUSED>(gates[0][j] + biases[0][j]);
                gates[1][j] = sigmoid::<FUSED>(gates[1][j] + biases[1][j]);
                gates[2][j] = sigmoid::<FUSED>(gates[2][j] + biases[2][j]);
                c[j] = multiply_add::<FUSED>(gates[1][j], gates[0][j], (1.0 - gates[1][j]) * c[j]);
                y[j] = gates[2][j] * c[j];
            }
            store(&mut z[start..], gates[0]);
            store(&mut f[start..], gates[1]);
            store(&mut o[start..], gates[2]);
            store(&mut cell[start..], c);
            store(&mut out[start..], y);
        }
    }
}

vectorised! {
    /// With ∂c = ∂out · o + `of_cell`: ∂o = ∂out · c · o (1 - o), ∂z = ∂c · f (1 - z²), ∂f = ∂c (z - before) f (1 - f),
    /// and `of_cell` becomes ∂c (1 - f). `z`, `f`, `o` hold the gates, and the gradients of their sums afterwards.
    fn backward_row(
        z: &mut [f32],
        f: &mut [f32],
        o: &mut [f32],
        of_out: &[f32],
        before: &[f32],
        cell: &[f32],
        of_cell: &mut [f32],
    ) {
        for start in (0..cell.len()).step_by(LANES) {
            let (mut z_, mut f_, mut o_) = (load(&z[start..]), load(&f[start..]), load(&o[start..]));
            let (of_y, b, c) = (load(&of_out[start..]), load(&before[start..]), load(&cell[start..]));
            let mut of_c = load(&of_cell[start..]);
            for j in 0..LANES {
                let by_cell = multiply_add::<FUSED>(of_y[j], o_[j], of_c[j]);
                o_[j] = of_y[j] * c[j] * o_[j] * (1.0 - o_[j]);
                of_c[j] = by_cell * (1.0 - f_[j]);
                let by_forget = by_cell * (z_[j] - b[j]) * f_[j] * (1.0 - f_[j]);
                z_[j] = by_cell * f_[j] * (1.0 - z_[j] * z_[j]);
                f_[j] = by_forget;
            }
            store(&mut z[start..], z_);
            store(&mut f[start..], f_);
            store(&mut o[start..], o_);
            store(&mut of_cell[start..], of_c);
        }
    }
}

/// What the backward pass needs of the forward pass.
struct Gates {
    /// z, f and o (T, B, 3H).
    gates: Vec<f32>,
    /// (T, B, H).
    cells: Vec<f32>,
}

struct Qrnn {
    /// The cells (B, H) at the start.
    cell: Vec<f32>,
    /// The input (B, I) before the start, where the window is 2.
    input: Option<Vec<f32>>,
    /// Whether a gradient is wanted.
    differentiate: bool,
    kept: Kept<Gates>,
    /// The cells (B, H) after the last step.
    last_cell: Arc<OnceLock<Vec<f32>>>,
}

/// `values` (T, B, D) as B matrices (T, D).
fn by_sequence(values: &mut [f32], t: usize, b: usize) -> impl Iterator<Item = MatrixMut<'_>> {
    MatrixMut::new(values, t).split_columns(b)
}

/// A row's three gates.
fn three(row: &mut [f32]) -> [&mut [f32]; 3] {
    let h = row.len() / 3;
    let (z, rest) = row.split_at_mut(h);
    let (f, o) = rest.split_at_mut(h);
    [z, f, o]
}

impl Qrnn {
    /// The weights of the input and, where the window is 2, of the input before, each (3H, I).
    fn parts<'a>(&self, weight: Matrix<'a>, i: usize) -> (Matrix<'a>, Option<Matrix<'a>>) {
        (weight.columns(0..i), self.input.is_some().then(|| weight.columns(i..2 * i)))
    }

    fn forward(&self, x: &[f32], (t, b, i): (usize, usize, usize), weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let (gates_wide, rows) = (bias.len(), t * b);
        let h = gates_wide / 3;
        let inputs = Matrix::new(x, rows);
        let (of_input, of_before) = self.parts(Matrix::new(weight, gates_wide), i);
        let mut gates = times_transposed(inputs, [of_input], F32);
        if let Some((weight, first)) = of_before.zip(self.input.as_deref()) {
            let (sums, weight) = (&mut MatrixMut::new(&mut gates, rows), weight.transposed());
            add_times(&mut sums.rows(0..b), Matrix::new(first, b), weight, F32);
            add_times(&mut sums.rows(b..rows), inputs.rows(0..rows - b), weight, F32);
        }
        let (mut cells, mut out) = (zeros(rows * h), zeros(rows * h));
        let sequences =
            by_sequence(&mut gates, t, b).zip(by_sequence(&mut cells, t, b)).zip(by_sequence(&mut out, t, b));
        let tasks: Vec<_> = sequences.zip(self.cell.chunks_exact(h)).collect();
        let last: Vec<Vec<f32>> = tasks
            .into_par_iter()
            .map(|(((mut gates, mut cells), mut out), before)| {
                let mut cell = before.to_vec();
                for now in 0..t {
                    let [z, f, o] = three(gates.row(now));
                    forward_row(z, f, o, bias, &mut cell, out.row(now));
                    cells.row(now).copy_from_slice(&cell);
                }
                cell
            })
            .collect();
        self.last_cell.get_or_init(|| last.concat());
        if self.differentiate {
            self.kept.keep(Gates { gates, cells });
        }
        out
    }

    /// The gradients by `x`, `weight` and `bias`.
    fn backward(
        &self,
        kept: Gates,
        x: &[f32],
        (t, b, i): (usize, usize, usize),
        weight: &[f32],
        gradient: &[f32],
    ) -> [Vec<f32>; 3] {
        let Gates { mut gates, cells } = kept;
        let rows = t * b;
        let (gates_wide, h) = (gates.len() / rows, cells.len() / rows);
        let tasks: Vec<_> = by_sequence(&mut gates, t, b).enumerate().collect();
        tasks.into_par_iter().for_each(|(number, mut gates)| {
            let mut of_cell = vec![0.0; h];
            let row = |now: usize| (now * b + number) * h..(now * b + number + 1) * h;
            for now in (0..t).rev() {
                let before = match now.checked_sub(1) {
                    Some(before) => &cells[row(before)],
                    None => &self.cell[number * h..(number + 1) * h],
                };
                let [z, f, o] = three(gates.row(now));
                let now = row(now);
                backward_row(z, f, o, &gradient[now.clone()], before, &cells[now], &mut of_cell);
            }
        });
        let (of_sums, inputs) = (Matrix::new(&gates, rows), Matrix::new(x, rows));
        let (of_input, of_before) = self.parts(Matrix::new(weight, gates_wide), i);
        let (mut of_x, mut of_weight) = (times(of_sums, of_input, F32), zeros(weight.len()));
        let to_x = &mut MatrixMut::new(&mut of_x, rows);
        let to_weight = &mut MatrixMut::new(&mut of_weight, gates_wide);
        let by_weight = |out: &mut MatrixMut, of_sums: Matrix, x: Matrix, old| {
            multiply(out, of_sums.transposed(), x, 1.0, old, Threads::All);
        };
        by_weight(&mut to_weight.columns(0..i), of_sums, inputs, Old::Replace);
        if let Some((weight, first)) = of_before.zip(self.input.as_deref()) {
            let (later, earlier) = (of_sums.rows(b..rows), inputs.rows(0..rows - b));
            add_times(&mut to_x.rows(0..rows - b), later, weight, F32);
            let to_weight = &mut to_weight.columns(i..2 * i);
            by_weight(to_weight, of_sums.rows(0..b), Matrix::new(first, b), Old::Replace);
            by_weight(to_weight, later, earlier, Old::Add);
        }
        [of_x, of_weight, sum_of_rows(&gates, gates_wide)]
    }
}

impl CustomOp3 for Qrnn {
    fn name(&self) -> &'static str {
        "qrnn"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (t, b, i) = layout.shape().dims3()?;
        let (weight, bias) = (slices::of(weight, weight_layout)?, slices::of(bias, bias_layout)?);
        let out = self.forward(slices::of(x, layout)?, (t, b, i), weight, bias);
        Ok((CpuStorage::F32(out), Shape::from((t, b, bias.len() / 3))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (shape, kept) = (x.dims3()?, self.kept.take(self.name())?);
        let [by_x, by_weight, by_bias] = slices::read([x, weight, gradient], |[x, weight, gradient]| {
            self.backward(kept, x, shape, weight, gradient)
        })?;
        let by_x = Tensor::from_vec(by_x, x.shape(), x.device())?;
        Ok((Some(by_x), of_weight(weight, by_weight)?, of_weight(bias, by_bias)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, gradients, normal, scalar, variable};
    use candle_core::{Device, Var};

    fn shapes(t: usize, b: usize, i: usize, h: usize, window: usize) -> [Vec<usize>; 3] {
        [vec![t, b, i], vec![3 * h, window * i], vec![3 * h]]
    }

    fn state(x: &Tensor, h: usize) -> QrnnState {
        let (_, b, i) = x.dims3().unwrap();
        let of = |width, seed| normal(&[b, width], seed).to_dtype(x.dtype()).unwrap();
        QrnnState { cell: of(h, 11), input: Some(of(i, 12)) }
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn agrees_with_the_plain_path() {
        for (t, b, i, h) in [(1, 1, 1, 1), (3, 2, 5, 7), (5, 13, 6, 33)] {
            for window in [1, 2] {
                let all = shapes(t, b, i, h, window);
                let inputs: [Tensor; 3] = std::array::from_fn(|n| (normal(&all[n], n as u64) * 0.5).unwrap());
                // In f64 the same function takes the plain path.
                let layer = |[x, weight, bias]: [&Tensor; 3]| Ok(qrnn(x, weight, bias, Some(&state(x, h)))?.0);
                agree(&inputs.each_ref(), layer, layer);
            }
        }
    }

    #[test]
    fn gradients_of_the_plain_path_match_finite_differences() {
        for window in [1, 2] {
            let all = shapes(4, 2, 3, 2, window);
            let [x, weight, bias]: [Var; 3] = std::array::from_fn(|n| variable(&all[n], n as u64));
            let state = state(&x, 2);
            gradients(&[&x, &weight, &bias], || scalar(&qrnn(&x, &weight, &bias, Some(&state)).unwrap().0));
        }
    }

    /// The values sin(0.7 i + first), in order.
    fn waves(shape: &[usize], first: f32) -> Tensor {
        let values = (0..shape.iter().product::<usize>()).map(|i| (0.7 * i as f32 + first).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn values_and_gradients_are_those_of_fastais_layer_in_pytorch() {
        // def waves(*shape, first):
        //     return torch.sin(0.7 * torch.arange(math.prod(shape), dtype=torch.float64) + first).reshape(shape)
        // x, weight, bias = (waves(*s, first=float(n)).requires_grad_() for n, s in enumerate([(3, 2, 2), (6, 4), (6,)]))
        // before = torch.cat([torch.zeros(1, 2, 2), x[:-1]])
        // z, f, o = (torch.cat([x, before], 2) @ weight.T + bias).chunk(3, 2)
        // z, f, o, c, y = z.tanh(), f.sigmoid(), o.sigmoid(), torch.zeros(2, 2), []
        // for t in range(3):
        //     c = f[t] * z[t] + (1 - f[t]) * c
        //     y.append(o[t] * c)
        // (torch.stack(y) * waves(3, 2, 2, first=6.0)).sum().backward(); print(y, x.grad, weight.grad, bias.grad)
        let expected: [&[f32]; 4] = [
            &[
                0.163812, -0.0150842, 0.1739374, -0.0779476, 0.2172366, 0.009944, 0.17041, -0.0037528, 0.1776857,
                0.0528436, 0.0325021, 0.0657211,
            ],
            &[
                0.0904998, 0.0512144, -0.2537541, 0.0198669, -0.1129417, -0.0165604, -0.5506146, -0.3924699, -0.02227,
                -0.0838663, -0.2305603, -0.3988102,
            ],
            &[
                0.2637243, 0.2289767, -0.2640587, -0.174042, 0.300652, 0.4325568, -0.3254656, -0.3704182, -0.0682617,
                -0.0843399, 0.0824524, 0.0703042, -0.0708576, -0.051655, -0.0209236, -0.0259457, 0.2491904, 0.1013438,
                -0.0843169, 0.0415637, -0.0264911, -0.0265486, -0.0114646, -0.0067803,
            ],
            &[-0.3044839, 0.4536813, 0.090443, -0.0368503, 0.0381405, -0.0369181],
        ];
        let all = shapes(3, 2, 2, 2, 2);
        let [x, weight, bias]: [Var; 3] = std::array::from_fn(|n| Var::from_tensor(&waves(&all[n], n as f32)).unwrap());
        let (y, _) = qrnn(&x, &weight, &bias, None).unwrap();
        let store = (&y * waves(&[3, 2, 2], 6.0)).unwrap().sum_all().unwrap().backward().unwrap();
        let found = [&y].into_iter().chain([&x, &weight, &bias].map(|var| store.get(var).unwrap()));
        for (found, expected) in found.map(values).zip(expected) {
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}\n{expected:?}");
        }
    }

    #[test]
    fn a_sequence_in_two_pieces_is_the_sequence_in_one() {
        for window in [1, 2] {
            let all = shapes(5, 2, 3, 4, window);
            let [x, weight, bias]: [Tensor; 3] = std::array::from_fn(|n| normal(&all[n], n as u64));
            let run = |first, count, state: Option<&QrnnState>| {
                qrnn(&x.narrow(0, first, count).unwrap(), &weight, &bias, state).unwrap()
            };
            let (whole, end) = run(0, 5, None);
            let (begun, state) = run(0, 2, None);
            let (ended, last) = run(2, 3, Some(&state));
            let joined = values(&Tensor::cat(&[begun, ended], 0).unwrap());
            assert!(values(&whole).iter().zip(&joined).all(|(a, b)| (a - b).abs() < 1e-6));
            assert!(values(&end.cell).iter().zip(values(&last.cell)).all(|(a, b)| (a - b).abs() < 1e-6));
            assert_eq!(end.input.as_ref().map(values), last.input.as_ref().map(values));
            assert_eq!(end.input.is_some(), window == 2);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let message =
            qrnn(&normal(&[2, 1, 3], 1), &normal(&[6, 9], 2), &normal(&[6], 3), None).unwrap_err().to_string();
        assert!(message.contains("qrnn: [2, 1, 3] with a weight of [6, 9] and a bias of [6]"), "{message}");
    }
}
