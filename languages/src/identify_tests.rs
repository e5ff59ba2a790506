//! Tests of training and loading, on invented languages: one of `ka`, `ri`, `to`, one of `zu`, `mi`, `pe`.

use super::*;

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// `count` different lines of words built from the three syllables.
fn lines(syllables: [&'static str; 3], count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| {
        let digit = |place: u32| syllables[number / 3usize.pow(place) % 3];
        format!("{}{} {}{}{} {}", digit(0), digit(1), digit(2), digit(3), digit(0), digit(4))
    })
}

fn examples() -> Vec<(Tag, String)> {
    let first = lines(["Ka", "ri", "to"], 200).map(|line| (tag("aaa_Latn"), line));
    let second = lines(["zu", "mi", "pe"], 60).map(|line| (tag("bbb_Latn"), line));
    first.chain(second).collect()
}

fn small() -> TrainSettings {
    TrainSettings { dimension: 8, buckets: 2000, ..TrainSettings::default() }
}

#[test]
fn two_languages_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let card = train(&mut examples().into_iter(), &small(), folder.path()).unwrap();
    assert_eq!(card.languages.iter().map(|card| (card.lines, card.held_out)).collect::<Vec<_>>(), [(190, 10), (57, 3)]);
    assert!(card.macro_f1 > 0.99, "{card:?}");
    let identifier = Identifier::load(&folder.path().join(MODEL)).unwrap();
    assert_eq!(identifier.languages(), [tag("aaa_Latn"), tag("bbb_Latn")]);
    let top = identifier.top("TOKARI\nrika", 2);
    assert_eq!((top[0].0, top.len()), (tag("aaa_Latn"), 2));
    assert!(top[0].1 > top[1].1 && top[0].1 <= 1.0);
    assert_eq!(identifier.top("pemi zuzu", 1)[0].0, tag("bbb_Latn"));
    assert_eq!(identifier.top(" \n", 1), []);
    assert_eq!(identifier.threshold(tag("aaa_Latn")), card.languages[0].threshold);
    assert_eq!(identifier.threshold(tag("qqq_Latn")), 0.5);
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [CARD, MODEL]);
}

#[test]
fn bytes_do_not_depend_on_the_order_of_examples() {
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    train(&mut examples().into_iter(), &small(), first.path()).unwrap();
    train(&mut examples().into_iter().rev(), &small(), second.path()).unwrap();
    for name in [MODEL, CARD] {
        assert!(fs::read(first.path().join(name)).unwrap() == fs::read(second.path().join(name)).unwrap(), "{name}");
    }
}

#[test]
fn held_out_lines_are_not_trained_on_and_equal_lines_count_once() {
    let mut twice = examples();
    twice.extend(examples());
    let collected = collect(&mut twice.into_iter(), 100);
    assert_eq!(collected.values().map(BTreeMap::len).collect::<Vec<_>>(), [100, 60]);
    // Kept as the model will see them when it predicts.
    assert!(collected.values().flat_map(BTreeMap::values).all(|line| *line == Preparation::Words.prepare(line)));
}

#[test]
fn sampling_raises_the_small_language() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    let trained = [
        (tag("aaa_Latn"), lines(["ka", "ri", "to"], 160).collect()),
        (tag("bbb_Latn"), lines(["zu", "mi", "pe"], 10).collect()),
    ];
    let settings = TrainSettings { sampling_exponent: 0.5, ..small() };
    write_training_text(&trained, &settings, &path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let count = |label: &str| text.lines().filter(|line| line.starts_with(label)).count();
    // 160 × sqrt(10 / 160) = 40.
    assert_eq!((count("__label__aaa_Latn"), count("__label__bbb_Latn")), (160, 40));
}

#[test]
fn what_cannot_be_used_is_refused_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let none = train(&mut std::iter::empty(), &small(), folder.path()).unwrap_err().to_string();
    assert!(none.contains("0 languages"), "{none}");
    let settings = TrainSettings { epochs: 0, ..small() };
    let zero = train(&mut examples().into_iter(), &settings, folder.path()).unwrap_err().to_string();
    assert!(zero.contains("epochs = 0"), "{zero}");

    let path = folder.path().join("model.bin");
    assert!(matches!(Identifier::load(&path), Err(Error::Io { .. })));
    fs::write(&path, "no model").unwrap();
    let garbage = Identifier::load(&path).err().unwrap().to_string();
    assert!(garbage.contains("model.bin") && garbage.contains("not a fastText model"), "{garbage}");
}

#[test]
fn a_model_from_elsewhere_loads_with_its_own_labels_and_sees_the_text_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (text, path) = (folder.path().join("text"), folder.path().join("model.bin"));
    fs::write(&text, "__label__en One, two\n__label__de eins zwei\n".repeat(50)).unwrap();
    let arguments = Args { min_count: 1, maxn: 0, ..arguments(&small(), &text) };
    FastText::train(arguments).unwrap().save_model(&path).unwrap();
    let identifier = Identifier::load(&path).unwrap();
    assert_eq!(identifier.languages(), [tag("deu_Latn"), tag("eng_Latn")]);
    assert_eq!(identifier.top("One,", 1)[0].0, tag("eng_Latn"));
    assert_eq!(identifier.threshold(tag("eng_Latn")), 0.5);
}

#[test]
fn a_quantised_model_is_small_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainSettings { quantised_rows: Some(600), noise_lines: 60, ..small() };
    let card = train(&mut examples().into_iter(), &settings, folder.path()).unwrap();
    assert!(card.macro_f1 > 0.9, "{card:?}");
    let path = folder.path().join(MODEL);
    // 8 f32 for each of 2,000 buckets are 64,000 bytes.
    assert!(fs::metadata(&path).unwrap().len() < 32_000);
    let identifier = Identifier::load(&path).unwrap();
    assert_eq!(identifier.top("tokari rika", 1)[0].0, tag("aaa_Latn"));
    let test = identifier.measure("the same", examples().into_iter());
    assert!(test.lines == 260 && test.macro_f1 > 0.95, "{test:?}");
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
        assert!(top.iter().all(|(tag, _)| tag.script() == "Latn") && (sum(&top) - 1.0).abs() < 1e-4, "{text}");
    }
    let sure = identifier.top("Ko te reo te mauri o te mana Māori", 1)[0];
    assert!(sure.0.as_str() == "mri_Latn" && sure.1 > 0.9995, "{sure:?}");
}
