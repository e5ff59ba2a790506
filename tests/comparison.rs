//! A language alone and with relatives: a small experiment from recipe to table, killed half-way, and what can be wrong.

use crate::harness::Place;
use crate::samples::assert_same;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tongues_pipeline::sample_wiki::SampleWiki;

const COMPARISON: &str = "
[tokens]
validation = 0.1
test = 0.1

[model]
hidden_size = 16
layers = 1
heads = 2
intermediate_size = 24
context_length = 32

[training]
steps = 6
batch_size = 2
warmup_steps = 2
evaluate_every = 3
evaluate_documents = 2
save_every = 1

[measurement]
documents = 3

[comparison]
language = \"glg_Latn\"
seeds = [5]
share = 0.4
tokens_limit = 1500

[[mixture]]
name = \"alone\"
languages = [\"glg_Latn\"]

[[mixture]]
name = \"relatives\"
languages = [\"glg_Latn\", \"por_Latn\", \"spa_Latn\"]
";

/// The sample recipe with a comparison of two mixtures and one seed.
fn recipe(place: &Place, more: &str) -> String {
    let name = place.sample();
    let text = std::fs::read_to_string(place.path(&name)).unwrap() + COMPARISON + more;
    place.write(&name, &text);
    name
}

fn json(place: &Place, path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(place.path(path)).unwrap()).unwrap()
}

/// What a comparison leaves, but for what tells the time.
fn result(place: &Place, run: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let timed = |path: &PathBuf| {
        let path = path.to_string_lossy();
        path.contains("training/tensorboard") || path.ends_with("metrics.jsonl")
    };
    let files = place.tree(&format!("{run}/comparison"));
    files.into_iter().filter(|(path, _)| !timed(path)).collect()
}

#[test]
fn a_language_alone_and_with_relatives_killed_half_way_as_undisturbed() {
    let place = Place::new();
    let recipe = recipe(&place, "");
    let plan = ["run", &recipe, "--output", "one", "--dry-run"];
    place.run(&plan).expect(0, &["train   tokens not counted yet  1 × each of 2 mixtures"]);
    let parts =
        ["| alone | glg_Latn | 6 |", "| relatives | glg_Latn por_Latn spa_Latn | 15 |", "| relatives − alone |"];
    place.run(&["run", &recipe, "--output", "one", "--threads", "1"]).expect(0, &parts);

    let planned = [
        "train   alone  1 × 6 steps of 64 tokens  about 1 min",
        "train   relatives  1 × 15 steps of 64 tokens  about 1 min",
        "train   all  21 steps of 64 tokens  about 1 min",
    ];
    place.run(&plan).expect(0, &planned);

    // 6 steps of 2 windows of 32 tokens; 0.4 of 15 such steps are as many tokens of the studied language.
    let results = json(&place, "one/comparison/results.json");
    let [alone, relatives] = [0, 1].map(|at| &results["conditions"][at]);
    assert_eq!((&alone["tokens_seen"], &alone["studied_tokens_seen"]), (&384.into(), &384.into()));
    assert_eq!((&relatives["tokens_seen"], &relatives["studied_tokens_seen"]), (&960.into(), &384.into()));
    let difference = &results["differences"][0]["bits_per_byte"];
    let bits = |of: &Value| of["bits_per_byte"]["mean"].as_f64().unwrap();
    assert!((difference["mean"].as_f64().unwrap() - (bits(relatives) - bits(alone))).abs() < 1e-12, "{results}");
    assert_eq!(difference["interval"], Value::Null, "one seed has no interval");
    let ends = results["differences"][0]["documents_interval"].as_array().unwrap();
    let mean = difference["mean"].as_f64().unwrap();
    assert!(ends[0].as_f64().unwrap() < mean && mean < ends[1].as_f64().unwrap(), "three documents have one: {ends:?}");
    let training = results["training_tokens"].as_u64().unwrap();
    assert!((1000..1700).contains(&training), "{training}: 1,500 and two for each document");

    // Each model is a model folder of its own, measured on the studied language alone.
    let evaluation = json(&place, "one/comparison/relatives/seed-5/evaluation.json");
    assert_eq!(evaluation["languages"].as_array().unwrap().len(), 1);
    assert_eq!(evaluation["languages"][0]["bits_per_byte"], relatives["bits_per_byte"]["values"][0]);
    let counts = &json(&place, "one/comparison/relatives/seed-5/manifest.json")["counts"];
    assert_eq!(counts["languages"], serde_json::json!(["glg_Latn", "por_Latn", "spa_Latn"]));
    let html = std::fs::read_to_string(place.path("one/report.html")).unwrap();
    assert!(html.contains("id=\"comparison\"") && html.contains("relatives − alone"));
    assert!(html.contains("This run compares several models") && !html.contains("No model was trained"));

    // Killed in the second model: the first is told of and not trained again, the second goes on.
    let mut child = place.start(&["run", &recipe, "--output", "two", "--threads", "2"]);
    let began = Instant::now();
    while !place.path("two/comparison/relatives/seed-5/training/state.json").exists() {
        assert!(began.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none(), "no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path("two/comparison/relatives/seed-5/manifest.json").exists(), "it was killed too late");
    let half = json(&place, "two/comparison/results.json");
    assert_eq!((half["conditions"].as_array().unwrap().len(), &half["conditions"][0]), (1, alone));
    let stamp = |path: &str| std::fs::metadata(place.path(path)).unwrap().modified().unwrap();
    let first = "two/comparison/alone/seed-5/manifest.json";
    let before = stamp(first);
    place.run(&["run", &recipe, "--output", "two", "--threads", "2"]).expect(0, &parts);
    assert_eq!(stamp(first), before);
    assert_same(&result(&place, "two"), &result(&place, "one"), "killed");

    // Done is done; a model of a comparison is measured like any other.
    let before = stamp("two/comparison/results.json");
    place.run(&["pretrain", &recipe, "--output", "two"]).expect(0, &parts);
    assert_eq!(stamp("two/comparison/results.json"), before);
    place
        .run(&["evaluate", "two/comparison/alone/seed-5", "--tokens", "two", "--documents", "2"])
        .expect(0, &["por_Latn"]);
}

#[test]
fn tasks_of_a_comparison_are_done_with_every_model() {
    let place = Place::new();
    let base = "tasks/sample_topics/glg_Latn";
    SampleWiki::generate(7, 40).write_tasks(&place.path("tasks")).unwrap();
    let task = format!(
        "[finetune]\nepochs = 1\nfrom_scratch_epochs = 1\n[[task]]\nname = \"topics\"\nlanguage = \"glg_Latn\"\n\
         train = \"{base}/train.tsv\"\nvalidation = \"{base}/dev.tsv\"\ntest = \"{base}/test.tsv\"\n"
    );
    let recipe = recipe(&place, &task);
    let parts = ["| topics glg_Latn, accuracy, % | pretrained |", "| relatives | "];
    let said = place.run(&["run", &recipe, "--output", "out"]).expect(0, &parts);
    for condition in ["alone", "relatives"] {
        let results = json(&place, &format!("out/comparison/{condition}/seed-5/classifier/topics/results.json"));
        let methods = results["methods"].as_array().unwrap();
        let pretrained = methods.iter().find(|found| found["method"] == "pretrained").unwrap();
        assert_eq!(pretrained["seeds"], serde_json::json!([5]));
        let row = format!("| {condition} | {:.1} |", 100.0 * pretrained["accuracy_mean"].as_f64().unwrap());
        assert!(said.stdout.contains(&row), "missing `{row}` in\n{}", said.stdout);
    }
}

#[test]
fn mistakes_in_a_comparison_come_with_their_lines_before_any_work() {
    let place = Place::new();
    let name = place.sample();
    let sources = std::fs::read_to_string(place.path(&name)).unwrap();
    let sections = "[comparison]\nlanguage = \"glg_Latn\"\nshare = 1.0\nseeds = [2, 2]\ntokens_limit = 0\nequal = \"steps\"\n\
        [[mixture]]\nname = \"alone\"\nlanguages = [\"por_Latn\"]\n\
        [[mixture]]\nname = \"alone\"\nlanguages = [\"glg_Latn\", \"glg_Latn\", \"lvs_Latn\", \"spa_Ltn\"]\n\
        [[mixture]]\nname = \"a/b\"\nlanguages = [\"glg_Latn\"]\nlanguage = \"glg_Latn\"\n\
        [[mixture]]\nname = \"alone-longer\"\nlanguages = [\"glg_Latn\"]\n";
    place.write("wrong.toml", sources.clone() + sections);
    let said = place.run(&["run", "wrong.toml", "--output", "out"]).expect(2, &["12 mistakes"]);
    let above = sources.lines().count();
    for (line, message) in [
        (3, "`share` is 1; expected more than 0 and less than 1"),
        (4, "`seeds` is [2, 2]; expected each once"),
        (5, "`tokens_limit` is 0; expected at least 1"),
        (6, "`comparison.equal`: unknown variant `steps`, expected one of `own`, `total`, `both`"),
        (9, "`alone` is without `glg_Latn`, the language that is studied; expected it in every mixture"),
        (11, "two of `[[mixture]]` are named `alone`; names are folders of models"),
        (12, "`glg_Latn` is there twice"),
        (12, "`lvs_Latn`: no `[[source]]` has text of it; there is bel_Cyrl, glg_Latn, hin_Deva"),
        (12, "language tag `spa_Ltn`"),
        (14, "`a/b`: the name is a folder of results"),
        (16, "unknown key `language` in `mixture`; did you mean `languages`?"),
        (18, "`alone-longer`: names that end in `-longer` are given by `equal = \"both\"`"),
    ] {
        let wanted = format!("  line {}: {message}", above + line);
        assert!(said.stderr.contains(&wanted), "missing `{wanted}` in\n{}", said.stderr);
    }
    assert!(!place.path("out").exists());

    // The studied language has no text; one mixture compares nothing; a mixture without a comparison.
    for (sections, messages) in [
        (
            "[comparison]\nlanguage = \"lvs_Latn\"\n",
            ["`lvs_Latn`: no `[[source]]` has text of it", "found 0 of `[[mixture]]`"],
        ),
        ("[comparison]\nshare = 0.3\n", ["a comparison needs the `language` that is studied", "expected two or more"]),
        ("[[mixture]]\nname = \"a\"\n", ["add `[comparison]`", "1 mistake\n"]),
    ] {
        place.write("wrong.toml", sources.clone() + sections);
        place.run(&["run", "wrong.toml", "--output", "out"]).expect(2, &messages);
    }
    assert!(!place.path("out").exists());
}
