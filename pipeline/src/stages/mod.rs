//! Stages: a folder in, a folder out, `manifest.json` last.

pub mod documents;
mod reduce;
mod units;
