//! Linear head and cross-entropy in one: the logits exist for a few rows at a time, and their gradient with them.

use crate::error::Result;
use crate::nn::product::{Matrix, MatrixMut, Old, Threads, multiply};
use crate::nn::vector::{add, exponentials, largest, scale, sum_of_exponentials};
use crate::nn::{plain, slices};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Device, Layout, Shape, Tensor, bail};
use rayon::prelude::*;
use std::sync::OnceLock;

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

/// Cross-entropy of `hidden` (N, D) times `weight` (V, D) transposed against `targets` (N); rows whose target is
/// `ignore` do not count. The gradient is computed with the loss, where one of the two leads back to a variable; where
/// the losses of single rows are wanted, use [`losses`].
pub fn cross_entropy(hidden: &Tensor, weight: &Tensor, targets: &[u32], ignore: Option<u32>) -> Result<Loss> {
    let rows = targets.iter().filter(|target| Some(**target) != ignore).count();
    if !slices::are_f32_on_cpu(&[hidden, weight]) {
        return Ok(Loss { sum: plain::cross_entropy(hidden, weight, targets, ignore)?, rows });
    }
    let op = CrossEntropy::new(targets, ignore, hidden.track_op() || weight.track_op());
    Ok(Loss { sum: hidden.contiguous()?.apply_op2(&weight.contiguous()?, op)?, rows })
}

/// The same where the logits have a bias (V).
pub fn cross_entropy_with_bias(
    hidden: &Tensor,
    [weight, bias]: [&Tensor; 2],
    targets: &[u32],
    ignore: Option<u32>,
) -> Result<Loss> {
    let rows = targets.iter().filter(|target| Some(**target) != ignore).count();
    if !slices::are_f32_on_cpu(&[hidden, weight, bias]) {
        return Ok(Loss { sum: plain::cross_entropy_with_bias(hidden, [weight, bias], targets, ignore)?, rows });
    }
    let op = CrossEntropy::new(targets, ignore, [hidden, weight, bias].iter().any(|tensor| tensor.track_op()));
    Ok(Loss { sum: hidden.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?, rows })
}

/// Losses by row, nats; 0 for ignored rows. No gradient.
pub fn losses(hidden: &Tensor, weight: &Tensor, targets: &[u32], ignore: Option<u32>) -> Result<Vec<f64>> {
    if !slices::are_f32_on_cpu(&[hidden, weight]) {
        return plain::losses(hidden, weight, targets, ignore);
    }
    let width = hidden.dim(1)?;
    Ok(slices::read([hidden, weight], |[hidden, weight]| by_row(hidden, (weight, None), width, targets, ignore))?)
}

/// The map to logits: weight (V, D), row by row, and bias (V).
type Head<'a> = (&'a [f32], Option<&'a [f32]>);

fn by_row(hidden: &[f32], head: Head, width: usize, targets: &[u32], ignore: Option<u32>) -> Vec<f64> {
    let mut all = Vec::with_capacity(targets.len());
    chunks(hidden, head, width, targets, |logits, chunk| {
        let row = |(row, target): (&[f32], &u32)| {
            if Some(*target) == ignore { 0.0 } else { log_sum(row) - f64::from(row[*target as usize]) }
        };
        all.par_extend(logits.par_chunks(head.0.len() / width).zip(&targets[chunk]).map(row));
    });
    all
}

