//! What will happen: the recipe with its files found, its tags checked and its stages' settings filled in.

mod comparison;

use crate::recipe::{Document, Evaluation, Mistake, Mistakes, Source, Task, nearest};
use std::path::{Path, PathBuf};
use tongues_finetune::classifier::ClassifierSettings;
use tongues_finetune::stage::FinetuneSettings;
use tongues_finetune::task::{Set, TaskSettings};
use tongues_languages::Tag;
use tongues_pipeline::filter::FilterSettings;
use tongues_pipeline::read::{self, Format, ReadSettings};
use tongues_pipeline::stages::documents::{self, DocumentsSettings, NormalisingSettings};
use tongues_pipeline::tokens::TokenSettings;
use tongues_pipeline::vocabulary::VocabularySettings;
use tongues_pipeline::wikitext::MarkupSettings;
use tongues_pretrain::comparison::Comparison;
use tongues_pretrain::models::model_config::{Kind, ModelConfig};
use tongues_pretrain::stage;

/// Everything a run needs to know.
pub struct Plan {
    /// What the run is called.
    pub name: String,
    /// The run's folder.
    pub output: PathBuf,
    /// Shown at the top of the report.
    pub notice: Option<String>,
    /// Labelled text that the language identifier is trained on; none, and the one in the program identifies.
    pub identification: Vec<documents::Source>,
    /// Sources, filters, evaluation sets.
    pub documents: DocumentsSettings,
    /// SentencePiece.
    pub vocabulary: VocabularySettings,
    /// Splits.
    pub tokens: TokenSettings,
    /// The language model and its training.
    pub pretrain: stage::Settings,
    /// Several models in place of one.
    pub comparison: Option<Comparison>,
    /// Fine-tuning and its baselines.
    pub finetune: FinetuneSettings,
    /// Labelled tasks with their files.
    pub tasks: Vec<PlannedTask>,
}

/// A task whose files are there.
pub struct PlannedTask {
    /// Name of its folder.
    pub name: String,
    /// Its language.
    pub language: Tag,
    /// Train, validation, test.
    pub files: [PathBuf; 3],
    /// Column of the text.
    pub text_column: Option<String>,
    /// Column of the label.
    pub label_column: Option<String>,
}

/// Where the command line overrides the recipe.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Folder that relative paths start from.
    pub data: Option<PathBuf>,
    /// The run's folder.
    pub output: Option<PathBuf>,
    /// `key=value` for `${key}`.
    pub set: Vec<String>,
}

impl Plan {
    /// Reads a recipe and finds all its files; every mistake at once.
    pub fn read(path: &Path, overrides: &Overrides) -> Result<Plan, Mistakes> {
        let mut recipe = Document::read(path, &overrides.set)?;
        let base = overrides.data.clone().unwrap_or_else(|| PathBuf::from("."));
        let name = recipe.top("name");
        let notice = recipe.top("notice");
        let output = recipe.top("output").map(PathBuf::from);
        let sources: Vec<Source> = recipe.sections("source");
        let identification: Vec<Source> = recipe.sections("identification");
        let evaluation: Vec<Evaluation> = recipe.sections("evaluation");
        let normalising: NormalisingSettings = recipe.section("normalising");
        let filter: FilterSettings = recipe.section("filter");
        let vocabulary: VocabularySettings = recipe.section("vocabulary");
        let tokens: TokenSettings = recipe.section("tokens");
        let pretrain = stage::Settings {
            model: find_model(&mut recipe),
            training: recipe.section("training"),
            measurement: recipe.section("measurement"),
            mixture: None,
        };
        let classifier: ClassifierSettings = recipe.section("finetune");
        let tasks: Vec<Task> = recipe.sections("task");

        if sources.is_empty() {
            recipe.wrong("", 0, "source", "no `[[source]]`: a run needs text to learn from");
        }
        let identification = find_sources(&mut recipe, "identification", &identification, &base);
        let documents = DocumentsSettings {
            sources: find_sources(&mut recipe, "source", &sources, &base),
            evaluation: evaluation
                .iter()
                .enumerate()
                .map(|(i, set)| documents::EvaluationSet {
                    name: set.name.clone(),
                    files: files(&mut recipe, ("evaluation", i), (&set.path, set.format), &base),
                    read: reading(set.format, set.text_column.as_deref()),
                    language: None,
                })
                .collect(),
            normalising,
            filter,
            ..DocumentsSettings::default()
        };
        let comparison = comparison::find(&mut recipe, &named_languages(&sources, &documents.sources));
        unique(&mut recipe, "task", tasks.iter().map(|task| task.name.as_str()), "names are folders of results");
        let tasks = tasks.iter().enumerate().filter_map(|(i, task)| find_task(&mut recipe, i, task, &base)).collect();
        let text = |error: &dyn std::error::Error| error.to_string();
        let checks = [
            ("filter", documents.filter.check().map_err(|error| text(&error))),
            ("vocabulary", vocabulary.check().map_err(|error| text(&error))),
            ("tokens", tokens.check().map_err(|error| text(&error))),
            ("model", pretrain.model.for_vocabulary(vocabulary.size as usize).map(drop).map_err(|error| text(&error))),
            ("training", pretrain.training.check().map_err(|error| text(&error))),
            ("measurement", pretrain.measurement.check(&pretrain.model).map_err(|error| text(&error))),
            ("finetune", classifier.check().map_err(|error| text(&error))),
        ];
        for (section, check) in checks {
            if let Err(message) = check {
                recipe.wrong(section, 0, "", message);
            }
        }
        if let Some(file) = overrides.output.as_ref().or(output.as_ref()).filter(|output| output.is_file()) {
            let message = format!("output {}: found a file; expected a folder, or none yet", file.display());
            recipe.mistakes.push(Mistake { line: None, message });
        }
        recipe.finish()?;
        let name = name.unwrap_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        let output = overrides.output.clone().or(output).unwrap_or_else(|| Path::new("runs").join(&name));
        let finetune = FinetuneSettings::from(classifier);
        Ok(Plan {
            name,
            output,
            notice,
            identification,
            documents,
            vocabulary,
            tokens,
            pretrain,
            comparison,
            finetune,
            tasks,
        })
    }

