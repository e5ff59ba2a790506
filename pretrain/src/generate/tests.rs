//! What was kept gives the same as reading the whole window again; the strategies find what they should.

use super::*;
use crate::models::State;
use crate::models::decoder::{Decoder, DecoderConfig, Layout};
use crate::models::recurrent::{Recurrent, RecurrentConfig, RecurrentLayout};
use candle_core::{DType, Device, Tensor};
use tongues_pipeline::progress::Silent;

/// Every layout; the gated ones with shared keys and heads of their own width too.
fn decoders(vocabulary_size: usize, context_length: usize) -> Vec<Decoder> {
    let sizes =
        DecoderConfig { vocabulary_size, context_length, hidden_size: 8, layers: 2, heads: 4, ..Default::default() };
    let mut all: Vec<DecoderConfig> = Layout::ALL
        .into_iter()
        .map(|layout| DecoderConfig { layout, intermediate_size: 32, ..sizes.clone() })
        .collect();
    for number in [0, 1] {
        all.push(DecoderConfig { key_value_heads: Some(2), head_width: Some(6), ..all[number].clone() });
    }
    all.iter().map(new).collect()
}

fn new(config: &DecoderConfig) -> Decoder {
    let decoder = Decoder::new(config, 3, &Device::Cpu).unwrap();
    // As they begin, all weights are small and all tokens alike; norms and biases are 1 and 0, where one left out is not
    // seen.
    for (name, var) in decoder.parameters.iter() {
        let moved = Key::new(5).named(name).normals(var.elem_count(), 0.4);
        let moved = Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap();
        var.set(&(var.as_detached_tensor() + moved).unwrap()).unwrap();
    }
    decoder.detached()
}

/// The logits after the last of `ids`, all read at once by the way training reads.
fn at_once(decoder: &Decoder, ids: &[u32]) -> Vec<f32> {
    let ids = Tensor::from_slice(ids, (1, ids.len()), &Device::Cpu).unwrap();
    let logits = decoder.logits(&ids).unwrap().to_dtype(DType::F32).unwrap();
    logits.to_vec3::<f32>().unwrap().pop().unwrap().pop().unwrap()
}

#[track_caller]
fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let far = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far < 2e-5, "{what}: {far} apart");
}

fn tokens(count: usize, vocabulary: usize) -> Vec<u32> {
    (0..count as u64).map(|i| Key::new(8).below(i, vocabulary as u64) as u32).collect()
}

#[test]
fn logits_are_those_of_the_whole_window_at_every_place_and_after_it_is_full() {
    let context = 80; // more than one block of queries
    for decoder in decoders(13, context) {
        let plain = decoder.to_dtype(DType::F64).unwrap().detached(); // in f64 every layer takes the plain path
        let (a, b) = (tokens(context + 50, 13), tokens(2 * context + 50, 13)[context..].to_vec());
        for (decoder, prompts) in [(&decoder, &[1, 5, 77, 80][..]), (&plain, &[5, 80])] {
            for prompt in prompts {
                let what = |place| format!("{:?}, prompt of {prompt}, place {place}", decoder.config.layout);
                let (one, logits) = decoder.reader(&a[..*prompt], 200).unwrap();
                assert_near(&logits, &at_once(decoder, &a[..*prompt]), &what(0));
                // Two texts from here on, the other one's copy first; a third is dropped on the way.
                let mut reader = one.select(&[0, 0, 0]).unwrap();
                let mut first = 0; // of the window
                for place in *prompt..context + 50 {
                    if place == prompt + 3 {
                        reader = reader.select(&[2, 1]).unwrap();
                    }
                    let rows: &[u32] =
                        if place < prompt + 3 { &[a[place], a[place], b[place]] } else { &[b[place], a[place]] };
                    let logits = reader.read(rows).unwrap();
                    if place + 1 - first > context {
                        first = place + 1 - context / 2;
                    }
                    let of_b: Vec<u32> = a[..*prompt].iter().chain(&b[*prompt..=place]).copied().collect();
                    if place % 7 == 0 || place < prompt + 4 || (context - 2..context + 3).contains(&place) {
                        let number = usize::from(place >= prompt + 3); // of the row that has `a`
                        assert_near(&logits[number], &at_once(decoder, &a[first..=place]), &what(place));
                        let number = if number == 0 { 2 } else { 0 };
                        assert_near(&logits[number], &at_once(decoder, &of_b[first..]), &what(place));
                    }
                }
            }
        }
    }
}

