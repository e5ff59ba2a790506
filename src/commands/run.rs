//! `tongues run`, `pipeline`, `vocabulary`, `pretrain`, `finetune`: the stages of a recipe, in order, those that are not done yet.

use super::{comparison_table, print, table};
use crate::args::{Device as DeviceArgument, RecipeArguments};
use crate::bars::Bars;
use crate::plan::{Overrides, Plan, PlannedTask};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tongues_finetune::classifier::ClassifierSettings;
use tongues_finetune::results::Results;
use tongues_finetune::stage::FinetuneSettings;
use tongues_finetune::task::TaskSettings;
use tongues_languages::Tag;
use tongues_languages::identify::{self, Identifier};
use tongues_pipeline::io::atomic;
use tongues_pipeline::io::manifest::{Manifest, record};
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Corpus;
use tongues_pipeline::{report, stages, tokens, vocabulary};
use tongues_pretrain::batch::{Read, Sampler};
use tongues_pretrain::comparison::{self, Comparison, Condition, Models};
use tongues_pretrain::device::{self, Device};
use tongues_pretrain::evaluate::Figures;
use tongues_pretrain::memory::Forecast;
use tongues_pretrain::models::ModelConfig;
use tongues_pretrain::train::TrainSettings;
use tongues_pretrain::{batch, stage, throughput};

/// The last stage to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// Clean documents.
    Documents,
    /// Vocabulary and token shards.
    Tokens,
    /// The language model.
    Model,
    /// Labelled tasks, and the report.
    Tasks,
}

/// Runs a recipe's stages up to `until`.
pub fn run(arguments: &RecipeArguments, until: Until) -> Result<()> {
    let overrides =
        Overrides { data: arguments.data.clone(), output: arguments.output.clone(), set: arguments.set.clone() };
    let plan = Plan::read(&arguments.recipe, &overrides)?;
    if arguments.dry_run {
        print(&describe(&plan, &open(arguments.device)?));
        return Ok(());
    }
    let device = open(arguments.device)?;
    let bars = Bars::new();
    save(&plan).context("cannot start the run")?;
    let documents = plan.output.join("documents");
    let mut settings = plan.documents.clone();
    if !plan.identification.is_empty() {
        settings.identifier = Some(identifier(&plan, &bars).context("cannot make `identifier`")?);
    }
    let manifest = stages::documents::run(&settings, &documents, &bars).context("cannot make `documents`")?;
    funnel(&manifest);
    if until >= Until::Tokens {
        let kept = documents.join("kept");
        let folder = plan.output.join("vocabulary");
        vocabulary::train(&kept, &plan.vocabulary, &folder, &bars).context("cannot make `vocabulary`")?;
        tokens::write(&kept, &folder, &plan.tokens, &plan.output.join("tokens"), &bars)
            .context("cannot make `tokens`")?;
    }
    if until >= Until::Model {
        crate::give_memory_back();
        match &plan.comparison {
            Some(comparison) => compare(&plan, comparison, until, &device, &bars)?,
            None => model(&plan, until, &device, &bars)?,
        }
    }
    if until >= Until::Tasks {
        let path = report::write(&plan.output, None).context("cannot write the report")?;
        print(&format!("report: {}", path.display()));
    }
    Ok(())
}

/// One model of all the text, and the tasks with it.
fn model(plan: &Plan, until: Until, device: &Device, progress: &dyn Progress) -> Result<()> {
    let from = (plan.output.join("tokens"), plan.output.join("vocabulary"));
    let folder = plan.output.join("model");
    stage::run((&from.0, &from.1), &plan.pretrain, &origin(plan), &folder, device, progress)
        .context("cannot make `model`")?;
    print(&table::figures(&Figures::read(&folder)?));
    if until >= Until::Tasks {
        let mut done = Vec::new();
        for planned in &plan.tasks {
            let doing = || format!("cannot do the task `{}`", planned.name);
            let classifier = plan.output.join("classifier").join(&planned.name);
            done.push(task(planned, &plan.finetune, &folder, &classifier, device, progress).with_context(doing)?);
        }
        if !done.is_empty() {
            print(&format!("\n{}\n", table::accuracy(&done)));
        }
        print(&format!("model: {}", folder.display()));
    }
    Ok(())
}