    /// Languages of the sources, sorted.
    pub fn languages(&self) -> Vec<Tag> {
        languages(&self.documents.sources)
    }
}

fn languages(sources: &[documents::Source]) -> Vec<Tag> {
    let files = sources.iter().flat_map(|source| &source.files);
    let mut tags: Vec<Tag> = files.map(|file| file.language).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// Languages that sources name or that their files are in; a recipe can be looked at without the files.
fn named_languages(asked: &[Source], found: &[documents::Source]) -> Vec<Tag> {
    let named = asked.iter().flat_map(|source| source.language.iter().chain(&source.languages));
    let mut tags: Vec<Tag> = named.filter_map(|text| text.parse().ok()).chain(languages(found)).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// `[model]`, with the keys that its layout has.
fn find_model(recipe: &mut Document) -> ModelConfig {
    let layout = recipe.peek("model", "layout").map(str::to_owned);
    match layout.as_deref().map(|name| (name, Kind::of_layout(name))) {
        Some((_, Some(Kind::Encoder))) => ModelConfig::Encoder(recipe.section("model")),
        Some((_, Some(Kind::Recurrent))) => ModelConfig::Recurrent(recipe.section("model")),
        Some((name, None)) => {
            let layouts = Kind::layouts();
            let hint = nearest(name, layouts.iter().map(String::as_str));
            recipe.wrong("model", 0, "layout", format!("`model.layout`: no layout `{name}`{hint}"));
            recipe.skip("model"); // which keys it may have is not known
            ModelConfig::default()
        }
        _ => ModelConfig::Decoder(recipe.section("model")),
    }
}

fn reading(format: Option<Format>, text_column: Option<&str>) -> ReadSettings {
    let mut read = ReadSettings { format, ..ReadSettings::default() };
    if let Some(column) = text_column {
        read.text_column = column.to_owned();
    }
    read
}

fn tag(recipe: &mut Document, section: &str, index: usize, key: &str, text: &str) -> Option<Tag> {
    tongues_languages::profile::known(text).map_err(|error| recipe.wrong(section, index, key, error.to_string())).ok()
}

/// Files of a pattern, sorted, and those in folders of it; none at all is a mistake.
fn files(
    recipe: &mut Document,
    (section, index): (&str, usize),
    (pattern, format): (&str, Option<Format>),
    base: &Path,
) -> Vec<PathBuf> {
    let whole = base.join(pattern);
    let found: Vec<PathBuf> = match glob::glob(&whole.to_string_lossy()) {
        Ok(paths) => paths
            .filter_map(std::result::Result::ok)
            .flat_map(|path| match path.is_dir() {
                true => read::files_in(&path, format).unwrap_or_default(),
                false => vec![path],
            })
            .filter(|path| path.is_file())
            .collect(),
        Err(error) => {
            recipe.wrong(section, index, "path", format!("`{pattern}`: {error}"));
            return Vec::new();
        }
    };
    if found.is_empty() {
        recipe.wrong(section, index, "path", format!("{}: no such file; is `--data` right?", whole.display()));
    }
    found
}

/// Names of `[[section]]` that came before.
fn unique<'a>(recipe: &mut Document, section: &str, names: impl Iterator<Item = &'a str>, why: &str) {
    let mut seen = Vec::new();
    for (index, name) in names.enumerate() {
        if seen.contains(&name) {
            recipe.wrong(section, index, "name", format!("two of `[[{section}]]` are named `{name}`; {why}"));
        }
        seen.push(name);
    }
}

fn find_sources(recipe: &mut Document, section: &str, sources: &[Source], base: &Path) -> Vec<documents::Source> {
    unique(recipe, section, sources.iter().map(|source| source.name.as_str()), "names are part of document ids");
    sources.iter().enumerate().map(|(index, source)| find_source(recipe, section, index, source, base)).collect()
}

fn find_source(recipe: &mut Document, section: &str, index: usize, source: &Source, base: &Path) -> documents::Source {
    if source.name.is_empty() {
        recipe.wrong(section, index, "name", "a source needs a `name`");
    } else if source.name.contains(':') {
        let message =
            format!("`{}`: ids of documents begin with the name and a colon; expected none in it", source.name);
        recipe.wrong(section, index, "name", message);
    }
    let mut found = Vec::new();
    match (source.path.contains("{language}"), &source.language) {
        (true, Some(_)) => {
            recipe.wrong(section, index, "language", "the path has `{language}` already; give one of the two");
        }
        (true, None) => {
            let only: Vec<Tag> =
                source.languages.iter().filter_map(|text| tag(recipe, section, index, "languages", text)).collect();
            let (before, after) = source.path.split_once("{language}").expect("checked above");
            let prefix = base.join(before).to_string_lossy().into_owned();
            let pattern = format!("{before}???_????{after}");
            for path in files(recipe, (section, index), (&pattern, source.format), base) {
                let text = path.to_string_lossy();
                let Some(language) = text.get(prefix.len()..prefix.len() + 8).and_then(|tag| tag.parse().ok()) else {
                    continue;
                };
                if only.is_empty() || only.contains(&language) {
                    found.push(documents::SourceFile { path: path.clone(), language });
                }
            }
            for language in only.iter().filter(|tag| !found.iter().any(|file| file.language == **tag)) {
                recipe.wrong(section, index, "languages", format!("no file for `{language}` under {prefix}"));
            }
        }
        (false, Some(text)) => {
            if let Some(language) = tag(recipe, section, index, "language", text) {
                let paths = files(recipe, (section, index), (&source.path, source.format), base);
                found.extend(paths.into_iter().map(|path| documents::SourceFile { path, language }));
            }
        }
        (false, None) => {
            let remedy = "give `language = \"xxx_Yyyy\"`, or write `{language}` where the path has the tag";
            recipe.wrong(section, index, "language", remedy);
        }
    }
    let read = ReadSettings {
        templates: source.templates.unwrap_or_default(),
        modules: source.modules.unwrap_or_default(),
        markup: MarkupSettings {
            closing_sections: source.closing_sections.unwrap_or_default(),
            tables: source.tables.unwrap_or_default(),
            infoboxes: source.infoboxes.unwrap_or_default(),
            galleries: source.galleries.unwrap_or_default(),
            readings: source.readings.unwrap_or_default(),
            math: source.math.unwrap_or_default(),
            code: source.code.unwrap_or_default(),
            variant: source.variant,
        },
        drop_prefix: source.drop_prefix.clone(),
        id_column: source.id_column.clone(),
        title_column: source.title_column.clone(),
        url_column: source.url_column.clone(),
        timestamp_column: source.timestamp_column.clone(),
        html_content: source.html_content.unwrap_or_default(),
        encoding: source.encoding.clone(),
        ..reading(source.format, source.text_column.as_deref())
    };
    if let Err(error) = read.encoding() {
        recipe.wrong(section, index, "encoding", error.to_string());
    }
    documents::Source { name: source.name.clone(), licence: source.licence.clone(), read, files: found }
}

/// The name of a `[[section]]` whose results go to a folder of that name.
fn folder_name(recipe: &mut Document, section: &str, index: usize, name: &str) {
    if name.is_empty() {
        recipe.wrong(section, index, "name", format!("a {section} needs a `name`"));
    } else if name.contains(['/', '\\']) || name.starts_with('.') {
        let message = format!("`{name}`: the name is a folder of results; expected no slash, and no dot in front");
        recipe.wrong(section, index, "name", message);
    }
}

fn find_task(recipe: &mut Document, index: usize, task: &Task, base: &Path) -> Option<PlannedTask> {
    folder_name(recipe, "task", index, &task.name);
    let language = tag(recipe, "task", index, "language", &task.language);
    let files = [&task.train, &task.validation, &task.test].map(|path| base.join(path));
    let missing: Vec<Set> =
        Set::ALL.into_iter().zip(&files).filter(|(_, path)| !path.is_file()).map(|(set, _)| set).collect();
    for set in &missing {
        let message = format!("{}: no such file", files[*set as usize].display());
        recipe.wrong("task", index, set.name(), message);
    }
    let settings = TaskSettings {
        name: task.name.clone(),
        language: language.unwrap_or(Tag::UNDETERMINED),
        train: files[0].clone(),
        validation: Some(files[1].clone()),
        test: files[2].clone(),
        text_column: task.text_column.clone(),
        label_column: task.label_column.clone(),
    };
    for (set, error) in tongues_finetune::task::Task::check(&settings).err().into_iter().flatten() {
        if !missing.contains(&set) {
            recipe.wrong("task", index, set.name(), format!("{:#}", anyhow::Error::from(error)));
        }
    }
    Some(PlannedTask {
        name: task.name.clone(),
        language: language?,
        files,
        text_column: task.text_column.clone(),
        label_column: task.label_column.clone(),
    })
}
