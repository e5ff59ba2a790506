//! Language tags: ISO 639-3 language and ISO 15924 script, `ltg_Latn`.

use crate::error::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A language in a script, as `ltg_Latn`. Eight bytes, ordered as text.
///
/// ```
/// let tag: tongues_languages::Tag = "ltg_Latn".parse().unwrap();
/// assert_eq!((tag.language(), tag.script()), ("ltg", "Latn"));
/// assert!("latgalian".parse::<tongues_languages::Tag>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag([u8; 8]);

impl Tag {
    /// Language not determined.
    pub const UNDETERMINED: Tag = Tag(*b"und_Zzzz");
    /// No language at all: figures, code, noise.
    pub const NO_LANGUAGE: Tag = Tag(*b"zxx_Zzzz");

    /// Language not determined, in a script.
    ///
    /// ```
    /// assert_eq!(tongues_languages::Tag::undetermined("Grek").as_str(), "und_Grek");
    /// ```
    pub fn undetermined(script: &str) -> Tag {
        format!("und_{script}").parse().unwrap_or(Tag::UNDETERMINED)
    }

    /// ISO 639-3 code, three letters.
    pub fn language(&self) -> &str {
        &self.as_str()[..3]
    }

    /// ISO 15924 code, four letters.
    pub fn script(&self) -> &str {
        &self.as_str()[4..]
    }

    /// The whole tag.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a tag is ASCII by construction")
    }
}

impl FromStr for Tag {
    type Err = Error;

    /// Checks the form only; whether a profile exists is [`crate::profile::find`]'s question.
    fn from_str(text: &str) -> Result<Tag> {
        let bytes = text.as_bytes();
        let formed = bytes.len() == 8
            && bytes[..3].iter().all(u8::is_ascii_lowercase)
            && bytes[3] == b'_'
            && bytes[4].is_ascii_uppercase()
            && bytes[5..].iter().all(u8::is_ascii_lowercase);
        if formed {
            Ok(Tag(bytes.try_into().expect("length checked above")))
        } else {
            Err(Error::Tag { found: text.to_owned(), nearest: None })
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Tag, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_is_checked() {
        assert_eq!("yor_Latn".parse::<Tag>().unwrap().to_string(), "yor_Latn");
        for wrong in ["", "yo", "yor", "yor-Latn", "YOR_Latn", "yor_latn", "yor_Latnn", "йор_Latn"] {
            assert!(wrong.parse::<Tag>().is_err(), "{wrong}");
        }
    }
}
