//! `tongues languages`: profiles, what is derived for them, and the training of an identifier.

use super::print;
use crate::args::Languages;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use tongues_languages::identify::Identifier;
use tongues_languages::profile::{self, Direction, Profile};
use tongues_languages::{Tag, battery, derive, identify, related};
use tongues_pipeline::progress::Progress;

/// Does one of them.
pub fn run(what: Languages, progress: &dyn Progress) -> Result<()> {
    match what {
        Languages::List => {
            for one in profile::all() {
                let own = one.autonym.as_deref().unwrap_or_default();
                print(&format!("{}\t{}\t{own}\t{}\t{}", one.tag, one.name, one.family.join(" › "), one.region));
            }
            Ok(())
        }
        Languages::Show { tag } => {
            show(profile::find(profile::known(&tag)?).expect("a known tag has a profile"));
            Ok(())
        }
        Languages::Related { tag, count } => {
            let tag = profile::known(&tag)?;
            for near in related::related(tag).into_iter().take(count) {
                let family = near.family().unwrap_or("another family");
                let one = near.profile;
                print(&format!("{}\t{}\t{family}\t{}\t{}", one.tag, one.name, one.tag.script(), one.region));
            }
            Ok(())
        }
        Languages::Derive { texts, text, licence, profiles } => derive(&texts, (&text, &licence), profiles.as_deref()),
        Languages::Check { table: true } => {
            print(battery::table(profile::all()).trim_end());
            Ok(())
        }
        Languages::Check { table: false } => check(),
        Languages::Train { texts, tests, trained_on, withhold, small, output } => {
            let settings = if small { identify::TrainSettings::shipped() } else { identify::TrainSettings::default() };
            // Before an hour of training, not after it.
            let tests: Vec<(&str, Vec<(Tag, String)>)> = tests
                .iter()
                .map(|test| {
                    let named =
                        test.split_once('=').with_context(|| format!("--test {test}: expected NAME=PATTERN"))?;
                    Ok((named.0, examples(&[named.1.to_owned()])?))
                })
                .collect::<Result<_>>()?;
            let examples = of_sources(&texts)?;
            progress.begin("identifier", Some(examples.len() as u64), "lines");
            let mut lines = examples.into_iter().inspect(|_| progress.advance(1));
            let mut card = identify::train(&mut lines, &settings, &output).context("cannot train the identifier")?;
            progress.end();
            card.trained_on = trained_on;
            // What the card lacks is never given.
            card.languages.retain(|one| !withhold.contains(&one.language));
            identify::write_card(&card, &output)?;
            let trained = Identifier::load(&output.join(identify::MODEL))?;
            // What it was not trained on it cannot find.
            let known = trained.languages();
            let of_known = |lines: Vec<(Tag, String)>| lines.into_iter().filter(|(tag, _)| known.contains(tag));
            card.tests = tests.into_iter().map(|(name, lines)| trained.measure(name, of_known(lines))).collect();
            identify::write_card(&card, &output)?;
            print(&serde_json::to_string_pretty(&card)?);
            Ok(())
        }
    }
}

/// A field a line; what the profile leaves out is not shown.
fn show(one: &Profile) {
    let field = |name: &str, value: &str| print(&format!("{name:<20}{value}"));
    let optional = |name: &str, value: Option<String>| value.iter().for_each(|value| field(name, value));
    field("tag", one.tag.as_str());
    field("name", &one.name);
    optional("own name", one.autonym.clone());
    optional("macrolanguage", one.macrolanguage.clone());
    field("family", &one.family.join(" › "));
    field("region", &one.region);
    optional("wikipedia", one.wikipedia.as_ref().map(|code| format!("{code}.wikipedia.org")));
    field("direction", if one.direction == Direction::LeftToRight { "left to right" } else { "right to left" });
    optional("digits", one.digits.clone());
    field("sentence ends", &one.sentence_ends);
    if !one.function_words.is_empty() {
        field("function words", &one.function_words.join(" "));
    }
    let limits = &one.thresholds;
    optional("mean word length", limits.mean_word_length.map(|[least, most]| format!("{least} to {most} characters")));
    optional("letters", limits.letter_share.map(|share| format!("{share} of the characters or more")));
    optional("function words", limits.function_word_share.map(|share| format!("{share} of the words or more")));
    optional("identification", limits.identification.map(|score| format!("{score} or more")));
    if let Some(source) = &limits.source {
        let from = format!("{} ({}), {} lines, {} words", source.text, source.licence, source.lines, source.words);
        field("derived from", &from);
        optional("too short, so as in", source.backed_off_to.clone());
    }
}

