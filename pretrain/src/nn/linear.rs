//! Linear maps and the embedding: products without copies of transposed weights, gradients without a graph of reshapes.

use crate::error::Result;
use crate::nn::backward::{of_some, of_weight};
use crate::nn::fresh::products;
use crate::nn::product::{Matrix, MatrixMut, Old, multiply_in};
use crate::nn::vector::add;
use crate::nn::{plain, slices};
use crate::precision::Precision;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor, bail};
use rayon::prelude::*;

/// Rows of the embedding one task adds to, at least.
const ROWS: usize = 16;

/// `x` (…, I) times `weight` (O, I) transposed: (…, O), multiplied in `precision`. No bias.
pub fn linear(x: &Tensor, weight: &Tensor, precision: Precision) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x, weight]) {
        return Ok(x.contiguous()?.apply_op2(&weight.contiguous()?, Linear { precision })?);
    }
    plain::linear(x, weight, precision)
}

/// Rows of `weight` (V, D) by `ids` (B, T) u32: (B, T, D).
pub fn embedding(ids: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if !slices::are_f32_on_cpu(&[weight]) {
        return plain::embedding(ids, weight);
    }
    let shape = Shape::from(ids.dims2()?);
    Ok(weight.contiguous()?.apply_op1(Embedding { ids: ids.flatten_all()?.to_vec1()?, shape })?)
}

/// `x · weightᵀ` for each of `weights`, side by side: linear maps.
pub(crate) fn times_transposed<const N: usize>(x: Matrix, weights: [Matrix; N], precision: Precision) -> Vec<f32> {
    products(x, &weights.map(Matrix::transposed), precision)
}

/// `gradient · weight`: the map's gradient by its input.
pub(crate) fn times(gradient: Matrix, weight: Matrix, precision: Precision) -> Vec<f32> {
    products(gradient, &[weight], precision)
}

/// The same, added to what is in `out`.
pub(crate) fn add_times(out: &mut MatrixMut, gradient: Matrix, weight: Matrix, precision: Precision) {
    multiply_in(out, gradient, weight, Old::Add, precision);
}

/// `gradientᵀ · x`: the map's gradient by its weight.
pub(crate) fn transposed_times(gradient: Matrix, x: Matrix, precision: Precision) -> Vec<f32> {
    products(gradient.transposed(), &[x], precision)
}

struct Linear {
    precision: Precision,
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (out_width, in_width) = weight_layout.shape().dims2()?;
        let mut shape = layout.dims().to_vec();
        match shape.last_mut() {
            Some(last) if *last == in_width => *last = out_width,
            _ => bail!("linear: {:?} times a weight of {out_width} × {in_width}", layout.dims()),
        }
        let x = slices::of(x, layout)?;
        let rows = x.len() / in_width;
        let weight = Matrix::new(slices::of(weight, weight_layout)?, out_width);
        let out = times_transposed(Matrix::new(x, rows), [weight], self.precision);
        Ok((CpuStorage::F32(out), Shape::from(shape)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (out_width, in_width) = weight.dims2()?;
        let rows = x.elem_count() / in_width;
        let (of_x, by_weight) = slices::read([x, weight, gradient], |[x, weight, gradient]| {
            let gradient = Matrix::new(gradient, rows);
            let of_x = times(gradient, Matrix::new(weight, out_width), self.precision);
            (of_x, transposed_times(gradient, Matrix::new(x, rows), self.precision))
        })?;
        let of_x = Tensor::from_vec(of_x, x.shape(), x.device())?;
        Ok((Some(of_x), of_weight(weight, by_weight)?))
    }
}

struct Embedding {
    ids: Vec<u32>,
    shape: Shape,
}

impl CustomOp1 for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn cpu_fwd(&self, weight: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        if let Some(id) = self.ids.iter().find(|id| **id as usize >= rows) {
            bail!("embedding: token {id}, but there are {rows}");
        }
        let weight = slices::of(weight, layout)?;
        let row = |id: &u32| &weight[*id as usize * width..(*id as usize + 1) * width];
        let out = self.ids.iter().flat_map(row).copied().collect();
        Ok((CpuStorage::F32(out), Shape::from([self.shape.dims(), &[width]].concat())))
    }

    fn bwd(&self, weight: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let width = weight.dim(1)?;
        slices::read([gradient], |[gradient]| of_some(weight, |sum| add_rows(sum, width, &self.ids, gradient)))?
    }
}

/// Adds each row of `rows` to the row of `table` that its id names: the rows of one id one after the other, ids side by
/// side.
fn add_rows(table: &mut [f32], width: usize, ids: &[u32], rows: &[f32]) {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|&place| ids[place]); // stable: threads change no bit
    let mut rest = table;
    let mut first = 0; // id of the first row of the rest
    let mut tasks = Vec::new();
    for places in order.chunk_by(|a, b| ids[*a] == ids[*b]) {
        let id = ids[places[0]] as usize;
        let (row, after) = std::mem::take(&mut rest)[(id - first) * width..].split_at_mut(width);
        tasks.push((row, places));
        (rest, first) = (after, id + 1);
    }
    tasks.into_par_iter().with_min_len(ROWS).for_each(|(sum, places)| {
        places.iter().for_each(|place| add(sum, &rows[place * width..(place + 1) * width]));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};
    use crate::precision::Precision::F32;
    use candle_core::Device;

    #[test]
    fn agree_with_the_plain_path() {
        for (shape, out) in [([1, 1, 1], 1), ([2, 3, 5], 7), ([3, 40, 33], 65)] {
            let (x, weight) = (normal(&shape, 1), normal(&[out, shape[2]], 2));
            agree(&[&x, &weight], |[x, w]| linear(x, w, F32), |[x, w]| plain::linear(x, w, F32));
        }
        let ids = Tensor::new(&[[0u32, 4, 4], [1, 0, 2]], &Device::Cpu).unwrap();
        agree(&[&normal(&[5, 3], 1)], |[w]| embedding(&ids, w), |[w]| plain::embedding(&ids, w));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let message = linear(&normal(&[2, 3], 1), &normal(&[4, 5], 2), F32).unwrap_err().to_string();
        assert!(message.contains("[2, 3] times a weight of 4 × 5"), "{message}");
        let ids = Tensor::new(&[[0u32, 5]], &Device::Cpu).unwrap();
        let message = embedding(&ids, &normal(&[5, 3], 1)).unwrap_err().to_string();
        assert!(message.contains("token 5, but there are 5"), "{message}");
    }
}
