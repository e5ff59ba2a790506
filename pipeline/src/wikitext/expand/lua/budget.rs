//! What the modules of one page may use: instructions and memory, counted and never timed.
//!
//! A thread's Lua state is warm: it holds compiled modules of earlier pages, so what a page uses is not quite the same
//! each time. A page that passes the small warm bounds would pass the large fresh ones too; one that does not is
//! expanded again in a fresh state with the large ones, and there all depends on the page alone.

use std::cell::Cell;

/// Instructions between two looks.
pub(super) const LOOK: u32 = 200;
/// Bytes allocated that count as an instruction.
const BYTES: u64 = 16;
/// Memory that may gather before it is collected, beside twice what was left at the last time.
const GARBAGE: usize = 4 << 20;

/// Bounds for a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) instructions: u64,
    /// Bytes beyond what the state held before the page.
    pub(super) memory: usize,
}

/// In the state that other pages used before.
pub(super) const WARM: Bounds = Bounds { instructions: 50_000_000, memory: 24 << 20 };
/// In a state of its own. Scribunto gives ten seconds and 50 MiB.
pub(super) const FRESH: Bounds = Bounds { instructions: 200_000_000, memory: 96 << 20 };

/// What ended the modules of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Instructions,
    Memory,
    /// The page overran a bound of its own.
    Page,
}

/// What is left for a page.
#[derive(Debug, Default)]
pub(super) struct Budget {
    left: Cell<u64>,
    /// Bytes at the last look.
    used: Cell<usize>,
    collect_at: Cell<usize>,
    stop: Cell<Option<Stop>>,
}

impl Budget {
    /// For a new page, in a state that holds so many bytes.
    pub(super) fn begin(&self, bounds: Bounds, used: usize) {
        self.left.set(bounds.instructions);
        self.stop.set(None);
        self.collected(used);
    }

    /// After a collection.
    pub(super) fn collected(&self, used: usize) {
        self.used.set(used);
        self.collect_at.set(2 * used + GARBAGE);
    }

    /// Takes instructions; an error where they are not there.
    pub(super) fn charge(&self, instructions: u64) -> mlua::Result<()> {
        if self.stop.get().is_some() {
            return Err(stopped());
        }
        match self.left.get().checked_sub(instructions) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(self.end(Stop::Instructions)),
        }
    }

    /// A look at what was used since the last one; true where memory is to be collected.
    pub(super) fn look(&self, used: usize) -> mlua::Result<bool> {
        let grown = used.saturating_sub(self.used.replace(used)) as u64;
        self.charge(u64::from(LOOK) + grown / BYTES)?;
        Ok(used > self.collect_at.get())
    }

    /// Steps that a native function may take.
    pub(super) fn left(&self) -> u64 {
        self.left.get()
    }

    /// Nothing more runs.
    pub(super) fn end(&self, stop: Stop) -> mlua::Error {
        if self.stop.get().is_none() {
            self.stop.set(Some(stop));
        }
        stopped()
    }

    pub(super) fn stop(&self) -> Option<Stop> {
        self.stop.get()
    }
}

fn stopped() -> mlua::Error {
    mlua::Error::RuntimeError("stopped".to_owned())
}
