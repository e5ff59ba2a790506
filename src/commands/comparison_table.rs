//! What a comparison ends with, as Markdown: to read in a terminal and to paste into a page.

use std::fmt::Write;
use tongues_finetune::results::{Method, Results as TaskResults};
use tongues_pretrain::comparison::Results;
use tongues_pretrain::comparison::statistics::Summary;

/// Bits per byte of every condition beside n-gram models, and the differences, paired by seed.
pub fn bits_per_byte(results: &Results) -> String {
    let mut text = format!(
        "{}: bits per byte on {} held-out documents, {} bytes; {} training tokens\n\n\
         | condition | languages | steps | own tokens read | all tokens read | bits per byte | seeds |\n\
         |---|---|---|---|---|---|---|\n",
        results.language, results.documents, results.bytes, results.training_tokens
    );
    let mut line = |words: std::fmt::Arguments| writeln!(text, "{words}").expect("writing to memory does not fail");
    for condition in &results.conditions {
        let languages: Vec<&str> = condition.languages.iter().map(|tag| tag.as_str()).collect();
        line(format_args!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            condition.condition,
            languages.join(" "),
            condition.steps,
            condition.studied_tokens_seen,
            condition.tokens_seen,
            spread(&condition.bits_per_byte, 1.0, 4, false),
            condition.seeds.len()
        ));
    }
    let baselines = [
        ("Kneser–Ney", results.kneser_ney_bits_per_byte),
        ("bigram", results.bigram_bits_per_byte),
        ("unigram", results.unigram_bits_per_byte),
    ];
    for (name, bits) in baselines {
        if let Some(bits) = bits {
            line(format_args!("| {name} | {} | | | | {bits:.4} | |", results.language));
        }
    }
    line(format_args!(
        "\n| difference, bits per byte | mean ± deviation | below 0 | 95 %, other seeds | 95 %, other documents |"
    ));
    line(format_args!("|---|---|---|---|---|"));
    let between = |interval: Option<(f64, f64)>| {
        interval.map_or("-".to_owned(), |(low, high)| format!("{low:+.4} to {high:+.4}"))
    };
    for difference in &results.differences {
        line(format_args!(
            "| {} − {} | {} | {} of {} seeds | {} | {} |",
            difference.condition,
            difference.reference,
            spread(&difference.bits_per_byte, 1.0, 4, true),
            difference.lower,
            difference.seeds.len(),
            between(difference.bits_per_byte.interval),
            between(difference.documents_interval)
        ));
    }
    line(format_args!(
        "\nBelow 0 the first of the two predicts {} better. Intervals are Student's t, paired: over seeds (the chance in\n\
         initial values, batches and dropout; {} are few) and over documents (the chance in what is held out). Neither tells\n\
         of another training text.",
        results.language,
        results.differences.iter().map(|difference| difference.seeds.len()).max().unwrap_or(0)
    ));
    text
}

/// Accuracy on a task by condition: each with the results of its seeds.
pub fn accuracy(conditions: &[(&str, Vec<TaskResults>)]) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments| writeln!(text, "{words}").expect("writing to memory does not fail");
    let values = |done: &[TaskResults], method: Method| -> Vec<f64> {
        let of = |task: &TaskResults| {
            task.methods.iter().find(|found| found.method == method).map(|found| found.accuracy_mean)
        };
        done.iter().filter_map(of).collect()
    };
    let Some(first) = conditions.iter().find_map(|(_, done)| done.first()) else { return text };
    line(format_args!("| {} {}, accuracy, % | pretrained | from scratch | n-grams |", first.task, first.language));
    line(format_args!("|---|---|---|---|"));
    for (name, done) in conditions {
        let [pretrained, scratch, ngrams] =
            [Method::Pretrained, Method::FromScratch, Method::CharacterNgrams].map(|method| {
                let values = values(done, method);
                if values.is_empty() { "-".to_owned() } else { spread(&Summary::new(values), 100.0, 1, false) }
            });
        line(format_args!("| {name} | {pretrained} | {scratch} | {ngrams} |"));
    }
    text
}

/// `1.9876 ± 0.0012`, the mean alone of one seed; `times` makes percents of shares.
fn spread(summary: &Summary, times: f64, digits: usize, signed: bool) -> String {
    let (mean, deviation) = (times * summary.mean, times * summary.deviation);
    let mean = if signed { format!("{mean:+.digits$}") } else { format!("{mean:.digits$}") };
    if summary.values.len() > 1 { format!("{mean} ± {deviation:.digits$}") } else { mean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_is_told_in_markdown() {
        let summary = |values: &[f64]| serde_json::to_value(Summary::new(values.to_vec())).unwrap();
        let condition = |name: &str, values: &[f64]| {
            serde_json::json!({ "condition": name, "languages": ["ltg_Latn"], "steps": 10, "tokens_seen": 20,
                "studied_tokens_seen": 15, "seeds": [1, 2], "bits_per_byte": summary(values) })
        };
        let results: Results = serde_json::from_value(serde_json::json!({
            "language": "ltg_Latn", "documents": 7, "bytes": 900, "training_tokens": 300,
            "kneser_ney_bits_per_byte": 2.25, "bigram_bits_per_byte": null, "unigram_bits_per_byte": 3.5,
            "conditions": [condition("alone", &[2.0, 2.2]), condition("relatives", &[1.9, 2.1])],
            "differences": [{ "condition": "relatives", "reference": "alone", "seeds": [1, 2], "lower": 2,
                "documents_interval": [-0.12, -0.08], "bits_per_byte": summary(&[-0.1, -0.1]) }],
        }))
        .unwrap();
        let text = bits_per_byte(&results);
        for wanted in [
            "| alone | ltg_Latn | 10 | 15 | 20 | 2.1000 ± 0.1414 | 2 |\n",
            "| Kneser–Ney | ltg_Latn | | | | 2.2500 | |\n| unigram |",
            "| relatives − alone | -0.1000 ± 0.0000 | 2 of 2 seeds | -0.1000 to -0.1000 | -0.1200 to -0.0800 |\n",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
    }
}
