//! What ELMo makes of a word's characters (Kim et al. 2016; Jozefowicz et al. 2016; Peters et al. 2018): the largest
//! value of each convolution's filter along the word, and highway layers (Srivastava et al. 2015). One operation each,
//! products in f32.

use crate::error::{Error, Result};
use crate::nn::affine::sum_of_rows;
use crate::nn::backward::of_weight;
use crate::nn::fresh::zeros;
use crate::nn::kept::Kept;
use crate::nn::linear::{add_times, times_transposed, transposed_times};
use crate::nn::product::{Matrix, MatrixMut, Old, Threads, multiply};
use crate::nn::vector::{add, multiply_add, sigmoid, vectorised};
use crate::nn::{plain, slices};
use crate::precision::Precision::F32;
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Numbers of a convolution that one task holds before their maximum is taken.
const HELD: usize = if cfg!(test) { 1 << 8 } else { 1 << 18 };
/// Words whose gradients by the filters one task sums up, so that threads change no bit.
const WORDS: usize = 64;
/// Rows of a highway layer that one task handles.
const ROWS: usize = 16;

/// The largest value of `max(0, filter)` over the places of a word: `x` (N, C, E) are N words of C embedded characters,
/// `weight` (F, E, W) filters as wide as W characters, stored as PyTorch's `Conv1d` does, `bias` (F). Gives (N, F).
///
/// # Errors
/// Words shorter than a filter, other shapes that do not fit.
pub fn char_convolution(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let ((_, c, e), (f, inputs, width)) = (x.dims3()?, weight.dims3()?);
    if inputs != e || bias.dims() != [f] || width == 0 || width > c {
        let (x, weight, bias) = (x.dims(), weight.dims(), bias.dims());
        return Err(Error::Settings(format!("convolution: {x:?} with filters of {weight:?} and a bias of {bias:?}")));
    }
    if !slices::are_f32_on_cpu(&[x, weight, bias]) {
        return plain::char_convolution(x, weight, bias);
    }
    // As the characters lie in a word: filter, place, embedding. The gradient finds its way back by itself.
    let weight = weight.transpose(1, 2)?.contiguous()?;
    Ok(x.contiguous()?.apply_op3(&weight, &bias.contiguous()?, Convolution { places: Kept::nothing() })?)
}

/// `carry · max(0, transform) + (1 - carry) · x` of `x` (N, D): `weight` (2D, D) and `bias` (2D) hold the transform's rows
/// before those of the carry gate, a sigmoid. ELMo begins with a bias of -2 in the gate, so that most of x passes.
///
/// # Errors
/// Shapes that do not fit.
pub fn highway(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (_, d) = x.dims2()?;
    if weight.dims() != [2 * d, d] || bias.dims() != [2 * d] {
        let (x, weight, bias) = (x.dims(), weight.dims(), bias.dims());
        return Err(Error::Settings(format!("highway: {x:?} with a weight of {weight:?} and a bias of {bias:?}")));
    }
    if !slices::are_f32_on_cpu(&[x, weight, bias]) {
        return plain::highway(x, weight, bias);
    }
    let op = Highway { gates: Kept::nothing() };
    Ok(x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?)
}

vectorised! {
    /// Adds `from` times `factor` to `to`.
    fn add_scaled(to: &mut [f32], from: &[f32], factor: f32) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = multiply_add::<FUSED>(factor, *from, *to));
    }
}

/// The weight has the order (F, W, E).
struct Convolution {
    /// Where each filter is largest in each word (N, F), from the forward pass.
    places: Kept<Vec<u32>>,
}

/// Words, characters of a word, width of their embedding; filters, characters of one.
#[derive(Clone, Copy)]
struct Sizes {
    c: usize,
    e: usize,
    f: usize,
    width: usize,
}

impl Sizes {
    fn of(x: &Shape, weight: &Shape) -> candle_core::Result<Sizes> {
        let ((_, c, e), (f, width, _)) = (x.dims3()?, weight.dims3()?);
        Ok(Sizes { c, e, f, width })
    }
}

