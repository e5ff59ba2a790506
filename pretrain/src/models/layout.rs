//! Whose decoder it is: what decides norms, positions, maps and names.

use crate::error::Result;
use crate::nn::{gelu, relu_squared};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// The published model whose names and arithmetic a decoder has.
///
/// | | norm | place | positions | feed-forward | biases | heads |
/// |---|---|---|---|---|---|---|
/// | `llama` | RMS | before each half, at the end | rotary | gated, SiLU | none | keys may be shared |
/// | `qwen3` | RMS | before each half, at the end | rotary | gated, SiLU | none | the same, queries and keys normed |
/// | `gpt2` | layer norm | before each half, at the end | learned | GELU | all maps | one key each |
/// | `gpt1` | layer norm | after each half | learned | GELU | all maps | one key each |
///
/// Touvron et al. 2023; Yang et al. 2025; Radford et al. 2019; Radford et al. 2018.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Llama.
    #[default]
    Llama,
    /// Qwen3.
    Qwen3,
    /// GPT-2.
    Gpt2,
    /// GPT, the first.
    Gpt1,
}

/// What a feed-forward map does between its two products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// GELU by the hyperbolic tangent, of GPT and GPT-2.
    Gelu,
    /// SiLU of the gate, of Llama and Qwen3.
    Silu,
    /// The square of the rectified linear unit (Primer, So et al. 2021).
    ReluSquared,
}

impl Activation {
    /// Of every element of `x`, for a map without a gate.
    pub(crate) fn of(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Gelu => gelu(x),
            Activation::Silu => Ok(x.silu()?),
            Activation::ReluSquared => relu_squared(x),
        }
    }
}

impl Layout {
    /// All.
    pub const ALL: [Layout; 4] = [Layout::Llama, Layout::Qwen3, Layout::Gpt2, Layout::Gpt1];

    /// Whether it is GPT or GPT-2: layer norms, learned positions, biases, GELU.
    pub fn is_gpt(self) -> bool {
        matches!(self, Layout::Gpt2 | Layout::Gpt1)
    }

