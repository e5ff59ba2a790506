//! `[comparison]` and `[[mixture]]` of a recipe: which languages are learnt together, checked against the sources.

use super::{folder_name, tag, unique};
use crate::recipe::{Comparison as Asked, Document, Mixture};
use tongues_languages::Tag;
use tongues_pretrain::comparison::Comparison;
use tongues_pretrain::comparison::condition::LONGER;

const SECTION: &str = "comparison";

/// The comparison, where the recipe has one that can be made; `there` are the languages of the sources.
pub(super) fn find(recipe: &mut Document, there: &[Tag]) -> Option<Comparison> {
    let wanted = recipe.has(SECTION);
    let asked: Asked = recipe.section(SECTION);
    let mixtures: Vec<Mixture> = recipe.sections("mixture");
    if !wanted {
        if !mixtures.is_empty() {
            let remedy = "a mixture is part of a comparison; add `[comparison]` with the `language` that is studied";
            recipe.wrong("mixture", 0, "", remedy);
        }
        return None;
    }
    check(recipe, &asked);
    let language = if asked.language.is_empty() {
        recipe.wrong(SECTION, 0, "language", "a comparison needs the `language` that is studied");
        None
    } else {
        known(recipe, SECTION, 0, "language", &asked.language, there)
    };
    if mixtures.len() < 2 {
        let message = format!("found {} of `[[mixture]]`; expected two or more to compare", mixtures.len());
        recipe.wrong(SECTION, 0, "", message);
    }
    unique(recipe, "mixture", mixtures.iter().map(|mixture| mixture.name.as_str()), "names are folders of models");
    let named: Vec<(String, Vec<Tag>)> = (0..)
        .zip(&mixtures)
        .map(|(index, mixture)| {
            folder_name(recipe, "mixture", index, &mixture.name);
            if mixture.name.ends_with(LONGER) {
                let message =
                    format!("`{}`: names that end in `{LONGER}` are given by `equal = \"both\"`", mixture.name);
                recipe.wrong("mixture", index, "name", message);
            }
            (mixture.name.clone(), languages(recipe, index, mixture, language, there))
        })
        .collect();
    Some(Comparison {
        mixtures: named,
        language: language?,
        seeds: asked.seeds,
        equal: asked.equal,
        share: asked.share,
        tokens_limit: asked.tokens_limit,
        other_tokens_limit: asked.other_tokens_limit,
    })
}

/// What is wrong with the numbers.
fn check(recipe: &mut Document, asked: &Asked) {
    if !(asked.share > 0.0 && asked.share < 1.0) {
        recipe.wrong(SECTION, 0, "share", format!("`share` is {}; expected more than 0 and less than 1", asked.share));
    }
    if asked.seeds.is_empty() {
        recipe.wrong(SECTION, 0, "seeds", "`seeds` is empty; expected at least one, better three");
    }
    let mut seen = asked.seeds.clone();
    seen.sort_unstable();
    if seen.windows(2).any(|pair| pair[0] == pair[1]) {
        recipe.wrong(SECTION, 0, "seeds", format!("`seeds` is {:?}; expected each once", asked.seeds));
    }
    for (key, limit) in [("tokens_limit", asked.tokens_limit), ("other_tokens_limit", asked.other_tokens_limit)] {
        if limit == Some(0) {
            recipe.wrong(SECTION, 0, key, format!("`{key}` is 0; expected at least 1"));
        }
    }
}

/// A tag with a profile that some source has text of.
fn known(recipe: &mut Document, section: &str, index: usize, key: &str, text: &str, there: &[Tag]) -> Option<Tag> {
    let found = tag(recipe, section, index, key, text)?;
    if there.contains(&found) {
        return Some(found);
    }
    let there: Vec<&str> = there.iter().map(Tag::as_str).collect();
    let expected = if there.is_empty() { "none yet".to_owned() } else { there.join(", ") };
    recipe.wrong(section, index, key, format!("`{found}`: no `[[source]]` has text of it; there is {expected}"));
    None
}

/// The languages of a mixture, sorted; those that are wrong are left out and told.
fn languages(recipe: &mut Document, index: usize, mixture: &Mixture, studied: Option<Tag>, there: &[Tag]) -> Vec<Tag> {
    let key = "languages";
    let mut all = Vec::new();
    for text in &mixture.languages {
        let Some(found) = known(recipe, "mixture", index, key, text, there) else { continue };
        if all.contains(&found) {
            recipe.wrong("mixture", index, key, format!("`{found}` is there twice; expected each language once"));
        } else {
            all.push(found);
        }
    }
    if let Some(studied) = studied.filter(|studied| !all.contains(studied)) {
        let message = format!(
            "`{}` is without `{studied}`, the language that is studied; expected it in every mixture",
            mixture.name
        );
        recipe.wrong("mixture", index, key, message);
    }
    all.sort();
    all
}
