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
/// Training tokens of a language that the n-gram models read at most, `</s>` included. The Kneser–Ney model needs about
/// 50 bytes a token while it is built where most n-grams of real text come once, and never more than 80: at this limit
/// 1.6 GiB, and 2.5 GiB at the worst.
pub const MAXIMUM_TRAINING_TOKENS: u64 = 1 << 25;
