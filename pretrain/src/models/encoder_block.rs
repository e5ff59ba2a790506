//! The arithmetic of one block of an encoder: RoBERTa's, with a norm after each half.

use crate::error::Result;
use crate::nn::{AttentionSettings, attention, exact_gelu, layer_norm, linear_with_bias, residual};
use crate::random::Key;
use candle_core::Tensor;

/// A block of `x` (B, T, D). `at` gives the block's tensors by name, `keys` are those of the dropout after attention and
/// after the feed-forward map.
pub(super) fn block<'a>(
    x: &Tensor,
    at: impl Fn(&str) -> &'a Tensor,
    settings: &AttentionSettings,
    keys: [Option<Key>; 2],
) -> Result<Tensor> {
    let AttentionSettings { heads, seen, epsilon, rate, precision } = settings;
    let pair = |name: &str| [at(&format!("{name}.weight")), at(&format!("{name}.bias"))];
    let map = |x: &Tensor, name: &str| {
        let [weight, bias] = pair(name);
        linear_with_bias(x, weight, bias, *precision)
    };
    let norm = |x: &Tensor, name: &str| {
        let [weight, bias] = pair(name);
        layer_norm(x, weight, bias, *epsilon)
    };
    // Three maps of one input are one product.
    let three = ["query", "key", "value"].map(|name| pair(&format!("attention.self.{name}")));
    let weight = Tensor::cat(&three.map(|[weight, _]| weight), 0)?; // (3D, D)
    let bias = Tensor::cat(&three.map(|[_, bias]| bias), 0)?;
    let joined = linear_with_bias(x, &weight, &bias, *precision)?; // (B, T, 3D)
    let branch = map(&attention(&joined, heads, seen, *precision)?, "attention.output.dense")?;
    let x = norm(&residual(x, &branch, *rate, keys[0])?, "attention.output.LayerNorm")?;
    let branch = map(&exact_gelu(&map(&x, "intermediate.dense")?)?, "output.dense")?;
    norm(&residual(&x, &branch, *rate, keys[1])?, "output.LayerNorm")
}
