//! The vocabulary as `tokenizer.json`, the format of Hugging Face's `tokenizers`, which gives the same ids.
//!
//! `transformers` would read `tokenizer.model` of a Llama folder as byte-pair merges: other ids, and no word about it.
//! The layout is that of the `tokenizers` library (`Unigram` with byte fallback; `Prepend` and `Replace` do what
//! SentencePiece's dummy prefix and escaped white space do).

use super::Vocabulary;
use serde_json::{Value, json};

/// Name of the file.
pub const FILE: &str = "tokenizer.json";

/// The content of `tokenizer.json`: `<s>` before every text, no `</s>` after it.
pub fn tokenizer_json(vocabulary: &Vocabulary) -> Value {
    let pieces = vocabulary.pieces();
    let special = [vocabulary.unknown(), vocabulary.beginning(), vocabulary.end(), vocabulary.padding()];
    let added = special.map(|id| {
        json!({ "id": id, "content": pieces[id as usize].text, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true })
    });
    let beginning = &pieces[vocabulary.beginning() as usize].text;
    let first = json!({ "SpecialToken": { "id": beginning, "type_id": 0 } });
    let text = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "Prepend", "prepend": "▁" },
            { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
        ] },
        "pre_tokenizer": null,
        "post_processor": { "type": "TemplateProcessing", "single": [first, text("A")],
            "pair": [first, text("A"), text("B")],
            "special_tokens": { beginning: { "id": beginning, "ids": [vocabulary.beginning()], "tokens": [beginning] } } },
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" }, { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ] },
        "model": { "type": "Unigram", "unk_id": vocabulary.unknown(), "byte_fallback": true,
            "vocab": pieces.iter().map(|piece| json!([piece.text, piece.score])).collect::<Vec<_>>() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::vocabulary::tests::{invented, small};
    use crate::vocabulary::train_on;

    #[test]
    fn pieces_stand_at_their_ids_with_their_scores() {
        let folder = tempfile::tempdir().unwrap();
        train_on(&invented(), Vec::new(), &small(), folder.path(), &Silent).unwrap();
        let vocabulary = Vocabulary::load(folder.path()).unwrap();
        let value = tokenizer_json(&vocabulary);
        let pieces = value["model"]["vocab"].as_array().unwrap();
        assert_eq!(pieces.len(), vocabulary.size());
        for (id, piece) in vocabulary.pieces().iter().enumerate() {
            assert_eq!(
                (pieces[id][0].as_str(), pieces[id][1].as_f64()),
                (Some(&*piece.text), Some(piece.score.into()))
            );
        }
        let added: Vec<_> = value["added_tokens"].as_array().unwrap().iter().map(|token| &token["content"]).collect();
        assert_eq!(added, ["<unk>", "<s>", "</s>", "<pad>"]);
        assert_eq!(value["post_processor"]["special_tokens"]["<s>"]["ids"], json!([1]));
        // The dummy prefix: a text begins with a piece that begins with ▁, as `Prepend` makes it.
        let first = vocabulary.encode("a")[0] as usize;
        assert!(pieces[first][0].as_str().unwrap().starts_with('▁'), "{}", pieces[first]);
    }
}
