//! The vocabulary beside the weights, as ours and as `transformers` reads it: with it a folder is a whole model.

use crate::error::Result;
use crate::models::ModelConfig;
use serde_json::json;
use std::path::Path;
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;
use tongues_pipeline::vocabulary::{Vocabulary, encoder, hugging_face};

/// Name of the file that tells `transformers`, and whoever loads the folder, which vocabulary the model has.
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Its key with the SHA-256 of `tokenizer.model`.
pub const VOCABULARY_SHA256: &str = "vocabulary_sha256";

/// Writes `tokenizer.model`, `tokenizer.json` and `tokenizer_config.json`. An encoder's `<mask>` is in the latter two alone:
/// it is a token added to the vocabulary.
pub fn write(vocabulary: &Vocabulary, model: &ModelConfig, output: &Path) -> Result<()> {
    let from = vocabulary.path();
    let bytes = std::fs::read(from).map_err(FileError::io("read", from))?;
    atomic::write(&output.join(encoder::MODEL), &bytes)?;
    let mask = match model {
        ModelConfig::Decoder(_) | ModelConfig::Recurrent(_) => None,
        ModelConfig::Encoder(config) => Some(config.mask),
    };
    let fast = serde_json::to_vec(&hugging_face::tokenizer_json(vocabulary, mask)).expect("plain data");
    atomic::write(&output.join(hugging_face::FILE), &fast)?;
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
        "clean_up_tokenization_spaces": false, VOCABULARY_SHA256: vocabulary.sha256(),
    });
    if mask.is_some() {
        for (key, token) in [("mask_token", hugging_face::MASK), ("cls_token", "<s>"), ("sep_token", "</s>")] {
            config[key] = json!(token);
        }
        config["model_max_length"] = json!(model.context_length());
    }
    let bytes = serde_json::to_vec_pretty(&config).expect("plain data");
    Ok(atomic::write(&output.join(TOKENIZER_CONFIG), &bytes)?)
}
