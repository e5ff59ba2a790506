//! How an operation of many weights fits into candle's graph, whose operations take three tensors at most.
//!
//! The operation holds its weights itself and takes, beside its input, one number that stands for them all. That number
//! is a chain of nodes, one a weight, without a value of interest. In the backward pass the operation leaves each
//! weight's gradient in a shared place; candle then visits the chain, where each node hands its gradient on to its
//! weight. So `GradStore` holds every gradient, as with any other operation.

use crate::error::Result;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor};
use std::sync::{Arc, Mutex, MutexGuard};

/// Weights of one operation, contiguous, and the place of their gradients.
pub(crate) struct Weights<const N: usize> {
    /// In the order they were given.
    pub tensors: [Tensor; N],
    gradients: Place,
}

/// Gradients left for the chain, by the weight's number.
#[derive(Clone)]
struct Place(Arc<Mutex<Vec<Option<Tensor>>>>);

impl Place {
    fn open(&self) -> MutexGuard<'_, Vec<Option<Tensor>>> {
        self.0.lock().expect("nothing panics while it holds the gradients")
    }
}

impl<const N: usize> Weights<N> {
    /// The weights, and the number that stands for them.
    pub fn new(weights: [&Tensor; N]) -> Result<(Weights<N>, Tensor)> {
        let gradients = Place(Arc::new(Mutex::new(vec![None; N])));
        let mut sign: Option<Tensor> = None;
        let mut tensors = Vec::with_capacity(N);
        for (number, weight) in weights.iter().enumerate() {
            let weight = weight.contiguous()?;
            let link = Link { number, gradients: gradients.clone() };
            sign = Some(match sign {
                None => weight.apply_op1(link)?,
                Some(sign) => sign.apply_op2(&weight, link)?,
            });
            tensors.push(weight.detach());
        }
        let tensors = tensors.try_into().expect("one for each weight given");
        Ok((Weights { tensors, gradients }, sign.expect("an operation has weights")))
    }

    /// Leaves the gradients (each as many numbers as its weight has) for the chain.
    pub fn leave(&self, gradients: [Vec<f32>; N]) -> candle_core::Result<()> {
        let mut place = self.gradients.open();
        for ((gradient, weight), place) in gradients.into_iter().zip(&self.tensors).zip(place.iter_mut()) {
            *place = Some(Tensor::from_vec(gradient, weight.shape(), weight.device())?);
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
