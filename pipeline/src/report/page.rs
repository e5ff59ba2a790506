//! Fills `report.html`: orders the figures as they are read, and lets minijinja escape every text.

use crate::error::{Error, Result};
use crate::report::charts::{self, Chart};
use crate::report::figures::{Comparison, Counts, Figures, Method, Task, Training};
use crate::report::strips::{Strips, strips};
use crate::wikitext::PageKind;
use minijinja::{Environment, context};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A name ending in `.html` makes minijinja escape.
const NAME: &str = "report.html";
/// More languages than this make a chart unreadable; the table has them all.
const LINES: usize = 7;

/// The page as HTML.
pub(super) fn render(figures: &Figures) -> Result<String> {
    let mut environment = Environment::new();
    environment.add_filter("thousands", thousands);
    environment.add_filter("percent", percent);
    environment.add_filter("fixed", |value: f64, digits: usize| format!("{value:.digits$}"));
    environment.add_filter("signed", |value: f64, digits: usize| format!("{value:+.digits$}"));
    environment.add_filter("words", |name: String| name.replace('_', " "));
    environment.add_filter("bytes", bytes);
    let empty = BTreeMap::new();
    let funnels = figures.documents.found.as_ref().map_or(&empty, |documents| &documents.languages);
    let sources = figures.documents.found.as_ref().map_or(&empty, |documents| &documents.sources);
    let page = context! {
        funnels => funnels.iter().map(|(name, counts)| funnel(name, counts)).collect::<Vec<_>>(),
        sources => sources.iter().map(|(name, counts)| funnel(name, counts)).collect::<Vec<_>>(),
        kinds => figures.documents.found.iter().flat_map(|documents| &documents.page_kinds).filter_map(kinds).collect::<Vec<_>>(),
        curves => figures.training.found.as_ref().map(curves),
        bits_most => bits_most(figures),
        strips => figures.comparison.found.as_ref().and_then(seeds),
        results => figures.tasks.found.iter().flatten().map(result).collect::<Vec<_>>(),
        version => env!("CARGO_PKG_VERSION"),
        ..minijinja::Value::from_serialize(figures)
    };
    environment
        .add_template(NAME, include_str!("report.html"))
        .and_then(|()| environment.get_template(NAME)?.render(page))
        .map_err(|error| Error::Format { path: Path::new(NAME).into(), cause: format!("{error:#}") })
}

#[derive(Serialize)]
struct Funnel<'a> {
    name: &'a str,
    counts: &'a Counts,
    /// Most frequent first.
    dropped: Vec<Slice<'a>>,
    skipped: u64,
    /// Documents that are neither kept, failed nor dropped: a defect the reader should see.
    unaccounted: i128,
}

#[derive(Serialize)]
struct Slice<'a> {
    /// Why documents were dropped, or of what kind pages are.
    reason: &'a str,
    count: u64,
    /// Colour, 1 to 6.
    tone: usize,
}

fn funnel<'a>(name: &'a str, counts: &'a Counts) -> Funnel<'a> {
    let mut dropped: Vec<_> = counts.dropped.iter().filter(|(_, count)| **count > 0).collect();
    dropped.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let accounted = counts.dropped.values().map(|count| i128::from(*count)).sum::<i128>();
    Funnel {
        name,
        counts,
        dropped: dropped
            .into_iter()
            .enumerate()
            .map(|(n, (reason, count))| Slice { reason, count: *count, tone: n % 6 + 1 })
            .collect(),
        skipped: counts.skipped.values().sum(),
        unaccounted: i128::from(counts.came) - i128::from(counts.kept) - i128::from(counts.failed) - accounted,
    }
}

#[derive(Serialize)]
struct Kinds<'a> {
    language: &'a str,
    pages: u64,
    /// In the order of [`PageKind::ALL`], so that a colour is one kind's in every language.
    slices: Vec<Slice<'a>>,
}

/// Kinds of the pages of a language; none where it has no page of a wiki.
fn kinds<'a>((language, counts): (&'a String, &'a BTreeMap<String, u64>)) -> Option<Kinds<'a>> {
    let place = |kind: &str| PageKind::ALL.iter().position(|known| known.name() == kind).unwrap_or(PageKind::ALL.len());
    let counted = counts.iter().filter(|(_, count)| **count > 0);
    let mut slices: Vec<Slice> =
        counted.map(|(kind, count)| Slice { reason: kind, count: *count, tone: place(kind) + 1 }).collect();
    slices.sort_by_key(|slice| slice.tone);
    let pages = slices.iter().map(|slice| slice.count).sum();
    (pages > 0).then_some(Kinds { language, pages, slices })
}

#[derive(Serialize)]
struct Curves {
    loss: Option<Chart>,
    bits: Option<Chart>,
    /// Whether it is hidden tokens that are told.
    is_masked: bool,
    /// Languages without a line of their own.
    languages_left_out: usize,
}

