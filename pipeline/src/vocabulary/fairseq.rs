//! The vocabulary of published XLM-R models, whose ids are fairseq's: `<s>`, `<pad>`, `</s>` and `<unk>` are 0 to 3, and
//! each other piece has one more than in its SentencePiece file, which begins with `<unk>`, `<s>` and `</s>` and knows no
//! `<pad>` (`XLMRobertaTokenizer` of `transformers`). `<mask>` comes after the last piece.
//!
//! Such a folder has the file [`MODEL`], or, saved by `transformers` 5, a `tokenizer.json` alone, of which the same file is
//! made here.

use super::hugging_face::MASK;
use super::model::{self, Kind, Piece};
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::Path;

/// Name of the SentencePiece file; with this name its pieces have fairseq's ids.
pub const MODEL: &str = "sentencepiece.bpe.model";

/// Ids of the four special pieces.
pub const BEGINNING: u32 = 0;
/// `<pad>`, which the file does not have.
pub const PADDING: u32 = 1;
/// `</s>`.
pub const END: u32 = 2;
/// `<unk>`.
pub const UNKNOWN: u32 = 3;

/// The id of a piece by its place in the file.
pub fn id(place: u32) -> u32 {
    match place {
        0 => UNKNOWN,
        1 => BEGINNING,
        2 => END,
        other => other + 1,
    }
}

/// The place in the file of the piece of this id; `<pad>`, which has none, is taken for `<s>`.
pub fn place(id: u32) -> u32 {
    match id {
        BEGINNING | PADDING => 1,
        END => 2,
        UNKNOWN => 0,
        other => other - 1,
    }
}

/// The pieces of a file in the order of their ids; nothing where it begins with others than `<unk>`, `<s>` and `</s>`.
pub fn numbered(pieces: &[Piece]) -> Option<Vec<Piece>> {
    let [unknown, beginning, end, others @ ..] = pieces else { return None };
    let special = [(unknown, "<unk>"), (beginning, "<s>"), (end, "</s>")];
    if special.iter().any(|(piece, text)| piece.text != *text) {
        return None;
    }
    let padding = Piece { text: "<pad>".to_owned(), score: 0.0, kind: Kind::Control };
    let special = [beginning.clone(), padding, end.clone(), unknown.clone()];
    Some(special.into_iter().chain(others.iter().cloned()).collect())
}

/// The SentencePiece file that a `tokenizer.json` of XLM-R was made of.
///
/// # Errors
/// A tokenizer of another kind, by what is different.
pub fn of_tokenizer_json(bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
    let wrong = |place: &str, found: String, expected: &str| {
        Err(Error::Input { path: path.to_owned(), place: place.to_owned(), found, expected: expected.to_owned() })
    };
    let value: Value = serde_json::from_slice(bytes).map_err(Error::format(path))?;
    let kind = &value["model"]["type"];
    if kind != "Unigram" {
        return wrong("model.type", kind.to_string(), "\"Unigram\", as XLM-R has; or a `tokenizer.model`");
    }
    let entry = |entry: &Value| Some((entry[0].as_str()?.to_owned(), entry[1].as_f64()? as f32));
    let entries: Option<Vec<(String, f32)>> =
        value["model"]["vocab"].as_array().and_then(|all| all.iter().map(entry).collect());
    let mut entries = entries.unwrap_or_default();
    let first: Vec<&str> = entries.iter().take(4).map(|(text, _)| text.as_str()).collect();
    if first != ["<s>", "<pad>", "</s>", "<unk>"] {
        return wrong("model.vocab", format!("{first:?} first"), "<s>, <pad>, </s> and <unk>, as XLM-R has them");
    }
    entries.retain(|(text, _)| text != MASK);
    let special = |text: &str, kind| Piece { text: text.to_owned(), score: 0.0, kind };
    let special = [special("<unk>", Kind::Unknown), special("<s>", Kind::Control), special("</s>", Kind::Control)];
    let others = entries.drain(4..).map(|(text, score)| Piece { text, score, kind: Kind::Normal });
    let pieces: Vec<Piece> = special.into_iter().chain(others).collect();
    Ok(model::write(&pieces, &character_map(&value["normalizer"], path)?))
}

