//! Whose turn it is: the language of each draw, by shares, and how many turns it has had before, both a function of the
//! draw's number.
//!
//! Draws are the points of a van der Corput sequence in base 2 with a random digital shift (Niederreiter 1992, chapter 3):
//! point n is the number n with its binary digits reversed behind the point, and a language has its turn when a point falls
//! on its part of the line from 0 to 1. Of any 2^k draws from a multiple of 2^k on, one falls on each 2^k-th of the line, so
//! after n draws a language has had its share of them but for a few (of the order of log n, where independent draws
//! would be off by √n), every batch is mixed alike, and how often a part was hit before is counted block by block.

use crate::random::Key;

/// The whole line, in 2⁻⁶⁴.
const WHOLE: u128 = 1 << 64;

/// Turns of languages.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    /// The language that has its turn by count, after every 1 / share draws, and its share of all.
    studied: Option<(usize, f64)>,
    /// Where each language's part of the line ends, in 2⁻⁶⁴; that of the studied one is empty.
    ends: Vec<u128>,
    shift: u64,
}

impl Turns {
    /// For languages in proportion to `weights`. A studied one has this share of the draws whatever its weight, and the
    /// others the rest.
    pub fn new(weights: &[f64], studied: Option<(usize, f64)>, key: Key) -> Turns {
        let alone = weights.len() == 1;
        let studied = studied.map(|(language, share)| (language, if alone { 1.0 } else { share }));
        let is_studied = |language| studied.is_some_and(|(studied, _)| studied == language);
        let weight = |(language, weight): (usize, &f64)| if is_studied(language) { 0.0 } else { *weight };
        let total: f64 = weights.iter().enumerate().map(weight).sum();
        let mut sum = 0.0;
        let ends = weights.iter().enumerate().map(|each| {
            sum += weight(each);
            // The last sum is the total, to the bit: the line has no gap at its end.
            (sum / total * WHOLE as f64) as u128
        });
        Turns { studied, ends: ends.collect(), shift: key.bits(0) }
    }

    /// The share of draws a language gets.
    pub fn share(&self, language: usize) -> f64 {
        match self.studied {
            Some((studied, share)) if studied == language => share,
            other => {
                let part = (self.ends[language] - self.begin(language)) as f64 / WHOLE as f64;
                part * (1.0 - other.map_or(0.0, |(_, share)| share))
            }
        }
    }

    /// The language of draw `draw` (from 0), and the number of its turn (from 0).
    pub fn at(&self, draw: u64) -> (usize, u64) {
        if let Some((studied, _)) = self.studied
            && self.of_studied(draw + 1) > self.of_studied(draw)
        {
            return (studied, self.of_studied(draw));
        }
        let point = u128::from(self.point(draw - self.of_studied(draw)));
        let language = self.ends.partition_point(|end| *end <= point);
        (language, self.before(language, draw))
    }

    /// Turns that a language has in the first `draws` draws.
    pub fn before(&self, language: usize, draws: u64) -> u64 {
        let of_studied = self.of_studied(draws);
        if self.studied.is_some_and(|(studied, _)| studied == language) {
            return of_studied;
        }
        let others = draws - of_studied;
        self.points_below(self.ends[language], others) - self.points_below(self.begin(language), others)
    }

    fn begin(&self, language: usize) -> u128 {
        if language == 0 { 0 } else { self.ends[language - 1] }
    }

    fn of_studied(&self, draws: u64) -> u64 {
        self.studied.map_or(0, |(_, share)| (draws as f64 * share).floor() as u64)
    }

    fn point(&self, number: u64) -> u64 {
        number.reverse_bits() ^ self.shift
    }

    /// How many of the first `count` points are below `end`.
    fn points_below(&self, end: u128, count: u64) -> u64 {
        let mut below = 0;
        for digit in (0..u64::BITS).filter(|digit| count >> digit & 1 == 1) {
            // The 2^digit numbers that agree with `count` above this digit and have 0 in it: their points have every choice
            // of the first digits once, and all the same digits after them.
            let first = count >> digit >> 1 << 1 << digit;
            let (cell, width) = (u128::from(self.point(first)), WHOLE >> digit);
            let after = cell % width;
            below += (end / width) as u64 + u64::from(after < end % width);
        }
        below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: [f64; 5] = [5.0, 0.01, 1.0, 3.0, 0.7];

    #[test]
    fn turns_are_numbered_without_a_gap_and_shares_are_kept() {
        for studied in [None, Some((2, 0.4)), Some((0, 0.07)), Some((4, 1.0))] {
            for seed in 0..4 {
                let turns = Turns::new(&WEIGHTS, studied, Key::new(seed));
                let mut counts = [0; 5];
                for draw in 0..5000 {
                    let (language, turn) = turns.at(draw);
                    assert_eq!(turn, counts[language], "draw {draw}");
                    counts[language] += 1;
                    for (language, count) in counts.iter().enumerate() {
                        assert_eq!(turns.before(language, draw + 1), *count);
                        let expected = turns.share(language) * (draw + 1) as f64;
                        assert!((expected - *count as f64).abs() < 6.0, "{count} of {draw}, not {expected}");
                    }
                }
                assert!(((0..5).map(|language| turns.share(language)).sum::<f64>() - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn far_from_the_beginning_it_is_the_same() {
        let turns = Turns::new(&WEIGHTS, Some((2, 0.4)), Key::new(1));
        let first = 1 << 40;
        let mut counts: Vec<u64> = (0..5).map(|language| turns.before(language, first)).collect();
        assert_eq!(counts.iter().sum::<u64>(), first);
        for draw in first..first + 1000 {
            let (language, turn) = turns.at(draw);
            assert_eq!(turn, counts[language]);
            counts[language] += 1;
        }
    }

    #[test]
    fn the_studied_language_has_its_turn_by_count_and_alone_always() {
        let turns = Turns::new(&[1.0, 2.0], Some((1, 0.4)), Key::new(1));
        let of_studied: Vec<u64> = (0..10).filter(|draw| turns.at(*draw).0 == 1).collect();
        assert_eq!(of_studied, [2, 4, 7, 9]); // where 0.4 · (n + 1) reaches 1, 2, 3, 4
        let alone = Turns::new(&[7.0], Some((0, 0.4)), Key::new(1));
        assert_eq!((alone.at(0), alone.at(9), alone.share(0)), ((0, 0), (0, 9), 1.0));
    }

    #[test]
    fn every_eight_draws_are_mixed_alike_and_seeds_differ() {
        let order = |seed| {
            let turns = Turns::new(&[1.0; 4], None, Key::new(seed));
            let order: Vec<usize> = (0..64).map(|draw| turns.at(draw).0).collect();
            for batch in order.chunks(8) {
                assert!((0..4).all(|language| batch.iter().filter(|found| **found == language).count() == 2));
            }
            order
        };
        assert!((1..9).any(|seed| order(seed) != order(0)));
    }
}
