//! A model of two languages with language tokens: what begins its texts from the vocabulary to a text and a prediction.

use crate::harness::Place;
use serde_json::Value;
use tongues_pipeline::sample_wiki::SampleWiki;

/// A recipe of the first two languages of the sample wiki, with a model of a few steps and one task; their tags.
fn recipe(place: &Place) -> [String; 2] {
    let name = place.sample();
    SampleWiki::generate(7, 40).write_tasks(&place.path("tasks")).unwrap();
    let whole = std::fs::read_to_string(place.path(&name)).unwrap();
    let cut = whole.match_indices("[[source]]").nth(2).unwrap().0;
    let tags: Vec<String> = whole[..cut]
        .lines()
        .filter_map(|line| line.strip_prefix("language = "))
        .map(|tag| tag.replace('"', ""))
        .collect();
    let (tags, base) = (<[String; 2]>::try_from(tags).unwrap(), "tasks/sample_topics");
    let rest = format!(
        "[vocabulary]\nsize = 700\nlanguage_tokens = true\n\
         [model]\nhidden_size = 16\nlayers = 1\nheads = 2\nintermediate_size = 24\ncontext_length = 32\n\
         [training]\nsteps = 6\nbatch_size = 4\nwarmup_steps = 1\nevaluate_every = 3\nevaluate_documents = 2\n\
         learning_rate = 1e-2\nsample_tokens = 5\n[measurement]\ndocuments = 3\n\
         [finetune]\nepochs = 1\nfrom_scratch_epochs = 1\nseeds = [1]\n\
         [[task]]\nname = \"topics\"\nlanguage = \"{0}\"\ntrain = \"{base}/{0}/train.tsv\"\n\
         validation = \"{base}/{0}/dev.tsv\"\ntest = \"{base}/{0}/test.tsv\"\n",
        tags[1]
    );
    place.write("two.toml", format!("{}{rest}", &whole[..cut]));
    tags
}

fn json(place: &Place, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(place.path(name)).unwrap()).unwrap()
}

#[test]
fn a_text_begins_with_the_token_of_its_language() {
    let place = Place::new();
    let tags = recipe(&place);
    place.run(&["run", "two.toml", "--output", "run"]).expect(0, &["bits per byte", "pretrained"]);

    let vocabulary = std::fs::read_to_string(place.path("run/vocabulary/tokenizer.vocab")).unwrap();
    let pieces: Vec<&str> = vocabulary.lines().map(|line| line.split('\t').next().unwrap()).collect();
    let mut sorted = tags.clone();
    sorted.sort();
    assert_eq!(pieces[4..6], sorted.each_ref().map(|tag| format!("<{tag}>")));
    assert_eq!(json(&place, "run/model/config.json")["vocab_size"], 700, "they are among the pieces");
    let tokenizer = json(&place, "run/model/tokenizer.json");
    assert_eq!(tokenizer["added_tokens"].as_array().unwrap().len(), 6);
    let card = std::fs::read_to_string(place.path("run/model/README.md")).unwrap();
    let wanted = format!("the token of its language, one of 2, such as `<{}>`, in place of `<s>`", sorted[0]);
    assert!(card.contains(&wanted) && card.contains("given the token of the language"), "{card}");
    let evaluation = json(&place, "run/model/evaluation.json");
    assert_eq!(evaluation["windows"]["beginning"], "the token of the language, as context, not scored");
    let again = place.run(&["evaluate", "run", "--documents", "3", "--json"]).expect(0, &[]);
    assert_eq!(serde_json::from_str::<Value>(&again.stdout).unwrap(), evaluation);

    // The languages differ in nothing but what the text begins with.
    let sample = |arguments: &[&str]| place.run(&[&["sample", "run", "--prompt", "a"], arguments].concat());
    let of = |tag: &str| {
        let said = sample(&["--language", tag, "--temperature", "0", "--tokens", "4", "--json"]).expect(0, &[]).stdout;
        serde_json::from_str::<Value>(&said).unwrap()["log_probability"].as_f64().unwrap()
    };
    assert_eq!(of(&tags[0]), of(&tags[0]));
    assert_ne!(of(&tags[0]), of(&tags[1]));
    let known = format!("expected one that the model has a token of: {}", sorted.join(", "));
    sample(&["--language", "ltg_Latn"]).expect(1, &["cannot sample from run/model", "found ltg_Latn", &known]);
    sample(&[]).expect(1, &["`--language`: found none", &known]);
    sample(&["--language", "latgalian"]).expect(2, &["--language"]);

    place.write("lines.txt", "a\n");
    place.run(&["predict", "run/classifier/topics", "lines.txt"]).expect(0, &["label"]);

    // With another vocabulary it is another run: nothing of the first is gone on with.
    let text = std::fs::read_to_string(place.path("two.toml")).unwrap();
    place.write("without.toml", text.replace("language_tokens = true\n", ""));
    place.run(&["pretrain", "without.toml", "--output", "plain"]).expect(0, &[]);
    let plain = json(&place, "plain/model/evaluation.json");
    assert_eq!(plain["windows"]["beginning"], "<s>, as context, not scored");
    place.run(&["sample", "plain", "--prompt", "a"]).expect(0, &[]);
    let wanted = [&format!("found {}; expected none: the model has no language tokens", tags[0])[..]];
    place.run(&["sample", "plain", "--prompt", "a", "--language", &tags[0]]).expect(1, &wanted);
    place.write("typo.toml", text.replace("language_tokens = true", "language_tokens = 1"));
    place.run(&["run", "typo.toml", "--dry-run"]).expect(2, &["`vocabulary.language_tokens`: found integer"]);
}

#[test]
fn the_only_language_need_not_be_named() {
    let place = Place::new();
    let tags = recipe(&place);
    let text = std::fs::read_to_string(place.path("two.toml")).unwrap();
    let first = text.match_indices("[[source]]").next().unwrap().0;
    let second = text.match_indices("[[source]]").nth(1).unwrap().0;
    let encoder = text.replace("[model]\n", "[model]\nlayout = \"roberta\"\n").replace("size = 700", "size = 500");
    let vocabulary = encoder.find("[vocabulary]").unwrap();
    place.write(
        "one.toml",
        format!("{}{}{}", &text[..first], &text[second..text.find("[vocabulary]").unwrap()], &encoder[vocabulary..]),
    );
    place.run(&["pretrain", "one.toml", "--output", "run"]).expect(0, &["masked loss"]);
    let sample = |arguments: &[&str]| {
        place.run(&[&["sample", "run", "--prompt", "a <mask>."], arguments].concat()).expect(0, &[]).stdout
    };
    assert_eq!(sample(&[]), sample(&["--language", &tags[1]]));
    let template = &json(&place, "run/model/tokenizer.json")["post_processor"]["single"][0];
    assert_eq!(template["SpecialToken"]["id"], format!("<{}>", tags[1]));
}
