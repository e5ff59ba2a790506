//! An encoder from a dump to a prediction: it is told from a decoder by its layout, and measured by its own figures.

use crate::harness::Place;
use serde_json::Value;
use tongues_pipeline::sample_wiki::SampleWiki;

/// The sample recipe with a tiny encoder of a few steps and one task.
fn recipe(place: &Place) -> String {
    let name = place.sample();
    SampleWiki::generate(7, 40).write_tasks(&place.path("tasks")).unwrap();
    let base = "tasks/sample_topics/glg_Latn";
    let rest = format!(
        "[model]\nlayout = \"xlm-roberta\"\nhidden_size = 16\nlayers = 1\nheads = 2\nintermediate_size = 24\n\
         context_length = 32\nmasked_share = 0.3\nwhole_words = true\n\
         [training]\nsteps = 6\nbatch_size = 2\nwarmup_steps = 1\nevaluate_every = 3\nevaluate_documents = 2\n\
         separate_documents = true\n[measurement]\ndocuments = 3\n\
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
fn from_dump_to_prediction_with_an_encoder() {
    let place = Place::new();
    let recipe = recipe(&place);
    let parts = ["masked loss", "pseudo bits per byte", "glg_Latn", "pretrained", "report.html"];
    place.run(&["run", &recipe, "--output", "run"]).expect(0, &parts);

    let config = json(&place, "run/model/config.json");
    assert_eq!(config["architectures"][0], "XLMRobertaForMaskedLM");
    assert_eq!((&config["vocab_size"], &config["mask_token_id"]), (&1201.into(), &1200.into()));
    assert_eq!(config["max_position_embeddings"], 36, "32, and <pad> is 3");
    let tokens = json(&place, "run/model/tokenizer.json");
    assert_eq!(tokens["added_tokens"].as_array().unwrap().last().unwrap()["id"], 1200);
    assert_eq!(json(&place, "run/model/tokenizer_config.json")["mask_token"], "<mask>");

    // An untrained model pays the logarithm of the vocabulary, 7.09; nothing of it is called bits per byte.
    let evaluation = json(&place, "run/model/evaluation.json");
    let language = &evaluation["languages"][0];
    let loss = language["masked_loss"].as_f64().unwrap();
    assert!((5.0..8.0).contains(&loss) && evaluation["masks"]["share"] == 0.15, "{evaluation}");
    assert!(language["pseudo_likelihood"]["pseudo_bits_per_byte"].as_f64().unwrap() > 1.0, "{language}");
    assert!(language.get("bits_per_byte").is_none());
    let card = std::fs::read_to_string(place.path("run/model/README.md")).unwrap();
    assert!(
        card.contains("encoder of 1 layers") && card.contains("none of this can be compared with bits per byte"),
        "{card}"
    );
    let again = place.run(&["evaluate", "run", "--documents", "3", "--json"]).expect(0, &[]);
    assert_eq!(serde_json::from_str::<Value>(&again.stdout).unwrap(), evaluation);

    // While it was trained: words of a held-out sentence, hidden and told.
    let log = std::fs::read_to_string(place.path("run/model/training/metrics.jsonl")).unwrap();
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let samples: Vec<&Value> = log.iter().filter(|line| line["kind"] == "samples").collect();
    assert_eq!(samples.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 3, 6]);
    for line in &samples {
        let sample = &line["languages"]["glg_Latn"][0];
        let (prompt, word) = (sample["prompt"].as_str().unwrap(), &sample["masks"][0]);
        assert!(prompt.contains("<mask>") && !sample["text"].as_str().unwrap().contains("<mask>"), "{sample}");
        assert!(!word["truth"].as_str().unwrap().is_empty() && word["probability"].as_f64() > Some(0.0), "{sample}");
    }

    // After: what stands for a mask.
    let sample = |arguments: &[&str]| place.run(&[&["sample", "run"], arguments].concat());
    let prompt = ["--prompt", "Unha <mask> de <mask>."];
    let said = sample(&[&prompt[..], &["--json"]].concat()).expect(0, &[]).stdout;
    let masks: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(masks.iter().map(|mask| mask["mask"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    let candidates = masks[1]["candidates"].as_array().unwrap();
    let shares: Vec<f64> = candidates.iter().map(|one| one["probability"].as_f64().unwrap()).collect();
    assert!(shares.len() == 5 && shares.windows(2).all(|pair| pair[0] >= pair[1]) && shares[4] > 0.0, "{said}");
    assert!(candidates.iter().all(|one| one["text"].as_str().unwrap().starts_with("Unha <mask> de")), "{said}");
    let said = sample(&[&prompt[..], &["--count", "2"]].concat()).expect(0, &[]).stdout;
    assert_eq!(said.lines().map(|line| line.split('\t').count()).collect::<Vec<_>>(), [3, 3, 1, 3, 3]);
    sample(&["--prompt", "Unha"]).expect(1, &["a prompt without <mask>"]);
    sample(&["--prompt", "<mask>", "--beam", "2"]).expect(1, &["`--beam`", "XLMRobertaForMaskedLM"]);

    // What it would take to train it again.
    let said = place.run(&["run", &recipe, "--output", "run", "--dry-run"]).expect(0, &[]).stdout;
    for part in ["model   xlm-roberta", "6 steps of 64 tokens  about 1 min", "MiB at its peak"] {
        assert!(said.contains(part), "{said}");
    }

    place.write("lines.txt", "Unha frase.\n");
    place.run(&["predict", "run/classifier/topics", "lines.txt"]).expect(0, &["\"text\":\"Unha frase.\"", "label"]);
    assert_eq!(json(&place, "run/classifier/topics/model/classifier.json")["pooling"], "first_mean_max");
}

#[test]
fn keys_of_another_layout_are_refused_with_the_ones_it_has() {
    let place = Place::new();
    let name = recipe(&place);
    let text = std::fs::read_to_string(place.path(&name)).unwrap();
    place.write("rope.toml", text.replace("masked_share = 0.3", "rope_theta = 5.0"));
    place.run(&["run", "rope.toml", "--dry-run"]).expect(2, &["unknown key `rope_theta` in `model`"]);
    place.write("share.toml", text.replace("masked_share = 0.3", "masked_share = 1.5"));
    place.run(&["run", "share.toml", "--dry-run"]).expect(2, &["masked_share is 1.5"]);
    place.write("layout.toml", text.replace("xlm-roberta", "xlm-roberto"));
    place
        .run(&["run", "layout.toml", "--dry-run"])
        .expect(2, &["no layout `xlm-roberto`", "did you mean `xlm-roberta`"]);
}
