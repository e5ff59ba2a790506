//! Linear map, embedding, RMS norm, SwiGLU and dropout.

use crate::error::Result;
use crate::random::Key;
use candle_core::{D, Tensor};
use rayon::prelude::*;

/// `x` (…, I) times `weight` (O, I) transposed: (…, O). No bias.
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let width = weight.dim(1)?;
    let rows = x.elem_count() / width;
    let mut shape = x.dims().to_vec();
    *shape.last_mut().expect("a linear map is applied to a tensor with axes") = weight.dim(0)?;
    Ok(x.reshape((rows, width))?.matmul(&weight.t()?)?.reshape(shape)?)
}

/// Rows of `weight` (V, D) by `ids` (B, T) u32: (B, T, D).
pub fn embedding(ids: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (b, t) = ids.dims2()?;
    Ok(weight.index_select(&ids.flatten_all()?, 0)?.reshape((b, t, weight.dim(1)?))?)
}

/// `x / √(mean(x²) + epsilon) · weight` over the last axis (Zhang and Sennrich 2019); `weight` (D).
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
    Ok(x.broadcast_div(&scale)?.broadcast_mul(weight)?)
}

/// `silu(gate) · up` (Shazeer 2020); the shapes are equal.
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    Ok((gate.silu()? * up)?)
}

/// Sets a share `rate` of the elements to 0 and divides the others by `1 - rate`.
/// Which ones depends on (key, position) alone; without a key, or at rate 0, `x` comes back as it is.
pub fn dropout(x: &Tensor, rate: f64, key: Option<Key>) -> Result<Tensor> {
    let Some(key) = key.filter(|_| rate > 0.0) else { return Ok(x.clone()) };
    let scale = (1.0 / (1.0 - rate)) as f32;
    let kept = |index: usize| if key.uniform(index as u64) < rate { 0.0 } else { scale };
    let mask: Vec<f32> = (0..x.elem_count()).into_par_iter().map(kept).collect();
    let mask = Tensor::from_vec(mask, x.shape(), x.device())?.to_dtype(x.dtype())?;
    Ok((x * mask)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{gradients, scalar, variable};
    use candle_core::{DType, Device, Module};

    #[test]
    fn gradients_match_finite_differences() {
        let (x, w) = (variable(&[2, 3, 4], 1), variable(&[5, 4], 2));
        gradients(&[&x, &w], || scalar(&linear(&x, &w).unwrap()));
        let ids = Tensor::new(&[[0u32, 4, 4], [1, 0, 2]], &Device::Cpu).unwrap();
        gradients(&[&w], || scalar(&embedding(&ids, &w).unwrap()));
        let g = variable(&[4], 3);
        gradients(&[&x, &g], || scalar(&rms_norm(&x, &g, 1e-5).unwrap()));
        let y = variable(&[2, 3, 4], 4);
        gradients(&[&x, &y], || scalar(&swiglu(&x, &y).unwrap()));
        gradients(&[&x], || scalar(&dropout(&x, 0.3, Some(Key::new(1))).unwrap()));
    }

    #[test]
    fn norm_by_hand() {
        let x = Tensor::new(&[[3f64, 4.0]], &Device::Cpu).unwrap(); // mean of squares 12.5
        let w = Tensor::new(&[1f64, 2.0], &Device::Cpu).unwrap();
        let y: Vec<Vec<f64>> = rms_norm(&x, &w, 0.0).unwrap().to_vec2().unwrap();
        assert!((y[0][0] - 3.0 / 12.5f64.sqrt()).abs() < 1e-12 && (y[0][1] - 8.0 / 12.5f64.sqrt()).abs() < 1e-12);
    }

    /// Why this crate has its own norm: candle's loses what lies below it, and nothing says so.
    #[test]
    fn the_gradient_passes_our_norm_and_is_lost_in_candles() {
        let x = variable(&[2, 4], 1).to_dtype(DType::F32).unwrap();
        let below = candle_core::Var::from_tensor(&x).unwrap();
        let w = candle_core::Var::from_tensor(&Tensor::ones(4, DType::F32, &Device::Cpu).unwrap()).unwrap();
        let theirs = candle_nn::RmsNorm::new(w.as_tensor().clone(), 1e-5).forward(&below).unwrap();
        let ours = rms_norm(&below, &w, 1e-5).unwrap();
        let difference = (&theirs - &ours).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(difference < 1e-6, "the same values");
        let lost = theirs.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        assert!(lost.get(&below).is_none() && lost.get(&w).is_none(), "candle has learned to differentiate it");
        let kept = ours.powf(3.0).unwrap().sum_all().unwrap().backward().unwrap();
        assert!(kept.get(&below).is_some() && kept.get(&w).is_some());
    }

    #[test]
    fn dropout_drops_its_share_and_repeats() {
        let x = Tensor::ones((100, 100), DType::F32, &Device::Cpu).unwrap();
        let drop =
            |seed| dropout(&x, 0.25, Some(Key::new(seed))).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let zeros = drop(1).iter().filter(|v| **v == 0.0).count();
        assert!((2350..2650).contains(&zeros), "{zeros} of 10,000 for a rate of 0.25");
        assert!(drop(1).iter().all(|v| *v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6));
        assert_eq!(drop(1), drop(1));
        assert_ne!(drop(1), drop(2));
    }
}
