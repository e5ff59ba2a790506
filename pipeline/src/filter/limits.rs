//! The limits that differ by language, each with where it came from.
//!
//! The recipe's own, where it sets one; else those of the language's profile, which were derived from text; else the
//! median of related profiles (the narrowest family with the script, then the script alone); else a default. All but the
//! recipe's are kept within [`derive::bounds`]: FineWeb2's published ones are inert or absurd for most small languages
//! because nothing bounds them.

use super::FilterSettings;
use serde::{Deserialize, Serialize};
use tongues_languages::Tag;
use tongues_languages::derive::{self, bounds};
use tongues_languages::profile::{self, Profile, Thresholds};

/// Words from which a text is judged by these limits: they were derived from windows of as many.
pub const JUDGED_WORDS: u32 = derive::WINDOW_WORDS as u32;
/// Letters and marks among characters that are not white space, where nothing is known; lists of dates stay, tables of
/// figures go. It holds for every text of fewer than [`JUDGED_WORDS`] words.
pub const LETTER_SHARE: f32 = 0.5;

/// A number and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The number.
    #[serde(serialize_with = "as_written")]
    pub value: f32,
    /// `recipe`, `profile: TEXT`, `profiles of GROUP`, `identifier`, `default`.
    pub source: String,
}

/// By way of text: as f64, the f32 0.77 is 0.7699999809265137.
fn as_written<S: serde::Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(format!("{value:?}").parse().expect("a float's text is a float"))
}

/// The limits of one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Least share of letters.
    pub letter_share: Limit,
    /// Least mean word length, in characters.
    pub minimum_mean_word_length: Limit,
    /// Most mean word length, in characters.
    pub maximum_mean_word_length: Limit,
    /// Least share of function words; none where the profile names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_word_share: Option<Limit>,
    /// Probability from which a text counts as found in this language; none where nothing identifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identification: Option<Limit>,
}

impl Limits {
    /// Those of a language. `identification` is left to whoever has the identifier.
    pub fn of(tag: Tag, settings: &FilterSettings) -> Limits {
        let profile = profile::find(tag);
        let derived = profile.and_then(|profile| thresholds(profile, || derive::back_off(profile, profile::all())));
        let pick =
            |recipe: Option<f32>, of: fn(&Thresholds) -> Option<f32>, (least, most): (f32, f32), default: f32| {
                let limit = |value: f32, source: &str| Limit { value, source: source.to_owned() };
                match (recipe, derived.as_ref().and_then(|(limits, source)| Some((of(limits)?, source)))) {
                    (Some(value), _) => limit(value, "recipe"),
                    (None, Some((value, source))) => limit(value.clamp(least, most), source),
                    (None, None) => limit(default, "default"),
                }
            };
        let (shortest, longest) = bounds::MEAN_WORD_LENGTH;
        let share = pick(
            settings.minimum_function_word_share,
            |limits| limits.function_word_share,
            bounds::FUNCTION_WORD_SHARE,
            0.0,
        );
        let lists = profile.is_some_and(|profile| !profile.function_words.is_empty());
        Limits {
            letter_share: pick(
                settings.minimum_letter_share,
                |limits| limits.letter_share,
                bounds::LETTER_SHARE,
                LETTER_SHARE,
            ),
            minimum_mean_word_length: pick(
                settings.minimum_mean_word_length,
                |limits| limits.mean_word_length.map(|length| length[0]),
                bounds::MEAN_WORD_LENGTH,
                shortest,
            ),
            maximum_mean_word_length: pick(
                settings.maximum_mean_word_length,
                |limits| limits.mean_word_length.map(|length| length[1]),
                bounds::MEAN_WORD_LENGTH,
                longest,
            ),
            function_word_share: Some(share).filter(|share| lists && share.source != "default"),
            identification: None,
        }
    }
}

/// The thresholds of a profile, or those of `relatives` where it has none, with their source.
fn thresholds(
    profile: &Profile,
    relatives: impl FnOnce() -> Option<(Thresholds, String)>,
) -> Option<(Thresholds, String)> {
    let own = &profile.thresholds;
    if own.mean_word_length.is_none() {
        return relatives().map(|(limits, group)| (limits, format!("profiles of {group}")));
    }
    let source = match &own.source {
        Some(source) => match &source.backed_off_to {
            Some(group) => format!("profiles of {group}"),
            None => format!("profile: {}", source.text),
        },
        None => "profile".to_owned(),
    };
    Some((own.clone(), source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_says_where_it_is_from() {
        let tag = |text: &str| text.parse::<Tag>().unwrap();
        let recipe = FilterSettings { minimum_letter_share: Some(0.9), ..FilterSettings::default() };
        let limits = Limits::of(tag("ltg_Latn"), &recipe);
        let own = &profile::find(tag("ltg_Latn")).unwrap().thresholds;
        assert_eq!((limits.letter_share.value, limits.letter_share.source.as_str()), (0.9, "recipe"));
        let length = &limits.maximum_mean_word_length;
        assert_eq!(
            (Some(length.value), length.source.as_str()),
            (own.mean_word_length.map(|l| l[1]), "profile: FLORES-200 dev")
        );
        // Its profile has thresholds of its relatives.
        let source = Limits::of(tag("fkv_Latn"), &FilterSettings::default()).minimum_mean_word_length.source;
        assert_eq!(source, "profiles of Latn, Uralic");
        // No other profile has its script: nothing to back off to, and no function words.
        let limits = Limits::of(tag("syl_Sylo"), &FilterSettings::default());
        assert_eq!(
            (limits.letter_share, limits.function_word_share),
            (Limit { value: LETTER_SHARE, source: "default".into() }, None)
        );
    }

    #[test]
    fn a_profile_without_thresholds_takes_those_of_its_relatives_within_bounds() {
        let bare = Profile {
            thresholds: Thresholds::default(),
            ..profile::find("ltg_Latn".parse().unwrap()).unwrap().clone()
        };
        let group =
            || Some((Thresholds { letter_share: Some(0.7), ..Thresholds::default() }, "Latn, Baltic".to_owned()));
        let (limits, source) = thresholds(&bare, group).unwrap();
        assert_eq!((limits.letter_share, source.as_str()), (Some(0.7), "profiles of Latn, Baltic"));
        assert_eq!(thresholds(&bare, || None), None);
        for profile in profile::all() {
            let limits = Limits::of(profile.tag, &FilterSettings::default());
            assert!((0.3..=0.8).contains(&limits.letter_share.value), "{}", profile.tag);
            assert!(limits.minimum_mean_word_length.value < limits.maximum_mean_word_length.value, "{}", profile.tag);
            assert!(
                limits.function_word_share.is_none_or(|share| (0.02..=0.3).contains(&share.value)),
                "{}",
                profile.tag
            );
        }
    }
}
