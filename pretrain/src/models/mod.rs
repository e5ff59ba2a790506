//! Models: a decoder in four layouts, an encoder, and what all of them are to training and evaluation.

mod blocks;
pub mod config;
pub mod decoder;
pub mod encoder;
pub mod encoder_config;
mod encoder_hugging_face;
pub mod encoder_weights;
pub mod hugging_face;
pub mod layout;
pub mod masking;
pub mod model;
pub mod model_config;
pub mod presets;
pub mod weights;

pub use model::{Model, load, new};
pub use model_config::ModelConfig;
