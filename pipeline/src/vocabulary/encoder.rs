//! A trained vocabulary: text to ids and back.

use super::model::{self, Kind, Piece};
use crate::error::{Error, Result};
use crate::io::manifest::FileRecord;
use sentencepiece::SentencePieceProcessor;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Name of the model in the folder of a vocabulary.
pub const MODEL: &str = "tokenizer.model";

/// A SentencePiece model. Threads may share it.
pub struct Vocabulary {
    processor: SentencePieceProcessor,
    pieces: Vec<Piece>,
    sha256: String,
    bytes: u64,
    path: PathBuf,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vocabulary({}, {} pieces)", self.path.display(), self.pieces.len())
    }
}

impl Vocabulary {
    /// Loads a `.model` file, or the `tokenizer.model` in a folder.
    ///
    /// # Errors
    /// A file that cannot be read, is no SentencePiece model, or lacks one of the four special pieces.
    pub fn load(path: &Path) -> Result<Vocabulary> {
        let path = if path.is_dir() { path.join(MODEL) } else { path.to_owned() };
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        Vocabulary::from_bytes(&bytes, &path)
    }

    /// From the bytes of a `.model` file; `path` is for messages.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Vocabulary> {
        let wrong = |found: &str, expected: &str| Error::Input {
            path: path.to_owned(),
            place: String::new(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        };
        let pieces = model::pieces(bytes)
            .filter(|pieces| !pieces.is_empty())
            .ok_or_else(|| wrong("bytes that break off or mean nothing", "a SentencePiece model"))?;
        let processor = SentencePieceProcessor::from_serialized_proto(bytes).map_err(Error::format(path))?;
        if processor.len() != pieces.len() {
            return Err(wrong(
                &format!("{} pieces read as {}", processor.len(), pieces.len()),
                "a SentencePiece model",
            ));
        }
        if processor.bos_id().is_none() || processor.eos_id().is_none() || processor.pad_id().is_none() {
            return Err(wrong("a model without <s>, </s> or <pad>", "a vocabulary of `tongues vocabulary`"));
        }
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Vocabulary { processor, pieces, sha256, bytes: bytes.len() as u64, path: path.to_owned() })
    }

    /// Ids of the pieces of `text`, without beginning and end. Characters without a piece become bytes.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let pieces = self.processor.encode(text).expect("a loaded model encodes every UTF-8 text");
        pieces.into_iter().map(|piece| piece.id).collect()
    }

    /// The text of ids; special ones leave nothing, ids outside the vocabulary count as unknown.
    pub fn decode(&self, ids: &[u32]) -> String {
        let known: Vec<u32> =
            ids.iter().map(|&id| if (id as usize) < self.pieces.len() { id } else { self.unknown() }).collect();
        self.processor.decode_piece_ids(&known).expect("every id is in the vocabulary")
    }

    /// Number of pieces, special ones included.
    pub fn size(&self) -> usize {
        self.pieces.len()
    }

    /// Id of `<s>`.
    pub fn beginning(&self) -> u32 {
        self.processor.bos_id().expect("checked on loading")
    }

    /// Id of `</s>`.
    pub fn end(&self) -> u32 {
        self.processor.eos_id().expect("checked on loading")
    }

    /// Id of `<pad>`.
    pub fn padding(&self) -> u32 {
        self.processor.pad_id().expect("checked on loading")
    }

    /// Id of `<unk>`.
    pub fn unknown(&self) -> u32 {
        self.processor.unk_id()
    }

    /// Of the model file, lower-case hexadecimal: which vocabulary this is.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model file as an input of a stage.
    pub fn record(&self) -> FileRecord {
        FileRecord { path: MODEL.to_owned(), bytes: self.bytes, sha256: self.sha256.clone(), rows: None }
    }

    /// All pieces; the id is the place.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether a word begins with `id`: its piece begins with a space, or is no piece of text.
    pub fn begins_word(&self, id: u32) -> bool {
        self.pieces.get(id as usize).is_none_or(|piece| match piece.kind {
            Kind::Normal | Kind::UserDefined | Kind::Unused => piece.text.starts_with('▁'),
            Kind::Byte => false,
            Kind::Unknown | Kind::Control => true,
        })
    }

    /// Whether `id` stands for one byte of a character without a piece.
    pub fn is_byte(&self, id: u32) -> bool {
        self.pieces.get(id as usize).is_some_and(|piece| piece.kind == Kind::Byte)
    }
}
