//! Linear head and cross-entropy in one: the logits exist for a few rows at a time, and their gradient with them.

use crate::error::Result;
use crate::nn::backward::of_weight;
use crate::nn::kept::Kept;
use crate::nn::product::{Matrix, MatrixMut, Old, multiply_in};
use crate::nn::vector::{exponentials, largest, scale, sum_of_exponentials};
use crate::nn::{plain, slices};
use crate::precision::Precision;
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor, bail};
use rayon::prelude::*;

/// Logits held at once, in numbers: 8 MiB of f32, so that they stay in the last-level cache between the products that
/// make and use them; fewer would have the weight's gradient read and written more often. Few in tests, so that the
/// small ones go through several chunks too.
const CHUNK: usize = if cfg!(test) { 1 << 5 } else { 1 << 21 };

/// Negative log-probabilities of the targets, summed.
#[derive(Debug, Clone)]
pub struct Loss {
    /// Scalar, nats; leads back to `hidden` and `weight`.
    pub sum: Tensor,
    /// Rows that counted.
    pub rows: usize,
}

/// Cross-entropy of `hidden` (N, D) times `weight` (V, D) transposed, multiplied in `precision`, against `targets` (N);
/// rows whose target is `ignore` do not count. The gradient is computed with the loss, where one of the two leads back to
/// a variable; where the losses of single rows are wanted, use [`losses`].
pub fn cross_entropy(
    hidden: &Tensor,
    weight: &Tensor,
    targets: &[u32],
    ignore: Option<u32>,
    precision: Precision,
) -> Result<Loss> {
    let rows = targets.iter().filter(|target| Some(**target) != ignore).count();
    if !slices::are_f32_on_cpu(&[hidden, weight]) {
        return Ok(Loss { sum: plain::cross_entropy(hidden, weight, targets, ignore, precision)?, rows });
    }
    let op = CrossEntropy {
        targets: targets.to_vec(),
        ignore,
        precision,
        differentiate: hidden.track_op() || weight.track_op(),
        gradients: Kept::nothing(),
    };
    Ok(Loss { sum: hidden.contiguous()?.apply_op2(&weight.contiguous()?, op)?, rows })
}

/// Losses by row, nats; 0 for ignored rows. Multiplied in f32; no gradient.
pub fn losses(hidden: &Tensor, weight: &Tensor, targets: &[u32], ignore: Option<u32>) -> Result<Vec<f64>> {
    if !slices::are_f32_on_cpu(&[hidden, weight]) {
        return plain::losses(hidden, weight, targets, ignore);
    }
    let width = hidden.dim(1)?;
    Ok(slices::read([hidden, weight], |[hidden, weight]| {
        by_row(hidden, weight, width, targets, ignore, Precision::F32)
    })?)
}

fn by_row(
    hidden: &[f32],
    weight: &[f32],
    width: usize,
    targets: &[u32],
    ignore: Option<u32>,
    precision: Precision,
) -> Vec<f64> {
    let mut all = Vec::with_capacity(targets.len());
    chunks(hidden, weight, width, targets, precision, |logits, chunk| {
        let row = |(row, target): (&[f32], &u32)| {
            if Some(*target) == ignore { 0.0 } else { log_sum(row) - f64::from(row[*target as usize]) }
        };
        all.par_extend(logits.par_chunks(weight.len() / width).zip(&targets[chunk]).map(row));
    });
    all
}

/// Logits of as many of `rows` as are held at once, in numbers.
pub(crate) fn numbers_at_once(rows: usize, vocabulary: usize) -> usize {
    (CHUNK / vocabulary).clamp(1, rows.max(1)) * vocabulary
}

/// Hands the logits of a few rows at a time to `work`, with the range of these rows.
fn chunks(
    hidden: &[f32],
    weight: &[f32],
    width: usize,
    targets: &[u32],
    precision: Precision,
    mut work: impl FnMut(&mut [f32], std::ops::Range<usize>),
) {
    let vocabulary = weight.len() / width;
    let mut logits = vec![0.0; numbers_at_once(targets.len(), vocabulary)];
    let rows_at_once = logits.len() / vocabulary;
    for start in (0..targets.len()).step_by(rows_at_once) {
        let chunk = start..(start + rows_at_once).min(targets.len());
        let logits = &mut logits[..chunk.len() * vocabulary];
        let x = Matrix::new(&hidden[chunk.start * width..chunk.end * width], chunk.len());
        let weight = Matrix::new(weight, vocabulary).transposed();
        multiply_in(&mut MatrixMut::new(logits, chunk.len()), x, weight, Old::Replace, precision);
        work(logits, chunk);
    }
}

fn log_sum(row: &[f32]) -> f64 {
    let most = largest(row);
    f64::from(most) + f64::from(sum_of_exponentials(row, most)).ln()
}

/// The loss of one row, whose logits become the loss's gradient by them.
fn with_gradient(row: &mut [f32], target: u32, ignore: Option<u32>) -> f64 {
    if Some(target) == ignore {
        row.fill(0.0);
        return 0.0;
    }
    let (right, most) = (row[target as usize], largest(row));
    let sum = exponentials(row, most);
    scale(row, 1.0 / sum);
    row[target as usize] -= 1.0;
    f64::from(most) - f64::from(right) + f64::from(sum).ln()
}

