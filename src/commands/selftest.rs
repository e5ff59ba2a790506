//! `tongues selftest`: whether a device computes as it should, as a table or as JSON.

use super::run::open;
use super::{print, table};
use crate::args::Device;
use anyhow::{Context, Result, bail};
use tongues_pretrain::selftest;

/// Compares and prints; an error where a comparison fails.
pub fn run(device: Device, as_json: bool) -> Result<()> {
    let device = open(device)?;
    let scratch = tempfile::tempdir().context("cannot make a folder for training runs")?;
    let report = selftest::run(&device, scratch.path());
    let (count, failed) = (report.checks.len(), report.failed());
    if as_json {
        let mut all = serde_json::to_value(&report)?;
        all["version"] = env!("CARGO_PKG_VERSION").into();
        all["failed"] = failed.into();
        print(&all.to_string());
    } else {
        print(&format!("tongues {} on {}\n", env!("CARGO_PKG_VERSION"), report.device));
        print(&table::selftest(&report));
        print(&match report.memory {
            Some([before, after]) => format!(
                "\nmemory: {} MiB before, {} MiB after, {} MiB at most",
                before.bytes >> 20,
                after.bytes >> 20,
                after.peak_bytes >> 20
            ),
            None => "\nmemory: the system does not tell".to_owned(),
        });
        print(&format!("{count} checks, {failed} failed"));
    }
    if failed > 0 {
        bail!("{failed} of {count} checks failed on {}", report.device);
    }
    Ok(())
}
