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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_wiki::Kind;

    #[test]
    fn fresh_sentences_are_on_no_page_and_in_no_two_splits() {
        let wiki = SampleWiki::generate(11, 300);
        for language in &wiki.languages {
            let texts: Vec<&str> = language.pages.iter().filter_map(|page| page.truth.clean_text.as_deref()).collect();
            let all_text = texts.join("\n");
            let mut seen = HashSet::new();
            let mut check = |text: String| {
                assert!(!all_text.contains(&text), "{}: {text} is on a page", language.tag);
                assert!(seen.insert(text.clone()), "{}: {text} came twice", language.tag);
            };
            for (split, count) in [(Split::Train, 60), (Split::Validation, 30), (Split::Test, 120)] {
                let labelled = wiki.labelled(language.tag, split, count);
                for topic in TOPICS {
                    let share = labelled.iter().filter(|(_, label)| *label == topic).count();
                    assert!(share >= count / 4, "{split:?} has {share} of {topic}");
                }
                labelled.into_iter().for_each(|(text, _)| check(text));
            }
            wiki.identification_lines(language.tag, 400).into_iter().for_each(check);
        }
    }

    #[test]
    fn the_files_have_the_promised_lines() {
        let wiki = SampleWiki::generate(11, 20);
        let folder = tempfile::tempdir().unwrap();
        wiki.write_tasks(folder.path()).unwrap();
        wiki.write_identification(folder.path()).unwrap();
        let task = std::fs::read_to_string(folder.path().join("sample_topics/glg_Latn/test.tsv")).unwrap();
        assert_eq!(task.lines().count(), 121);
        assert!(task.lines().all(|line| line.split('\t').count() == 3));
        let lines = std::fs::read_to_string(folder.path().join("identification/mar_Deva.txt")).unwrap();
        assert_eq!(lines.lines().count(), 400);
    }

    #[test]
    fn every_language_has_every_kind_and_no_title_twice() {
        for (seed, count) in [(1, crate::sample_wiki::FEWEST_PAGES), (2, 300)] {
            for language in SampleWiki::generate(seed, count).languages {
                let kinds: HashSet<_> =
                    language.pages.iter().map(|page| std::mem::discriminant(&page.truth.kind)).collect();
                assert_eq!(kinds.len(), 9, "{}", language.tag);
                let titles: HashSet<&str> = language.pages.iter().map(|page| page.title.as_str()).collect();
                assert_eq!(titles.len(), language.pages.len(), "{}", language.tag);
                for page in &language.pages {
                    let twin = |id: u64| &language.pages[id as usize - 1];
                    match page.truth.kind {
                        Kind::Duplicate { of } => {
                            assert_eq!(page.wikitext, twin(of).wikitext);
                            assert_eq!(page.truth.clean_text, twin(of).truth.clean_text);
                        }
                        Kind::NearDuplicate { of } => assert_ne!(page.truth.clean_text, twin(of).truth.clean_text),
                        Kind::Redirect { to } => assert!(page.wikitext.contains(&twin(to).title)),
                        _ => assert!(!page.wikitext.is_empty()),
                    }
                }
            }
        }
    }
}
