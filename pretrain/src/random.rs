//! Random numbers without state: a number is a hash of (seed, stream, index), so order and threads change nothing.

use rayon::prelude::*;

/// A stream of random numbers, addressed by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u64);

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which every input bit reaches every output bit.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Key {
    /// The first stream of a seed.
    pub fn new(seed: u64) -> Key {
        Key(mix(seed))
    }

    /// The stream `part` below this one, independent of it and of its other children.
    pub fn stream(self, part: u64) -> Key {
        Key(mix(self.0 ^ mix(part ^ 0x5851_f42d_4c95_7f2d)))
    }

    /// The stream of a name below this one.
    pub fn named(self, name: &str) -> Key {
        self.stream(xxhash_rust::xxh3::xxh3_64(name.as_bytes()))
    }

    /// 64 random bits.
    pub fn bits(self, index: u64) -> u64 {
        mix(self.0 ^ mix(index))
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform integer in 0..`n`; the bias is below n / 2⁶⁴.
    ///
    /// `n` must not be 0.
    pub fn below(self, index: u64, n: u64) -> u64 {
        ((self.bits(index) as u128 * n as u128) >> 64) as u64
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(self, index: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(2 * index)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * index + 1)).cos()
    }

    /// Normal numbers of mean 0, in index order whatever the number of threads.
    pub fn normals(self, count: usize, deviation: f64) -> Vec<f32> {
        (0..count as u64).into_par_iter().map(|index| (self.normal(index) * deviation) as f32).collect()
    }

    /// A permutation of 0..`n` (Fisher and Yates).
    pub fn permutation(self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u64, i as u64 + 1) as usize);
        }
        order
    }

    /// Where `index` of 0..`n` stands in a permutation of them that is not stored: a Feistel network (Luby and Rackoff 1988)
    /// of six rounds over the bits that `n` needs, gone through again while it leads out of the range (cycle walking, Black
    /// and Rogaway 2002).
    ///
    /// `index` must be below `n`.
    pub fn permuted(self, index: u64, n: u64) -> u64 {
        assert!(index < n, "{index} of {n}");
        let bits = (u64::BITS - (n - 1).leading_zeros()).div_ceil(2).max(1);
        let half = (1 << bits) - 1;
        let mut at = index;
        loop {
            let (mut left, mut right) = (at >> bits, at & half);
            for round in 0..6 {
                (left, right) = (right, left ^ self.stream(round).bits(right) & half);
            }
            at = left << bits | right;
            if at < n {
                return at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let key = Key::new(7).named("moments");
        let n = 100_000;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| key.uniform(i)) - 0.5).abs() < 0.005);
        assert!(mean(&|i| key.normal(i)).abs() < 0.02);
        assert!((mean(&|i| key.normal(i).powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(&|i| key.normal(i).powi(4)) - 3.0).abs() < 0.15); // kurtosis of the normal
        assert!(mean(&|i| key.normal(i) * key.normal(i + 1)).abs() < 0.02);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let key = Key::new(1);
        assert_eq!(key.stream(3).bits(5), Key::new(1).stream(3).bits(5));
        assert_ne!(key.stream(3).bits(5), key.stream(4).bits(5));
        assert_ne!(key.stream(3).bits(5), Key::new(2).stream(3).bits(5));
        assert_ne!(key.stream(1).stream(2), key.stream(2).stream(1));
    }

    #[test]
    fn a_permutation_has_everything_once() {
        let mut order = Key::new(3).permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_permutation_that_is_not_stored_is_one_and_all_are_as_likely() {
        for n in [1, 2, 3, 5, 64, 65, 1000] {
            let mut order: Vec<u64> = (0..n).map(|index| Key::new(3).permuted(index, n)).collect();
            order.sort_unstable();
            assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..24_000 {
            let order: Vec<u64> = (0..4).map(|index| Key::new(seed).permuted(index, 4)).collect();
            *counts.entry(order).or_insert(0) += 1;
        }
        // 24 orders, 1,000 each, five deviations of 31.
        assert!(counts.len() == 24 && counts.values().all(|count: &u32| count.abs_diff(1000) < 155), "{counts:?}");
        // Of a thousand, neighbours are as far apart as chance has them: a third.
        let place = |index| Key::new(3).permuted(index, 1000);
        let apart: u64 = (1..1000).map(|index| place(index).abs_diff(place(index - 1))).sum();
        assert!((apart / 999).abs_diff(333) < 30, "{}", apart / 999);
        assert!(Key::new(1).permuted(u64::MAX / 2, u64::MAX) < u64::MAX);
    }
}