fn curves(training: &Training) -> Curves {
    let loss = training.steps.iter().map(|line| (line.step as f64, line.loss)).collect();
    let validation = &training.validation;
    let is_masked = validation.iter().any(|line| line.masked_loss.is_some());
    let mut series = vec![(
        "all languages".to_owned(),
        validation.iter().filter_map(|line| Some((line.step as f64, line.figure()?))).collect::<Vec<_>>(),
    )];
    let languages: BTreeSet<&String> = validation.iter().flat_map(|line| line.languages.keys()).collect();
    let shown = if languages.len() > 1 { languages.len().min(LINES) } else { 0 };
    for language in languages.iter().take(shown) {
        let of = |line: &super::figures::ValidationStep| Some((line.step as f64, *line.languages.get(*language)?));
        series.push(((*language).clone(), validation.iter().filter_map(of).collect()));
    }
    Curves {
        loss: charts::lines("step", "loss, nats per token", &[("loss".to_owned(), loss)]),
        bits: charts::lines("step", if is_masked { "nats per hidden token" } else { "bits per byte" }, &series),
        is_masked,
        languages_left_out: if shown == 0 { 0 } else { languages.len() - shown },
    }
}

/// The greatest bits per byte shown, for the length of bars.
fn bits_most(figures: &Figures) -> f64 {
    let rows = figures.evaluation.found.iter().flat_map(|evaluation| &evaluation.languages);
    let most = |row: &super::figures::LanguageEvaluation| {
        let simpler = [row.unigram_bits_per_byte, row.bigram_bits_per_byte, row.kneser_ney_bits_per_byte];
        simpler.into_iter().flatten().fold(row.bits_per_byte, f64::max)
    };
    rows.map(most).fold(f64::MIN_POSITIVE, f64::max)
}

/// The figure of every seed of a comparison, a row a condition.
fn seeds(comparison: &Comparison) -> Option<Strips> {
    let row = |one: &super::figures::Condition| (one.condition.clone(), one.bits_per_byte.values.clone());
    strips("bits per byte", &comparison.conditions.iter().map(row).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct TaskResult<'a> {
    task: &'a Task,
    methods: Vec<&'a Method>,
    /// Macro F1 over labels used, where there is more than one number of labels.
    curve: Option<Chart>,
    matrix: Option<Matrix<'a>>,
}

#[derive(Serialize)]
struct Matrix<'a> {
    method: &'a Method,
    rows: Vec<MatrixRow<'a>>,
}

#[derive(Serialize)]
struct MatrixRow<'a> {
    label: &'a str,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    count: u64,
    /// Of the row, 0 to 100, rounded.
    percent: u64,
}

fn result(task: &Task) -> TaskResult<'_> {
    let mut methods: Vec<&Method> = task.methods.iter().collect();
    methods.sort_by_key(|method| method.labels_used); // stable: the baselines stay first
    let most_labels = methods.last().map_or(0, |method| method.labels_used);
    let full = methods.iter().filter(|method| method.labels_used == most_labels && !method.confusion.is_empty());
    let best = full.max_by(|a, b| a.macro_f1_mean.total_cmp(&b.macro_f1_mean)).copied();
    let sizes: BTreeSet<u64> = methods.iter().map(|method| method.labels_used).collect();
    let mut series: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for method in &methods {
        let (name, point) = (method.method.replace('_', " "), (method.labels_used as f64, method.macro_f1_mean));
        match series.iter_mut().find(|(other, _)| *other == name) {
            Some((_, points)) => points.push(point),
            None => series.push((name, vec![point])),
        }
    }
    let curve = (sizes.len() > 1).then(|| charts::lines("labels used", "macro F1", &series)).flatten();
    TaskResult { task, methods, curve, matrix: best.map(|method| matrix(task, method)) }
}

fn matrix<'a>(task: &'a Task, method: &'a Method) -> Matrix<'a> {
    let row = |(n, counts): (usize, &Vec<u64>)| {
        let total = counts.iter().sum::<u64>().max(1);
        let cell = |count: &u64| Cell { count: *count, percent: (*count * 100 + total / 2) / total };
        MatrixRow { label: task.labels.get(n).map_or("?", String::as_str), cells: counts.iter().map(cell).collect() }
    };
    Matrix { method, rows: method.confusion.iter().enumerate().map(row).collect() }
}

/// 1234567 as `1,234,567`.
fn thousands(value: i128) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Share of a whole, as `12.5 %`; a dash where there is no whole.
fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.1} %", part / whole * 100.0) } else { "–".into() }
}

/// Decimal units.
fn bytes(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2} GB", v / 1e9),
        v if v >= 1e6 => format!("{:.2} MB", v / 1e6),
        v if v >= 1e3 => format!("{:.1} kB", v / 1e3),
        v => format!("{v} B"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped_from_the_right() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567")];
        for (value, text) in cases {
            assert_eq!(super::thousands(value), text);
        }
        assert_eq!(super::percent(1.0, 8.0), "12.5 %");
        assert_eq!(super::percent(0.0, 0.0), "–");
    }
}
