//! The folder of a pretrained model, opened and checked.

use super::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use candle_core::Device;
use std::path::Path;
use std::sync::Arc;
use tongues_pipeline::io::manifest::{FileRecord, record};
use tongues_pipeline::vocabulary::encoder::VocabularyFile;
use tongues_pretrain::models::{self, Model};
use tongues_pretrain::tokenizer_files::{TOKENIZER_CONFIG, VOCABULARY_SHA256};

/// A model and its vocabulary.
#[derive(Debug)]
pub struct Pretrained {
    /// The weights to start from.
    pub model: Box<dyn Model>,
    /// Shared by every classifier made from them.
    pub tokenizer: Arc<Tokenizer>,
}

impl Pretrained {
    /// Reads `config.json`, `model.safetensors` and the vocabulary, `tokenizer.model` or XLM-R's. Where `tokenizer_config.json` has a
    /// `vocabulary_sha256`, the vocabulary has to be that one.
    ///
    /// # Errors
    /// A file that is missing or broken, a vocabulary of another size or hash.
    pub fn load(folder: &Path, device: &Device) -> Result<Pretrained> {
        let model = models::load(folder, device)?;
        let tokenizer = Tokenizer::load(folder)?;
        let path = folder.join(TOKENIZER_CONFIG);
        let config: serde_json::Value = match std::fs::read(&path) {
            // Other programs write the file without our key, or not at all: then the size is all there is to check.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => serde_json::Value::Null,
            other => {
                let bytes = other.map_err(Error::io("read", &path))?;
                serde_json::from_slice(&bytes).map_err(tongues_pipeline::Error::format(&path))?
            }
        };
        tokenizer.check(model.config().pieces(), config[VOCABULARY_SHA256].as_str(), &path)?;
        Ok(Pretrained { model, tokenizer: Arc::new(tokenizer) })
    }

    /// The files as inputs of a stage.
    pub fn records(folder: &Path) -> Result<Vec<FileRecord>> {
        let files = [folder.join("config.json"), folder.join("model.safetensors"), VocabularyFile::find(folder)?.path];
        files.iter().map(|path| Ok(record(path, &path.to_string_lossy())?)).collect()
    }
}
