//! RMS norm (Zhang and Sennrich 2019) in one pass each way. Nothing is kept for the backward pass but the input.

use crate::error::Result;
use crate::nn::backward::of_weight;
use crate::nn::fresh::{by_chunks, by_chunks_with};
use crate::nn::vector::{add, dot, multiply_add, vectorised};
use crate::nn::{plain, slices};
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};

/// Rows one task handles. The weight's gradient is summed by such blocks, so threads change no bit.
const BLOCK: usize = 64;

/// `x / √(mean(x²) + epsilon) · weight` over the last axis; `weight` (D).
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x, weight]) {
        return Ok(x.contiguous()?.apply_op2(&weight.contiguous()?, RmsNorm(epsilon as f32))?);
    }
    plain::rms_norm(x, weight, epsilon)
}

/// Every row of `x`, normed.
pub(crate) fn forward(x: &[f32], weight: &[f32], epsilon: f32) -> Vec<f32> {
    let write = |start: usize, out: &mut [f32]| forward_rows(&x[start..start + out.len()], weight, epsilon, out);
    by_chunks(x.len(), BLOCK * weight.len(), write)
}

/// The gradients by `x` and by the weight; to the former is added what goes past the norm, if anything does.
pub(crate) fn backward(
    x: &[f32],
    weight: &[f32],
    gradient: &[f32],
    epsilon: f32,
    past: Option<&[f32]>,
) -> (Vec<f32>, Vec<f32>) {
    let write = |start: usize, of_x: &mut [f32]| {
        let block = start..start + of_x.len();
        let mut of_weight = vec![0.0; weight.len()];
        backward_rows(&x[block.clone()], weight, &gradient[block.clone()], epsilon, of_x, &mut of_weight);
        if let Some(past) = past {
            add(of_x, &past[block]);
        }
        of_weight
    };
    let (of_x, parts) = by_chunks_with(x.len(), BLOCK * weight.len(), write);
    let mut of_weight = vec![0.0; weight.len()];
    parts.iter().for_each(|part| add(&mut of_weight, part));
    (of_x, of_weight)
}

vectorised! {
    /// Norms the rows of `x` one after the other.
    pub(crate) fn forward_rows(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
        let width = weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let scale = 1.0 / (dot::<FUSED>(x, x) / width as f32 + epsilon).sqrt();
            for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                *out = x * scale * weight;
            }
        }
    }
}

vectorised! {
    /// With s = 1 / √(mean(x²) + ε) and g = gradient · weight: ∂x = s g - s³ mean(g x) x, ∂weight = Σ gradient · x · s.
    pub(crate) fn backward_rows(
        x: &[f32],
        weight: &[f32],
        gradient: &[f32],
        epsilon: f32,
        of_x: &mut [f32],
        of_weight: &mut [f32],
    ) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(gradient.chunks_exact(width)).zip(of_x.chunks_exact_mut(width));
        for ((x, gradient), of_x) in rows {
            let scale = 1.0 / (dot::<FUSED>(x, x) / width as f32 + epsilon).sqrt();
            for ((of_x, gradient), weight) in of_x.iter_mut().zip(gradient).zip(weight) {
                *of_x = gradient * weight;
            }
            let pull = scale * scale * scale * dot::<FUSED>(of_x, x) / width as f32;
            for (((of_x, of_weight), x), gradient) in of_x.iter_mut().zip(of_weight.iter_mut()).zip(x).zip(gradient) {
                *of_x = multiply_add::<FUSED>(-pull, *x, scale * *of_x);
                *of_weight = multiply_add::<FUSED>(gradient * scale, *x, *of_weight);
            }
        }
    }
}

struct RmsNorm(f32);

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = slices::of(x, layout)?;
        let out = forward(x, slices::of(weight, weight_layout)?, self.0);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (of_x, by_weight) =
            slices::read([x, weight, gradient], |[x, weight, gradient]| backward(x, weight, gradient, self.0, None))?;
        let of_x = Tensor::from_vec(of_x, x.shape(), x.device())?;
        Ok((Some(of_x), of_weight(weight, by_weight)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal, variable};
    use candle_core::{DType, Device, Module};

    #[test]
    fn agrees_with_the_plain_path() {
        for shape in [[1, 3, 1], [2, 5, 7], [3, 50, 64], [1, 70, 33]] {
            let (x, weight) = (normal(&shape, 1), normal(&shape[2..], 2));
            agree(&[&x, &weight], |[x, w]| rms_norm(x, w, 1e-5), |[x, w]| plain::rms_norm(x, w, 1e-5));
        }
    }

    #[test]
    fn by_hand() {
        let x = Tensor::new(&[[3f32, 4.0]], &Device::Cpu).unwrap(); // mean of squares 12.5
        let w = Tensor::new(&[1f32, 2.0], &Device::Cpu).unwrap();
        let y: Vec<Vec<f32>> = rms_norm(&x, &w, 0.0).unwrap().to_vec2().unwrap();
        assert!((y[0][0] - 3.0 / 12.5f32.sqrt()).abs() < 1e-6 && (y[0][1] - 8.0 / 12.5f32.sqrt()).abs() < 1e-6);
    }

    /// Why this crate has its own norm: candle's loses what lies below it, and nothing says so.
    #[test]
    fn the_gradient_passes_our_norm_and_is_lost_in_candles() {
        let x = variable(&[2, 4], 1).to_dtype(DType::F32).unwrap();
        let below = candle_core::Var::from_tensor(&x).unwrap();
        let w = candle_core::Var::from_tensor(&Tensor::ones(4, DType::F32, &Device::Cpu).unwrap()).unwrap();
        let theirs = candle_nn::RmsNorm::new(w.as_tensor().clone(), 1e-5).forward(&below).unwrap();
        let ours = rms_norm(&below, &w, 1e-5).unwrap();
        let difference = (&theirs - &ours).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(difference < 1e-6, "the same values");
        let lost = theirs.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        assert!(lost.get(&below).is_none() && lost.get(&w).is_none(), "candle has learned to differentiate it");
        let kept = ours.powf(3.0).unwrap().sum_all().unwrap().backward().unwrap();
        assert!(kept.get(&below).is_some() && kept.get(&w).is_some());
    }
}