/// Several models in place of one, each a mixture of languages with a seed, and the tasks with every one of them.
fn compare(plan: &Plan, comparison: &Comparison, until: Until, device: &Device, progress: &dyn Progress) -> Result<()> {
    let from = (plan.output.join("tokens"), plan.output.join("vocabulary"));
    let folder = plan.output.join("comparison");
    let results =
        comparison::run((&from.0, &from.1), comparison, &plan.pretrain, &origin(plan), &folder, device, progress)
            .context("cannot make `comparison`")?;
    print(&comparison_table::bits_per_byte(&results));
    if until < Until::Tasks {
        return Ok(());
    }
    for planned in &plan.tasks {
        let mut rows = Vec::new();
        for condition in &results.conditions {
            let mut done = Vec::new();
            for &seed in &condition.seeds {
                let doing =
                    || format!("cannot do the task `{}` with {}, seed {seed}", planned.name, condition.condition);
                let model = folder.join(&condition.condition).join(format!("seed-{seed}"));
                let settings = ClassifierSettings { seeds: vec![seed], ..plan.finetune.classifier.clone() };
                let classifier = model.join("classifier").join(&planned.name);
                let found = task(planned, &settings.into(), &model, &classifier, device, progress);
                done.push(found.with_context(doing)?);
            }
            rows.push((condition.condition.as_str(), done));
        }
        print(&format!("\n{}", comparison_table::accuracy(&rows)));
    }
    Ok(())
}

/// Opens the device that was asked for.
pub fn open(choice: DeviceArgument) -> Result<Device> {
    let choice = match choice {
        DeviceArgument::Auto => device::Choice::Auto,
        DeviceArgument::Cpu => device::Choice::Cpu,
        DeviceArgument::Cuda => device::Choice::Cuda,
    };
    device::open(choice).context("cannot open the device")
}

/// What the model card says of the text.
fn origin(plan: &Plan) -> stage::Origin {
    let sources = plan.documents.sources.iter().map(|source| (source.name.clone(), source.licence.clone()));
    stage::Origin { name: plan.name.clone(), notice: plan.notice.clone(), sources: sources.collect() }
}

/// Trains the identifier from the recipe's `[[identification]]` texts, unless it is there for the same texts.
fn identifier(plan: &Plan, progress: &dyn Progress) -> Result<PathBuf> {
    const FORMAT: u32 = 1;
    let folder = plan.output.join("identifier");
    let files: Vec<_> = plan.identification.iter().flat_map(|source| &source.files).collect();
    let inputs: Vec<_> =
        files.iter().map(|file| record(&file.path, &file.path.to_string_lossy())).collect::<Result<_, _>>()?;
    let train = identify::TrainSettings::default();
    let settings = serde_json::to_value(&train)?;
    let key = Manifest::key_of("identifier", FORMAT, &settings, &inputs);
    if Manifest::done(&folder, &key)?.is_some() {
        return Ok(folder.join(identify::MODEL));
    }
    let mut lines: Vec<identify::Example> = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(&file.path).with_context(|| file.path.display().to_string())?;
        lines.extend(text.lines().map(|line| (file.language, line.to_owned()).into()));
    }
    progress.begin("identifier", Some(lines.len() as u64), "lines");
    let count = lines.len() as u64;
    let card = identify::train(&mut lines.into_iter(), &train, &folder)?;
    progress.advance(count);
    progress.end();
    let outputs = [identify::CARD, identify::MODEL].map(|name| record(&folder.join(name), name));
    let outputs = outputs.into_iter().collect::<Result<_, _>>()?;
    let counts = serde_json::to_value(&card)?;
    Manifest { stage: "identifier".into(), format: FORMAT, key, settings, inputs, counts, outputs }.write(&folder)?;
    Ok(folder.join(identify::MODEL))
}

/// `plan.json`: what will happen, kept beside what happened.
fn save(plan: &Plan) -> Result<()> {
    let json = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "notice": plan.notice,
        "identifier": identifying(plan).trim_start_matches("tell").trim(),
        "documents": plan.documents,
        "vocabulary": plan.vocabulary,
        "tokens": plan.tokens,
        "model": plan.pretrain.model,
        "training": plan.pretrain.training,
        "comparison": plan.comparison,
        "measurement": plan.pretrain.measurement,
        "finetune": plan.finetune,
    });
    Ok(atomic::write(&plan.output.join("plan.json"), serde_json::to_string_pretty(&json)?.as_bytes())?)
}

