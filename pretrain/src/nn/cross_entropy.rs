//! Linear head and cross-entropy in one: the logits exist for a few rows at a time, and their gradient with them.

use crate::error::Result;
use crate::nn::backward::of_weight;
use crate::nn::fresh::zeros;
use crate::nn::kept::Kept;
use crate::nn::product::{Matrix, MatrixMut, Old, Prepared, multiply_in, multiply_prepared, prepared_numbers};
use crate::nn::vector::{add, exponentials, largest, scale, sum, sum_of_exponentials};
use crate::nn::{plain, slices};
use crate::precision::Precision;
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor, bail};
use rayon::prelude::*;

/// Logits held at once, in numbers: 16 MiB of f32, so that they stay in the last-level cache between the products that
/// make and use them; fewer would have the weight's gradient read and written more often, and its product too short to be
/// made of seven. Few in tests, so that the small ones go through several chunks too.
const CHUNK: usize = if cfg!(test) { 1 << 5 } else { 1 << 22 };

/// Numbers between the rows of logits, so that the logits of a piece don't all fall into the same few sets of the caches
/// where the vocabulary's size is a power of two.
const APART: usize = 16;

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
    smoothed_cross_entropy(hidden, (weight, None), targets, ignore, 0.0, precision)
}

/// As [`cross_entropy`], with a bias (V) of the head, if there is one, and smoothed labels (Szegedy et al. 2016): a row's
/// loss is 1 - `smoothing` times its cross-entropy plus `smoothing` times the mean of - ln p over all V pieces.
pub fn smoothed_cross_entropy(
    hidden: &Tensor,
    (weight, bias): (&Tensor, Option<&Tensor>),
    targets: &[u32],
    ignore: Option<u32>,
    smoothing: f64,
    precision: Precision,
) -> Result<Loss> {
    let rows = targets.iter().filter(|target| Some(**target) != ignore).count();
    if !slices::are_f32_on_cpu(&[hidden, weight]) {
        return Ok(Loss {
            sum: plain::cross_entropy(hidden, (weight, bias), targets, ignore, smoothing, precision)?,
            rows,
        });
    }
    let bias = bias.map_or_else(|| Tensor::zeros(0, weight.dtype(), weight.device()), Tensor::contiguous)?;
    let op = CrossEntropy {
        targets: targets.to_vec(),
        ignore,
        smoothing: smoothing as f32,
        precision,
        differentiate: [hidden, weight, &bias].iter().any(|tensor| tensor.track_op()),
        gradients: Kept::nothing(),
    };
    Ok(Loss { sum: hidden.contiguous()?.apply_op3(&weight.contiguous()?, &bias, op)?, rows })
}

/// Losses by row, nats; 0 for ignored rows. The head has a bias (V), if there is one. Multiplied in f32; no gradient.
pub fn losses(
    hidden: &Tensor,
    (weight, bias): (&Tensor, Option<&Tensor>),
    targets: &[u32],
    ignore: Option<u32>,
) -> Result<Vec<f64>> {
    if !slices::are_f32_on_cpu(&[hidden, weight]) {
        return plain::losses(hidden, (weight, bias), targets, ignore);
    }
    let width = hidden.dim(1)?;
    let bias = bias.map_or_else(|| Tensor::zeros(0, weight.dtype(), weight.device()), Tensor::contiguous)?;
    Ok(slices::read([hidden, weight, &bias], |[hidden, weight, bias]| {
        by_row(hidden, (weight, bias), width, targets, Precision::F32, |row, target| {
            if Some(target) == ignore { 0.0 } else { log_sum(row) - f64::from(row[target as usize]) }
        })
    })?)
}

/// What `loss` makes of each row's logits and target.
fn by_row(
    hidden: &[f32],
    (weight, bias): (&[f32], &[f32]),
    width: usize,
    targets: &[u32],
    precision: Precision,
    loss: impl Fn(&[f32], u32) -> f64 + Sync,
) -> Vec<f64> {
    let mut all = Vec::with_capacity(targets.len());
    chunks(hidden, (weight, bias), width, targets, precision, |logits, chunk| {
        let vocabulary = weight.len() / width;
        let row = |(row, target): (&[f32], &u32)| loss(&row[..vocabulary], *target);
        all.par_extend(logits.par_chunks(vocabulary + APART).zip(&targets[chunk]).map(row));
    });
    all
}

/// As many of `rows` as have their logits held at once.
fn rows_at_once(rows: usize, vocabulary: usize) -> usize {
    (CHUNK / vocabulary).clamp(1, rows.max(1))
}

/// Numbers held beside the gradients in a forward pass that makes them: the logits held at once, and the prepared head by
/// rows and by columns, counted as f32 (in bf16 they are half as large).
pub(crate) fn held(rows: usize, vocabulary: usize, width: usize) -> usize {
    let at_once = rows_at_once(rows, vocabulary);
    let prepared = prepared_numbers(width, vocabulary, at_once) + prepared_numbers(vocabulary, width, at_once);
    at_once * (vocabulary + APART) + prepared
}

