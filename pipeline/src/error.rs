//! The one error type of this crate: what stops a stage. What is wrong with one document is a [`crate::Reason`] instead.

use std::path::{Path, PathBuf};

/// What can stop a stage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that could not be read or written; a full disk ends here.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `read`, `write`, `create`, `rename` …
        action: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An input that is not what it should be.
    #[error("{}{}: found {found}; expected {expected}", path.display(), if place.is_empty() { String::new() } else { format!(", {place}") })]
    Input {
        /// The file.
        path: PathBuf,
        /// Line, byte, column or page; empty for the file as a whole.
        place: String,
        /// What came.
        found: String,
        /// What would have been right.
        expected: String,
    },
    /// The counts of a stage do not add up: a defect of ours, never of the input.
    #[error("{stage}: {came} documents came in, but {accounted} are accounted for")]
    Conservation {
        /// The stage.
        stage: String,
        /// Documents in.
        came: u64,
        /// Kept + dropped + failed.
        accounted: u64,
    },
    /// A language tag or identification model that cannot be used.
    #[error(transparent)]
    Language(#[from] tongues_languages::Error),
    /// A library of ours that reads or writes a format said no.
    #[error("{}: {cause}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the library said.
        cause: String,
    },
    /// Settings that cannot work.
    #[error("{0}")]
    Settings(String),
    /// Asked to stop (Ctrl-C); what is done stays done.
    #[error("interrupted; run the same command again to go on")]
    Interrupted,
}

impl Error {
    /// For `map_err` on a `std::io::Result`.
    pub fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
        move |source| Error::Io { path: path.to_owned(), action, source }
    }

    /// For `map_err` on the result of a format library.
    pub fn format<'a, E: std::fmt::Display>(path: &'a Path) -> impl FnOnce(E) -> Error + 'a {
        move |cause| Error::Format { path: path.to_owned(), cause: cause.to_string() }
    }
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, Error>;
