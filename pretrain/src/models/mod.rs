//! Models: one decoder in four layouts.

mod blocks;
mod cached;
pub mod config;
pub mod decoder;
pub mod hugging_face;
pub mod layout;
mod memory;
pub mod presets;
pub mod weights;
