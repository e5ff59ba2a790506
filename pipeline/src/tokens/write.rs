//! Writes the token files: encoded in parallel, written in the order of the documents.

use super::settings::TokenSettings;
use super::split::{Split, Splitter};
use super::{BYTES, FORMAT, ID, SIZE_KEY, TOKENS, VOCABULARY_KEY};
use crate::error::{Error, Result};
use crate::io::ipc::IpcWriter;
use crate::io::manifest::{self, FileRecord, Manifest};
use crate::progress::Progress;
use crate::vocabulary::Vocabulary;
use crate::vocabulary::source::{Folder, Source, groups};
use arrow::array::{ArrayRef, ListArray, RecordBatch, StringArray, UInt16Array, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;
use tongues_languages::Tag;

/// A batch is written when it holds so many tokens.
const BATCH: usize = 1 << 18;
/// Most pieces that fit 16 bits.
const NARROW: usize = 1 << 16;

/// Encodes the kept documents of a run with the vocabulary (a `.model` file or its folder) into `output`. Does nothing
/// when `output` already holds the result of these settings, documents and vocabulary.
pub fn write(
    documents: &Path,
    vocabulary: &Path,
    settings: &TokenSettings,
    output: &Path,
    progress: &dyn Progress,
) -> Result<Manifest> {
    let source = Folder::open(documents)?;
    write_from(&source, source.inputs(), &Vocabulary::load(vocabulary)?, settings, output, progress)
}

/// [`write()`] from any source; `inputs` identify it in the manifest.
pub fn write_from(
    source: &dyn Source,
    mut inputs: Vec<FileRecord>,
    vocabulary: &Vocabulary,
    settings: &TokenSettings,
    output: &Path,
    progress: &dyn Progress,
) -> Result<Manifest> {
    settings.check()?;
    inputs.push(vocabulary.record());
    let value = serde_json::to_value(settings).expect("settings are plain data");
    let key = Manifest::key_of("tokens", FORMAT, &value, &inputs);
    if let Some(done) = Manifest::done(output, &key)? {
        return Ok(done);
    }
    Manifest::withdraw(output)?;
    let (mut outputs, mut counts) = (Vec::new(), serde_json::Map::new());
    progress.begin("tokens", None, "documents");
    let written = source.languages().and_then(|languages| {
        clear(output)?;
        languages.into_iter().try_for_each(|language| {
            let of_language = write_language(source, language, vocabulary, settings, output, progress)?;
            let mut splits = serde_json::Map::new();
            for part in of_language {
                splits.insert(part.split.name().to_owned(), part.counts());
                outputs.extend(part.done);
            }
            counts.insert(language.to_string(), splits.into());
            Ok(())
        })
    });
    progress.end();
    written?;
    outputs.sort_by(|a: &FileRecord, b| a.path.cmp(&b.path));
    let counts = serde_json::json!({ "vocabulary_size": vocabulary.size(), "languages": counts });
    let manifest = Manifest { stage: "tokens".into(), format: FORMAT, key, settings: value, inputs, counts, outputs };
    manifest.write(output)?;
    Ok(manifest)
}

fn write_language(
    source: &dyn Source,
    language: Tag,
    vocabulary: &Vocabulary,
    settings: &TokenSettings,
    output: &Path,
    progress: &dyn Progress,
) -> Result<Vec<Part>> {
    let ids = source.read(language)?.map(|text| text.map(|text| text.id)).collect::<Result<Vec<_>>>()?;
    let splitter = Splitter::new(ids.iter().map(String::as_str), settings);
    drop(ids);
    let schema = schema(vocabulary);
    let mut parts: Vec<Part> = Split::ALL.into_iter().map(|split| Part::new(language, split, &schema)).collect();
    for group in groups(source.read(language)?, 256) {
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
        let group = group?;
        let encoded: Vec<Vec<u32>> = group.par_iter().map(|text| vocabulary.encode(&text.text)).collect();
        for (text, tokens) in group.iter().zip(&encoded) {
            let split = splitter.split(&text.id);
            let part = parts.iter_mut().find(|part| part.split == split).expect("one for every split");
            part.push(&text.id, text.text.len(), tokens, settings.tokens_per_file, output)?;
        }
        progress.advance(group.len() as u64);
    }
    for part in &mut parts {
        part.close(output)?;
    }
    Ok(parts)
}

fn schema(vocabulary: &Vocabulary) -> SchemaRef {
    let token = if vocabulary.size() <= NARROW { DataType::UInt16 } else { DataType::UInt32 };
    let fields = vec![
        Field::new(ID, DataType::Utf8, false),
        Field::new(BYTES, DataType::UInt32, false),
        Field::new(TOKENS, DataType::List(Arc::new(Field::new("item", token, false))), false),
    ];
    // One entry alone would do for the check; the size is there for readers without the vocabulary.
    let metadata = [
        (VOCABULARY_KEY.to_owned(), vocabulary.sha256().to_owned()),
        (SIZE_KEY.to_owned(), vocabulary.size().to_string()),
    ];
    Arc::new(Schema::new_with_metadata(fields, metadata.into()))
}

/// The files of one split of one language.
struct Part {
    language: Tag,
    split: Split,
    schema: SchemaRef,
    writer: Option<IpcWriter>,
    ids: Vec<String>,
    bytes: Vec<u32>,
    lengths: Vec<usize>,
    tokens: Vec<u32>,
    in_file: (u64, u64),
    totals: [u64; 3],
    done: Vec<FileRecord>,
}

impl Part {
    fn new(language: Tag, split: Split, schema: &SchemaRef) -> Part {
        Part {
            language,
            split,
            schema: schema.clone(),
            writer: None,
            ids: Vec::new(),
            bytes: Vec::new(),
            lengths: Vec::new(),
            tokens: Vec::new(),
            in_file: (0, 0),
            totals: [0; 3],
            done: Vec::new(),
        }
    }

    fn name(&self) -> String {
        format!("{}/{}-{:05}.arrow", self.language, self.split.name(), self.done.len())
    }

    fn counts(&self) -> serde_json::Value {
        let [documents, bytes, tokens] = self.totals;
        serde_json::json!({ "documents": documents, "bytes": bytes, "tokens": tokens })
    }

    fn push(&mut self, id: &str, bytes: usize, tokens: &[u32], limit: u64, output: &Path) -> Result<()> {
        self.bytes.push(u32::try_from(bytes).map_err(|_| {
            Error::Settings(format!("document {id} has {bytes} bytes; token files hold documents below 4 GiB"))
        })?);
        self.ids.push(id.to_owned());
        self.lengths.push(tokens.len());
        self.tokens.extend_from_slice(tokens);
        self.in_file = (self.in_file.0 + 1, self.in_file.1 + tokens.len() as u64);
        self.totals = [self.totals[0] + 1, self.totals[1] + bytes as u64, self.totals[2] + tokens.len() as u64];
        if self.tokens.len() >= BATCH {
            self.flush(output)?;
        }
        if self.in_file.1 >= limit { self.close(output) } else { Ok(()) }
    }

    fn flush(&mut self, output: &Path) -> Result<()> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let path = output.join(self.name());
        let DataType::List(item) = self.schema.field(2).data_type().clone() else {
            unreachable!("the schema is made above")
        };
        let tokens = std::mem::take(&mut self.tokens);
        let values: ArrayRef = if *item.data_type() == DataType::UInt16 {
            Arc::new(UInt16Array::from_iter_values(tokens.iter().map(|&id| id as u16)))
        } else {
            Arc::new(UInt32Array::from(tokens))
        };
        let offsets = OffsetBuffer::from_lengths(std::mem::take(&mut self.lengths));
        let lists = ListArray::try_new(item, offsets, values, None).map_err(Error::format(&path))?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(std::mem::take(&mut self.ids))),
            Arc::new(UInt32Array::from(std::mem::take(&mut self.bytes))),
            Arc::new(lists),
        ];
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(Error::format(&path))?;
        if self.writer.is_none() {
            self.writer = Some(IpcWriter::create(&path, &self.schema)?);
        }
        self.writer.as_mut().expect("opened above").write(&batch)
    }

    fn close(&mut self, output: &Path) -> Result<()> {
        self.flush(output)?;
        if let Some(writer) = self.writer.take() {
            writer.finish()?;
            let name = self.name();
            let mut record = manifest::record(&output.join(&name), &name)?;
            record.rows = Some(std::mem::take(&mut self.in_file).0);
            self.done.push(record);
        }
        Ok(())
    }
}

/// Takes away token files of an earlier run of the stage, those of languages that are no longer there too.
fn clear(output: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(output) else { return Ok(()) };
    for entry in entries {
        let folder = entry.map_err(Error::io("read", output))?.path();
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.parse::<Tag>().is_err() || !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            let path = file.map_err(Error::io("read", &folder))?.path();
            if path.extension().is_some_and(|extension| extension == "arrow") {
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        // What is not ours stays, and its folder with it.
        let _ = std::fs::remove_dir(&folder);
    }
    Ok(())
}
