//! Labelled tables of a recipe: what is wrong with them is found with the other mistakes, before any work.

use crate::harness::Place;
use crate::samples::{dump, recipe};

/// Three tables of a task, each written as given.
fn task(place: &Place, name: &str, [train, validation, test]: [&str; 3]) -> String {
    let files = [("train", train), ("validation", validation), ("test", test)];
    files.iter().for_each(|(role, content)| drop(place.write(&format!("{name}/{role}.tsv"), content)));
    let paths: String = files.iter().map(|(role, _)| format!("{role} = \"{name}/{role}.tsv\"\n")).collect();
    format!("[[task]]\nname = \"{name}\"\nlanguage = \"ltg_Latn\"\n{paths}")
}

const GOOD: &str = "text\tcategory\nupe\tgeography\ndzīsme\tculture\n";

#[test]
fn every_mistake_in_a_table_is_told_with_those_of_the_recipe_before_any_work() {
    let place = Place::new();
    place.write("wiki.xml", dump(&[("A", "Rēzekne ira upe Latgolā, kas īsasuoc nu azara.")]));
    let text = recipe("wiki.xml")
        + "licens = \"x\"\n"
        + &task(&place, "unlabelled", [GOOD, "text\tcatgory\nupe\tgeography\n", "id\ttext\n1\tupe\n"])
        + &task(&place, "one_class", ["text\tlabel\nupe\tgeography\nazars\tgeography\n", GOOD, GOOD])
        + &task(&place, "new_label", [GOOD, GOOD, "text\tlabel\nupe\tsport\nazars\tculture\n"])
        + &task(&place, "spoilt", ["<!DOCTYPE html><html></html>\n", "", "text\tcategory\n"]);
    place.write("r.toml", &text);
    let line = |start: &str| 1 + text.lines().position(|line| line == start).unwrap();
    let said =
        place.run(&["run", "r.toml", "--output", "out"]).expect(2, &["r.toml: 8 mistakes", "unknown key `licens`"]);
    for (key, message) in [
        (
            "validation = \"unlabelled/validation.tsv\"",
            "unlabelled/validation.tsv: no label column: found `text`, `catgory`; expected `category`, `label`; did you mean `catgory`?",
        ),
        (
            "test = \"unlabelled/test.tsv\"",
            "unlabelled/test.tsv: no label column: found `id`, `text`; expected `category`, `label`",
        ),
        (
            "train = \"one_class/train.tsv\"",
            "one_class/train.tsv: found one label only, `geography`, in 2 rows; expected texts with at least two different labels",
        ),
        (
            "test = \"new_label/test.tsv\"",
            "new_label/test.tsv: found `sport` not in the training set; expected only `culture`, `geography`",
        ),
        (
            "train = \"spoilt/train.tsv\"",
            "spoilt/train.tsv: no text column: found `<!DOCTYPE html><html></html>`; expected `text`, `tweet`, `headline`",
        ),
        ("validation = \"spoilt/validation.tsv\"", "spoilt/validation.tsv: found an empty file"),
        ("test = \"spoilt/test.tsv\"", "spoilt/test.tsv: found no labelled row (0 broken)"),
    ] {
        let wanted = format!("  line {}: ./{message}", line(key));
        assert!(said.stderr.contains(&wanted), "missing `{wanted}` in\n{}", said.stderr);
    }
    assert!(!place.path("out").exists());
}

#[test]
fn two_tasks_of_one_name_would_write_over_each_other() {
    let place = Place::new();
    place.write("wiki.xml", dump(&[("A", "Rēzekne ira upe Latgolā, kas īsasuoc nu azara.")]));
    let task = task(&place, "topics", [GOOD; 3]);
    place.write("r.toml", recipe("wiki.xml") + &task + &task);
    place.run(&["run", "r.toml", "--output", "out"]).expect(2, &["two of `[[task]]` are named `topics`", "line 13"]);
    assert!(!place.path("out").exists());
}

/// MasakhaNEWS quotes fields that hold line breaks; a reader of lines would see three rows for each of these.
#[test]
fn a_quoted_line_break_in_a_table_is_text() {
    let place = Place::new();
    place.write("wiki.xml", dump(&[("A", "Rēzekne ira upe Latgolā, kas īsasuoc nu azara.")]));
    let quoted = |labels: &[&str]| {
        let rows = labels.iter().map(|label| format!("{label}\t\"Virsroksts\n\nTeksts par \"\"upi\"\"\tun azaru\"\n"));
        format!("category\ttext\n{}", rows.collect::<String>())
    };
    let one = quoted(&["sport", "sport", "sport"]);
    place.write("r.toml", recipe("wiki.xml") + &task(&place, "news", [&one, &one, &one]));
    place.run(&["run", "r.toml", "--dry-run"]).expect(2, &["found one label only, `sport`, in 3 rows"]);
    let two = quoted(&["sport", "health", "sport"]);
    place.write("r.toml", recipe("wiki.xml") + &task(&place, "news", [&two, &one, &two]));
    place.run(&["run", "r.toml", "--dry-run"]).expect(0, &["task    news  ltg_Latn"]);
}
