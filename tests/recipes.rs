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
    let said = run(&[&["--set", "dump=wiki.xml"], &language[..]].concat()).expect(0, &["about", "a step on this CPU"]);
    let memory = said.stdout.lines().find(|line| line.starts_with("memory")).expect("a forecast of the memory");
    for part in ["MiB at its peak", "weights", "optimiser", "a step"] {
        assert!(memory.contains(part), "{memory}");
    }
    run(&language).expect(2, &["dump"]);
    run(&[&["--set", "dump=other.xml"], &language[..]].concat()).expect(2, &["other.xml"]);
    run(&["--set", "dump=wiki.xml", "--set", "language=latgalian"]).expect(2, &["ltg_Latn"]);
}
