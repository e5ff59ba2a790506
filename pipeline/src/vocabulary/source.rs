//! Where the texts come from: read as often as needed, language by language, always in the same order.

use crate::error::{Error, Result};
use crate::io::documents;
use crate::io::manifest::{self, FileRecord};
use std::path::{Path, PathBuf};
use tongues_languages::Tag;

/// One text with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The document's id.
    pub id: String,
    /// The document's text.
    pub text: String,
}

/// The texts of one language, in order.
pub type Texts<'a> = Box<dyn Iterator<Item = Result<Text>> + Send + 'a>;

/// A corpus that can be read several times.
pub trait Source: Sync {
    /// Its languages, sorted.
    fn languages(&self) -> Result<Vec<Tag>>;
    /// The texts of one language.
    fn read(&self, language: Tag) -> Result<Texts<'_>>;
}

/// Texts already in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub std::collections::BTreeMap<Tag, Vec<Text>>);

impl Source for Memory {
    fn languages(&self) -> Result<Vec<Tag>> {
        Ok(self.0.keys().copied().collect())
    }

    fn read(&self, language: Tag) -> Result<Texts<'_>> {
        Ok(Box::new(self.0.get(&language).into_iter().flatten().cloned().map(Ok)))
    }
}

/// The folder `documents/kept` of a run.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    inputs: Vec<FileRecord>,
}

impl Folder {
    /// Looks what is in `path`, which holds one folder a language.
    ///
    /// # Errors
    /// A folder without any documents.
    pub fn open(path: &Path) -> Result<Folder> {
        let languages = if path.exists() { documents::languages(path)? } else { Vec::new() };
        if languages.is_empty() {
            let remedy = "why documents were dropped stands in `rejected` beside it";
            return Err(Error::Input {
                path: path.to_owned(),
                place: String::new(),
                found: "no kept document".to_owned(),
                expected: format!("one folder a language, such as ltg_Latn/part-00000.parquet; {remedy}"),
            });
        }
        let mut inputs = Vec::new();
        for language in languages {
            let folder = path.join(language.as_str());
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
                let name = entry.map_err(Error::io("read", &folder))?.file_name();
                names.extend(name.into_string().ok().filter(|name| name.ends_with(".parquet")));
            }
            names.sort_unstable();
            for name in names {
                inputs.push(manifest::record(&folder.join(&name), &format!("{language}/{name}"))?);
            }
        }
        Ok(Folder { path: path.to_owned(), inputs })
    }

    /// The files with their hashes, relative to the folder.
    pub fn inputs(&self) -> Vec<FileRecord> {
        self.inputs.clone()
    }
}

impl Source for Folder {
    fn languages(&self) -> Result<Vec<Tag>> {
        documents::languages(&self.path)
    }

    fn read(&self, language: Tag) -> Result<Texts<'_>> {
        let texts = documents::read(&self.path, language)?;
        Ok(Box::new(texts.map(|document| document.map(|document| Text { id: document.id, text: document.text }))))
    }
}

/// Groups of up to `size` texts, to be worked on in parallel and put together in order.
pub fn groups<'a>(mut texts: Texts<'a>, size: usize) -> impl Iterator<Item = Result<Vec<Text>>> + 'a {
    std::iter::from_fn(move || {
        let group: Result<Vec<Text>> = texts.by_ref().take(size).collect();
        match group {
            Ok(group) if group.is_empty() => None,
            other => Some(other),
        }
    })
}
