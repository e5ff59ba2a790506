//! How an operation of many weights fits into candle's graph, whose operations take three tensors at most.
//!
//! The operation holds its weights itself and takes, beside its input, one number that stands for them all. That number
//! is a chain of nodes, one a weight, without a value of interest. In the backward pass the operation leaves each
//! weight's gradient in a shared place; candle then visits the chain, where each node hands its gradient on to its
//! weight. So `GradStore` holds every gradient, as with any other operation.

use crate::error::Result;
use crate::nn::backward::of_weight;
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{CpuStorage, CudaStorage, CustomOp1, CustomOp2, DType, Layout, Shape, Tensor};
use std::sync::{Arc, Mutex, MutexGuard};

/// Weights of one operation, contiguous, and the place of their gradients.
pub(crate) struct Weights<const N: usize> {
    /// In the order they were given.
    pub tensors: [Tensor; N],
    gradients: Place,
}

/// Gradients left for the chain, by the weight's number.
#[derive(Clone)]
pub(crate) struct Place(Arc<Mutex<Vec<Option<Tensor>>>>);

impl Place {
    fn open(&self) -> MutexGuard<'_, Vec<Option<Tensor>>> {
        self.0.lock().expect("nothing panics while it holds the gradients")
    }

    /// Leaves the gradient by the weight of this number.
    pub fn leave(&self, number: usize, gradient: Tensor) {
        self.open()[number] = Some(gradient);
    }
}

/// The number that stands for `weights`, and the place where an operation leaves their gradients.
pub(crate) fn chain(weights: &[&Tensor]) -> Result<(Place, Tensor)> {
    let gradients = Place(Arc::new(Mutex::new(vec![None; weights.len()])));
    let mut sign: Option<Tensor> = None;
    for (number, weight) in weights.iter().enumerate() {
        let link = Link { number, gradients: gradients.clone() };
        sign = Some(match sign {
            None => weight.apply_op1(link)?,
            Some(sign) => sign.apply_op2(weight, link)?,
        });
    }
    Ok((gradients, sign.expect("an operation has weights")))
}

impl<const N: usize> Weights<N> {
    /// The weights, and the number that stands for them.
    pub fn new(weights: [&Tensor; N]) -> Result<(Weights<N>, Tensor)> {
        let mut tensors = weights.map(Tensor::clone);
        for tensor in &mut tensors {
            *tensor = tensor.contiguous()?;
        }
        let (gradients, sign) = chain(&tensors.each_ref())?;
        Ok((Weights { tensors, gradients }, sign))
    }

    /// Hands the gradients (each as many numbers as its weight has) over, or leaves them for the chain.
    pub fn leave(&self, gradients: [Vec<f32>; N]) -> candle_core::Result<()> {
        for (number, (gradient, weight)) in gradients.into_iter().zip(&self.tensors).enumerate() {
            if let Some(gradient) = of_weight(weight, gradient)? {
                self.gradients.leave(number, gradient);
            }
        }
        Ok(())
    }
}

/// One node of the chain.
struct Link {
    number: usize,
    gradients: Place,
}

impl Link {
    fn value() -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn value_beside(storage: &CudaStorage) -> candle_core::Result<(CudaStorage, Shape)> {
        let number = Shape::from(());
        Ok((storage.device().zeros_impl(&number, DType::F32)?, number))
    }

    fn gradient(&self) -> Option<Tensor> {
        self.gradients.open()[self.number].take()
    }
}

impl CustomOp1 for Link {
    fn name(&self) -> &'static str {
        "weight"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Link::value()
    }

    fn cuda_fwd(&self, weight: &CudaStorage, _: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        Link::value_beside(weight)
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(self.gradient())
    }
}

impl CustomOp2 for Link {
    fn name(&self) -> &'static str {
        "weight"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Link::value()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        weight: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        Link::value_beside(weight)
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(gradient.clone()), self.gradient()))
    }
}
