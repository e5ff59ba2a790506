//! Tests of training and loading, on invented languages: one of `ka`, `ri`, `to`, one of `zu`, `mi`, `pe`.

use super::*;
use crate::identify::CARD;

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

fn pairs() -> Vec<(Tag, String)> {
    let first = lines(["Ka", "ri", "to"], 200).map(|line| (tag("aaa_Latn"), line));
    let second = lines(["zu", "mi", "pe"], 60).map(|line| (tag("bbb_Latn"), line));
    first.chain(second).collect()
}

fn examples() -> Vec<Example> {
    pairs().into_iter().map(Example::from).collect()
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
    assert!(collected.values().flat_map(BTreeMap::keys).all(|(_, line)| *line == Preparation::Words.prepare(line)));
    // Of each source as many, and a line of two sources once, as of the first.
    let other = |example: Example| Example { source: 1, ..example };
    let collected = collect(&mut examples().into_iter().map(other).chain(examples()), 100);
    assert_eq!(collected.values().map(BTreeMap::len).collect::<Vec<_>>(), [100, 60]);
    assert!(collected.values().flat_map(BTreeMap::values).all(|source| *source == 0));
    let more = lines(["lo", "nu", "wi"], 200).map(|line| Example { language: tag("aaa_Latn"), source: 1, line });
    assert_eq!(collect(&mut examples().into_iter().chain(more), 100)[&tag("aaa_Latn")].len(), 200);
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
    let test = identifier.measure("the same", pairs().into_iter());
    assert!(test.lines == 260 && test.macro_f1 > 0.95, "{test:?}");
}

#[test]
fn a_window_is_a_part_of_the_line() {
    let line = "a bb ccc dd e ff ggg hh i jj";
    let windows: Vec<&str> = (0..200).map(|draw| window(line, draw)).collect();
    let words = |window: &&str| window.split(' ').count();
    assert!(windows.iter().all(|window| format!(" {line} ").contains(&format!(" {window} "))), "{windows:?}");
    assert_eq!((windows.iter().map(words).min(), windows.iter().map(words).max()), (Some(3), Some(8)));
    // Words are not written apart.
    let line = "今日は天気がいいので散歩に行きますから一緒に来てください";
    assert!(
        (0..50)
            .all(|draw| (10..=30).contains(&window(line, draw).chars().count()) && line.contains(window(line, draw)))
    );
    assert_eq!((window("a", 1), window("a b", 7)), ("a", "a b"));
}

#[test]
fn near_languages_get_a_second_look_that_is_kept_beside_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainSettings { group_features: 50, confusable_features: 50, ..small() };
    let near = |(tag, line): (Tag, String)| {
        (["bos_Latn", "hrv_Latn"][usize::from(tag.as_str() == "bbb_Latn")].parse().unwrap(), line).into()
    };
    let others = lines(["lo", "nu", "wi"], 50).map(|line| (tag("eng_Latn"), line).into());
    train(&mut pairs().into_iter().map(near).chain(others), &settings, folder.path()).unwrap();
    assert!(folder.path().join(GROUPS).is_file());
    let identifier = Identifier::load(&folder.path().join(MODEL)).unwrap();
    let top = identifier.top("pemi zuzu", 3);
    assert_eq!((top[0].0, top.len()), (tag("hrv_Latn"), 3));
    assert!((top.iter().map(|(_, score)| score).sum::<f32>() - 1.0).abs() < 1e-4);
    train(&mut examples().into_iter(), &small(), folder.path()).unwrap();
    assert!(!folder.path().join(GROUPS).exists());
    fs::write(folder.path().join(GROUPS), "groups").unwrap();
    let broken = Identifier::load(&folder.path().join(MODEL)).err().unwrap().to_string();
    assert!(broken.contains("groups.bin") && broken.contains("begins otherwise"), "{broken}");
}
