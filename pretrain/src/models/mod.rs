//! Models: one decoder in four layouts, and recurrent language models.

mod blocks;
pub mod config;
pub mod decoder;
pub mod hugging_face;
pub mod layout;
pub mod presets;
pub mod recurrent;
pub mod weights;
