//! Tests of what is derived, on invented text.

use super::*;

fn invented() -> Profile {
    let text = "tag = \"qqq_Latn\"\nname = \"Invented\"\nfamily = [\"Indo-European\", \"Germanic\"]\n\
                region = \"Western Europe\"\ndirection = \"left_to_right\"\nsentence_ends = \".?!\"\n";
    profile::parse("qqq_Latn.toml", text).unwrap()
}

/// `count` different lines of ten words: eight function words, a rare word, and `topic` in the first quarter.
fn lines(count: usize) -> Vec<String> {
    (0..count)
        .map(|place| {
            let rare: String = [place / 676 % 26, place / 26 % 26, place % 26]
                .iter()
                .map(|letter| char::from(b'a' + *letter as u8))
                .collect();
            let topic = if place < count / 4 { "topic" } else { "ma" };
            format!("La ke ri so tu ve wi ya xx{rare} {topic}.")
        })
        .collect()
}

fn derived(count: usize) -> Derived {
    let lines = lines(count);
    derive(lines.iter().map(String::as_str), &invented())
}

#[test]
fn function_words_are_frequent_everywhere() {
    let found = derived(300);
    assert_eq!((found.lines, found.words), (300, 3000));
    // `topic` is one word in forty, but of one quarter; `ma` is missing in that quarter.
    assert_eq!(found.function_words, ["ke", "la", "ri", "so", "tu", "ve", "wi", "ya"]);
    assert_eq!(found.ended_share, 1.0);
    // 3,000 words are too few for thresholds, 1,000 for function words.
    assert_eq!(found.thresholds, Thresholds::default());
    assert!(derived(100).function_words.is_empty());
}

#[test]
fn thresholds_are_tails_with_a_margin_within_bounds() {
    let found = derived(1000).thresholds;
    // Ten words a line: eight of 2 letters, one of 5, and `ma` or `topic`: means 2.3 and 2.6.
    let [least, most] = found.mean_word_length.unwrap();
    assert_eq!((least, most), (1.96, 2.99)); // 2.3 × 0.85 and 2.6 × 1.15
    // 23 letters of 24 characters × 0.85 = 0.81, more than the bound.
    assert_eq!(found.letter_share, Some(0.8));
    // 8 of 10 words × 0.85 / 2 = 0.34, more than the bound.
    assert_eq!(found.function_word_share, Some(0.3));
}

#[test]
fn equal_lines_count_once() {
    let line = "La ke ri so tu ve wi ya.".to_owned();
    let many = vec![line; 3000];
    assert_eq!(derive(many.iter().map(String::as_str), &invented()).lines, 1);
}

#[test]
fn own_digits_are_found_where_they_are_in_use() {
    let found = |text: &str| derive([text], &invented()).digits;
    assert_eq!(found("१२ 3").as_deref(), Some("०१२३४५६७८९"));
    assert_eq!(found("1 2 3"), None);
    assert_eq!(found(&format!("{}१", "7".repeat(99))), None); // 1 of 100
}

#[test]
fn too_little_text_takes_the_median_of_script_and_family() {
    let profile = invented();
    let (thresholds, group) = back_off(&profile, profile::all()).unwrap();
    assert_eq!(group, "Latn, Germanic");
    let mut least: Vec<f32> = profile::all()
        .filter(|other| other.tag.script() == "Latn" && other.family.get(1).is_some_and(|step| step == "Germanic"))
        .filter_map(|other| other.thresholds.mean_word_length.map(|length| length[0]))
        .collect();
    least.sort_by(f32::total_cmp);
    assert!(least.len() > 8);
    assert_eq!(thresholds.mean_word_length.unwrap()[0], least[least.len() / 2]);
    assert_eq!(thresholds.function_word_share, None); // it has no function words
    let alone = Profile { family: vec!["Unheard of".into()], ..profile };
    assert_eq!(back_off(&alone, profile::all()).unwrap().1, "Latn");
}

#[test]
fn a_file_keeps_what_was_not_derived() {
    let text = "# by hand\ntag = \"qqq_Latn\"\nname = \"Invented\" # a name\nfamily = [\"Isolate\"]\n\
                region = \"Oceania\"\ndirection = \"left_to_right\"\nsentence_ends = \".\"\nfunction_words = [\"old\"]\n";
    let filled = fill(text, "qqq_Latn.toml", &derived(1000), ("Invented lines", "CC0")).unwrap();
    assert!(filled.starts_with("# by hand\n") && filled.contains("name = \"Invented\" # a name"), "{filled}");
    assert!(filled.contains("mean_word_length = [1.96, 2.99]"), "{filled}");
    assert!(filled.contains("text = \"Invented lines\", licence = \"CC0\", lines = 1000, words = 10000"), "{filled}");
    let profile = profile::parse("qqq_Latn.toml", &filled).unwrap();
    assert_eq!(profile.function_words.len(), 8);
    // Derived again from nothing: function words stay, thresholds are those of the script, and it says so.
    let again = fill(&filled, "qqq_Latn.toml", &Derived::default(), ("Nothing", "CC0")).unwrap();
    let again = profile::parse("qqq_Latn.toml", &again).unwrap();
    assert_eq!(again.function_words, profile.function_words);
    assert_eq!(again.thresholds.source.unwrap().backed_off_to.as_deref(), Some("Latn"));
}
