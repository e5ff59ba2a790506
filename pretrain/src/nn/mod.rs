//! Layers as functions of tensors. candle's own fused norm, softmax and rotary layers lose the gradient without a word;
//! each layer here is checked against finite differences.

pub mod attention;
pub mod basic;
pub mod cross_entropy;
pub mod rope;

pub use attention::causal_attention;
pub use basic::{dropout, embedding, linear, rms_norm, swiglu};
pub use cross_entropy::cross_entropy;
pub use rope::Rope;

#[doc(hidden)]
pub mod check {
    //! Finite differences in f64, for the tests of this crate and of those that build on it.

    use crate::random::Key;
    use candle_core::{DType, Device, Tensor, Var};

    /// A normal f64 variable.
    pub fn variable(shape: &[usize], seed: u64) -> Var {
        let values = Key::new(seed).normals(shape.iter().product(), 1.0);
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()).unwrap()
    }

    /// A scalar that depends on every element of `x` in its own way.
    pub fn scalar(x: &Tensor) -> Tensor {
        let weights = variable(x.dims(), 99).detach();
        (x * weights).unwrap().sum_all().unwrap()
    }

    /// Compares every element's gradient with a central difference.
    pub fn gradients(vars: &[&Var], loss: impl Fn() -> Tensor) {
        let store = loss().backward().unwrap();
        let step = 1e-5;
        for (number, var) in vars.iter().enumerate() {
            let gradient = store.get(var).unwrap_or_else(|| panic!("variable {number} has no gradient"));
            let gradient: Vec<f64> = gradient.flatten_all().unwrap().to_vec1().unwrap();
            assert!(gradient.iter().any(|g| *g != 0.0), "variable {number} has a zero gradient");
            let values: Vec<f64> = var.copy().unwrap().flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(gradient.len(), values.len());
            let at = |i: usize, delta: f64| {
                let mut moved = values.clone();
                moved[i] += delta;
                var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
                loss().to_scalar::<f64>().unwrap()
            };
            for (i, found) in gradient.iter().enumerate() {
                let expected = (at(i, step) - at(i, -step)) / (2.0 * step);
                let error = (found - expected).abs();
                assert!(error <= 1e-6 * (1.0 + expected.abs()), "variable {number}[{i}]: {found} for {expected}");
            }
            at(0, 0.0);
        }
    }
}