fn describe(plan: &Plan, device: &Device) -> String {
    let mut lines = vec![format!("output  {}", plan.output.display())];
    for source in &plan.documents.sources {
        for file in &source.files {
            let bytes = std::fs::metadata(&file.path).map(|meta| meta.len()).unwrap_or_default();
            lines.push(format!("source  {}  {}  {}  {bytes} bytes", source.name, file.language, file.path.display()));
        }
    }
    lines.push(identifying(plan));
    for set in &plan.documents.evaluation {
        lines.push(format!("never   {}  {} files", set.name, set.files.len()));
    }
    for task in &plan.tasks {
        lines.push(format!("task    {}  {}  {}", task.name, task.language, task.files[0].display()));
    }
    for (name, languages) in plan.comparison.iter().flat_map(|comparison| &comparison.mixtures) {
        lines.push(format!(
            "mixture {name}  {}",
            languages.iter().map(|tag| tag.as_str()).collect::<Vec<_>>().join(" ")
        ));
    }
    lines.push(format!("{} languages", plan.languages().len()));
    lines.extend(match &plan.comparison {
        Some(comparison) => compared(plan, comparison, device),
        None => training(plan, device),
    });
    lines.join("\n")
}

/// What will tell the languages of documents, and what comes of it.
fn identifying(plan: &Plan) -> String {
    let files: usize = plan.identification.iter().map(|source| source.files.len()).sum();
    if files > 0 {
        return format!(
            "tell    languages by an identifier trained from {files} files; others than claimed are dropped"
        );
    }
    let known = Identifier::shipped().languages();
    let claimed = plan.documents.sources.iter().flat_map(|source| source.files.iter().map(|file| file.language));
    let unknown: BTreeSet<Tag> = claimed.filter(|tag| !known.contains(tag)).collect();
    let unknown = match unknown.is_empty() {
        true => String::new(),
        false => format!("; it does not know {}", unknown.iter().map(|tag| tag.as_str()).collect::<Vec<_>>().join(" ")),
    };
    let known = known.len();
    format!(
        "tell    languages by the identifier in the program (no [[identification]]), {known} languages; others than claimed are dropped{unknown}"
    )
}

/// The model and its training in figures: parameters, tokens, steps, time, memory.
fn training(plan: &Plan, device: &Device) -> Vec<String> {
    let corpus = Corpus::open(&plan.output.join("tokens")).ok();
    // Before the tokens are there, the files' sizes say about how much text there is.
    let files = plan.documents.sources.iter().flat_map(|source| &source.files);
    let bytes = || files.filter_map(|file| Some(std::fs::metadata(&file.path).ok()?.len())).sum();
    let bytes = corpus.as_ref().map_or_else(bytes, |corpus| batch::training_bytes(corpus));
    let training = &plan.pretrain.training.for_corpus(bytes, plan.pretrain.model.window());
    let Ok(model) = plan.pretrain.model.for_vocabulary(plan.vocabulary.size as usize) else { return Vec::new() };
    let mut lines = vec![format!("model   {}  {} parameters", model.layout(), model.parameters())];
    let window = model.window();
    let at_once = training.batch_size * training.accumulation * window;
    let text = corpus.as_ref().map(|corpus| stage::text(corpus));
    let steps = match text {
        Some(text) => Some(training.steps_over(text.tokens, window)),
        None => training.steps,
    };
    let tokens = text.map_or("tokens not counted yet".to_owned(), |text| format!("{} tokens", text.tokens));
    let steps_in_words = steps.map_or("steps".to_owned(), |steps| format!("{steps} steps"));
    let time = device.is_cpu().then(|| {
        let each = throughput::seconds_of_step(model.sizes(), at_once, training);
        match steps {
            Some(steps) => format!("  about {} min", (steps as f64 * each / 60.0).ceil()),
            None => format!("  about {each:.2} s a step"),
        }
    });
    let time = time.unwrap_or_default();
    lines.push(format!("train   {tokens}  {steps_in_words} of {at_once} tokens{time}"));
    lines.extend(corpus.as_ref().zip(steps).and_then(|(corpus, steps)| passes(corpus, &model, training, steps)));
    let forecast = Forecast::new(model.sizes(), training, text.unwrap_or_default(), device.is_cpu());
    let estimated = if device.is_cpu() { "at its peak" } else { "of the device, estimated" };
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    lines.push(format!(
        "memory  {} MiB {estimated}: process {}, weights {}, optimiser {}, average {}, text {}, a step {}",
        mib(forecast.peak()),
        mib(forecast.process),
        mib(forecast.weights),
        mib(forecast.optimiser),
        mib(forecast.average),
        mib(forecast.text),
        mib(forecast.step)
    ));
    lines
}

