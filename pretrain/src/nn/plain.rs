//! Every layer as a chain of candle operations: the path for other types and devices, and the reference the fused
//! operations are checked against. Slow, and differentiable as it stands.
//!
//! In [`Precision::Bf16`] the factors of a product are rounded to bfloat16, its sums are f32, and its result is rounded to
//! bfloat16 once more before it is f32 again, as everything between products. Gradients go the same way back: what reaches
//! a weight is f32.

mod characters;
mod recurrent;

pub use characters::{char_convolution, highway};
pub use recurrent::{lstm, qrnn};

use crate::error::Result;
use crate::nn::dropout::Mask;
use crate::nn::heads::Heads;
use crate::nn::lookup::lookup;
use crate::nn::rope::Rope;
use crate::nn::seen::Seen;
use crate::precision::Precision;
use candle_core::{D, DType, Device, Tensor};

/// A factor of a product in this precision. Only f32 is rounded: in f64 everything is computed as it is written.
fn factor(x: &Tensor, precision: Precision) -> Result<Tensor> {
    let rounded = precision == Precision::Bf16 && x.dtype() == DType::F32;
    Ok(if rounded { x.to_dtype(DType::BF16)? } else { x.clone() })
}

/// The matrix product of `a` and `b`, or of `b` transposed, in the type of `a`.
fn product(a: &Tensor, b: &Tensor, transposed: bool, precision: Precision) -> Result<Tensor> {
    let (left, right) = (factor(a, precision)?, factor(b, precision)?);
    let right = if transposed { right.t()? } else { right };
    Ok(left.matmul(&right)?.to_dtype(a.dtype())?)
}

/// `x` (…, I) times `weight` (O, I) transposed.
pub fn linear(x: &Tensor, weight: &Tensor, precision: Precision) -> Result<Tensor> {
    let width = weight.dim(1)?;
    let rows = x.elem_count() / width;
    let mut shape = x.dims().to_vec();
    *shape.last_mut().expect("a linear map is applied to a tensor with axes") = weight.dim(0)?;
    Ok(product(&x.reshape((rows, width))?, weight, true, precision)?.reshape(shape)?)
}

/// `x` (…, I) times `weight` (I, O), plus `bias` (O).
pub fn affine(x: &Tensor, weight: &Tensor, bias: &Tensor, precision: Precision) -> Result<Tensor> {
    Ok(linear(x, &weight.t()?, precision)?.broadcast_add(bias)?)
}

/// `x` (…, I) times `weight` (O, I) transposed, plus `bias` (O).
pub fn linear_with_bias(x: &Tensor, weight: &Tensor, bias: &Tensor, precision: Precision) -> Result<Tensor> {
    Ok(linear(x, weight, precision)?.broadcast_add(bias)?)
}

/// Rows of `weight` (V, D) by `ids` (B, T).
pub fn embedding(ids: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (b, t) = ids.dims2()?;
    Ok(lookup(weight, &ids.flatten_all()?)?.reshape((b, t, weight.dim(1)?))?)
}

/// `x / √(mean(x²) + epsilon) · weight` over the last axis.
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
    Ok(x.broadcast_div(&scale)?.broadcast_mul(weight)?)
}

/// `(x - mean) / √(variance + epsilon) · weight + bias` over the last axis.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    let around = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = (around.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
    Ok(around.broadcast_div(&deviation)?.broadcast_mul(weight)?.broadcast_add(bias)?)
}

/// `x` (B, T, D) plus the first T rows of `table`.
pub fn add_positions(x: &Tensor, table: &Tensor) -> Result<Tensor> {
    Ok(x.broadcast_add(&table.narrow(0, 0, x.dim(1)?)?)?)
}

/// The Gaussian error linear unit by its hyperbolic tangent.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    Ok(x.gelu()?)
}