fn recurrent(vocabulary_size: usize) -> Vec<Recurrent> {
    let of = |layout| {
        let sizes = RecurrentConfig { layout, embedding_size: 9, hidden_size: 14, layers: 3, ..Default::default() };
        let config = RecurrentConfig { vocabulary_size, sequence_length: 5, ..sizes };
        let model = Recurrent::new(&config, 3, &Device::Cpu).unwrap();
        for (name, var) in model.parameters.iter() {
            let moved = Key::new(5).named(name).normals(var.elem_count(), 0.4);
            let moved = Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap();
            var.set(&(var.as_detached_tensor() + moved).unwrap()).unwrap();
        }
        model.detached()
    };
    RecurrentLayout::ALL.map(of).into()
}

#[test]
fn a_recurrent_model_reads_token_by_token_as_at_once_each_text_as_if_it_were_alone() {
    for model in recurrent(13) {
        let plain = model.to_dtype(DType::F64).unwrap().detached();
        let (a, b) = (tokens(40, 13), tokens(80, 13)[40..].to_vec());
        let of_both = |text: &[u32]| -> Vec<f32> {
            let ids = Tensor::from_slice(text, (1, text.len()), &Device::Cpu).unwrap();
            let logits = plain.logits(&ids, &State::default()).unwrap().0.to_dtype(DType::F32).unwrap();
            logits.to_vec3::<f32>().unwrap().pop().unwrap().pop().unwrap()
        };
        for prompt in [1, 5, 17] {
            let (one, logits) = model.reader(&a[..prompt], 9).unwrap();
            assert_near(&logits, &of_both(&a[..prompt]), "prompt");
            let (mut both, mut alone) = (one.select(&[0, 0, 0]).unwrap(), one.select(&[0]).unwrap());
            for place in prompt..40 {
                if place == prompt + 3 {
                    both = both.select(&[2, 1]).unwrap();
                }
                let rows: &[u32] =
                    if place < prompt + 3 { &[a[place], a[place], b[place]] } else { &[b[place], a[place]] };
                let logits = both.read(rows).unwrap();
                let of_b: Vec<u32> = a[..prompt].iter().chain(&b[prompt..=place]).copied().collect();
                assert_near(&logits[1], &of_both(&a[..=place]), "beside another");
                assert_near(&logits[if place < prompt + 3 { 2 } else { 0 }], &of_both(&of_b), "the other");
                assert_eq!(logits[1], alone.read(&[a[place]]).unwrap()[0], "to the bit");
            }
        }
        let asked = settings(Strategy::Sample(Sampling { temperature: 1.5, ..Sampling::default() }), 20);
        let made = |count| generate(&model, &[1, 4, 3], 0..count, &asked, &Silent).unwrap();
        let many = made(11);
        assert!(many[..1] == made(1) && many[..3] == made(3) && many[0] != many[1]);
        let beam = settings(Strategy::Beam(BeamSettings { width: 1, length_power: 1.0 }), 20);
        let greedy = settings(Strategy::Sample(Sampling::GREEDY), 20);
        let of = |wanted| generate(&model, &[1; 30], 0..1, wanted, &Silent).unwrap().remove(0);
        assert_same(&of(&beam), &of(&greedy));
        let message = generate(&model, &[], 0..1, &greedy, &Silent).unwrap_err().to_string();
        assert!(message.contains("a prompt of 0 tokens; expected 1 or more"), "{message}");
    }
}

fn settings(strategy: Strategy, tokens: usize) -> Settings {
    Settings { tokens, strategy, no_repeat: 0, never: Vec::new(), seed: 1 }
}

fn run(decoder: &Decoder, count: usize, settings: &Settings) -> Vec<Continuation> {
    generate(decoder, &[1, 4, 3], 0..count, settings, &Silent).unwrap()
}

