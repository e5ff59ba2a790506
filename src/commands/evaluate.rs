//! `tongues evaluate`: a language model on token files, as a table or as the JSON of `evaluation.json`.

use super::run::open;
use super::{print, table};
use crate::args::{EvaluateArguments, Split as SplitArgument};
use crate::bars::Bars;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use tongues_finetune::classifier::Pretrained;
use tongues_pipeline::tokens::{Corpus, Split};
use tongues_pipeline::vocabulary::Vocabulary;
use tongues_pretrain::evaluate::windows::Stride;
use tongues_pretrain::evaluate::{Figures, Settings};
use tongues_pretrain::text_source::TextSource;

/// Measures and prints.
pub fn run(arguments: &EvaluateArguments) -> Result<()> {
    let folder = model(&arguments.model);
    let doing = || format!("cannot evaluate {}", folder.display());
    let device = open(arguments.device)?;
    let model = Pretrained::load(&folder, &device).with_context(doing)?.model;
    let vocabulary = Vocabulary::load(&folder).with_context(doing)?;
    let tokens = tokens(arguments, &folder).with_context(doing)?;
    let corpus = Corpus::open(&tokens).with_context(doing)?;
    let checking = || format!("{}: not the tokens of {}", tokens.display(), folder.display());
    corpus.check_vocabulary(vocabulary.sha256()).with_context(checking)?;
    let split = match arguments.split {
        SplitArgument::Train => Split::Train,
        SplitArgument::Validation => Split::Validation,
        SplitArgument::Test => Split::Test,
    };
    if corpus.languages().iter().all(|language| corpus.split(*language, split).is_empty()) {
        bail!("{}: found no document in the split `{}`; expected some to measure", tokens.display(), split.name());
    }
    let settings = Settings {
        split,
        documents: arguments.documents.map(|count| count as usize),
        stride: arguments.stride.map_or(Stride::HalfWindow, Stride::Tokens),
        ..Default::default()
    };
    let source = TextSource { tokens: &corpus, vocabulary: &vocabulary };
    let found = model.evaluate(&source, &settings, &Bars::new()).with_context(doing)?;
    if arguments.json {
        print(&serde_json::to_string_pretty(&found)?);
    } else {
        print(&table::figures(&found));
        if let Figures::Causal(found) = &found {
            print(&format!("\n{}", table::second_half(found)));
        }
    }
    Ok(())
}

/// The folder itself, or the `model` in it where it is a run.
pub fn model(given: &Path) -> PathBuf {
    let inside = given.join("model");
    if !given.join("config.json").exists() && inside.join("config.json").exists() { inside } else { given.to_owned() }
}

/// The folder that was named, or the `tokens` in it where it is a run; or those of the run that `model` is in.
fn tokens(arguments: &EvaluateArguments, model: &Path) -> Result<PathBuf> {
    if let Some(given) = &arguments.tokens {
        let inside = given.join("tokens");
        return Ok(if inside.is_dir() { inside } else { given.clone() });
    }
    // `..` and not `parent`: of `.` that is the folder around it too.
    let beside = model.join("..").join("tokens");
    if !beside.is_dir() {
        bail!("{}: found no such folder; expected the tokens beside the model, or `--tokens DIR`", beside.display());
    }
    Ok(beside)
}
