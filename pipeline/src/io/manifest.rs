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
    pub fn read(folder: &Path) -> Result<Option<Manifest>> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(Error::format(&path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Writes it; the last act of a stage.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        bytes.push(b'\n');
        atomic::write(&folder.join(FILE), &bytes)
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
