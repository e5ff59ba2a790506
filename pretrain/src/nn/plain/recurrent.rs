//! Recurrent layers as chains of candle operations, a step at a time.

use crate::error::Result;
use crate::nn::lstm::{LstmSettings, LstmState, LstmWeights};
use crate::nn::plain::linear;
use crate::nn::qrnn::QrnnState;
use crate::precision::Precision::F32;
use candle_core::{D, Tensor};
use candle_nn::ops::sigmoid;

/// See [`crate::nn::lstm()`].
pub fn lstm(
    x: &Tensor,
    weights: &LstmWeights,
    state: &LstmState,
    settings: LstmSettings,
) -> Result<(Tensor, LstmState)> {
    let LstmWeights { weight_ih, weight_hh, bias_ih, bias_hh, weight_hr } = *weights;
    let joined = linear(x, weight_ih, F32)?.broadcast_add(&(bias_ih + bias_hh)?)?;
    let t = x.dim(0)?;
    let (mut hidden, mut cell) = (state.hidden.detach(), state.cell.detach());
    let mut all = Vec::with_capacity(t);
    for step in 0..t {
        let now = if settings.reverse { t - 1 - step } else { step };
        let gates = (joined.get(now)? + linear(&hidden, weight_hh, F32)?)?.chunk(4, D::Minus1)?;
        let [i, f, o] = [sigmoid(&gates[0])?, sigmoid(&gates[1])?, sigmoid(&gates[3])?];
        cell = clip(&((f * &cell)? + (i * gates[2].tanh()?)?)?, settings.cell_clip)?;
        hidden = (o * cell.tanh()?)?;
        if let Some(weight_hr) = weight_hr {
            hidden = clip(&linear(&hidden, weight_hr, F32)?, settings.projection_clip)?;
        }
        all.push(hidden.clone());
    }
    if settings.reverse {
        all.reverse();
    }
    Ok((Tensor::stack(&all, 0)?, LstmState { hidden: hidden.detach(), cell: cell.detach() }))
}

/// `x` cut to `most`; what was cut passes no gradient on.
fn clip(x: &Tensor, most: Option<f64>) -> Result<Tensor> {
    let Some(most) = most else { return Ok(x.clone()) };
    let inside = x.detach().abs()?.lt(most)?;
    Ok(inside.where_cond(x, &x.detach().clamp(-most, most)?)?)
}

/// See [`crate::nn::qrnn()`]; gives the cells after the last step too.
pub fn qrnn(x: &Tensor, weight: &Tensor, bias: &Tensor, state: &QrnnState) -> Result<(Tensor, Tensor)> {
    let t = x.dim(0)?;
    let source = match &state.input {
        None => x.clone(),
        Some(first) => {
            let before = Tensor::cat(&[&first.unsqueeze(0)?, &x.narrow(0, 0, t - 1)?], 0)?;
            Tensor::cat(&[x, &before], D::Minus1)?
        }
    };
    let gates = linear(&source, weight, F32)?.broadcast_add(bias)?.chunk(3, D::Minus1)?;
    let [z, f, o] = [gates[0].tanh()?, sigmoid(&gates[1].contiguous()?)?, sigmoid(&gates[2].contiguous()?)?];
    let mut cell = state.cell.clone();
    let mut all = Vec::with_capacity(t);
    for now in 0..t {
        let f = f.get(now)?;
        cell = ((&f * z.get(now)?)? + ((1.0 - &f)? * &cell)?)?;
        all.push(cell.clone());
    }
    Ok(((o * Tensor::stack(&all, 0)?)?, cell.detach()))
}
