//! What becomes of the parts of a page that are no running text.

use serde::{Deserialize, Serialize};

/// Whether something is text of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// It is.
    Keep,
    /// It is left out.
    #[default]
    Drop,
}

/// How the markup of a wiki's pages is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarkupSettings {
    /// Sections at the end of a page with the titles under which this wiki has its references and links.
    pub closing_sections: Use,
}
