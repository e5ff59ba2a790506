//! How much normalising changed, count by count.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// The counts and their sums, from one list of names.
macro_rules! counts {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// How much [`normalise`](super::normalise) changed, each count in characters unless said otherwise.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Changes {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl AddAssign for Changes {
            fn add_assign(&mut self, other: Changes) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counts! {
    /// Line ends that were not LF: CR LF (one), CR, NEL, line and paragraph separators.
    line_ends,
    /// Control characters dropped.
    controls,
    /// Bidirectional marks, embeddings and isolates dropped.
    bidi_marks,
    /// Byte order marks dropped.
    byte_order_marks,
    /// Spaces dropped, or another kind of space made U+0020.
    spaces,
    /// Line ends dropped because more than one blank line stood there, or at the text's ends.
    blank_lines,
    /// Lines whose spelling NFC changed.
    composed_lines,
    /// Soft hyphens dropped.
    soft_hyphens,
    /// Times that a line was taken for UTF-8 misread as Windows-1252 or Windows-1251, and read anew.
    mojibake_lines,
    /// Latin letters in Cyrillic words, or Cyrillic in Latin ones, made letters of the word's script.
    homoglyphs,
}

impl Changes {
    /// Whether nothing was changed.
    pub fn none(&self) -> bool {
        *self == Changes::default()
    }
}
