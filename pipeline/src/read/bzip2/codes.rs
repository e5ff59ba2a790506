//! The Huffman codes of a block: two to six tables over the same symbols, one for each group of fifty.

use super::bits::Bits;

/// Bits of the longest code.
pub(super) const LONGEST: u32 = 20;
/// Codes of so many bits are looked up, longer ones reckoned.
const LOOKED_UP: u32 = 10;
/// Two runs' digits, 255 values and the end.
const SYMBOLS: usize = 258;

/// What tells symbols by their codes.
pub(super) struct Codes {
    /// By the next bits: symbol << 5 | bits of its code; 0 where that is longer, or none.
    table: [u16; 1 << LOOKED_UP],
    /// Symbols in the order of their codes.
    symbols: [u16; SYMBOLS],
    /// By length: the first code behind those of this length, as the highest of 20 bits.
    behind: [u32; LONGEST as usize + 2],
    /// By length: what is added to a code to find it in `symbols`.
    offset: [i32; LONGEST as usize + 2],
}

impl Codes {
    /// The codes with these lengths, 1 to 20; none where there cannot be such.
    pub fn new(lengths: &[u8]) -> Option<Codes> {
        let mut codes = Codes {
            table: [0; 1 << LOOKED_UP],
            symbols: [0; SYMBOLS],
            behind: [0; LONGEST as usize + 2],
            offset: [0; LONGEST as usize + 2],
        };
        let (mut code, mut place) = (0u32, 0usize);
        for length in 1..=LONGEST {
            codes.offset[length as usize] = place as i32 - code as i32;
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, found)| u32::from(**found) == length) {
                if code >= 1 << length {
                    return None;
                }
                codes.symbols[place] = symbol as u16;
                if length <= LOOKED_UP {
                    let (first, count) = ((code << (LOOKED_UP - length)) as usize, 1 << (LOOKED_UP - length));
                    codes.table[first..first + count].fill((symbol as u16) << 5 | length as u16);
                }
                (code, place) = (code + 1, place + 1);
            }
            codes.behind[length as usize] = code << (LONGEST - length);
            code <<= 1;
        }
        Some(codes)
    }

    /// The next symbol, of at least 20 bits at hand; none where no code is met.
    #[inline(always)]
    pub fn next(&self, bits: &mut Bits) -> Option<usize> {
        let found = self.table[bits.peek(LOOKED_UP)];
        if found != 0 {
            bits.drop(u32::from(found & 31));
            return Some(usize::from(found >> 5));
        }
        self.long(bits)
    }

    #[cold]
    #[inline(never)]
    fn long(&self, bits: &mut Bits) -> Option<usize> {
        let next = bits.peek(LONGEST) as u32;
        let length = (LOOKED_UP + 1..=LONGEST).find(|length| next < self.behind[*length as usize])?;
        let place = (next >> (LONGEST - length)) as i32 + self.offset[length as usize];
        bits.drop(length);
        Some(usize::from(self.symbols[usize::try_from(place).ok()?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The symbols of `text`, a row of 0 and 1.
    fn read(lengths: &[u8], text: &str) -> Option<Vec<usize>> {
        let codes = Codes::new(lengths)?;
        let mut bytes = vec![0; text.len() / 8 + 1];
        for (index, _) in text.bytes().enumerate().filter(|(_, bit)| *bit == b'1') {
            bytes[index / 8] |= 0x80 >> (index % 8);
        }
        let (mut bits, mut symbols) = (Bits::new(&bytes, 0), Vec::new());
        while bits.position() < text.len() {
            bits.fill();
            symbols.push(codes.next(&mut bits)?);
        }
        Some(symbols)
    }

    #[test]
    fn short_codes_come_first_and_equal_ones_in_the_order_of_symbols() {
        // 0 → 10, 1 → 0, 2 → 110, 3 → 111
        assert_eq!(read(&[2, 1, 3, 3], "0101101110"), Some(vec![1, 0, 2, 3, 1]));
        // One bit longer each: 0, 10, 110, ... and two of 20 bits.
        let lengths: Vec<u8> = (1..=20).chain([20]).collect();
        let code = |symbol: usize| "1".repeat(symbol) + if symbol < 20 { "0" } else { "" };
        let all: String = (0..=20).map(code).collect();
        assert_eq!(read(&lengths, &all), Some((0..=20).collect()));
    }

    #[test]
    fn too_many_codes_are_refused_and_what_is_no_code_is_told() {
        assert!(Codes::new(&[1, 1, 1]).is_none());
        assert!(Codes::new(&[2, 2, 2, 2, 20]).is_none());
        assert_eq!(read(&[2, 2, 2], "000110"), Some(vec![0, 1, 2]));
        assert_eq!(read(&[2, 2, 2], "0011"), None);
        assert_eq!(read(&[20, 20, 20], &"1".repeat(20)), None);
    }
}
