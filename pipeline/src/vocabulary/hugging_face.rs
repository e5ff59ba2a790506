//! The vocabulary as `tokenizer.json`, the format of Hugging Face's `tokenizers`, which gives the same ids.
//!
//! `transformers` would read `tokenizer.model` of a Llama folder as byte-pair merges: other ids, and no word about it.
//! The layout is that of the `tokenizers` library (`Unigram` with byte fallback; `Prepend` and `Replace` do what
//! SentencePiece's dummy prefix and escaped white space do).

use super::Vocabulary;
use serde_json::{Map, Value, json};

/// Name of the file.
pub const FILE: &str = "tokenizer.json";

/// The token that stands for a hidden one.
pub const MASK: &str = "<mask>";

/// The content of `tokenizer.json`: `<s>` before every text, no `</s>` after it. With the id of `<mask>`, which is the one
/// after the last piece, it is an encoder's: that token is added, and `</s>` stands after every text. With language tokens
/// the only one stands in place of `<s>`; of several none does, and the text has to begin with one: `<ltg_Latn>Latgola`.
pub fn tokenizer_json(vocabulary: &Vocabulary, mask: Option<u32>) -> Value {
    let pieces = vocabulary.pieces();
    let special = [vocabulary.unknown(), vocabulary.beginning(), vocabulary.end(), vocabulary.padding()];
    let of_languages: Vec<u32> = vocabulary.language_tokens().values().copied().collect();
    let special = special.into_iter().chain(of_languages.iter().copied());
    let special = special.map(|id| (id, pieces[id as usize].text.as_str(), false));
    // The space before a mask belongs to it, as in RoBERTa: what is hidden begins a word.
    let mask_token = mask.map(|id| (id, MASK, true));
    let added = special.chain(mask_token).map(|(id, content, takes_space)| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": takes_space,
                "rstrip": false, "normalized": false, "special": true })
    });
    let added: Vec<Value> = added.collect();
    let beginning = match of_languages[..] {
        [] => Some(vocabulary.beginning()),
        [only] => Some(only),
        _ => None,
    };
    let token = |id: u32| pieces[id as usize].text.as_str();
    let special = |id: u32| json!({ "SpecialToken": { "id": token(id), "type_id": 0 } });
    let text = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    let end = special(vocabulary.end());
    let mut single: Vec<Value> = beginning.map(special).into_iter().chain([text("A")]).collect();
    let mut pair = single.clone();
    if mask.is_some() {
        single.push(end.clone());
        pair.extend([end.clone(), end.clone(), text("B"), end]);
    } else {
        pair.push(text("B"));
    }
    let of_template = |id: u32| (token(id).to_owned(), json!({ "id": token(id), "ids": [id], "tokens": [token(id)] }));
    let of_template: Map<String, Value> = beginning.into_iter().chain([vocabulary.end()]).map(of_template).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "Prepend", "prepend": "▁" },
            { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
        ] },
        "pre_tokenizer": null,
        "post_processor": { "type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": of_template },
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
    use crate::vocabulary::source::Memory;
    use crate::vocabulary::tests::{invented, small};
    use crate::vocabulary::{VocabularySettings, train_on};

    #[test]
    fn pieces_stand_at_their_ids_with_their_scores() {
        let folder = tempfile::tempdir().unwrap();
        train_on(&invented(), Vec::new(), &small(), folder.path(), &Silent).unwrap();
        let vocabulary = Vocabulary::load(folder.path()).unwrap();
        let value = tokenizer_json(&vocabulary, None);
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
        let ends = |value: &Value| value["post_processor"]["single"].as_array().unwrap().len() == 3;
        let masked = tokenizer_json(&vocabulary, Some(vocabulary.size() as u32));
        let last = masked["added_tokens"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["content"], &last["id"]), (&json!("<mask>"), &json!(vocabulary.size())));
        assert!(ends(&masked) && !ends(&value) && masked["model"] == value["model"]);
        // The dummy prefix: a text begins with a piece that begins with ▁, as `Prepend` makes it.
        let first = vocabulary.encode("a")[0] as usize;
        assert!(pieces[first][0].as_str().unwrap().starts_with('▁'), "{}", pieces[first]);
    }

    #[test]
    fn language_tokens_are_special_and_no_other_beginning_is_put_before_a_text() {
        let settings = VocabularySettings { language_tokens: true, ..small() };
        let of = |source: &Memory, mask: Option<u32>| {
            let folder = tempfile::tempdir().unwrap();
            train_on(source, Vec::new(), &settings, folder.path(), &Silent).unwrap();
            tokenizer_json(&Vocabulary::load(folder.path()).unwrap(), mask)
        };
        let single = |value: &Value| {
            let parts = value["post_processor"]["single"].as_array().unwrap().iter();
            let id = |part: &Value| part.as_object().unwrap().values().next().unwrap()["id"].clone();
            parts.map(|part| id(part).as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let two = of(&invented(), None);
        let added = two["added_tokens"].as_array().unwrap();
        assert_eq!((&added[4]["content"], &added[5]["id"]), (&json!("<kpv_Cyrl>"), &json!(5)));
        assert!(added.iter().all(|token| token["special"] == true));
        assert_eq!(single(&two), ["A"]);
        assert_eq!(single(&of(&invented(), Some(420))), ["A", "</s>"]);
        let mut one = invented();
        one.0.pop_first();
        let one = of(&one, None);
        assert_eq!(single(&one), ["<ltg_Latn>", "A"]);
        assert_eq!(one["post_processor"]["special_tokens"]["<ltg_Latn>"]["ids"], json!([4]));
    }
}
