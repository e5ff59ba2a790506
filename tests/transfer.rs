//! The second half of the way: language model, classifier, prediction; the same bytes whatever happens on the way.

use crate::harness::{Place, Said};
use crate::samples::assert_same;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tongues_pipeline::sample_wiki::SampleWiki;

/// The sample recipe with a tiny model, 14 steps and one task.
fn recipe(place: &Place) -> String {
    let name = place.sample();
    SampleWiki::generate(7, 40).write_tasks(&place.path("tasks")).unwrap();
    let base = "tasks/sample_topics/glg_Latn";
    let rest = format!(
        "[model]\nhidden_size = 16\nlayers = 1\nheads = 2\nintermediate_size = 24\ncontext_length = 32\n\
         [training]\nsteps = 14\nbatch_size = 2\nwarmup_steps = 3\nevaluate_every = 5\nevaluate_documents = 2\nsave_every = 2\n\
         [finetune]\nepochs = 1\nfrom_scratch_epochs = 1\nseeds = [1, 2]\n\
         [[task]]\nname = \"topics\"\nlanguage = \"glg_Latn\"\n\
         train = \"{base}/train.tsv\"\nvalidation = \"{base}/dev.tsv\"\ntest = \"{base}/test.tsv\"\n"
    );
    let text = std::fs::read_to_string(place.path(&name)).unwrap() + &rest;
    place.write(&name, &text);
    name
}

/// What a run leaves, but for what tells the time or where it ran.
fn result(place: &Place, run: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let timeless = |path: &PathBuf| {
        let told = [
            "model/training/tensorboard",
            "training/metrics.jsonl",
            "classifier/topics/manifest.json",
            "report",
            "plan.json",
            "documents",
        ];
        !told.iter().any(|name| path.to_string_lossy().starts_with(name) || path.to_string_lossy().ends_with(name))
    };
    place.tree(run).into_iter().filter(|(path, _)| timeless(path)).collect()
}

#[test]
fn from_dump_to_prediction_with_two_threads_and_a_kill_as_with_one() {
    let place = Place::new();
    let recipe = recipe(&place);
    let parts = ["bits per byte", "glg_Latn", "pretrained", "±", "report.html"];
    place.run(&["run", &recipe, "--output", "one", "--threads", "1"]).expect(0, &parts);

    // `kill -9` in the middle of the training, after a checkpoint; then the same command again.
    let mut child = place.start(&["run", &recipe, "--output", "two", "--threads", "2"]);
    let began = Instant::now();
    while !place.path("two/model/training/state.json").exists() {
        assert!(began.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none(), "no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path("two/model/manifest.json").exists(), "it was killed too late");
    place.run(&["run", &recipe, "--output", "two", "--threads", "2"]).expect(0, &parts);
    assert_same(&result(&place, "two"), &result(&place, "one"), "killed");

    // A third run does nothing; the classifier answers; another vocabulary under it is refused.
    let stamp = || std::fs::metadata(place.path("two/model/manifest.json")).unwrap().modified().unwrap();
    let before = stamp();
    place.run(&["finetune", &recipe, "--output", "two"]).expect(0, &parts);
    assert_eq!(stamp(), before);
    place.write("lines.txt", "Unha frase.\n");
    place.run(&["predict", "two/classifier/topics", "lines.txt"]).expect(0, &["\"text\":\"Unha frase.\"", "label"]);
    let other = std::fs::read_to_string(place.path(&recipe)).unwrap().replace("size = 1200", "size = 1100");
    place.write("other.toml", &other);
    place.run(&["vocabulary", "other.toml", "--output", "other"]).expect(0, &[]);
    let from = place.path("other/vocabulary/tokenizer.model");
    std::fs::copy(from, place.path("two/classifier/topics/model/tokenizer.model")).unwrap();
    place
        .run(&["predict", "two/classifier/topics", "lines.txt"])
        .expect(1, &["two/classifier/topics/model", "1100", "1200"]);

    // A checkpoint of other settings is not gone on with.
    place.run(&["pretrain", &recipe, "--output", "one"]).expect(0, &[]);
    std::fs::remove_file(place.path("one/model/manifest.json")).unwrap();
    let longer = std::fs::read_to_string(place.path(&recipe)).unwrap().replace("steps = 14", "steps = 20");
    place.write("longer.toml", &longer);
    place
        .run(&["pretrain", "longer.toml", "--output", "one"])
        .expect(1, &["state.json, settings.training.steps: found 14; expected 20"]);
}

/// A training is stopped at twenty steps drawn at random, in turns by `kill -9`, which it cannot know of, and by SIGTERM,
/// upon which it saves and leaves; each run goes on from the one before.
#[cfg(unix)]
#[test]
fn a_training_stopped_at_twenty_random_steps_is_an_undisturbed_one() {
    const STEPS: u64 = 160;
    let place = Place::new();
    let recipe = recipe(&place);
    let text = std::fs::read_to_string(place.path(&recipe)).unwrap();
    place.write(
        &recipe,
        text.replace("steps = 14", &format!("steps = {STEPS}")).replace("save_every = 2", "save_every = 3"),
    );
    place.run(&["pretrain", &recipe, "--output", "one", "--threads", "1"]).expect(0, &[]);
    place.run(&["vocabulary", &recipe, "--output", "two"]).expect(0, &[]);
    // Another draw in every run of the test; the failure says which.
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let key = tongues_pretrain::random::Key::new(seed);
    let mut steps: Vec<u64> = (0..20).map(|index| key.below(index, STEPS - 20)).collect();
    steps.sort_unstable();
    let metrics = place.path("two/model/training/metrics.jsonl");
    let done =
        || std::fs::read_to_string(&metrics).map_or(0, |lines| lines.matches("\"kind\":\"train\"").count() as u64);
    let mut stopped = 0;
    for (number, step) in steps.iter().enumerate() {
        let mut child = place.start(&["pretrain", &recipe, "--output", "two", "--threads", "2"]);
        let began = Instant::now();
        while done() <= *step && child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(120), "step {step} never came");
            std::thread::sleep(Duration::from_micros(300));
        }
        if number % 2 == 0 {
            child.kill().unwrap();
        } else {
            Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap();
        }
        let said: Said = child.wait_with_output().unwrap().into();
        assert!([-1, 0, 130].contains(&said.code), "steps {steps:?}: {}", said.stderr);
        stopped += usize::from(said.code != 0);
    }
    assert!(stopped >= 15, "only {stopped} runs were caught, steps {steps:?}");
    place.run(&["pretrain", &recipe, "--output", "two", "--threads", "1"]).expect(0, &[]);
    assert_same(&result(&place, "two"), &result(&place, "one"), &format!("stopped at the steps {steps:?}"));
}