impl Convolution {
    fn forward(&self, x: &[f32], weight: &[f32], bias: &[f32], sizes: Sizes) -> Vec<f32> {
        let Sizes { c, e, f, width } = sizes;
        let (n, places) = (x.len() / (c * e), c + 1 - width);
        let words = (HELD / (places * f)).max(1);
        let (mut out, mut best) = (vec![0.0; n * f], vec![0; n * f]);
        let tasks = out.par_chunks_mut(words * f).zip(best.par_chunks_mut(words * f)).zip(x.par_chunks(words * c * e));
        tasks.for_each(|((out, best), x)| {
            let rows = out.len() / f * places;
            let windows: Vec<f32> = x
                .chunks_exact(c * e)
                .flat_map(|word| (0..places).flat_map(|place| &word[place * e..(place + width) * e]))
                .copied()
                .collect();
            let mut values = vec![0.0; rows * f];
            let weight = Matrix::new(weight, f).transposed();
            let to = &mut MatrixMut::new(&mut values, rows);
            multiply(to, Matrix::new(&windows, rows), weight, 1.0, Old::Replace, Threads::One);
            let words = out.chunks_exact_mut(f).zip(best.chunks_exact_mut(f)).zip(values.chunks_exact(places * f));
            for ((out, best), values) in words {
                out.copy_from_slice(&values[..f]);
                for (place, values) in values.chunks_exact(f).enumerate().skip(1) {
                    for ((out, best), value) in out.iter_mut().zip(best.iter_mut()).zip(values) {
                        if value > out {
                            (*out, *best) = (*value, place as u32);
                        }
                    }
                }
                out.iter_mut().zip(bias).for_each(|(out, bias)| *out = (*out + bias).max(0.0));
            }
        });
        self.places.keep(best);
        out
    }

    /// The gradients by `x`, `weight` and the bias. Only the place where a filter is largest has one.
    fn backward(best: &[u32], x: &[f32], weight: &[f32], [out, gradient]: [&[f32]; 2], sizes: Sizes) -> [Vec<f32>; 3] {
        let Sizes { c, e, f, width } = sizes;
        let mut of_x = vec![0.0; x.len()];
        let tasks = of_x.par_chunks_mut(WORDS * c * e).zip(x.par_chunks(WORDS * c * e)).enumerate();
        let parts: Vec<(Vec<f32>, Vec<f32>)> = tasks
            .map(|(task, (of_x, x))| {
                let (mut of_weight, mut of_bias) = (vec![0.0; weight.len()], vec![0.0; f]);
                for (word, (of_x, x)) in of_x.chunks_exact_mut(c * e).zip(x.chunks_exact(c * e)).enumerate() {
                    for (filter, of_bias) in of_bias.iter_mut().enumerate() {
                        let index = (task * WORDS + word) * f + filter;
                        if out[index] > 0.0 {
                            let window = best[index] as usize * e..(best[index] as usize + width) * e;
                            let own = filter * width * e..(filter + 1) * width * e;
                            *of_bias += gradient[index];
                            add_scaled(&mut of_weight[own.clone()], &x[window.clone()], gradient[index]);
                            add_scaled(&mut of_x[window], &weight[own], gradient[index]);
                        }
                    }
                }
                (of_weight, of_bias)
            })
            .collect();
        let (mut of_weight, mut of_bias) = (vec![0.0; weight.len()], vec![0.0; f]);
        for (by_weight, by_bias) in &parts {
            add(&mut of_weight, by_weight);
            add(&mut of_bias, by_bias);
        }
        [of_x, of_weight, of_bias]
    }
}

vectorised! {
    /// Turns the sums of a row into transform and carry, and mixes.
    fn mix(sums: &mut [f32], bias: &[f32], x: &[f32], out: &mut [f32]) {
        let (transforms, carries) = sums.split_at_mut(x.len());
        let (of_transforms, of_carries) = bias.split_at(x.len());
        transforms.iter_mut().zip(of_transforms).for_each(|(t, bias)| *t = (*t + bias).max(0.0));
        carries.iter_mut().zip(of_carries).for_each(|(c, bias)| *c = sigmoid::<FUSED>(*c + bias));
        for (((t, c), x), out) in transforms.iter().zip(carries.iter()).zip(x).zip(out) {
            *out = multiply_add::<FUSED>(*c, t - x, *x);
        }
    }
}

vectorised! {
    /// Turns transform t and carry c of a row into the gradients of their sums, ∂out · c where t > 0 and
    /// ∂out (t - x) c (1 - c), and writes what passes by, ∂out (1 - c).
    fn unmix(gates: &mut [f32], x: &[f32], gradient: &[f32], of_x: &mut [f32]) {
        let (transforms, carries) = gates.split_at_mut(x.len());
        for ((of_x, gradient), c) in of_x.iter_mut().zip(gradient).zip(carries.iter()) {
            *of_x = gradient * (1.0 - c);
        }
        for (((t, c), x), gradient) in transforms.iter_mut().zip(carries).zip(x).zip(gradient) {
            let of_t = if *t > 0.0 { gradient * *c } else { 0.0 };
            *c = gradient * (*t - x) * *c * (1.0 - *c);
            *t = of_t;
        }
    }
}

