//! Token files read back: memory-mapped, the values not copied.

use super::split::Split;
use super::{BYTES, ID, SIZE_KEY, TOKENS, VOCABULARY_KEY};
use crate::error::{Error, Result};
use crate::io::ipc;
use arrow::array::{Array, ArrayRef, ListArray, RecordBatch, StringArray, UInt16Array, UInt32Array};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tongues_languages::Tag;

/// Tokens of one batch, in the width of the file.
#[derive(Debug, Clone)]
enum Values {
    Narrow(UInt16Array),
    Wide(UInt32Array),
}

#[derive(Debug, Clone)]
struct Batch {
    first: usize,
    ids: StringArray,
    bytes: UInt32Array,
    lists: ListArray,
    values: Values,
}

/// The documents of one split of one language, in the order they were written.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    batches: Vec<Batch>,
    length: usize,
    total_tokens: u64,
    total_bytes: u64,
}

impl Documents {
    /// Number of documents.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Number of tokens of document `i`. Panics when there is no such document.
    pub fn length(&self, i: usize) -> usize {
        let (batch, row) = self.place(i);
        batch.lists.value_length(row) as usize
    }

    /// Tokens of document `i`, read from the file on demand. Panics when there is no such document.
    pub fn tokens(&self, i: usize) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.part(i, 0..self.length(i))
    }

    /// A range of the tokens of document `i`, read from the file on demand. Panics when there is no such document, or it is
    /// shorter.
    pub fn part(&self, i: usize, range: Range<usize>) -> impl ExactSizeIterator<Item = u32> + '_ {
        let (batch, row) = self.place(i);
        let length = batch.lists.value_length(row) as usize;
        assert!(range.end <= length, "tokens up to {} of {length}", range.end);
        let first = batch.lists.value_offsets()[row] as usize;
        (first + range.start..first + range.end).map(|at| match &batch.values {
            Values::Narrow(values) => u32::from(values.values()[at]),
            Values::Wide(values) => values.values()[at],
        })
    }

    /// UTF-8 length of the text of document `i`. Panics when there is no such document.
    pub fn bytes(&self, i: usize) -> u32 {
        let (batch, row) = self.place(i);
        batch.bytes.value(row)
    }

    /// Id of document `i`. Panics when there is no such document.
    pub fn id(&self, i: usize) -> &str {
        let (batch, row) = self.place(i);
        batch.ids.value(row)
    }

    /// Tokens of all documents.
    pub fn total_tokens(&self) -> u64 {
        self.total_tokens
    }

    /// UTF-8 bytes of all documents.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    fn place(&self, i: usize) -> (&Batch, usize) {
        assert!(i < self.length, "document {i} of {}", self.length);
        let batch = &self.batches[self.batches.partition_point(|batch| batch.first <= i) - 1];
        (batch, i - batch.first)
    }

    fn push(&mut self, batch: &RecordBatch) -> std::result::Result<(), String> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let ids: StringArray = column(batch, ID)?;
        let bytes: UInt32Array = column(batch, BYTES)?;
        let lists: ListArray = column(batch, TOKENS)?;
        let values = if let Some(values) = lists.values().as_any().downcast_ref::<UInt16Array>() {
            Values::Narrow(values.clone())
        } else if let Some(values) = lists.values().as_any().downcast_ref::<UInt32Array>() {
            Values::Wide(values.clone())
        } else {
            return Err(format!("tokens of type {}", lists.value_type()));
        };
        let offsets = lists.value_offsets();
        self.total_tokens += (offsets[lists.len()] - offsets[0]) as u64;
        self.total_bytes += bytes.values().iter().map(|&n| u64::from(n)).sum::<u64>();
        self.batches.push(Batch { first: self.length, ids, bytes, lists, values });
        self.length += batch.num_rows();
        Ok(())
    }
}

fn column<T: Array + Clone + 'static>(batch: &RecordBatch, name: &str) -> std::result::Result<T, String> {
    let array: &ArrayRef = batch.column_by_name(name).ok_or_else(|| format!("no column `{name}`"))?;
    if array.null_count() > 0 {
        return Err(format!("nulls in `{name}`"));
    }
    array.as_any().downcast_ref::<T>().cloned().ok_or_else(|| format!("`{name}` of type {}", array.data_type()))
}

