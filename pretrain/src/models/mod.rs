//! Models: one decoder in four layouts, recurrent language models, words from characters.

mod blocks;
mod cached;
pub mod char_cnn;
pub mod config;
pub mod decoder;
pub mod hugging_face;
pub mod layout;
mod memory;
pub mod presets;
pub mod recurrent;
pub mod weights;
