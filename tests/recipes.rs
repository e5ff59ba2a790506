//! The recipes that come with the project.

use crate::harness::Place;
use crate::samples::dump;

const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/your-language.toml");

#[test]
fn your_language_takes_a_dump_and_a_tag() {
    let place = Place::new();
    place.write(
        "wiki.xml",
        dump(&[("Rēzekne", "Rēzekne ira upe Latgolā, kas īsasuoc nu azara i tak iz Lubuona pusi.")]),
    );
    let language = ["--set", "language=ltg_Latn"];
    let run = |more: &[&str]| place.run(&[&["run", RECIPE, "--dry-run"], more].concat());
    run(&[&["--set", "dump=wiki.xml"], &language[..]].concat()).expect(0, &["ltg_Latn", "wiki.xml", "runs/ltg_Latn"]);
    let said =
        run(&[&["--set", "dump=wiki.xml"], &language[..]].concat()).expect(0, &["tokens not counted yet", "s a step"]);
    let memory = said.stdout.lines().find(|line| line.starts_with("memory")).expect("a forecast of the memory");
    for part in ["MiB at its peak", "weights", "optimiser", "a step"] {
        assert!(memory.contains(part), "{memory}");
    }
    run(&language).expect(2, &["dump"]);
    run(&[&["--set", "dump=other.xml"], &language[..]].concat()).expect(2, &["other.xml"]);
    run(&["--set", "dump=wiki.xml", "--set", "language=latgalian"]).expect(2, &["ltg_Latn"]);
}

#[test]
fn a_prefix_that_every_line_of_a_source_has_is_cut() {
    let place = Place::new();
    let line = "Rēzekne ira upe Latgolā, kas īsasuoc nu azara.";
    place.write("lines.txt", format!("1\t{line}\n207\t{line} Dubna tože.\n"));
    let source =
        "[[source]]\nname = \"lines\"\npath = \"lines.txt\"\nlanguage = \"ltg_Latn\"\nformat = \"text_lines\"\n";
    for (run, prefix) in [("cut", "drop_prefix = \"#\\t\"\n"), ("whole", "")] {
        place.write("r.toml", format!("{source}{prefix}"));
        place.run(&["pipeline", "r.toml", "--output", run]).expect(0, &[]);
        place.run(&["report", run]).expect(0, &[]);
        let html = std::fs::read_to_string(place.path(run).join("report.html")).unwrap();
        let shown = html.matches("<p class=\"text\" dir=\"auto\">").count();
        let cut = html.matches(&format!("<p class=\"text\" dir=\"auto\">{line}")).count();
        assert_eq!((shown, cut), (2, if run == "cut" { 2 } else { 0 }), "{run}");
    }
}