/// All token files of a run.
#[derive(Debug, Clone)]
pub struct Corpus {
    languages: Vec<Tag>,
    splits: BTreeMap<(Tag, Split), Documents>,
    vocabulary_size: usize,
    vocabulary_sha256: String,
    none: Documents,
}

impl Corpus {
    /// Maps every file of the folder of the stage `tokens`.
    ///
    /// # Errors
    /// No files, a file that is cut off or has other columns, files made with different vocabularies, or a token
    /// outside the vocabulary.
    pub fn open(folder: &Path) -> Result<Corpus> {
        let mut corpus = Corpus {
            languages: Vec::new(),
            splits: BTreeMap::new(),
            vocabulary_size: 0,
            vocabulary_sha256: String::new(),
            none: Documents::default(),
        };
        for language_folder in entries(folder)? {
            let name = language_folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Ok(language) = name.parse::<Tag>() else { continue };
            for file in entries(&language_folder)? {
                let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let split = Split::ALL.into_iter().find(|split| {
                    name.ends_with(".arrow")
                        && name.strip_prefix(split.name()).is_some_and(|rest| rest.starts_with('-'))
                });
                if let Some(split) = split {
                    corpus.add(&file, language, split)?;
                }
            }
        }
        if corpus.languages.is_empty() {
            return Err(wrong(folder, "no token files", "LANGUAGE/train-00000.arrow and others"));
        }
        Ok(corpus)
    }

    /// Refuses a corpus made with another vocabulary than the one with this SHA-256.
    pub fn check_vocabulary(&self, sha256: &str) -> Result<()> {
        if self.vocabulary_sha256 == sha256 {
            return Ok(());
        }
        Err(Error::Settings(format!(
            "the token files were made with the vocabulary {}, not {sha256}; run the stage `tokens` again",
            self.vocabulary_sha256
        )))
    }

    /// Its languages, sorted.
    pub fn languages(&self) -> &[Tag] {
        &self.languages
    }

    /// The documents of a split; empty where there are none.
    pub fn split(&self, language: Tag, split: Split) -> &Documents {
        self.splits.get(&(language, split)).unwrap_or(&self.none)
    }

    /// Pieces of the vocabulary the files were made with.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    /// SHA-256 of the `tokenizer.model` the files were made with.
    pub fn vocabulary_sha256(&self) -> &str {
        &self.vocabulary_sha256
    }

    fn add(&mut self, path: &Path, language: Tag, split: Split) -> Result<()> {
        let (schema, batches) = ipc::open(path)?;
        let size = schema.metadata().get(SIZE_KEY).and_then(|size| size.parse::<usize>().ok());
        let (Some(size), Some(sha256)) = (size, schema.metadata().get(VOCABULARY_KEY)) else {
            return Err(wrong(path, "no vocabulary in the schema's metadata", "a file of the stage `tokens`"));
        };
        if self.languages.is_empty() {
            (self.vocabulary_size, self.vocabulary_sha256) = (size, sha256.clone());
        } else if self.vocabulary_sha256 != *sha256 || self.vocabulary_size != size {
            let expected = format!("{} as in the files before", self.vocabulary_sha256);
            return Err(wrong(path, &format!("vocabulary {sha256}"), &expected));
        }
        if self.languages.last() != Some(&language) {
            self.languages.push(language);
        }
        let documents = self.splits.entry((language, split)).or_default();
        for batch in &batches {
            documents
                .push(batch)
                .map_err(|found| wrong(path, &found, "id utf8, bytes u32, tokens list of u16 or u32"))?;
            let last = documents.batches.last().map(|batch| &batch.values);
            let largest = match last {
                Some(Values::Narrow(values)) => values.values().iter().max().map(|&id| u32::from(id)),
                Some(Values::Wide(values)) => values.values().iter().max().copied(),
                None => None,
            };
            if let Some(id) = largest.filter(|&id| id as usize >= size) {
                return Err(wrong(path, &format!("token {id}"), &format!("ids below {size}")));
            }
        }
        Ok(())
    }
}

fn wrong(path: &Path, found: &str, expected: &str) -> Error {
    Error::Input { path: path.to_owned(), place: String::new(), found: found.to_owned(), expected: expected.to_owned() }
}

/// Sorted paths in a folder; none where it is a file.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        paths.push(entry.map_err(Error::io("read", folder))?.path());
    }
    paths.sort_unstable();
    Ok(paths)
}
