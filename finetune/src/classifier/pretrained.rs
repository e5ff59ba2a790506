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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::{Card, Classifier, FORMAT, Network};
    use tongues_pipeline::vocabulary::fairseq;
    use tongues_pipeline::vocabulary::model::{self, Kind, Piece};
    use tongues_pretrain::models::encoder::{Encoder, EncoderConfig, EncoderLayout};

    /// A folder as XLM-R is published: its vocabulary has no `<pad>`, and its ids are fairseq's.
    #[test]
    fn a_published_xlm_r_is_fine_tuned_and_its_vocabulary_goes_with_the_classifier() {
        let (folder, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let special = [("<unk>", Kind::Unknown), ("<s>", Kind::Control), ("</s>", Kind::Control)];
        let words = ["▁", "▁kalo", "▁mē", "šu", "."].map(|text| (text, Kind::Normal));
        let piece = |(text, kind): (&str, Kind)| Piece { text: text.to_owned(), score: -1.0, kind };
        let pieces: Vec<Piece> = special.into_iter().chain(words).map(piece).collect();
        std::fs::write(folder.path().join(fairseq::MODEL), model::write(&pieces, &[])).unwrap();
        let sizes = EncoderConfig { hidden_size: 8, layers: 1, heads: 2, intermediate_size: 8, ..Default::default() };
        let ids = EncoderConfig { layout: EncoderLayout::XlmRoberta, beginning: 0, padding: 1, end: 2, ..sizes };
        let config = EncoderConfig { context_length: 16, ..ids }.for_vocabulary(pieces.len() + 1).unwrap();
        Encoder::new(&config, 1, &Device::Cpu).unwrap().save(folder.path()).unwrap();

        let pretrained = Pretrained::load(folder.path(), &Device::Cpu).unwrap();
        // `▁kalo` is the fifth piece of the file; fairseq counts `<pad>` too.
        assert_eq!(pretrained.tokenizer.encode("kalo mēšu.", "ltg_Latn".parse().unwrap(), 16), [0, 5, 6, 7, 8, 2]);
        let network = Network::new(&*pretrained.model, 2, 0.1, 1).unwrap();
        let card = Card {
            format: FORMAT,
            task: "kinds".into(),
            language: "ltg_Latn".parse().unwrap(),
            labels: vec!["boats".into(), "birds".into()],
            pooling: network.pooling().name().to_owned(),
            maximum_tokens: 16,
            seed: 1,
            vocabulary_sha256: pretrained.tokenizer.sha256().to_owned(),
            validation_accuracy: None,
            validation_macro_f1: None,
        };
        let classifier = Classifier::new(network, Arc::clone(&pretrained.tokenizer), card).unwrap();
        classifier.save(output.path()).unwrap();
        let again = Classifier::load(output.path(), &Device::Cpu).unwrap();
        let text = ["kalo mēšu.", "mē kalo"];
        assert_eq!(again.predict(&text).unwrap(), classifier.predict(&text).unwrap());
        let bytes = |folder: &Path| std::fs::read(folder.join(fairseq::MODEL)).unwrap();
        assert!(bytes(output.path()) == bytes(folder.path()));
    }
}
