//! How long work tells of itself without knowing a terminal: libraries call [`Progress`], `src/` draws it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Receives news of long work. Calls may come from several threads.
pub trait Progress: Send + Sync {
    /// A piece of work begins; `total` in `unit`s if known (`unit` is a plural noun: `pages`, `bytes`, `steps`).
    fn begin(&self, task: &str, total: Option<u64>, unit: &'static str);
    /// So many units more are done.
    fn advance(&self, units: u64);
    /// A short text beside the bar (the loss, the page).
    fn note(&self, text: &str);
    /// The piece of work is over.
    fn end(&self);
    /// Whether the user asked to stop; long loops look at it and return [`crate::Error::Interrupted`].
    fn interrupted(&self) -> bool {
        STOP.load(Ordering::Relaxed)
    }
}

/// Set by the signal handler of the command line.
pub static STOP: AtomicBool = AtomicBool::new(false);

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>, _: &'static str) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
}
