//! `README.md`: what the model is, what it was trained on, how good it is.

use super::Origin;
use crate::evaluate::masked::MaskedEvaluation;
use crate::evaluate::{Evaluation, Figures, tables};
use crate::models::Model;
use crate::ngram::ORDER;
use std::fmt::Write;
use tongues_pipeline::vocabulary::{Vocabulary, language_token};

/// The card as Markdown.
pub(super) fn text(model: &dyn Model, vocabulary: &Vocabulary, figures: &Figures, origin: &Origin) -> String {
    let config = model.config();
    let mut text = format!("# {}\n\nA multilingual language model trained with `tongues`.\n", origin.name);
    if let Some(notice) = &origin.notice {
        line(&mut text, format_args!("\n**{notice}**"));
    }
    let (parameters, sizes) = (model.parameters().count(), config.describe());
    line(&mut text, format_args!("\n{parameters} parameters: {sizes}."));
    if let Some((language, _)) = vocabulary.language_tokens().first_key_value() {
        let (all, token) = (vocabulary.language_tokens().len(), language_token::text(*language));
        line(
            &mut text,
            format_args!(
                "A text begins with the token of its language, one of {all}, such as `{token}`, in place of `<s>`."
            ),
        );
    }
    let architecture = config.architecture();
    if config.is_of_transformers() {
        line(&mut text, format_args!("`transformers` loads this folder as `{architecture}`.\n\n## Text\n"));
    } else {
        line(
            &mut text,
            format_args!(
                "`transformers` has no such model; the tensors are named as in fastai's `{architecture}`.\n\n## Text\n"
            ),
        );
    }
    for (name, licence) in &origin.sources {
        line(&mut text, format_args!("- {name}: {}", licence.as_deref().unwrap_or("no licence stated")));
    }
    match figures {
        Figures::Causal(evaluation) => causal(&mut text, evaluation, vocabulary),
        Figures::Masked(evaluation) => masked(&mut text, evaluation),
    }
    text
}

fn line(text: &mut String, words: std::fmt::Arguments) {
    writeln!(text, "{words}").expect("writing to memory does not fail");
}

/// The model beside n-gram models.
fn causal(text: &mut String, evaluation: &Evaluation, vocabulary: &Vocabulary) {
    let given = if vocabulary.language_tokens().is_empty() { "`<s>`" } else { "the token of the language" };
    let figure = |bits: Option<f64>| bits.map_or("-".to_owned(), |bits| format!("{bits:.3}"));
    let rows = evaluation.languages.iter().map(|row| {
        let model = Some(row.bits_per_byte);
        let bits = [model, row.kneser_ney_bits_per_byte, row.bigram_bits_per_byte, row.unigram_bits_per_byte];
        format!("| {} | {} | {} | {} |\n", row.language, row.documents, row.bytes, bits.map(figure).join(" | "))
    });
    let about = format!(
        "Full softmax over all tokens and `</s>` given {given}; lower is better.\n\
         The n-gram models have the same training text and tokens; Kneser–Ney looks {} tokens back.",
        ORDER - 1
    );
    let heading = "| language | documents | bytes | this model | Kneser–Ney | bigram | unigram |";
    text.push_str(&tables::section("Bits per byte on held-out documents", &about, heading, rows));
    text.push_str(&tables::markdown(evaluation));
}

fn masked(text: &mut String, evaluation: &MaskedEvaluation) {
    let rows = evaluation.languages.iter().map(|row| {
        let pseudo = row.pseudo_likelihood.as_ref();
        format!(
            "| {} | {} | {} | {:.3} | {:.1} % | {} | {} |\n",
            row.language,
            row.documents,
            row.masked_tokens,
            row.masked_loss,
            100.0 * row.masked_accuracy,
            pseudo.map_or(0, |pseudo| pseudo.sentences),
            pseudo.map_or("-".to_owned(), |pseudo| format!("{:.3}", pseudo.pseudo_bits_per_byte))
        )
    });
    let about = format!(
        "{:.0} % of the tokens became `<mask>`: nats for each, and the share that is the likeliest.\n\
         Pseudo-likelihood (Salazar et al. 2020): each token of a sentence told from all others. Both sides of a token \
         are seen, so none of this can be compared with bits per byte.",
        100.0 * evaluation.masks.share
    );
    let heading =
        "| language | documents | hidden tokens | masked loss | told right | sentences | pseudo bits per byte |";
    text.push_str(&tables::section("Hidden tokens of held-out documents", &about, heading, rows));
}
