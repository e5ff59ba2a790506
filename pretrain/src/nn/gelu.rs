//! The Gaussian error linear unit (Hendrycks and Gimpel 2016) by its hyperbolic tangent, as GPT and GPT-2 compute it.

use crate::error::Result;
use crate::nn::elementwise::Elementwise;
use crate::nn::vector::{multiply_add, sigmoid, vectorised};
use crate::nn::{plain, slices};
use candle_core::Tensor;

/// 2 √(2/π).
const SLOPE: f32 = 2.0 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
/// The factor of x³.
const CUBIC: f32 = 0.044_715;

/// `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))` of every element: `gelu_new` of `transformers`.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x]) {
        return Ok(Elementwise { name: "gelu", forward, backward }.apply(x)?);
    }
    plain::gelu(x)
}

vectorised! {
    /// (1 + tanh u)/2 is the sigmoid of 2u.
    fn forward(x: &[f32], out: &mut [f32]) {
        for (x, out) in x.iter().zip(out) {
            *out = x * sigmoid::<FUSED>(SLOPE * x * multiply_add::<FUSED>(CUBIC * x, *x, 1.0));
        }
    }
}

vectorised! {
    /// With s the sigmoid of 2u: ∂x = gradient · (s + x s (1 - s) · 2u').
    fn backward(x: &[f32], gradient: &[f32], of_x: &mut [f32]) {
        for ((x, gradient), of_x) in x.iter().zip(gradient).zip(of_x) {
            let s = sigmoid::<FUSED>(SLOPE * x * multiply_add::<FUSED>(CUBIC * x, *x, 1.0));
            let slope = SLOPE * multiply_add::<FUSED>(3.0 * CUBIC * x, *x, 1.0);
            *of_x = gradient * s * multiply_add::<FUSED>(x * (1.0 - s), slope, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};
    use candle_core::Device;

    #[test]
    fn agrees_with_the_plain_path() {
        for shape in [[1, 1, 2], [2, 3, 14], [3, 20, 200]] {
            let x = (normal(&shape, 1) * 3.0).unwrap();
            agree(&[&x], |[x]| gelu(x), |[x]| plain::gelu(x));
        }
    }

    #[test]
    fn known_values() {
        // import torch; torch.nn.functional.gelu(torch.tensor([-3., -1., 0., .5, 2., 30., -30.]), approximate="tanh")
        let expected = [-0.0036374, -0.158_808, 0.0, 0.345_714, 1.9545977, 30.0, 0.0];
        let x = Tensor::new(&[-3f32, -1.0, 0.0, 0.5, 2.0, 30.0, -30.0], &Device::Cpu).unwrap();
        for (found, expected) in gelu(&x).unwrap().to_vec1::<f32>().unwrap().into_iter().zip(expected) {
            assert!((found - expected).abs() < 2e-7, "{found} for {expected}");
        }
    }
}