/// The Gaussian error linear unit by the error function.
pub fn exact_gelu(x: &Tensor) -> Result<Tensor> {
    Ok((x * (((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)? * 0.5)?)?)
}

/// The square of the rectified linear unit.
pub fn relu_squared(x: &Tensor) -> Result<Tensor> {
    Ok(x.relu()?.sqr()?)
}

/// `silu(gate) · up` of `x` (…, 2F), gate before up.
pub fn swiglu(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)? / 2;
    Ok((x.narrow(D::Minus1, 0, width)?.silu()? * x.narrow(D::Minus1, width, width)?)?)
}

/// `x` times the mask's factors. The mask is a function of integers that candle has no operations for, so it is made in
/// main memory; to the device goes a bit an element, which there are unpacked by a table of every byte's eight factors.
pub fn dropout(x: &Tensor, mask: &Mask) -> Result<Tensor> {
    let (count, device) = (x.elem_count(), x.device());
    let bytes = Tensor::from_vec(mask.bytes(count), count.div_ceil(8), device)?.to_dtype(DType::U32)?;
    let table: Vec<f32> =
        (0..256 * 8).map(|i| if ((i / 8) >> (i % 8)) & 1 == 1 { mask.scale() } else { 0.0 }).collect();
    let table = Tensor::from_vec(table, (256, 8), device)?.to_dtype(x.dtype())?;
    let factors = table.index_select(&bytes, 0)?.flatten_all()?.narrow(0, 0, count)?.reshape(x.shape())?;
    Ok((x * factors)?)
}

/// Rotates `x` (B, H, T, K): the first half of K turns with the second.
pub fn rotate(x: &Tensor, rope: &Rope) -> Result<Tensor> {
    rotate_after(0, x, rope)
}

/// The same for tokens that come after `before` others.
pub fn rotate_after(before: usize, x: &Tensor, rope: &Rope) -> Result<Tensor> {
    let (_, _, t, k) = x.dims4()?;
    let (cos, sin) = rope.tables(before + t, x.dtype(), x.device())?;
    let (cos, sin) = (cos.narrow(0, before, t)?, sin.narrow(0, before, t)?);
    let (first, second) = (x.narrow(D::Minus1, 0, k / 2)?, x.narrow(D::Minus1, k / 2, k / 2)?);
    let turned = Tensor::cat(&[&second.neg()?, &first], D::Minus1)?;
    Ok((x.broadcast_mul(&cos)? + turned.broadcast_mul(&sin)?)?)
}

/// (B, 1, T, T): 0 where the query of the row sees the key of the column, a large negative number where it does not.
fn unseen(seen: &Seen, (b, t): (usize, usize), dtype: DType, device: &Device) -> Result<Tensor> {
    seen.check(b, t)?;
    let row = |at: usize| {
        let keys = seen.keys(at / t, at % t, t);
        (0..t).map(move |key| if keys.contains(&key) { 0.0f32 } else { -1e30 })
    };
    let values: Vec<f32> = (0..b * t).flat_map(row).collect();
    Ok(Tensor::from_vec(values, (b, 1, t, t), device)?.to_dtype(dtype)?)
}

