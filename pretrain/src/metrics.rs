//! `training/metrics.jsonl`: one line for each step and each look at the held-out documents.

use crate::error::Result;
use crate::train::Step;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
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

/// Speed of a run since it began or went on, and what is left.
#[derive(Debug)]
pub struct Clock {
    began: Instant,
    /// Steps done before.
    pub first: u64,
    steps: u64,
    tokens: usize,
}

impl Clock {
    /// At step `first` of `steps`, of `tokens` tokens each.
    pub fn start(first: u64, steps: u64, tokens: usize) -> Clock {
        Clock { began: Instant::now(), first, steps, tokens }
    }

    /// Seconds a step.
    fn pace(&self, done: u64) -> f64 {
        self.began.elapsed().as_secs_f64() / (done - self.first) as f64
    }

    /// The line of step number `done`.
    pub fn line(&self, done: u64, step: &Step) -> Value {
        let Step { loss, gradient_norm, rate, skipped } = step;
        if let Some(reason) = skipped {
            return json!({ "kind": "skipped", "step": done, "reason": reason.id(), "loss": loss,
                "gradient_norm": gradient_norm, "limit": reason.limit() });
        }
        let seconds = self.pace(done);
        json!({ "kind": "train", "step": done, "loss": loss, "learning_rate": rate, "gradient_norm": gradient_norm,
            "tokens": self.tokens as u64 * done, "tokens_per_second": self.tokens as f64 / seconds,
            "memory_bytes": memory(), "seconds_left": seconds * self.steps.saturating_sub(done) as f64 })
    }

    /// The same for people.
    pub fn note(&self, done: u64, step: &Step) -> String {
        let (speed, skipped) = (self.tokens as f64 / self.pace(done), step.skipped.map_or("", |_| " (skipped)"));
        format!("loss {:.3}{skipped}, {speed:.0} tokens/s, {} MiB", step.loss, memory() >> 20)
    }
}

/// Resident memory of this process, bytes; 0 where the system does not tell.
pub fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 4096
}
