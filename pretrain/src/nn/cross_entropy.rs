//! Linear head and cross-entropy in one: the logits exist for a few rows at a time, and their gradient with them.

use crate::error::Result;
use candle_core::{D, DType, Tensor};
use rayon::prelude::*;

/// Logits held at once, in numbers: 64 MiB of f32.
const CHUNK: usize = 1 << 24;

/// Negative log-probabilities of the targets, summed.
#[derive(Debug, Clone)]
pub struct Loss {
    /// Scalar, nats; leads back to `hidden` and `weight`.
    pub sum: Tensor,
    /// Rows that counted.
    pub rows: usize,
}

/// Cross-entropy of `hidden` (N, D) times `weight` (V, D) transposed against `targets` (N); rows whose target is
/// `ignore` do not count. The gradient is computed with the loss: call it on detached tensors and use
/// [`losses`] where no gradient is wanted.
pub fn cross_entropy(hidden: &Tensor, weight: &Tensor, targets: &[u32], ignore: Option<u32>) -> Result<Loss> {
    let (n, _) = hidden.dims2()?;
    let (fixed, fixed_weight) = (hidden.detach(), weight.detach());
    let rows_at_once = (CHUNK / weight.dim(0)?).max(1);
    let (mut total, mut of_hidden, mut of_weight) = (0.0, Vec::new(), None::<Tensor>);
    for start in (0..n).step_by(rows_at_once) {
        let rows = rows_at_once.min(n - start);
        let x = fixed.narrow(0, start, rows)?.contiguous()?;
        let logits = x.matmul(&fixed_weight.t()?)?;
        let (losses, of_logits) = with_gradient(&logits, &targets[start..start + rows], ignore)?;
        total += losses.iter().sum::<f64>();
        of_hidden.push(of_logits.matmul(&fixed_weight)?);
        let part = of_logits.t()?.matmul(&x)?;
        of_weight = Some(match of_weight {
            None => part,
            Some(sum) => (sum + part)?,
        });
    }
    let rows = targets.iter().filter(|target| Some(**target) != ignore).count();
    // A carrier whose value is 0 and whose gradient is the one computed above.
    let mut carrier = (hidden * Tensor::cat(&of_hidden, 0)?)?.sum_all()?;
    if let Some(of_weight) = of_weight {
        carrier = (carrier + (weight * of_weight)?.sum_all()?)?;
    }
    let sum = ((&carrier - carrier.detach())? + total)?;
    Ok(Loss { sum, rows })
}

/// Losses by row, nats; 0 for ignored rows. No gradient.
pub fn losses(hidden: &Tensor, weight: &Tensor, targets: &[u32], ignore: Option<u32>) -> Result<Vec<f64>> {
    let (n, _) = hidden.dims2()?;
    let (hidden, weight) = (hidden.detach(), weight.detach());
    let rows_at_once = (CHUNK / weight.dim(0)?).max(1);
    let mut all = Vec::with_capacity(n);
    for start in (0..n).step_by(rows_at_once) {
        let rows = rows_at_once.min(n - start);
        let logits = hidden.narrow(0, start, rows)?.contiguous()?.matmul(&weight.t()?)?;
        let logits: Vec<f32> = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let width = logits.len() / rows;
        let targets = &targets[start..start + rows];
        let row = |(row, target): (&[f32], &u32)| {
            if Some(*target) == ignore { 0.0 } else { log_sum(row) - row[*target as usize] as f64 }
        };
        all.par_extend(logits.par_chunks(width).zip(targets).map(row));
    }
    Ok(all)
}

fn log_sum(row: &[f32]) -> f64 {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    largest as f64 + row.iter().map(|x| (x - largest).exp()).sum::<f32>().ln() as f64
}

