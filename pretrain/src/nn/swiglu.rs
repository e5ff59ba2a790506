//! The gated unit of the feed-forward map (Shazeer 2020) in one pass each way.

use crate::error::Result;
use crate::nn::fresh::by_chunks;
use crate::nn::vector::{multiply_add, sigmoid, vectorised};
use crate::nn::{plain, slices};
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Rows one task handles.
const BLOCK: usize = 16;

/// `silu(gate) · up`: `x` (…, 2F) holds gate before up in each row; gives (…, F).
pub fn swiglu(x: &Tensor) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x]) { Ok(x.contiguous()?.apply_op1(SwiGlu)?) } else { plain::swiglu(x) }
}

/// Every row of `x`, rows of 2 · `width`, gated: rows of `width`.
pub(crate) fn forward(x: &[f32], width: usize) -> Vec<f32> {
    let write = |start: usize, out: &mut [f32]| forward_rows(&x[2 * start..2 * (start + out.len())], width, out);
    by_chunks(x.len() / 2, BLOCK * width, write)
}

/// Writes the gradient by `x` in its place.
pub(crate) fn backward_in_place(x: &mut [f32], width: usize, gradient: &[f32]) {
    let blocks = x.par_chunks_mut(2 * BLOCK * width).zip(gradient.par_chunks(BLOCK * width));
    blocks.for_each(|(x, gradient)| backward_rows(x, width, gradient));
}

vectorised! {
    fn forward_rows(x: &[f32], width: usize, out: &mut [f32]) {
        for (x, out) in x.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
            let (gates, ups) = x.split_at(width);
            for ((out, gate), up) in out.iter_mut().zip(gates).zip(ups) {
                *out = gate * sigmoid::<FUSED>(*gate) * up;
            }
        }
    }
}

vectorised! {
    /// With s = sigmoid(gate): ∂gate = gradient · up · s (1 + gate (1 - s)), ∂up = gradient · gate · s.
    fn backward_rows(x: &mut [f32], width: usize, gradient: &[f32]) {
        for (x, gradient) in x.chunks_exact_mut(2 * width).zip(gradient.chunks_exact(width)) {
            let (gates, ups) = x.split_at_mut(width);
            for ((gate, up), gradient) in gates.iter_mut().zip(ups).zip(gradient) {
                let (s, linear) = (sigmoid::<FUSED>(*gate), *gate);
                *gate = gradient * *up * s * multiply_add::<FUSED>(linear, 1.0 - s, 1.0);
                *up = gradient * linear * s;
            }
        }
    }
}

struct SwiGlu;

impl CustomOp1 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let mut shape = layout.dims().to_vec();
        let width = shape.last().map_or(0, |two| two / 2);
        if let Some(last) = shape.last_mut() {
            *last = width;
        }
        let x = slices::of(x, layout)?;
        Ok((CpuStorage::F32(forward(x, width)), Shape::from(shape)))
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let width = result.dim(candle_core::D::Minus1)?;
        let of_x = slices::read([x, gradient], |[x, gradient]| {
            let mut of_x = x.to_vec();
            backward_in_place(&mut of_x, width, gradient);
            of_x
        })?;
        Ok(Some(Tensor::from_vec(of_x, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};

    #[test]
    fn agrees_with_the_plain_path() {
        for shape in [[1, 1, 2], [2, 3, 14], [3, 20, 66]] {
            let x = (normal(&shape, 1) * 4.0).unwrap();
            agree(&[&x], |[x]| swiglu(x), |[x]| plain::swiglu(x));
        }
    }
}
