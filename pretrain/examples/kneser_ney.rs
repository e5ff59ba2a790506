//! Prints what the Kneser–Ney model makes of a text, to be held against another implementation (`lmplz -o 5` and
//! `query` of KenLM): `cargo run --workspace --example kneser_ney -- TRAIN TEST [ORDER]`, files of one sentence a line,
//! words between spaces. The vocabulary is as KenLM counts it: the words of TRAIN, one for all others, and `</s>`.

use std::collections::HashMap;
use tongues_pretrain::ngram::{KneserNey, Text};

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let order = arguments.get(2).map_or(5, |order| order.parse().expect("ORDER is a number"));
    let (train, test) = (std::fs::read_to_string(&arguments[0])?, std::fs::read_to_string(&arguments[1])?);
    let (unknown, end) = (0, 1);
    let mut ids: HashMap<&str, u32> = HashMap::new();
    for word in train.split_whitespace() {
        let next = ids.len() as u32 + 2;
        ids.entry(word).or_insert(next);
    }
    // `<s>` is no word that can come: its id is beyond the vocabulary.
    let size = ids.len() + 2;
    let mut text = Text { beginning: size as u32, vocabulary_size: size, ..Default::default() };
    let line = |line: &str| -> Vec<u32> {
        line.split_whitespace().map(|word| ids.get(word).copied().unwrap_or(unknown)).collect()
    };
    train.lines().for_each(|words| text.push(&line(words), end));
    let model = KneserNey::train(&text, order);
    println!("n-grams {:?}", model.sizes());
    for (length, discounts) in (1..).zip(model.discounts()) {
        println!("discounts {length} {:?}", discounts.0);
    }
    let (mut bits, mut tokens) = (0.0, 0);
    for words in test.lines() {
        let closed: Vec<u32> = line(words).into_iter().chain([end]).collect();
        tokens += closed.len();
        let these: f64 = model.bits(&closed).iter().sum();
        println!("sentence {:.4}", -these * std::f64::consts::LOG10_2);
        bits += these;
    }
    println!("tokens {tokens} bits {bits:.3} bits/token {:.6}", bits / tokens as f64);
    Ok(())
}
