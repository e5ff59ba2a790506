//! A disk that is full: the file is named with what the system said, what was complete stays, and with space again
//! the run goes on to the same bytes.

#![cfg(target_os = "linux")]

use crate::harness::{Place, Said};
use crate::samples::{STAGES, assert_same};
use std::path::Path;

/// What the atomic writer opens for these files is `/dev/full`, which takes nothing: the system itself says ENOSPC at
/// the first write. What this does not show is a disk that takes a part of a file; the next test has that.
#[test]
fn a_full_disk_is_named_with_the_file_and_what_was_complete_stays() {
    let place = Place::new();
    let recipe = place.sample();
    place.run(&["vocabulary", &recipe, "--output", "whole"]).expect(0, &[]);
    for (file, stage) in [
        ("plan.json", "cannot start the run"),
        ("documents/manifest.json", "cannot make `documents`"),
        ("vocabulary/tokenizer.model", "cannot make `vocabulary`"),
        ("vocabulary/manifest.json", "cannot make `vocabulary`"),
        ("tokens/glg_Latn/train-00000.arrow", "cannot make `tokens`"),
        ("tokens/manifest.json", "cannot make `tokens`"),
        ("report.html", "cannot report on out"),
    ] {
        let part = place.path(&format!("out/{file}.part"));
        std::fs::create_dir_all(part.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/dev/full", &part).unwrap();
        let complete: Vec<_> = finished(&place).map(|stage| (stage, place.tree(&format!("out/{stage}")))).collect();
        let named = format!("out/{file}: cannot write");
        let whole_run = ["vocabulary", &recipe, "--output", "out"];
        let arguments = if file == "report.html" { &["report", "out"][..] } else { &whole_run };
        let wanted = [&format!("error: {stage}"), &format!("caused by: {named}")[..], "No space left on device"];
        place.run(arguments).expect(1, &wanted);
        for (stage, before) in complete {
            assert_same(&place.tree(&format!("out/{stage}")), &before, stage);
        }
        assert!(part.symlink_metadata().is_err(), "{file}.part is left behind");
    }
    place.run(&["vocabulary", &recipe, "--output", "out"]).expect(0, &[]);
    place.run(&["report", "out"]).expect(0, &["out/report.html"]);
    for stage in STAGES {
        assert_same(&place.tree(&format!("out/{stage}")), &place.tree(&format!("whole/{stage}")), stage);
    }
}

/// A limit on the size of a file lets the first bytes through and refuses the rest, as a disk does that fills up under
/// the writer; the system's word for it is EFBIG. The limit grows until everything fits.
#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_file_loses_no_byte_in_the_end() {
    let place = Place::new();
    let recipe = place.sample();
    place.run(&["vocabulary", &recipe, "--output", "whole"]).expect(0, &[]);
    let mut met = Vec::new();
    // One stage after the other: the second one's files may be smaller than the first one's.
    for verb in ["pipeline", "vocabulary"] {
        for blocks in (2..).step_by(3) {
            assert!(blocks < 1000, "nothing here is as large as that");
            let said = limited(&place, blocks, &[verb, &recipe, "--output", "out", "--threads", "2"]);
            if said.code == 0 {
                break;
            }
            let said = said.expect(1, &["caused by: out/", "cannot write", "caused by: File too large"]);
            met.extend(STAGES.into_iter().filter(|stage| said.stderr.contains(&format!("cannot make `{stage}`"))));
            let left: Vec<_> =
                place.tree("out").into_iter().map(|(path, _)| path).filter(|path| is_part(path)).collect();
            assert!(left.is_empty(), "{left:?} are left behind");
        }
    }
    assert!(met.contains(&"documents") && met.contains(&"vocabulary"), "the limit was met at {met:?} only");
    for stage in STAGES {
        assert_same(&place.tree(&format!("out/{stage}")), &place.tree(&format!("whole/{stage}")), stage);
    }
}

#[test]
fn a_full_disk_under_the_identifier_is_named_and_nothing_half_written_stays() {
    let place = Place::new();
    for (language, line) in [("ltg_Latn", "Rēzekne ira upe Latgolā"), ("lvs_Latn", "Rēzekne ir upe Latgalē")] {
        let lines: String = (0..60).map(|n| format!("{line}, numurs {n}\n")).collect();
        place.write(&format!("text/{language}.txt"), lines);
    }
    std::fs::create_dir(place.path("out")).unwrap();
    let train = ["languages", "train", "text/{language}.txt", "--output", "out"];
    for (part, file) in [
        ("identifier.txt.part", "out/identifier.txt.part"),
        ("identifier.bin.part", "out/identifier.bin"),
        ("card.json.part", "out/card.json"),
    ] {
        std::os::unix::fs::symlink("/dev/full", place.path("out").join(part)).unwrap();
        place
            .run(&train)
            .expect(1, &["cannot train the identifier", &format!("{file}: cannot write"), "No space left on device"]);
        assert!(place.tree("out").iter().all(|(path, _)| !is_part(path)));
    }
    place.run(&train).expect(0, &["ltg_Latn"]);
    assert_eq!(place.tree("out").len(), 2);
}

fn finished(place: &Place) -> impl Iterator<Item = &'static str> {
    STAGES.into_iter().filter(|stage| place.path(&format!("out/{stage}/manifest.json")).exists())
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "part")
}

/// Runs the binary where no file can be larger than so many blocks of 512 bytes.
fn limited(place: &Place, blocks: u64, arguments: &[&str]) -> Said {
    let binary = place.command(arguments);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", &blocks.to_string()]);
    shell.arg(binary.get_program()).args(binary.get_args()).current_dir(binary.get_current_dir().unwrap());
    shell.output().unwrap().into()
}