/// `softmax(q kᵀ / √K + mask) v`; `joined` (B, T, (H + 2G) · K) holds q, k and v side by side, head by head. With `norms`
/// (weights of queries' and of keys' and what is added to the mean square) each query and key is normed; then it is
/// rotated where `heads` has rotary positions. Gives (B, T, H · K).
pub fn attention(
    joined: &Tensor,
    heads: &Heads,
    seen: &Seen,
    norms: Option<([&Tensor; 2], f64)>,
    precision: Precision,
) -> Result<Tensor> {
    let (b, t, width) = joined.dims3()?;
    let (h, g, k) = (heads.queries, heads.keys, heads.width(width));
    let split = |first: usize, count: usize| -> Result<Tensor> {
        let part = joined.narrow(D::Minus1, first * k, count * k)?.contiguous()?.reshape((b, t, count, k))?;
        Ok(part.transpose(1, 2)?.contiguous()?) // (B, H or G, T, K)
    };
    let prepared = |part: Tensor, which: usize| -> Result<Tensor> {
        let part = match norms {
            Some((weights, epsilon)) => rms_norm(&part, weights[which], epsilon)?,
            None => part,
        };
        heads.rope.as_ref().map_or(Ok(part.clone()), |rope| rotate(&part, rope))
    };
    let shared = |part: Tensor| -> Result<Tensor> {
        let (g, h) = (heads.keys, heads.queries);
        Ok(part.unsqueeze(2)?.broadcast_as((b, g, h / g, t, k))?.contiguous()?.reshape((b, h, t, k))?)
    };
    let q = (prepared(split(0, h)?, 0)? * (k as f64).powf(-0.5))?;
    let scores = product(&q, &shared(prepared(split(h, g)?, 1)?)?, true, precision)?; // (B, H, T, T)
    let scores = scores.broadcast_add(&unseen(seen, (b, t), joined.dtype(), joined.device())?)?;
    // The largest score is taken off as a constant: the softmax does not depend on it, so its gradient is not needed.
    let largest = scores.detach().max_keepdim(D::Minus1)?;
    let powers = scores.broadcast_sub(&largest)?.exp()?;
    let weights = powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?;
    let attended = product(&weights, &shared(split(h + g, g)?)?, false, precision)?; // (B, H, T, K)
    Ok(attended.transpose(1, 2)?.contiguous()?.reshape((b, t, h * k))?)
}

/// Logits held at once by [`cross_entropy`] and [`losses`], in numbers.
pub(crate) const CHUNK: usize = 1 << 24;

/// Summed cross-entropy, a scalar; see [`crate::nn::cross_entropy::smoothed_cross_entropy`].
pub fn cross_entropy(
    hidden: &Tensor,
    head: (&Tensor, Option<&Tensor>),
    targets: &[u32],
    ignore: Option<u32>,
    smoothing: f64,
    precision: Precision,
) -> Result<Tensor> {
    let (weight, bias) = head;
    let (fixed, fixed_weight) = (hidden.detach(), weight.detach());
    let (mut total, mut of_hidden, mut of_weight) = (0.0, Vec::new(), weight.zeros_like()?.detach());
    let mut of_bias = bias.map(|bias| bias.detach().zeros_like()).transpose()?;
    let rows_at_once = (CHUNK / weight.dim(0)?).max(1);
    for (number, targets) in targets.chunks(rows_at_once).enumerate() {
        let x = fixed.narrow(0, number * rows_at_once, targets.len())?.contiguous()?;
        let (losses, of_logits) = with_gradient(&logits(&x, head, precision)?, targets, ignore, smoothing)?;
        total += losses.iter().sum::<f64>();
        of_hidden.push(product(&of_logits, &fixed_weight, false, precision)?);
        of_weight = (of_weight + product(&of_logits.t()?, &x, false, precision)?)?;
        of_bias = of_bias.map(|of_bias| of_bias + of_logits.sum(0)?).transpose()?;
    }
    // A carrier whose value is 0 and whose gradient is the one computed above.
    let mut carrier = (hidden * Tensor::cat(&of_hidden, 0)?)?.sum_all()?;
    carrier = (carrier + (weight * of_weight)?.sum_all()?)?;
    if let Some((bias, of_bias)) = bias.zip(of_bias) {
        carrier = (carrier + (bias * of_bias)?.sum_all()?)?;
    }
    Ok(((&carrier - carrier.detach())? + total)?)
}

/// The logits (rows, V) of `x` (rows, D), without a graph.
fn logits(x: &Tensor, (weight, bias): (&Tensor, Option<&Tensor>), precision: Precision) -> Result<Tensor> {
    let logits = product(x, &weight.detach(), true, precision)?;
    Ok(match bias {
        Some(bias) => logits.broadcast_add(&bias.detach())?,
        None => logits,
    })
}

