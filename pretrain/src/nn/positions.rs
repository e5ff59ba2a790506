//! Learned positions: a row of a table for each place in the window, the same in every sequence.

use crate::error::Result;
use crate::nn::backward::of_weight;
use crate::nn::vector::add;
use crate::nn::{plain, slices};
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor, bail};
use rayon::prelude::*;

/// `x` (B, T, D) plus the first T rows of `table` (at least T, D) in every sequence.
pub fn add_positions(x: &Tensor, table: &Tensor) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x, table]) {
        return Ok(x.contiguous()?.apply_op2(&table.contiguous()?, Positions)?);
    }
    plain::add_positions(x, table)
}

struct Positions;

impl CustomOp2 for Positions {
    fn name(&self) -> &'static str {
        "positions"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        table: &CpuStorage,
        table_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let ((_, t, d), (length, width)) = (layout.shape().dims3()?, table_layout.shape().dims2()?);
        if t > length || d != width {
            bail!("positions: a window of {t} tokens of width {d}, but a table of {length} × {width}");
        }
        let (mut out, table) = (slices::of(x, layout)?.to_vec(), slices::of(table, table_layout)?);
        out.par_chunks_mut(t * d).for_each(|sequence| add(sequence, &table[..t * d]));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        table: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, t, d) = x.dims3()?;
        let mut by_table = vec![0.0; table.elem_count()];
        slices::read([gradient], |[gradient]| {
            gradient.chunks_exact(t * d).for_each(|sequence| add(&mut by_table[..t * d], sequence));
        })?;
        Ok((Some(gradient.clone()), of_weight(table, by_table)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};

    #[test]
    fn agrees_with_the_plain_path() {
        for (b, t, d) in [(1, 1, 1), (3, 4, 5), (2, 6, 33)] {
            let (x, table) = (normal(&[b, t, d], 1), normal(&[6, d], 2));
            agree(&[&x, &table], |[x, p]| add_positions(x, p), |[x, p]| plain::add_positions(x, p));
        }
    }

    #[test]
    fn a_window_longer_than_the_table_is_refused() {
        let message = add_positions(&normal(&[1, 3, 2], 1), &normal(&[2, 2], 2)).unwrap_err().to_string();
        assert!(message.contains("3 tokens of width 2, but a table of 2 × 2"), "{message}");
    }
}
