//! What a model pays for the tokens of texts, summed up.

use crate::error::Result;

/// Gathers texts and scores them side by side.
pub trait Scorer {
    /// Adds a text that begins with `<s>`; its tokens from place `first` on (1 or more) are scored.
    fn add(&mut self, ids: &[u32], first: usize) -> Result<()>;

    /// Nats of all that was added.
    fn finish(self: Box<Self>) -> Result<f64>;
}
