//! The verbs: each builds a plan, calls a crate, and prints.

mod bench;
mod comparison_table;
mod evaluate;
mod extract;
mod fetch;
mod identify;
mod languages;
mod predict;
mod quickstart;
mod run;
mod sample;
mod selftest;
mod table;
mod watch;

use crate::args::{Bench, From, Verb};
use crate::bars::Bars;
use anyhow::{Context, Result};

/// Does what was typed.
pub fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Quickstart { output } => quickstart::run(&output),
        Verb::Run(arguments) => run::run(&arguments, run::Until::Tasks),
        Verb::Pipeline(arguments) => run::run(&arguments, run::Until::Documents),
        Verb::Vocabulary(arguments) => run::run(&arguments, run::Until::Tokens),
        Verb::Pretrain(arguments) => run::run(&arguments, run::Until::Model),
        Verb::Finetune(arguments) => run::run(&arguments, run::Until::Tasks),
        Verb::Report { run, beside } => {
            let path = tongues_pipeline::report::write(&run, beside.as_deref())
                .with_context(|| format!("cannot report on {}", run.display()))?;
            print(&path.display().to_string());
            Ok(())
        }
        Verb::Evaluate(arguments) => evaluate::run(&arguments),
        Verb::Sample(arguments) => sample::run(&arguments),
        Verb::Watch { run, port } => watch::run(&run, port),
        Verb::Predict(arguments) => predict::run(&arguments),
        Verb::Extract(arguments) => extract::run(&arguments),
        Verb::Identify(arguments) => identify::run(&arguments),
        Verb::Bench { what: Bench::Train(arguments) } => bench::train(&arguments),
        Verb::Selftest { device, json } => selftest::run(device, json),
        Verb::Fetch { from: From::Wikipedia { codes, output, mirror, date } } => {
            fetch::wikipedia(&codes, output, mirror, date, &Bars::new())
        }
        Verb::Languages { what } => languages::run(what, &Bars::new()),
    }
}

/// A line of data on stdout.
#[expect(clippy::print_stdout, reason = "stdout is for data, and this is where it is printed")]
pub fn print(line: &str) {
    println!("{line}");
}
