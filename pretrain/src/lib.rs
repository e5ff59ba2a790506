//! Language models on candle: layers that keep their gradients, the decoder and the encoder, training, and evaluation.
//!
//! Axes, used as written in every file: `B` sequences in a batch, `T` tokens in a window, `D` hidden width,
//! `H` attention heads, `G` heads of keys and values (as many where they are not shared), `K` width of a head (`D / H` where
//! nothing else is set), `F` feed-forward width, `V` vocabulary, `N` = `B·T` rows.

pub mod average;
pub mod batch;
pub mod checkpoint;
pub mod comparison;
pub mod device;
pub mod error;
pub mod evaluate;
pub mod events;
pub mod fill;
pub mod generate;
pub mod guard;
pub mod memory;
pub mod metrics;
pub mod models;
pub mod ngram;
pub mod nn;
pub mod optimiser;
pub mod optional;
pub mod parameters;
pub mod precision;
pub mod random;
pub mod schedule;
pub mod selftest;
pub mod stage;
pub mod text_source;
pub mod throughput;
pub mod tokenizer_files;
pub mod train;

pub use error::{Error, Result};