    /// The activations a decoder of this layout can have, that of the published model first; a folder of
    /// `transformers` has a name for each.
    pub fn activations(self) -> &'static [Activation] {
        match self {
            Layout::Llama | Layout::Qwen3 => &[Activation::Silu],
            Layout::Gpt2 => &[Activation::Gelu, Activation::ReluSquared],
            Layout::Gpt1 => &[Activation::Gelu],
        }
    }

    /// `model_type` in Hugging Face's `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Layout::Llama => "llama",
            Layout::Qwen3 => "qwen3",
            Layout::Gpt2 => "gpt2",
            Layout::Gpt1 => "openai-gpt",
        }
    }

    /// The class of `transformers` that loads the folder.
    pub fn architecture(self) -> &'static str {
        match self {
            Layout::Llama => "LlamaForCausalLM",
            Layout::Qwen3 => "Qwen3ForCausalLM",
            Layout::Gpt2 => "GPT2LMHeadModel",
            Layout::Gpt1 => "OpenAIGPTLMHeadModel",
        }
    }

    /// What all names but the head's begin with.
    pub fn prefix(self) -> &'static str {
        if self.is_gpt() { "transformer." } else { "model." }
    }

    /// Name of the embedding (V, D).
    pub fn embedding(self) -> &'static str {
        match self {
            Layout::Llama | Layout::Qwen3 => "model.embed_tokens.weight",
            Layout::Gpt2 => "transformer.wte.weight",
            Layout::Gpt1 => "transformer.tokens_embed.weight",
        }
    }

    /// Name of the learned positions (T at most, D).
    pub fn positions(self) -> Option<&'static str> {
        match self {
            Layout::Llama | Layout::Qwen3 => None,
            Layout::Gpt2 => Some("transformer.wpe.weight"),
            Layout::Gpt1 => Some("transformer.positions_embed.weight"),
        }
    }

    /// What the names of a block begin with.
    pub fn block(self, layer: usize) -> String {
        if self.is_gpt() { format!("transformer.h.{layer}.") } else { format!("model.layers.{layer}.") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::decoder::{Decoder, DecoderConfig};
    use candle_core::{DType, Device};

    /// The logits after the last of five tokens and the summed loss, in `transformers` 5.24 in f64, which pin the order of
    /// norms, maps, heads and positions to a program that is not ours:
    ///
    /// ```python
    /// sizes = dict(vocab_size=7, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
    ///     head_dim=6, intermediate_size=12, max_position_embeddings=5, rms_norm_eps=1e-5, rope_theta=1e4,
    ///     tie_word_embeddings=False)
    /// gpt = dict(vocab_size=7, n_positions=5, n_embd=8, n_layer=2, n_head=2, layer_norm_epsilon=1e-5)
    /// for model in (LlamaForCausalLM(LlamaConfig(**sizes)), Qwen3ForCausalLM(Qwen3Config(**sizes)),
    ///               GPT2LMHeadModel(GPT2Config(**gpt, n_inner=12)), OpenAIGPTLMHeadModel(OpenAIGPTConfig(**gpt))):
    ///     model.double().eval()
    ///     for number, (name, parameter) in enumerate(sorted(model.named_parameters())):
    ///         i = torch.arange(parameter.numel(), dtype=torch.float64)
    ///         parameter.data = (0.5 * torch.sin(0.7 * i + number)).reshape(parameter.shape)
    ///     logits = model(torch.tensor([[1, 3, 3, 6, 0]])).logits[0]
    ///     loss = F.cross_entropy(logits, torch.tensor([3, 3, 6, 0, 2]), reduction="sum")
    /// ```
    const REFERENCE: [(Layout, [f64; 7], f64); 4] = [
        (Layout::Llama, [0.039323, 0.059794, 0.053425, 0.023075, -0.017632, -0.050425, -0.060583], 9.570697),
        (Layout::Qwen3, [-0.072647, -0.118258, -0.110787, -0.053587, 0.027666, 0.096501, 0.12202], 10.11803),
        (Layout::Gpt2, [-1.010629, -0.768424, -0.181298, 0.487207, 0.937021, 0.966235, 0.561737], 11.319766),
        (Layout::Gpt1, [0.620763, 0.882734, 0.748474, 0.278248, -0.316875, -0.769763, -0.877128], 10.152169),
    ];

    #[test]
    fn each_layout_computes_what_transformers_computes() {
        for (layout, last, sum) in REFERENCE {
            let gpt = layout.is_gpt();
            let config = DecoderConfig {
                layout,
                vocabulary_size: 7,
                hidden_size: 8,
                layers: 2,
                heads: 2,
                key_value_heads: (!gpt).then_some(1),
                head_width: (!gpt).then_some(6),
                intermediate_size: if layout == Layout::Gpt1 { 32 } else { 12 },
                context_length: 5,
                tied_embeddings: gpt,
                ..Default::default()
            };
            let decoder = Decoder::new(&config, 1, &Device::Cpu).unwrap();
            for (number, (_, var)) in decoder.parameters.iter().enumerate() {
                let value = |i: usize| (0.5 * (0.7 * i as f64 + number as f64).sin()) as f32;
                let values: Vec<f32> = (0..var.elem_count()).map(value).collect();
                var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
            }
            let ids = Tensor::new(&[[1u32, 3, 3, 6, 0]], &Device::Cpu).unwrap();
            // Fused in f32, chains of candle's operations in f64.
            for decoder in [decoder.to_dtype(DType::F32).unwrap(), decoder.to_dtype(DType::F64).unwrap()] {
                let logits = decoder.logits(&ids).unwrap().to_dtype(DType::F64).unwrap().to_vec3::<f64>().unwrap();
                for (found, expected) in logits[0][4].iter().zip(last) {
                    assert!((found - expected).abs() < 2e-6, "{layout:?}: {:?}, expected {last:?}", logits[0][4]);
                }
                let loss = decoder.loss(&ids, &[3, 3, 6, 0, 2], None, None).unwrap().sum;
                let loss = loss.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap();
                assert!((loss - sum).abs() < 1e-5, "{layout:?}: {loss}, expected {sum}");
            }
        }
    }
}
