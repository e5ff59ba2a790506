//! What a dump tells of its pages: closing sections, kinds, series; and the spelling of their text.

use crate::harness::Place;
use crate::samples::{dump, recipe};
use tongues_pipeline::io::documents;

/// Six articles with references at the end, a page that tells meanings apart, 24 rivers by a bot.
fn wiki() -> String {
    let mut pages: Vec<(String, String)> = (0..6)
        .map(|n| {
            let told =
                format!("Cylvāks numer {n} dzeivuoja Latgolā i roksteja gruomotys par vuordim{}.", "a".repeat(n));
            (
                format!("Rakstinīks{n}"),
                format!(
                    "{told}&lt;ref&gt;x&lt;/ref&gt;\n\n== Nūruodis ==\n&lt;references/&gt;\n* [http://x.y Puslopa]"
                ),
            )
        })
        .collect();
    pages[0].1.insert_str(0, "Mоsts. "); // with a Cyrillic letter
    let meanings = "Malta var byut:\n* [[Malta (upe)]], upe Latgolā\n* [[Malta (vaļsts)]], vaļsts jiurā\n__DISAMBIG__";
    pages.push(("Malta".to_owned(), meanings.to_owned()));
    pages.extend((0..24).map(|n| {
        let text = format!("Upe{n} ira upe pi Cīms{}. Itei upe ir {} kilometrus gara i tak da jiurai.", n * 3, n + 5);
        (format!("Upe{n}"), text)
    }));
    let pages: Vec<(&str, &str)> = pages.iter().map(|(title, text)| (title.as_str(), text.as_str())).collect();
    dump(&pages)
}