struct Highway {
    /// Transform and carry (N, 2D), from the forward pass.
    gates: Kept<Vec<f32>>,
}

impl Highway {
    fn forward(&self, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let d = bias.len() / 2;
        let (rows, mut out) = (x.len() / d, zeros(x.len()));
        let mut gates = times_transposed(Matrix::new(x, rows), [Matrix::new(weight, 2 * d)], F32);
        let tasks = gates.par_chunks_mut(2 * ROWS * d).zip(x.par_chunks(ROWS * d)).zip(out.par_chunks_mut(ROWS * d));
        tasks.for_each(|((gates, x), out)| {
            let rows = gates.chunks_exact_mut(2 * d).zip(x.chunks_exact(d)).zip(out.chunks_exact_mut(d));
            rows.for_each(|((gates, x), out)| mix(gates, bias, x, out));
        });
        self.gates.keep(gates);
        out
    }

    /// The gradients by `x`, `weight` and the bias.
    fn backward(mut gates: Vec<f32>, x: &[f32], weight: &[f32], gradient: &[f32], d: usize) -> [Vec<f32>; 3] {
        let (rows, mut of_x) = (x.len() / d, vec![0.0; x.len()]);
        let tasks = gates.par_chunks_mut(2 * ROWS * d).zip(of_x.par_chunks_mut(ROWS * d));
        let tasks = tasks.zip(x.par_chunks(ROWS * d).zip(gradient.par_chunks(ROWS * d)));
        tasks.for_each(|((gates, of_x), (x, gradient))| {
            let rows = gates.chunks_exact_mut(2 * d).zip(of_x.chunks_exact_mut(d));
            let rows = rows.zip(x.chunks_exact(d).zip(gradient.chunks_exact(d)));
            rows.for_each(|((gates, of_x), (x, gradient))| unmix(gates, x, gradient, of_x));
        });
        let of_gates = Matrix::new(&gates, rows);
        add_times(&mut MatrixMut::new(&mut of_x, rows), of_gates, Matrix::new(weight, 2 * d), F32);
        let of_weight = transposed_times(of_gates, Matrix::new(x, rows), F32);
        [of_x, of_weight, sum_of_rows(&gates, 2 * d)]
    }
}

/// The gradients by input, weight and bias as candle wants them.
fn handed_over(
    [by_x, by_weight, by_bias]: [Vec<f32>; 3],
    [x, weight, bias]: [&Tensor; 3],
) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
    let by_x = Tensor::from_vec(by_x, x.shape(), x.device())?;
    Ok((Some(by_x), of_weight(weight, by_weight)?, of_weight(bias, by_bias)?))
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "char-convolution"
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
        let sizes = Sizes::of(layout.shape(), weight_layout.shape())?;
        let (x, weight) = (slices::of(x, layout)?, slices::of(weight, weight_layout)?);
        let out = self.forward(x, weight, slices::of(bias, bias_layout)?, sizes);
        let n = out.len() / sizes.f;
        Ok((CpuStorage::F32(out), Shape::from((n, sizes.f))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (sizes, best) = (Sizes::of(x.shape(), weight.shape())?, self.places.take(self.name())?);
        let all = slices::read([x, weight, out, gradient], |[x, weight, out, gradient]| {
            Convolution::backward(&best, x, weight, [out, gradient], sizes)
        })?;
        handed_over(all, [x, weight, bias])
    }
}