/// Losses by row and the gradient of their sum by the logits (rows, V).
fn with_gradient(logits: &Tensor, targets: &[u32], ignore: Option<u32>) -> Result<(Vec<f64>, Tensor)> {
    if logits.device().is_cpu() && logits.dtype() == DType::F32 {
        return on_cpu(logits, targets, ignore);
    }
    let device = logits.device();
    let counts: Vec<f32> = targets.iter().map(|target| f32::from(Some(*target) != ignore)).collect();
    let counts = Tensor::from_vec(counts, (targets.len(), 1), device)?.to_dtype(logits.dtype())?;
    let safe: Vec<u32> = targets.iter().map(|target| if Some(*target) == ignore { 0 } else { *target }).collect();
    let indices = Tensor::from_vec(safe, (targets.len(), 1), device)?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let losses = ((&log_sum - shifted.gather(&indices, 1)?)? * &counts)?;
    let probabilities = shifted.broadcast_sub(&log_sum)?.exp()?.broadcast_mul(&counts)?;
    let gradient = probabilities.scatter_add(&indices, &counts.neg()?, 1)?;
    Ok((losses.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?, gradient))
}

fn on_cpu(logits: &Tensor, targets: &[u32], ignore: Option<u32>) -> Result<(Vec<f64>, Tensor)> {
    let (rows, width) = logits.dims2()?;
    let mut values: Vec<f32> = logits.flatten_all()?.to_vec1()?;
    let row = |(row, target): (&mut [f32], &u32)| {
        if Some(*target) == ignore {
            row.fill(0.0);
            return 0.0;
        }
        let right = row[*target as usize];
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|x| *x = (*x - largest).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|x| *x /= sum);
        row[*target as usize] -= 1.0;
        (largest - right) as f64 + (sum as f64).ln()
    };
    let losses = values.par_chunks_mut(width).zip(targets).map(row).collect();
    Ok((losses, Tensor::from_vec(values, (rows, width), logits.device())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{gradients, variable};

    #[test]
    fn gradients_match_finite_differences() {
        let (x, w) = (variable(&[4, 3], 1), variable(&[5, 3], 2));
        // Other than the other layers' checks: the value is a constant plus 0, so it is computed from scratch each time.
        gradients(&[&x, &w], || cross_entropy(&x, &w, &[4, 0, 2, 9], Some(9)).unwrap().sum);
    }

    #[test]
    fn the_quick_path_agrees_with_the_plain_one() {
        let (x, w) = (variable(&[6, 3], 1), variable(&[7, 3], 2));
        let logits = x.matmul(&w.t().unwrap()).unwrap();
        let targets = [1, 6, 0, 3, 3, 2];
        let (slow, slow_gradient) = with_gradient(&logits, &targets, Some(3)).unwrap();
        let (quick, quick_gradient) = on_cpu(&logits.to_dtype(DType::F32).unwrap(), &targets, Some(3)).unwrap();
        let by_row = losses(&x, &w.to_dtype(DType::F64).unwrap(), &targets, Some(3)).unwrap();
        for i in 0..6 {
            assert!((slow[i] - quick[i]).abs() < 1e-5 && (slow[i] - by_row[i]).abs() < 1e-5);
        }
        assert_eq!((quick[3], quick[4]), (0.0, 0.0));
        let difference = (quick_gradient.to_dtype(DType::F64).unwrap() - slow_gradient).unwrap().abs().unwrap();
        assert!(difference.max_all().unwrap().to_scalar::<f64>().unwrap() < 1e-6);
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_vocabulary() {
        let x = Tensor::zeros((2, 3), DType::F32, &candle_core::Device::Cpu).unwrap();
        let w = Tensor::zeros((8, 3), DType::F32, &candle_core::Device::Cpu).unwrap();
        let loss = cross_entropy(&x, &w, &[0, 7], None).unwrap();
        assert!((loss.sum.to_scalar::<f32>().unwrap() - 2.0 * 8f32.ln()).abs() < 1e-6);
        assert_eq!(loss.rows, 2);
    }
}
