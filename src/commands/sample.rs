//! `tongues sample`: texts by a language model, from a prompt or from nothing.

use super::evaluate;
use super::run::open;
use crate::args::SampleArguments;
use crate::bars::Bars;
use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, IsTerminal, Read, Write};
use tongues_finetune::classifier::Pretrained;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::vocabulary::Vocabulary;
use tongues_pretrain::generate::beam::BeamSettings;
use tongues_pretrain::generate::sampling::Sampling;
use tongues_pretrain::generate::text::{Sample, samples, settings};
use tongues_pretrain::generate::{Settings, Strategy};

/// Texts made and printed at once.
const AT_ONCE: usize = 8;

/// Samples and prints.
pub fn run(arguments: &SampleArguments) -> Result<()> {
    let folder = evaluate::model(&arguments.model);
    let doing = || format!("cannot sample from {}", folder.display());
    if !folder.join("config.json").exists() {
        bail!(
            "{}: found no config.json, neither in it nor in its `model`; expected a language model or the run it is of",
            folder.display()
        );
    }
    let (count, tokens) = (arguments.count as usize, arguments.tokens as usize);
    if let Some(width) = arguments.beam.filter(|width| *width < arguments.count) {
        bail!("`--count`: found {count}; expected at most {width}, as many texts as the beam is wide");
    }
    let strategy = match arguments.beam {
        Some(width) => Strategy::Beam(BeamSettings { width: width as usize, length_power: arguments.length_power }),
        None => Strategy::Sample(Sampling {
            temperature: arguments.temperature,
            top_k: arguments.top_k as usize,
            top_p: arguments.top_p,
        }),
    };
    let prompt = match &arguments.prompt {
        Some(text) => text.clone(),
        None => from_stdin()?,
    };
    let model = Pretrained::load(&folder, &open(arguments.device)?).with_context(doing)?.model;
    let Some(model) = model.as_causal() else {
        let architecture = model.config().architecture();
        bail!("{}: found a {architecture}; expected a model that goes on with a text", folder.display());
    };
    let vocabulary = Vocabulary::load(&folder).with_context(doing)?;
    let no_repeat = arguments.no_repeat as usize;
    let settings = Settings { no_repeat, ..settings(&vocabulary, strategy, tokens, arguments.seed) };
    let bars = Bars::new();
    let texts = if arguments.beam.is_some() { 1 } else { count };
    bars.begin("sampling", Some((texts * tokens) as u64), "tokens");
    // A beam is searched once for all.
    let at_once = if arguments.beam.is_some() { count } else { AT_ONCE };
    for first in (0..count).step_by(at_once) {
        let numbers = first..count.min(first + at_once);
        let found = samples((model, &vocabulary), &prompt, numbers, &settings, &bars).with_context(doing)?;
        match print(&found, first > 0, arguments.json) {
            // Who reads no further (`| head`) has what they wanted.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            other => other.context("cannot write to stdout")?,
        }
    }
    bars.end();
    Ok(())
}

/// What is piped in, without the end of its last line; nothing from a terminal.
fn from_stdin() -> Result<String> {
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        return Ok(String::new());
    }
    let mut text = String::new();
    input.read_to_string(&mut text).context("cannot read the prompt from stdin")?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// Lines of JSON; or the texts, each with its prompt, an empty line between them.
fn print(found: &[Sample], some_before: bool, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for (number, sample) in found.iter().enumerate() {
        if json {
            writeln!(out, "{}", serde_json::to_string(sample)?)?;
        } else {
            let between = if some_before || number > 0 { "\n" } else { "" };
            writeln!(out, "{between}{}{}", sample.prompt, sample.text)?;
        }
    }
    out.flush()
}
