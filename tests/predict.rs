//! `tongues predict`: what comes in a pipe or a file is answered in its order, and what is wrong is named.

use crate::harness::Place;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tongues_finetune::Device;
use tongues_finetune::classifier::{Card, Classifier, FORMAT, Network, Tokenizer};
use tongues_pipeline::progress::Silent;
use tongues_pipeline::vocabulary::source::{Memory, Text};
use tongues_pipeline::vocabulary::{VocabularySettings, train_on};
use tongues_pretrain::models::decoder::{Decoder, DecoderConfig};
use tongues_pretrain::random::Key;

/// A classifier that learnt nothing: what is tested here is how texts come in and answers go out.
fn classifier(place: &Place) -> PathBuf {
    let folder = place.path("model");
    let sentence = |i: u64| -> String {
        let syllable = |j: u64| ["ka", "lo ", "mē", "šu ", "ri", "ta ", "voi", "pū "][Key::new(i).below(j, 8) as usize];
        (0..20).map(syllable).collect()
    };
    let texts = (0..200).map(|i| Text { id: format!("a:{i}"), text: sentence(i) }).collect();
    let settings = VocabularySettings { size: 300, ..Default::default() };
    train_on(&Memory([("ltg_Latn".parse().unwrap(), texts)].into()), Vec::new(), &settings, &folder, &Silent).unwrap();
    let tokenizer = Tokenizer::load(&folder).unwrap();
    let sizes = DecoderConfig { vocabulary_size: 300, hidden_size: 16, layers: 1, heads: 2, ..Default::default() };
    let config = DecoderConfig { intermediate_size: 24, context_length: 32, ..sizes };
    let decoder = Decoder::new(&config, 1, &Device::Cpu).unwrap();
    let network = Network::new(&decoder, 2, 0.1, 1).unwrap();
    let card = Card {
        format: FORMAT,
        task: "kinds".into(),
        language: "ltg_Latn".parse().unwrap(),
        labels: vec!["birds".into(), "boats".into()],
        pooling: network.pooling().name().into(),
        maximum_tokens: 32,
        seed: 1,
        vocabulary_sha256: tokenizer.sha256().into(),
        validation_accuracy: None,
        validation_macro_f1: None,
    };
    Classifier::new(network, tokenizer.into(), card).unwrap().save(&folder).unwrap();
    folder
}

fn texts(stdout: &str) -> Vec<String> {
    let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    stdout.lines().map(|line| value(line)["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn files_and_tables_are_answered_in_their_order() {
    let place = Place::new();
    classifier(&place);
    place.write("lines.txt", "kalo\r\n\nmēšu  rita\n🙂 \"voi\"");
    let said =
        place.run(&["predict", "model", "lines.txt"]).expect(0, &["\"label\":\"b", "\"probabilities\":{\"birds\":0."]);
    assert_eq!(texts(&said.stdout), ["kalo", "", "mēšu  rita", "🙂 \"voi\""]);
    place.write("table.tsv", "id\theadline\n1\tkalo\n2\n3\tmēšu  rita\n");
    let table = place.run(&["predict", "model", "table.tsv"]).expect(0, &[]);
    assert_eq!(table.stdout.lines().collect::<Vec<_>>(), said.stdout.lines().take(3).collect::<Vec<_>>());
    let table = place.run(&["predict", "model", "table.tsv", "--text-column", "id"]).expect(0, &[]);
    assert_eq!(texts(&table.stdout), ["1", "2", "3"]);
    place.write("empty.txt", "");
    assert_eq!(place.run(&["predict", "model", "empty.txt"]).expect(0, &[]).stdout, "");
}

#[test]
fn what_is_wrong_is_named() {
    let place = Place::new();
    classifier(&place);
    place.run(&["predict", "none"]).expect(1, &["cannot open the classifier none", "found no classifier.json"]);
    place.run(&["predict", "model", "none.txt"]).expect(1, &["none.txt"]);
    place.write("lines.txt", "kalo\n");
    place.run(&["predict", "model", "lines.txt", "--text-column", "x"]).expect(1, &["lines.txt; expected a table"]);
    place.write("table.csv", "id,txt\n1,kalo\n");
    place.run(&["predict", "model", "table.csv"]).expect(1, &["no text column", "did you mean `txt`"]);
    std::fs::write(place.path("bytes.txt"), b"kalo\nab\xff\nrita\n").unwrap();
    let said = place.run(&["predict", "model", "bytes.txt"]);
    let said = said.expect(1, &["bytes.txt, line 2: found the byte 0xff at byte 3; expected UTF-8"]);
    assert_eq!(texts(&said.stdout), ["kalo"]);
}

#[test]
fn a_pipe_is_answered_line_by_line_and_may_be_closed() {
    let place = Place::new();
    let model = classifier(&place);
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tongues"));
        command.arg("predict").arg(&model).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut child = start();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in ["kalo", "", "mēšu"] {
        // The next line is written only when this one is answered.
        writeln!(input, "{line}").unwrap();
        assert_eq!(texts(&output.next().unwrap().unwrap()), [line]);
    }
    drop(input);
    assert!(output.next().is_none() && child.wait().unwrap().success());

    let mut child = start();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    writeln!(input, "kalo").unwrap();
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    let _ = writeln!(input, "rita");
    drop(input);
    let end = child.wait_with_output().unwrap();
    assert!(end.status.success() && end.stderr.is_empty(), "{}", String::from_utf8_lossy(&end.stderr));
}

#[cfg(unix)]
#[test]
fn one_ctrl_c_is_enough_while_it_waits_for_a_line() {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    let place = Place::new();
    let model = classifier(&place);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tongues"));
    command.arg("predict").arg(&model).stdin(Stdio::piped()).stdout(Stdio::piped());
    // A shell starts what it runs in the background without Ctrl-C, and tests that it runs hand that on.
    // SAFETY: between fork and exec it calls nothing but signal(2), which may be called there.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    writeln!(input, "kalo").unwrap();
    output.read_line(&mut String::new()).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let waited = (0..600).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        child.try_wait().unwrap()
    });
    child.kill().unwrap();
    assert_eq!(waited.expect("it goes on waiting").signal(), Some(2));
}
