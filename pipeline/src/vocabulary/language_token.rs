//! Language tokens: a control piece `<ltg_Latn>` for each language, which begins its documents in place of `<s>`, so that a
//! model of several languages is told which one it reads, and can be told which one to write.
//!
//! As in mBART (Liu et al. 2020), a multilingual model of texts: they are `[language] X </s>`, and `<s>` is never used.
//! They count among the vocabulary's pieces, after the four special ones, and no text is ever cut into one.

use super::model::{Kind, Piece};
use std::collections::BTreeMap;
use tongues_languages::Tag;

/// The piece of a language.
pub fn text(language: Tag) -> String {
    format!("<{language}>")
}

/// Ids of those among `pieces`; none where the vocabulary was made without them.
pub fn find(pieces: &[Piece]) -> BTreeMap<Tag, u32> {
    let of = |(id, piece): (usize, &Piece)| {
        let tag = piece.text.strip_prefix('<')?.strip_suffix('>')?.parse().ok()?;
        (piece.kind == Kind::Control).then_some((tag, id as u32))
    };
    pieces.iter().enumerate().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::vocabulary::tests::{invented, small};
    use crate::vocabulary::{Vocabulary, VocabularySettings, train_on};

    #[test]
    fn each_language_has_one_that_text_never_becomes() {
        let folder = tempfile::tempdir().unwrap();
        let settings = VocabularySettings { language_tokens: true, ..small() };
        let manifest = train_on(&invented(), Vec::new(), &settings, folder.path(), &Silent).unwrap();
        assert_eq!(manifest.settings["language_tokens"], true);
        let vocabulary = Vocabulary::load(folder.path()).unwrap();
        let [kpv, ltg, lvs] = ["kpv_Cyrl", "ltg_Latn", "lvs_Latn"].map(|tag| tag.parse::<Tag>().unwrap());
        assert_eq!(*vocabulary.language_tokens(), BTreeMap::from([(kpv, 4), (ltg, 5)]));
        assert_eq!((vocabulary.language_token(ltg), vocabulary.language_token(lvs)), (Some(5), None));
        assert_eq!(vocabulary.pieces()[5].text, text(ltg));
        assert_eq!(vocabulary.size(), 420, "they are among the pieces");
        let written = "<ltg_Latn> kalo<kpv_Cyrl>";
        let ids = vocabulary.encode(written);
        assert!(ids.iter().all(|id| ![4, 5].contains(id)), "{ids:?}");
        assert_eq!(vocabulary.decode(&ids), written);
        assert_eq!(vocabulary.decode(&[5, ids[0], 4]), vocabulary.decode(&ids[..1]), "they leave no text");
    }

    #[test]
    fn without_them_a_vocabulary_is_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = train_on(&invented(), Vec::new(), &small(), folder.path(), &Silent).unwrap();
        assert_eq!(manifest.settings.get("language_tokens"), None, "made before there were any, it is not made anew");
        assert!(Vocabulary::load(folder.path()).unwrap().language_tokens().is_empty());
        let piece = |text: &str, kind| Piece { text: text.to_owned(), score: 0.0, kind };
        let others = [piece("<s>", Kind::Control), piece("<ltg_Latn>", Kind::Normal), piece("<ltg>", Kind::Control)];
        assert!(find(&others).is_empty());
    }
}
