//! Exit codes, in one place.

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All of it was done.
    Done = 0,
    /// Something stopped the work.
    Failed = 1,
    /// The command line or the recipe is wrong; nothing was touched.
    Wrong = 2,
    /// Ctrl-C or SIGTERM; what is done stays done.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}
