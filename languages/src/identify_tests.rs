//! Tests of the identifier in the program.

use super::*;

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

#[test]
fn the_script_has_to_agree() {
    let identifier = Identifier::shipped();
    let first = |text: &str| identifier.top(text, 1).first().map(|(tag, _)| tag.to_string()).unwrap_or_default();
    assert_eq!(first("12, 3.5 % – 7"), "zxx_Zzzz");
    assert_eq!(first("𐤀𐤁𐤂𐤃"), "und_Zzzz"); // Phoenician
    let greek = identifier.top("Η μέρα είναι ωραία and so on", 300);
    assert!(greek.iter().all(|(tag, _)| matches!(tag.script(), "Grek" | "Zzzz")), "{greek:?}");
    assert_eq!(first(" \n"), "");
}

#[test]
fn the_shipped_identifier_knows_short_sentences() {
    let identifier = Identifier::shipped();
    // Sentences of our own.
    for (text, expected) in [
        ("The weather is nice today and we go for a walk.", "eng_Latn"),
        ("Das Wetter ist heute schön und wir gehen spazieren.", "deu_Latn"),
        ("Сегодня хорошая погода, и мы идём гулять.", "rus_Cyrl"),
        ("Hoy hace buen tiempo y salimos a pasear.", "spa_Latn"),
        ("Leo hali ya hewa ni nzuri na tunakwenda kutembea.", "swh_Latn"),
        ("今日は天気がいいので散歩に行きます。", "jpn_Jpan"),
    ] {
        assert_eq!(identifier.top(text, 1)[0].0.as_str(), expected, "{text}");
    }
    assert!(identifier.languages().len() >= 205);
    let among = [tag("lvs_Latn"), tag("lit_Latn")];
    let top = identifier.top_among("Šodien ir labs laiks.", 2, &among);
    assert_eq!((top[0].0, top.len()), (among[0], 2));
    assert!((top[0].1 + top[1].1 - 1.0).abs() < 1e-5);
}

#[test]
fn probabilities_are_of_the_languages_of_the_script_and_sum_to_one() {
    let identifier = Identifier::shipped();
    let sum = |top: &[(Tag, f32)]| top.iter().map(|(_, probability)| probability).sum::<f32>();
    // Of a few words the model is surer of a language in another script.
    for text in ["Cik gara upe?", "Where is the nearest station?"] {
        let top = identifier.top(text, usize::MAX);
        assert!(
            top.iter().all(|(tag, _)| matches!(tag.script(), "Latn" | "Zzzz")) && (sum(&top) - 1.0).abs() < 1e-4,
            "{text}"
        );
    }
    let sure = identifier.top("Ko te reo te mauri o te mana Māori", 1)[0];
    assert!(sure.0.as_str() == "mri_Latn" && sure.1 > 0.9995, "{sure:?}");
}

#[test]
fn what_cannot_be_told_is_undetermined_in_its_script() {
    let identifier = Identifier::shipped();
    let said = |text: &str| identifier.answer(text, &identifier.top(text, 1));
    for (text, expected) in [
        ("The weather is nice today and we go for a walk.", "eng_Latn"),
        ("abc", "und_Latn"),              // too few letters
        ("ไป", "tha_Thai"),               // the only language of its script
        ("xq zzkw jjv bnmq", "zxx_Zzzz"), // letters at random
        ("𐤀𐤁𐤂𐤃", "und_Phnx"),             // no language of the script
        ("Λ 𐤀𐤁 שׁ я", "und_Phnx"),         // no script has half of the letters
        ("12, 3.5 % – 7", "zxx_Zzzz"),
        (" \n", "und_Zzzz"),
    ] {
        let (tag, score) = said(text);
        assert_eq!(tag.as_str(), expected, "{text} {score}");
    }
    // What is said is never below its threshold, whatever the candidates.
    let eng = tag("eng_Latn");
    assert_eq!(identifier.answer("some words", &[(eng, identifier.threshold(eng) - 0.01)]).0.as_str(), "und_Latn");
    assert_eq!(identifier.answer("some words", &[(eng, identifier.threshold(eng))]).0, eng);
}

#[test]
fn a_long_text_is_judged_by_windows_of_it() {
    let identifier = Identifier::shipped();
    let sentence = "The weather is nice today and we go for a walk along the river. ";
    let long = sentence.repeat(200);
    assert_eq!(identifier.top(&long, 3), identifier.top(&sample(&long), 3));
    // Everywhere, not at the beginning alone.
    let mostly = "Das Wetter ist heute schön und wir gehen spazieren. ".repeat(30) + &long;
    assert_eq!(identifier.top(&mostly, 1)[0].0, tag("eng_Latn"));
}
