//! A few pages of each wiki as they are in the dump, beside the texts that were made of them: for the report.
//!
//! Of each file the pages are kept whose ids have the least hashes, so that the choice is even, bounded, and the same
//! whatever the threads and however often a run was killed. They lie beside their unit in a file of their own, which is
//! there where the unit is; of those of all files, ten a wiki from the shortest to the longest go into
//! `side_by_side.jsonl`.

use super::units::{MappedFile, UnitCard};
use crate::error::{Error, Result};
use crate::io::atomic::{self, AtomicFile};
use crate::io::documents::Part;
use crate::read::{Body, Raw};
use crate::wikitext::{Survival, survival};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use tongues_languages::Tag;
use xxhash_rust::xxh3::xxh3_64;

/// Name of the list.
pub(crate) const SIDE_BY_SIDE: &str = "side_by_side.jsonl";
/// Pages of a file among which is chosen.
const CANDIDATES: usize = 50;
/// Bytes of the source of such a page, at most.
const LONGEST: usize = 128 << 10;
/// Pages shown of a wiki, and of all together: of more than ten wikis fewer each, but one.
const SHOWN: usize = 10;
const SHOWN_IN_ALL: usize = 100;

/// A page and its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideBySide {
    /// Name of the source.
    pub source: String,
    /// Of the document.
    pub language: Tag,
    /// Of the document.
    pub id: String,
    /// The page's own in its dump.
    pub page: String,
    /// Title.
    pub title: String,
    /// As the dump has it.
    pub wikitext: String,
    /// As the document has it.
    pub text: String,
    /// What of the wikitext is in the text.
    #[serde(flatten)]
    pub survival: Survival,
}

/// A page to be kept, and where it is among its unit's.
pub(super) struct Chosen {
    pub(super) at: usize,
    hash: u64,
    page: String,
    wikitext: String,
}

impl Chosen {
    /// The same behind so many other rows of its unit.
    pub(super) fn behind(self, rows: usize) -> Chosen {
        Chosen { at: self.at + rows, ..self }
    }
}

/// Of some pages those that may belong to the file's candidates.
pub(super) fn choose(raws: &[Raw]) -> Vec<Chosen> {
    let page = |(at, raw): (usize, &Raw)| match &raw.body {
        Body::Wikitext(wikitext) if wikitext.len() <= LONGEST => Some((xxh3_64(raw.id.as_bytes()), at)),
        _ => None,
    };
    let mut pages: Vec<_> = raws.iter().enumerate().filter_map(page).collect();
    pages.sort_unstable();
    pages.dedup_by_key(|(hash, _)| *hash);
    pages.truncate(CANDIDATES);
    let page = |(hash, at): (u64, usize)| {
        let Body::Wikitext(wikitext) = &raws[at].body else { unreachable!("only such are chosen") };
        Chosen { at, hash, page: raws[at].id.clone(), wikitext: wikitext.clone() }
    };
    pages.into_iter().map(page).collect()
}

/// Of a unit's pages that were chosen those that belong to the file's candidates, given its units before.
pub(super) fn among(mut chosen: Vec<Chosen>, before: &[(PathBuf, UnitCard)]) -> Vec<Chosen> {
    let mut least: BTreeSet<u64> = before.iter().flat_map(|(_, card)| card.sampled.iter().copied()).collect();
    chosen.sort_by_key(|page| (page.hash, page.at));
    chosen.retain(|page| least.insert(page.hash));
    while least.len() > CANDIDATES {
        least.pop_last();
    }
    chosen.retain(|page| least.contains(&page.hash));
    chosen
}

/// Where the pages of a unit lie.
fn beside(unit: &Path) -> PathBuf {
    unit.with_extension("pages.jsonl")
}

/// Writes the chosen pages of a unit with the texts of their documents (source, language, id, title and text); their
/// hashes.
pub(super) fn write(
    unit: &Path,
    chosen: Vec<Chosen>,
    document: impl Fn(usize) -> (String, Tag, String, String, String),
) -> Result<Vec<u64>> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let (mut lines, mut hashes) = (Vec::new(), Vec::new());
    for Chosen { at, hash, page, wikitext } in chosen {
        let (source, language, id, title, text) = document(at);
        let survival = survival(&wikitext, &text);
        let line = SideBySide { source, language, id, page, title, wikitext, text, survival };
        serde_json::to_writer(&mut lines, &line).expect("a page is plain data");
        lines.push(b'\n');
        hashes.push(hash);
    }
    atomic::write(&beside(unit), &lines)?;
    Ok(hashes)
}