fn manifest(place: &Place, output: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(place.path(output).join("documents/manifest.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn pages_are_told_apart_and_a_recipe_says_which_stay() {
    let place = Place::new();
    place.write("wiki.xml", wiki());
    // The sentences are invented: what they are taken for is not the question.
    let sure = "identification_threshold = 1.0\n";
    place.write("all.toml", recipe("wiki.xml") + "[filter]\n" + sure);
    let keys = "[normalising]\nrepair_homoglyphs = true\n[filter]\nidentification_threshold = 1.0\ndropped_page_kinds = [\"disambiguation\"]\nkept_of_series = 3\n";
    place.write("some.toml", recipe("wiki.xml") + "closing_sections = \"keep\"\n" + keys);
    for name in ["all", "some"] {
        place.run(&["pipeline", &format!("{name}.toml"), "--output", name]).expect(0, &[]);
    }
    let all = manifest(&place, "all")["counts"].clone();
    assert_eq!(all["closing_sections"], serde_json::json!({ "wiki": { "nūruodis": 6 } }));
    assert_eq!(all["page_kinds"]["ltg_Latn"], serde_json::json!({ "stub": 6, "disambiguation": 1, "series": 24 }));
    let series = &all["series"]["ltg_Latn"];
    assert_eq!(
        (&series["series"], &series["pages"], &series["largest"][0]["title"]),
        (&1.into(), &24.into(), &"Upe0".into())
    );
    assert_eq!(
        (&all["languages"]["ltg_Latn"]["kept"], &all["normalised"]["ltg_Latn"]["homoglyphs"]),
        (&31.into(), &0.into())
    );

    let some = manifest(&place, "some")["counts"].clone();
    assert_eq!(some["closing_sections"], serde_json::json!({ "wiki": {} }));
    assert_eq!(some["languages"]["ltg_Latn"]["dropped"], serde_json::json!({ "page_kind": 1, "series_page": 21 }));
    assert_eq!(some["normalised"]["ltg_Latn"]["homoglyphs"], 1);
    let tag = "ltg_Latn".parse().unwrap();
    let kept = documents::read(&place.path("some").join("documents/kept"), tag).unwrap();
    let kept: Vec<_> = kept.map(|document| document.unwrap()).collect();
    assert_eq!(kept.len(), 9);
    assert!(kept[0].text.starts_with("Mosts.") && kept[0].text.contains("Nūruodis"), "{}", kept[0].text);
    assert_eq!((kept[8].series_id.as_deref(), kept[8].series_size), (Some("wiki:8"), 24));
}

#[test]
fn extraction_leaves_closing_sections_out_unless_asked() {
    let place = Place::new();
    place.write("wiki.xml", wiki());
    let said = place.run(&["extract", "wiki.xml"]).expect(0, &["closing sections left out: 6 nūruodis"]);
    assert!(!said.stdout.contains("Puslopa") && said.stdout.contains("\"page_kind\":\"disambiguation\""));
    let said = place.run(&["extract", "wiki.xml", "--closing-sections", "keep"]).expect(0, &[]);
    assert!(said.stdout.contains("Puslopa"));
    place.run(&["extract", "wiki.xml", "--closing-sections", "no"]).expect(2, &["closing-sections", "keep"]);
}

#[test]
fn a_kind_that_is_none_is_refused() {
    let place = Place::new();
    place.write("wiki.xml", wiki());
    place.write("r.toml", recipe("wiki.xml") + "[filter]\ndropped_page_kinds = [\"stubs\"]\n");
    place.run(&["pipeline", "r.toml"]).expect(2, &["dropped_page_kinds", "stubs", "disambiguation"]);
}

/// A page with everything that is no running text.
fn page() -> String {
    let source = "Upe ira -{zh-hans:gara; zh-hant:GARA}- i <math>l = 5</math> kilometri, main() ira programys begs.\n\
        <ruby>東<rt>rīti</rt></ruby> ira vuords.\n{| class=\"infobox\"\n| Garums || 7\n|}\n{|\n! Upe !! Cīms\n|-\n| Lobs || 8\n|}\n\
        <gallery>\nFile:a.jpg|Upe rudinī\n</gallery>\n<syntaxhighlight lang=\"c\">\nint a;\nint b;\n</syntaxhighlight>\n";
    let escaped = source.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    dump(&[("Upe", &escaped)])
}

/// What is kept of it where everything is wanted.
const ALL: &str = "Upe ira GARA i \u{fffc} kilometri, main() ira programys begs. 東(rīti) ira vuords.\n\nGarums | 7\n\n\
    Upe | Cīms\nLobs | 8\n\n- Upe rudinī";

#[test]
fn extraction_says_what_becomes_of_tables_formulas_and_variants() {
    let place = Place::new();
    place.write("wiki.xml", page());
    let text = |flags: &[&str]| {
        let said = place.run(&[&["extract", "wiki.xml"], flags].concat()).expect(0, &[]);
        let line: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        line["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        text(&[]),
        "Upe ira gara i l = 5 kilometri, main() ira programys begs. 東 ira vuords.\n\nint a;\nint b;"
    );
    let wanted = ["--tables", "keep", "--infoboxes", "keep", "--galleries", "keep", "--readings", "keep"];
    let shown = ["--math", "placeholder", "--code", "drop", "--variant", "zh-TW"];
    assert_eq!(text(&[&wanted[..], &shown].concat()), ALL);
    assert!(text(&["--language", "zho_Hant"]).starts_with("Upe ira GARA"));
    place.run(&["extract", "wiki.xml", "--math", "no"]).expect(2, &["math", "placeholder"]);
    place.run(&["extract", "wiki.xml", "--variant", "中文"]).expect(2, &["variant", "zh-hant"]);
}

#[test]
fn a_recipe_says_the_same() {
    let place = Place::new();
    place.write("wiki.xml", page());
    let keys = "tables = \"keep\"\ninfoboxes = \"keep\"\ngalleries = \"keep\"\nreadings = \"keep\"\nmath = \"placeholder\"\n\
        code = \"drop\"\nvariant = \"Hant\"\n";
    place.write("all.toml", recipe("wiki.xml") + keys);
    place.run(&["pipeline", "all.toml", "--output", "all"]).expect(0, &[]);
    let kept = documents::read(&place.path("all").join("documents/kept"), "ltg_Latn".parse().unwrap()).unwrap();
    let texts: Vec<String> = kept.map(|document| document.unwrap().text).collect();
    assert_eq!(texts, [ALL]);
    place.write("wrong.toml", recipe("wiki.xml") + "math = \"no\"\n");
    place.run(&["pipeline", "wrong.toml", "--output", "wrong"]).expect(2, &["math", "placeholder"]);
}

#[test]
fn the_report_shows_pages_beside_their_texts_and_those_of_others() {
    let place = Place::new();
    place.write("wiki.xml", wiki());
    place.write("r.toml", recipe("wiki.xml") + "[filter]\nidentification_threshold = 1.0\n");
    place.run(&["pipeline", "r.toml", "--output", "out"]).expect(0, &[]);
    let list = std::fs::read_to_string(place.path("out/documents/side_by_side.jsonl")).unwrap();
    let pages: Vec<serde_json::Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lengths: Vec<usize> = pages.iter().map(|page| page["wikitext"].as_str().unwrap().len()).collect();
    assert!(pages.len() == 10 && lengths.is_sorted(), "{lengths:?}");
    // The longest of ten equal shares of 31 pages, by length, is a writer's; his number is in the text, the link is not.
    let writer = &pages[9];
    assert!(writer["wikitext"].as_str().unwrap().contains("<references/>"), "{writer}");
    let counted = ["numbers", "numbers_kept", "items", "items_kept"].map(|key| writer[key].as_u64().unwrap());
    assert_eq!(counted, [1, 1, 1, 0]);
    let title = writer["title"].as_str().unwrap();

    place.run(&["report", "out"]).expect(0, &[]);
    let read = || std::fs::read_to_string(place.path("out/report.html")).unwrap();
    let page = read();
    // And what told the languages, as the plan did.
    place.run(&["run", "r.toml", "--output", "out", "--dry-run"]).expect(0, &["identifier in the program (no [["]);
    assert!(page.contains("the identifier in the program: the recipe has no"), "{page}");
    assert!(page.contains("Pages before and after") && page.matches("<h5>").count() == 20, "{page}");
    assert!(page.contains("1 of 1 numbers, 0 of 1 list items") && !page.contains("theirs"));
    let theirs = format!("{{\"id\":\"99\",\"title\":\"{title}\",\"text\":\"Nikas. Puslopa\"}}\n");
    place.write("theirs.jsonl", theirs);
    place.run(&["report", "out", "--beside", "theirs.jsonl"]).expect(0, &[]);
    let page = read();
    assert!(page.contains("<code>theirs</code> 0 and 1") && page.matches("<h5>theirs</h5>").count() == 10, "{page}");
    place.write("theirs.jsonl", "{\"name\":\"x\"}\n");
    place.run(&["report", "out", "--beside", "theirs.jsonl"]).expect(1, &["theirs.jsonl", "line 1", "title"]);
}
