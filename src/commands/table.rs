//! The figures a run ends with, as aligned columns.

use tongues_finetune::results::{Method, MethodResult, Results};
use tongues_pretrain::evaluate::Evaluation;
use tongues_pretrain::selftest::Report;

/// Bits per byte by language: the model beside n-gram models on the same documents.
pub fn bits_per_byte(evaluation: &Evaluation) -> String {
    let heading = ["bits per byte", "documents", "bytes", "model", "Kneser–Ney", "bigram", "unigram"];
    let rows = evaluation.languages.iter().map(|language| {
        let bits = [
            Some(language.bits_per_byte),
            language.kneser_ney_bits_per_byte,
            language.bigram_bits_per_byte,
            language.unigram_bits_per_byte,
        ];
        let counts = [language.documents, language.bytes].map(|count| count.to_string());
        let mut row = vec![language.language.to_string()];
        row.extend(counts);
        row.extend(bits.map(|bits| bits.map_or("-".to_owned(), |bits| format!("{bits:.3}"))));
        row
    });
    aligned(&heading, rows)
}

/// Bits a sentence by language that second halves cost given the first; `-` where a language has no sentence.
pub fn second_half(evaluation: &Evaluation) -> String {
    let heading = ["second half, bits", "sentences", "model", "Kneser–Ney"];
    let rows = evaluation.languages.iter().map(|language| {
        let found = language.second_half.as_ref();
        let bits = [found.map(|found| found.bits), found.and_then(|found| found.kneser_ney_bits)];
        let mut row = vec![language.language.to_string(), found.map_or(0, |found| found.sentences).to_string()];
        row.extend(bits.map(|bits| bits.map_or("-".to_owned(), |bits| format!("{bits:.1}"))));
        row
    });
    aligned(&heading, rows)
}

/// Accuracy on the test set by task: each method with its deviation over seeds, and the labels it used.
pub fn accuracy(tasks: &[Results]) -> String {
    let methods = [
        (Method::Majority, "majority"),
        (Method::CharacterNgrams, "n-grams"),
        (Method::FromScratch, "from scratch"),
        (Method::Pretrained, "pretrained"),
    ];
    let mut heading = vec!["accuracy, %", "labels", "test", "seeds"];
    heading.extend(methods.iter().map(|(_, name)| *name));
    let rows = tasks.iter().map(|task| {
        let of = |method: Method| task.methods.iter().find(|result| result.method == method);
        let labels = task.methods.iter().map(|result| result.labels_used).max().unwrap_or(0);
        let seeds = task.methods.iter().map(|result| result.seeds.len()).max().unwrap_or(0);
        let mut row = vec![format!("{} {}", task.task, task.language)];
        row.extend([labels, task.test, seeds].map(|count| count.to_string()));
        row.extend(methods.iter().map(|(method, _)| of(*method).map_or("-".to_owned(), percent)));
        row
    });
    aligned(&heading, rows)
}

/// Every comparison of a self test: what the difference may be, what it is, and the verdict.
pub fn selftest(report: &Report) -> String {
    let rows = report.checks.iter().map(|check| {
        let found = check.found.map_or("-".to_owned(), number);
        let verdict = match &check.error {
            Some(error) => format!("failed: {error}"),
            None if check.passed => "ok".to_owned(),
            None => "failed".to_owned(),
        };
        vec![check.name.clone(), number(check.tolerance), found, verdict]
    });
    aligned(&["check", "tolerance", "found", "verdict"], rows)
}

/// `2.0e-5`, but `0` and `16` as they are.
fn number(x: f64) -> String {
    if x == 0.0 || (1.0..1000.0).contains(&x) { format!("{}", (x * 10.0).round() / 10.0) } else { format!("{x:.1e}") }
}

/// `74.5`, or `74.5 ± 1.2` over several seeds.
fn percent(result: &MethodResult) -> String {
    let mean = 100.0 * result.accuracy_mean;
    match result.seeds.len() {
        0 | 1 => format!("{mean:.1}"),
        _ => format!("{mean:.1} ± {:.1}", 100.0 * result.accuracy_deviation),
    }
}

/// First column to the left, the others to the right, two spaces between.
fn aligned(heading: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut all = vec![heading.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()];
    all.extend(rows);
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let cell = |column: usize, text: &str| match column {
        0 => format!("{text:<0$}", widths[0]),
        _ => format!("{text:>0$}", widths[column]),
    };
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().enumerate().map(|(column, text)| cell(column, text)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_keep_their_digits() {
        let words = [0.0, 16.0, 1.25, 2e-5, f64::INFINITY, f64::NAN].map(number);
        assert_eq!(words, ["0", "16", "1.3", "2.0e-5", "inf", "NaN"]);
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["ltg".to_owned(), "74.5 ± 1.0".to_owned()], vec!["longer".to_owned(), "5.0".to_owned()]];
        assert_eq!(
            aligned(&["x", "accuracy"], rows.into_iter()),
            "x         accuracy\nltg     74.5 ± 1.0\nlonger         5.0"
        );
    }
}
