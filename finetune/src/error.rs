//! The one error type of this crate: what stops a task before or during its run.

use std::path::{Path, PathBuf};

/// What can stop a task.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that could not be read.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` …
        action: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A task file that is not what it should be.
    #[error("{}{}: found {found}; expected {expected}", path.display(), if place.is_empty() { String::new() } else { format!(", {place}") })]
    Input {
        /// The file.
        path: PathBuf,
        /// Line or column; empty for the file as a whole.
        place: String,
        /// What came.
        found: String,
        /// What would have been right.
        expected: String,
    },
    /// No column of the wanted name.
    #[error("{}: no {role} column: found {}; expected {}{}", path.display(), listed(found), listed(wanted), nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    Column {
        /// The file.
        path: PathBuf,
        /// `text` or `label`.
        role: &'static str,
        /// The columns there are.
        found: Vec<String>,
        /// The names looked for; any one would have been right.
        wanted: Vec<String>,
        /// The column most like a wanted name, if one is near.
        nearest: Option<String>,
    },
    /// Test or validation labels that no training example has.
    #[error("{}: found {} not in the training set; expected only {}", path.display(), listed(unknown), listed(known))]
    UnknownLabels {
        /// The file with the unknown labels.
        path: PathBuf,
        /// Labels only there, sorted.
        unknown: Vec<String>,
        /// Labels of the training set, sorted.
        known: Vec<String>,
    },
    /// Settings that cannot work.
    #[error("{0}")]
    Settings(String),
    /// A model folder whose parts do not belong together, or a task it was not made for.
    #[error("{place}: found {found}; expected {expected}")]
    Mismatch {
        /// File and key.
        place: String,
        /// What came.
        found: String,
        /// What would have been right.
        expected: String,
    },
    /// A file that could not be written, a vocabulary that could not be read, an interruption.
    // Not `transparent`: who looks for an interruption walks the chain of sources and has to meet it there.
    #[error("{0}")]
    Pipeline(#[from] tongues_pipeline::Error),
    /// The decoder or its training said no.
    #[error("{0}")]
    Pretrain(#[from] tongues_pretrain::Error),
    /// The tensor library said no.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// For `map_err` on a `std::io::Result`.
    pub fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
        move |source| Error::Io { path: path.to_owned(), action, source }
    }
}

/// Names in backquotes; a long list is cut after ten.
fn listed(names: &[String]) -> String {
    let mut text: Vec<String> = names.iter().take(10).map(|name| format!("`{}`", shortened(name))).collect();
    if names.len() > text.len() {
        text.push(format!("and {} more", names.len() - text.len()));
    }
    if text.is_empty() { "nothing".to_owned() } else { text.join(", ") }
}

/// At most sixty characters: a web page taken for a table has a very long "column".
fn shortened(name: &str) -> String {
    match name.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, Error>;
