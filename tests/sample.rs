//! `tongues sample`: texts and lines of JSON from a run, from stdin, again and again the same; what is wrong named.

use crate::harness::Place;
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;

/// The sample wiki with a tiny model of a few steps, in the folder `run`.
fn pretrained() -> Place {
    let place = Place::new();
    let name = place.sample();
    let rest = "[model]\nlayout = \"gpt2\"\nhidden_size = 16\nlayers = 1\nheads = 2\nintermediate_size = 24\n\
                context_length = 32\n[training]\nsteps = 4\nbatch_size = 2\nwarmup_steps = 1\nevaluate_every = 2\n\
                evaluate_documents = 2\nclip = \"off\"\nlanguage_per = \"batch\"\nsample_tokens = 5\n\
                save_every = 2\nkeep_every = 2\n[measurement]\ndocuments = 3\n";
    let text = std::fs::read_to_string(place.path(&name)).unwrap() + rest;
    place.write(&name, &text);
    place.run(&["pretrain", &name, "--output", "run"]).expect(0, &[]);
    place
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_is_sampled_and_what_is_wrong_is_named() {
    let place = pretrained();
    let sample = |arguments: &[&str]| place.run(&[&["sample"], arguments].concat());
    let json = |arguments: &[&str]| lines(&sample(&[arguments, &["--json"]].concat()).expect(0, &[]).stdout);

    // The same seed, the same texts, of the run, of its model, of a checkpoint that stayed, with any number of threads.
    let some = ["--prompt", "kalo", "--tokens", "12"];
    let texts = json(&[&["run", "--count", "3"], &some[..]].concat());
    assert_eq!(texts, json(&[&["run/model", "--count", "3", "--threads", "1"], &some[..]].concat()));
    assert_eq!(texts[..1], json(&[&["run/model"], &some[..]].concat()));
    assert_ne!(texts, json(&[&["run", "--count", "3", "--seed", "2"], &some[..]].concat()));
    assert!(texts.len() == 3 && texts[0] != texts[1]);
    for text in &texts {
        assert_eq!(text["prompt"], "kalo");
        let (log, bytes) = (text["log_probability"].as_f64().unwrap(), text["text"].as_str().unwrap().len() as f64);
        let bits = text["bits_per_byte"].as_f64().unwrap();
        assert!(log < 0.0 && (bits * bytes + log / std::f64::consts::LN_2).abs() < 1e-6, "{text}");
        assert!(text["tokens"] == 12 || text["ended"] == true, "{text}");
    }
    assert_eq!(json(&[&["run/model/training/step-00000002"], &some[..]].concat()).len(), 1);

    // As text: prompt and continuation, an empty line between; longer than the context, the window slides.
    let said = sample(&[&["run", "--count", "2"], &some[..]].concat()).expect(0, &[]).stdout;
    let expected: Vec<String> =
        texts[..2].iter().map(|text| format!("kalo{}\n", text["text"].as_str().unwrap())).collect();
    assert_eq!(said, expected.join("\n"));
    let long = json(&["run", "--tokens", "100", "--temperature", "0"]);
    assert!(long[0]["tokens"].as_u64().unwrap() > 32 || long[0]["ended"] == true, "{long:?}");

    // The likeliest; a beam of one finds the same, a wider one nothing worse by its own measure.
    let greedy = json(&[&["run", "--temperature", "0"], &some[..]].concat());
    assert_eq!(greedy, json(&[&["run", "--beam", "1"], &some[..]].concat()));
    let beam = json(&[&["run", "--beam", "4", "--count", "4"], &some[..]].concat());
    let score = |text: &Value| text["log_probability"].as_f64().unwrap() / text["tokens"].as_f64().unwrap();
    assert!(beam.len() == 4 && beam.windows(2).all(|pair| score(&pair[0]) >= score(&pair[1])), "{beam:?}");

    // The prompt from a pipe.
    let mut command = place.command(&["sample", "run", "--tokens", "12", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all("kalo\n".as_bytes()).unwrap();
    let piped = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(lines(&piped), texts[..1]);

    // While it was trained.
    let log = lines(&std::fs::read_to_string(place.path("run/model/training/metrics.jsonl")).unwrap());
    let samples: Vec<&Value> = log.iter().filter(|line| line["kind"] == "samples").collect();
    assert_eq!(samples.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 2, 4]);
    assert!(samples.iter().all(|line| line["languages"]["glg_Latn"][0]["text"].is_string()), "{samples:#?}");

    // In card and report.
    let card = std::fs::read_to_string(place.path("run/model/README.md")).unwrap();
    assert!(card.contains("## Second halves of sentences") && card.contains("## Known by heart"), "{card}");

    // Measured otherwise, and not trained again.
    let model = place.path("run/model/model.safetensors");
    let written = || std::fs::metadata(&model).unwrap().modified().unwrap();
    let second_half = || {
        let text = std::fs::read_to_string(place.path("run/model/evaluation.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["languages"][1]["second_half"].clone()
    };
    let (before, recipe) = (written(), std::fs::read_to_string(place.path("sample.toml")).unwrap());
    assert!(second_half().is_object());
    place.write("sample.toml", recipe.replace("documents = 3", "documents = 3\nsentences = 0"));
    place.run(&["pretrain", "sample.toml", "--output", "run"]).expect(0, &[]);
    assert!(second_half().is_null());
    assert!(before == written(), "it was trained again");

    sample(&["none"]).expect(1, &["none: found no config.json, neither in it nor in its `model`"]);
    sample(&["run/tokens"]).expect(1, &["run/tokens: found no config.json"]);
    let long = "kalo ".repeat(40);
    let wanted = ["cannot sample from run/model", "a prompt of ", "expected 1 to 32, the model's context"];
    sample(&["run", "--prompt", &long]).expect(1, &wanted);
    let wanted = ["`--prompt`: found <mask>", "GPT2LMHeadModel, which goes on with a text; expected an encoder"];
    sample(&["run", "--prompt", "kalo <mask>"]).expect(1, &wanted);
    sample(&["run", "--beam", "2", "--count", "3"]).expect(1, &["`--count`: found 3; expected at most 2"]);
    sample(&["run", "--temperature=-1", "--top-p", "2"]).expect(1, &["temperature is -1", "top_p is 2"]);
    sample(&["run", "--beam", "2", "--seed", "2"]).expect(2, &["cannot be used with"]);
    sample(&["--help"]).expect(0, &["Example: tongues sample quickstart --prompt"]);
}
