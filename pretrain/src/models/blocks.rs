//! The arithmetic of one block of a decoder, in the two families of layouts, and how a block of any model finds its tensors.

use crate::error::Result;
use crate::models::layout::{Activation, Layout};
use crate::nn::{AttentionSettings, affine, attention, attention_layer, feed_forward, layer_norm, recompute, residual};
use crate::random::Key;
use candle_core::Tensor;
use std::collections::BTreeMap;

/// `block` of `x` (B, T, D) with those of `values` whose names begin with `prefix`; it asks for them by the rest of their
/// names. Where `again`, it keeps its input alone and runs again in the backward pass.
pub(super) fn run(
    x: &Tensor,
    (values, prefix): (&BTreeMap<String, Tensor>, &str),
    again: bool,
    block: impl for<'a> Fn(&Tensor, &dyn Fn(&str) -> &'a Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    let from = values.range(prefix.to_owned()..);
    let own = from.map_while(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor)));
    let (names, tensors): (Vec<String>, Vec<&Tensor>) = own.unzip();
    let block = move |x: &Tensor, tensors: &[&Tensor]| {
        let at = |name: &str| tensors[names.iter().position(|one| one == name).expect("a name of the block")];
        block(x, &at)
    };
    if again { recompute(x, &tensors, block) } else { block(x, &tensors) }
}

/// A block of `x` (B, T, D). `at` gives the block's tensors by name, `keys` are those of the dropout after attention and
/// after the feed-forward map.
pub(super) fn block<'a>(
    x: &Tensor,
    (layout, activation): (Layout, Activation),
    at: impl Fn(&str) -> &'a Tensor,
    settings: &AttentionSettings,
    keys: [Option<Key>; 2],
) -> Result<Tensor> {
    if layout.is_gpt() {
        gpt(x, (layout, activation), at, settings, keys)
    } else {
        gated(x, layout, at, settings, keys)
    }
}

/// Llama's and Qwen3's block: each half is one operation.
fn gated<'a>(
    x: &Tensor,
    layout: Layout,
    at: impl Fn(&str) -> &'a Tensor,
    settings: &AttentionSettings,
    keys: [Option<Key>; 2],
) -> Result<Tensor> {
    let attention = [
        "input_layernorm.weight",
        "self_attn.q_proj.weight",
        "self_attn.k_proj.weight",
        "self_attn.v_proj.weight",
        "self_attn.o_proj.weight",
    ];
    let norms = (layout == Layout::Qwen3).then(|| ["self_attn.q_norm.weight", "self_attn.k_norm.weight"].map(&at));
    let x = attention_layer(x, attention.map(&at), norms, settings, keys[0])?;
    let maps =
        ["post_attention_layernorm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight"];
    feed_forward(&x, maps.map(&at), settings.epsilon, settings.rate, keys[1], settings.precision)
}

/// GPT's and GPT-2's block; the norms stand before each half in GPT-2, after it in GPT.
fn gpt<'a>(
    x: &Tensor,
    (layout, activation): (Layout, Activation),
    at: impl Fn(&str) -> &'a Tensor,
    settings: &AttentionSettings,
    keys: [Option<Key>; 2],
) -> Result<Tensor> {
    let AttentionSettings { heads, seen, epsilon, rate, precision } = settings;
    let pair = |name: &str| [at(&format!("{name}.weight")), at(&format!("{name}.bias"))];
    let map = |x: &Tensor, name: &str| {
        let [weight, bias] = pair(name);
        affine(x, weight, bias, *precision)
    };
    let norm = |x: &Tensor, name: &str| {
        let [weight, bias] = pair(name);
        layer_norm(x, weight, bias, *epsilon)
    };
    let attend = |x: &Tensor| map(&attention(&map(x, "attn.c_attn")?, heads, seen, *precision)?, "attn.c_proj");
    let feed = |x: &Tensor| map(&activation.of(&map(x, "mlp.c_fc")?)?, "mlp.c_proj");
    if layout == Layout::Gpt1 {
        let x = norm(&residual(x, &attend(x)?, *rate, keys[0])?, "ln_1")?;
        return norm(&residual(&x, &feed(&x)?, *rate, keys[1])?, "ln_2");
    }
    let x = residual(x, &attend(&norm(x, "ln_1")?)?, *rate, keys[0])?;
    residual(&x, &feed(&norm(&x, "ln_2")?)?, *rate, keys[1])
}
