//! Whose decoder it is: what decides norms, positions, maps and names.

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

impl Layout {
    /// All.
    pub const ALL: [Layout; 4] = [Layout::Llama, Layout::Qwen3, Layout::Gpt2, Layout::Gpt1];

    /// Whether it is GPT or GPT-2: layer norms, learned positions, biases, GELU.
    pub fn is_gpt(self) -> bool {
        matches!(self, Layout::Gpt2 | Layout::Gpt1)
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
