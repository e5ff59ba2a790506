//! A function of each element on its own as one operation: what such functions share is here, the functions themselves are
//! in files of their own.

use crate::nn::slices;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

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
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| (self.forward)(x, out));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let mut of_x = vec![0.0; x.elem_count()];
        slices::read([x, gradient], |[x, gradient]| {
            let chunks = of_x.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(gradient.par_chunks(CHUNK));
            chunks.for_each(|((of_x, x), gradient)| (self.backward)(x, gradient, of_x));
        })?;
        Ok(Some(Tensor::from_vec(of_x, x.shape(), x.device())?))
    }
}
