//! The figures of the page as flat tables: one Parquet and one JSON file each, for whoever wants to draw their own.

use crate::error::{Error, Result};
use crate::io::atomic::{self, AtomicFile};
use crate::report::figures::{Counts, Figures, MemorisedShare};
use polars::prelude::{Column, DataFrame, ParquetCompression, ParquetWriter};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// A column under construction; a table is a list of them, all of one length.
enum Values {
    Text(Vec<String>),
    Count(Vec<u64>),
    Number(Vec<Option<f64>>),
}

type Table = Vec<(&'static str, Values)>;

/// Writes the tables of those parts that are there and removes those of parts that are no more.
pub(super) fn write(figures: &Figures, folder: &Path) -> Result<()> {
    for (name, table) in tables(figures) {
        let (parquet, json) = (folder.join(format!("{name}.parquet")), folder.join(format!("{name}.json")));
        match table {
            Some(table) => write_table(&table, &parquet, &json)?,
            None => {
                for path in [parquet, json].iter().filter(|path| path.exists()) {
                    std::fs::remove_file(path).map_err(Error::io("remove", path))?;
                }
            }
        }
    }
    Ok(())
}

fn tables(figures: &Figures) -> [(&'static str, Option<Table>); 7] {
    let documents = figures.documents.found.as_ref();
    let training = figures.training.found.as_ref();
    [
        ("documents", documents.map(|counts| funnel(&counts.languages, &counts.sources))),
        (
            "fertility",
            figures.fertility.found.as_ref().map(|rows| {
                vec![
                    ("language", text(rows, |row| row.language.as_str())),
                    ("documents", count(rows, |row| row.documents)),
                    ("words", count(rows, |row| row.words)),
                    ("bytes", count(rows, |row| row.bytes)),
                    ("tokens", count(rows, |row| row.tokens)),
                    ("tokens_per_word", number(rows, |row| Some(row.tokens_per_word))),
                    ("bytes_per_token", number(rows, |row| Some(row.bytes_per_token))),
                    ("byte_fallback_share", number(rows, |row| Some(row.byte_fallback_share))),
                    ("training_sentences", count(rows, |row| row.training_sentences)),
                ]
            }),
        ),
        (
            "training",
            training.map(|training| {
                let rows = &training.steps;
                vec![
                    ("step", count(rows, |row| row.step)),
                    ("loss", number(rows, |row| Some(row.loss))),
                    ("learning_rate", number(rows, |row| row.learning_rate)),
                    ("gradient_norm", number(rows, |row| row.gradient_norm)),
                    ("tokens_per_second", number(rows, |row| row.tokens_per_second)),
                ]
            }),
        ),
        (
            "validation",
            training.map(|training| {
                let all = |step: &super::figures::ValidationStep| (step.step, String::new(), step.bits_per_byte);
                let mut rows = Vec::new();
                for step in &training.validation {
                    rows.push(all(step));
                    rows.extend(step.languages.iter().map(|(language, bits)| (step.step, language.clone(), *bits)));
                }
                vec![
                    ("step", count(&rows, |row| row.0)),
                    ("language", text(&rows, |row| if row.1.is_empty() { "all" } else { &row.1 })),
                    ("bits_per_byte", number(&rows, |row| Some(row.2))),
                ]
            }),
        ),
        (
            "evaluation",
            figures.evaluation.found.as_ref().map(|evaluation| {
                let rows = &evaluation.languages;
                vec![
                    ("language", text(rows, |row| &row.language)),
                    ("documents", count(rows, |row| row.documents)),
                    ("bytes", count(rows, |row| row.bytes)),
                    ("tokens", count(rows, |row| row.tokens)),
                    ("bits_per_byte", number(rows, |row| Some(row.bits_per_byte))),
                    ("unigram_bits_per_byte", number(rows, |row| row.unigram_bits_per_byte)),
                    ("bigram_bits_per_byte", number(rows, |row| row.bigram_bits_per_byte)),
                    ("kneser_ney_bits_per_byte", number(rows, |row| row.kneser_ney_bits_per_byte)),
                    ("second_half_bits", number(rows, |row| Some(row.second_half.as_ref()?.bits))),
                    ("kneser_ney_second_half_bits", number(rows, |row| row.second_half.as_ref()?.kneser_ney_bits)),
                    ("memorised_training", number(rows, |row| memorised(row.memorisation.as_ref()?.training.as_ref()))),
                    ("memorised_held_out", number(rows, |row| memorised(row.memorisation.as_ref()?.held_out.as_ref()))),
                ]
            }),
        ),
        (
            "comparison",
            figures.comparison.found.as_ref().map(|comparison| {
                let mut rows = Vec::new();
                for one in &comparison.conditions {
                    rows.extend(
                        one.seeds.iter().zip(&one.bits_per_byte.values).map(|(seed, bits)| (one, *seed, *bits)),
                    );
                }
                vec![
                    ("condition", text(&rows, |(one, ..)| &one.condition)),
                    ("steps", count(&rows, |(one, ..)| one.steps)),
                    ("studied_tokens_seen", count(&rows, |(one, ..)| one.studied_tokens_seen)),
                    ("tokens_seen", count(&rows, |(one, ..)| one.tokens_seen)),
                    ("seed", count(&rows, |(_, seed, _)| *seed)),
                    ("bits_per_byte", number(&rows, |(.., bits)| Some(*bits))),
                ]
            }),
        ),
        (
            "results",
            figures.tasks.found.as_ref().map(|tasks| {
                let rows: Vec<_> =
                    tasks.iter().flat_map(|task| task.methods.iter().map(move |row| (task, row))).collect();
                vec![
                    ("name", text(&rows, |(task, _)| &task.name)),
                    ("task", text(&rows, |(task, _)| &task.task)),
                    ("language", text(&rows, |(task, _)| &task.language)),
                    ("method", text(&rows, |(_, row)| &row.method)),
                    ("labels_used", count(&rows, |(_, row)| row.labels_used)),
                    ("seeds", count(&rows, |(_, row)| row.seeds.len() as u64)),
                    ("accuracy_mean", number(&rows, |(_, row)| Some(row.accuracy_mean))),
                    ("accuracy_deviation", number(&rows, |(_, row)| Some(row.accuracy_deviation))),
                    ("macro_f1_mean", number(&rows, |(_, row)| Some(row.macro_f1_mean))),
                    ("macro_f1_deviation", number(&rows, |(_, row)| Some(row.macro_f1_deviation))),
                ]
            }),
        ),
    ]
}

/// Long form: one row for each outcome of each language and each source.
fn funnel(languages: &BTreeMap<String, Counts>, sources: &BTreeMap<String, Counts>) -> Table {
    let mut rows: Vec<(&str, &str, &str, &str, u64)> = Vec::new();
    for (kind, group) in [("language", languages), ("source", sources)] {
        for (name, counts) in group {
            let fixed = [("in", counts.came), ("kept", counts.kept), ("failed", counts.failed)];
            rows.extend(fixed.map(|(outcome, count)| (kind, name.as_str(), outcome, "", count)));
            rows.extend(counts.dropped.iter().map(|(reason, n)| (kind, name.as_str(), "dropped", reason.as_str(), *n)));
            rows.extend(counts.skipped.iter().map(|(reason, n)| (kind, name.as_str(), "skipped", reason.as_str(), *n)));
        }
    }
    vec![
        ("group", text(&rows, |row| row.0)),
        ("name", text(&rows, |row| row.1)),
        ("outcome", text(&rows, |row| row.2)),
        ("reason", text(&rows, |row| row.3)),
        ("documents", count(&rows, |row| row.4)),
    ]
}

/// The share of documents gone on with exactly.
fn memorised(share: Option<&MemorisedShare>) -> Option<f64> {
    share.map(|share| share.equal as f64 / share.documents as f64)
}

fn text<T>(rows: &[T], of: impl Fn(&T) -> &str) -> Values {
    Values::Text(rows.iter().map(|row| of(row).to_owned()).collect())
}

fn count<T>(rows: &[T], of: impl Fn(&T) -> u64) -> Values {
    Values::Count(rows.iter().map(of).collect())
}

fn number<T>(rows: &[T], of: impl Fn(&T) -> Option<f64>) -> Values {
    Values::Number(rows.iter().map(of).collect())
}

fn write_table(table: &Table, parquet: &Path, json: &Path) -> Result<()> {
    let height = table.first().map_or(0, |(_, values)| match values {
        Values::Text(values) => values.len(),
        Values::Count(values) => values.len(),
        Values::Number(values) => values.len(),
    });
    let column = |(name, values): &(&'static str, Values)| match values {
        Values::Text(values) => Column::new((*name).into(), values),
        Values::Count(values) => Column::new((*name).into(), values),
        Values::Number(values) => Column::new((*name).into(), values),
    };
    let mut frame = DataFrame::new(height, table.iter().map(column).collect()).map_err(Error::format(parquet))?;
    let mut file = AtomicFile::create(parquet)?;
    let writer = ParquetWriter::new(&mut file).with_compression(ParquetCompression::Uncompressed);
    writer.finish(&mut frame).map_err(Error::format(parquet))?;
    file.commit()?;
    let cell = |values: &Values, n: usize| match values {
        Values::Text(values) => values[n].clone().into(),
        Values::Count(values) => values[n].into(),
        Values::Number(values) => values[n].map_or(Value::Null, Value::from),
    };
    let row = |n| table.iter().map(|(name, values)| ((*name).to_owned(), cell(values, n))).collect::<Map<_, _>>();
    let rows: Vec<_> = (0..height).map(row).collect();
    let mut bytes = serde_json::to_vec_pretty(&rows).expect("rows are plain data");
    bytes.push(b'\n');
    atomic::write(json, &bytes)
}
