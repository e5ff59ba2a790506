//! `training/metrics.jsonl`: one line for each step and each look at the held-out documents.

use crate::error::Result;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use tongues_pipeline::error::Error as FileError;
use tongues_pipeline::io::atomic;

fn file(folder: &Path) -> PathBuf {
    folder.join("training/metrics.jsonl")
}

/// Appends a line.
pub fn log(folder: &Path, line: &Value) -> Result<()> {
    let path = file(folder);
    std::fs::create_dir_all(folder.join("training")).map_err(FileError::io("create", folder))?;
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(FileError::io("write", &path))?;
    Ok(writeln!(file, "{line}").map_err(FileError::io("write", &path))?)
}

/// Takes out what was logged after `step`: a run that goes on from there will log it again.
pub fn cut_after(folder: &Path, step: u64) -> Result<()> {
    let path = file(folder);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(FileError::io("read", &path))?,
    };
    let before = |line: &&str| {
        let value: Option<Value> = serde_json::from_str(line).ok(); // a kill can leave half a line
        value.is_some_and(|value| value["step"].as_u64().is_some_and(|at| at <= step && (at > 0 || step > 0)))
    };
    let kept: String = text.lines().filter(before).flat_map(|line| [line, "\n"]).collect();
    if kept != text {
        atomic::write(&path, kept.as_bytes())?;
    }
    Ok(())
}

/// Resident memory of this process, bytes; 0 where the system does not tell.
pub fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 4096
}
