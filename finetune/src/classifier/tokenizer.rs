//! The vocabulary of a model: texts to ids, and the file itself, which goes with every model made from this one.

use crate::error::{Error, Result};
use std::path::Path;
use tongues_pipeline::io::atomic;
use tongues_pipeline::vocabulary::Vocabulary;
use tongues_pipeline::vocabulary::encoder::VocabularyFile;

/// A vocabulary and the file it came from.
#[derive(Debug)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    file: VocabularyFile,
}

impl Tokenizer {
    /// Reads the vocabulary in `folder`.
    pub fn load(folder: &Path) -> Result<Tokenizer> {
        let file = VocabularyFile::find(folder)?;
        Ok(Tokenizer { vocabulary: file.open()?, file })
    }

    /// Writes it into `folder`, the same bytes under the same name.
    pub fn save(&self, folder: &Path) -> Result<()> {
        Ok(atomic::write(&folder.join(self.file.name), &self.file.bytes)?)
    }

    /// Name of its file: `tokenizer.model`, or that of XLM-R.
    pub fn file_name(&self) -> &'static str {
        self.file.name
    }

    /// SHA-256 of the file, lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        self.vocabulary.sha256()
    }

    /// Refuses a vocabulary of another size than the model's, or another one than the model learnt with. `place` is the
    /// file that says which that was.
    pub fn check(&self, size: usize, sha256: Option<&str>, place: &Path) -> Result<()> {
        if self.vocabulary.size() != size {
            return Err(Error::Mismatch {
                place: self.file.path.display().to_string(),
                found: format!("{} pieces", self.vocabulary.size()),
                expected: format!("{size}, the vocabulary size in config.json"),
            });
        }
        match sha256.filter(|expected| *expected != self.sha256()) {
            None => Ok(()),
            Some(expected) => Err(Error::Mismatch {
                place: self.file.path.display().to_string(),
                found: format!("the vocabulary {}", self.sha256()),
                expected: format!("{expected}, the one in {}", place.display()),
            }),
        }
    }

    /// Ids of `text` without the white space at its ends: `<s>`, its pieces, `</s>`; at most `maximum` in all, cut before
    /// the `</s>`, which is where the decoder has seen everything.
    pub fn encode(&self, text: &str, maximum: usize) -> Vec<u32> {
        let mut ids = vec![self.vocabulary.beginning()];
        ids.extend(self.vocabulary.encode(text.trim()));
        ids.truncate(maximum - 1);
        ids.push(self.vocabulary.end());
        ids
    }
}
