//! Dropout (Srivastava et al. 2014) on a branch that joins a residual stream, in one pass each way. The mask is a function
//! of (key, position): it is computed again in the backward pass and never stored.

use crate::error::Result;
use crate::nn::fresh::by_chunks;
use crate::nn::vector::{add, vectorised};
use crate::nn::{plain, slices};
use crate::random::Key;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Elements one task handles.
const CHUNK: usize = 1 << 14;

/// Which elements are dropped. One hash decides on four neighbours with 16 bits each, so the rate is a multiple of 2⁻¹⁶.
#[derive(Debug, Clone, Copy)]
pub struct Mask {
    key: Key,
    /// An element is dropped when its 16 bits are below this.
    below: u32,
    /// What the others are multiplied by.
    scale: f32,
}

impl Mask {
    /// Drops a share `rate` (0 or more, below 1) of the elements and divides the others by `1 - rate`.
    pub fn new(key: Key, rate: f64) -> Mask {
        Mask { key, below: (rate * 65536.0).round() as u32, scale: (1.0 / (1.0 - rate)) as f32 }
    }

    /// A mask where something is dropped at all: with a key, and at a rate above 0.
    pub(crate) fn when(rate: f64, key: Option<Key>) -> Option<Mask> {
        key.filter(|_| rate > 0.0).map(|key| Mask::new(key, rate))
    }

    /// What the element at `index` is multiplied by.
    #[inline(always)]
    pub fn factor(&self, index: usize) -> f32 {
        let bits = self.key.bits(index as u64 / 4) >> (16 * (index % 4));
        if (bits & 0xffff) as u32 >= self.below { self.scale } else { 0.0 }
    }

    /// What the elements that stay are multiplied by.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// A bit for each of `count` elements, set where it stays, the lowest bit of a byte first. The bits after them mean
    /// nothing.
    pub fn bytes(&self, count: usize) -> Vec<u8> {
        let four = |number: u64| {
            let bits = self.key.bits(number);
            (0..4).fold(0, |byte, i| byte | u8::from((bits >> (16 * i)) as u32 & 0xffff >= self.below) << i)
        };
        (0..count.div_ceil(8) as u64).into_par_iter().map(|byte| four(2 * byte) | four(2 * byte + 1) << 4).collect()
    }
}

vectorised! {
    /// The factors of the elements from `start` (a multiple of 4) on times `from`, added to what is in `to`.
    pub(crate) fn masked_sum(to: &mut [f32], from: &[f32], mask: Mask, start: usize) {
        for (four, (to, from)) in to.chunks_mut(4).zip(from.chunks(4)).enumerate() {
            let bits = mask.key.bits((start / 4 + four) as u64);
            for (i, (to, from)) in to.iter_mut().zip(from).enumerate() {
                let kept = (bits >> (16 * i)) as u32 & 0xffff >= mask.below;
                *to += from * if kept { mask.scale } else { 0.0 };
            }
        }
    }
}

/// `x` with a share `rate` of the elements set to 0 and the others divided by `1 - rate`. Which ones depends on
/// (key, position) alone; without a key, or at rate 0, `x` comes back as it is.
pub fn dropout(x: &Tensor, rate: f64, key: Option<Key>) -> Result<Tensor> {
    let Some(mask) = Mask::when(rate, key) else { return Ok(x.clone()) };
    if slices::are_f32_on_cpu(&[x]) { Ok(x.contiguous()?.apply_op1(Dropout(mask))?) } else { plain::dropout(x, &mask) }
}

/// `x` + [`dropout`] of `branch`; the shapes are equal.
pub fn residual(x: &Tensor, branch: &Tensor, rate: f64, key: Option<Key>) -> Result<Tensor> {
    if slices::are_f32_on_cpu(&[x, branch]) {
        return Ok(x.contiguous()?.apply_op2(&branch.contiguous()?, Residual(Mask::when(rate, key)))?);
    }
    Ok((x + dropout(branch, rate, key)?)?)
}

/// `x` + `branch`, the latter times the mask.
pub(crate) fn join(x: &[f32], branch: &[f32], mask: Option<Mask>) -> Vec<f32> {
    by_chunks(x.len(), CHUNK, |start, out| {
        let chunk = start..start + out.len();
        out.copy_from_slice(&x[chunk.clone()]);
        match mask {
            Some(mask) => masked_sum(out, &branch[chunk], mask, start),
            None => add(out, &branch[chunk]),
        }
    })
}

/// `x` times the mask.
pub(crate) fn masked(x: &[f32], mask: Mask) -> Vec<f32> {
    by_chunks(x.len(), CHUNK, |start, out| masked_sum(out, &x[start..start + out.len()], mask, start))
}

struct Dropout(Mask);

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(masked(slices::of(x, layout)?, self.0)), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let values = slices::read([gradient], |[gradient]| masked(gradient, self.0))?;
        Ok(Some(Tensor::from_vec(values, x.shape(), x.device())?))
    }
}

struct Residual(Option<Mask>);

impl CustomOp2 for Residual {
    fn name(&self) -> &'static str {
        "residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        branch: &CpuStorage,
        branch_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let out = join(slices::of(x, layout)?, slices::of(branch, branch_layout)?, self.0);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let of_branch = match self.0 {
            None => gradient.clone(),
            Some(mask) => {
                let values = slices::read([gradient], |[gradient]| masked(gradient, mask))?;
                Tensor::from_vec(values, x.shape(), x.device())?
            }
        };
        Ok((Some(gradient.clone()), Some(of_branch)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, normal};
    use candle_core::{DType, Device};

    #[test]
    fn agrees_with_the_plain_path() {
        for shape in [[3, 5, 7], [2, 130, 64]] {
            let (x, y) = (normal(&shape, 1), normal(&shape, 2));
            let mask = Mask::new(Key::new(3), 0.3);
            agree(&[&x], |[x]| dropout(x, 0.3, Some(Key::new(3))), |[x]| plain::dropout(x, &mask));
            let sum = |x: &Tensor, y: &Tensor| Ok((x + plain::dropout(y, &mask)?)?);
            agree(&[&x, &y], |[x, y]| residual(x, y, 0.3, Some(Key::new(3))), |[x, y]| sum(x, y));
            agree(&[&x, &y], |[x, y]| residual(x, y, 0.3, None), |[x, y]| Ok((x + y)?));
        }
    }

    #[test]
    fn drops_its_share_and_repeats() {
        let x = Tensor::ones((100, 100), DType::F32, &Device::Cpu).unwrap();
        let drop =
            |seed| dropout(&x, 0.25, Some(Key::new(seed))).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let zeros = drop(1).iter().filter(|v| **v == 0.0).count();
        assert!((2350..2650).contains(&zeros), "{zeros} of 10,000 for a rate of 0.25");
        assert!(drop(1).iter().all(|v| *v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6));
        assert_eq!(drop(1), drop(1));
        assert_ne!(drop(1), drop(2));
        // Each of the four that share a hash is dropped as often, and two of them as often together as the square says.
        let dropped = drop(1);
        for place in 0..4 {
            let alone = dropped.chunks(4).filter(|four| four[place] == 0.0).count();
            let both = dropped.chunks(4).filter(|four| four[place] == 0.0 && four[(place + 1) % 4] == 0.0).count();
            assert!((550..700).contains(&alone) && (110..205).contains(&both), "{place}: {alone}, {both} of 2,500");
        }
    }
}
