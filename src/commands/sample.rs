//! `tongues sample`: texts by a language model, from a prompt or from nothing; of an encoder what stands for `<mask>`.

use super::evaluate;
use super::run::open;
use crate::args::SampleArguments;
use crate::bars::Bars;
use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, IsTerminal, Read, Write};
use tongues_finetune::classifier::Pretrained;
use tongues_languages::Tag;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::vocabulary::Vocabulary;
use tongues_pipeline::vocabulary::hugging_face::MASK;
use tongues_pretrain::fill::{Filled, fill};
use tongues_pretrain::generate::beam::BeamSettings;
use tongues_pretrain::generate::sampling::Sampling;
use tongues_pretrain::generate::text::{Sample, samples, settings};
use tongues_pretrain::generate::{Settings, Strategy};

/// Texts made and printed at once.
const AT_ONCE: usize = 8;

/// For each `<mask>`, where `--count` does not say.
const CANDIDATES: u32 = 5;

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
    let (count, tokens) = (arguments.count.unwrap_or(1) as usize, arguments.tokens as usize);
    if let Some(width) = arguments.beam.filter(|width| (*width as usize) < count) {
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
    let vocabulary = Vocabulary::load(&folder).with_context(doing)?;
    let architecture = model.config().architecture();
    let usual = model.config().special().0;
    let beginning = beginning(&vocabulary, usual, arguments.language).with_context(doing)?;
    if let Some(encoder) = model.as_encoder() {
        if arguments.beam.is_some() {
            bail!("`--beam`: {} is a {architecture}, which tells hidden tokens and writes no text", folder.display());
        }
        let candidates = arguments.count.unwrap_or(CANDIDATES) as usize;
        let found = fill((encoder, &vocabulary), (beginning, &prompt), candidates).with_context(doing)?;
        return print_filled(&found, arguments.json).or_else(unless_nobody_reads);
    }
    let Some(model) = model.as_causal() else {
        bail!("{}: found a {architecture}; expected a model that goes on with a text", folder.display());
    };
    if prompt.contains(MASK) {
        bail!(
            "`--prompt`: found {MASK}, and {} is a {architecture}, which goes on with a text; expected an encoder, \
             which tells hidden tokens",
            folder.display()
        );
    }
    let no_repeat = arguments.no_repeat as usize;
    let settings = Settings { no_repeat, ..settings(&vocabulary, strategy, tokens, arguments.seed) };
    let bars = Bars::new();
    let texts = if arguments.beam.is_some() { 1 } else { count };
    bars.begin("sampling", Some((texts * tokens) as u64), "tokens");
    // A beam is searched once for all.
    let at_once = if arguments.beam.is_some() { count } else { AT_ONCE };
    for first in (0..count).step_by(at_once) {
        let numbers = first..count.min(first + at_once);
        let found =
            samples((model, &vocabulary), (beginning, &prompt), numbers, &settings, &bars).with_context(doing)?;
        if let Err(error) = print(&found, first > 0, arguments.json) {
            unless_nobody_reads(error)?;
            break;
        }
    }
    bars.end();
    Ok(())
}

/// What a text begins with: the token of `language`, of the only one without it; `<s>`, which is `usual`, where there are
/// no such tokens. Where there are, no text began with `<s>` in training.
fn beginning(vocabulary: &Vocabulary, usual: u32, language: Option<Tag>) -> Result<u32> {
    let tokens = vocabulary.language_tokens();
    let known = || tokens.keys().map(Tag::as_str).collect::<Vec<_>>().join(", ");
    match (language, tokens.len()) {
        (None, 0) => Ok(usual),
        (None, 1) => Ok(*tokens.values().next().expect("there is one")),
        (None, _) => bail!("`--language`: found none; expected one that the model has a token of: {}", known()),
        (Some(tag), 0) => bail!(
            "`--language`: found {tag}; expected none: the model has no language tokens, which a recipe asks for by \
             `language_tokens = true` in `[vocabulary]`"
        ),
        (Some(tag), _) => vocabulary.language_token(tag).with_context(|| {
            format!("`--language`: found {tag}; expected one that the model has a token of: {}", known())
        }),
    }
}

/// Who reads no further (`| head`) has what they wanted.
fn unless_nobody_reads(error: std::io::Error) -> Result<()> {
    if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error).context("cannot write to stdout") }
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

/// Lines of JSON, one a mask; or a line a candidate: its probability and the prompt with it, an empty line between masks.
fn print_filled(found: &[Filled], json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for (number, filled) in found.iter().enumerate() {
        if json {
            writeln!(out, "{}", serde_json::to_string(filled)?)?;
            continue;
        }
        if number > 0 {
            writeln!(out)?;
        }
        for candidate in &filled.candidates {
            writeln!(out, "{:.3}\t{}\t{}", candidate.probability, candidate.piece, candidate.text)?;
        }
    }
    out.flush()
}
