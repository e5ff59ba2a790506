//! Rotary positions (Su et al. 2021) in the half-rotating layout of Hugging Face's Llama.

use crate::error::Result;
use crate::nn::vector::vectorised;
use candle_core::{DType, Device, Tensor};
use std::sync::Arc;

/// Tables of cosines and sines for positions 0..T.
#[derive(Debug, Clone)]
pub struct Rope {
    half: usize,
    /// (T, K / 2).
    cos: Arc<Vec<f32>>,
    /// (T, K / 2).
    sin: Arc<Vec<f32>>,
}

impl Rope {
    /// Tables for `length` positions and heads of `width` K (even); angle of pair i at position t: t · theta^(-2i/K).
    pub fn new(length: usize, width: usize, theta: f64) -> Rope {
        let half = width / 2;
        let angle = |i: usize| (i / half) as f64 * theta.powf(-2.0 * (i % half) as f64 / width as f64);
        let table = |f: fn(f64) -> f64| Arc::new((0..length * half).map(|i| f(angle(i)) as f32).collect());
        Rope { half, cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// The tables of the first `t` positions as tensors (T, K), both halves of K alike.
    pub fn tables(&self, t: usize, dtype: DType, device: &Device) -> Result<(Tensor, Tensor)> {
        let table = |values: &[f32]| -> Result<Tensor> {
            let half = Tensor::from_slice(&values[..t * self.half], (t, self.half), device)?.to_dtype(dtype)?;
            Ok(Tensor::cat(&[&half, &half], 1)?)
        };
        Ok((table(&self.cos)?, table(&self.sin)?))
    }

    /// Writes `from` (K), a row at `position`, rotated and times `factor` to `to`.
    pub(crate) fn rotate(&self, from: &[f32], to: &mut [f32], position: usize, factor: f32) {
        let at = position * self.half..(position + 1) * self.half;
        turn(from, to, &self.cos[at.clone()], &self.sin[at], factor, factor);
    }

    /// The same with the angle reversed: the gradient of [`Rope::rotate`].
    pub(crate) fn rotate_back(&self, from: &[f32], to: &mut [f32], position: usize, factor: f32) {
        let at = position * self.half..(position + 1) * self.half;
        turn(from, to, &self.cos[at.clone()], &self.sin[at], factor, -factor);
    }
}

vectorised! {
    fn turn(from: &[f32], to: &mut [f32], cos: &[f32], sin: &[f32], of_cos: f32, of_sin: f32) {
        let (a, b) = from.split_at(cos.len());
        let (to_a, to_b) = to.split_at_mut(cos.len());
        for i in 0..cos.len().min(sin.len()).min(a.len()).min(b.len()).min(to_a.len()).min(to_b.len()) {
            let (cos, sin) = (of_cos * cos[i], of_sin * sin[i]);
            to_a[i] = a[i] * cos - b[i] * sin;
            to_b[i] = b[i] * cos + a[i] * sin;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::variable;
    use crate::nn::plain;
    use crate::random::Key;

    #[test]
    fn angles_are_relative() {
        let rope = Rope::new(6, 4, 100.0);
        // The product of one vector at t with another at s depends on t - s only.
        let row = |seed| variable(&[1, 1, 1, 4], seed).repeat((1, 1, 6, 1)).unwrap();
        let (q, k) = (plain::rotate(&row(2), &rope).unwrap(), plain::rotate(&row(3), &rope).unwrap());
        let scores: Vec<Vec<f64>> =
            q.matmul(&k.t().unwrap()).unwrap().squeeze(0).unwrap().squeeze(0).unwrap().to_vec2().unwrap();
        assert!((scores[1][0] - scores[5][4]).abs() < 1e-6);
        assert!((scores[1][0] - scores[0][1]).abs() > 1e-3);
    }

    #[test]
    fn rows_turn_as_the_plain_ones_and_back() {
        let (t, k) = (5, 6);
        let (rope, values) = (Rope::new(t, k, 100.0), Key::new(1).normals(t * k, 1.0));
        let tensor = Tensor::from_slice(&values, (1, 1, t, k), &Device::Cpu).unwrap();
        let expected: Vec<f32> = plain::rotate(&tensor, &rope).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let (mut turned, mut back) = (vec![0.0; k], vec![0.0; k]);
        for position in 0..t {
            let row = position * k..(position + 1) * k;
            rope.rotate(&values[row.clone()], &mut turned, position, 2.0);
            rope.rotate_back(&turned, &mut back, position, 0.5);
            for i in 0..k {
                assert!((turned[i] - 2.0 * expected[row.start + i]).abs() < 1e-5);
                assert!((back[i] - values[row.start + i]).abs() < 1e-5);
            }
        }
    }
}
