//! The vocabulary of a model: texts to ids, and the file itself, which goes with every model made from this one.

use crate::error::{Error, Result};
use std::path::Path;
use tongues_languages::Tag;
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

    /// Ids of `text` without the white space at its ends: what begins a text of `language`, its pieces, `</s>`; at most
    /// `maximum` in all, cut before the `</s>`, which is where the decoder has seen everything. A text begins with the
    /// token of its language, where the vocabulary has one, else with `<s>`.
    pub fn encode(&self, text: &str, language: Tag, maximum: usize) -> Vec<u32> {
        let beginning = self.vocabulary.language_token(language);
        let mut ids = vec![beginning.unwrap_or_else(|| self.vocabulary.beginning())];
        ids.extend(self.vocabulary.encode(text.trim()));
        ids.truncate(maximum - 1);
        ids.push(self.vocabulary.end());
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tongues_pipeline::progress::Silent;
    use tongues_pipeline::vocabulary::source::{Memory, Text};
    use tongues_pipeline::vocabulary::{VocabularySettings, train_on};

    #[test]
    fn a_text_begins_with_the_token_of_its_language_where_there_is_one() {
        let syllables = ["ka", "lo", "mē", "šu", "ri", "ta", "voi", "pū", "dis", "ņe"];
        let word = |at: usize| [syllables[at % 10], syllables[at / 10 % 10]].concat();
        let text = |i: usize| (0..8).map(|place| word(i * 7 + place * 13)).collect::<Vec<_>>().join(" ");
        let texts = || (0..200).map(|i| Text { id: i.to_string(), text: text(i) }).collect();
        let [kpv, ltg, lvs] = ["kpv_Latn", "ltg_Latn", "lvs_Latn"].map(|tag| tag.parse().unwrap());
        let source = Memory([(kpv, texts()), (ltg, texts())].into());
        for (language_tokens, expected) in [(false, [1, 1, 1]), (true, [4, 5, 1])] {
            let folder = tempfile::tempdir().unwrap();
            let settings = VocabularySettings { size: 300, language_tokens, ..Default::default() };
            train_on(&source, Vec::new(), &settings, folder.path(), &Silent).unwrap();
            let tokenizer = Tokenizer::load(folder.path()).unwrap();
            let ids = [kpv, ltg, lvs].map(|language| tokenizer.encode(" kalo mēšu ", language, 64));
            assert_eq!([ids[0][0], ids[1][0], ids[2][0]], expected);
            assert!(ids.iter().all(|found| found[1..] == ids[0][1..] && found.last() == Some(&2)), "{ids:?}");
            assert_eq!(tokenizer.encode("kalo mēšu", ltg, 3).len(), 3);
        }
    }
}
