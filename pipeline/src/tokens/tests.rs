//! Written and read back, on invented text.

use super::*;
use crate::progress::Silent;
use crate::vocabulary::Vocabulary;
use crate::vocabulary::source::Source;
use crate::vocabulary::tests::{invented, small};
use std::path::Path;

fn vocabulary(folder: &Path) -> Vocabulary {
    crate::vocabulary::train_on(&invented(), Vec::new(), &small(), folder, &Silent).unwrap();
    Vocabulary::load(folder).unwrap()
}

#[test]
fn what_is_written_is_read_back_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let vocabulary = vocabulary(&folder.path().join("vocabulary"));
    let output = folder.path().join("tokens");
    // Small files, so that a split has several.
    let settings = TokenSettings { validation: 0.2, test: 0.1, tokens_per_file: 2000 };
    let manifest = write_from(&invented(), Vec::new(), &vocabulary, &settings, &output, &Silent).unwrap();
    assert!(manifest.outputs.iter().any(|file| file.path == "ltg_Latn/train-00001.arrow"));

    let corpus = Corpus::open(&output).unwrap();
    assert_eq!(corpus.vocabulary_size(), vocabulary.size());
    assert_eq!(corpus.languages().iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["kpv_Cyrl", "ltg_Latn"]);
    corpus.check_vocabulary(vocabulary.sha256()).unwrap();
    assert!(corpus.check_vocabulary("0").is_err());
    for language in invented().languages().unwrap() {
        let mut texts: std::collections::BTreeMap<String, String> =
            invented().read(language).unwrap().map(|text| text.unwrap()).map(|text| (text.id, text.text)).collect();
        for split in Split::ALL {
            let documents = corpus.split(language, split);
            assert!(!documents.is_empty());
            let mut tokens = 0;
            for i in 0..documents.len() {
                let text = texts.remove(documents.id(i)).expect("every document once");
                let ids: Vec<u32> = documents.tokens(i).collect();
                assert_eq!(vocabulary.decode(&ids), text);
                assert_eq!(documents.bytes(i) as usize, text.len());
                tokens += ids.len() as u64;
            }
            assert_eq!(documents.total_tokens(), tokens);
        }
        assert!(texts.is_empty());
    }
}

#[test]
fn the_same_bytes_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let vocabulary = vocabulary(folder.path());
    let run = |name: &str, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let output = folder.path().join(name);
        pool.install(|| write_from(&invented(), Vec::new(), &vocabulary, &TokenSettings::default(), &output, &Silent))
            .unwrap()
            .outputs
    };
    assert_eq!(run("one", 1), run("four", 4));
}

#[test]
fn broken_and_mixed_folders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let vocabulary = vocabulary(&folder.path().join("vocabulary"));
    let output = folder.path().join("tokens");
    write_from(&invented(), Vec::new(), &vocabulary, &TokenSettings::default(), &output, &Silent).unwrap();
    let file = output.join("ltg_Latn/train-00000.arrow");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 100]).unwrap();
    let error = Corpus::open(&output).unwrap_err().to_string();
    assert!(error.contains("train-00000.arrow") && error.contains("a whole Arrow IPC file"), "{error}");
    std::fs::write(&file, &whole).unwrap();

    // The schema's metadata is plain text in the file: another hash of the same length is another vocabulary.
    let hash = vocabulary.sha256().as_bytes();
    let mut other = whole.clone();
    let places: Vec<usize> = (0..whole.len() - hash.len()).filter(|&at| whole[at..].starts_with(hash)).collect();
    for at in places {
        other[at] = if hash[0] == b'0' { b'1' } else { b'0' };
    }
    std::fs::write(&file, &other).unwrap();
    assert!(Corpus::open(&output).unwrap_err().to_string().contains("as in the files before"));
}