struct CrossEntropy {
    targets: Vec<u32>,
    ignore: Option<u32>,
    precision: Precision,
    /// Whether a gradient is wanted.
    differentiate: bool,
    /// By `hidden` and by `weight`, from the forward pass.
    gradients: Kept<[Vec<f32>; 2]>,
}

impl CrossEntropy {
    fn with_gradients(&self, hidden: &[f32], weight: &[f32], of_hidden: &mut [f32], of_weight: &mut [f32]) -> f64 {
        let width = hidden.len() / self.targets.len();
        let vocabulary = weight.len() / width;
        let mut total = 0.0;
        chunks(hidden, weight, width, &self.targets, self.precision, |logits, chunk| {
            let rows = logits.par_chunks_mut(vocabulary).zip(&self.targets[chunk.clone()]);
            let losses: Vec<f64> = rows.map(|(row, target)| with_gradient(row, *target, self.ignore)).collect();
            total += losses.iter().sum::<f64>();
            let of_logits = Matrix::new(logits, chunk.len());
            let x = Matrix::new(&hidden[chunk.start * width..chunk.end * width], chunk.len());
            let out = &mut MatrixMut::new(&mut of_hidden[chunk.start * width..chunk.end * width], chunk.len());
            multiply_in(out, of_logits, Matrix::new(weight, vocabulary), Old::Replace, self.precision);
            let old = if chunk.start == 0 { Old::Replace } else { Old::Add };
            let out = &mut MatrixMut::new(of_weight, vocabulary);
            multiply_in(out, of_logits.transposed(), x, old, self.precision);
        });
        total
    }
}

impl CustomOp2 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(
        &self,
        hidden: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let ((n, d), (v, width)) = (layout.shape().dims2()?, weight_layout.shape().dims2()?);
        let wrong = self.targets.iter().find(|target| Some(**target) != self.ignore && **target as usize >= v);
        if n != self.targets.len() || d != width || wrong.is_some() {
            bail!("cross-entropy: {n} × {d} times {v} × {width} for {} targets, {wrong:?}", self.targets.len());
        }
        let (hidden, weight) = (slices::of(hidden, layout)?, slices::of(weight, weight_layout)?);
        let total = if self.differentiate && n > 0 {
            let (mut of_hidden, mut of_weight) = (vec![0.0; hidden.len()], vec![0.0; weight.len()]);
            let total = self.with_gradients(hidden, weight, &mut of_hidden, &mut of_weight);
            self.gradients.keep([of_hidden, of_weight]);
            total
        } else {
            by_row(hidden, weight, width, &self.targets, self.ignore, self.precision).iter().sum::<f64>()
        };
        Ok((CpuStorage::F32(vec![total as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        hidden: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        if hidden.elem_count() == 0 {
            return Ok((None, None));
        }
        let mut gradients = self.gradients.take(self.name())?;
        let factor = gradient.to_scalar::<f32>()?;
        if factor != 1.0 {
            let chunks = gradients.iter_mut().flat_map(|values| values.chunks_mut(1 << 14));
            chunks.par_bridge().for_each(|chunk| scale(chunk, factor));
        }
        let [by_hidden, by_weight] = gradients;
        let by_hidden = Tensor::from_vec(by_hidden, hidden.shape(), hidden.device())?;
        Ok((Some(by_hidden), of_weight(weight, by_weight)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};
    use crate::precision::Precision::F32;
    use candle_core::{DType, Device};

    #[test]
    fn agrees_with_the_plain_path_over_several_chunks() {
        // One chunk, two with a rest, and as many as rows.
        for (n, d, v) in [(1, 1, 2), (6, 3, 7), (5, 2, CHUNK + 3)] {
            let (x, w) = (normal(&[n, d], 1), normal(&[v, d], 2));
            let targets: Vec<u32> = (0..n as u32).map(|i| if i == 3 { 99 } else { (i * 5 + 1) % v as u32 }).collect();
            let fused = |[x, w]: [&Tensor; 2]| Ok((cross_entropy(x, w, &targets, Some(99), F32)?.sum * 0.5)?);
            let plain = |[x, w]: [&Tensor; 2]| Ok((plain::cross_entropy(x, w, &targets, Some(99), F32)? * 0.5)?);
            agree(&[&x, &w], fused, plain);
            let by_row = losses(&x, &w, &targets, Some(99)).unwrap();
            let expected = plain::losses(&x, &w, &targets, Some(99)).unwrap();
            assert!(by_row.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{by_row:?} {expected:?}");
            let sum = cross_entropy(&x, &w, &targets, Some(99), F32).unwrap().sum.to_scalar::<f32>().unwrap();
            assert!((f64::from(sum) - by_row.iter().sum::<f64>()).abs() < 1e-4);
        }
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_vocabulary() {
        let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        let w = Tensor::zeros((8, 3), DType::F32, &Device::Cpu).unwrap();
        let loss = cross_entropy(&x, &w, &[0, 7], None, F32).unwrap();
        assert!((loss.sum.to_scalar::<f32>().unwrap() - 2.0 * 8f32.ln()).abs() < 1e-6);
        assert_eq!(loss.rows, 2);
        let error = cross_entropy(&x, &w, &[0, 8], None, F32).unwrap_err().to_string();
        assert!(error.contains("Some(8)"), "{error}");
    }
}