impl CustomOp3 for Highway {
    fn name(&self) -> &'static str {
        "highway"
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
        let (x, weight) = (slices::of(x, layout)?, slices::of(weight, weight_layout)?);
        let out = self.forward(x, weight, slices::of(bias, bias_layout)?);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (d, gates) = (x.dim(1)?, self.gates.take(self.name())?);
        let all = slices::read([x, weight, gradient], |[x, weight, gradient]| {
            Highway::backward(gates, x, weight, gradient, d)
        })?;
        handed_over(all, [x, weight, bias])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, gradients, normal, scalar, variable};
    use candle_core::{Device, Var};

    #[test]
    fn agree_with_the_plain_path() {
        for (n, c, e, f, width) in [(1, 1, 1, 1, 1), (5, 7, 3, 4, 2), (70, 6, 5, 9, 6)] {
            // In f64 the same functions take the plain path.
            let convolution = |[x, w, b]: [&Tensor; 3]| char_convolution(x, w, b);
            agree(&[&normal(&[n, c, e], 1), &normal(&[f, e, width], 2), &normal(&[f], 3)], convolution, convolution);
            let layer = |[x, w, b]: [&Tensor; 3]| highway(x, w, b);
            agree(&[&normal(&[n, f], 4), &normal(&[2 * f, f], 5), &normal(&[2 * f], 6)], layer, layer);
        }
    }

    #[test]
    fn gradients_of_the_plain_path_match_finite_differences() {
        let (x, w, b) = (variable(&[3, 5, 2], 1), variable(&[4, 2, 3], 2), variable(&[4], 3));
        gradients(&[&x, &w, &b], || scalar(&char_convolution(&x, &w, &b).unwrap()));
        let (x, w, b) = (variable(&[3, 4], 1), variable(&[8, 4], 2), variable(&[8], 3));
        gradients(&[&x, &w, &b], || scalar(&highway(&x, &w, &b).unwrap()));
    }

    /// The values sin(0.7 i + first), in order.
    fn waves(shape: &[usize], first: f32) -> Var {
        let values = (0..shape.iter().product::<usize>()).map(|i| (0.7 * i as f32 + first).sin()).collect();
        Var::from_tensor(&Tensor::from_vec::<_, f32>(values, shape, &Device::Cpu).unwrap()).unwrap()
    }

    #[track_caller]
    fn near(found: &Tensor, expected: &[f32]) {
        let found: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-6), "{found:?}\n{expected:?}");
    }

    #[test]
    fn values_and_gradients_are_pytorchs() {
        // def waves(*shape, first):
        //     return torch.sin(0.7 * torch.arange(math.prod(shape), dtype=torch.float64) + first).reshape(shape)
        // x, w, b, v, a = (waves(*s, first=f).requires_grad_() for f, s in
        //                  [(0.0, (2, 4, 3)), (1.0, (2, 3, 2)), (2.0, (2,)), (6.0, (4, 2)), (4.0, (4,))])
        // y = F.conv1d(x.transpose(1, 2), w, b).relu().max(2).values
        // t, c = F.linear(y, v, a).chunk(2, 1)
        // z = c.sigmoid() * t.relu() + (1 - c.sigmoid()) * y
        // (z * waves(2, 2, first=6.0)).sum().backward(); print(y, z, *(p.grad for p in (x, w, b, v, a)))
        let all: [(f32, &[usize]); 5] =
            [(0.0, &[2, 4, 3]), (1.0, &[2, 3, 2]), (2.0, &[2]), (6.0, &[4, 2]), (4.0, &[4])];
        let vars = all.map(|(first, shape)| waves(shape, first));
        let [x, w, b, v, a] = vars.each_ref();
        let y = char_convolution(x, w, b).unwrap();
        let z = highway(&y, v, a).unwrap();
        let store = (&z * waves(&[2, 2], 6.0).as_detached_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        let gradient = vars.each_ref().map(|var| store.get(var).unwrap());
        near(&y, &[1.954332, 1.474318, 2.008537, 1.501536]);
        near(&z, &[0.851056, 1.507529, 0.860045, 1.534846]);
        near(
            gradient[0],
            &[
                -0.029584, -0.023748, 0.021511, -0.034864, -0.001462, 0.034368, -0.336979, 0.118832, 0.377374,
                -0.142609, 0.324385, 0.252878, 0.0, 0.0, 0.0, -0.8579, 0.30253, 0.96074, -0.24282, 0.922357, 0.55636,
                0.141704, 0.005942, -0.139684,
            ],
        );
        near(
            gradient[1],
            &[
                0.004805, 0.090505, 0.073029, 0.031537, 0.106907, -0.042263, -1.186697, 0.039064, -1.325594, 0.900798,
                -0.841043, 1.338873,
            ],
        );
        near(gradient[2], &[0.107738, 1.352507]);
        near(gradient[3], &[0.0, 0.0, 0.122289, 0.091672, -0.625346, -0.465708, 0.087097, 0.065282]);
        near(gradient[4], &[0.0, 0.061394, -0.307721, 0.043709]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let at = |shape: &[usize]| normal(shape, 1);
        let message = char_convolution(&at(&[1, 2, 3]), &at(&[4, 3, 3]), &at(&[4])).unwrap_err().to_string();
        assert!(message.contains("convolution: [1, 2, 3] with filters of [4, 3, 3]"), "{message}");
        let message = highway(&at(&[1, 2]), &at(&[4, 3]), &at(&[4])).unwrap_err().to_string();
        assert!(message.contains("highway: [1, 2] with a weight of [4, 3]"), "{message}");
    }
}
