//! Causal multi-head attention (Vaswani et al. 2017).

use crate::error::Result;
use candle_core::{D, DType, Device, Tensor};

/// (T, T): 0 where the column is not after the row, a large negative number where it is.
pub fn causal_mask(t: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    let values: Vec<f32> = (0..t * t).map(|i| if i % t > i / t { -1e30 } else { 0.0 }).collect();
    Ok(Tensor::from_vec(values, (t, t), device)?.to_dtype(dtype)?)
}

/// `softmax(q kᵀ / √K + mask) v`: q, k, v (B, H, T, K), `mask` (T, T) as [`causal_mask`] makes it; gives (B, H, T, K).
pub fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let width = q.dim(D::Minus1)? as f64;
    let q = (q * width.powf(-0.5))?.contiguous()?;
    let scores = q.matmul(&k.t()?.contiguous()?)?.broadcast_add(mask)?;
    // The largest score is taken off as a constant: the softmax does not depend on it, so its gradient is not needed.
    let largest = scores.detach().max_keepdim(D::Minus1)?;
    let powers = scores.broadcast_sub(&largest)?.exp()?;
    let weights = powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?;
    Ok(weights.matmul(&v.contiguous()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{gradients, scalar, variable};

    #[test]
    fn gradients_match_finite_differences() {
        let (q, k, v) = (variable(&[2, 2, 3, 4], 1), variable(&[2, 2, 3, 4], 2), variable(&[2, 2, 3, 4], 3));
        let mask = causal_mask(3, DType::F64, &Device::Cpu).unwrap();
        gradients(&[&q, &k, &v], || scalar(&causal_attention(&q, &k, &v, &mask).unwrap()));
    }

    #[test]
    fn nothing_is_seen_before_its_time() {
        let (q, k, v) = (variable(&[1, 1, 4, 2], 1), variable(&[1, 1, 4, 2], 2), variable(&[1, 1, 4, 2], 3));
        let mask = causal_mask(4, DType::F64, &Device::Cpu).unwrap();
        let out =
            |v: &Tensor| causal_attention(&q, &k, v, &mask).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let changed =
            Tensor::cat(&[&v.narrow(2, 0, 3).unwrap(), &(v.narrow(2, 3, 1).unwrap() + 9.0).unwrap()], 2).unwrap();
        let (a, b) = (out(&v), out(&changed));
        assert_eq!(a[..6], b[..6]);
        assert_ne!(a[6..], b[6..]);
        let first: Vec<f64> = v.narrow(2, 0, 1).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(a[..2], first); // the first token sees itself alone
    }
}
