//! The tests that every profile goes through; what each asks is its `help`.

use crate::derive::{LEAST_FUNCTION_WORDS, bounds, own_word};
use crate::profile::{Direction, Profile, REGIONS, WORLDWIDE};
use crate::script;
use std::collections::BTreeSet;
use unicode_normalization::is_nfc;
use unicode_script::Script;

/// What a check says of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// There is nothing to check: the profile leaves it out.
    Absent,
    /// Not as it should be; what was found.
    Failed(String),
}

/// One test of a profile.
pub struct Check {
    /// Its name, the heading of its column.
    pub name: &'static str,
    /// What it asks, with the usual cause of a failure.
    pub help: &'static str,
    ask: fn(&Profile) -> Outcome,
}

impl Check {
    /// What it says of a profile.
    pub fn of(&self, profile: &Profile) -> Outcome {
        (self.ask)(profile)
    }
}

/// All checks.
pub const ALL: [Check; 8] = [
    Check {
        name: "tag",
        help: "an ISO 639-3 code and a script that Unicode knows; is it the code of a group (`ber`)?",
        ask: tag,
    },
    Check {
        name: "names",
        help: "own name in the tag's script and in NFC; leave it out where you are not sure",
        ask: names,
    },
    Check { name: "family", help: "a path without repetitions and a region of the list", ask: family },
    Check { name: "direction", help: "that of the script", ask: direction },
    Check {
        name: "sentence ends",
        help: "punctuation, each once; letters and digits end no sentence",
        ask: sentence_ends,
    },
    Check { name: "digits", help: "ten digits from zero to nine, other than 0 to 9", ask: digits },
    Check {
        name: "function words",
        help: "eight or more words, in lower case and NFC, of letters of the script; is the text in another language?",
        ask: function_words,
    },
    Check {
        name: "thresholds",
        help: "within their bounds and with text and licence; run `tongues languages derive`",
        ask: thresholds,
    },
];

/// A failure where something was found, else a pass.
fn unless(found: Option<String>) -> Outcome {
    found.map_or(Outcome::Passed, Outcome::Failed)
}

fn code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn tag(profile: &Profile) -> Outcome {
    let script = profile.tag.script();
    let composed = matches!(script, "Hans" | "Hant" | "Jpan" | "Kore");
    // `qaa` to `qtz` are for private use.
    let private = ("qaa"..="qtz").contains(&profile.tag.language());
    let known = composed || Script::from_short_name(script).is_some();
    unless((!known || private).then(|| profile.tag.to_string()))
}

fn names(profile: &Profile) -> Outcome {
    if profile.name.trim().is_empty() || !is_nfc(&profile.name) {
        return Outcome::Failed(profile.name.clone());
    }
    let Some(own) = &profile.autonym else { return Outcome::Absent };
    let fits = own.chars().all(|c| script::fits(c, profile.tag));
    unless((own.trim().is_empty() || !fits || !is_nfc(own)).then(|| own.clone()))
}

fn family(profile: &Profile) -> Outcome {
    let steps: BTreeSet<&String> = profile.family.iter().collect();
    if steps.is_empty() || steps.len() != profile.family.len() {
        return Outcome::Failed(profile.family.join(", "));
    }
    if !REGIONS.contains(&profile.region.as_str()) && profile.region != WORLDWIDE {
        return Outcome::Failed(profile.region.clone());
    }
    unless(
        profile
            .macrolanguage
            .clone()
            .filter(|macrolanguage| !code(macrolanguage) || macrolanguage == profile.tag.language()),
    )
}

fn direction(profile: &Profile) -> Outcome {
    let right = matches!(profile.tag.script(), "Adlm" | "Arab" | "Hebr" | "Nkoo" | "Syrc" | "Thaa");
    unless((right != (profile.direction == Direction::RightToLeft)).then(|| format!("{:?}", profile.direction)))
}

fn sentence_ends(profile: &Profile) -> Outcome {
    let ends: BTreeSet<char> = profile.sentence_ends.chars().collect();
    let repeated = ends.len() != profile.sentence_ends.chars().count();
    let wrong = ends.iter().any(|c| c.is_alphanumeric() || c.is_whitespace() || c.is_control());
    unless((ends.is_empty() || repeated || wrong).then(|| profile.sentence_ends.clone()))
}

fn digits(profile: &Profile) -> Outcome {
    let Some(digits) = &profile.digits else { return Outcome::Absent };
    let values: Vec<Option<u32>> = digits.chars().map(script::digit).collect();
    let right = values == (0..10).map(Some).collect::<Vec<_>>() && !digits.is_ascii();
    unless((!right).then(|| digits.clone()))
}

