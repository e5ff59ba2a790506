//! `tongues languages`: profiles, and the training of an identifier.

use super::print;
use crate::args::Languages;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader};
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
            let files = labelled(&texts)?;
            progress.begin("identifier", None, "lines");
            let mut lines = files.into_iter().flat_map(|(tag, path)| {
                let file = File::open(&path).map(BufReader::new).map(|file| file.lines());
                let lines: Vec<String> = match file {
                    Ok(lines) => lines.map_while(std::result::Result::ok).collect(),
                    Err(error) => {
                        tracing::warn!("{}: {error}", path.display());
                        Vec::new()
                    }
                };
                progress.advance(lines.len() as u64);
                lines.into_iter().map(move |line| (tag, line))
            });
            let card = identify::train(&mut lines, &identify::TrainSettings::default(), &output)
                .context("cannot train the identifier")?;
            progress.end();
            print(&serde_json::to_string_pretty(&card)?);
            Ok(())
        }
    }
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
