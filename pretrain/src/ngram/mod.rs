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
/// Training tokens of a language that the n-gram models read at most, `</s>` included. Building the Kneser–Ney model
/// takes about 70 bytes a token (measured on 2.6 million words of news and encyclopaedia, where nine of ten five-grams
/// come once), so 2.2 GiB at this limit.
pub const MAXIMUM_TRAINING_TOKENS: u64 = 1 << 25;
