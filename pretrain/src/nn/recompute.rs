//! A block of layers that keeps its input alone and runs again in the backward pass (Chen et al. 2016, "Training deep nets
//! with sublinear memory cost"): a model of many blocks then holds the activations of one.

use crate::error::Result;
use crate::nn::backward;
use crate::nn::kept::Kept;
use crate::nn::weights::{Place, chain};
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, DType, Error, Layout, Shape, Storage, Tensor, Var, bail,
};

/// `block` of `x` and `weights`, which gives the same each time it is called with the same. Values and gradients are
/// those of the block itself, to the bit.
pub fn recompute(
    x: &Tensor,
    weights: &[&Tensor],
    block: impl Fn(&Tensor, &[&Tensor]) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    let detached: Vec<Tensor> = weights.iter().map(|weight| weight.detach()).collect();
    let out = block(&x.detach(), &detached.iter().collect::<Vec<_>>())?;
    if !weights.iter().any(|weight| weight.track_op()) && !x.track_op() {
        return Ok(out);
    }
    let (gradients, sign) = chain(weights)?;
    let weights = weights.iter().map(|&weight| weight.clone()).collect();
    let op = Recomputed { weights, gradients, block: Box::new(block), out: Kept::nothing() };
    op.out.keep(out.contiguous()?);
    Ok(x.apply_op2(&sign, op)?)
}

type Block = dyn Fn(&Tensor, &[&Tensor]) -> Result<Tensor> + Send + Sync;

struct Recomputed {
    weights: Vec<Tensor>,
    gradients: Place,
    block: Box<Block>,
    /// What the block gave, until candle asks for it.
    out: Kept<Tensor>,
}

const NAME: &str = "recomputed block";

impl CustomOp2 for Recomputed {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let out = self.out.take(NAME)?;
        let (storage, layout) = out.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { bail!("{NAME}: its result is on another device") };
        Ok((storage.try_clone(layout)?, out.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        let out = self.out.take(NAME)?;
        let (storage, layout) = out.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else { bail!("{NAME}: its result is on another device") };
        Ok((storage.try_clone(layout)?, out.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        sign: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let input = Var::from_tensor(&x.detach())?;
        // Variables stand for themselves; what is computed from variables becomes one, where the pass below ends.
        let leaf = |weight: &Tensor| match weight.track_op() && !weight.is_variable() {
            true => Ok(Var::from_tensor(&weight.detach())?.into_inner()),
            false => Ok(weight.clone()),
        };
        let leaves: Vec<Tensor> = self.weights.iter().map(leaf).collect::<candle_core::Result<_>>()?;
        let out = (self.block)(&input, &leaves.iter().collect::<Vec<_>>()).map_err(Error::wrap)?;
        let mut store = out.apply_op1(Begin(gradient.clone()))?.backward()?;
        drop(out);
        for (number, (weight, leaf)) in self.weights.iter().zip(&leaves).enumerate() {
            // What was handed over for a variable is where it belongs.
            let handed_over = if leaf.is_variable() && !weight.is_variable() { backward::take(leaf)? } else { None };
            let sum = match (store.remove(leaf), handed_over) {
                (Some(one), Some(other)) => Some((one + other)?),
                (one, other) => one.or(other),
            };
            if let Some(gradient) = sum {
                self.gradients.leave(number, gradient);
            }
        }
        Ok((store.remove(&input), Some(sign.zeros_like()?)))
    }
}

/// A number whose gradient by its input is a given one: where a backward pass begins in the middle of a graph.
struct Begin(Tensor);

impl CustomOp1 for Begin {
    fn name(&self) -> &'static str {
        "begin"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn cuda_fwd(&self, storage: &CudaStorage, _: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        let number = Shape::from(());
        Ok((storage.device().zeros_impl(&number, DType::F32)?, number))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, gradients, scalar, variable};
    use crate::nn::{linear, residual, rms_norm};
    use crate::precision::Precision;
    use crate::random::Key;

    /// Uses its input twice, drops, and has a weight of each kind.
    fn block(x: &Tensor, weights: &[&Tensor]) -> Result<Tensor> {
        let [norm, map] = weights else { panic!("two weights") };
        residual(x, &linear(&rms_norm(x, norm, 1e-5)?, map, Precision::F32)?, 0.3, Some(Key::new(7)))
    }

    /// A block on a block; the second's map is computed from a variable.
    fn twice([x, norm, map]: [&Tensor; 3]) -> Result<Tensor> {
        let x = recompute(x, &[norm, map], block)?;
        recompute(&x, &[norm, &(map * 0.5)?], block)
    }

    fn plainly([x, norm, map]: [&Tensor; 3]) -> Result<Tensor> {
        block(&block(x, &[norm, map])?, &[norm, &(map * 0.5)?])
    }

    #[test]
    fn gradients_match_finite_differences_and_the_block_itself() {
        let (x, norm, map) = (variable(&[2, 3, 4], 1), variable(&[4], 2), variable(&[4, 4], 3));
        gradients(&[&x, &norm, &map], || scalar(&twice([&x, &norm, &map]).unwrap()));
        let inputs = [&x, &norm, &map].map(|var| var.to_dtype(DType::F32).unwrap());
        agree(&inputs.each_ref(), twice, plainly);
    }

    #[test]
    fn gradients_that_are_handed_over_reach_their_variables() {
        let var =
            |shape: &[usize], seed| Var::from_tensor(&variable(shape, seed).to_dtype(DType::F32).unwrap()).unwrap();
        let vars = [var(&[2, 3, 4], 1), var(&[4], 2), var(&[4, 4], 3)];
        let run = |layers: fn([&Tensor; 3]) -> Result<Tensor>| {
            let out = layers(std::array::from_fn(|i| vars[i].as_tensor())).unwrap();
            let store = backward::backward(&out.sqr().unwrap().sum_all().unwrap()).unwrap();
            vars.each_ref().map(|var| store.get(var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap())
        };
        for (found, expected) in run(twice).iter().zip(run(plainly)) {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + b.abs())));
        }
    }

    #[test]
    fn without_variables_nothing_is_kept() {
        let [x, norm, map] = [&[2, 3, 4][..], &[4], &[4, 4]].map(|shape| variable(shape, 1).detach());
        assert!(!recompute(&x, &[&norm, &map], block).unwrap().track_op());
    }
}
