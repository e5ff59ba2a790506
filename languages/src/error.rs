//! The one error type of this crate.

use std::path::PathBuf;

/// What can go wrong with tags, profiles and identification models.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not of the form `xxx_Yyyy`, or without a profile.
    #[error("language tag `{found}`: expected a known language as three lower-case letters, `_` and a script, as in `ltg_Latn`{}", nearest.as_ref().map(|tag| format!("; did you mean `{tag}`?")).unwrap_or_default())]
    Tag {
        /// What was written.
        found: String,
        /// The nearest tag with a profile, if one is near.
        nearest: Option<String>,
    },
    /// A profile file that does not parse.
    #[error("profile {name}: {cause}")]
    Profile {
        /// File name of the profile.
        name: String,
        /// What the parser said.
        cause: String,
    },
    /// A file that could not be read or written.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `write` or `create`.
        action: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An identification model that cannot be used or trained.
    #[error("{}: {cause}", path.display())]
    Identifier {
        /// The model file or training text.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, Error>;