/// The models of a comparison and how long they are trained: each mixture has its own text and steps.
fn compared(plan: &Plan, comparison: &Comparison, device: &Device) -> Vec<String> {
    let Ok(model) = plan.pretrain.model.for_vocabulary(plan.vocabulary.size as usize) else { return Vec::new() };
    let mut lines = vec![format!("model   {}  {} parameters", model.layout(), model.parameters())];
    let seeds = comparison.seeds.len();
    let corpus = Corpus::open(&plan.output.join("tokens")).ok();
    let Some(models) = corpus.and_then(|corpus| Models::of(comparison, &corpus, &plan.pretrain).ok()) else {
        lines.push(format!("train   tokens not counted yet  {seeds} × each of {} mixtures", comparison.mixtures.len()));
        return lines;
    };
    let tokens = models.tokens_a_step();
    let each = device.is_cpu().then(|| throughput::seconds_of_step(model.sizes(), tokens, &models.settings.training));
    let time =
        |steps: u64| each.map_or(String::new(), |each| format!("  about {} min", (steps as f64 * each / 60.0).ceil()));
    for Condition { name, steps, .. } in &models.conditions {
        lines.push(format!("train   {name}  {seeds} × {steps} steps of {tokens} tokens{}", time(steps * seeds as u64)));
    }
    let steps = models.conditions.iter().map(|condition| condition.steps).sum::<u64>() * seeds as u64;
    lines.push(format!("train   all  {steps} steps of {} tokens{}", tokens, time(steps)));
    lines
}

/// How often the text of the language that is read least and of the one that is read most is read in training.
fn passes(corpus: &Corpus, model: &ModelConfig, training: &TrainSettings, steps: u64) -> Option<String> {
    let sampler = Sampler::new(corpus, model.special(), model.window(), training.alpha, training.seed).ok()?;
    let sampler = sampler.consecutive(training.consecutive_windows(model.carries_state()));
    let batches = steps * training.accumulation as u64;
    let mut read = sampler.with(training.language_per).read(batches, training.batch_size);
    read.sort_by(|a, b| a.epochs.total_cmp(&b.epochs));
    let told = |read: &Read| format!("{} {:.1} times", read.language, read.epochs);
    let (least, most) = (read.first()?, read.last()?);
    let to = if read.len() > 1 { format!(" to {}", told(most)) } else { String::new() };
    Some(format!("read    {}{to}", told(least)))
}

/// One line a language: in, kept, and why not.
fn funnel(manifest: &Manifest) {
    let Some(languages) = manifest.counts.get("languages").and_then(|value| value.as_object()) else { return };
    for (language, counts) in languages {
        let number = |key: &str| counts.get(key).and_then(serde_json::Value::as_u64).unwrap_or_default();
        let dropped = counts.get("dropped").map(ToString::to_string).unwrap_or_default();
        let (came, kept, failed) = (number("in"), number("kept"), number("failed"));
        tracing::info!("{language}: {came} documents in, {kept} kept, {failed} failed, dropped {dropped}");
    }
}

/// All methods on a task, and a line for each.
fn task(
    planned: &PlannedTask,
    finetune: &FinetuneSettings,
    model: &Path,
    folder: &Path,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Results> {
    let settings = TaskSettings {
        name: planned.name.clone(),
        language: planned.language,
        train: planned.files[0].clone(),
        validation: Some(planned.files[1].clone()),
        test: planned.files[2].clone(),
        text_column: planned.text_column.clone(),
        label_column: planned.label_column.clone(),
    };
    let results = tongues_finetune::stage::run(&settings, finetune, Some(model), folder, device, progress)?;
    for method in &results.methods {
        tracing::info!(
            "{} {}: {:?} accuracy {:.1} %, macro-F1 {:.1} %, {} labels",
            results.task,
            results.language,
            method.method,
            100.0 * method.accuracy_mean,
            100.0 * method.macro_f1_mean,
            method.labels_used
        );
    }
    Ok(results)
}
