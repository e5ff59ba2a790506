//! Bits of a file, the highest of each byte first, read from any bit on.

/// What is left of the bits.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte that is not in `held`.
    next: usize,
    /// Bits at hand, the next one highest; below them zeros.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    /// The bits of `bytes` from `bit` on; behind their end there are zeros.
    pub fn new(bytes: &'a [u8], bit: usize) -> Bits<'a> {
        let mut bits = Bits { bytes, next: bit / 8, held: 0, count: 0 };
        bits.fill();
        bits.drop((bit % 8) as u32);
        bits
    }

    /// Sees to it that at least 56 bits are at hand.
    #[inline(always)]
    pub fn fill(&mut self) {
        let eight = match self.bytes.get(self.next..self.next + 8) {
            Some(bytes) => u64::from_be_bytes(bytes.try_into().expect("eight")),
            None => self.last(),
        };
        // Bits of a byte that is not whole may stand below those counted: the same ones come again.
        self.held |= eight >> self.count;
        let bytes = (63 - self.count) / 8;
        self.next += bytes as usize;
        self.count += 8 * bytes;
    }

    /// The last bytes, and zeros.
    #[cold]
    fn last(&self) -> u64 {
        let byte = |index: usize| self.bytes.get(self.next + index).map_or(0, |byte| u64::from(*byte));
        (0..8).fold(0, |all, index| all << 8 | byte(index))
    }

    /// The next `count` bits, 1 to 32, of those at hand; they stay.
    #[inline(always)]
    pub fn peek(&self, count: u32) -> usize {
        (self.held >> (64 - count)) as usize
    }

    /// Passes over bits at hand.
    #[inline(always)]
    pub fn drop(&mut self, count: u32) {
        self.held <<= count;
        self.count -= count;
    }

    /// The next `count` bits, 1 to 32.
    pub fn take(&mut self, count: u32) -> usize {
        self.fill();
        let bits = self.peek(count);
        self.drop(count);
        bits
    }

    /// Where the next bit is.
    pub fn position(&self) -> usize {
        8 * self.next - self.count as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_from_any_bit_on_and_zeros_behind() {
        let bytes: Vec<u8> = (0..40u8).map(|byte| byte.wrapping_mul(151) ^ 0x5a).collect();
        let bit = |index: usize| bytes.get(index / 8).map_or(0, |byte| usize::from(byte >> (7 - index % 8) & 1));
        for from in 0..=bytes.len() * 8 {
            let (mut bits, mut at) = (Bits::new(&bytes, from), from);
            for count in [1, 3, 20, 32, 7, 24, 5].into_iter().cycle().take(20) {
                let wanted = (at..at + count).fold(0, |all, index| all << 1 | bit(index));
                assert_eq!((bits.position(), bits.take(count as u32)), (at, wanted), "{count} bits at {at}");
                at += count;
            }
        }
    }
}
