//! `README.md`: what the model is, what it was trained on, how good it is.

use super::Origin;
use crate::evaluate::masked::MaskedEvaluation;
use crate::evaluate::{Evaluation, Figures, tables};
use crate::models::Model;
use crate::ngram::ORDER;
use std::fmt::Write;

/// The card as Markdown.
pub(super) fn text(model: &dyn Model, figures: &Figures, origin: &Origin) -> String {
    let config = model.config();
    let mut text = format!("# {}\n\nA multilingual language model trained with `tongues`.\n", origin.name);
    if let Some(notice) = &origin.notice {
        line(&mut text, format_args!("\n**{notice}**"));
    }
    let (parameters, sizes) = (model.parameters().count(), config.describe());
    line(&mut text, format_args!("\n{parameters} parameters: {sizes}."));
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
        Figures::Causal(evaluation) => causal(&mut text, evaluation),
        Figures::Masked(evaluation) => masked(&mut text, evaluation),
    }
    text
}

fn line(text: &mut String, words: std::fmt::Arguments) {
    writeln!(text, "{words}").expect("writing to memory does not fail");
}

fn causal(text: &mut String, evaluation: &Evaluation) {
    line(text, format_args!("\n## Bits per byte on held-out documents\n"));
    line(text, format_args!("Full softmax over all tokens and `</s>` given `<s>`; lower is better."));
    line(
        text,
        format_args!(
            "The n-gram models have the same training text and tokens; Kneser–Ney looks {} tokens back.\n",
            ORDER - 1
        ),
    );
    line(text, format_args!("| language | documents | bytes | this model | Kneser–Ney | bigram | unigram |"));
    line(text, format_args!("|---|---|---|---|---|---|---|"));
    let figure = |bits: Option<f64>| bits.map_or("-".to_owned(), |bits| format!("{bits:.3}"));
    for language in &evaluation.languages {
        line(
            text,
            format_args!(
                "| {} | {} | {} | {:.3} | {} | {} | {} |",
                language.language,
                language.documents,
                language.bytes,
                language.bits_per_byte,
                figure(language.kneser_ney_bits_per_byte),
                figure(language.bigram_bits_per_byte),
                figure(language.unigram_bits_per_byte)
            ),
        );
    }
    text.push_str(&tables::markdown(evaluation));
}

fn masked(text: &mut String, evaluation: &MaskedEvaluation) {
    let share = 100.0 * evaluation.masks.share;
    line(text, format_args!("\n## Hidden tokens of held-out documents\n"));
    line(
        text,
        format_args!("{share:.0} % of the tokens became `<mask>`: nats for each, and the share that is the likeliest."),
    );
    line(
        text,
        format_args!(
            "Pseudo-likelihood (Salazar et al. 2020): each token of a sentence told from all others. Both sides of a token \
             are seen, so none of this can be compared with bits per byte.\n"
        ),
    );
    line(
        text,
        format_args!(
            "| language | documents | hidden tokens | masked loss | told right | sentences | pseudo bits per byte |"
        ),
    );
    line(text, format_args!("|---|---|---|---|---|---|---|"));
    for language in &evaluation.languages {
        let pseudo = language.pseudo_likelihood.as_ref();
        line(
            text,
            format_args!(
                "| {} | {} | {} | {:.3} | {:.1} % | {} | {} |",
                language.language,
                language.documents,
                language.masked_tokens,
                language.masked_loss,
                100.0 * language.masked_accuracy,
                pseudo.map_or(0, |pseudo| pseudo.sentences),
                pseudo.map_or("-".to_owned(), |pseudo| format!("{:.3}", pseudo.pseudo_bits_per_byte))
            ),
        );
    }
}
