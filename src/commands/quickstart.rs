//! `tongues quickstart`: the sample wiki, made here, through every stage there is. No network, no file from outside.

use super::print;
use super::run::{Until, run as run_recipe};
use crate::args::{Device, RecipeArguments};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;
use tongues_pipeline::io::atomic;
use tongues_pipeline::sample_wiki::SampleWiki;

/// Seed of the sample wiki: any number does, this one is the documented one.
const SEED: u64 = 2018;
/// The language of the prediction that is proposed at the end.
const TRIED: &str = "glg_Latn";
/// Pages a language; enough text for a vocabulary of 2,000 pieces over all languages.
const PAGES: usize = 300;

/// A model that is trained, and fine-tuned for every language, in three minutes on two cores.
const MODEL: &str = "
[vocabulary]
size = 1500

[tokens]
validation = 0.05
test = 0.05

[model]
hidden_size = 96
layers = 2
heads = 3
intermediate_size = 256
context_length = 64

[training]
epochs = 4.0
batch_size = 8
learning_rate = 3e-3
warmup_steps = 100
evaluate_every = 200

[finetune]
epochs = 20
from_scratch_epochs = 20
learning_rate = 1e-3
seeds = [0, 1, 2]
";

/// Makes the wiki and a recipe for it under `output`, then runs the recipe.
pub fn run(output: &Path) -> Result<()> {
    let making = || format!("cannot make the sample wiki in {}", output.display());
    let wiki = SampleWiki::generate(SEED, PAGES);
    let folder = output.join("sample-wiki");
    let dumps = wiki.write(&folder).with_context(making)?;
    wiki.write_tasks(&folder).with_context(making)?;
    wiki.write_identification(&folder).with_context(making)?;
    let mut recipe = String::from(
        "# Written by `tongues quickstart`; run it again with `tongues run`.\n\
         name = \"quickstart\"\n\
         notice = \"This wiki is synthetic: a generator wrote it from invented facts. Its figures show that the steps work, not how good they are on a real language.\"\n",
    );
    for dump in &dumps {
        let path = dump.path.strip_prefix(&folder).unwrap_or(&dump.path);
        write!(
            recipe,
            "\n[[source]]\nname = \"sample_{}\"\npath = \"{}\"\nlanguage = \"{}\"\nformat = \"mediawiki\"\n",
            dump.language.language(),
            path.display(),
            dump.language
        )?;
    }
    recipe += "\n[[identification]]\nname = \"sample_lines\"\npath = \"identification/{language}.txt\"\n";
    for dump in &dumps {
        let (language, base) = (dump.language, format!("sample_topics/{}", dump.language));
        write!(
            recipe,
            "\n[[task]]\nname = \"sample_topics_{language}\"\nlanguage = \"{language}\"\n\
             train = \"{base}/train.tsv\"\nvalidation = \"{base}/dev.tsv\"\ntest = \"{base}/test.tsv\"\n"
        )?;
    }
    recipe += MODEL;
    let path = folder.join("recipe.toml");
    atomic::write(&path, recipe.as_bytes())?;
    let arguments = RecipeArguments {
        recipe: path,
        data: Some(folder),
        output: Some(output.to_owned()),
        set: Vec::new(),
        device: Device::Cpu,
        dry_run: false,
    };
    run_recipe(&arguments, Until::Tasks)?;
    let classifier = output.join("classifier").join(format!("sample_topics_{TRIED}"));
    print(&format!(
        "next:   tongues predict {} {}\n        tongues run recipes/your-language.toml --set dump=FILE --set language=xxx_Yyyy",
        classifier.display(),
        output.join("sample-wiki/sample_topics").join(TRIED).join("test.tsv").display()
    ));
    Ok(())
}