/// Writes the list.
pub(super) fn write_side_by_side(files: &[MappedFile], path: PathBuf) -> Result<Part> {
    let mut wikis: BTreeMap<(usize, Tag), Vec<&MappedFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.units.iter().any(|(_, card)| card.wiki)) {
        wikis.entry((file.source, file.language)).or_default().push(file);
    }
    let shown = (SHOWN_IN_ALL / wikis.len().max(1)).clamp(1, SHOWN);
    let mut writer = AtomicFile::create(&path)?;
    let mut rows = 0;
    for files in wikis.values() {
        let mut pages = candidates(files)?;
        pages.sort_by(|a, b| a.wikitext.len().cmp(&b.wikitext.len()).then_with(|| a.id.cmp(&b.id)));
        let count = shown.min(pages.len());
        for number in 0..count {
            // The middle one of each of so many equal shares.
            let page = &pages[(2 * number + 1) * pages.len() / (2 * count)];
            serde_json::to_writer(&mut writer, page).map_err(|error| Error::io("write", &path)(error.into()))?;
            writer.write_all(b"\n").map_err(Error::io("write", &path))?;
            rows += 1;
        }
    }
    writer.commit()?;
    Ok(Part { path, rows })
}

/// Of all files of a wiki the pages with the least hashes.
fn candidates(files: &[&MappedFile]) -> Result<Vec<SideBySide>> {
    let units = || files.iter().flat_map(|file| &file.units);
    let mut least: BTreeSet<u64> = units().flat_map(|(_, card)| card.sampled.iter().copied()).collect();
    while least.len() > CANDIDATES {
        least.pop_last();
    }
    let mut pages = BTreeMap::new();
    for (unit, card) in units().filter(|(_, card)| card.sampled.iter().any(|hash| least.contains(hash))) {
        let path = beside(unit);
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        for (line, hash) in text.lines().zip(&card.sampled) {
            if least.contains(hash) && !pages.contains_key(hash) {
                pages.insert(*hash, serde_json::from_str(line).map_err(Error::format(&path))?);
            }
        }
    }
    Ok(pages.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_parts_of_them_choose_the_files_least_hashes() {
        let raw = |number: usize| Raw {
            id: number.to_string(),
            title: None,
            url: None,
            timestamp: None,
            licence: None,
            body: Body::Wikitext(format!("page {number}")),
        };
        let raws: Vec<Raw> = (0..4 * CANDIDATES).map(raw).collect();
        let mut least: Vec<u64> = raws.iter().map(|raw| xxh3_64(raw.id.as_bytes())).collect();
        least.sort_unstable();
        least.truncate(CANDIDATES);
        // Two units of two parts each.
        let mut units: Vec<(PathBuf, UnitCard)> = Vec::new();
        for unit in raws.chunks(2 * CANDIDATES) {
            let parts = unit.chunks(CANDIDATES + 7).enumerate();
            let chosen = parts.flat_map(|(part, raws)| {
                choose(raws).into_iter().map(move |page| page.behind(part * (CANDIDATES + 7)))
            });
            let chosen = among(chosen.collect(), &units);
            assert!(chosen.iter().all(|page| unit[page.at].id == page.page));
            let sampled = chosen.iter().map(|page| page.hash).collect();
            units.push((PathBuf::new(), UnitCard { sampled, ..UnitCard::default() }));
        }
        let found = |of: &[(PathBuf, UnitCard)]| -> BTreeSet<u64> {
            of.iter().flat_map(|(_, card)| card.sampled.iter().copied()).collect()
        };
        assert_eq!(found(&units[..1]).len(), CANDIDATES, "the first unit knows no others");
        assert!(least.iter().all(|hash| found(&units).contains(hash)));
        assert!(found(&units[1..]).iter().all(|hash| least.contains(hash)), "no more of the second than belong");
    }
}