/// The likeliest token each time, read at once; the window slides by half.
fn greedy(decoder: &Decoder, prompt: &[u32], tokens: usize, never: &[u32]) -> Continuation {
    let mut window = prompt.to_vec();
    let mut found = Continuation { tokens: Vec::new(), ended: false, log_probability: 0.0 };
    while found.tokens.len() < tokens && !found.ended {
        let logs = log_probabilities(&at_once(decoder, &window));
        let possible = (0..logs.len()).filter(|id| !never.contains(&(*id as u32)));
        let best = possible.max_by(|a, b| logs[*a].total_cmp(&logs[*b])).unwrap();
        found.log_probability += logs[best];
        if best as u32 == decoder.config.end {
            found.ended = true;
        } else {
            found.tokens.push(best as u32);
            window.push(best as u32);
            if window.len() > decoder.config.context_length {
                window.drain(..window.len() - decoder.config.context_length / 2);
            }
        }
    }
    found
}

#[track_caller]
fn assert_same(found: &Continuation, expected: &Continuation) {
    assert_eq!((&found.tokens, found.ended), (&expected.tokens, expected.ended));
    assert!((found.log_probability - expected.log_probability).abs() < 1e-3, "{found:?}, {expected:?}");
}

#[test]
fn greedy_takes_the_likeliest_and_so_do_a_beam_of_one_and_a_temperature_near_nothing() {
    let mut free = 0;
    for decoder in decoders(13, 8) {
        for (prompt, never) in [(&[1, 4, 3][..], &[][..]), (&[1, 9], &[]), (&[1, 6, 6, 7], &[]), (&[1, 4, 3], &[2, 5])]
        {
            let expected = greedy(&decoder, prompt, 30, never);
            free += if never.is_empty() { expected.tokens.len() } else { 0 };
            assert!(never.is_empty() || expected.tokens.len() == 30);
            let beam = BeamSettings { width: 1, length_power: 1.0 };
            let cold = Sampling { temperature: 1e-6, top_k: 0, top_p: 1.0 };
            for strategy in [Strategy::Sample(Sampling::GREEDY), Strategy::Beam(beam), Strategy::Sample(cold)] {
                let wanted = Settings { never: never.to_vec(), ..settings(strategy, 30) };
                assert_same(&generate(&decoder, prompt, 0..1, &wanted, &Silent).unwrap()[0], &expected);
            }
        }
    }
    assert!(free > 100, "{free} tokens in all are too few to tell");
}

#[test]
fn no_row_of_tokens_stands_twice() {
    let asked = |no_repeat, never: &[u32]| Settings {
        no_repeat,
        never: never.to_vec(),
        ..settings(Strategy::Sample(Sampling::GREEDY), 40)
    };
    // After 5 3 7 5 3, a 7 would make 5 3 7 again, and 3 7.
    let forbidden = |size| asked(size, &[9]).forbidden(&[5, 3, 7], &[5, 3]);
    assert_eq!((forbidden(0), forbidden(3), forbidden(2)), (vec![9], vec![9, 7], vec![9, 7]));
    assert_eq!((forbidden(1), forbidden(6)), (vec![9, 5, 3, 7, 5, 3], vec![9]));
    let decoder = &decoders(13, 8)[0];
    let rows = |found: &[Continuation]| {
        let whole = [&[1, 4, 3], &found[0].tokens[..]].concat();
        let mut rows: Vec<Vec<u32>> = whole.windows(3).map(<[u32]>::to_vec).collect();
        let all = rows.len();
        rows.sort();
        rows.dedup();
        (all, rows.len())
    };
    let (all, different) = rows(&run(decoder, 1, &asked(0, &[2])));
    assert!(different < all, "it would go in circles: {different} of {all}");
    let beam = Strategy::Beam(BeamSettings { width: 3, length_power: 1.0 });
    for wanted in [asked(3, &[2]), Settings { strategy: beam, ..asked(3, &[2]) }] {
        let (all, different) = rows(&run(decoder, 1, &wanted));
        assert_eq!((all, different), (41, 41));
    }
}

