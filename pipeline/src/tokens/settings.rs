//! What can be set about token files.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Settings of the stage `tokens`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenSettings {
    /// Share of documents for validation.
    pub validation: f64,
    /// Share of documents for the test.
    pub test: f64,
    /// A file ends after the document that brings it to so many tokens.
    pub tokens_per_file: u64,
}

impl Default for TokenSettings {
    fn default() -> TokenSettings {
        TokenSettings { validation: 0.02, test: 0.02, tokens_per_file: 1 << 28 }
    }
}

impl TokenSettings {
    /// Refuses what cannot work.
    pub fn check(&self) -> Result<()> {
        let share = |value: f64| (0.0..1.0).contains(&value);
        if !share(self.validation) || !share(self.test) || self.validation + self.test >= 1.0 {
            return Err(Error::Settings(format!(
                "tokens: `validation` is {} and `test` is {}; expected shares from 0 that leave something to train on",
                self.validation, self.test
            )));
        }
        if self.tokens_per_file == 0 {
            return Err(Error::Settings("tokens: `tokens_per_file` is 0; expected at least 1".to_owned()));
        }
        Ok(())
    }
}
