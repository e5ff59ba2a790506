//! What was asked: a recipe in TOML. Every mistake in it is found at once, with its line and a remedy, before any work.
//!
//! A section is a struct with defaults. Its known keys and their types are read off its default value, so there is no
//! second list to keep in step.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;
use std::path::{Path, PathBuf};
use tongues_pipeline::read::{Format, HtmlContent, ModuleUse, TemplateUse};
use tongues_pipeline::wikitext::{Shown, Use, Variant};
use tongues_pretrain::comparison::Equal;

/// One thing wrong with a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line in the recipe, from 1; `None` for what came from the command line.
    pub line: Option<usize>,
    /// What is wrong and what would have been right.
    pub message: String,
}

/// All that is wrong with a recipe.
#[derive(Debug)]
pub struct Mistakes {
    /// The recipe.
    pub path: PathBuf,
    /// In the order of lines.
    pub list: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len();
        write!(f, "{}: {count} mistake{}", self.path.display(), if count == 1 { "" } else { "s" })?;
        for Mistake { line, message } in &self.list {
            match line {
                Some(line) => write!(f, "\n  line {line}: {message}")?,
                None => write!(f, "\n  {message}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// `[[source]]`: text to learn from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// Name in counts and columns.
    pub name: String,
    /// File, relative to `--data`; `*` matches within a name, `{language}` stands for a tag and gives the language.
    pub path: String,
    /// Tag of all its text, where the path does not say.
    pub language: Option<String>,
    /// Only these, where the path has `{language}`; all that are there otherwise.
    pub languages: Vec<String>,
    /// `mediawiki`, `jsonl`, `text_file`, `text_lines`, `text_paragraphs`, `html`, `warc`, `bible_xml`, `parquet`, `tsv`,
    /// `csv`; told by name and first bytes otherwise.
    pub format: Option<Format>,
    /// As stated by the source.
    pub licence: Option<String>,
    /// Column of the text in JSONL, Parquet and tables; `text` otherwise.
    pub text_column: Option<String>,
    /// Column of the id; the record's number otherwise.
    pub id_column: Option<String>,
    /// Column of the title.
    pub title_column: Option<String>,
    /// Column of the address.
    pub url_column: Option<String>,
    /// Column of the time.
    pub timestamp_column: Option<String>,
    /// Of web pages: `main` takes the part with the running text, `whole` all but menus and scripts; `main` otherwise.
    pub html_content: Option<HtmlContent>,
    /// A label of the Encoding Standard, as `windows-1257`; by what the file says and looks like otherwise.
    pub encoding: Option<String>,
    /// `expand` puts in what a dump's own templates give, `drop` leaves them out; `expand` otherwise.
    pub templates: Option<TemplateUse>,
    /// `drop` leaves out the sections of references and links at the end of a dump's pages, `keep` does not; `drop`
    /// otherwise.
    pub closing_sections: Option<Use>,
    /// Tables of a dump's pages, a row a line: `keep` or `drop`; `drop` otherwise.
    pub tables: Option<Use>,
    /// Boxes with a page's main facts, the same.
    pub infoboxes: Option<Use>,
    /// Captions of galleries, as lists: `keep` or `drop`; `drop` otherwise.
    pub galleries: Option<Use>,
    /// Readings of characters (`<ruby>`), in parentheses behind them: `keep` or `drop`; `drop` otherwise.
    pub readings: Option<Use>,
    /// Formulas: `source`, `placeholder` (U+FFFC) or `drop`; `source` otherwise.
    pub math: Option<Shown>,
    /// Programs, the same.
    pub code: Option<Shown>,
    /// Where a wiki writes a text in several variants the one taken, as `zh-hant` or `Hant`; that of the language's
    /// script otherwise.
    pub variant: Option<Variant>,
    /// `run` runs the modules in Lua that these templates call, `drop` leaves their calls out; `drop` otherwise.
    pub modules: Option<ModuleUse>,
    /// Cut from the beginning of every text that has it; `#` stands for one digit or more.
    pub drop_prefix: Option<String>,
}

/// `[[evaluation]]`: text that must not be learnt from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluation {
    /// Name in reasons.
    pub name: String,
    /// Files, relative to `--data`, with `*`.
    pub path: String,
    /// As for a source.
    pub format: Option<Format>,
    /// As for a source.
    pub text_column: Option<String>,
}

/// `[[task]]`: labelled text.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Task {
    /// Name of its folder.
    pub name: String,
    /// Tag.
    pub language: String,
    /// Table with a column of text and one of labels.
    pub train: String,
    /// Same.
    pub validation: String,
    /// Same.
    pub test: String,
    /// Guessed where it is not given.
    pub text_column: Option<String>,
    /// Guessed where it is not given.
    pub label_column: Option<String>,
}

/// `[comparison]`: one language, learnt alone and in mixtures with others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Comparison {
    /// Tag of the language that is studied.
    pub language: String,
    /// Of initial values, batches and dropout; a model of each mixture for each.
    pub seeds: Vec<u64>,
    /// `own`: alone and in mixtures the studied language is read equally often; `total`: training has equally many steps;
    /// `both`.
    pub equal: Equal,
    /// Share of the studied language in what a mixture reads.
    pub share: f64,
    /// Training tokens of the studied language, at most.
    pub tokens_limit: Option<u64>,
    /// Training tokens of each other language, at most.
    pub other_tokens_limit: Option<u64>,
}

