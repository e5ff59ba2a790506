//! Wrong input: each error names the file, the place, what came and what would have been right.

use crate::harness::Place;

fn recipe(path: &str, language: &str) -> String {
    format!("[[source]]\nname = \"wiki\"\npath = \"{path}\"\nlanguage = \"{language}\"\nformat = \"mediawiki\"\n")
}

#[test]
fn all_mistakes_of_a_recipe_come_at_once_and_nothing_is_touched() {
    let place = Place::new();
    let text =
        format!("{}license = \"x\"\n[[task]]\nname = \"t\"\nlanguage = \"ltg_Ltn\"\n", recipe("no.xml", "ltq_Latn"));
    place.write("r.toml", &text);
    place.run(&["run", "r.toml", "--output", "out"]).expect(
        2,
        &[
            "unknown key `license` in `source`; did you mean `licence`?",
            "language tag `ltq_Latn`",
            "did you mean `ltg_Latn`?",
            "line 4: language tag",
            "no such file",
        ],
    );
    assert!(!place.path("out").exists());
}

#[test]
fn a_missing_recipe_and_an_unset_place_are_named() {
    let place = Place::new();
    place.run(&["run", "none.toml"]).expect(2, &["none.toml", "cannot read it"]);
    place.write("r.toml", recipe("${dump}", "ltg_Latn"));
    place.run(&["run", "r.toml"]).expect(2, &["add `--set dump=VALUE`"]);
}

#[test]
fn a_dump_that_is_a_web_page_or_empty_or_without_article_is_named() {
    let place = Place::new();
    place.write("page.xml", "<!DOCTYPE html><html><head><title>404</title></head><body>Not found</body></html>");
    place.write("empty.xml", "");
    let redirect = "<mediawiki><page><title>A</title><ns>0</ns><id>1</id><redirect title=\"B\"/>\
                    <revision><id>2</id><text>#REDIRECT [[B]]</text></revision></page></mediawiki>";
    place.write("redirects.xml", redirect);
    for (file, words) in [("page.xml", "HTML"), ("empty.xml", "empty"), ("redirects.xml", "article")] {
        place.write("r.toml", recipe(file, "ltg_Latn"));
        place.run(&["pipeline", "r.toml", "--output", file.trim_end_matches(".xml")]).expect(1, &[file, words]);
    }
}

#[test]
fn a_text_for_the_identifier_that_is_not_utf_8_is_named_with_its_line() {
    let place = Place::new();
    place.write("text/ltg_Latn.txt", "Rēzekne ira upe\nDubna ira upe\n");
    place.write("text/lvs_Latn.txt", b"R\xc4\x93zekne ir upe\nSal\xe1ma\nDubna ir upe\n");
    let wanted = ["text/lvs_Latn.txt, line 2", "valid UTF-8"];
    place.run(&["languages", "train", "text/{language}.txt", "--output", "out"]).expect(1, &wanted);
    assert!(!place.path("out").exists());
}

#[test]
fn settings_that_cannot_work_are_told_before_any_work() {
    let place = Place::new();
    place.write("wiki.xml", crate::samples::dump(&[("A", "Rēzekne ira upe Latgolā, kas īsasuoc nu azara.")]));
    let sections = "[filter]\nminimum_letter_share = 7\n[vocabulary]\nsize = -3\ncoverage = 1.5\n[tokens]\nvalidation = 1.0\n\
        [[task]]\nname = \"../up\"\nlanguage = \"ltg_Latn\"\n";
    place.write("r.toml", recipe("wiki.xml", "ltg_Latn") + sections);
    let wanted = [
        "line 6: filter: `minimum_letter_share` is 7; expected a number from 0 to 1",
        "line 9: `vocabulary.size`: invalid value: integer `-3`, expected u32\n",
        "line 8: vocabulary: `coverage` is 1.5; expected a number from 0 to 1",
        "line 11: tokens: `validation` is 1",
        "line 14: `../up`: the name is a folder of results",
    ];
    place.run(&["run", "r.toml", "--output", "out"]).expect(2, &wanted);
    assert!(!place.path("out").exists());
}
