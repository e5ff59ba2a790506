//! Arrow IPC files: written batch by batch, read through a memory map without copying the values.

use crate::error::{Error, Result};
use crate::io::atomic::AtomicFile;
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::root_as_footer;
use arrow::ipc::writer::FileWriter;
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

/// A file being written.
pub struct IpcWriter {
    writer: FileWriter<AtomicFile>,
    path: std::path::PathBuf,
}

impl IpcWriter {
    /// Begins a file; it appears when [`IpcWriter::finish`] is called.
    pub fn create(path: &Path, schema: &Schema) -> Result<IpcWriter> {
        let writer = FileWriter::try_new(AtomicFile::create(path)?, schema).map_err(|error| refusal(error, path))?;
        Ok(IpcWriter { writer, path: path.to_owned() })
    }

    /// Adds a batch.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| refusal(error, &self.path))
    }

    /// Writes the footer and puts the file in place.
    pub fn finish(mut self) -> Result<()> {
        self.writer.finish().map_err(|error| refusal(error, &self.path))?;
        self.writer.into_inner().map_err(|error| refusal(error, &self.path))?.commit()
    }
}

/// A full disk is the system's error, anything else the format's.
fn refusal(error: ArrowError, path: &Path) -> Error {
    match error {
        ArrowError::IoError(_, source) => Error::io("write", path)(source),
        other => Error::format(path)(other),
    }
}

/// Opens a file: its schema and batches, whose values stay in the memory map.
///
/// # Errors
/// A file that cannot be read, is cut off, or is no Arrow IPC file.
pub fn open(path: &Path) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let wrong = |found: &str| Error::Input {
        path: path.to_owned(),
        place: String::new(),
        found: found.to_owned(),
        expected: "a whole Arrow IPC file".to_owned(),
    };
    let buffer = map(path)?;
    if buffer.len() < 18 || &buffer[..6] != b"ARROW1" {
        return Err(wrong("another beginning"));
    }
    let trailer = buffer.len() - 10;
    let tail: [u8; 10] = buffer[trailer..].try_into().expect("ten bytes");
    let length = read_footer_length(tail).map_err(|_| wrong("another end"))?;
    let start = trailer.checked_sub(length).ok_or_else(|| wrong("a footer longer than the file"))?;
    let footer = root_as_footer(&buffer[start..trailer]).map_err(|_| wrong("a broken footer"))?;
    let schema: SchemaRef = Arc::new(fb_to_schema(footer.schema().ok_or_else(|| wrong("no schema"))?));
    let decoder = FileDecoder::new(schema.clone(), footer.version()).with_require_alignment(true);
    let mut batches = Vec::new();
    for block in footer.recordBatches().iter().flatten() {
        let range = usize::try_from(block.offset()).ok().zip(
            i64::from(block.metaDataLength()).checked_add(block.bodyLength()).and_then(|n| usize::try_from(n).ok()),
        );
        let (offset, length) = range
            .filter(|(offset, length)| offset.checked_add(*length).is_some_and(|end| end <= start))
            .ok_or_else(|| wrong("a batch beyond the end"))?;
        let data = buffer.slice_with_length(offset, length);
        batches.extend(decoder.read_record_batch(block, &data).map_err(Error::format(path))?);
    }
    Ok((schema, batches))
}

fn map(path: &Path) -> Result<Buffer> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    // SAFETY: files of a finished stage are replaced by renaming, never changed in place, so the mapped bytes stay.
    let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
    let length = map.len();
    let owner = Arc::new(map);
    let start = NonNull::new(owner.as_ptr().cast_mut()).expect("a map has an address");
    // SAFETY: `start` and `length` are those of the map, which `owner` keeps for as long as the buffer lives.
    Ok(unsafe { Buffer::from_custom_allocation(start, length, owner) })
}
