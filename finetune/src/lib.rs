//! Labelled tasks: reading them, honest baselines, a classifier out of a pretrained decoder, scores, and the files that
//! hold the results.
//!
//! Reading order: a [`task`] is read from tables; [`baselines`] predict its test set, and so does the [`classifier`];
//! [`metrics`] scores the predictions; [`results`] writes them down; [`stage`] does all of it in one folder.
//! This crate never sees the documents a model was trained on.
//!
//! Axes, besides those of `tongues_pretrain`: `C` labels of a task, `P` = `3·D` width of the pooled states.

pub mod baselines;
pub mod classifier;
pub mod error;
pub mod metrics;
pub mod results;
pub mod stage;
pub mod task;

pub use candle_core::Device;
pub use classifier::{Classifier, ClassifierSettings};
pub use error::{Error, Result};
pub use task::Task;
