//! The stage as a whole, on invented text.

use super::source::{Memory, Text};
use super::*;
use crate::progress::Silent;

/// Text of two invented languages: syllables put together by a small generator, the same every time.
pub(crate) fn invented() -> Memory {
    let mut state = 12345u64;
    let mut next = move |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let mut texts = |name: &str, documents: usize, syllables: &[&str]| -> Vec<Text> {
        (0..documents)
            .map(|i| {
                let lines: Vec<String> = (0..3)
                    .map(|_| {
                        let words: Vec<String> = (0..12)
                            .map(|_| (0..1 + next(3)).map(|_| syllables[next(syllables.len())]).collect())
                            .collect();
                        format!("{} {}.", words.join(" "), next(2000))
                    })
                    .collect();
                Text { id: format!("{name}:{i}"), text: lines.join("\n\n") }
            })
            .collect()
    };
    let latin = texts("a", 120, &["ka", "lo", "mē", "šu", "ri", "ta", "ņe", "voi", "dis", "pū"]);
    let cyrillic = texts("b", 30, &["бо", "ра", "жу", "ке", "ли", "нӧ"]);
    Memory([("ltg_Latn".parse().unwrap(), latin), ("kpv_Cyrl".parse().unwrap(), cyrillic)].into())
}

pub(crate) fn small() -> VocabularySettings {
    VocabularySettings { size: 420, ..Default::default() }
}

#[test]
fn a_trained_vocabulary_gives_every_text_back() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = train_on(&invented(), Vec::new(), &small(), folder.path(), &Silent).unwrap();
    let vocabulary = Vocabulary::load(folder.path()).unwrap();
    assert_eq!(vocabulary.size(), 420);
    let special = [vocabulary.unknown(), vocabulary.beginning(), vocabulary.end(), vocabulary.padding()];
    assert_eq!(special, [0, 1, 2, 3]);
    for text in ["kalo mēšu", "boшu 漢字 🙂\n\ntwo  spaces", " led by one", "", "nul\0inside", "<s> </s>"] {
        assert_eq!(vocabulary.decode(&vocabulary.encode(text)), text);
    }
    assert!(vocabulary.encode("漢").iter().filter(|id| vocabulary.is_byte(**id)).count() == 3);
    assert_eq!(vocabulary.decode(&[u32::MAX]), vocabulary.decode(&[0]));
    assert_eq!(vocabulary.encode("1987").len(), 5, "space and four digits, never one number");
    for (text, words) in [("kalo mēšu", 2), ("1987", 1), ("漢字", 1)] {
        assert_eq!(vocabulary.encode(text).iter().filter(|id| vocabulary.begins_word(**id)).count(), words, "{text}");
    }
    assert_eq!(manifest.outputs[1].sha256, vocabulary.sha256());

    let table: Vec<Fertility> =
        serde_json::from_slice(&std::fs::read(folder.path().join("fertility.json")).unwrap()).unwrap();
    let latin = table.iter().find(|row| row.language.as_str() == "ltg_Latn").unwrap();
    assert_eq!((latin.documents, latin.words), (120, 120 * 3 * 13));
    assert!(latin.tokens_per_word > 1.0 && latin.byte_fallback_share == 0.0, "{latin:?}");
    // 360 and 90 lines; shares of 450 as 360^0.3 : 90^0.3 = 1.516 : 1.
    assert_eq!(table.iter().map(|row| row.training_sentences).collect::<Vec<_>>(), [179, 271]);
}

#[test]
fn the_same_settings_give_the_same_bytes() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = train_on(&invented(), Vec::new(), &small(), first.path(), &Silent).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let two = pool.install(|| train_on(&invented(), Vec::new(), &small(), second.path(), &Silent)).unwrap();
    assert_eq!(one, two);
    let again = train_on(&invented(), Vec::new(), &small(), first.path(), &Silent).unwrap();
    assert_eq!(one, again, "done already");
}

#[test]
fn too_little_text_names_the_size_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let settings = VocabularySettings { size: 30_000, ..small() };
    let error = train_on(&invented(), Vec::new(), &settings, folder.path(), &Silent).unwrap_err().to_string();
    let largest: u32 = error.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{error}"));
    let settings = VocabularySettings { size: largest, ..small() };
    train_on(&invented(), Vec::new(), &settings, folder.path(), &Silent).unwrap();
    assert_eq!(Vocabulary::load(folder.path()).unwrap().size(), largest as usize);

    let settings = VocabularySettings { size: 300, coverage: 1.0, ..small() };
    let error = train_on(&invented(), Vec::new(), &settings, folder.path(), &Silent);
    assert!(matches!(error, Ok(_) | Err(Error::Settings(_))));
    let empty = train_on(&Memory::default(), Vec::new(), &small(), folder.path(), &Silent).unwrap_err();
    assert_eq!(empty.to_string(), "vocabulary: no text to train on");
}

#[test]
fn a_failing_source_stops_the_trainer_with_its_own_error() {
    let mut lines = (0..50).map(|i| if i < 40 { Ok(format!("line number {i}")) } else { Err(Error::Interrupted) });
    let result = trainer::train(&small().arguments(&[]), &mut lines);
    assert!(matches!(result, Err(Error::Interrupted)));
}

#[test]
fn bytes_that_are_no_model_are_refused() {
    let error = Vocabulary::from_bytes(b"no model", Path::new("x.model")).unwrap_err().to_string();
    assert!(error.contains("x.model") && error.contains("expected a SentencePiece model"), "{error}");
}
