//! Lines in other languages, and limits that differ by language, from the recipe to the report.

use crate::harness::Place;
use crate::samples::{dump, recipe};
use serde_json::{Value, json};
use tongues_pipeline::io::documents;

const OWN: &str = "Piļsātā dzeivuoja daudzi cylvāki, kas roksteja gruomotys i laseja ar breinumu par sovu volūdu.";
const ENGLISH: &str = "The river is one of the longest in the whole country and flows through several lakes.";
const RUSSIAN: &str = "Эта река очень длинная и течёт через лес.";

/// Another sentence of its own language.
const MORE: &str = "Vosorā bārni brauc da azaram peldētīs, a zīmā skrīn pa lads ar vacvacuoku dorynuotom slidem.";

/// A page of its own language, one with two foreign paragraphs, one that is all foreign, a list of two hundred names.
fn wiki() -> String {
    let mixed = format!("{OWN}\n\n{ENGLISH}\n\n{MORE}\n\n{RUSSIAN}");
    let stems = ["Kol", "Me", "Aza", "Pu", "Vor", "Ska", "Bru", "Lei", "Gar", "Tyl", "Zvi", "Dor", "Nau", "Sli"];
    let ends = ["ni", "ži", "ri", "va", "vu", "iš", "ka", "vo", "ze", "pi"];
    let more = ["se", "me", "ty", "go"];
    let ends = || ends.iter().chain(&more);
    let names: String = stems.iter().flat_map(|stem| ends().map(move |end| format!("{stem}{end} "))).collect();
    dump(&[
        ("Upe", OWN),
        ("Mixed", &mixed),
        ("River", &format!("{ENGLISH}\n\n{}", ENGLISH.replace("lakes", "towns"))),
        ("Names", &names),
    ])
}

fn counts(place: &Place, output: &str) -> Value {
    let text = std::fs::read_to_string(place.path(output).join("documents/manifest.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["counts"].clone()
}

fn mixed(place: &Place, output: &str) -> (String, u32) {
    let kept = documents::read(&place.path(output).join("documents/kept"), "ltg_Latn".parse().unwrap()).unwrap();
    let page =
        kept.map(|document| document.unwrap()).find(|document| document.title.as_deref() == Some("Mixed")).unwrap();
    (page.text, page.signals.foreign_lines)
}

#[test]
fn foreign_lines_are_counted_and_cut_where_the_recipe_says_so() {
    let place = Place::new();
    place.write("wiki.xml", wiki());
    for mode in ["count", "cut", "ignore"] {
        place.write("r.toml", recipe("wiki.xml") + &format!("[filter]\nforeign_lines = \"{mode}\"\n"));
        place.run(&["pipeline", "r.toml", "--output", mode]).expect(0, &[]);
    }
    let found = json!({ "eng_Latn": 3, "rus_Cyrl": 1 });
    let sum = &counts(&place, "count")["foreign_lines"]["ltg_Latn"];
    assert_eq!(
        (&sum["documents"], &sum["lines"], &sum["cut"], &sum["found"]),
        (&2.into(), &4.into(), &0.into(), &found)
    );
    let sum = &counts(&place, "cut")["foreign_lines"]["ltg_Latn"];
    // The page that is foreign from end to end goes as a whole.
    assert_eq!((&sum["lines"], &sum["cut"], &sum["found"]), (&4.into(), &2.into(), &found));
    assert_eq!(counts(&place, "cut")["languages"]["ltg_Latn"]["dropped"]["other_language"], 1);
    assert_eq!(counts(&place, "ignore")["foreign_lines"]["ltg_Latn"]["lines"], 0);

    let (whole, lines) = mixed(&place, "count");
    assert!(whole.contains(ENGLISH) && whole.contains(RUSSIAN) && lines == 2);
    assert_eq!(mixed(&place, "cut"), (format!("{OWN}\n\n{MORE}"), 2));
    assert_eq!(mixed(&place, "ignore"), (whole, 0));

    let list = std::fs::read_to_string(place.path("cut/documents/foreign_lines.jsonl")).unwrap();
    let list: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(list.len(), 4);
    assert_eq!(
        (&list[0]["document"], &list[0]["found"], &list[0]["cut"]),
        (&"wiki:2".into(), &"eng_Latn".into(), &true.into())
    );
    assert_eq!((&list[0]["text"], &list[3]["cut"]), (&ENGLISH.into(), &false.into()));
    place.run(&["report", "cut"]).expect(0, &[]);
    let page = std::fs::read_to_string(place.path("cut/report.html")).unwrap();
    assert!(
        page.contains("Lines in other languages") && page.contains("<code>eng_Latn</code> 3, <code>rus_Cyrl</code> 1"),
        "{page}"
    );

    place.write("r.toml", recipe("wiki.xml") + "[filter]\nforeign_lines = \"remove\"\n");
    place.run(&["pipeline", "r.toml"]).expect(2, &["foreign_lines", "remove", "cut"]);
}

#[test]
fn limits_are_the_languages_own_unless_the_recipe_sets_them() {
    let place = Place::new();
    place.write("wiki.xml", wiki());
    place.write("own.toml", recipe("wiki.xml"));
    place.write(
        "set.toml",
        recipe("wiki.xml") + "[filter]\nminimum_function_word_share = 0.0\nidentification_threshold = 1.0\n",
    );
    for name in ["own", "set"] {
        place.run(&["pipeline", &format!("{name}.toml"), "--output", name]).expect(0, &[]);
    }
    let own = counts(&place, "own");
    assert_eq!(own["languages"]["ltg_Latn"]["dropped"], json!({ "few_function_words": 1, "other_language": 1 }));
    let limits = &own["limits"]["ltg_Latn"];
    for limit in ["letter_share", "minimum_mean_word_length", "maximum_mean_word_length", "function_word_share"] {
        assert_eq!(limits[limit]["source"], "profile: FLORES-200 dev", "{limit}");
    }
    assert_eq!(limits["identification"]["source"], "identifier");
    let set = counts(&place, "set");
    let limits = &set["limits"]["ltg_Latn"];
    assert_eq!(limits["function_word_share"], json!({ "value": 0.0, "source": "recipe" }));
    assert_eq!(
        (&limits["identification"]["source"], &limits["letter_share"]["source"]),
        (&"recipe".into(), &"profile: FLORES-200 dev".into())
    );
    assert_eq!(set["languages"]["ltg_Latn"]["dropped"]["few_function_words"], Value::Null);

    let rows = documents::read_rows(&place.path("own/documents/rejected"), "ltg_Latn".parse().unwrap()).unwrap();
    let reasons: Vec<_> = rows.map(|row| row.unwrap().reason.unwrap()).collect();
    let names = reasons.iter().find(|reason| reason.reason == "few_function_words").unwrap();
    assert_eq!(names.limit, "at least 0.020 (profile: FLORES-200 dev)");
    place.run(&["report", "own"]).expect(0, &[]);
    let page = std::fs::read_to_string(place.path("own/report.html")).unwrap();
    assert!(page.contains("Limits by language") && page.contains("profile: FLORES-200 dev"), "{page}");

    place.write(
        "bad.toml",
        recipe("wiki.xml") + "[filter]\nminimum_mean_word_length = 9.0\nmaximum_mean_word_length = 3.0\n",
    );
    place.run(&["pipeline", "bad.toml"]).expect(2, &["minimum_mean_word_length", "smaller one first"]);
}
