//! Linear maps with a bias, the weight stored with a row for each input, as GPT-2 does, or for each output, as BERT does.

use crate::error::Result;
use crate::nn::backward::of_weight;
use crate::nn::fresh::by_chunks;
use crate::nn::linear::{add_times, times_transposed, transposed_times};
use crate::nn::product::{Matrix, MatrixMut};
use crate::nn::vector::add;
use crate::nn::{plain, slices};
use crate::precision::Precision;
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor, bail};
use rayon::prelude::*;

/// Rows one task handles. The bias's gradient is summed by such blocks, so threads change no bit.
const BLOCK: usize = 64;

/// `x` (…, I) times `weight` (I, O), multiplied in `precision`, plus `bias` (O): (…, O). Other than in
/// [`crate::nn::linear()`], the weight is not transposed: this is the `Conv1D` of Hugging Face's GPT-2.
pub fn affine(x: &Tensor, weight: &Tensor, bias: &Tensor, precision: Precision) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x, weight, bias]) {
        let op = Affine { rows_are_outputs: false, precision };
        return Ok(x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?);
    }
    plain::affine(x, weight, bias, precision)
}

/// `x` (…, I) times `weight` (O, I) transposed, multiplied in `precision`, plus `bias` (O): (…, O). This is the
/// `nn.Linear` of PyTorch.
pub fn linear_with_bias(x: &Tensor, weight: &Tensor, bias: &Tensor, precision: Precision) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x, weight, bias]) {
        let op = Affine { rows_are_outputs: true, precision };
        return Ok(x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?);
    }
    plain::linear_with_bias(x, weight, bias, precision)
}

/// The sum of all rows of `values`, each as wide as `width`.
pub(crate) fn sum_of_rows(values: &[f32], width: usize) -> Vec<f32> {
    let sum = |rows: &[f32]| {
        let mut sum = vec![0.0; width];
        rows.chunks_exact(width).for_each(|row| add(&mut sum, row));
        sum
    };
    let parts: Vec<_> = values.par_chunks(BLOCK * width).map(sum).collect();
    sum(&parts.concat())
}

struct Affine {
    /// Whether the weight is (O, I), not (I, O).
    rows_are_outputs: bool,
    precision: Precision,
}

impl Affine {
    /// The weight as (I, O).
    fn weight<'a>(&self, weight: &'a [f32], in_width: usize, out_width: usize) -> Matrix<'a> {
        match self.rows_are_outputs {
            true => Matrix::new(weight, out_width).transposed(),
            false => Matrix::new(weight, in_width),
        }
    }

    /// I and O, of the weight's shape.
    fn widths(&self, (rows, columns): (usize, usize)) -> (usize, usize) {
        if self.rows_are_outputs { (columns, rows) } else { (rows, columns) }
    }
}

impl CustomOp3 for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (in_width, out_width) = self.widths(weight_layout.shape().dims2()?);
        let mut shape = layout.dims().to_vec();
        match shape.last_mut() {
            Some(last) if *last == in_width && bias_layout.dims() == [out_width] => *last = out_width,
            _ => bail!(
                "affine: {:?} times a weight of {in_width} × {out_width} plus {:?}",
                layout.dims(),
                bias_layout.dims()
            ),
        }
        let (x, bias) = (slices::of(x, layout)?, slices::of(bias, bias_layout)?);
        let rows = x.len() / in_width;
        let write = |_, rows: &mut [f32]| rows.chunks_exact_mut(out_width).for_each(|row| row.copy_from_slice(bias));
        let mut out = by_chunks(rows * out_width, BLOCK * out_width, write);
        let weight = self.weight(slices::of(weight, weight_layout)?, in_width, out_width);
        add_times(&mut MatrixMut::new(&mut out, rows), Matrix::new(x, rows), weight, self.precision);
        Ok((CpuStorage::F32(out), Shape::from(shape)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (in_width, out_width) = self.widths(weight.dims2()?);
        let rows = x.elem_count() / in_width;
        let (of_x, by_weight, by_bias) = slices::read([x, weight, gradient], |[x, weight, gradient]| {
            let of_bias = sum_of_rows(gradient, out_width);
            let (x, gradient) = (Matrix::new(x, rows), Matrix::new(gradient, rows));
            let weight = self.weight(weight, in_width, out_width);
            let of_x = times_transposed(gradient, [weight], self.precision);
            let (left, right) = if self.rows_are_outputs { (gradient, x) } else { (x, gradient) };
            (of_x, transposed_times(left, right, self.precision), of_bias)
        })?;
        let of_x = Tensor::from_vec(of_x, x.shape(), x.device())?;
        Ok((Some(of_x), of_weight(weight, by_weight)?, of_weight(bias, by_bias)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};
    use crate::precision::Precision::F32;

    #[test]
    fn agrees_with_the_plain_path() {
        for (shape, out) in [([1, 1, 1], 1), ([2, 3, 5], 7), ([3, 40, 33], 65)] {
            let (x, weight, bias) = (normal(&shape, 1), normal(&[shape[2], out], 2), normal(&[out], 3));
            agree(&[&x, &weight, &bias], |[x, w, b]| affine(x, w, b, F32), |[x, w, b]| plain::affine(x, w, b, F32));
            let weight = weight.t().unwrap().contiguous().unwrap();
            agree(
                &[&x, &weight, &bias],
                |[x, w, b]| linear_with_bias(x, w, b, F32),
                |[x, w, b]| plain::linear_with_bias(x, w, b, F32),
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let message = affine(&normal(&[2, 3], 1), &normal(&[4, 3], 2), &normal(&[3], 3), F32).unwrap_err().to_string();
        assert!(message.contains("[2, 3] times a weight of 4 × 3 plus [3]"), "{message}");
    }
}
