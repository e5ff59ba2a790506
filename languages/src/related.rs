//! Which languages are near a language: by family, then script, then region.

use crate::profile::{self, Profile};
use crate::tag::Tag;

/// First steps of a family path that hold together what is not related.
const NO_FAMILY: [&str; 3] = ["Constructed", "Creole", "Isolate"];

/// A language near another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relative {
    /// The near language.
    pub profile: &'static Profile,
    /// Steps of the family path that both share.
    pub shared_steps: usize,
    /// Whether both are written in one script.
    pub same_script: bool,
    /// Whether both are spoken in one region.
    pub same_region: bool,
}

impl Relative {
    /// The narrowest family that both belong to; none where they are of different families.
    pub fn family(&self) -> Option<&'static str> {
        self.shared_steps.checked_sub(1).map(|last| self.profile.family[last].as_str())
    }
}

/// Languages near `tag`, nearest first: those that share most steps of the family path (the language itself in another
/// script before all), among them those of the same script, then of the same region, then by tag. Languages of another
/// family come last and only where script and region are the same. Empty for a tag without a profile.
///
/// ```
/// let near = tongues_languages::related::related("ltg_Latn".parse().unwrap());
/// assert_eq!(near[0].profile.name, "Lithuanian");
/// assert_eq!(near[0].family(), Some("East Baltic"));
/// ```
pub fn related(tag: Tag) -> Vec<Relative> {
    let Some(own) = profile::find(tag) else { return Vec::new() };
    let mut relatives: Vec<Relative> = profile::all()
        .filter(|profile| profile.tag != tag)
        .map(|profile| Relative {
            profile,
            shared_steps: shared_steps(&own.family, &profile.family),
            same_script: profile.tag.script() == tag.script(),
            same_region: profile.region == own.region,
        })
        .filter(|relative| relative.shared_steps > 0 || (relative.same_script && relative.same_region))
        .collect();
    let itself = |relative: &Relative| relative.profile.tag.language() == tag.language();
    relatives.sort_by_key(|relative| {
        let near = (itself(relative), relative.shared_steps, relative.same_script, relative.same_region);
        (std::cmp::Reverse(near), relative.profile.tag)
    });
    relatives
}

/// Steps from the broadest on that two paths share.
pub fn shared_steps(one: &[String], other: &[String]) -> usize {
    let shared = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    // Two creoles of French are related, two creoles are not.
    if shared == 1 && NO_FAMILY.contains(&one[0].as_str()) { 0 } else { shared }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(tag: &str, count: usize) -> Vec<&'static str> {
        related(tag.parse().unwrap()).iter().take(count).map(|relative| relative.profile.tag.as_str()).collect()
    }

    #[test]
    fn family_comes_before_script_and_script_before_region() {
        assert_eq!(nearest("ltg_Latn", 2), ["lit_Latn", "lvs_Latn"]);
        assert_eq!(nearest("zul_Latn", 2), ["ssw_Latn", "xho_Latn"]);
        // Persian, Dari and Tajik are one step nearer than Kurdish; Arabic script before Cyrillic.
        assert_eq!(nearest("pes_Arab", 2), ["prs_Arab", "tgk_Cyrl"]);
        assert_eq!(nearest("srp_Cyrl", 2), ["bos_Latn", "hrv_Latn"]);
        // Itself in another script is nearest of all.
        assert_eq!(nearest("ace_Arab", 1), ["ace_Latn"]);
    }

    #[test]
    fn isolates_and_creoles_have_no_family_in_common() {
        let basque = related("eus_Latn".parse().unwrap());
        assert!(basque.iter().all(|relative| relative.shared_steps == 0 && relative.family().is_none()));
        assert!(basque.iter().any(|relative| relative.profile.tag.as_str() == "spa_Latn"));
        let papiamento = related("pap_Latn".parse().unwrap());
        assert_eq!(papiamento[0].profile.tag.as_str(), "kea_Latn");
        assert!(papiamento.iter().all(|one| one.profile.name != "Tok Pisin"));
        assert_eq!(related("qqq_Latn".parse().unwrap()), []);
    }
}
