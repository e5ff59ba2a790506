//! Tables of the model card; here those beside bits per byte: second halves of sentences, and what is known by heart.

use super::Evaluation;
use super::memorisation::Share;
use std::fmt::Write;

/// Two sections in Markdown; nothing where nothing of the kind was measured.
pub fn markdown(evaluation: &Evaluation) -> String {
    second_half(evaluation) + &memorisation(evaluation)
}

fn second_half(evaluation: &Evaluation) -> String {
    let found = evaluation.languages.iter().filter_map(|row| Some((row.language, row.second_half.as_ref()?)));
    let rows = found.map(|(language, half)| {
        let kneser_ney = half.kneser_ney_bits.map_or("-".to_owned(), |bits| format!("{bits:.1}"));
        format!("| {language} | {} | {:.1} | {kneser_ney} |\n", half.sentences, half.bits)
    });
    let about = "Bits of the second half of a held-out sentence given its first, mean; lower is better. After the first half \
                 a model of many languages knows which one it reads.";
    section("Second halves of sentences", about, "| language | sentences | this model | Kneser–Ney |", rows)
}

fn memorisation(evaluation: &Evaluation) -> String {
    let found = evaluation.languages.iter().filter_map(|row| Some((row.language, row.memorisation.as_ref()?)));
    let rows = found.clone().map(|(language, found)| {
        let share = |share: &Option<Share>| {
            share.as_ref().map_or("-".to_owned(), |share| format!("{} of {}", share.equal, share.documents))
        };
        let length = |share: &Option<Share>| {
            share.as_ref().map_or("-".to_owned(), |share| format!("{:.1}", share.mean_equal_tokens))
        };
        let cells = [share(&found.training), share(&found.held_out), length(&found.training), length(&found.held_out)];
        format!("| {language} | {} |\n", cells.join(" | "))
    });
    let tokens = found.clone().next().map_or((0, 0), |(_, found)| (found.prompt_tokens, found.continuation_tokens));
    let about = format!(
        "Documents whose next {} tokens the model writes exactly when it is given the first {} and takes the likeliest \
         token each time, and how many tokens are the document's before one is not, mean. More on training documents \
         than on held-out ones is text known by heart.",
        tokens.1, tokens.0
    );
    let heading = "| language | training documents | held-out documents | tokens, training | tokens, held out |";
    section("Known by heart", &about, heading, rows)
}

/// A section of Markdown: what the figures are, a head and the rows, each with its end of line. Nothing without rows.
pub fn section(title: &str, about: &str, heading: &str, rows: impl Iterator<Item = String>) -> String {
    let rows: String = rows.collect();
    let mut text = String::new();
    if !rows.is_empty() {
        let line = "|---".repeat(heading.matches('|').count() - 1);
        write!(text, "\n## {title}\n\n{about}\n\n{heading}\n{line}|\n{rows}").expect("writing to memory does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_a_row_and_what_was_not_is_no_section() {
        let evaluation = |more: &str| -> Evaluation {
            let row = r#"{"language":"ltg_Latn","documents":1,"bytes":1,"tokens":1,"bits_per_byte":2.5"#;
            serde_json::from_str(&format!(r#"{{"split":"test","languages":[{row}{more}}}]}}"#)).unwrap()
        };
        assert_eq!(markdown(&evaluation("")), "");
        let text = markdown(&evaluation(r#","second_half":{"sentences":3,"bytes":9,"bits":40.26}"#));
        assert!(
            text.ends_with(
                "| language | sentences | this model | Kneser–Ney |\n|---|---|---|---|\n| ltg_Latn | 3 | 40.3 | - |\n"
            ),
            "{text}"
        );
        let text = markdown(&evaluation(
            r#","memorisation":{"prompt_tokens":32,"continuation_tokens":16,"held_out":null,
            "training":{"documents":9,"equal":2,"share":0.2,"mean_equal_tokens":4.5}}"#,
        ));
        assert!(text.contains("next 16 tokens") && text.contains("the first 32"), "{text}");
        assert!(text.ends_with("| ltg_Latn | 2 of 9 | - | 4.5 | - |\n"), "{text}");
    }
}
