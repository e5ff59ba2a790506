//! One profile a language: names, family, region, direction, digits, sentence ends, function words, thresholds.
//!
//! The profiles are the files `profiles/TAG.toml`, embedded at build time; nothing is read at run time.

use crate::error::{Error, Result};
use crate::tag::Tag;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// `(file name, text)` of every profile, in name order.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let mut profiles: Vec<Profile> =
        FILES.iter().map(|(name, text)| parse(name, text).expect("the tests parse every embedded profile")).collect();
    profiles.sort_by_key(|profile| profile.tag);
    profiles
});

/// Which way a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// As Latin, Cyrillic, Devanagari.
    LeftToRight,
    /// As Arabic, Hebrew, N'Ko.
    RightToLeft,
}

/// Limits that `tongues languages derive` takes from text; what each is and how it is bounded: [`crate::derive`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Least probability of the identified language for which a text is kept, 0 to 1; none takes the identifier's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identification: Option<f32>,
    /// Least and most mean word length of a text of fifty words, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_word_length: Option<[f32; 2]>,
    /// Least share of letters and marks among characters that are not white space, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter_share: Option<f32>,
    /// Least share of function words among the words of a text of fifty words, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_word_share: Option<f32>,
    /// Where they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// What thresholds and function words were derived from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name of the text.
    pub text: String,
    /// Its licence.
    pub licence: String,
    /// Distinct lines read.
    pub lines: usize,
    /// Words in them.
    pub words: usize,
    /// Whose median stands in where the text was too short: `Latn, Bantu` (script and family) or `Latn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backed_off_to: Option<String>,
}

/// What is known of one language in one script. What nobody was sure of is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Language (ISO 639-3) and script (ISO 15924).
    pub tag: Tag,
    /// English name.
    pub name: String,
    /// Name in the language itself, in the tag's script, with the capitals its speakers write in running text.
    #[serde(default)]
    pub autonym: Option<String>,
    /// ISO 639-3 code of the macrolanguage it belongs to.
    #[serde(default)]
    pub macrolanguage: Option<String>,
    /// Language family, from broad to narrow.
    pub family: Vec<String>,
    /// Where most of its speakers live, one of [`REGIONS`].
    pub region: String,
    /// Code of its Wikipedia (`ltg` in `ltg.wikipedia.org`), if it has one in this script.
    #[serde(default)]
    pub wikipedia: Option<String>,
    /// Direction of the script.
    pub direction: Direction,
    /// The digits from zero to nine that are written beside or in place of 0 to 9.
    #[serde(default)]
    pub digits: Option<String>,
    /// Characters that can end a sentence.
    pub sentence_ends: String,
    /// Frequent function words in lower case, most frequent first; empty where none are known.
    #[serde(default)]
    pub function_words: Vec<String>,
    /// Limits that differ by language.
    #[serde(default)]
    pub thresholds: Thresholds,
}

/// The regions that profiles name.
pub const REGIONS: [&str; 21] = [
    "Caribbean",
    "Caucasus",
    "Central Africa",
    "Central America",
    "Central Asia",
    "East Africa",
    "East Asia",
    "Eastern Europe",
    "Middle East",
    "North Africa",
    "North America",
    "Northern Asia",
    "Northern Europe",
    "Oceania",
    "South America",
    "South Asia",
    "Southeast Asia",
    "Southern Africa",
    "Southern Europe",
    "West Africa",
    "Western Europe",
];

/// The region of a language that belongs to none.
pub const WORLDWIDE: &str = "Worldwide";

/// A profile from the text of its file, `name` as it is named in errors.
///
/// # Errors
/// [`Error::Profile`] for what is no TOML, an unknown or a missing key.
pub fn parse(name: &str, text: &str) -> Result<Profile> {
    toml::from_str(text).map_err(|error| Error::Profile { name: name.to_owned(), cause: error.to_string() })
}

/// All profiles, ordered by tag.
pub fn all() -> impl Iterator<Item = &'static Profile> {
    PROFILES.iter()
}

/// The profile of a tag, if there is one.
pub fn find(tag: Tag) -> Option<&'static Profile> {
    PROFILES.binary_search_by_key(&tag, |profile| profile.tag).ok().map(|place| &PROFILES[place])
}