/// What characters are replaced with before anything else, as SentencePiece stores it; empty: none.
fn character_map(normalizer: &Value, path: &Path) -> Result<Vec<u8>> {
    let steps = match normalizer["normalizers"].as_array() {
        Some(steps) => steps.iter().collect(),
        None if normalizer.is_null() => Vec::new(),
        None => vec![normalizer],
    };
    let mut map = Vec::new();
    for step in steps {
        match (step["type"].as_str(), step["precompiled_charsmap"].as_str()) {
            (Some("Precompiled"), Some(text)) => map = STANDARD.decode(text).map_err(Error::format(path))?,
            (Some("Replace"), _) => {} // of several spaces by one, which SentencePiece does by itself
            _ => {
                return Err(Error::Input {
                    path: path.to_owned(),
                    place: "normalizer".to_owned(),
                    found: step["type"].to_string(),
                    expected: "\"Precompiled\", as XLM-R has".to_owned(),
                });
            }
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{Vocabulary, hugging_face};
    use serde_json::json;

    /// A vocabulary of an invented language as XLM-R stores it.
    fn pieces() -> Vec<Piece> {
        let mut pieces = vec![
            Piece { text: "<unk>".into(), score: 0.0, kind: Kind::Unknown },
            Piece { text: "<s>".into(), score: 0.0, kind: Kind::Control },
            Piece { text: "</s>".into(), score: 0.0, kind: Kind::Control },
        ];
        for (number, text) in ["▁", ",", "▁ka", "lo", "mē", ".", "▁mē", "šu"].iter().enumerate() {
            pieces.push(Piece { text: (*text).to_owned(), score: -1.0 - number as f32 / 4.0, kind: Kind::Normal });
        }
        pieces
    }

    fn folder(name: &str, bytes: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), bytes).unwrap();
        folder
    }

    #[test]
    fn ids_are_fairseqs() {
        let folder = folder(MODEL, &model::write(&pieces(), &[]));
        let vocabulary = Vocabulary::load(folder.path()).unwrap();
        let special = [vocabulary.beginning(), vocabulary.padding(), vocabulary.end(), vocabulary.unknown()];
        assert_eq!((vocabulary.size(), special), (12, [0, 1, 2, 3]));
        // `▁ka` is the sixth piece of the file, 5, and so 6; `,` the fifth. The other language's letter has no piece.
        assert_eq!(vocabulary.encode("kalo, mēšu."), [6, 7, 5, 10, 11, 9]);
        assert_eq!(vocabulary.encode("ж"), [4, 3]);
        assert_eq!(vocabulary.decode(&[0, 6, 7, 5, 10, 11, 9, 2, 1]), "kalo, mēšu.");
        assert_eq!(vocabulary.pieces()[10].text, "▁mē");
        let begins: Vec<u32> = (0..12).filter(|id| vocabulary.begins_word(*id)).collect();
        assert_eq!(begins, [0, 1, 2, 3, 4, 6, 10]);
        for at in 0..11 {
            assert_eq!(place(id(at)), at);
        }
    }

    #[test]
    fn a_tokenizer_json_gives_the_same_vocabulary() {
        let numbered = numbered(&pieces()).unwrap();
        let mut entries: Vec<Value> = numbered.iter().map(|piece| json!([piece.text, piece.score])).collect();
        entries.push(json!([MASK, 0.0]));
        let of = |normalizer: Value| {
            let model = json!({ "type": "Unigram", "unk_id": 3, "vocab": entries.clone(), "byte_fallback": false });
            json!({ "model": model, "normalizer": normalizer }).to_string()
        };
        let folder = folder(hugging_face::FILE, of(Value::Null).as_bytes());
        let vocabulary = Vocabulary::load(folder.path()).unwrap();
        assert_eq!(vocabulary.pieces(), numbered);
        assert_eq!(vocabulary.encode("kalo, mēšu."), [6, 7, 5, 10, 11, 9]);

        let path = Path::new("tokenizer.json");
        let refused = |text: String| of_tokenizer_json(text.as_bytes(), path).unwrap_err().to_string();
        let message = refused(json!({ "model": { "type": "BPE" } }).to_string());
        assert!(message.contains("model.type: found \"BPE\"; expected \"Unigram\""), "{message}");
        let message = refused(of(json!({ "type": "Lowercase" })));
        assert!(message.contains("normalizer: found \"Lowercase\""), "{message}");
        let message = refused(json!({ "model": { "type": "Unigram", "vocab": [["<unk>", 0.0]] } }).to_string());
        assert!(message.contains("found [\"<unk>\"] first"), "{message}");
    }

    #[test]
    fn another_file_under_this_name_is_refused() {
        let mut others = pieces();
        others.swap(0, 1);
        let folder = folder(MODEL, &model::write(&others, &[]));
        let message = Vocabulary::load(folder.path()).unwrap_err().to_string();
        assert!(message.contains("expected <unk>, <s> and </s>"), "{message}");
    }
}
