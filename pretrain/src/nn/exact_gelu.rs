//! The Gaussian error linear unit (Hendrycks and Gimpel 2016) by the error function, as BERT and RoBERTa compute it; GPT
//! has an approximation of it, [`crate::nn::gelu()`].

use crate::error::Result;
use crate::nn::elementwise::Elementwise;
use crate::nn::vector::{exp, multiply_add, vectorised};
use crate::nn::{plain, slices};
use candle_core::Tensor;

/// 1 / √(2π).
const DENSITY: f32 = 0.5 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;

/// `x · Φ(x)` of every element, Φ the normal distribution: `gelu` of `transformers`.
pub fn exact_gelu(x: &Tensor) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x]) {
        return Ok(Elementwise { name: "exact-gelu", forward, backward }.apply(x)?);
    }
    plain::exact_gelu(x)
}

/// Φ(x), and √(2π) times its density. The error function's polynomial is 7.1.26 of Abramowitz and Stegun (1964), which is
/// off by 1.5e-7 at most; Φ by half of that.
#[inline(always)]
fn normal<const FUSED: bool>(x: f32) -> (f32, f32) {
    const TERMS: [f32; 5] = [0.254_829_6, -0.284_496_74, 1.421_413_8, -1.453_152, 1.061_405_4];
    let density = exp::<FUSED>(-0.5 * x * x);
    let t = 1.0 / multiply_add::<FUSED>(0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2, x.abs(), 1.0);
    let mut sum = TERMS[4];
    for term in [TERMS[3], TERMS[2], TERMS[1], TERMS[0]] {
        sum = multiply_add::<FUSED>(sum, t, term);
    }
    let tail = 0.5 * sum * t * density; // beyond |x|, on one side
    (if x < 0.0 { tail } else { 1.0 - tail }, density)
}

vectorised! {
    fn forward(x: &[f32], out: &mut [f32]) {
        for (x, out) in x.iter().zip(out) {
            *out = x * normal::<FUSED>(*x).0;
        }
    }
}

vectorised! {
    /// ∂x = gradient · (Φ(x) + x φ(x)).
    fn backward(x: &[f32], gradient: &[f32], of_x: &mut [f32]) {
        for ((x, gradient), of_x) in x.iter().zip(gradient).zip(of_x) {
            let (share, density) = normal::<FUSED>(*x);
            *of_x = gradient * multiply_add::<FUSED>(x * DENSITY, density, share);
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
            agree(&[&x], |[x]| exact_gelu(x), |[x]| plain::exact_gelu(x));
        }
    }

    #[test]
    fn known_values() {
        // import torch; torch.nn.functional.gelu(torch.tensor([-3., -1., 0., .5, 2., 30., -30.], dtype=torch.float64))
        let expected = [-0.004_049_694, -0.158_655_25, 0.0, 0.345_731_23, 1.954_499_7, 30.0, 0.0];
        let x = Tensor::new(&[-3f32, -1.0, 0.0, 0.5, 2.0, 30.0, -30.0], &Device::Cpu).unwrap();
        for (found, expected) in exact_gelu(&x).unwrap().to_vec1::<f32>().unwrap().into_iter().zip(expected) {
            assert!((found - expected).abs() < 3e-7, "{found} for {expected}");
        }
    }
}
