//! The sample wiki's own random numbers: SplitMix64 (Steele, Lea and Flood 2014), the same on every machine.

/// A seeded stream of numbers.
pub(super) struct Random(u64);

impl Random {
    /// A stream of its own for each seed and purpose.
    pub fn new(seed: u64, purpose: &str) -> Random {
        Random(seed ^ hash(purpose))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..end`; the bias of the modulus is below one in a billion for our small ends.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, which is not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// 64-bit FNV-1a, then mixed, so that its low bits can choose a split.
pub(super) fn hash(text: &str) -> u64 {
    let folded = text
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325u64, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    (folded ^ (folded >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD) ^ (folded >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_of_seed_zero_is_the_published_one() {
        assert_eq!(Random(0).next(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn purposes_do_not_share_a_stream() {
        let draw =
            |purpose| (0..8).map(|_| 0).scan(Random::new(1, purpose), |r, _| Some(r.below(1000))).collect::<Vec<_>>();
        assert_eq!(draw("a"), draw("a"));
        assert_ne!(draw("a"), draw("b"));
    }
}
