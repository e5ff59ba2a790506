//! Layers as functions of tensors. candle's own fused norm, softmax and rotary layers lose the gradient without a word;
//! each layer here is checked against finite differences.
//!
//! A layer is one operation with its own backward pass for f32 in main memory. Other types and devices take the chain of
//! candle operations in [`plain`], which is also what the fused operations are checked against; it is itself checked
//! against finite differences in f64.

pub mod affine;
pub mod attention;
pub mod attention_layer;
pub mod backward;
pub mod char_cnn;
pub mod cross_entropy;
pub mod dropout;
pub(crate) mod elementwise;
pub mod exact_gelu;
pub mod feed_forward;
pub(crate) mod few_rows;
mod fresh;
pub mod gelu;
pub mod heads;
mod kept;
pub(crate) mod key_values;
pub mod layer_norm;
pub mod linear;
mod lookup;
pub mod lstm;
pub mod norm;
pub mod plain;
pub mod positions;
pub(crate) mod product;
pub mod qrnn;
pub mod recompute;
pub mod relu_squared;
pub mod reversed;
pub mod rope;
pub mod seen;
pub mod shared_dropout;
pub(crate) mod slices;
pub mod swiglu;
pub(crate) mod vector;
mod weights;

pub use affine::{affine, linear_with_bias};
pub use attention::attention;
pub use attention_layer::{AttentionSettings, attention_layer};
pub use backward::backward;
pub use char_cnn::{char_convolution, highway};
pub use cross_entropy::{cross_entropy, smoothed_cross_entropy};
pub use dropout::{dropout, residual};
pub use exact_gelu::exact_gelu;
pub use feed_forward::feed_forward;
pub use gelu::gelu;
pub use heads::Heads;
pub use layer_norm::layer_norm;
pub use linear::{embedding, linear};
pub use lstm::{LstmSettings, LstmState, LstmWeights, lstm};
pub use norm::rms_norm;
pub use positions::add_positions;
pub use qrnn::{QrnnState, qrnn};
pub use recompute::recompute;
pub use relu_squared::relu_squared;
pub use reversed::reversed;
pub use rope::Rope;
pub use seen::Seen;
pub use shared_dropout::{embedding_dropout, variational_dropout};
pub use swiglu::swiglu;

#[doc(hidden)]
pub mod check {
    //! Finite differences in f64 for the plain path, and the plain path in f64 for the fused one; for the tests of this
    //! crate and of those that build on it.

    use crate::error::Result;
    use crate::random::Key;
    use candle_core::{DType, Device, Tensor, Var};

    /// Normal f32 values.
    pub fn normal(shape: &[usize], seed: u64) -> Tensor {
        Tensor::from_vec(Key::new(seed).normals(shape.iter().product(), 1.0), shape, &Device::Cpu).unwrap()
    }

    /// Compares values and gradients of a fused operation in f32 with those of the plain one in f64: each tensor's
    /// largest difference must be below 10⁻⁵ of its largest element (or of 1).
    pub fn agree<const N: usize>(
        inputs: &[&Tensor; N],
        fused: impl Fn([&Tensor; N]) -> Result<Tensor>,
        plain: impl Fn([&Tensor; N]) -> Result<Tensor>,
    ) {
        let run = |dtype, layer: &dyn Fn([&Tensor; N]) -> Result<Tensor>| {
            let vars = inputs.map(|input| Var::from_tensor(&input.to_dtype(dtype).unwrap()).unwrap());
            let out = layer(std::array::from_fn(|i| vars[i].as_tensor())).unwrap();
            let weights = normal(out.dims(), 99).to_dtype(dtype).unwrap();
            let store = (&out * weights).unwrap().sum_all().unwrap().backward().unwrap();
            let gradient = |var| store.get(var).expect("a gradient for every input").clone();
            let all = std::iter::once(out.clone()).chain(vars.iter().map(|var| gradient(var)));
            all.map(|tensor| tensor.to_dtype(DType::F64).unwrap()).collect::<Vec<_>>()
        };
        let (found, expected) = (run(DType::F32, &fused), run(DType::F64, &plain));
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found.dims(), expected.dims(), "tensor {number}");
            let most = |x: &Tensor| x.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            let (error, size) = (most(&(found - expected).unwrap()), most(expected).max(1.0));
            assert!(error <= 1e-5 * size, "tensor {number} (0: value, then gradients): off by {error} of {size}");
        }
    }

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
