//! Each token once an epoch, by turns, whatever the sizes; and what a batch says of its rows.

use super::*;
use crate::batch::{InMemory, training_bytes};
use crate::generate::text::tests::with_language_tokens;
use crate::nn::Seen;
use crate::text_source::TextSource;
use tongues_pipeline::tokens::Split;

fn source() -> InMemory {
    let mut source = InMemory { vocabulary_size: 20, ..Default::default() };
    for (tag, documents) in [("ltg_Latn", 30), ("lvs_Latn", 120)] {
        let texts = (0..documents).map(|i| (vec![3 + i % 7, 4, 5 + i % 11], 9)).collect();
        source.documents.insert((tag.parse().unwrap(), Split::Train), texts);
    }
    source
}

/// Of one language, documents of these lengths, whose tokens are counted up from 3 on and each come once.
fn counted(lengths: &[u32]) -> InMemory {
    let mut next = 3;
    let mut text = |length: &u32| {
        next += length;
        ((next - length..next).collect(), 9)
    };
    let texts = lengths.iter().map(&mut text).collect();
    let documents = [(("ltg_Latn".parse().unwrap(), Split::Train), texts)].into();
    InMemory { documents, vocabulary_size: next as usize }
}

#[test]
fn shares_follow_the_power_and_rows_the_shares() {
    // 150 and 600 tokens: at alpha 0.5 the shares are 1 : 2.
    let source = source();
    assert_eq!(training_bytes(&source), 150 * 9);
    for language_per in [LanguagePer::Row, LanguagePer::Batch] {
        let sampler = Sampler::new(&source, (1, 2), 8, 0.5, 1).unwrap().with(language_per);
        assert!((sampler.shares()[0].1 - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(sampler.tokens(), 750);
        let batches: Vec<Batch> = (0..300).map(|number| sampler.batch(number, 10)).collect();
        let first = batches.iter().flat_map(|batch| &batch.languages).filter(|tag| tag.as_str() == "ltg_Latn");
        assert!(first.count().abs_diff(1000) < 60);
        let alike = |batch: &Batch| batch.languages.iter().all(|tag| *tag == batch.languages[0]);
        assert_eq!(batches.iter().all(alike), language_per == LanguagePer::Batch);
        assert!(batches[0].ids[..8] != batches[0].ids[8..16], "each row has a window of its own");
    }
}

#[test]
fn a_batch_depends_on_its_number_alone_and_targets_are_next() {
    let source = source();
    let make = |seed| Sampler::new(&source, (1, 2), 8, 1.0, seed).unwrap();
    assert_eq!(make(1).batch(5, 4), make(1).batch(5, 4));
    assert_ne!(make(1).batch(5, 4), make(1).batch(6, 4));
    assert_ne!(make(1).batch(5, 4), make(2).batch(5, 4));
    let batch = make(1).batch(0, 4);
    for row in 0..4 {
        assert_eq!(batch.ids[row * 8 + 1..row * 8 + 8], batch.targets[row * 8..row * 8 + 7]);
    }
    assert!(batch.ids.windows(2).any(|pair| pair == [2, 1]), "documents are packed one after another");
}

/// Reads a language for so many epochs; gives the tokens that were learnt from in each, every one with the token before it,
/// sorted.
fn learnt(sampler: &Sampler, rows: usize, epochs: usize) -> Vec<Vec<(u32, u32)>> {
    let (windows, each) = (sampler.languages[0].epochs.windows() as usize, sampler.consecutive);
    let batches = (windows * epochs).div_ceil(rows * each) * each;
    // By the window's number: a turn is `each` windows, of one row.
    let mut by_number = vec![Vec::new(); batches * rows];
    for number in 0..batches {
        let batch = sampler.batch(number as u64, rows);
        let pairs: Vec<(u32, u32)> = batch.ids.into_iter().zip(batch.targets).collect();
        for (row, pairs) in pairs.chunks(sampler.window).enumerate() {
            let learnt = pairs.iter().filter(|(_, target)| *target != IGNORED);
            by_number[(number / each * rows + row) * each + number % each] = learnt.copied().collect();
        }
    }
    let sorted = |windows: &[Vec<(u32, u32)>]| {
        let mut all = windows.concat();
        all.sort_unstable();
        all
    };
    by_number.chunks(windows).take(epochs).map(sorted).collect()
}

#[test]
fn in_every_epoch_each_token_is_a_target_once() {
    // 9 + 2, 1 + 2, 20 + 2 and 5 + 2 tokens are 43.
    let source = counted(&[9, 1, 20, 5]);
    for window in [1, 8, 42, 43, 44, 100] {
        for consecutive in [1, 2, 5, 50] {
            for rows in [1, 3] {
                let sampler = Sampler::new(&source, (1, 2), window, 1.0, 1).unwrap().consecutive(consecutive);
                let mut ring = Vec::new();
                sampler.languages[0].ring.read(&source, (1, 2), 0, 44, &mut ring);
                let mut expected: Vec<(u32, u32)> = ring.windows(2).map(|pair| (pair[0], pair[1])).collect();
                expected.sort_unstable();
                for learnt in learnt(&sampler, rows, 3) {
                    assert_eq!(learnt, expected, "{window} {consecutive} {rows}");
                }
            }
        }
    }
}

#[test]
fn what_continues_begins_with_the_target_that_came_last_in_its_row() {
    let source = source();
    for language_per in [LanguagePer::Row, LanguagePer::Batch] {
        let sampler = Sampler::new(&source, (1, 2), 8, 0.5, 1).unwrap().with(language_per).consecutive(5);
        let mut continued = 0;
        let mut before = sampler.batch(0, 3);
        assert_eq!(before.continues, [false; 3]);
        for number in 1..200 {
            let batch = sampler.batch(number, 3);
            for row in 0..3 {
                if number % 5 == 0 {
                    assert!(!batch.continues[row], "all begin anew every five batches");
                } else {
                    assert_eq!(batch.languages[row], before.languages[row]);
                }
                if batch.continues[row] {
                    assert_eq!(batch.ids[row * 8], before.targets[row * 8 + 7]);
                    continued += 1;
                }
            }
            before = batch;
        }
        // Of 600 windows a fifth begins a turn, and another, at most, a run.
        assert!((360..=480).contains(&continued), "{continued} of 600");
    }
}

#[test]
fn a_text_shorter_than_a_window_is_filled_up_with_a_text_of_its_own() {
    let source = counted(&[3, 1]);
    let batch = Sampler::new(&source, (1, 2), 11, 1.0, 1).unwrap().batch(0, 1);
    assert_eq!((batch.lengths[0], &batch.ids[8..], &batch.targets[8..]), (8, &[2, 2, 2][..], &[IGNORED; 3][..]));
    assert!(batch.documents[0].iter().all(|start| *start < 8));
    let found = batch.clone().joined().seen(Seen::causal()).unwrap();
    assert_eq!(found, Seen::causal().padded(&[8], 11).unwrap());
    let apart = [&batch.documents[0][..], &[8]].concat();
    assert_eq!(batch.seen(Seen::causal()).unwrap(), Seen::causal().apart(&[apart], 11).unwrap());
}

#[test]
fn what_was_read_is_counted_as_it_was() {
    let source = source();
    for language_per in [LanguagePer::Row, LanguagePer::Batch] {
        for consecutive in [1, 4] {
            let sampler = Sampler::new(&source, (1, 2), 8, 0.5, 1).unwrap().with(language_per);
            let sampler = sampler.consecutive(consecutive);
            let mut tokens = [0; 2];
            for number in 0..100 {
                for (found, tokens) in sampler.read(number, 3).iter().zip(tokens) {
                    // Rows that are in the midst of a turn have read ahead of the turns after them.
                    let most = if number % consecutive as u64 == 0 { 8 } else { 24 };
                    assert!(found.tokens.abs_diff(tokens) <= most, "{number}: {found:?}, not {tokens}");
                    let all = if found.language.as_str() == "ltg_Latn" { 150.0 } else { 600.0 };
                    assert_eq!(found.epochs, found.tokens as f64 / all);
                }
                let batch = sampler.batch(number, 3);
                for (language, length) in batch.languages.iter().zip(&batch.lengths) {
                    tokens[usize::from(language.as_str() != "ltg_Latn")] += *length as u64;
                }
            }
        }
    }
}

#[test]
fn the_documents_of_a_batch_are_those_its_tokens_are_of() {
    // Document i is the token 3 + i, three times: the tokens of a row tell its documents.
    let texts = (0..30).map(|i| (vec![3 + i; 3], 9)).collect();
    let documents = [(("ltg_Latn".parse().unwrap(), Split::Train), texts)].into();
    let source = InMemory { documents, vocabulary_size: 40 };
    let sampler = Sampler::new(&source, (1, 2), 9, 1.0, 1).unwrap();
    for number in 0..50 {
        let batch = sampler.batch(number, 1);
        let last = batch.lengths[0] - 1;
        let all = batch.ids.iter().chain(Some(&batch.targets[last])).filter(|id| **id > 2);
        let mut seen: Vec<usize> = all.map(|id| *id as usize - 3).collect();
        seen.dedup();
        let mut found: Vec<usize> = sampler.documents(number, 1).iter().map(|(_, document)| *document).collect();
        // A row may begin with the end of a document or end with the beginning of one: no token of its own in it.
        if batch.ids[0] == 2 {
            found.remove(0);
        }
        if batch.targets[last] == 1 {
            found.pop();
        }
        assert_eq!(found, seen, "batch {number}");
    }
}

#[test]
fn documents_of_a_row_begin_with_their_first_token() {
    let source = source();
    let batch = Sampler::new(&source, (1, 2), 8, 1.0, 1).unwrap().batch(0, 50);
    for (row, starts) in batch.ids.chunks(8).zip(&batch.documents) {
        let found = row.iter().enumerate().filter(|(place, id)| **id == 1 || *place == 0).map(|(place, _)| place);
        assert_eq!(*starts, found.collect::<Vec<_>>());
    }
    assert_eq!((batch.rows(), batch.window()), (50, 8));
}

#[test]
fn no_text_at_all_is_refused() {
    let none = InMemory { vocabulary_size: 20, ..Default::default() };
    assert!(Sampler::new(&none, (1, 2), 8, 1.0, 1).is_err());
}

#[test]
fn with_language_tokens_batches_are_the_same_but_for_what_begins_a_document() {
    let (_folder, vocabulary) = with_language_tokens();
    let mut tokens = InMemory { vocabulary_size: vocabulary.size(), ..Default::default() };
    for (tag, first) in [("kpv_Latn", 10), ("ltg_Latn", 100), ("lvs_Latn", 200)] {
        let texts = (0..20).map(|i| (vec![first + i; 1 + i as usize % 9], 9)).collect();
        tokens.documents.insert((tag.parse().unwrap(), Split::Train), texts);
    }
    let source = TextSource { tokens: &tokens, vocabulary: &vocabulary };
    let plain = Sampler::new(&tokens, (1, 2), 8, 1.0, 1).unwrap();
    let sampler = Sampler::new(&source, (1, 2), 8, 1.0, 1).unwrap();
    let mut begun = [0; 3];
    for number in 0..60 {
        let (found, expected) = (sampler.batch(number, 4), plain.batch(number, 4));
        assert_eq!((found.language_tokens(), expected.language_tokens()), (&[4, 5][..], &[][..]));
        assert_eq!((&found.documents, &found.lengths), (&expected.documents, &expected.lengths));
        for (row, tag) in found.languages.iter().enumerate() {
            // The third language came after the vocabulary was made.
            let (language, token) = match tag.as_str() {
                "kpv_Latn" => (0, 4),
                "ltg_Latn" => (1, 5),
                _ => (2, 1),
            };
            let instead = |id: &u32| if *id == 1 { token } else { *id };
            for (found, expected) in [(&found.ids, &expected.ids), (&found.targets, &expected.targets)] {
                let (found, expected) = (&found[row * 8..row * 8 + 8], &expected[row * 8..row * 8 + 8]);
                assert_eq!(found, expected.iter().map(instead).collect::<Vec<_>>());
                begun[language] += found.iter().filter(|id| **id == token).count();
            }
        }
    }
    assert!(begun.iter().all(|count| *count > 20), "{begun:?}");
}
