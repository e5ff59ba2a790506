//! From raw corpora to clean Parquet documents, a vocabulary and token shards. No tensors here.
//!
//! Reading order: a [`document`] is [`read`], its markup becomes text ([`wikitext`]), it is judged ([`filter`]),
//! compared with others ([`duplicates`], [`series`], [`contamination`]) and written ([`io`]); [`stages`] runs all that.
//! Then [`vocabulary`] and [`tokens`]. [`report`] looks at a finished run.

pub mod contamination;
pub mod document;
pub mod duplicates;
pub mod error;
pub mod extract;
pub mod fetch;
pub mod filter;
mod in_order;
pub mod io;
pub mod progress;
pub mod read;
pub mod report;
pub mod sample_wiki;
pub mod series;
pub mod stages;
pub mod tokens;
pub mod vocabulary;
pub mod wikitext;

pub use document::{Document, Reason, Verdict};
pub use error::{Error, Result};
