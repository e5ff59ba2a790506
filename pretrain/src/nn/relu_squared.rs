//! The square of the rectified linear unit: the activation that the search for Primer found to help a language model most
//! (So et al. 2021, section 3).

use crate::error::Result;
use crate::nn::elementwise::Elementwise;
use crate::nn::vector::vectorised;
use crate::nn::{plain, slices};
use candle_core::Tensor;

/// `max(x, 0)²` of every element: `relu2` of `transformers`.
pub fn relu_squared(x: &Tensor) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x]) {
        return Ok(Elementwise { name: "relu-squared", forward, backward }.apply(x)?);
    }
    plain::relu_squared(x)
}

vectorised! {
    fn forward(x: &[f32], out: &mut [f32]) {
        for (x, out) in x.iter().zip(out) {
            let rectified = x.max(0.0);
            *out = rectified * rectified;
        }
    }
}

vectorised! {
    /// ∂x = gradient · 2 max(x, 0).
    fn backward(x: &[f32], gradient: &[f32], of_x: &mut [f32]) {
        for ((x, gradient), of_x) in x.iter().zip(gradient).zip(of_x) {
            *of_x = gradient * 2.0 * x.max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, gradients, normal, scalar, variable};
    use candle_core::{Device, Var};

    #[test]
    fn agrees_with_the_plain_path_which_matches_finite_differences() {
        for shape in [[1, 1, 2], [2, 3, 14], [3, 20, 200]] {
            let x = (normal(&shape, 1) * 3.0).unwrap();
            agree(&[&x], |[x]| relu_squared(x), |[x]| plain::relu_squared(x));
        }
        let x = variable(&[2, 3, 4], 1);
        gradients(&[&x], || scalar(&relu_squared(&x).unwrap()));
    }

    #[test]
    fn known_values() {
        // from transformers.activations import ACT2FN
        // x = torch.tensor([-3., -.5, 0., .5, 2., 30.], requires_grad=True)
        // y = ACT2FN["relu2"](x); (y * torch.arange(1., 7.)).sum().backward(); print(y, x.grad)
        let x = Var::new(&[-3f32, -0.5, 0.0, 0.5, 2.0, 30.0], &Device::Cpu).unwrap();
        let y = relu_squared(&x).unwrap();
        assert_eq!(y.to_vec1::<f32>().unwrap(), [0.0, 0.0, 0.0, 0.25, 4.0, 900.0]);
        let weighed = (&y * Tensor::new(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0], &Device::Cpu).unwrap()).unwrap();
        let store = weighed.sum_all().unwrap().backward().unwrap();
        assert_eq!(store.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 0.0, 0.0, 4.0, 20.0, 360.0]);
    }
}