/// The profile whose Wikipedia has this code; `_` counts as `-` (dumps are named `zh_yuewiki`).
pub fn for_wikipedia(code: &str) -> Option<&'static Profile> {
    let code = code.replace('_', "-");
    all().find(|profile| profile.wikipedia.as_deref() == Some(code.as_str()))
}

/// The tag written in `text`, if it is well formed and has a profile.
///
/// # Errors
/// [`Error::Tag`] with the nearest known tag; `ltg`, `ltg-Latn` and `latgalian` all lead to `ltg_Latn`.
pub fn known(text: &str) -> Result<Tag> {
    match text.parse::<Tag>() {
        Ok(tag) if find(tag).is_some() => Ok(tag),
        _ => Err(Error::Tag { found: text.to_owned(), nearest: nearest(text).map(|tag| tag.to_string()) }),
    }
}

/// The tag whose spelling, code or name is nearest in edit distance; none where all are far.
fn nearest(text: &str) -> Option<Tag> {
    let wanted = text.trim().to_lowercase().replace('-', "_");
    let length = wanted.chars().count();
    // A third of the letters may be wrong; more than that is a guess and no help.
    let limit = length / 3;
    let mut best: Option<(usize, Tag)> = None;
    for profile in all() {
        let mut distance = usize::MAX;
        let names = [profile.tag.as_str(), profile.tag.language(), &profile.name];
        for name in names.into_iter().chain(profile.autonym.as_deref()) {
            distance = distance.min(strsim::levenshtein(&wanted, &name.to_lowercase().replace('-', "_")));
        }
        if profile.wikipedia.as_deref().is_some_and(|code| code.replace('-', "_") == wanted) {
            distance = 0;
        }
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, profile.tag));
        }
    }
    best.map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn files_are_named_by_their_tags_and_wikipedias_belong_to_one() {
        let (mut tags, mut wikipedias) = (BTreeSet::new(), BTreeSet::new());
        for (name, text) in FILES {
            let profile = parse(name, text).unwrap();
            assert_eq!(*name, format!("{}.toml", profile.tag));
            assert!(tags.insert(profile.tag));
            if let Some(code) = profile.wikipedia {
                assert!(wikipedias.insert(code.clone()), "two profiles for Wikipedia {code}");
            }
        }
        assert!(tags.len() > 200);
    }

    #[test]
    fn found_by_tag_and_by_wikipedia() {
        let latgalian = find("ltg_Latn".parse().unwrap()).unwrap();
        assert_eq!(latgalian.autonym.as_deref(), Some("Latgaļu"));
        assert_eq!(for_wikipedia("ltg"), Some(latgalian));
        assert_eq!(for_wikipedia("zh_yue").unwrap().tag.as_str(), "yue_Hant");
        assert_eq!(for_wikipedia("qqq"), None);
        assert_eq!(find("qqq_Latn".parse().unwrap()), None);
    }

    #[test]
    fn unknown_tags_lead_to_the_nearest() {
        assert_eq!(known("ltg_Latn").unwrap().as_str(), "ltg_Latn");
        for (found, expected) in [
            ("ltg", Some("ltg_Latn")),
            ("ltg-Latn", Some("ltg_Latn")),
            ("LTG_LATN", Some("ltg_Latn")),
            ("latgalian", Some("ltg_Latn")),
            ("Latgalain", Some("ltg_Latn")),
            ("ltg_Latm", Some("ltg_Latn")),
            ("русский", Some("rus_Cyrl")),
            ("lv", Some("lvs_Latn")),
            ("something else altogether", None),
        ] {
            let Err(Error::Tag { nearest, .. }) = known(found) else { panic!("{found} was taken") };
            assert_eq!(nearest.as_deref(), expected, "{found}");
        }
        assert!(known("ltg_Latm").unwrap_err().to_string().ends_with("did you mean `ltg_Latn`?"));
    }

    #[test]
    fn a_broken_profile_names_its_file_and_field() {
        let error = parse("xxx_Latn.toml", "tag = \"xxx_Latn\"\ncolour = \"red\"").unwrap_err().to_string();
        assert!(error.contains("xxx_Latn.toml") && error.contains("colour"), "{error}");
    }
}