/// Losses by row, nats; 0 for ignored rows. No gradient.
pub fn losses(
    hidden: &Tensor,
    head: (&Tensor, Option<&Tensor>),
    targets: &[u32],
    ignore: Option<u32>,
) -> Result<Vec<f64>> {
    let hidden = hidden.detach();
    let rows_at_once = (CHUNK / head.0.dim(0)?).max(1);
    let mut all = Vec::with_capacity(targets.len());
    for (number, targets) in targets.chunks(rows_at_once).enumerate() {
        let x = hidden.narrow(0, number * rows_at_once, targets.len())?.contiguous()?;
        all.extend(with_gradient(&logits(&x, head, Precision::F32)?, targets, ignore, 0.0)?.0);
    }
    Ok(all)
}

/// Losses by row and the gradient of their sum by the logits (rows, V).
fn with_gradient(logits: &Tensor, targets: &[u32], ignore: Option<u32>, smoothing: f64) -> Result<(Vec<f64>, Tensor)> {
    let device = logits.device();
    let counts: Vec<f32> = targets.iter().map(|target| f32::from(Some(*target) != ignore)).collect();
    let counts = Tensor::from_vec(counts, (targets.len(), 1), device)?.to_dtype(logits.dtype())?;
    let safe: Vec<u32> = targets.iter().map(|target| if Some(*target) == ignore { 0 } else { *target }).collect();
    let indices = Tensor::from_vec(safe, (targets.len(), 1), device)?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let mut right = shifted.gather(&indices, 1)?;
    let mut of_logits = shifted.broadcast_sub(&log_sum)?.exp()?;
    if smoothing > 0.0 {
        right = ((right * (1.0 - smoothing))? + (shifted.mean_keepdim(D::Minus1)? * smoothing)?)?;
        of_logits = (of_logits - smoothing / logits.dim(1)? as f64)?;
    }
    let losses = ((&log_sum - right)? * &counts)?;
    let of_logits = of_logits.broadcast_mul(&counts)?.scatter_add(&indices, &(&counts * (smoothing - 1.0))?, 1)?;
    Ok((losses.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?, of_logits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{gradients, normal, scalar, variable};
    use crate::precision::Precision::F32;
    use crate::random::Key;
    use candle_core::Var;

    /// Loss and gradients of f32 inputs with products in this precision.
    fn pass(precision: Precision, inputs: &[Tensor], layer: fn(&[Tensor], Precision) -> Result<Tensor>) -> Vec<Tensor> {
        let vars: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
        let inputs: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let out = layer(&inputs, precision).unwrap();
        let store = (&out * normal(out.dims(), 99)).unwrap().sum_all().unwrap().backward().unwrap();
        let gradients = vars.iter().map(|var| store.get(var).unwrap().clone());
        std::iter::once(out.clone()).chain(gradients).collect()
    }

    #[test]
    fn products_in_bf16_are_near_those_in_f32_and_all_else_is_f32() {
        type Case = (&'static [&'static [usize]], fn(&[Tensor], Precision) -> Result<Tensor>);
        let cases: [Case; 4] = [
            (&[&[3, 8, 16], &[24, 16]], |x, p| linear(&x[0], &x[1], p)),
            (&[&[3, 8, 16], &[16, 24], &[24]], |x, p| affine(&x[0], &x[1], &x[2], p)),
            (&[&[2, 9, 24]], |x, p| {
                attention(&x[0], &Heads { queries: 4, keys: 1, rope: None }, &Seen::causal(), None, p)
            }),
            (&[&[4, 16], &[11, 16]], |x, p| cross_entropy(&x[0], (&x[1], None), &[10, 0, 99, 3], Some(99), 0.0, p)),
        ];
        for (number, (shapes, layer)) in cases.into_iter().enumerate() {
            let inputs: Vec<Tensor> = (0..shapes.len()).map(|i| normal(shapes[i], i as u64)).collect();
            let (exact, rounded) = (pass(F32, &inputs, layer), pass(Precision::Bf16, &inputs, layer));
            for (exact, rounded) in exact.iter().zip(&rounded) {
                assert_eq!(rounded.dtype(), DType::F32, "case {number}");
                let most = |x: &Tensor| x.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                let (error, size) = (most(&(exact - rounded).unwrap()), most(exact));
                assert!(error < 0.02 * size, "case {number}: off by {error} of {size}");
            }
            let error =
                (&exact[0] - &rounded[0]).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(error > 0.0, "case {number} is not rounded at all");
        }
        // 1 + 2⁻⁸ lies between 1 and 1 + 2⁻⁷ and goes to the even one, 1 + 3 · 2⁻⁸ to 1 + 2⁻⁶; so does PyTorch:
        // torch.tensor([1.00390625, 1.01171875]).bfloat16() is [1.0, 1.015625].
        let x = Tensor::new(&[[1.0 + 2f32.powi(-8)], [1.0 + 3.0 * 2f32.powi(-8)]], &Device::Cpu).unwrap();
        let one = Tensor::new(&[[1f32]], &Device::Cpu).unwrap();
        let rounded = linear(&x, &one, Precision::Bf16).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rounded, [[1.0], [1.015_625]]);
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (x, w) = (variable(&[2, 3, 4], 1), variable(&[5, 4], 2));
        gradients(&[&x, &w], || scalar(&linear(&x, &w, F32).unwrap()));
        let ids = Tensor::new(&[[0u32, 4, 4], [1, 0, 2]], &Device::Cpu).unwrap();
        gradients(&[&w], || scalar(&embedding(&ids, &w).unwrap()));
        let g = variable(&[4], 3);
        gradients(&[&x, &g], || scalar(&rms_norm(&x, &g, 1e-5).unwrap()));
        gradients(&[&x], || scalar(&swiglu(&x).unwrap()));
        gradients(&[&x], || scalar(&gelu(&x).unwrap()));
        gradients(&[&x], || scalar(&exact_gelu(&x).unwrap()));
        let (m, c, p) = (variable(&[4, 5], 7), variable(&[5], 8), variable(&[6, 4], 9));
        gradients(&[&x, &m, &c], || scalar(&affine(&x, &m, &c, F32).unwrap()));
        gradients(&[&x, &w, &c], || scalar(&linear_with_bias(&x, &w, &c, F32).unwrap()));
        gradients(&[&x, &p], || scalar(&add_positions(&x, &p).unwrap()));
        let bias = variable(&[4], 10);
        gradients(&[&x, &g, &bias], || scalar(&layer_norm(&x, &g, &bias, 1e-5).unwrap()));
        gradients(&[&x], || scalar(&dropout(&x, &Mask::new(Key::new(1), 0.3)).unwrap()));
        let (x, w) = (variable(&[4, 3], 5), variable(&[5, 3], 6));
        // Other than above: the value is a constant plus 0, so it is computed from scratch each time.
        let targets = [4, 0, 2, 9];
        gradients(&[&x, &w], || cross_entropy(&x, (&w, None), &targets, Some(9), 0.0, F32).unwrap());
        let bias = variable(&[5], 13);
        gradients(&[&x, &w, &bias], || cross_entropy(&x, (&w, Some(&bias)), &targets, Some(9), 0.3, F32).unwrap());
        let joined = variable(&[2, 3, 24], 4); // B 2, T 3, 2 heads of 4, or 4 of queries and 1 of keys
        let (of_queries, of_keys) = (variable(&[4], 11), variable(&[4], 12));
        for (queries, keys) in [(2, 2), (4, 1)] {
            for rope in [None, Some(Rope::new(3, 4, 100.0))] {
                let heads = Heads { queries, keys, rope };
                let apart = [vec![0, 1], vec![0]];
                let [causal, both] = [Seen::causal(), Seen::bidirectional()];
                for seen in [causal.clone().apart(&apart, 3).unwrap(), both.clone().apart(&apart, 3).unwrap(), both] {
                    gradients(&[&joined], || scalar(&attention(&joined, &heads, &seen, None, F32).unwrap()));
                }
                gradients(&[&joined, &of_queries, &of_keys], || {
                    let norms = Some(([of_queries.as_tensor(), of_keys.as_tensor()], 1e-5));
                    scalar(&attention(&joined, &heads, &causal, norms, F32).unwrap())
                });
            }
        }
    }
}
