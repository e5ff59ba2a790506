//! Every trainable tensor of an encoder: its name and shape in Hugging Face's checkpoints of RoBERTa and XLM-R, and how it
//! begins.

use crate::error::Result;
use crate::models::encoder_config::EncoderConfig;
use crate::models::weights::{DEVIATION, Weight, normal, ones, zeros};
use crate::parameters;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the embedding (V, D), which is the head too.
pub const EMBEDDING: &str = "roberta.embeddings.word_embeddings.weight";
/// Name of the learned positions.
pub const POSITIONS: &str = "roberta.embeddings.position_embeddings.weight";
/// Name of what is added to every token (1, D): the one row that is left of BERT's two kinds of segments.
pub const TOKEN_TYPE: &str = "roberta.embeddings.token_type_embeddings.weight";
/// What the names of the norm after the embedding begin with.
pub const EMBEDDING_NORM: &str = "roberta.embeddings.LayerNorm";
/// Name of the bias of the logits (V).
pub const BIAS: &str = "lm_head.bias";

/// What the names of a block begin with.
pub fn block(layer: usize) -> String {
    format!("roberta.encoder.layer.{layer}.")
}

/// All tensors of an encoder: maps (O, I) of deviation 0.02, biases 0, norms 1.
pub fn weights(config: &EncoderConfig) -> Vec<Weight> {
    let (d, f, v) = (config.hidden_size, config.intermediate_size, config.vocabulary_size);
    let embedding = |name: &str, rows| Weight { is_embedding: true, ..normal(name, &[rows, d], DEVIATION) };
    let positions = config.context_length + config.first_position() as usize;
    let mut all = vec![embedding(EMBEDDING, v), embedding(POSITIONS, positions), embedding(TOKEN_TYPE, 1)];
    let map = |name: &str, outputs, inputs| {
        let weight = normal(&format!("{name}.weight"), &[outputs, inputs], DEVIATION);
        [weight, zeros(&format!("{name}.bias"), outputs)]
    };
    let norm = |name: &str| [ones(&format!("{name}.weight"), d), zeros(&format!("{name}.bias"), d)];
    all.extend(norm(EMBEDDING_NORM));
    for layer in 0..config.layers {
        let at = |name: &str| block(layer) + name;
        for name in ["query", "key", "value"] {
            all.extend(map(&at(&format!("attention.self.{name}")), d, d));
        }
        all.extend(map(&at("attention.output.dense"), d, d));
        all.extend(norm(&at("attention.output.LayerNorm")));
        all.extend(map(&at("intermediate.dense"), f, d));
        all.extend(map(&at("output.dense"), d, f));
        all.extend(norm(&at("output.LayerNorm")));
    }
    all.extend(map("lm_head.dense", d, d));
    all.extend(norm("lm_head.layer_norm"));
    all.push(zeros(BIAS, v));
    all
}

/// Tensors of a file by this crate's names. Passed over: the second copy of the tied head, a pooler, which a masked
/// language model does not have, and the numbers of positions that older versions of `transformers` stored.
pub(crate) fn stored(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let mut stored = parameters::load_parts(path, device)?;
    let unused = ["lm_head.decoder.", "roberta.pooler.", "roberta.embeddings.position_ids"];
    stored.retain(|name, _| !unused.iter().any(|beginning| name.starts_with(beginning)));
    Ok(stored)
}
