//! Language: a document that is surely in another language than its source claims.
//!
//! - Drops documents where the identifier gives another language at least the threshold's probability
//!   (`other_language`).
//! - Why: small Wikipedias hold pages copied from big ones and not yet translated.
//! - Dropped: an English paragraph in `ltg_Latn`, taken for `eng_Latn` with 0.98.
//! - Near miss, kept: a Croatian text taken for Bosnian, which readers confuse too; a Latgalian sentence full of Latvian names, taken for `lvs_Latn` with 0.4; any text claimed to
//!   be of a language the identifier was not trained on, because it can only be taken for another one.
//! - Threshold: the identifier's own for the language found (its card has it from held-out text), or
//!   `identification_threshold`. Texts under `identification_minimum_characters` are not
//!   judged: identifiers are bad on a few words (the GlotLID card says so of the best one).

use super::{FilterSettings, share};
use crate::document::{Reason, Verdict};
use tongues_languages::Tag;
use tongues_languages::confusable::group;

/// What takes a text for a language.
#[derive(Clone, Copy)]
pub struct Identify<'a> {
    /// Languages of a text with their probabilities, most probable first.
    pub top: &'a (dyn Fn(&str) -> Vec<(Tag, f32)> + Sync),
    /// Whether it was trained on a language.
    pub knows: &'a (dyn Fn(Tag) -> bool + Sync),
    /// Probability from which it is to be believed about a language.
    pub threshold: &'a (dyn Fn(Tag) -> f32 + Sync),
}

/// What a text is taken for; `None` where nothing is said.
pub fn identify(text: &str, identify: Identify) -> Option<(Tag, f32)> {
    (identify.top)(text).into_iter().next()
}

/// Judges a text of `characters` characters claimed to be `claimed` and taken for `found`.
pub fn judge(
    claimed: Tag,
    found: (Tag, f32),
    identify: Identify,
    characters: u32,
    settings: &FilterSettings,
) -> Verdict {
    let (tag, score) = found;
    let threshold = settings.identification_threshold.unwrap_or_else(|| (identify.threshold)(tag));
    if group(tag) == group(claimed)
        || !(identify.knows)(claimed)
        || score < threshold
        || characters < settings.identification_minimum_characters
    {
        return Verdict::Keep;
    }
    Verdict::Drop(Reason {
        stage: "language",
        reason: "other_language",
        found: format!("{tag} {}", share(score)),
        limit: format!("{claimed}, or another under {}", share(threshold)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sure_other_language_is_dropped() {
        let (ltg, eng) = ("ltg_Latn".parse().unwrap(), "eng_Latn".parse().unwrap());
        let top = |_: &str| Vec::new();
        let threshold = |tag: Tag| if tag == eng { 0.5 } else { 0.9 };
        let kept_at = |identification_threshold, found, known: bool, characters| {
            let settings = FilterSettings { identification_threshold, ..FilterSettings::default() };
            let knows = |_| known;
            let identify = Identify { top: &top, knows: &knows, threshold: &threshold };
            judge(ltg, found, identify, characters, &settings) == Verdict::Keep
        };
        let kept = |found, known, characters| kept_at(None, found, known, characters);
        assert!(kept((ltg, 0.9), true, 100));
        assert!(kept((eng, 0.49), true, 100));
        assert!(kept((eng, 0.9), false, 100));
        assert!(kept((eng, 0.9), true, 10));
        assert!(!kept((eng, 0.5), true, 100));
        assert!(kept_at(Some(0.6), (eng, 0.5), true, 100));
        let knows = |_| true;
        let identify = Identify { top: &top, knows: &knows, threshold: &threshold };
        let [hrv, bos] = ["hrv_Latn", "bos_Latn"].map(|tag| tag.parse().unwrap());
        assert_eq!(judge(hrv, (bos, 0.99), identify, 100, &FilterSettings::default()), Verdict::Keep);
        let lvs = "lvs_Latn".parse().unwrap();
        assert!(kept((lvs, 0.89), true, 100)); // the threshold is that of the language found
        assert!(!kept((lvs, 0.9), true, 100));
    }
}
