//! Labelled tasks: reading them, honest baselines, scores, and the files that hold the results.
//!
//! Reading order: a [`task`] is read from tables; [`baselines`] predict its test set; [`metrics`] scores the predictions;
//! [`results`] writes them down. This crate never sees the documents a model was trained on.

pub mod baselines;
pub mod error;
pub mod metrics;
pub mod results;
pub mod task;

pub use error::{Error, Result};
pub use task::Task;
