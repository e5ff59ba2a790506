//! Stages: a folder in, a folder out, `manifest.json` last.

pub mod documents;
mod reduce;
mod sampled;
mod units;

pub(crate) use sampled::SIDE_BY_SIDE;
pub use sampled::SideBySide;
