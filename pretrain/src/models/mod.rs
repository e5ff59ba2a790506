//! Models: a decoder in four layouts, an encoder, recurrent language models, words from characters, and what models are to
//! training and evaluation.

mod blocks;
mod cached;
pub mod causal;
pub mod char_cnn;
pub mod config;
pub mod decoder;
pub mod encoder;
mod encoder_block;
pub mod encoder_config;
mod encoder_hugging_face;
mod encoder_memory;
pub mod encoder_weights;
pub mod hugging_face;
pub mod layout;
pub mod masking;
mod memory;
pub mod model;
pub mod model_config;
pub mod presets;
pub mod recurrent;
pub mod state;
pub mod weights;

pub use causal::Causal;
pub use model::{Model, load, new};
pub use model_config::ModelConfig;
pub use state::State;
