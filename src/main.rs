//! The command line of `tongues`: the only place that parses arguments, prints and exits.

mod args;
mod bars;
mod commands;
mod exit;
mod plan;
mod recipe;

use args::Verb;
use clap::Parser;
use exit::Exit;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

fn main() -> ExitCode {
    calm_candle();
    keep_memory();
    let arguments = args::Arguments::parse();
    let level = if arguments.quiet { tracing::Level::WARN } else { tracing::Level::INFO };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .without_time()
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    if let Some(threads) = arguments.threads {
        let built = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        built.expect("the pool is built once, here");
    }
    // Where nothing is half done, a signal ends the program as usual, even while it waits for somebody to type.
    let at_once = |verb: &Verb| {
        matches!(
            verb,
            Verb::Predict(_) | Verb::Identify(_) | Verb::Sample(_) | Verb::Bench { .. } | Verb::Selftest { .. }
        )
    };
    if !at_once(&arguments.verb) {
        stop_on_signal();
    }
    match commands::run(arguments.verb) {
        Ok(()) => Exit::Done.into(),
        Err(error) => complain(&error).into(),
    }
}

/// candle adds large tensors on a pool of its own, whose threads spin against rayon's while they wait: a backward pass
/// takes up to twice as long on a busy machine (docs/log.md). Its additions are few, so one thread does them.
fn calm_candle() {
    const THREADS: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(THREADS).is_none() {
        // SAFETY: the first line of the program, before there is another thread.
        unsafe { std::env::set_var(THREADS, "1") };
    }
}

/// A training step frees and takes the same large blocks again and again; glibc gives them back to the system each time
/// and has every page cleared anew, a tenth of a step (docs/log.md). Here it keeps what it has until the program ends.
fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets two numbers of the allocator's own.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, i32::MAX);
    }
}

/// Gives what the stages before have freed back to the system, so that what is resident is in use.
fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: changes nothing but what the allocator keeps unused.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The first Ctrl-C or SIGTERM asks long work to stop at the next safe place, the second ends at once.
fn stop_on_signal() {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])
        .expect("these two signals can be handled");
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if tongues_pipeline::progress::STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted as i32);
            }
        }
    });
}

/// Whether a library stopped because it was asked to.
fn interrupted(cause: &(dyn std::error::Error + 'static)) -> bool {
    let pipeline = cause.downcast_ref::<tongues_pipeline::Error>();
    let pretrain = cause.downcast_ref::<tongues_pretrain::Error>();
    matches!(pipeline, Some(tongues_pipeline::Error::Interrupted))
        || matches!(pretrain, Some(tongues_pretrain::Error::Interrupted))
}

/// The message with its causes, each once, and the exit code that fits.
#[expect(clippy::print_stderr, reason = "this is where errors are printed")]
fn complain(error: &anyhow::Error) -> Exit {
    let mut said = error.to_string();
    eprintln!("error: {said}");
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if text != said {
            eprintln!("  caused by: {text}");
        }
        said = text;
    }
    let has = |kind: fn(&(dyn std::error::Error + 'static)) -> bool| error.chain().any(kind);
    if has(|cause| cause.is::<recipe::Mistakes>()) {
        Exit::Wrong
    } else if has(interrupted) {
        Exit::Interrupted
    } else {
        Exit::Failed
    }
}
