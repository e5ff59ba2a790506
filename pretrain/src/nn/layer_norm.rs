//! Layer norm (Ba et al. 2016) with weight and bias in one pass each way. Nothing is kept for the backward pass but the
//! input.

use crate::error::Result;
use crate::nn::backward::of_weight;
use crate::nn::fresh::{by_chunks, by_chunks_with};
use crate::nn::vector::{LANES, add, fold, multiply_add, vectorised};
use crate::nn::{plain, slices};
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};

/// Rows one task handles. The gradients of weight and bias are summed by such blocks, so threads change no bit.
const BLOCK: usize = 64;

/// `(x - mean) / √(variance + epsilon) · weight + bias` over the last axis; `weight` and `bias` (D). The variance is the
/// mean square around the mean.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x, weight, bias]) {
        let op = LayerNorm(epsilon as f32);
        return Ok(x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?);
    }
    plain::layer_norm(x, weight, bias, epsilon)
}

/// Gives the gradients by `x`, by the weight and by the bias.
fn backward(x: &[f32], weight: &[f32], gradient: &[f32], epsilon: f32) -> [Vec<f32>; 3] {
    let width = weight.len();
    let write = |start: usize, of_x: &mut [f32]| {
        let (x, gradient) = (&x[start..start + of_x.len()], &gradient[start..start + of_x.len()]);
        let (mut of_weight, mut of_bias) = (vec![0.0; width], vec![0.0; width]);
        backward_rows(x, weight, gradient, epsilon, of_x, &mut of_weight, &mut of_bias);
        (of_weight, of_bias)
    };
    let (of_x, parts) = by_chunks_with(x.len(), BLOCK * width, write);
    let (mut of_weight, mut of_bias) = (vec![0.0; width], vec![0.0; width]);
    for (weight, bias) in &parts {
        add(&mut of_weight, weight);
        add(&mut of_bias, bias);
    }
    [of_x, of_weight, of_bias]
}

/// Σ (a - of_a) · (b - of_b) in partial sums.
#[inline(always)]
fn product_around<const FUSED: bool>(a: &[f32], of_a: f32, b: &[f32], of_b: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (mut left, mut right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in left.by_ref().zip(right.by_ref()) {
        for i in 0..LANES {
            lanes[i] = multiply_add::<FUSED>(a[i] - of_a, b[i] - of_b, lanes[i]);
        }
    }
    for (i, (a, b)) in left.remainder().iter().zip(right.remainder()).enumerate() {
        lanes[i] = multiply_add::<FUSED>(*a - of_a, *b - of_b, lanes[i]);
    }
    fold(lanes)
}

/// Mean in partial sums.
#[inline(always)]
fn mean(row: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let mut chunks = row.chunks_exact(LANES);
    for chunk in chunks.by_ref() {
        for i in 0..LANES {
            lanes[i] += chunk[i];
        }
    }
    lanes.iter_mut().zip(chunks.remainder()).for_each(|(lane, x)| *lane += x);
    fold(lanes) / row.len() as f32
}

vectorised! {
    fn forward_rows(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
        let width = weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let mean = mean(x);
            let scale = 1.0 / (product_around::<FUSED>(x, mean, x, mean) / width as f32 + epsilon).sqrt();
            for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
                *out = multiply_add::<FUSED>((x - mean) * scale, *weight, *bias);
            }
        }
    }
}

vectorised! {
    /// With s = 1 / √(variance + ε), n = s (x - mean) and g = gradient · weight: ∂x = s (g - mean(g) - n mean(g n)),
    /// ∂weight = Σ gradient · n, ∂bias = Σ gradient.
    fn backward_rows(
        x: &[f32],
        weight: &[f32],
        gradient: &[f32],
        epsilon: f32,
        of_x: &mut [f32],
        of_weight: &mut [f32],
        of_bias: &mut [f32],
    ) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(gradient.chunks_exact(width)).zip(of_x.chunks_exact_mut(width));
        for ((x, gradient), of_x) in rows {
            let middle = mean(x);
            let scale = 1.0 / (product_around::<FUSED>(x, middle, x, middle) / width as f32 + epsilon).sqrt();
            for ((of_x, gradient), weight) in of_x.iter_mut().zip(gradient).zip(weight) {
                *of_x = gradient * weight;
            }
            let shift = mean(of_x);
            let pull = scale * scale * product_around::<FUSED>(of_x, shift, x, middle) / width as f32;
            for ((of_x, of_weight), (x, gradient)) in
                of_x.iter_mut().zip(of_weight.iter_mut()).zip(x.iter().zip(gradient))
            {
                let around = x - middle;
                *of_x = scale * (*of_x - shift - pull * around);
                *of_weight = multiply_add::<FUSED>(gradient * scale, around, *of_weight);
            }
            of_bias.iter_mut().zip(gradient).for_each(|(of_bias, gradient)| *of_bias += gradient);
        }
    }
}

struct LayerNorm(f32);

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
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
        let bias = slices::of(bias, bias_layout)?;
        let out = by_chunks(x.len(), BLOCK * weight.len(), |start, out| {
            forward_rows(&x[start..start + out.len()], weight, bias, self.0, out);
        });
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
        let [of_x, by_weight, by_bias] =
            slices::read([x, weight, gradient], |[x, weight, gradient]| backward(x, weight, gradient, self.0))?;
        let of_x = Tensor::from_vec(of_x, x.shape(), x.device())?;
        Ok((Some(of_x), of_weight(weight, by_weight)?, of_weight(bias, by_bias)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};
    use candle_core::Device;

    #[test]
    fn agrees_with_the_plain_path() {
        for shape in [[1, 3, 2], [2, 5, 7], [3, 50, 64], [1, 70, 33]] {
            // Far from 0, as no norm that forgets the mean would bear.
            let x = (normal(&shape, 1) + 3.0).unwrap();
            let (weight, bias) = (normal(&shape[2..], 2), normal(&shape[2..], 3));
            agree(
                &[&x, &weight, &bias],
                |[x, w, b]| layer_norm(x, w, b, 1e-5),
                |[x, w, b]| plain::layer_norm(x, w, b, 1e-5),
            );
        }
    }

    #[test]
    fn by_hand() {
        // Mean 3, variance 4: normed -1 and 1; times (2, 3), plus (10, 20).
        let at = |values: [f32; 2]| Tensor::new(&values, &Device::Cpu).unwrap();
        let y = layer_norm(&at([1.0, 5.0]), &at([2.0, 3.0]), &at([10.0, 20.0]), 0.0).unwrap();
        assert_eq!(y.to_vec1::<f32>().unwrap(), [8.0, 23.0]);
    }
}
