//! `tongues identify`.

use crate::harness::Place;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// An identifier of two languages nobody speaks.
fn model(place: &Place) {
    let line =
        |words: [&str; 4], i: usize| (0..8).map(|j| words[(i * (j + 3) / 2 + j) % 4]).collect::<Vec<_>>().join(" ");
    for (tag, words) in [("aaa_Latn", ["mēka", "šuri", "valū", "tēni"]), ("bbb_Cyrl", ["дуго", "рака", "мило", "пето"])]
    {
        let text: String = (0..200).map(|i| format!("{} {i}\n", line(words, i))).collect();
        place.write(&format!("text/{tag}.txt"), text);
    }
    place.run(&["languages", "train", "text/{language}.txt"]).expect(0, &[]);
}

#[test]
fn every_line_gets_a_tag_and_a_score() {
    let place = Place::new();
    model(&place);
    place.write("lines.txt", "valū mēka\r\nрака дуго мило\n\nтēни");
    let run = |more: &[&str]| place.run(&[&["identify", "--model", "identifier", "lines.txt"], more].concat());
    let said = run(&[]).expect(0, &[]);
    let rows: Vec<Vec<&str>> = said.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!((rows[0][0], rows[1][0]), ("aaa_Latn", "bbb_Cyrl"));
    assert!(rows[0][1].parse::<f32>().unwrap() > 0.5 && rows[2] == ["und_Zzzz", "0.0000"]);
    let said = run(&["--top", "2"]).expect(0, &[]);
    let row: Vec<&str> = said.stdout.lines().next().unwrap().split('\t').collect();
    // The other language is written in another script.
    assert_eq!((row.len(), row[0]), (2, "aaa_Latn"));
    // With one candidate there is no choice, but for the script.
    let said = run(&["--candidates", "bbb_Cyrl", "--json"]).expect(0, &[]);
    let line =
        |place: usize| -> serde_json::Value { serde_json::from_str(said.stdout.lines().nth(place).unwrap()).unwrap() };
    assert_eq!(line(0)["languages"][0]["language"], "und_Latn");
    assert_eq!(line(1)["languages"], serde_json::json!([{ "language": "bbb_Cyrl", "score": 1.0 }]));
    assert_eq!(line(1)["text"], "рака дуго мило");
    run(&["--candidates", "ltg_Latn"]).expect(1, &["found ltg_Latn", "aaa_Latn bbb_Cyrl"]);
    run(&["--top", "0"]).expect(2, &["--top"]);
    place.run(&["identify", "--model", "none.bin"]).expect(1, &["none.bin"]);
}

#[test]
fn a_pipe_is_answered_line_by_line() {
    let place = Place::new();
    model(&place);
    let mut command = place.command(&["identify", "--model", "identifier/identifier.bin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for (line, tag) in [("šuri tēni", "aaa_Latn"), ("пето рака", "bbb_Cyrl")] {
        writeln!(input, "{line}").unwrap();
        assert!(output.next().unwrap().unwrap().starts_with(tag));
    }
    drop(input);
    assert!(output.next().is_none() && child.wait().unwrap().success());
}

#[test]
fn the_identifier_of_the_program_needs_no_model() {
    let place = Place::new();
    place.write("lines.txt", "The weather is nice today and we go for a walk.\n12 %\nabc\n");
    let tags = |more: &[&str]| -> Vec<String> {
        let said = place.run(&[&["identify", "lines.txt"], more].concat()).expect(0, &[]);
        said.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    assert_eq!(tags(&[]), ["eng_Latn", "zxx_Zzzz", "und_Latn"]);
    let guessed = tags(&["--guess"]);
    assert!(guessed[..2] == ["eng_Latn", "zxx_Zzzz"] && guessed[2] != "und_Latn", "{guessed:?}");
}
