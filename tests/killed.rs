//! A run that is killed or asked to stop, at every turn of its way: the next one goes on to the same bytes.

#![cfg(unix)]

use crate::harness::{Place, Said};
use crate::samples::{STAGES, assert_same};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use tongues_pipeline::io::manifest::{FileRecord, Manifest, record};

/// What has to be there before the blow falls, and how many milliseconds later it does. The stages' files appear in
/// this order, and every run goes on from the one before; what is there already counts at once.
const MOMENTS: [(&str, u64); 12] = [
    ("plan.json", 0),
    ("documents/.work/key", 0),
    ("documents/.work/000-000000-000000.parquet", 0),
    ("documents/.work/004-000000-000000.json", 0),
    ("documents/kept", 0),
    ("documents/kept/glg_Latn", 2),
    ("documents/manifest.json", 0),
    ("documents/manifest.json", 60),
    ("vocabulary/tokenizer.model", 0),
    ("vocabulary/manifest.json", 1),
    ("tokens/glg_Latn", 0),
    ("tokens/hin_Deva", 3),
];

#[test]
fn killed_at_any_moment_and_run_again_the_bytes_are_those_of_an_undisturbed_run() {
    let place = Place::new();
    let recipe = place.sample();
    place.run(&["vocabulary", &recipe, "--output", "whole"]).expect(0, &[]);
    let mut killed = 0;
    for (file, milliseconds) in MOMENTS {
        // One thread, so that moments are long enough to be met.
        let mut child = place.start(&["vocabulary", &recipe, "--output", "out", "--threads", "1"]);
        if wait_for(&place.path("out").join(file), &mut child) {
            std::thread::sleep(Duration::from_millis(milliseconds));
        }
        killed += usize::from(kill(child));
        manifests_are_true(&place, "out");
    }
    assert!(killed >= 8, "only {killed} runs were caught");
    place.run(&["vocabulary", &recipe, "--output", "out", "--threads", "2"]).expect(0, &[]);
    for stage in STAGES {
        assert_same(&place.tree(&format!("out/{stage}")), &place.tree(&format!("whole/{stage}")), stage);
    }
}

/// The same by the clock: every run lives a ninth longer than the one before, until one comes to its end.
#[test]
fn killed_again_and_again_it_ends_with_the_same_bytes() {
    let place = Place::new();
    let recipe = place.sample();
    place.run(&["vocabulary", &recipe, "--output", "whole"]).expect(0, &[]);
    let mut killed = 0;
    let mut milliseconds = 5;
    loop {
        milliseconds += 1 + milliseconds / 9;
        let child = place.start(&["vocabulary", &recipe, "--output", "out", "--threads", "1"]);
        std::thread::sleep(Duration::from_millis(milliseconds));
        if !kill(child) {
            break;
        }
        killed += 1;
        manifests_are_true(&place, "out");
    }
    assert!(killed >= 10, "only {killed} runs were caught");
    place.run(&["vocabulary", &recipe, "--output", "out"]).expect(0, &[]);
    for stage in STAGES {
        assert_same(&place.tree(&format!("out/{stage}")), &place.tree(&format!("whole/{stage}")), stage);
    }
}

#[test]
fn asked_to_stop_it_stops_with_a_code_of_its_own_and_goes_on_later() {
    let place = Place::new();
    let recipe = place.sample();
    place.run(&["vocabulary", &recipe, "--output", "whole"]).expect(0, &[]);
    for signal in ["TERM", "INT"] {
        let mut child = place.start(&["vocabulary", &recipe, "--output", signal, "--threads", "1"]);
        assert!(wait_for(&place.path(signal).join("documents/.work/key"), &mut child));
        let sent = std::process::Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
        assert!(sent.unwrap().success());
        let said: Said = child.wait_with_output().unwrap().into();
        said.expect(130, &["interrupted; run the same command again to go on"]);
        assert!(!place.path(signal).join("tokens/manifest.json").exists());
        place.run(&["vocabulary", &recipe, "--output", signal]).expect(0, &[]);
        for stage in STAGES {
            assert_same(&place.tree(&format!("{signal}/{stage}")), &place.tree(&format!("whole/{stage}")), stage);
        }
    }
}

/// Waits until `path` is there; false where the run ended before.
fn wait_for(path: &Path, child: &mut Child) -> bool {
    let began = Instant::now();
    while !path.exists() {
        if child.try_wait().unwrap().is_some() {
            return path.exists();
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{} never came", path.display());
        std::thread::sleep(Duration::from_micros(200));
    }
    true
}

/// Kills the run, which cannot know; false where it had ended.
fn kill(mut child: Child) -> bool {
    child.kill().unwrap();
    let said = child.wait_with_output().unwrap();
    if let Some(code) = said.status.code() {
        assert_eq!(code, 0, "{}", String::from_utf8_lossy(&said.stderr));
    }
    said.status.code().is_none()
}

/// Where there is a manifest, all it promises is there.
fn manifests_are_true(place: &Place, output: &str) {
    for stage in STAGES {
        let folder = place.path(output).join(stage);
        let Some(manifest) = Manifest::read(&folder).unwrap() else { continue };
        for output in manifest.outputs {
            let there = record(&folder.join(&output.path), &output.path).unwrap();
            assert_eq!(FileRecord { rows: output.rows, ..there }, output);
        }
    }
}