/// Hands the logits of a few rows at a time to `work`, each row with [`APART`] numbers behind it, with the range of these
/// rows. An empty bias is none.
fn chunks(
    hidden: &[f32],
    (weight, bias): (&[f32], &[f32]),
    width: usize,
    targets: &[u32],
    precision: Precision,
    mut work: impl FnMut(&mut [f32], std::ops::Range<usize>),
) {
    let vocabulary = weight.len() / width;
    let (stride, rows_at_once) = (vocabulary + APART, rows_at_once(targets.len(), vocabulary));
    let mut logits = zeros(rows_at_once * stride);
    let prepared = Prepared::new(Matrix::new(weight, vocabulary).transposed(), rows_at_once, precision);
    for start in (0..targets.len()).step_by(rows_at_once) {
        let chunk = start..(start + rows_at_once).min(targets.len());
        let logits = &mut logits[..chunk.len() * stride];
        let x = Matrix::new(&hidden[chunk.start * width..chunk.end * width], chunk.len());
        let old = if bias.is_empty() { Old::Replace } else { Old::Add };
        if old == Old::Add {
            logits.par_chunks_mut(stride).for_each(|row| row[..vocabulary].copy_from_slice(bias));
        }
        let out = &mut MatrixMut::new(logits, chunk.len());
        multiply_prepared(&mut out.columns(0..vocabulary), x, &prepared, old);
        work(logits, chunk);
    }
}

fn log_sum(row: &[f32]) -> f64 {
    let most = largest(row);
    f64::from(most) + f64::from(sum_of_exponentials(row, most)).ln()
}

/// The mean of a row and the target's element, weighted by `smoothing` and by the rest: with ln p = logit - log-sum a
/// row's loss is the log-sum less this.
fn smoothed(row: &[f32], target: u32, smoothing: f32) -> f64 {
    let right = f64::from(row[target as usize]);
    if smoothing == 0.0 {
        return right;
    }
    right + f64::from(smoothing) * (f64::from(sum(row)) / row.len() as f64 - right)
}

/// The loss of one row, whose logits become the loss's gradient by them.
fn with_gradient(row: &mut [f32], target: u32, ignore: Option<u32>, smoothing: f32) -> f64 {
    if Some(target) == ignore {
        row.fill(0.0);
        return 0.0;
    }
    let (right, most) = (smoothed(row, target, smoothing), largest(row));
    let sum = exponentials(row, most);
    scale(row, 1.0 / sum);
    if smoothing > 0.0 {
        let share = smoothing / row.len() as f32;
        row.iter_mut().for_each(|x| *x -= share);
    }
    row[target as usize] -= 1.0 - smoothing;
    f64::from(most) - right + f64::from(sum).ln()
}

/// Columns of the bias's gradient that one task adds up.
const COLUMNS: usize = 512;

struct CrossEntropy {
    targets: Vec<u32>,
    ignore: Option<u32>,
    smoothing: f32,
    precision: Precision,
    /// Whether a gradient is wanted.
    differentiate: bool,
    /// By `hidden`, by `weight` and by the bias, from the forward pass.
    gradients: Kept<[Vec<f32>; 3]>,
}

