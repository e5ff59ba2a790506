//! A recurrent language model from a dump to a text and a prediction; a run that was stopped goes on with the state it had.

use crate::harness::Place;
use serde_json::Value;
use tongues_pipeline::sample_wiki::SampleWiki;

/// The sample recipe with a tiny AWD-LSTM of a few steps and one task.
fn recipe(place: &Place) -> String {
    let name = place.sample();
    SampleWiki::generate(7, 40).write_tasks(&place.path("tasks")).unwrap();
    let base = "tasks/sample_topics/glg_Latn";
    let rest = format!(
        "[model]\nlayout = \"awd-lstm\"\nembedding_size = 16\nhidden_size = 24\nlayers = 2\nsequence_length = 16\n\
         dropout = {{ multiplier = 0.5, weight = 0.3 }}\n\
         [training]\nsteps = 6\nbatch_size = 2\nconsecutive = 4\nwarmup_steps = 1\nevaluate_every = 3\n\
         evaluate_documents = 2\n[measurement]\ndocuments = 3\n\
         [finetune]\nepochs = 1\nfrom_scratch_epochs = 1\nseeds = [1]\n\
         [[task]]\nname = \"topics\"\nlanguage = \"glg_Latn\"\n\
         train = \"{base}/train.tsv\"\nvalidation = \"{base}/dev.tsv\"\ntest = \"{base}/test.tsv\"\n"
    );
    let text = std::fs::read_to_string(place.path(&name)).unwrap() + &rest;
    place.write(&name, &text);
    name
}

fn json(place: &Place, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(place.path(name)).unwrap()).unwrap()
}

#[test]
fn from_dump_to_text_and_prediction_with_a_recurrent_model() {
    let place = Place::new();
    let recipe = recipe(&place);
    let parts = ["bits per byte", "glg_Latn", "pretrained", "report.html"];
    place.run(&["run", &recipe, "--output", "run"]).expect(0, &parts);
    let said = place.run(&["run", &recipe, "--output", "run", "--dry-run"]).expect(0, &["awd-lstm", "6 steps of 32"]);
    assert!(said.stdout.contains("MiB at its peak"), "{}", said.stdout);

    let config = json(&place, "run/model/config.json");
    assert_eq!((&config["model_type"], &config["dropout"]["multiplier"]), (&"awd-lstm".into(), &0.5.into()));
    let evaluation = json(&place, "run/model/evaluation.json");
    let bits = evaluation["languages"][0]["bits_per_byte"].as_f64().unwrap();
    assert!((1.0..8.0).contains(&bits), "{evaluation}");
    assert!(evaluation["windows"]["state"].as_str().unwrap().starts_with("carried"), "{evaluation}");
    let card = std::fs::read_to_string(place.path("run/model/README.md")).unwrap();
    assert!(card.contains("awd-lstm of 2 layers") && card.contains("`transformers` has no such model"), "{card}");
    let again = place.run(&["evaluate", "run", "--documents", "3", "--json"]).expect(0, &[]);
    assert_eq!(serde_json::from_str::<Value>(&again.stdout).unwrap(), evaluation);
    let wanted = ["stride is 4; expected none: a recurrent model carries its state"];
    place.run(&["evaluate", "run", "--stride", "4"]).expect(1, &wanted);

    // A prompt longer than any window of training.
    let prompt = "Unha frase longa. ".repeat(20);
    let sample = || place.run(&["sample", "run", "--prompt", &prompt, "--tokens", "8", "--json"]).expect(0, &[]).stdout;
    let text: Value = serde_json::from_str(&sample()).unwrap();
    assert!(text["tokens"].as_u64().is_some_and(|tokens| tokens > 0) && text["prompt"] == prompt.as_str(), "{text}");
    assert_eq!(sample(), sample());

    place.write("lines.txt", "Unha frase.\n");
    place.run(&["predict", "run/classifier/topics", "lines.txt"]).expect(0, &["\"text\":\"Unha frase.\"", "label"]);
}

#[test]
fn keys_of_another_layout_are_refused_with_the_ones_it_has() {
    let place = Place::new();
    let name = recipe(&place);
    let text = std::fs::read_to_string(place.path(&name)).unwrap();
    let refused = |from: &str, to: &str, wanted: &str| {
        place.write("other.toml", text.replace(from, to));
        place.run(&["run", "other.toml", "--dry-run"]).expect(2, &[wanted]);
    };
    refused("embedding_size = 16", "heads = 2", "unknown key `heads` in `model`");
    refused("multiplier = 0.5", "multiplier = 5.0", "dropout.weight times multiplier is 1.5");
    refused("weight = 0.3", "weigth = 0.3", "unknown field `weigth`");
    refused("documents = 3", "documents = 3\nstride = 4", "measurement: stride is 4; expected none");
    refused("awd-lstm", "awd-lsmt", "no layout `awd-lsmt`; did you mean `awd-lstm`");
}
