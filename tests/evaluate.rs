//! `tongues evaluate`: the figures of a run from its files alone, and what is wrong named.

use crate::harness::Place;
use serde_json::Value;
use std::path::Path;

/// The sample wiki with a tiny model of a few steps, in the folder `run`.
fn pretrained() -> Place {
    let place = Place::new();
    let name = place.sample();
    let rest = "[model]\nhidden_size = 16\nlayers = 1\nheads = 2\nintermediate_size = 24\ncontext_length = 32\n\
                [training]\nsteps = 4\nbatch_size = 2\nwarmup_steps = 1\nevaluate_every = 4\nevaluate_documents = 2\n\
                [measurement]\ndocuments = 3\n";
    let text = std::fs::read_to_string(place.path(&name)).unwrap() + rest;
    place.write(&name, &text);
    let parts = ["bits per byte", "Kneser–Ney", "bigram"];
    place.run(&["pretrain", &name, "--output", "run"]).expect(0, &parts);
    let planned = place.run(&["run", &name, "--output", "run", "--dry-run"]).expect(0, &[]).stdout;
    let read = planned.lines().find(|line| line.starts_with("read    ")).unwrap_or_else(|| panic!("{planned}"));
    assert!(read.ends_with(" times") && read.contains("glg_Latn"), "{read}");
    place
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn read(path: &Path) -> Value {
    json(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn a_run_is_measured_again_and_what_is_wrong_is_named() {
    let place = pretrained();
    let stored = read(&place.path("run/model/evaluation.json"));
    assert_eq!(stored["windows"]["stride"], 16, "half a window");
    assert_eq!(stored["ngrams"]["order"], 5);

    // The same documents: the same file; from the run, from the model, with tokens named.
    for arguments in
        [&["run"][..], &["run/model"], &["run/model", "--tokens", "run"], &["run", "--tokens", "run/tokens"]]
    {
        let all = [&["evaluate", "--documents", "3", "--json"], arguments].concat();
        assert_eq!(json(&place.run(&all).expect(0, &[]).stdout), stored, "{all:?}");
    }
    let language = &stored["languages"][1];
    assert_eq!(language["language"], "glg_Latn");
    for key in ["bits_per_byte", "kneser_ney_bits_per_byte", "unigram_bits_per_byte"] {
        assert!(language[key].as_f64().unwrap() > 0.0, "{key} in {language}");
    }
    let half = &language["second_half"];
    assert!(half["sentences"].as_u64().unwrap() > 0 && half["bits"].as_f64().unwrap() > 0.0, "{half}");
    // After four steps nothing is known by heart; with windows of 32 tokens, 16 are given and 16 compared.
    let probed = &language["memorisation"];
    assert_eq!((&probed["continuation_tokens"], &probed["training"]["equal"]), (&16.into(), &0.into()));
    assert!(probed["training"]["documents"].as_u64().unwrap() > 3, "{probed}");

    // The table; another stride gives other bits, another split other documents.
    let parts = ["bits per byte", "Kneser–Ney", "second half, bits", "glg_Latn"];
    place.run(&["evaluate", "run"]).expect(0, &parts);
    let bits = |more: &[&str]| {
        let all = [&["evaluate", "run", "--documents", "3", "--json"], more].concat();
        json(&place.run(&all).expect(0, &[]).stdout)["languages"][1]["bits_per_byte"].as_f64().unwrap()
    };
    let test = language["bits_per_byte"].as_f64().unwrap();
    assert!(bits(&["--stride", "32"]) != test && bits(&["--split", "validation"]) != test);
    let wanted = ["cannot evaluate run/model", "stride is 33; expected 1 to 32"];
    place.run(&["evaluate", "run", "--stride", "33"]).expect(1, &wanted);

    // Without the training split there is nothing to train n-grams on.
    let copy = place.path("shards/glg_Latn");
    std::fs::create_dir_all(&copy).unwrap();
    let from = place.path("run/tokens/glg_Latn/test-00000.arrow");
    std::fs::copy(&from, copy.join("test-00000.arrow")).unwrap();
    let alone = place.run(&["evaluate", "run", "--tokens", "shards", "--json"]).expect(0, &[]).stdout;
    assert_eq!(json(&alone)["languages"][0].get("kneser_ney_bits_per_byte"), None);
    place.run(&["evaluate", "run", "--tokens", "shards"]).expect(0, &["  -"]);
    let wanted = ["shards", "found no document in the split `train`"];
    place.run(&["evaluate", "run", "--tokens", "shards", "--split", "train"]).expect(1, &wanted);

    // What is not there, and tokens of another vocabulary.
    place.run(&["evaluate", "none"]).expect(1, &["cannot evaluate none", "none/config.json"]);
    place.run(&["evaluate", "run", "--tokens", "wiki"]).expect(1, &["wiki", "no token files"]);
    std::fs::create_dir_all(place.path("alone")).unwrap();
    for entry in std::fs::read_dir(place.path("run/model")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            std::fs::copy(&entry, place.path("alone").join(entry.file_name().unwrap())).unwrap();
        }
    }
    place.run(&["evaluate", "alone"]).expect(1, &["found no such folder", "--tokens DIR"]);
    let other = std::fs::read_to_string(place.path("sample.toml")).unwrap().replace("size = 1200", "size = 1100");
    place.write("other.toml", &other);
    place.run(&["vocabulary", "other.toml", "--output", "other"]).expect(0, &[]);
    let wanted = ["other/tokens: not the tokens of run/model", "made with the vocabulary"];
    place.run(&["evaluate", "run", "--tokens", "other"]).expect(1, &wanted);
}
