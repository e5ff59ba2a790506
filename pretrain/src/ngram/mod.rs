//! N-gram models over token ids: what a language model has to beat. Trained and measured on the tokens the decoder sees.
//!
//! [`text`] holds the training tokens of one language, [`simple`] the unigram and the bigram, [`trie`] the counts of
//! all n-grams, [`kneser_ney`] the model on them, [`Baselines`] all three together.

pub mod baselines;
pub mod kneser_ney;
pub mod simple;
pub mod text;
pub mod trie;

pub use baselines::{Baselines, Bits};
pub use kneser_ney::KneserNey;
pub use simple::Simple;
pub use text::Text;

/// Longest n-grams of the Kneser–Ney model, tokens.
pub const ORDER: usize = 5;
/// Training tokens of a language that the n-gram models read at most, `</s>` included. The Kneser–Ney model needs up
/// to about 60 bytes a token while it is built: 2 GiB at this limit.
pub const MAXIMUM_TRAINING_TOKENS: u64 = 1 << 25;
