//! Looks at a finished run, or at what there is of it, and writes `report.html`: one page that needs nothing else.
//!
//! [`figures`] reads the stages' files, [`samples`] takes a few documents out of the Parquet shards, [`beside`] pages of
//! dumps with their texts, [`charts`] and [`strips`] compute drawings, [`page`] fills the template, [`tables`] writes the
//! same figures as Parquet and JSON. Nothing is computed here that a stage did not write, but what another program's
//! texts have. polars lives here and nowhere else.

pub mod beside;
pub mod charts;
pub mod figures;
mod page;
pub mod samples;
pub mod strips;
mod tables;
#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::io::atomic;
use std::path::{Path, PathBuf};

/// Name of the page inside the run's folder.
pub const FILE: &str = "report.html";
/// Name of the folder with the same figures as tables.
pub const TABLES: &str = "report";

/// Writes `report.html` and the tables `report/*.parquet` and `report/*.json` into the run's folder; gives the page's path.
///
/// Stages that have not run are said to be missing, and so are files that cannot be read: a report never fails for its
/// input, only when it cannot be written, and for `other`: texts of another program to stand beside ours, a line of JSON
/// each with `title`, `text` and, where titles repeat, `id`.
pub fn write(run: &Path, other: Option<&Path>) -> Result<PathBuf> {
    let figures = figures::Figures::read(run, other)?;
    tables::write(&figures, &run.join(TABLES))?;
    let path = run.join(FILE);
    atomic::write(&path, page::render(&figures)?.as_bytes())?;
    Ok(path)
}
