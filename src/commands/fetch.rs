//! `tongues fetch`: dumps, one after the other; all are tried before a failure ends the command.

use super::print;
use anyhow::{Result, bail};
use std::path::PathBuf;
use tongues_pipeline::fetch::{self, FetchSettings};
use tongues_pipeline::progress::Progress;

/// Downloads the dump of every code and prints its path.
pub fn wikipedia(
    codes: &[String],
    output: PathBuf,
    mirror: String,
    date: Option<String>,
    progress: &dyn Progress,
) -> Result<()> {
    let settings = FetchSettings { mirror, date, output, ..FetchSettings::default() };
    let mut failed = Vec::new();
    for code in codes {
        match fetch::wikipedia(code, &settings, progress) {
            Ok(path) => print(&path.display().to_string()),
            Err(error @ tongues_pipeline::Error::Interrupted) => return Err(error.into()),
            Err(error) => {
                tracing::error!("{code}: {error}");
                failed.push(code.as_str());
            }
        }
    }
    if !failed.is_empty() {
        bail!("{} of {} dumps failed: {}", failed.len(), codes.len(), failed.join(", "));
    }
    Ok(())
}
