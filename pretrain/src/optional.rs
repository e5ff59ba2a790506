//! A number that can be turned off in a recipe: TOML has no null, so `"off"` says it.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// For `deserialize_with`: a number, `"off"`, or null as JSON has it.
pub fn number<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(word) if word == "off" => Ok(None),
        Value::String(word) => Err(D::Error::custom(format!("found \"{word}\"; expected a number or \"off\""))),
        other => serde_json::from_value(other).map(Some).map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Settings {
        #[serde(deserialize_with = "number")]
        clip: Option<f64>,
        #[serde(deserialize_with = "number")]
        steps: Option<u64>,
    }

    #[test]
    fn a_number_or_off() {
        let read = |text: &str| serde_json::from_str::<Settings>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"clip": 2, "steps": 7}"#), Ok(Settings { clip: Some(2.0), steps: Some(7) }));
        assert_eq!(read(r#"{"clip": "off", "steps": null}"#), Ok(Settings::default()));
        assert_eq!(read("{}"), Ok(Settings::default()));
        assert!(read(r#"{"clip": "of"}"#).unwrap_err().contains("found \"of\"; expected a number or \"off\""));
        assert!(read(r#"{"steps": -1}"#).unwrap_err().contains("-1"));
    }
}