fn function_words(profile: &Profile) -> Outcome {
    let words = &profile.function_words;
    if words.is_empty() {
        return Outcome::Absent;
    }
    let distinct: BTreeSet<&String> = words.iter().collect();
    if distinct.len() != words.len() || words.len() < LEAST_FUNCTION_WORDS {
        return Outcome::Failed(format!("{} words, {} distinct", words.len(), distinct.len()));
    }
    unless(
        words
            .iter()
            .find(|word| **word != word.to_lowercase() || !is_nfc(word) || !own_word(word, profile.tag))
            .cloned(),
    )
}

fn thresholds(profile: &Profile) -> Outcome {
    let thresholds = &profile.thresholds;
    let Some([least, most]) = thresholds.mean_word_length else { return Outcome::Absent };
    let mut wrong = Vec::new();
    let mut bounded = |name: &str, value: Option<f32>, bounds: (f32, f32)| {
        wrong.extend(
            value.filter(|value| !(bounds.0..=bounds.1).contains(value)).map(|value| format!("{name} {value}")),
        );
    };
    bounded("mean_word_length", Some(least), bounds::MEAN_WORD_LENGTH);
    bounded("mean_word_length", Some(most), bounds::MEAN_WORD_LENGTH);
    bounded("letter_share", thresholds.letter_share, bounds::LETTER_SHARE);
    bounded("function_word_share", thresholds.function_word_share, bounds::FUNCTION_WORD_SHARE);
    bounded("identification", thresholds.identification, (0.3, 0.9));
    if least >= most {
        wrong.push(format!("mean_word_length {least} to {most}"));
    }
    if thresholds.source.as_ref().is_none_or(|source| source.text.is_empty() || source.licence.is_empty()) {
        wrong.push("no source".to_owned());
    }
    unless((!wrong.is_empty()).then(|| wrong.join(", ")))
}

/// The table of all profiles and checks in Markdown: `✓` passed, `–` left out, `✗` failed.
pub fn table<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> String {
    let names: Vec<&str> = ALL.iter().map(|check| check.name).collect();
    let mut text = format!("| profile | language | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for profile in profiles {
        let marks = ALL.iter().map(|check| match check.of(profile) {
            Outcome::Passed => "✓",
            Outcome::Absent => "–",
            Outcome::Failed(_) => "✗",
        });
        let marks: Vec<&str> = marks.collect();
        text += &format!("| {} | {} | {} |\n", profile.tag, profile.name, marks.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Source, Thresholds};

    #[test]
    fn every_profile_passes() {
        let mut failures = String::new();
        for profile in profile::all() {
            for check in &ALL {
                if let Outcome::Failed(found) = check.of(profile) {
                    failures += &format!("{}: {}: found {found}\nhelp: {}\n", profile.tag, check.name, check.help);
                }
            }
        }
        assert!(failures.is_empty(), "{failures}");
    }

    #[test]
    fn the_table_in_the_documentation_is_of_these_profiles() {
        let shown = include_str!("../../docs/profiles.md");
        let current = table(profile::all());
        assert!(
            shown.ends_with(&current),
            "help: `tongues languages check --table` prints the table of docs/profiles.md"
        );
    }

    #[test]
    fn each_check_can_fail() {
        let good = profile::find("ben_Beng".parse().unwrap()).unwrap();
        let failing = |change: &dyn Fn(&mut Profile)| -> Vec<&str> {
            let mut profile = good.clone();
            change(&mut profile);
            let failed = |check: &&Check| matches!(check.of(&profile), Outcome::Failed(_));
            ALL.iter().filter(failed).map(|check| check.name).collect()
        };
        assert_eq!(failing(&|_| ()), Vec::<&str>::new());
        assert_eq!(failing(&|profile| profile.tag = "qqq_Beng".parse().unwrap()), ["tag"]);
        assert_eq!(failing(&|profile| profile.autonym = Some("Bangla".into())), ["names"]);
        assert_eq!(failing(&|profile| profile.region = "Asia".into()), ["family"]);
        assert_eq!(failing(&|profile| profile.macrolanguage = Some("ben".into())), ["family"]);
        assert_eq!(failing(&|profile| profile.direction = Direction::RightToLeft), ["direction"]);
        assert_eq!(failing(&|profile| profile.sentence_ends = "..".into()), ["sentence ends"]);
        assert_eq!(failing(&|profile| profile.digits = Some("0123456789".into())), ["digits"]);
        assert_eq!(failing(&|profile| profile.function_words[0] = "the".into()), ["function words"]);
        assert_eq!(failing(&|profile| profile.function_words.truncate(7)), ["function words"]);
        assert_eq!(failing(&|profile| profile.thresholds.letter_share = Some(0.9)), ["thresholds"]);
        let unsourced = Source { text: String::new(), ..good.thresholds.source.clone().unwrap() };
        assert_eq!(failing(&|profile| profile.thresholds.source = Some(unsourced.clone())), ["thresholds"]);
        let none = Profile { thresholds: Thresholds::default(), ..good.clone() };
        assert_eq!(ALL[7].of(&none), Outcome::Absent);
    }
}
