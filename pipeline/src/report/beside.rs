//! Pages of dumps beside the texts that were made of them: by this run and, where a file of its texts is given, by
//! another program.

use crate::error::{Error, Result};
use crate::stages::{SIDE_BY_SIDE, SideBySide};
use crate::wikitext::{Survival, lost_numbers, survival};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Characters shown of a page in each column.
const CHARACTERS: usize = 12_000;

/// All pages shown.
#[derive(Debug, Clone, Serialize)]
pub struct Beside {
    /// One a wiki.
    pub wikis: Vec<WikiBeside>,
    /// Name of the other texts' file, where there is one.
    pub other: Option<String>,
}

/// Pages of a wiki, from the shortest to the longest.
#[derive(Debug, Clone, Serialize)]
pub struct WikiBeside {
    /// Source of the recipe.
    pub source: String,
    /// Tag.
    pub language: String,
    /// The pages.
    pub pages: Vec<PageBeside>,
    /// Their sum.
    pub survival: Survival,
    /// That of the other texts, over the pages they have.
    pub other: Option<Survival>,
}

/// A page in columns.
#[derive(Debug, Clone, Serialize)]
pub struct PageBeside {
    /// Of the document.
    pub id: String,
    /// Title.
    pub title: String,
    /// As the dump has it, in pieces.
    pub wikitext: Vec<Piece>,
    /// As the document has it.
    pub text: Shown,
    /// What of the wikitext is in the text.
    pub survival: Survival,
    /// The other text and what is in it; none where the file has no such page.
    pub other: Option<(Shown, Survival)>,
    /// Whether more of the wikitext is not shown.
    pub cut: bool,
}

/// A piece of a page's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// As it is.
    pub text: String,
    /// A number that the text lacks.
    pub lost: bool,
}

/// The beginning of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// So many characters.
    pub text: String,
    /// Whether it goes on.
    pub cut: bool,
}

/// A line as WikiExtractor writes it with `--json`, and `tongues extract` too.
#[derive(Deserialize)]
struct OtherText {
    #[serde(default)]
    id: serde_json::Value,
    title: String,
    text: String,
}

/// The pages in `documents`, the stage's folder, with the texts of `other`. None where there is no page.
///
/// # Errors
/// A file cannot be read, or has lines that are not as they should be.
pub fn read(documents: &Path, other: Option<&Path>) -> Result<Option<Beside>> {
    let path = documents.join(SIDE_BY_SIDE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let pages: Vec<SideBySide> = lines(file, &path)?;
    let others = other.map(|path| others(path, &pages)).transpose()?.unwrap_or_default();
    let mut wikis: Vec<WikiBeside> = Vec::new();
    for page in pages {
        let shown = others.get(&page.title).and_then(|texts| {
            // Titles are not unique in a file of several wikis; ids alone are not either.
            texts.iter().find(|(id, _)| *id == page.page).or_else(|| texts.first().filter(|_| texts.len() == 1))
        });
        let theirs = shown.map(|(_, text)| (begin(text), survival(&page.wikitext, text)));
        let same = |wiki: &WikiBeside| wiki.source == page.source && wiki.language == page.language.as_str();
        if !wikis.last().is_some_and(same) {
            let (source, language) = (page.source.clone(), page.language.to_string());
            wikis.push(WikiBeside { source, language, pages: Vec::new(), survival: Survival::default(), other: None });
        }
        let wiki = wikis.last_mut().expect("one was pushed");
        wiki.survival += page.survival;
        if let Some((_, survival)) = &theirs {
            *wiki.other.get_or_insert_default() += *survival;
        }
        let (wikitext, cut) = pieces(&page.wikitext, &page.text);
        let (text, survival) = (begin(&page.text), page.survival);
        wiki.pages.push(PageBeside { id: page.id, title: page.title, wikitext, text, survival, other: theirs, cut });
    }
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok((!wikis.is_empty()).then_some(Beside { wikis, other: other.map(name) }))
}

fn lines<T: serde::de::DeserializeOwned>(file: File, path: &Path) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        found.push(serde_json::from_str(&line.map_err(Error::io("read", path))?).map_err(Error::format(path))?);
    }
    Ok(found)
}