/// Log-probability of `tokens` after `prompt`, token by token, read at once.
fn log_probability(decoder: &Decoder, prompt: &[u32], tokens: &[u32]) -> f64 {
    let mut window = prompt.to_vec();
    let each = tokens.iter().map(|token| {
        let log = log_probabilities(&at_once(decoder, &window))[*token as usize];
        window.push(*token);
        log
    });
    each.sum()
}

#[test]
fn a_beam_as_wide_as_there_are_texts_finds_the_best_of_all() {
    let (vocabulary, length) = (5, 3);
    for decoder in decoders(vocabulary, 8) {
        for length_power in [0.0, 1.0, 2.0] {
            // All texts of three tokens, and shorter ones that end.
            let mut all: Vec<(f64, Vec<u32>)> = Vec::new();
            for number in 0..vocabulary.pow(length) {
                let ids: Vec<u32> = (0..length).map(|i| (number / vocabulary.pow(i) % vocabulary) as u32).collect();
                let taken = ids.iter().position(|id| *id == 2).map_or(ids.len(), |end| end + 1);
                let log = log_probability(&decoder, &[1, 4, 3], &ids[..taken]);
                all.push((log / (taken as f64).powf(length_power), ids[..taken].to_vec()));
            }
            all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            all.dedup_by(|(_, a), (_, b)| a == b);
            let beam = BeamSettings { width: vocabulary.pow(length), length_power };
            let found = run(&decoder, 10, &settings(Strategy::Beam(beam), length as usize));
            assert_eq!(found.len(), 10);
            for (found, (_, expected)) in found.iter().zip(&all) {
                let whole: Vec<u32> = found.tokens.iter().copied().chain(found.ended.then_some(2)).collect();
                assert_eq!(&whole, expected, "{:?}, {length_power}", decoder.config.layout);
            }
        }
    }
}

#[test]
fn a_continuation_depends_on_seed_and_number_and_not_on_how_many_or_on_threads() {
    for decoder in decoders(300, 12) {
        let wanted = settings(Strategy::Sample(Sampling { temperature: 1.5, ..Sampling::default() }), 20);
        let many = run(&decoder, 11, &wanted);
        assert_eq!(many, run(&decoder, 11, &wanted));
        assert_eq!(many[..1], run(&decoder, 1, &wanted));
        assert_eq!(many[..3], run(&decoder, 3, &wanted));
        assert_eq!(many[7..], generate(&decoder, &[1, 4, 3], 7..11, &wanted, &Silent).unwrap());
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for threads in [1, 3] {
            assert_eq!(many[..9], pool(threads).install(|| run(&decoder, 9, &wanted)));
        }
        assert_ne!(many[0], many[1]);
        assert_ne!(many, run(&decoder, 11, &Settings { seed: 2, ..wanted.clone() }));
        for found in &many {
            let mut all = found.tokens.clone();
            all.extend(found.ended.then_some(2));
            if all.len() <= 9 {
                let expected = log_probability(&decoder, &[1, 4, 3], &all);
                assert!((found.log_probability - expected).abs() < 1e-3, "{found:?}: {expected}");
            }
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let decoder = &decoders(13, 8)[0];
    let refused = |prompt: &[u32], settings: &Settings| {
        generate(decoder, prompt, 0..1, settings, &Silent).unwrap_err().to_string()
    };
    let greedy = settings(Strategy::Sample(Sampling::GREEDY), 3);
    assert!(refused(&[1; 9], &greedy).contains("a prompt of 9 tokens; expected 1 to 8, the model's context"));
    assert!(refused(&[], &greedy).contains("a prompt of 0 tokens"));
    let wrong = settings(Strategy::Sample(Sampling { temperature: -1.0, top_k: 0, top_p: 0.0 }), 0);
    let message = refused(&[1], &wrong);
    for part in ["temperature is -1; expected 0 or more", "top_p is 0", "tokens is 0"] {
        assert!(message.contains(part), "{message}");
    }
    let wrong = settings(Strategy::Beam(BeamSettings { width: 0, length_power: f64::NAN }), 3);
    assert!(refused(&[1], &wrong).contains("the width of the beam is 0; expected 1 or more; length_power is NaN"));
    let none = Settings { never: (0..13).collect(), ..greedy };
    assert!(refused(&[1], &none).contains("no token can be chosen"));
}
