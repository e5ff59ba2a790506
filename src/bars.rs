//! Progress on the terminal: a bar with rate and time left; plain lines where stderr is not a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tongues_pipeline::progress::Progress;

/// Draws on stderr.
pub struct Bars {
    terminal: bool,
    current: Mutex<Option<Current>>,
}

struct Current {
    bar: ProgressBar,
    task: String,
    unit: &'static str,
    began: Instant,
    said: Instant,
}

/// Without a terminal, a line at most this often.
const LINE_EVERY: Duration = Duration::from_secs(30);

impl Bars {
    /// Bars where stderr is a terminal, lines otherwise.
    pub fn new() -> Bars {
        Bars { terminal: std::io::stderr().is_terminal(), current: Mutex::new(None) }
    }

    fn with(&self, act: impl FnOnce(&mut Current)) {
        if let Some(current) = self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).as_mut() {
            act(current);
        }
    }
}

impl Progress for Bars {
    fn begin(&self, task: &str, total: Option<u64>, unit: &'static str) {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if self.terminal {
            let shape = match total {
                Some(_) => "{prefix:>28} {wide_bar:.cyan/dim} {human_pos}/{human_len} {per_sec} {eta} left {msg}",
                None => "{prefix:>28} {spinner} {human_pos} {per_sec} {elapsed} {msg}",
            };
            bar.set_style(ProgressStyle::with_template(shape).expect("the template is right"));
            bar.enable_steady_tick(Duration::from_millis(200));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_prefix(task.to_owned());
        let now = Instant::now();
        *self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
            Some(Current { bar, task: task.to_owned(), unit, began: now, said: now });
    }

    fn advance(&self, units: u64) {
        let terminal = self.terminal;
        self.with(|current| {
            current.bar.inc(units);
            if !terminal && current.said.elapsed() >= LINE_EVERY {
                current.said = Instant::now();
                let Current { bar, task, unit, .. } = current;
                let of = bar.length().map(|total| format!(" of {total}")).unwrap_or_default();
                tracing::info!(
                    "{task}: {}{of} {unit}, {} s left {}",
                    bar.position(),
                    bar.eta().as_secs(),
                    bar.message()
                );
            }
        });
    }

    fn note(&self, text: &str) {
        self.with(|current| current.bar.set_message(text.to_owned()));
    }

    fn end(&self) {
        self.with(|current| {
            current.bar.finish_and_clear();
            let Current { bar, task, unit, began, .. } = current;
            tracing::info!(
                "{task}: {} {unit} in {:.1} s {}",
                bar.position(),
                began.elapsed().as_secs_f64(),
                bar.message()
            );
        });
        *self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
    }
}
