//! The sample wiki through every stage up to token shards: the same bytes with one thread and with two, and again after a second run.

use crate::harness::Place;
use crate::samples::{STAGES, assert_same};

#[test]
fn thread_count_changes_no_byte_and_a_second_run_does_nothing() {
    let place = Place::new();
    let recipe = place.sample();
    for (output, threads) in [("one", "1"), ("two", "2")] {
        place.run(&["vocabulary", &recipe, "--output", output, "--threads", threads]).expect(0, &[]);
        place.run(&["report", output]).expect(0, &["report.html"]);
    }
    let names = |name| place.tree(name).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    assert_eq!(names("one"), names("two"));
    assert!(names("one").iter().any(|path| path.ends_with("kept/glg_Latn/part-00000.parquet")), "{:#?}", names("one"));
    for stage in STAGES {
        assert_same(&place.tree(&format!("one/{stage}")), &place.tree(&format!("two/{stage}")), stage);
    }
    let stamp = std::fs::metadata(place.path("one/documents/manifest.json")).unwrap().modified().unwrap();
    place.run(&["vocabulary", &recipe, "--output", "one"]).expect(0, &[]);
    assert_eq!(std::fs::metadata(place.path("one/documents/manifest.json")).unwrap().modified().unwrap(), stamp);
}
