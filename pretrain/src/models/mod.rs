//! Models.

pub mod decoder;
