//! A decoder that reads on from where it stopped, forward only: the arithmetic of `blocks.rs` with the keys and values of
//! the tokens before kept. The tests of `generate` hold it against the whole window read at once.

use crate::error::Result;
use crate::models::decoder::{Decoder, Layout};
use crate::nn::few_rows::{affine, linear};
use crate::nn::key_values::KeyValues;
use crate::nn::{add_positions, embedding, layer_norm, rms_norm, swiglu};
use candle_core::Tensor;

impl Decoder {
    /// Nothing read yet: one for each layer, with room for `room` tokens in each of `rows` sequences.
    pub(crate) fn cache(&self, rows: usize, room: usize) -> Result<Vec<KeyValues>> {
        let of = (self.head().dtype(), self.head().device());
        let layer = |_| KeyValues::new(rows, self.heads(), self.config.width_of_head(), room, of);
        (0..self.config.layers).map(layer).collect()
    }

    /// Final states (B, t, D) of `ids` (B, t) u32, which come after the tokens in `cache` and are added to it; with those
    /// they must not be more than the context length. `self` is best detached: no gradient is wanted.
    pub(crate) fn hidden_after(&self, ids: &Tensor, cache: &mut [KeyValues]) -> Result<Tensor> {
        let layout = self.config.layout;
        let before = cache.first().map_or(0, KeyValues::length);
        let mut x = embedding(ids, self.value(layout.embedding()))?;
        if let Some(table) = layout.positions() {
            x = add_positions(&x, &self.value(table).narrow(0, before, ids.dim(1)?)?)?;
        }
        for (layer, cache) in cache.iter_mut().enumerate() {
            x = match layout {
                Layout::Llama | Layout::Qwen3 => self.gated_after(&x, layer, cache)?,
                Layout::Gpt2 | Layout::Gpt1 => self.gpt_after(&x, layer, cache)?,
            };
        }
        self.final_norm(x)
    }

    /// Llama's and Qwen3's block.
    fn gated_after(&self, x: &Tensor, layer: usize, cache: &mut KeyValues) -> Result<Tensor> {
        let prefix = self.config.layout.block(layer);
        let at = |name: &str| self.value(&format!("{prefix}{name}.weight"));
        let epsilon = self.config.norm_epsilon;
        let norms =
            (self.config.layout == Layout::Qwen3).then(|| (["self_attn.q_norm", "self_attn.k_norm"].map(at), epsilon));
        let normed = rms_norm(x, at("input_layernorm"), epsilon)?;
        let [q, k, v] = ["q", "k", "v"].map(|name| linear(&normed, at(&format!("self_attn.{name}_proj"))));
        let attended = cache.attend([&q?, &k?, &v?], self.heads(), norms)?;
        let x = (x + linear(&attended, at("self_attn.o_proj"))?)?;
        let normed = rms_norm(&x, at("post_attention_layernorm"), epsilon)?;
        let [gate, up] = ["gate", "up"].map(|name| linear(&normed, at(&format!("mlp.{name}_proj"))));
        let inner = swiglu(&Tensor::cat(&[gate?, up?], 2)?)?;
        Ok((x + linear(&inner, at("mlp.down_proj"))?)?)
    }

    /// GPT's and GPT-2's block; the norms stand before each half in GPT-2, after it in GPT.
    fn gpt_after(&self, x: &Tensor, layer: usize, cache: &mut KeyValues) -> Result<Tensor> {
        let prefix = self.config.layout.block(layer);
        let pair = |name: &str| ["weight", "bias"].map(|part| self.value(&format!("{prefix}{name}.{part}")));
        let map = |x: &Tensor, name: &str| {
            let [weight, bias] = pair(name);
            affine(x, weight, bias)
        };
        let norm = |x: &Tensor, name: &str| {
            let [weight, bias] = pair(name);
            layer_norm(x, weight, bias, self.config.norm_epsilon)
        };
        let feed = |x: &Tensor| map(&self.config.activation().of(&map(x, "mlp.c_fc")?)?, "mlp.c_proj");
        let mut attend = |x: &Tensor| -> Result<Tensor> {
            let (joined, d) = (map(x, "attn.c_attn")?, self.config.hidden_size);
            let part = |number: usize| joined.narrow(2, number * d, d)?.contiguous();
            let [q, k, v] = [part(0)?, part(1)?, part(2)?];
            map(&cache.attend([&q, &k, &v], self.heads(), None)?, "attn.c_proj")
        };
        if self.config.layout == Layout::Gpt1 {
            let x = norm(&(x + attend(x)?)?, "ln_1")?;
            return norm(&(&x + feed(&x)?)?, "ln_2");
        }
        let x = (x + attend(&norm(x, "ln_1")?)?)?;
        Ok((&x + feed(&norm(&x, "ln_2")?)?)?)
    }
}
