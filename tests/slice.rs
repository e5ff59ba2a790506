//! The sample wiki through every stage: the same bytes with one thread and with two, and again after a second run.

use crate::harness::Place;
use tongues_pipeline::sample_wiki::SampleWiki;

fn sample(place: &Place) -> String {
    let wiki = SampleWiki::generate(7, 40);
    let mut text = String::from("name = \"sample\"\n");
    for dump in wiki.write(&place.path("wiki")).unwrap() {
        let path = dump.path.display().to_string();
        text += &format!(
            "[[source]]\nname = \"wiki_{}\"\npath = \"{path}\"\nlanguage = \"{}\"\nformat = \"mediawiki\"\n",
            dump.language.language(),
            dump.language
        );
    }
    text += "[vocabulary]\nsize = 1200\n";
    place.write("sample.toml", &text);
    "sample.toml".to_owned()
}

#[test]
fn thread_count_changes_no_byte_and_a_second_run_does_nothing() {
    let place = Place::new();
    let recipe = sample(&place);
    place.run(&["run", &recipe, "--output", "one", "--threads", "1"]).expect(0, &["report"]);
    place.run(&["run", &recipe, "--output", "two", "--threads", "2"]).expect(0, &["report"]);
    let (one, two) = (place.tree("one"), place.tree("two"));
    let names = |tree: &[(std::path::PathBuf, Vec<u8>)]| tree.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&two));
    assert!(names(&one).iter().any(|path| path.ends_with("kept/glg_Latn/part-00000.parquet")), "{:#?}", names(&one));
    for ((path, a), (_, b)) in one.iter().zip(&two) {
        let name = path.to_string_lossy();
        if name.starts_with("documents") || name.starts_with("vocabulary") || name.starts_with("tokens") {
            assert!(a == b, "{name} differs");
        }
    }
    let stamp = std::fs::metadata(place.path("one/documents/manifest.json")).unwrap().modified().unwrap();
    place.run(&["run", &recipe, "--output", "one"]).expect(0, &[]);
    assert_eq!(std::fs::metadata(place.path("one/documents/manifest.json")).unwrap().modified().unwrap(), stamp);
}
