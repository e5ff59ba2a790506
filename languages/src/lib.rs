//! What varies by language, and nothing else: tags, profiles, scripts, normalising, segmenting, identifying.
//!
//! This crate knows no documents, no threads and draws no random numbers.

pub mod battery;
pub mod card;
pub mod confusable;
pub mod derive;
pub mod error;
mod group_training;
pub mod groups;
pub mod identify;
pub mod labels;
pub mod noise;
pub mod normalise;
pub mod prepare;
pub mod profile;
pub mod related;
pub mod sample;
mod scorer;
pub mod script;
pub mod segment;
pub mod tag;
pub mod train;
mod tree;

pub use error::{Error, Result};
pub use profile::Profile;
pub use tag::Tag;
