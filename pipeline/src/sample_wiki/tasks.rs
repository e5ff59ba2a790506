//! Fresh sentences beside the wiki: a topic task and lines for a language identifier.

use super::SampleWiki;
use super::lexicon::TOPICS;
use super::random::{Random, hash};
use super::sentence::Sentence;
use crate::error::Result;
use crate::io::atomic;
use std::collections::HashSet;
use std::path::Path;
use tongues_languages::Tag;

/// What a fresh sentence is for. A sentence belongs to one of these by its hash, so no two share any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// `train.tsv`
    Train,
    /// `dev.tsv`
    Validation,
    /// `test.tsv`
    Test,
}

/// The share of hashes for [`SampleWiki::identification_lines`], after the three splits.
const IDENTIFICATION: u64 = 3;

impl SampleWiki {
    /// `count` labelled sentences, topics in turn, each on no page and in no other split; none for an unknown language.
    pub fn labelled(&self, tag: Tag, split: Split, count: usize) -> Vec<(String, &'static str)> {
        self.fresh(tag, split as u64, count)
    }

    /// `count` plain sentences of all topics, each on no page and in no split; none for an unknown language.
    pub fn identification_lines(&self, tag: Tag, count: usize) -> Vec<String> {
        self.fresh(tag, IDENTIFICATION, count).into_iter().map(|(text, _)| text).collect()
    }

    fn fresh(&self, tag: Tag, share: u64, count: usize) -> Vec<(String, &'static str)> {
        let Some(language) = self.language(tag) else { return Vec::new() };
        let mut random = Random::new(self.seed, &format!("fresh {tag} {share}"));
        let (mut seen, mut fresh) = (HashSet::new(), Vec::with_capacity(count));
        while fresh.len() < count {
            let (text, label) = Sentence::labelled(language.lexicon, fresh.len() % TOPICS.len(), &mut random);
            if hash(&text) % 4 == share && !language.sentences.contains(&text) && seen.insert(text.clone()) {
                fresh.push((text, label));
            }
        }
        fresh
    }

    /// Writes `sample_topics/LANGUAGE/{train,dev,test}.tsv` under `folder`: 60, 30 and 120 lines after a header
    /// `index_id`, `category`, `text`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when a file cannot be written.
    pub fn write_tasks(&self, folder: &Path) -> Result<()> {
        let splits = [(Split::Train, "train", 60), (Split::Validation, "dev", 30), (Split::Test, "test", 120)];
        for language in &self.languages {
            for (split, name, count) in splits {
                let mut lines = "index_id\tcategory\ttext\n".to_owned();
                for (index, (text, label)) in self.labelled(language.tag, split, count).iter().enumerate() {
                    lines.push_str(&format!("{index}\t{label}\t{text}\n"));
                }
                let path = folder.join("sample_topics").join(language.tag.as_str()).join(format!("{name}.tsv"));
                atomic::write(&path, lines.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes `identification/LANGUAGE.txt` under `folder`: 400 sentences, one a line.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when a file cannot be written.
    pub fn write_identification(&self, folder: &Path) -> Result<()> {
        for language in &self.languages {
            let lines = self.identification_lines(language.tag, 400).join("\n") + "\n";
            let path = folder.join("identification").join(format!("{}.txt", language.tag));
            atomic::write(&path, lines.as_bytes())?;
        }
        Ok(())
    }
}
