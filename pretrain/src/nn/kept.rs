//! What a forward pass keeps for the backward pass, which takes it, so that its memory is free from there on.

use candle_core::{Result, bail};
use std::sync::Mutex;

/// Empty before the forward pass and after the backward pass.
pub(crate) struct Kept<T>(Mutex<Option<T>>);

impl<T> Kept<T> {
    /// Nothing yet.
    pub fn nothing() -> Kept<T> {
        Kept(Mutex::new(None))
    }

    /// Keeps `value`.
    pub fn keep(&self, value: T) {
        *self.0.lock().expect("nothing panics while it holds the place") = Some(value);
    }

    /// Gives what was kept to the backward pass of `operation`.
    ///
    /// # Errors
    /// It was taken before.
    pub fn take(&self, operation: &str) -> Result<T> {
        match self.0.lock().expect("nothing panics while it holds the place").take() {
            Some(value) => Ok(value),
            None => bail!("{operation}: its backward pass has run before, and takes what the forward pass kept"),
        }
    }
}