impl CrossEntropy {
    /// The loss; writes the gradients by `hidden`, `weight` and `bias` to `to`.
    fn with_gradients(&self, hidden: &[f32], (weight, bias): (&[f32], &[f32]), to: [&mut [f32]; 3]) -> f64 {
        let [of_hidden, of_weight, of_bias] = to;
        let width = hidden.len() / self.targets.len();
        let vocabulary = weight.len() / width;
        let at_once = rows_at_once(self.targets.len(), vocabulary);
        let prepared = Prepared::new(Matrix::new(weight, vocabulary), at_once, self.precision);
        let mut total = 0.0;
        chunks(hidden, (weight, bias), width, &self.targets, self.precision, |logits, chunk| {
            let rows = logits.par_chunks_mut(vocabulary + APART).zip(&self.targets[chunk.clone()]);
            let loss = |(row, target): (&mut [f32], &u32)| {
                with_gradient(&mut row[..vocabulary], *target, self.ignore, self.smoothing)
            };
            let losses: Vec<f64> = rows.map(loss).collect();
            total += losses.iter().sum::<f64>();
            of_bias.par_chunks_mut(COLUMNS).enumerate().for_each(|(number, of_bias)| {
                let rows = logits.chunks_exact(vocabulary + APART);
                rows.for_each(|row| add(of_bias, &row[number * COLUMNS..number * COLUMNS + of_bias.len()]));
            });
            let of_logits = Matrix::new(logits, chunk.len()).columns(0..vocabulary);
            let x = Matrix::new(&hidden[chunk.start * width..chunk.end * width], chunk.len());
            let out = &mut MatrixMut::new(&mut of_hidden[chunk.start * width..chunk.end * width], chunk.len());
            multiply_prepared(out, of_logits, &prepared, Old::Replace);
            let old = if chunk.start == 0 { Old::Replace } else { Old::Add };
            let out = &mut MatrixMut::new(of_weight, vocabulary);
            multiply_in(out, of_logits.transposed(), x, old, self.precision);
        });
        total
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
        let ((n, d), (v, width)) = (layout.shape().dims2()?, weight_layout.shape().dims2()?);
        let wrong = self.targets.iter().find(|target| Some(**target) != self.ignore && **target as usize >= v);
        let biases = bias_layout.shape().dims1()?;
        if n != self.targets.len() || d != width || wrong.is_some() || ![0, v].contains(&biases) {
            let targets = self.targets.len();
            bail!("cross-entropy: {n} × {d} times {v} × {width} plus {biases} for {targets} targets, {wrong:?}");
        }
        let (hidden, weight) = (slices::of(hidden, layout)?, slices::of(weight, weight_layout)?);
        let head = (weight, slices::of(bias, bias_layout)?);
        let total = if self.differentiate && n > 0 {
            let [mut of_hidden, mut of_weight, mut of_bias] = [n * d, v * d, biases].map(zeros);
            let total = self.with_gradients(hidden, head, [&mut of_hidden, &mut of_weight, &mut of_bias]);
            self.gradients.keep([of_hidden, of_weight, of_bias]);
            total
        } else {
            let loss = |row: &[f32], target| {
                if Some(target) == self.ignore { 0.0 } else { log_sum(row) - smoothed(row, target, self.smoothing) }
            };
            by_row(hidden, head, width, &self.targets, self.precision, loss).iter().sum::<f64>()
        };
        Ok((CpuStorage::F32(vec![total as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        hidden: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        if hidden.elem_count() == 0 {
            return Ok((None, None, None));
        }
        let mut gradients = self.gradients.take(self.name())?;
        let factor = gradient.to_scalar::<f32>()?;
        if factor != 1.0 {
            let chunks = gradients.iter_mut().flat_map(|values| values.chunks_mut(1 << 14));
            chunks.par_bridge().for_each(|chunk| scale(chunk, factor));
        }
        let [by_hidden, by_weight, by_bias] = gradients;
        let by_hidden = Tensor::from_vec(by_hidden, hidden.shape(), hidden.device())?;
        let by_bias = if bias.elem_count() > 0 { of_weight(bias, by_bias)? } else { None };
        Ok((Some(by_hidden), of_weight(weight, by_weight)?, by_bias))
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
            let plain =
                |[x, w]: [&Tensor; 2]| Ok((plain::cross_entropy(x, (w, None), &targets, Some(99), 0.0, F32)? * 0.5)?);
            agree(&[&x, &w], fused, plain);
            // In f64 the same function takes the plain path.
            let smoothed = |[x, w, b]: [&Tensor; 3]| {
                Ok(smoothed_cross_entropy(x, (w, Some(b)), &targets, Some(99), 0.3, F32)?.sum)
            };
            agree(&[&x, &w, &normal(&[v], 3)], smoothed, smoothed);
            let [of_variables, of_constants] = [true, false].map(|tracked| {
                let x =
                    if tracked { candle_core::Var::from_tensor(&x).unwrap().as_tensor().clone() } else { x.clone() };
                smoothed([&x, &w, &normal(&[v], 3)]).unwrap().to_scalar::<f32>().unwrap()
            });
            assert!((of_variables - of_constants).abs() < 1e-4, "{of_variables} {of_constants}");
            for bias in [None, Some(&normal(&[v], 3))] {
                let by_row = losses(&x, (&w, bias), &targets, Some(99)).unwrap();
                let expected = plain::losses(&x, (&w, bias), &targets, Some(99)).unwrap();
                assert!(by_row.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{by_row:?} {expected:?}");
                let sum = smoothed_cross_entropy(&x, (&w, bias), &targets, Some(99), 0.0, F32).unwrap().sum;
                let sum = f64::from(sum.to_scalar::<f32>().unwrap());
                assert!((sum - by_row.iter().sum::<f64>()).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn smoothed_labels_are_pytorchs() {
        // x = torch.tensor([[1., -2.], [0.5, 3.]]).requires_grad_()
        // w, b = torch.tensor([[1., 0.], [0.3, -1.], [-2., 0.7]]), torch.tensor([0.1, -0.2, 0.3])
        // l = F.cross_entropy(x @ w.T + b, torch.tensor([2, 0]), reduction="sum", label_smoothing=0.1)
        // l.backward(); print(l, x.grad)
        let at = |values: &[f32], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
        let x = candle_core::Var::from_tensor(&at(&[1.0, -2.0, 0.5, 3.0], &[2, 2])).unwrap();
        let (w, b) = (at(&[1.0, 0.0, 0.3, -1.0, -2.0, 0.7], &[3, 2]), at(&[0.1, -0.2, 0.3], &[3]));
        let loss = smoothed_cross_entropy(&x, (&w, Some(&b)), &[2, 0], None, 0.1, F32).unwrap().sum;
        assert!((loss.to_scalar::<f32>().unwrap() - 6.478079).abs() < 1e-5);
        let gradient: Vec<f32> = loss.backward().unwrap().get(&x).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let expected = [2.301598, -1.34531, -1.93564, 0.481128];
        assert!(gradient.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{gradient:?}");
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
