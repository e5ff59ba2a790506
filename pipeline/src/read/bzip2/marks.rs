//! Where blocks begin: a mark of 48 bits, at any bit of a file. The file is cut at its marks; 48 bits of a block can
//! happen to look like one, which its decoding tells.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result};
use std::sync::LazyLock;

/// The mark of a block: the digits of π (`compress.c` of bzip2).
pub(super) const BLOCK: u64 = 0x3141_5926_5359;
/// The mark of a stream's end: the digits of √π.
pub(super) const END: u64 = 0x1772_4538_5090;
/// Bits of a mark.
pub(super) const MARK: usize = 48;
/// A block is at most 900,000 symbols of at most 20 bits and its tables: this many bytes without a mark are no bzip2.
pub(super) const LONGEST: usize = 3 << 20;
/// Bytes read at once.
pub(super) const READ: usize = 1 << 18;
/// Wherever a mark begins in a byte, the next five bytes are all its own; so one of four pairs that begin in the byte
/// behind it or the three after has this distance to the beginning.
const STEP: usize = 4;

/// Cuts what it reads from `R` at the marks.
pub(super) struct Marks<R> {
    input: R,
    /// Compressed bytes, from the byte of the first mark on.
    bytes: Vec<u8>,
    /// The next pair of bytes to be looked at.
    next: usize,
    pub marks: VecDeque<Mark>,
    /// The end of the input was seen.
    ended: bool,
    /// Bytes of the input before `bytes`.
    forgotten: u64,
}

/// A mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where it begins, in bits of what is held.
    pub bit: usize,
    /// Whether it is the end of a stream.
    pub end: bool,
}

/// What is between two marks, the first one with it.
pub(super) struct Gap {
    pub bytes: Vec<u8>,
    /// The bits of them.
    pub from: usize,
    pub to: usize,
    /// Whether it begins with the end of a stream.
    pub end: bool,
    /// Where it is in the file, in bytes.
    pub place: u64,
}

impl<R: Read> Marks<R> {
    pub fn new(input: R) -> Marks<R> {
        Marks { input, bytes: Vec::new(), next: 0, marks: VecDeque::new(), ended: false, forgotten: 0 }
    }

    /// What is between the next two marks; none at the end of the last stream.
    pub fn next(&mut self) -> Result<Option<Gap>> {
        self.search(2)?;
        let [Mark { bit, end }, to] = match self.marks.make_contiguous() {
            [from, to, ..] => [*from, *to],
            [Mark { end: true, .. }] => return Ok(None),
            _ => {
                self.marks = [Mark { bit: 0, end: true }].into(); // it is said once
                return Err(Error::new(ErrorKind::UnexpectedEof, "bzip2: the file ends before its stream does"));
            }
        };
        self.marks.pop_front();
        let (from, to, behind) = (bit % 8, to.bit - bit / 8 * 8, to.bit / 8);
        let bytes = self.bytes[bit / 8..to.div_ceil(8) + bit / 8].to_vec();
        let place = self.forgotten + (bit / 8) as u64;
        self.bytes.drain(..behind);
        self.forgotten += behind as u64;
        self.next -= behind;
        self.marks.iter_mut().for_each(|mark| mark.bit -= 8 * behind);
        Ok(Some(Gap { bytes, from, to, end, place }))
    }