/// Derives for every file; several files of one language are one text.
fn derive(texts: &[String], source: (&str, &str), profiles: Option<&Path>) -> Result<()> {
    let mut by_language: BTreeMap<Tag, Vec<String>> = BTreeMap::new();
    for (tag, path) in labelled(texts)? {
        by_language.entry(tag).or_default().extend(lines(&path)?);
    }
    for (tag, lines) in by_language {
        let name = format!("{tag}.toml");
        let path = profiles.map(|folder| folder.join(&name));
        // A profile that is being written is not yet part of this program.
        let file = path.as_deref().map(fs::read_to_string).transpose();
        let file = file.with_context(|| format!("{name}: cannot read; copy TEMPLATE.toml to it first"))?;
        let written = file.as_deref().map(|file| profile::parse(&name, file)).transpose()?;
        let Some(profile) = written.as_ref().or_else(|| profile::find(tag)) else {
            bail!("{tag}: no profile; copy TEMPLATE.toml to {name} in a folder and name the folder with --profiles");
        };
        let derived = derive::derive(lines.iter().map(String::as_str), profile);
        match path.zip(file) {
            Some((path, text)) => {
                let filled = derive::fill(&text, &name, &derived, source)?;
                fs::write(&path, filled).with_context(|| format!("{}: cannot write", path.display()))?;
            }
            None => {
                let limits = &derived.thresholds;
                print(&serde_json::to_string(&serde_json::json!({
                    "language": tag, "lines": derived.lines, "words": derived.words, "digits": derived.digits,
                    "function_words": derived.function_words, "mean_word_length": limits.mean_word_length,
                    "letter_share": limits.letter_share, "function_word_share": limits.function_word_share,
                    "ended_share": derived.ended_share,
                }))?);
            }
        }
        if derived.words >= derive::LEAST_WORDS_FOR_FUNCTION_WORDS && derived.ended_share < 0.5 {
            tracing::warn!(
                "{tag}: {:.0} % of the lines end in a sentence end; are all in the profile?",
                derived.ended_share * 100.0
            );
        }
    }
    Ok(())
}

/// Failures of the battery, with help; a line of counts.
fn check() -> Result<()> {
    let mut failed = 0;
    for profile in profile::all() {
        for check in &battery::ALL {
            if let battery::Outcome::Failed(found) = check.of(profile) {
                print(&format!("{}: {}: found {found}\n  help: {}", profile.tag, check.name, check.help));
                failed += 1;
            }
        }
    }
    print(&format!("{} profiles, {} checks each, {failed} failed", profile::all().count(), battery::ALL.len()));
    if failed > 0 { bail!("{failed} checks of profiles failed") } else { Ok(()) }
}

/// Labelled lines of all files. Those of files whose names differ by the tag alone are of one source.
fn of_sources(texts: &[String]) -> Result<Vec<identify::Example>> {
    let files = labelled(texts)?;
    let source = |tag: &Tag, path: &Path| path.to_string_lossy().replace(tag.as_str(), "{language}");
    let sources: BTreeSet<String> = files.iter().map(|(tag, path)| source(tag, path)).collect();
    let mut examples = Vec::new();
    for (language, path) in &files {
        let source = sources.range(..source(language, path)).count() as u32;
        let of_file = lines(path)?.into_iter();
        examples.extend(of_file.map(|line| identify::Example { language: *language, source, line }));
    }
    Ok(examples)
}

/// Labelled lines of all files.
fn examples(texts: &[String]) -> Result<Vec<(Tag, String)>> {
    let mut examples = Vec::new();
    for (tag, path) in labelled(texts)? {
        examples.extend(lines(&path)?.into_iter().map(|line| (tag, line)));
    }
    Ok(examples)
}

/// Lines of a file; one that is not text would teach the wrong thing, or nothing.
fn lines(path: &Path) -> Result<Vec<String>> {
    let file = File::open(path).with_context(|| format!("{}: cannot read", path.display()))?;
    let numbered = (1..).zip(BufReader::new(file).lines());
    numbered.map(|(number, line)| line.with_context(|| format!("{}, line {number}", path.display()))).collect()
}

/// Files with the tag in their name where the pattern has `{language}`.
fn labelled(patterns: &[String]) -> Result<Vec<(Tag, std::path::PathBuf)>> {
    let mut found = Vec::new();
    for pattern in patterns {
        let Some((before, after)) = pattern.split_once("{language}") else {
            bail!("{pattern}: expected `{{language}}` where the tag stands in the name, as in 'text/{{language}}.txt'");
        };
        for path in glob::glob(&format!("{before}???_????{after}"))?.filter_map(std::result::Result::ok) {
            let text = path.to_string_lossy();
            // Behind a `*` only the place from the end is known.
            let start = match before.contains(['*', '?', '[']) {
                true => text.len().checked_sub(after.len() + 8),
                false => Some(before.len()),
            };
            if let Some(tag) = start.and_then(|start| text.get(start..start + 8)?.parse().ok()) {
                found.push((tag, path.clone()));
            }
        }
    }
    if found.is_empty() {
        bail!("no file matches {}", patterns.join(", "));
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}
