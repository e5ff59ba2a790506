//! Dropout whose mask is shared: by all steps of a sequence, or by a whole row of an embedding. As in
//! [`crate::nn::dropout()`] the mask is a function of (key, position), computed again in the backward pass, never stored.
//!
//! The third form of recurrent nets, weight drop (Wan et al. 2013; Merity et al. 2018), is [`crate::nn::dropout()`] of
//! the weight, with a new key in each forward pass.

use crate::error::{Error, Result};
use crate::nn::dropout::{Mask, masked_sum};
use crate::nn::slices;
use crate::random::Key;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

/// `x` (T, B, D) with one mask (1, B, D) for all steps (variational dropout, Gal and Ghahramani 2016). Without a key, or
/// at rate 0, `x` comes back as it is.
pub fn variational_dropout(x: &Tensor, rate: f64, key: Option<Key>) -> Result<Tensor> {
    let Some(mask) = Mask::when(rate, key) else { return Ok(x.clone()) };
    let (_, b, d) = x.dims3()?;
    if slices::are_f32_on_cpu(&[x]) {
        return Ok(x.contiguous()?.apply_op1(Variational { mask, size: b * d })?);
    }
    let factors = (0..b * d).map(|index| mask.factor(index)).collect();
    Ok(x.broadcast_mul(&Tensor::from_vec::<_, f32>(factors, (1, b, d), x.device())?.to_dtype(x.dtype())?)?)
}

/// `x` (…, D), the embeddings of `ids`, with the rows of a share `rate` of the *tokens* set to 0 and the others divided
/// by `1 - rate`: dropout of whole rows of the embedding's matrix, wherever they are looked up (Gal and Ghahramani 2016).
///
/// # Errors
/// Another number of ids than of rows.
pub fn embedding_dropout(x: &Tensor, ids: &[u32], rate: f64, key: Option<Key>) -> Result<Tensor> {
    let Some(mask) = Mask::when(rate, key) else { return Ok(x.clone()) };
    let d = x.dim(candle_core::D::Minus1)?;
    if x.elem_count() != ids.len() * d {
        return Err(Error::Settings(format!("embedding dropout: {:?} for {} ids", x.dims(), ids.len())));
    }
    let factors: Vec<f32> = ids.iter().map(|id| mask.factor(*id as usize)).collect();
    if slices::are_f32_on_cpu(&[x]) {
        return Ok(x.contiguous()?.apply_op1(Rows { factors })?);
    }
    let mut shape = x.dims().to_vec();
    *shape.last_mut().expect("a last axis, as it has a size") = 1;
    Ok(x.broadcast_mul(&Tensor::from_vec(factors, shape, x.device())?.to_dtype(x.dtype())?)?)
}

/// A mask of so many elements, again and again.
struct Variational {
    mask: Mask,
    size: usize,
}

impl Variational {
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        let steps = out.par_chunks_mut(self.size.max(1)).zip(x.par_chunks(self.size.max(1)));
        steps.for_each(|(out, x)| masked_sum(out, x, self.mask, 0));
        out
    }
}

/// A factor for each row.
struct Rows {
    factors: Vec<f32>,
}

impl Rows {
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let width = (x.len() / self.factors.len().max(1)).max(1);
        let rows = x.chunks_exact(width).zip(&self.factors);
        rows.flat_map(|(row, factor)| row.iter().map(move |x| x * factor)).collect()
    }
}

macro_rules! multiplies {
    ($op:ident, $name:literal) => {
        impl CustomOp1 for $op {
            fn name(&self) -> &'static str {
                $name
            }

            fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
                Ok((CpuStorage::F32(self.apply(slices::of(x, layout)?)), layout.shape().clone()))
            }

            fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
                let values = slices::read([gradient], |[gradient]| self.apply(gradient))?;
                Ok(Some(Tensor::from_vec(values, x.shape(), x.device())?))
            }
        }
    };
}
multiplies!(Variational, "variational-dropout");
multiplies!(Rows, "embedding-dropout");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, gradients, normal, scalar, variable};
    use crate::nn::dropout;
    use candle_core::{DType, Device};

    const IDS: [u32; 6] = [0, 4, 4, 1, 0, 2];

    #[test]
    fn agree_with_the_plain_path_which_matches_finite_differences() {
        let key = Some(Key::new(3));
        for (t, b, d) in [(3, 2, 5), (2, 3, 70)] {
            // In f64 the same functions take the plain path.
            let variational = |[x]: [&Tensor; 1]| variational_dropout(x, 0.3, key);
            agree(&[&normal(&[t, b, d], 1)], variational, variational);
            let rows = |[x]: [&Tensor; 1]| embedding_dropout(x, &IDS, 0.3, key);
            agree(&[&normal(&[t, b, d], 1)], rows, rows);
        }
        let x = variable(&[2, 3, 4], 1);
        gradients(&[&x], || scalar(&variational_dropout(&x, 0.3, key).unwrap()));
        gradients(&[&x], || scalar(&embedding_dropout(&x, &IDS, 0.3, key).unwrap()));
    }

    fn ones(shape: (usize, usize, usize)) -> Tensor {
        Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
    }

    #[test]
    fn one_mask_for_all_steps() {
        let out = variational_dropout(&ones((4, 5, 1000)), 0.25, Some(Key::new(1))).unwrap();
        let steps: Vec<Vec<Vec<f32>>> = out.to_vec3().unwrap();
        assert!(steps.iter().all(|step| *step == steps[0]), "all steps alike");
        assert_ne!(steps[0][0], steps[0][1], "sequences of their own");
        let zeros = steps[0].iter().flatten().filter(|value| **value == 0.0).count();
        assert!((1130..1370).contains(&zeros), "{zeros} of 5,000 for a rate of 0.25"); // 1,250 ± 4 · 30.6
        // The first step's mask is that of dropout on it alone.
        let alone = dropout(&ones((1, 5, 1000)), 0.25, Some(Key::new(1))).unwrap();
        assert_eq!(alone.to_vec3::<f32>().unwrap()[0], steps[0]);
    }

    #[test]
    fn a_token_is_dropped_everywhere_or_nowhere() {
        let ids: Vec<u32> = (0..2000).map(|i| i % 1000).collect();
        let out = embedding_dropout(&ones((2, 1000, 3)), &ids, 0.25, Some(Key::new(1))).unwrap();
        let rows: Vec<Vec<f32>> = out.flatten(0, 1).unwrap().to_vec2().unwrap();
        assert_eq!(rows[..1000], rows[1000..]);
        assert!(
            rows.iter().all(|row| row.iter().all(|x| *x == row[0] && (*x == 0.0 || (*x - 4.0 / 3.0).abs() < 1e-6)))
        );
        let zeros = rows[..1000].iter().filter(|row| row[0] == 0.0).count();
        assert!((195..305).contains(&zeros), "{zeros} of 1,000 for a rate of 0.25"); // 250 ± 4 · 13.7
        let message = embedding_dropout(&ones((1, 2, 3)), &ids, 0.25, Some(Key::new(1))).unwrap_err().to_string();
        assert!(message.contains("[1, 2, 3] for 2000 ids"), "{message}");
    }
}
