//! A trained vocabulary: text to ids and back.

use super::model::{self, Kind, Piece};
use super::{fairseq, hugging_face, language_token};
use crate::error::{Error, Result};
use crate::io::manifest::FileRecord;
use sentencepiece::SentencePieceProcessor;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tongues_languages::Tag;

/// Name of the model in the folder of a vocabulary.
pub const MODEL: &str = "tokenizer.model";

/// The file of a vocabulary.
#[derive(Debug, Clone)]
pub struct VocabularyFile {
    /// What was read.
    pub path: PathBuf,
    /// What it is called, which says how its pieces are numbered: [`MODEL`] or [`fairseq::MODEL`].
    pub name: &'static str,
    /// A SentencePiece model.
    pub bytes: Vec<u8>,
}

impl VocabularyFile {
    /// That of a folder: [`MODEL`]; or XLM-R's, [`fairseq::MODEL`], or made of its `tokenizer.json`.
    ///
    /// # Errors
    /// None of them, or a `tokenizer.json` of another kind.
    pub fn find(folder: &Path) -> Result<VocabularyFile> {
        let read = |path: &Path| std::fs::read(path).map_err(Error::io("read", path));
        let json = folder.join(hugging_face::FILE);
        for name in [MODEL, fairseq::MODEL] {
            let path = folder.join(name);
            // Without any, the first is the one to miss.
            if path.is_file() || name == MODEL && !folder.join(fairseq::MODEL).is_file() && !json.is_file() {
                return Ok(VocabularyFile { bytes: read(&path)?, path, name });
            }
        }
        let bytes = fairseq::of_tokenizer_json(&read(&json)?, &json)?;
        Ok(VocabularyFile { path: json, name: fairseq::MODEL, bytes })
    }

    /// Opens it.
    pub fn open(&self) -> Result<Vocabulary> {
        Vocabulary::from_bytes(&self.bytes, &self.path.with_file_name(self.name))
    }
}

/// A SentencePiece model. Threads may share it.
pub struct Vocabulary {
    processor: SentencePieceProcessor,
    /// Whether ids are fairseq's.
    is_fairseq: bool,
    pieces: Vec<Piece>,
    language_tokens: BTreeMap<Tag, u32>,
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
    /// Loads a `.model` file, or that of a folder, see [`VocabularyFile::find`].
    ///
    /// # Errors
    /// A file that cannot be read, is no SentencePiece model, or lacks one of the four special pieces.
    pub fn load(path: &Path) -> Result<Vocabulary> {
        if path.is_dir() {
            return VocabularyFile::find(path)?.open();
        }
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Vocabulary::from_bytes(&bytes, path)
    }

    /// From the bytes of a `.model` file; `path` is for messages, and its name says how pieces are numbered.
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
        let is_fairseq = path.file_name().is_some_and(|name| name == fairseq::MODEL);
        let complete = processor.bos_id().is_some() && processor.eos_id().is_some();
        let pieces = match is_fairseq {
            true => fairseq::numbered(&pieces)
                .ok_or_else(|| wrong("other pieces first", "<unk>, <s> and </s>, as XLM-R's file has them"))?,
            false if complete && processor.pad_id().is_some() => pieces,
            false => return Err(wrong("a model without <s>, </s> or <pad>", "a vocabulary of `tongues vocabulary`")),
        };
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let language_tokens = language_token::find(&pieces);
        let (bytes, path) = (bytes.len() as u64, path.to_owned());
        Ok(Vocabulary { processor, is_fairseq, pieces, language_tokens, sha256, bytes, path })
    }

    /// Ids of the pieces of `text`, without beginning and end. Characters without a piece become bytes.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let pieces = self.processor.encode(text).expect("a loaded model encodes every UTF-8 text");
        let id = |place: u32| if self.is_fairseq { fairseq::id(place) } else { place };
        pieces.into_iter().map(|piece| id(piece.id)).collect()
    }

    /// The same for text that stands after something: no space is put before it, so that a full stop after a word, or
    /// what is left of it, is cut as it would be there.
    pub fn encode_after(&self, text: &str) -> Vec<u32> {
        // No piece reaches across a character for private use.
        const BEFORE: &str = "\u{e000}";
        let (before, mut whole) = (self.encode(BEFORE), self.encode(&format!("{BEFORE}{text}")));
        if whole.starts_with(&before) { whole.split_off(before.len()) } else { self.encode(text) }
    }

    /// The text of ids; special ones leave nothing, ids outside the vocabulary count as unknown.
    pub fn decode(&self, ids: &[u32]) -> String {
        let known = ids.iter().map(|&id| if (id as usize) < self.pieces.len() { id } else { self.unknown() });
        let known: Vec<u32> = known.map(|id| if self.is_fairseq { fairseq::place(id) } else { id }).collect();
        self.processor.decode_piece_ids(&known).expect("every id is in the vocabulary")
    }

    /// Number of pieces, special ones included.
    pub fn size(&self) -> usize {
        self.pieces.len()
    }

    /// Id of `<s>`.
    pub fn beginning(&self) -> u32 {
        if self.is_fairseq { fairseq::BEGINNING } else { self.processor.bos_id().expect("checked on loading") }
    }

    /// Id of `</s>`.
    pub fn end(&self) -> u32 {
        if self.is_fairseq { fairseq::END } else { self.processor.eos_id().expect("checked on loading") }
    }

    /// Id of `<pad>`.
    pub fn padding(&self) -> u32 {
        if self.is_fairseq { fairseq::PADDING } else { self.processor.pad_id().expect("checked on loading") }
    }

    /// Id of `<unk>`.
    pub fn unknown(&self) -> u32 {
        if self.is_fairseq { fairseq::UNKNOWN } else { self.processor.unk_id() }
    }

    /// Ids of the tokens that begin documents in place of `<s>`, by language; empty where that begins all, see
    /// [`language_token`].
    pub fn language_tokens(&self) -> &BTreeMap<Tag, u32> {
        &self.language_tokens
    }

    /// That of `language`, if it has one.
    pub fn language_token(&self, language: Tag) -> Option<u32> {
        self.language_tokens.get(&language).copied()
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