/// Hands the logits of a few rows at a time to `work`, with the range of these rows.
fn chunks(
    hidden: &[f32],
    (weight, bias): Head,
    width: usize,
    targets: &[u32],
    mut work: impl FnMut(&mut [f32], std::ops::Range<usize>),
) {
    let vocabulary = weight.len() / width;
    let rows_at_once = (CHUNK / vocabulary).clamp(1, targets.len().max(1));
    let mut logits = vec![0.0; rows_at_once * vocabulary];
    for start in (0..targets.len()).step_by(rows_at_once) {
        let chunk = start..(start + rows_at_once).min(targets.len());
        let logits = &mut logits[..chunk.len() * vocabulary];
        let x = Matrix::new(&hidden[chunk.start * width..chunk.end * width], chunk.len());
        let weight = Matrix::new(weight, vocabulary).transposed();
        multiply(&mut MatrixMut::new(logits, chunk.len()), x, weight, 1.0, Old::Replace, Threads::All);
        if let Some(bias) = bias {
            logits.par_chunks_mut(vocabulary).for_each(|row| add(row, bias));
        }
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
    /// Whether a gradient is wanted.
    differentiate: bool,
    /// By `hidden`, by `weight` and, where there is one, by the bias, from the forward pass.
    gradients: OnceLock<Vec<Tensor>>,
}

impl CrossEntropy {
    fn new(targets: &[u32], ignore: Option<u32>, differentiate: bool) -> CrossEntropy {
        CrossEntropy { targets: targets.to_vec(), ignore, differentiate, gradients: OnceLock::new() }
    }

    fn forward(
        &self,
        [hidden, weight]: [(&CpuStorage, &Layout); 2],
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let ((n, d), (v, width)) = (hidden.1.shape().dims2()?, weight.1.shape().dims2()?);
        let wrong = self.targets.iter().find(|target| Some(**target) != self.ignore && **target as usize >= v);
        if n != self.targets.len() || d != width || wrong.is_some() || bias.is_some_and(|(_, bias)| bias.dims() != [v])
        {
            bail!("cross-entropy: {n} × {d} times {v} × {width} for {} targets, {wrong:?}", self.targets.len());
        }
        let (hidden, weight) = (slices::of(hidden.0, hidden.1)?, slices::of(weight.0, weight.1)?);
        let bias = bias.map(|(bias, layout)| slices::of(bias, layout)).transpose()?;
        let total = if self.differentiate && n > 0 {
            let (mut of_hidden, mut of_weight) = (vec![0.0; hidden.len()], vec![0.0; weight.len()]);
            let mut of_bias = bias.map(|bias| vec![0.0; bias.len()]);
            let total = self.with_gradients(hidden, (weight, bias), (&mut of_hidden, &mut of_weight, &mut of_bias));
            let mut gradients = vec![
                Tensor::from_vec(of_hidden, (n, d), &Device::Cpu)?,
                Tensor::from_vec(of_weight, (v, d), &Device::Cpu)?,
            ];
            if let Some(of_bias) = of_bias {
                gradients.push(Tensor::from_vec(of_bias, v, &Device::Cpu)?);
            }
            self.gradients.get_or_init(|| gradients);
            total
        } else {
            by_row(hidden, (weight, bias), width, &self.targets, self.ignore).iter().sum::<f64>()
        };
        Ok((CpuStorage::F32(vec![total as f32]), Shape::from(())))
    }

    /// The gradients that were kept, times that by the loss; none where none was wanted.
    fn kept(&self, gradient: &Tensor) -> candle_core::Result<Vec<Tensor>> {
        let factor = f64::from(gradient.to_scalar::<f32>()?);
        let scaled = |tensor: &Tensor| if factor == 1.0 { Ok(tensor.clone()) } else { tensor * factor };
        self.gradients.get().into_iter().flatten().map(scaled).collect()
    }

    /// Adds to `of_weight` and `of_bias`, which hold zeros, and writes `of_hidden`; gives the loss.
    fn with_gradients(
        &self,
        hidden: &[f32],
        (weight, bias): Head,
        (of_hidden, of_weight, of_bias): (&mut [f32], &mut [f32], &mut Option<Vec<f32>>),
    ) -> f64 {
        let width = hidden.len() / self.targets.len();
        let vocabulary = weight.len() / width;
        let mut total = 0.0;
        chunks(hidden, (weight, bias), width, &self.targets, |logits, chunk| {
            let rows = logits.par_chunks_mut(vocabulary).zip(&self.targets[chunk.clone()]);
            let losses: Vec<f64> = rows.map(|(row, target)| with_gradient(row, *target, self.ignore)).collect();
            total += losses.iter().sum::<f64>();
            let of_logits = Matrix::new(logits, chunk.len());
            let x = Matrix::new(&hidden[chunk.start * width..chunk.end * width], chunk.len());
            let out = &mut MatrixMut::new(&mut of_hidden[chunk.start * width..chunk.end * width], chunk.len());
            multiply(out, of_logits, Matrix::new(weight, vocabulary), 1.0, Old::Replace, Threads::All);
            let old = if chunk.start == 0 { Old::Replace } else { Old::Add };
            let out = &mut MatrixMut::new(of_weight, vocabulary);
            multiply(out, of_logits.transposed(), x, 1.0, old, Threads::All);
            if let Some(of_bias) = of_bias {
                logits.chunks_exact(vocabulary).for_each(|row| add(of_bias, row));
            }
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
        self.forward([(hidden, layout), (weight, weight_layout)], None)
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let mut kept = self.kept(gradient)?.into_iter();
        Ok((kept.next(), kept.next()))
    }
}

impl CustomOp3 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(
        &self,
        hidden: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.forward([(hidden, layout), (weight, weight_layout)], Some((bias, bias_layout)))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut kept = self.kept(gradient)?.into_iter();
        Ok((kept.next(), kept.next(), kept.next()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};
    use candle_core::DType;

    #[test]
    fn agrees_with_the_plain_path_over_several_chunks() {
        // One chunk, two with a rest, and as many as rows.
        for (n, d, v) in [(1, 1, 2), (6, 3, 7), (5, 2, CHUNK + 3)] {
            let (x, w) = (normal(&[n, d], 1), normal(&[v, d], 2));
            let targets: Vec<u32> = (0..n as u32).map(|i| if i == 3 { 99 } else { (i * 5 + 1) % v as u32 }).collect();
            let fused = |[x, w]: [&Tensor; 2]| Ok((cross_entropy(x, w, &targets, Some(99))?.sum * 0.5)?);
            let plain = |[x, w]: [&Tensor; 2]| Ok((plain::cross_entropy(x, w, &targets, Some(99))? * 0.5)?);
            agree(&[&x, &w], fused, plain);
            let fused =
                |[x, w, b]: [&Tensor; 3]| Ok((cross_entropy_with_bias(x, [w, b], &targets, Some(99))?.sum * 0.5)?);
            let plain =
                |[x, w, b]: [&Tensor; 3]| Ok((plain::cross_entropy_with_bias(x, [w, b], &targets, Some(99))? * 0.5)?);
            agree(&[&x, &w, &normal(&[v], 3)], fused, plain);
            let by_row = losses(&x, &w, &targets, Some(99)).unwrap();
            let expected = plain::losses(&x, &w, &targets, Some(99)).unwrap();
            assert!(by_row.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{by_row:?} {expected:?}");
            let sum = cross_entropy(&x, &w, &targets, Some(99)).unwrap().sum.to_scalar::<f32>().unwrap();
            assert!((f64::from(sum) - by_row.iter().sum::<f64>()).abs() < 1e-4);
        }
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_vocabulary() {
        let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        let w = Tensor::zeros((8, 3), DType::F32, &Device::Cpu).unwrap();
        let loss = cross_entropy(&x, &w, &[0, 7], None).unwrap();
        assert!((loss.sum.to_scalar::<f32>().unwrap() - 2.0 * 8f32.ln()).abs() < 1e-6);
        assert_eq!(loss.rows, 2);
        let error = cross_entropy(&x, &w, &[0, 8], None).unwrap_err().to_string();
        assert!(error.contains("Some(8)"), "{error}");
    }
}
