//! A part of a compressed file that cannot be decoded, behind which reading can go on.

use std::io::{Error, ErrorKind};

/// What was in the part is lost.
#[derive(Debug, thiserror::Error)]
#[error("{place} is damaged ({cause}); what was in it is lost")]
pub(super) struct Damaged {
    /// Which part.
    pub place: String,
    /// What the decoder said.
    pub cause: Error,
}

impl Damaged {
    /// Whether this is what an error of reading is.
    pub(super) fn is(error: &Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Damaged>())
    }
}

impl From<Damaged> for Error {
    fn from(damaged: Damaged) -> Error {
        Error::new(ErrorKind::InvalidData, damaged)
    }
}