impl Default for Comparison {
    fn default() -> Comparison {
        Comparison {
            language: String::new(),
            seeds: vec![1, 2, 3], // fewer say nothing of chance
            equal: Equal::default(),
            share: 0.5,
            tokens_limit: None,
            other_tokens_limit: None,
        }
    }
}

/// `[[mixture]]`: languages that one model of the comparison learns from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mixture {
    /// Name of its folder.
    pub name: String,
    /// Tags, the studied language with them.
    pub languages: Vec<String>,
}

/// A parsed recipe document with its text, from which sections are taken.
pub struct Document {
    path: PathBuf,
    text: String,
    table: toml_edit::Table,
    /// Found so far.
    pub mistakes: Vec<Mistake>,
    taken: Vec<String>,
}

impl Document {
    /// Parses `path` and lays `--set key=value` over it. A syntax error is the only mistake reported alone.
    pub fn read(path: &Path, set: &[String]) -> Result<Document, Mistakes> {
        let alone = |line, message: String| Mistakes { path: path.to_owned(), list: vec![Mistake { line, message }] };
        let bytes = std::fs::read(path).map_err(|error| alone(None, format!("cannot read it: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
            let line = bytes[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
            alone(Some(line), format!("the byte 0x{:02x} is no UTF-8; save the recipe as UTF-8", bytes[at]))
        })?;
        Document::parse(path, text, set)
    }

    fn parse(path: &Path, mut text: String, set: &[String]) -> Result<Document, Mistakes> {
        let alone = |line, message: String| Mistakes { path: path.to_owned(), list: vec![Mistake { line, message }] };
        for pair in set {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(alone(None, format!("--set {pair}: expected key=value")));
            };
            let place = format!("${{{key}}}");
            if !text.contains(&place) {
                return Err(alone(None, format!("--set {key}: the recipe has no `{place}` to put it in")));
            }
            text = text.replace(&place, &value.replace('\\', "\\\\").replace('"', "\\\""));
        }
        let table = toml_edit::Document::parse(text.clone())
            .map_err(|error| {
                let line = error.span().map(|span| line_of(&text, span.start));
                alone(line, error.message().to_owned())
            })?
            .as_table()
            .clone();
        let mut document = Document { path: path.to_owned(), text, table, mistakes: Vec::new(), taken: Vec::new() };
        document.unset_places();
        Ok(document)
    }

    /// A `${place}` that no `--set` filled.
    fn unset_places(&mut self) {
        for (number, line) in self.text.lines().enumerate() {
            let code = line.split('#').next().unwrap_or_default();
            if let Some(start) = code.find("${") {
                let key = code[start + 2..].split('}').next().unwrap_or_default();
                let message = format!("`${{{key}}}` is not set; add `--set {key}=VALUE`");
                self.mistakes.push(Mistake { line: Some(number + 1), message });
            }
        }
    }

    /// A mistake at a key of a section (`index` for the n-th of `[[section]]`).
    pub fn wrong(&mut self, section: &str, index: usize, key: &str, message: impl Into<String>) {
        let line = self.line(section, index, key);
        self.mistakes.push(Mistake { line, message: message.into() });
    }

    fn line(&self, section: &str, index: usize, key: &str) -> Option<usize> {
        let item = if section.is_empty() { None } else { self.table.get(section) };
        let table: Option<&toml_edit::Table> = match item {
            Some(toml_edit::Item::ArrayOfTables(tables)) => tables.get(index),
            Some(item) => item.as_table(),
            None if section.is_empty() => Some(&self.table),
            None => None,
        };
        let table = table?;
        let span = table.get_key_value(key).and_then(|(key, _)| key.span()).or_else(|| table.span())?;
        Some(line_of(&self.text, span.start))
    }

    /// A plain value at the top.
    pub fn top(&mut self, key: &str) -> Option<String> {
        self.taken.push(key.to_owned());
        let item = self.table.get(key)?.clone();
        match item.as_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.wrong("", 0, key, format!("`{key}`: found {}; expected text in quotes", item.type_name()));
                None
            }
        }
    }

    /// Whether there is such a section or key.
    pub fn has(&self, section: &str) -> bool {
        self.table.contains_key(section)
    }

    /// A plain value of `[section]`, looked at before the section is taken.
    pub fn peek(&self, section: &str, key: &str) -> Option<&str> {
        self.table.get(section)?.as_table()?.get(key)?.as_str()
    }

    /// Leaves a section be, of which a mistake was reported that makes the others meaningless.
    pub fn skip(&mut self, section: &str) {
        self.taken.push(section.to_owned());
    }

    /// `[section]`, its defaults where it is missing.
    pub fn section<T: Default + Serialize + DeserializeOwned>(&mut self, section: &str) -> T {
        self.taken.push(section.to_owned());
        match self.table.get(section).cloned() {
            None => T::default(),
            Some(toml_edit::Item::Table(table)) => self.one(section, 0, &table),
            Some(item) => {
                let message = format!("`{section}`: found {}; expected a section `[{section}]`", item.type_name());
                self.wrong("", 0, section, message);
                T::default()
            }
        }
    }

    /// `[[section]]`, as many as there are.
    pub fn sections<T: Default + Serialize + DeserializeOwned>(&mut self, section: &str) -> Vec<T> {
        self.taken.push(section.to_owned());
        match self.table.get(section).cloned() {
            None => Vec::new(),
            Some(toml_edit::Item::ArrayOfTables(tables)) => {
                tables.iter().enumerate().map(|(index, table)| self.one(section, index, table)).collect()
            }
            Some(item) => {
                let message = format!("`{section}`: found {}; expected sections `[[{section}]]`", item.type_name());
                self.wrong("", 0, section, message);
                Vec::new()
            }
        }
    }

    fn one<T: Default + Serialize + DeserializeOwned>(
        &mut self,
        section: &str,
        index: usize,
        table: &toml_edit::Table,
    ) -> T {
        let known = serde_json::to_value(T::default()).expect("settings are plain data");
        let known = known.as_object().expect("a section is a struct");
        let mut right = toml::Table::new();
        for (key, item) in table.iter() {
            let Some(default) = known.get(key) else {
                let hint = nearest(key, known.keys().map(String::as_str));
                self.wrong(section, index, key, format!("unknown key `{key}` in `{section}`{hint}"));
                continue;
            };
            let found = item.type_name();
            let expected = kind(default);
            // A number that can be turned off says so itself; one that cannot refuses the word below.
            if !agrees(found, expected) && item.as_str() != Some("off") {
                let message = format!("`{section}.{key}`: found {found}; expected {expected}");
                self.wrong(section, index, key, message);
                continue;
            }
            // One key at a time, so that a value that is refused names its own line.
            let mut alone = toml::Table::new();
            alone.insert(key.to_owned(), value_of(item));
            match T::deserialize(toml::Value::Table(alone.clone())) {
                Ok(_) => right.extend(alone),
                Err(error) => {
                    let message = format!("`{section}.{key}`: {}", error.message().trim());
                    self.wrong(section, index, key, message);
                }
            }
        }
        T::deserialize(toml::Value::Table(right)).unwrap_or_default()
    }

    /// Reports what nobody took and everything else found.
    pub fn finish(mut self) -> Result<(), Mistakes> {
        let unknown: Vec<String> =
            self.table.iter().map(|(key, _)| key.to_owned()).filter(|key| !self.taken.contains(key)).collect();
        for key in unknown {
            let hint = nearest(&key, self.taken.iter().map(String::as_str));
            self.wrong("", 0, &key, format!("unknown section or key `{key}`{hint}"));
        }
        if self.mistakes.is_empty() {
            return Ok(());
        }
        self.mistakes.sort_by_key(|mistake| mistake.line);
        Err(Mistakes { path: self.path, list: self.mistakes })
    }
}

fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
}

fn kind(default: &serde_json::Value) -> &'static str {
    match default {
        serde_json::Value::Null => "any",
        serde_json::Value::Bool(_) => "boolean",
        serde_json::Value::Number(number) if number.is_f64() => "float",
        serde_json::Value::Number(_) => "integer",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "table",
    }
}

fn agrees(found: &str, expected: &str) -> bool {
    expected == "any"
        || found == expected
        || (found, expected) == ("integer", "float")
        || (found == "inline table" && expected == "table")
}

fn value_of(item: &toml_edit::Item) -> toml::Value {
    let mut holder = toml_edit::Table::new();
    holder.insert("value", item.clone());
    let mut parsed: toml::Table = holder.to_string().parse().expect("it was parsed before");
    parsed.remove("value").expect("inserted above")
}

/// `; did you mean …` for a word that is near one of `known`, the list of them otherwise.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let best = known.iter().map(|&one| (strsim::damerau_levenshtein(word, one), one)).min();
    match best {
        Some((distance, one)) if distance <= 1 + word.len() / 4 => format!("; did you mean `{one}`?"),
        _ => format!("; known: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tongues_pretrain::models::config::DecoderConfig;
    use tongues_pretrain::train::TrainSettings;

    fn mistakes(text: &str, set: &[&str]) -> Vec<String> {
        let set: Vec<String> = set.iter().map(|&one| one.to_owned()).collect();
        let mut document = match Document::parse(Path::new("r.toml"), text.to_owned(), &set) {
            Ok(document) => document,
            Err(mistakes) => return mistakes.to_string().lines().map(str::to_owned).collect(),
        };
        document.top("name");
        let _: Vec<Source> = document.sections("source");
        let _: Task = document.section("task");
        match document.finish() {
            Ok(()) => Vec::new(),
            Err(mistakes) => mistakes.to_string().lines().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn all_mistakes_come_at_once_with_their_lines() {
        let text =
            "name = 3\n[[source]]\nname = \"a\"\npth = \"x\"\n[[source]]\nname = 1\nformat = \"xml\"\n[trainng]\n";
        let found = mistakes(text, &[]);
        assert_eq!(found[0], "r.toml: 5 mistakes");
        assert!(found[1].starts_with("  line 1: `name`: found integer; expected text"), "{found:#?}");
        assert!(found[2].starts_with("  line 4: unknown key `pth` in `source`; did you mean `path`?"), "{found:#?}");
        assert!(found[3].starts_with("  line 6: `source.name`: found integer; expected string"), "{found:#?}");
        assert!(found[4].starts_with("  line 7: `source.format`: unknown variant `xml`"), "{found:#?}");
        assert!(found.iter().any(|line| line.starts_with("  line 8: unknown section or key `trainng`")), "{found:#?}");
    }

    #[test]
    fn a_model_is_sized_by_name_and_a_wrong_name_has_its_line() {
        let read = |text: &str| {
            let mut document = Document::parse(Path::new("r.toml"), text.to_owned(), &[]).unwrap();
            let model: DecoderConfig = document.section("model");
            (model, document.finish().err().map(|mistakes| mistakes.to_string()))
        };
        let (model, mistakes) = read("[model]\nlayout = \"gpt2\"\npreset = \"3m\"\nlayers = 4\nkey_value_heads = 6\n");
        assert_eq!(mistakes, None);
        let sizes = (model.hidden_size, model.layers, model.heads, model.intermediate_size, model.key_value_heads);
        assert_eq!(sizes, (192, 4, 6, 768, Some(6)));
        let mistakes = read("[model]\nlayers = 4\npreset = \"3M\"\nlayout = \"gpt4\"\nhead_width = \"x\"\n").1.unwrap();
        for expected in [
            "line 3: `model.preset`: no preset `3M`; known: 1m, 3m, 10m",
            "line 4: `model.layout`: unknown variant `gpt4`, expected one of `llama`, `qwen3`, `gpt2`, `gpt1`",
            "line 5: `model.head_width`: invalid type: string \"x\"",
        ] {
            assert!(mistakes.contains(expected), "{mistakes}");
        }
    }

    #[test]
    fn a_number_is_turned_off_where_it_can_be() {
        let read = |text: &str| {
            let mut document = Document::parse(Path::new("r.toml"), text.to_owned(), &[]).unwrap();
            let training: TrainSettings = document.section("training");
            (training, document.finish().err().map(|mistakes| mistakes.to_string()))
        };
        let (training, mistakes) = read("[training]\nclip = \"off\"\nsteps = 7\n");
        assert_eq!((training.clip, training.steps, mistakes), (None, Some(7), None));
        assert_eq!(read("[training]\n").0.clip, Some(1.0));
        let mistakes = read("[training]\nclip = \"of\"\nalpha = \"off\"\nsteps = \"many\"\n").1.unwrap();
        for expected in [
            "line 2: `training.clip`: found string; expected float",
            "line 3: `training.alpha`: invalid type: string \"off\"",
            "line 4: `training.steps`: found \"many\"; expected a number or \"off\"",
        ] {
            assert!(mistakes.contains(expected), "{mistakes}");
        }
    }

    #[test]
    fn places_are_filled_from_the_command_line() {
        let text = "name = \"x\"\n[[source]]\nname = \"dump\"\npath = \"${dump}\"\n";
        assert_eq!(mistakes(text, &["dump=/tmp/a.xml"]), Vec::<String>::new());
        let found = mistakes(text, &[]);
        assert!(found[1].contains("line 4: `${dump}` is not set; add `--set dump=VALUE`"), "{found:#?}");
        assert!(mistakes(text, &["dmp=x"])[1].contains("has no `${dmp}`"));
        assert!(mistakes("name = ", &[])[1].contains("line 1"));
    }
}
