//! What reads texts token by token and remembers what it has read.

use crate::error::Result;
use std::fmt::Debug;

/// Texts of one length that are being read.
pub trait Reader: Debug {
    /// Id of `</s>`.
    fn end(&self) -> u32;

    /// A copy with these texts, in this order; one may come several times.
    fn select<'a>(&self, rows: &[usize]) -> Result<Box<dyn Reader + 'a>>
    where
        Self: 'a;

    /// Reads one more token of each text; gives the logits after it, row by row. Of few texts each is computed as if it were
    /// alone.
    fn read(&mut self, next: &[u32]) -> Result<Vec<Vec<f32>>>;
}