    /// Reads on until there are `count` marks, or the input ends.
    pub fn search(&mut self, count: usize) -> Result<()> {
        while self.marks.len() < count && !self.ended {
            let length = self.bytes.len();
            self.bytes.resize(length + READ, 0);
            let read = self.input.read(&mut self.bytes[length..]);
            self.bytes.truncate(length + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
            self.look();
            // No mark that is still to be found begins before this byte.
            let searched = self.next.saturating_sub(STEP);
            if searched - self.marks.back().map_or(0, |mark| mark.bit / 8).min(searched) > LONGEST {
                if self.marks.is_empty() {
                    (self.ended, self.marks) = (true, [Mark { bit: 0, end: true }].into());
                    return Err(Error::new(ErrorKind::InvalidData, "bzip2: no end of a block in 3 MiB"));
                }
                // As if a block ended here: it is damaged, and others may come behind it.
                self.marks.push_back(Mark { bit: 8 * searched, end: true });
            }
        }
        Ok(())
    }

    /// Looks for marks in what was read, as far as it goes.
    fn look(&mut self) {
        let behind = if self.ended { self.bytes.len() + STEP } else { self.bytes.len().saturating_sub(MARK / 8) };
        let (mut at, pairs) = (self.next, &*PAIRS);
        while at < behind {
            let pair = [self.byte(at), self.byte(at + 1)];
            if pairs[usize::from(u16::from_be_bytes(pair))] {
                self.compare(at);
            }
            at += STEP;
        }
        self.next = at;
    }

    /// Takes in the marks that have this pair at this distance.
    #[cold]
    fn compare(&mut self, pair: usize) {
        for bit in 8 * pair.saturating_sub(STEP)..8 * pair {
            let bits = (0..=MARK / 8).fold(0, |bits, index| bits << 8 | u64::from(self.byte(bit / 8 + index)));
            let bits = bits >> (8 - bit % 8) & ((1 << MARK) - 1);
            if (bits == BLOCK || bits == END) && bit + MARK <= 8 * self.bytes.len() {
                self.marks.push_back(Mark { bit, end: bits == END });
            }
        }
    }

    #[inline(always)]
    fn byte(&self, index: usize) -> u8 {
        self.bytes.get(index).copied().unwrap_or(0)
    }
}

/// The pairs of bytes that may stand in a mark behind the byte it begins in.
static PAIRS: LazyLock<Box<[bool; 1 << 16]>> = LazyLock::new(|| {
    let mut pairs: Box<[bool; 1 << 16]> = vec![false; 1 << 16].into_boxed_slice().try_into().expect("as many");
    for mark in [BLOCK, END] {
        for (shift, pair) in (0..8).flat_map(|shift| (1..=STEP).map(move |pair| (shift, pair))) {
            // The mark in seven bytes, `shift` bits from their beginning.
            let bytes = (mark << (8 - shift)).to_be_bytes();
            pairs[usize::from(u16::from_be_bytes([bytes[1 + pair], bytes[2 + pair]]))] = true;
        }
    }
    pairs
});

impl Gap {
    /// What is between the first mark of this one and the second of the next, as if there were none between.
    pub fn joined(&self, next: &Gap) -> Gap {
        let whole = self.to / 8;
        let bytes = [&self.bytes[..whole], &next.bytes].concat();
        Gap { bytes, from: self.from, to: 8 * whole + next.to, end: self.end, place: self.place }
    }

    /// The block as a stream of its own: its checksum is the stream's.
    pub fn stream(&self) -> Vec<u8> {
        let Gap { bytes, from, to, .. } = self;
        // Eight bits; 0 behind the bytes.
        let byte = |bit: usize| {
            let [first, second] = [bit / 8, bit / 8 + 1].map(|at| bytes.get(at).map_or(0, |byte| u16::from(*byte)));
            ((first << 8 | second) >> (8 - bit % 8)) as u8
        };
        let (whole, rest) = ((to - from) / 8, (to - from) % 8);
        let mut stream = b"BZh9".to_vec(); // 9: blocks of any size
        stream.extend((0..whole).map(|index| byte(from + 8 * index)));
        let checksum = (0..4).fold(0, |sum, index| sum << 8 | u128::from(byte(from + MARK + 8 * index)));
        let last = if rest == 0 { 0 } else { u128::from(byte(from + 8 * whole) >> (8 - rest)) };
        let tail = (last << MARK | u128::from(END)) << 32 | checksum;
        let bits = rest + MARK + 32;
        stream.extend(&(tail << (128 - bits)).to_be_bytes()[..bits.div_ceil(8)]);
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_at_every_bit_and_across_reads() {
        // What gives its bytes in pieces of seven.
        struct Pieces<'a>(&'a [u8]);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
                let count = self.0.len().min(7).min(buffer.len());
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        for (bit, mark) in (0..100).flat_map(|bit| [(bit, BLOCK), (bit, END)]) {
            let mut bytes = vec![0u8; 20];
            for index in (0..MARK).filter(|index| mark >> (MARK - 1 - index) & 1 == 1) {
                bytes[(bit + index) / 8] |= 0x80 >> ((bit + index) % 8);
            }
            let mut marks = Marks::new(Pieces(&bytes));
            marks.search(usize::MAX).unwrap();
            assert_eq!(marks.marks, [Mark { bit, end: mark == END }], "{mark:x} at {bit}");
            bytes.truncate((bit + MARK - 1) / 8);
            let mut marks = Marks::new(Pieces(&bytes));
            marks.search(usize::MAX).unwrap();
            assert!(marks.marks.is_empty(), "{mark:x} at {bit} is not whole");
        }
    }
}
