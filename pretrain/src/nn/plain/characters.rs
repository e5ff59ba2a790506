//! The layers over a word's characters as chains of candle operations.

use crate::error::Result;
use crate::nn::plain::linear;
use crate::precision::Precision::F32;
use candle_core::{D, Tensor};
use candle_nn::ops::sigmoid;

/// See [`crate::nn::char_cnn::char_convolution`].
pub fn char_convolution(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let ((_, c, _), (f, e, width)) = (x.dims3()?, weight.dims3()?);
    let windows: Vec<Tensor> =
        (0..width).map(|place| x.narrow(1, place, c + 1 - width)).collect::<candle_core::Result<_>>()?;
    let weight = weight.transpose(1, 2)?.contiguous()?.reshape((f, width * e))?;
    let values = linear(&Tensor::cat(&windows, D::Minus1)?, &weight, F32)?.broadcast_add(bias)?;
    Ok(values.relu()?.max(1)?)
}

/// See [`crate::nn::char_cnn::highway`].
pub fn highway(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let both = linear(x, weight, F32)?.broadcast_add(bias)?.chunk(2, D::Minus1)?;
    let (transform, carry) = (both[0].relu()?, sigmoid(&both[1].contiguous()?)?);
    Ok(((&carry * (transform - x)?)? + x)?)
}
