//! `tongues languages`: profiles, and the training of an identifier.

use super::print;
use crate::args::Languages;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use tongues_languages::{Tag, identify, profile};
use tongues_pipeline::progress::Progress;

/// Does one of them.
pub fn run(what: Languages, progress: &dyn Progress) -> Result<()> {
    match what {
        Languages::List => {
            for one in profile::all() {
                print(&format!("{}\t{}\t{}\t{}", one.tag, one.name, one.autonym, one.family.join(" › ")));
            }
            Ok(())
        }
        Languages::Train { texts, output } => {
            let mut examples = Vec::new();
            for (tag, path) in labelled(&texts)? {
                examples.extend(lines(&path)?.into_iter().map(|line| (tag, line)));
            }
            progress.begin("identifier", Some(examples.len() as u64), "lines");
            let mut lines = examples.into_iter().inspect(|_| progress.advance(1));
            let card = identify::train(&mut lines, &identify::TrainSettings::default(), &output)
                .context("cannot train the identifier")?;
            progress.end();
            print(&serde_json::to_string_pretty(&card)?);
            Ok(())
        }
    }
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
            if let Some(tag) = text.get(before.len()..before.len() + 8).and_then(|tag| tag.parse().ok()) {
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
