//! Documents as token ids: one Arrow file a language and split, written in order, read by memory map.

pub mod corpus;
pub mod settings;
pub mod split;
mod write;

pub use corpus::{Corpus, Documents};
pub use settings::TokenSettings;
pub use split::Split;
pub use write::{write, write_from};

/// Version of the folder's format.
pub const FORMAT: u32 = 1;
/// Key in the schema's metadata: SHA-256 of `tokenizer.model`.
pub const VOCABULARY_KEY: &str = "tongues.vocabulary";
/// Key in the schema's metadata: number of pieces.
pub const SIZE_KEY: &str = "tongues.vocabulary_size";

const ID: &str = "id";
const BYTES: &str = "bytes";
const TOKENS: &str = "tokens";

#[cfg(test)]
mod tests;