/// Of another program's texts those of the pages, by title, each with its id. One line at a time: the file may be large.
fn others(path: &Path, pages: &[SideBySide]) -> Result<HashMap<String, Vec<(String, String)>>> {
    let wanted: HashSet<&str> = pages.iter().map(|page| page.title.as_str()).collect();
    let mut found: HashMap<String, Vec<(String, String)>> = HashMap::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(Error::io("read", path))?;
        if line.trim().is_empty() {
            continue;
        }
        let OtherText { id, title, text } = serde_json::from_str(&line).map_err(|error| Error::Input {
            path: path.to_owned(),
            place: format!("line {}", number + 1),
            found: error.to_string(),
            expected: "a JSON object with `title` and `text` on every line".to_owned(),
        })?;
        if wanted.contains(title.as_str()) {
            let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            // Ids of our own begin with a source.
            let id = id.rsplit(':').next().unwrap_or_default().to_owned();
            found.entry(title).or_default().push((id, text));
        }
    }
    Ok(found)
}

fn begin(text: &str) -> Shown {
    let end = text.char_indices().nth(CHARACTERS).map(|(end, _)| end);
    Shown { text: text[..end.unwrap_or(text.len())].to_owned(), cut: end.is_some() }
}

/// The beginning of a source, with the numbers that the text lacks apart; whether it goes on.
fn pieces(source: &str, text: &str) -> (Vec<Piece>, bool) {
    let Shown { text: shown, cut } = begin(source);
    let (mut pieces, mut at) = (Vec::new(), 0);
    for place in lost_numbers(source, text).into_iter().take_while(|place| place.end <= shown.len()) {
        pieces.push(Piece { text: shown[at..place.start].to_owned(), lost: false });
        at = place.end;
        pieces.push(Piece { text: shown[place].to_owned(), lost: true });
    }
    pieces.push(Piece { text: shown[at..].to_owned(), lost: false });
    (pieces, cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(source: &str, page: &str, title: &str, text: &str) -> String {
        let wikitext = "'''Upe''' 5 un 7.\n* vīns [[div]]";
        let survival = survival(wikitext, text);
        let (language, id) = ("ltg_Latn".parse().unwrap(), format!("{source}:{page}"));
        let (source, page, title) = (source.to_owned(), page.to_owned(), title.to_owned());
        let (wikitext, text) = (wikitext.to_owned(), text.to_owned());
        let line = SideBySide { source, language, id, page, title, wikitext, text, survival };
        serde_json::to_string(&line).unwrap() + "\n"
    }

    #[test]
    fn pages_stand_beside_the_texts_of_both() {
        let folder = tempfile::tempdir().unwrap();
        let own =
            [page("a", "1", "Upe", "Upe 5.\n- vīns div"), page("b", "1", "Upe", ""), page("b", "2", "Azars", "7")];
        std::fs::write(folder.path().join(SIDE_BY_SIDE), own.concat()).unwrap();
        let other = folder.path().join("theirs.jsonl");
        let texts = "{\"id\":\"1\",\"title\":\"Upe\",\"text\":\"Upe 5 un 7.\"}\n{\"title\":\"Cits\",\"text\":\"\"}\n";
        std::fs::write(&other, texts).unwrap();
        let found = read(folder.path(), Some(&other)).unwrap().unwrap();
        assert_eq!((found.other.as_deref(), found.wikis.len(), found.wikis[1].pages.len()), (Some("theirs"), 2, 2));
        let first = &found.wikis[0].pages[0];
        assert_eq!(first.survival, Survival { numbers: 2, numbers_kept: 1, items: 1, items_kept: 1 });
        let lost: Vec<&str> =
            first.wikitext.iter().filter(|piece| piece.lost).map(|piece| piece.text.as_str()).collect();
        assert_eq!(lost, ["7"]);
        let (shown, survival) = first.other.as_ref().unwrap();
        assert_eq!((shown.text.as_str(), survival.numbers_kept, survival.items_kept), ("Upe 5 un 7.", 2, 0));
        assert!(found.wikis[1].pages[1].other.is_none());

        std::fs::write(&other, "{\"title\":\"Upe\"}\n").unwrap();
        let error = read(folder.path(), Some(&other)).unwrap_err().to_string();
        assert!(error.contains("theirs.jsonl") && error.contains("line 1") && error.contains("`text`"), "{error}");
        assert!(read(&folder.path().join("none"), None).unwrap().is_none());
    }
}
