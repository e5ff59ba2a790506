//! `manifest.json`: with it a stage is done, without it the stage never happened.

use crate::error::{Error, Result};
use crate::io::atomic;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A file as it was when the stage read or wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Inputs: as given. Outputs: relative to the stage's folder, with `/`.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Rows, for tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// What a finished stage says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `documents`, `vocabulary`, `tokens`, `model`, `classifier` …
    pub stage: String,
    /// Version of the folder's format.
    pub format: u32,
    /// Hash of settings and inputs: another key means the stage has to run again.
    pub key: String,
    /// The settings it ran with.
    pub settings: serde_json::Value,
    /// What it read.
    pub inputs: Vec<FileRecord>,
    /// What it counted.
    pub counts: serde_json::Value,
    /// What it wrote, sorted by path.
    pub outputs: Vec<FileRecord>,
}

/// Name of the file.
pub const FILE: &str = "manifest.json";

impl Manifest {
    /// Reads the manifest of a stage's folder; `None` where there is none.
    ///
    /// # Errors
    /// A file that cannot be read or is no manifest; the message says how to begin anew.
    pub fn read(folder: &Path) -> Result<Option<Manifest>> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                spoilt(folder, &path, format!("no manifest ({error})"), "what a finished stage writes".to_owned())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// The manifest of a stage that is done under `key`; `None` where it has to run.
    ///
    /// # Errors
    /// As [`Manifest::read`]; an output that is gone or has another size than the manifest promises. Sizes are looked at
    /// and not the bytes, so that a finished run of many gigabytes is recognised at once.
    pub fn done(folder: &Path, key: &str) -> Result<Option<Manifest>> {
        let Some(manifest) = Manifest::read(folder)?.filter(|manifest| manifest.key == key) else { return Ok(None) };
        for output in &manifest.outputs {
            let path = folder.join(&output.path);
            let found = match std::fs::metadata(&path) {
                Ok(there) if there.len() == output.bytes => continue,
                Ok(there) => format!("{} bytes", there.len()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => "no such file".to_owned(),
                Err(error) => return Err(Error::io("read", &path)(error)),
            };
            return Err(spoilt(folder, &path, found, format!("{} bytes, as {FILE} says", output.bytes)));
        }
        Ok(Some(manifest))
    }

    /// Writes it; the last act of a stage.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        bytes.push(b'\n');
        atomic::write(&folder.join(FILE), &bytes)
    }

    /// Takes it away before a stage writes its files anew, so that a half-written folder never counts as done.
    pub fn withdraw(folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// The key of settings and inputs: SHA-256 over both, first 32 hexadecimal digits.
    pub fn key_of(stage: &str, format: u32, settings: &serde_json::Value, inputs: &[FileRecord]) -> String {
        let mut hash = Sha256::new();
        hash.update(stage.as_bytes());
        hash.update(format.to_le_bytes());
        hash.update(settings.to_string().as_bytes());
        for input in inputs {
            hash.update([0]);
            hash.update(input.sha256.as_bytes());
        }
        hexadecimal(&hash.finalize())[..32].to_owned()
    }
}

/// A finished stage that was changed by somebody else.
fn spoilt(folder: &Path, path: &Path, found: String, expected: String) -> Error {
    let remedy = format!("delete the folder {} and run again", folder.display());
    Error::Input { path: path.to_owned(), place: String::new(), found, expected: format!("{expected}; {remedy}") }
}

/// Size and SHA-256 of a file, recorded under `name`.
pub fn record(path: &Path, name: &str) -> Result<FileRecord> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        let n = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        bytes += n as u64;
    }
    Ok(FileRecord { path: name.to_owned(), bytes, sha256: hexadecimal(&hash.finalize()), rows: None })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
