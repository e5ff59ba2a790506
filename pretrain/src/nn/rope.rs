//! Rotary positions (Su et al. 2021) in the half-rotating layout of Hugging Face's Llama.

use crate::error::Result;
use candle_core::{D, DType, Device, Tensor};

/// Tables of cosines and sines for positions 0..T.
#[derive(Debug, Clone)]
pub struct Rope {
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// Tables (T, K) for `length` positions and heads of `width` K (even); angle of pair i at position t: t · theta^(-2i/K).
    pub fn new(length: usize, width: usize, theta: f64, dtype: DType, device: &Device) -> Result<Rope> {
        let half = width / 2;
        let angle = |t: usize, k: usize| t as f64 * theta.powf(-2.0 * (k % half) as f64 / width as f64);
        let table = |f: fn(f64) -> f64| -> Result<Tensor> {
            let values: Vec<f32> = (0..length * width).map(|i| f(angle(i / width, i % width)) as f32).collect();
            Ok(Tensor::from_vec(values, (length, width), device)?.to_dtype(dtype)?)
        };
        Ok(Rope { cos: table(f64::cos)?, sin: table(f64::sin)? })
    }

    /// Rotates `x` (B, H, T, K): the first half of K turns with the second.
    pub fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, t, k) = x.dims4()?;
        let (cos, sin) = (self.cos.narrow(0, 0, t)?, self.sin.narrow(0, 0, t)?);
        let (first, second) = (x.narrow(D::Minus1, 0, k / 2)?, x.narrow(D::Minus1, k / 2, k / 2)?);
        let turned = Tensor::cat(&[&second.neg()?, &first], D::Minus1)?;
        Ok((x.broadcast_mul(&cos)? + turned.broadcast_mul(&sin)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{gradients, scalar, variable};

    #[test]
    fn gradient_matches_and_angles_are_relative() {
        let rope = Rope::new(6, 4, 100.0, DType::F64, &Device::Cpu).unwrap();
        let x = variable(&[1, 2, 3, 4], 1);
        gradients(&[&x], || scalar(&rope.rotate(&x).unwrap()));
        // The product of one vector at t with another at s depends on t - s only.
        let row = |seed| variable(&[1, 1, 1, 4], seed).repeat((1, 1, 6, 1)).unwrap();
        let (q, k) = (rope.rotate(&row(2)).unwrap(), rope.rotate(&row(3)).unwrap());
        let scores: Vec<Vec<f64>> =
            q.matmul(&k.t().unwrap()).unwrap().squeeze(0).unwrap().squeeze(0).unwrap().to_vec2().unwrap();
        assert!((scores[1][0] - scores[5][4]).abs() < 1e-6);
        assert!((scores[1][0] - scores[0][1]).abs() > 1e-3);
    }
}
