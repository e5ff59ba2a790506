//! Values by hand, and against the plain path.

use super::*;
use crate::nn::Rope;
use crate::nn::check::{agree, normal};
use crate::precision::Precision::F32;

/// Of short sequences.
const BLOCK: usize = 64;

/// Causal and bidirectional, each with whole sequences, with texts of several lengths, and filled up.
fn kinds(b: usize, t: usize) -> Vec<Seen> {
    let every = |step: usize| (0..t).step_by(step).collect::<Vec<_>>();
    let starts: Vec<_> = (0..b).map(|sequence| every([t.div_ceil(3), 1, 7][sequence % 3])).collect();
    let lengths: Vec<_> = (0..b).map(|sequence| [t.div_ceil(2), t, 1][sequence % 3]).collect();
    let of = |seen: Seen| {
        let (apart, padded) = (seen.clone().apart(&starts, t), seen.clone().padded(&lengths, t));
        [seen, apart.unwrap(), padded.unwrap()]
    };
    [Seen::causal(), Seen::bidirectional()].into_iter().flat_map(of).collect()
}

fn numbers(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{a} {b}"));
}

#[test]
fn a_boundary_makes_two_sequences_of_one() {
    let (t, cut, h, k) = (2 * BLOCK + 9, BLOCK + 3, 2, 4);
    let heads = Heads { queries: h, keys: h, rope: None };
    let joined = normal(&[1, t, 3 * h * k], 1);
    for seen in [Seen::causal(), Seen::bidirectional()] {
        let gradient = normal(&[1, t, h * k], 2);
        // Value and gradient of a part of the tokens by itself, or of all with the boundary.
        let run = |from: usize, count: usize, seen: &Seen| {
            let part = candle_core::Var::from_tensor(&joined.narrow(1, from, count).unwrap()).unwrap();
            let out = attention(&part, &heads, seen, F32).unwrap();
            let loss = (&out * gradient.narrow(1, from, count).unwrap()).unwrap().sum_all().unwrap();
            [numbers(&out), numbers(loss.backward().unwrap().get(&part).unwrap())]
        };
        let together = run(0, t, &seen.clone().apart(&[vec![0, cut]], t).unwrap());
        let (first, second) = (run(0, cut, &seen), run(cut, t - cut, &seen));
        for which in [0, 1] {
            near(&together[which], &[first[which].clone(), second[which].clone()].concat());
        }
        assert_ne!(together[0], run(0, t, &seen)[0]);
    }
}

#[test]
fn padding_changes_nothing_and_is_not_changed() {
    let (t, length, h, k) = (BLOCK + 9, BLOCK - 2, 2, 4);
    let heads = Heads { queries: h, keys: h, rope: Some(Rope::new(t, k, 100.0)) };
    let seen = Seen::bidirectional().padded(&[length], t).unwrap();
    let joined = candle_core::Var::from_tensor(&normal(&[1, t, 3 * h * k], 1)).unwrap();
    let alone = attention(&joined.narrow(1, 0, length).unwrap(), &heads, &Seen::bidirectional(), F32).unwrap();
    let padded = attention(&joined, &heads, &seen, F32).unwrap().narrow(1, 0, length).unwrap();
    near(&numbers(&padded), &numbers(&alone));
    let store = padded.sum_all().unwrap().backward().unwrap();
    let of_padding = store.get(&joined).unwrap().narrow(1, length, t - length).unwrap();
    assert!(numbers(&of_padding).iter().all(|gradient| *gradient == 0.0));
    // A later token is seen.
    let changed = joined.slice_assign(&[0..1, length - 1..length, 0..3 * h * k], &normal(&[1, 1, 3 * h * k], 2));
    let other = attention(&changed.unwrap(), &heads, &seen, F32).unwrap();
    assert_ne!(numbers(&other)[..h * k], numbers(&padded)[..h * k]);
}

#[test]
fn agrees_with_the_plain_path() {
    // One token, odd sizes, more than one block of queries with a rest, several sequences and heads, shared keys.
    let sizes = [
        (1, 1, 1, 1, 2),
        (2, 3, 2, 2, 4),
        (1, 2 * BLOCK + 5, 3, 3, 6),
        (2, BLOCK, 2, 2, 32),
        (2, 5, 6, 2, 4),
        (2, BLOCK + 3, 4, 1, 6),
    ];
    for (b, t, queries, keys, k) in sizes {
        let joined = normal(&[b, t, (queries + 2 * keys) * k], 1);
        for rope in [None, Some(Rope::new(t + 2, k, 100.0))] {
            let heads = Heads { queries, keys, rope };
            for seen in kinds(b, t) {
                agree(
                    &[&joined],
                    |[x]| attention(x, &heads, &seen, F32),
                    |[x]| plain::attention(x, &heads, &seen, None, F32),
                );
            }
        }
    }
}

#[test]
fn heads_that_share_keys_are_heads_with_equal_keys() {
    let (t, k) = (9, 4);
    let rope = Some(Rope::new(t, k, 100.0));
    let part = |count, seed| normal(&[1, t, count, k], seed);
    let (q, key, v) = (part(4, 1), part(2, 2), part(2, 3));
    let join = |parts: [&Tensor; 3]| Tensor::cat(&parts, 2).unwrap().reshape((1, t, ())).unwrap();
    let attend = |joined: &Tensor, keys| {
        let heads = Heads { queries: 4, keys, rope: rope.clone() };
        attention(joined, &heads, &Seen::causal(), F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let twice = |x: &Tensor| x.index_select(&Tensor::new(&[0u32, 0, 1, 1], x.device()).unwrap(), 2).unwrap();
    assert_eq!(attend(&join([&q, &key, &v]), 2), attend(&join([&q, &twice(&key), &twice(&v)]), 4));
}

#[test]
fn nothing_is_seen_before_its_time() {
    let (t, h, k) = (BLOCK + 3, 2, 4);
    let heads = Heads { queries: h, keys: h, rope: Some(Rope::new(t, k, 100.0)) };
    let joined = normal(&[1, t, 3 * h * k], 1);
    let changed = joined.slice_assign(&[0..1, t - 1..t, 0..3 * h * k], &normal(&[1, 1, 3 * h * k], 2)).unwrap();
    let out = |x: &Tensor| {
        attention(x, &heads, &Seen::causal(), F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let (a, b) = (out(&joined), out(&changed));
    assert_eq!(a[..(t - 1) * h * k], b[..(t - 1) * h * k]);
    assert_ne!(a[(t - 1) * h * k..], b[(t - 1) * h * k..]);
    // The first token sees itself alone.
    let first: Vec<f32> = joined.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(a[..h * k], first[2 * h * k..3 * h * k]);
}
