//! Maps of a few rows, forward only: what reading token by token does. A product of matrices copies the weight into an
//! order of its own before it begins; here each row of the weight is read once and met by all rows of `x`. A row's result
//! does not depend, by a single bit, on how many rows are beside it.

use crate::error::Result;
use crate::nn::vector::{dot, multiply_add, vectorised};
use crate::nn::{self, slices};
use crate::precision::Precision;
use candle_core::Tensor;
use rayon::prelude::*;

/// Rows up to which a map is done here.
pub(crate) const FEW: usize = 8;
/// Numbers of the weight one task reads.
const TASK: usize = 1 << 15;

/// As [`nn::linear()`], for any number of rows; of few rows no gradient leads back.
pub(crate) fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    if x.elem_count() > FEW * inputs || !slices::are_f32_on_cpu(&[x, weight]) {
        return nn::linear(x, weight, Precision::F32);
    }
    let out = slices::read([x, weight], |[x, weight]| {
        let rows = x.len() / inputs;
        let (mut by_output, many) = (vec![0.0; rows * outputs], (TASK / inputs).max(1));
        let tasks = by_output.par_chunks_mut(many * rows).zip(weight.par_chunks(many * inputs));
        tasks.for_each(|(out, weight)| products(x, weight, inputs, out));
        if rows == 1 { by_output } else { transposed(&by_output, rows) }
    })?;
    Ok(Tensor::from_vec(out, shape(x, outputs), x.device())?)
}

/// As [`nn::affine()`], for any number of rows; of few rows no gradient leads back.
pub(crate) fn affine(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (inputs, outputs) = weight.dims2()?;
    if x.elem_count() > FEW * inputs || !slices::are_f32_on_cpu(&[x, weight, bias]) {
        return nn::affine(x, weight, bias, Precision::F32);
    }
    let out = slices::read([x, weight, bias], |[x, weight, bias]| {
        let (rows, many) = (x.len() / inputs, (TASK / inputs).max(1));
        let part = |(number, bias): (usize, &[f32])| {
            let mut out = bias.repeat(rows);
            add_columns(x, weight, inputs, number * many, &mut out);
            out
        };
        let parts: Vec<Vec<f32>> = bias.par_chunks(many).enumerate().map(part).collect();
        let width = |part: &Vec<f32>| part.len() / rows;
        let row = |row: usize| parts.iter().flat_map(move |part| &part[row * width(part)..(row + 1) * width(part)]);
        (0..rows).flat_map(row).copied().collect::<Vec<f32>>()
    })?;
    Ok(Tensor::from_vec(out, shape(x, outputs), x.device())?)
}

/// That of `x` with another last axis.
fn shape(x: &Tensor, last: usize) -> Vec<usize> {
    let mut shape = x.dims().to_vec();
    if let Some(width) = shape.last_mut() {
        *width = last;
    }
    shape
}

/// (N, O) from (O, N).
fn transposed(values: &[f32], rows: usize) -> Vec<f32> {
    (0..rows).flat_map(|row| values.iter().skip(row).step_by(rows)).copied().collect()
}

vectorised! {
    /// Scalar products of each row of `weight` with each row of `x`, both of `width`: `out` (rows of the weight, of `x`).
    fn products(x: &[f32], weight: &[f32], width: usize, out: &mut [f32]) {
        let rows = x.len() / width;
        for (weight, out) in weight.chunks_exact(width).zip(out.chunks_exact_mut(rows)) {
            for (x, out) in x.chunks_exact(width).zip(out) {
                *out = dot::<FUSED>(x, weight);
            }
        }
    }
}

vectorised! {
    /// Adds `x` (N, I) times the columns of `weight` (I, O) from `first` on to `out` (N, so many columns).
    fn add_columns(x: &[f32], weight: &[f32], inputs: usize, first: usize, out: &mut [f32]) {
        let columns = out.len() / (x.len() / inputs);
        for (input, weight) in weight.chunks_exact(weight.len() / inputs).enumerate() {
            let weight = &weight[first..first + columns];
            for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact_mut(columns)) {
                for (out, weight) in out.iter_mut().zip(weight) {
                    *out = multiply_add::<FUSED>(x[input], *weight, *out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::normal;
    use candle_core::DType;

    fn values(x: &Tensor) -> Vec<f32> {
        x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn few_rows_are_mapped_as_many_and_each_as_if_it_were_alone() {
        for (inputs, outputs) in [(1, 1), (5, 3), (40, 70), (300, 257)] {
            let (by_row, by_column) = (normal(&[outputs, inputs], 1), normal(&[inputs, outputs], 2));
            let bias = normal(&[outputs], 3);
            for rows in [1, 3, FEW, FEW + 1] {
                let x = normal(&[1, rows, inputs], 4);
                let maps: [&dyn Fn(&Tensor) -> Tensor; 2] =
                    [&|x| linear(x, &by_row).unwrap(), &|x| affine(x, &by_column, &bias).unwrap()];
                let expected = [
                    nn::linear(&x, &by_row, Precision::F32).unwrap(),
                    nn::affine(&x, &by_column, &bias, Precision::F32).unwrap(),
                ];
                for (map, expected) in maps.iter().zip(expected) {
                    let found = map(&x);
                    assert_eq!(found.dims(), expected.dims());
                    let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
                    assert!(values(&found).iter().zip(&values(&expected)).all(near), "{rows} × {inputs} × {outputs}");
                    if rows <= FEW {
                        let alone = map(&x.narrow(1, rows - 1, 1).unwrap());
                        assert_eq!(values(&alone), values(&found)[(rows - 1) * outputs..]);
                    }
                }
            }
        }
    }
}
