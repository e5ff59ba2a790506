//! A function of each element on its own as one operation: what such functions share is here, the functions themselves are
//! in files of their own.

use crate::nn::fresh::by_chunks;
use crate::nn::slices;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

/// Elements one task handles.
const CHUNK: usize = 1 << 13;

/// A differentiable function of each element, for f32 in main memory.
#[derive(Clone, Copy)]
pub(crate) struct Elementwise {
    /// Of the operation.
    pub name: &'static str,
    /// From the elements to the results.
    pub forward: fn(&[f32], &mut [f32]),
    /// From the elements and the gradient by the results to the gradient by the elements.
    pub backward: fn(&[f32], &[f32], &mut [f32]),
}

impl Elementwise {
    /// The function of every element of `x`.
    pub fn apply(self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.contiguous()?.apply_op1(self)
    }
}

impl CustomOp1 for Elementwise {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = slices::of(x, layout)?;
        let out = by_chunks(x.len(), CHUNK, |start, out| (self.forward)(&x[start..start + out.len()], out));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let of_x = slices::read([x, gradient], |[x, gradient]| {
            by_chunks(x.len(), CHUNK, |start, of_x| {
                let chunk = start..start + of_x.len();
                (self.backward)(&x[chunk.clone()], &gradient[chunk], of_x);
            })
        })?;
        Ok(Some(Tensor::from_vec(of_x, x.shape(), x.device())?))
    }
}
