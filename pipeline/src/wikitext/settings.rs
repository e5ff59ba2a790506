//! What becomes of the parts of a page that are no running text.

use super::variants::Variant;
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

/// How something is shown that is text, but of no language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// As it is written in the page's source. Sentences keep their numbers and stay whole.
    #[default]
    Source,
    /// U+FFFC, Unicode's sign for an object in the midst of text.
    Placeholder,
    /// Not at all.
    Drop,
}

/// How the markup of a wiki's pages is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarkupSettings {
    /// Sections at the end of a page with the titles under which this wiki has its references and links.
    pub closing_sections: Use,
    /// Tables, a row a line, with ` | ` between cells.
    pub tables: Use,
    /// Tables and boxes of the class `infobox`, the same.
    pub infoboxes: Use,
    /// Captions of galleries, as items of a list.
    pub galleries: Use,
    /// Readings of characters in `<ruby>`, in parentheses behind them.
    pub readings: Use,
    /// Formulas in `<math>` and `<chem>`.
    pub math: Shown,
    /// Programs in `<syntaxhighlight>` and `<source>`; `<code>` and `<pre>` are text in any case.
    pub code: Shown,
    /// Of texts that a wiki writes in several variants the one shown, as `zh-hant` or a script, `Hant`; none shows the
    /// first.
    pub variant: Option<Variant>,
}
