//! bzip2 on all cores. A stream is a row of blocks, each begun by a mark of 48 bits at any bit of the file; a block is cut
//! out, dressed as a stream of its own and decoded by the library, which checks its checksum, and the results come out
//! in order. Works for one stream and for many, one after the other (the multistream dumps), and needs no index.
//! A damaged block is one error ([`Damaged`]) in its place; whoever reads on gets the blocks after it.

use super::damaged::Damaged;
use bzip2::read::BzDecoder;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result};

/// The mark of a block: the digits of π (`compress.c` of bzip2).
const BLOCK: u64 = 0x3141_5926_5359;
/// The mark of a stream's end: the digits of √π.
const END: u64 = 0x1772_4538_5090;
/// Bits of a mark.
const MARK: usize = 48;
/// A block is at most 900,000 symbols of at most 20 bits and its tables: this many bytes without a mark are no bzip2.
const LONGEST: usize = 3 << 20;
/// Bytes read at once.
const READ: usize = 1 << 18;

/// Decodes what it reads from `R`.
pub struct Blocks<R> {
    input: R,
    /// Compressed bytes, from the byte of the first mark on.
    bytes: Vec<u8>,
    /// How many of them were searched for marks, and the last 64 bits of these.
    searched: (usize, u64),
    marks: Vec<Mark>,
    /// The end of the input was seen.
    ended: bool,
    /// Bytes of the input before `bytes`.
    forgotten: u64,
    decoded: VecDeque<Result<Vec<u8>>>,
    /// How much of the first of `decoded` was given out.
    given: usize,
    /// What is said when all of `decoded` was given out.
    failed: Option<Error>,
}

#[derive(Clone, Copy)]
struct Mark {
    /// Where it begins, in bits of `bytes`.
    bit: usize,
    /// Whether it is the end of a stream.
    end: bool,
}

impl<R: Read> Blocks<R> {
    /// Reads bzip2 from `input`.
    pub fn new(input: R) -> Blocks<R> {
        let (bytes, marks, decoded) = (Vec::new(), Vec::new(), VecDeque::new());
        Blocks { input, bytes, searched: (0, 0), marks, ended: false, forgotten: 0, decoded, given: 0, failed: None }
    }

    /// Reads on until there are `count` marks, or the input ends.
    fn search(&mut self, count: usize) -> Result<()> {
        while self.marks.len() < count && !self.ended {
            let (mut at, mut last) = self.searched;
            for byte in &self.bytes[at..] {
                (at, last) = (at + 1, last << 8 | u64::from(*byte));
                self.marks.extend(mark_in(at, last));
            }
            self.searched = (at, last);
            let since = self.bytes.len() - self.marks.last().map_or(0, |mark| mark.bit / 8);
            if since > LONGEST {
                if self.marks.is_empty() {
                    return Err(Error::new(ErrorKind::InvalidData, "bzip2: no end of a block in 3 MiB"));
                }
                // As if a block ended here: it is damaged, and others may come behind it.
                self.marks.push(Mark { bit: 8 * self.bytes.len(), end: true });
            }
            let length = self.bytes.len();
            self.bytes.resize(length + READ, 0);
            let read = self.input.read(&mut self.bytes[length..])?;
            self.bytes.truncate(length + read);
            self.ended = read == 0;
        }
        Ok(())
    }

    /// Decodes some blocks more, as many as keep all cores busy.
    fn decode(&mut self) -> Result<()> {
        self.search(4 * rayon::current_num_threads() + 1)?;
        let count = self.marks.len().saturating_sub(1); // where the last one ends is not known yet
        let (bytes, marks) = (&self.bytes, &self.marks);
        let block = |mark: usize| (!marks[mark].end).then(|| decoded(bytes, marks[mark], marks[mark + 1]));
        let blocks: Vec<Option<Result<Vec<u8>>>> = (0..count).into_par_iter().map(block).collect();
        let mut next = 0;
        for (mark, block) in blocks.into_iter().enumerate() {
            match block {
                _ if mark < next => {} // it was no block
                None => next = mark + 1,
                Some(Ok(bytes)) => (next, _) = (mark + 1, self.decoded.push_back(Ok(bytes))),
                // The mark after a block can be 48 bits of the block that happen to look like one.
                Some(Err(error)) => {
                    self.search(mark + 3)?;
                    let after = self.marks.get(mark + 2);
                    let joined = after.map(|after| decoded(&self.bytes, self.marks[mark], *after));
                    let byte = self.forgotten + (self.marks[mark].bit / 8) as u64;
                    let damaged = || {
                        Err(Damaged { place: format!("bzip2: the block at byte {byte} of the file"), cause: error }
                            .into())
                    };
                    let joined = joined.and_then(Result::ok);
                    next = mark + if joined.is_some() { 2 } else { 1 };
                    self.decoded.push_back(joined.map_or_else(damaged, Ok));
                }
            }
        }
        self.forget(next);
        match self.marks[..] {
            [Mark { end: false, .. }] | [] if self.ended => {
                Err(Error::new(ErrorKind::UnexpectedEof, "bzip2: the file ends before its stream does"))
            }
            _ => Ok(()),
        }
    }

    /// Drops the marks before this one, and their bytes.
    fn forget(&mut self, mark: usize) {
        self.marks.drain(..mark);
        let bytes = self.marks.first().map_or(0, |mark| mark.bit / 8);
        self.bytes.drain(..bytes);
        self.forgotten += bytes as u64;
        self.searched.0 -= bytes;
        self.marks.iter_mut().for_each(|mark| mark.bit -= 8 * bytes);
    }
}

impl<R: Read> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if let Some(Err(_)) = self.decoded.front() {
                return Err(self.decoded.pop_front().and_then(Result::err).expect("just looked at"));
            } else if let Some(Ok(block)) = self.decoded.front() {
                let count = buffer.len().min(block.len() - self.given);
                buffer[..count].copy_from_slice(&block[self.given..self.given + count]);
                self.given += count;
                if self.given == block.len() {
                    self.decoded.pop_front();
                    self.given = 0;
                }
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
            } else if let Some(error) = self.failed.take() {
                (self.ended, self.marks) = (true, vec![Mark { bit: 0, end: true }]); // it is said once
                return Err(error);
            } else if self.ended && self.marks.len() == 1 {
                return Ok(0);
            } else {
                self.failed = self.decode().err();
            }
        }
    }
}

/// The mark that ends in the last of `at` bytes, whose last 64 bits are `last`.
fn mark_in(at: usize, last: u64) -> Option<Mark> {
    (0..8).find_map(|after| {
        let bits = last >> after & ((1 << MARK) - 1);
        let bit = (8 * at).checked_sub(after + MARK)?;
        (bits == BLOCK || bits == END).then_some(Mark { bit, end: bits == END })
    })
}

/// The bytes of the block between two marks.
fn decoded(bytes: &[u8], from: Mark, to: Mark) -> Result<Vec<u8>> {
    let mut block = Vec::new();
    BzDecoder::new(&stream(bytes, from.bit, to.bit)[..]).read_to_end(&mut block).map(|_| block)
}

/// Eight bits of `bytes`; 0 behind them.
fn byte(bytes: &[u8], bit: usize) -> u8 {
    let [first, second] = [bit / 8, bit / 8 + 1].map(|at| bytes.get(at).map_or(0, |byte| u16::from(*byte)));
    ((first << 8 | second) >> (8 - bit % 8)) as u8
}

/// The block at the bits `from..to` as a stream: its checksum is the stream's.
fn stream(bytes: &[u8], from: usize, to: usize) -> Vec<u8> {
    let (whole, rest) = ((to - from) / 8, (to - from) % 8);
    let mut stream = b"BZh9".to_vec(); // 9: blocks of any size
    stream.extend((0..whole).map(|index| byte(bytes, from + 8 * index)));
    let checksum = (0..4).fold(0, |sum, index| sum << 8 | u128::from(byte(bytes, from + MARK + 8 * index)));
    let last = if rest == 0 { 0 } else { u128::from(byte(bytes, from + 8 * whole) >> (8 - rest)) };
    let tail = (last << MARK | u128::from(END)) << 32 | checksum;
    let bits = rest + MARK + 32;
    stream.extend(&(tail << (128 - bits)).to_be_bytes()[..bits.div_ceil(8)]);
    stream
}

#[cfg(test)]
mod tests {
    use super::*;
    use bzip2::Compression;
    use bzip2::write::BzEncoder;
    use std::io::Write;

    fn compressed(bytes: &[u8], level: u32) -> Vec<u8> {
        let mut writer = BzEncoder::new(Vec::new(), Compression::new(level));
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    /// Bytes that look random, and text.
    fn sample(length: usize) -> Vec<u8> {
        let noise = (0..length / 2).map(|i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[2]);
        noise.chain("Lobdīn! ".bytes().cycle().take(length - length / 2)).collect()
    }

    fn read(bytes: &[u8]) -> (Vec<u8>, Result<usize>) {
        let mut all = Vec::new();
        let end = Blocks::new(bytes).read_to_end(&mut all);
        (all, end)
    }

    #[test]
    fn gives_what_went_in() {
        for (length, level) in [(0, 9), (1, 9), (1000, 1), (1_500_000, 1), (2_500_000, 9)] {
            let wanted = sample(length);
            let (all, end) = read(&compressed(&wanted, level));
            assert!(end.is_ok_and(|count| count == length) && all == wanted, "{length} bytes at level {level}");
        }
    }

    #[test]
    fn streams_may_follow_one_another_and_threads_change_nothing() {
        let parts = [sample(300_000), Vec::new(), sample(5), sample(250_000)];
        let file: Vec<u8> = parts.iter().flat_map(|part| compressed(part, 1)).collect();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (all, end) = pool.install(|| read(&file));
            assert!(end.is_ok() && all == parts.concat());
        }
    }

    #[test]
    fn a_cut_file_gives_its_whole_blocks_and_then_an_error() {
        let wanted = sample(450_000);
        let file = compressed(&wanted, 1); // blocks of 100,000 bytes
        for left in [10, file.len() / 2, file.len() - 11] {
            let (all, end) = read(&file[..left]);
            assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
            assert!(wanted.starts_with(&all));
            assert_eq!(all.is_empty(), left == 10);
        }
    }

    /// All that can be read, and how many blocks cannot.
    fn read_on(file: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let (mut blocks, mut parts, mut damaged) = (Blocks::new(file), vec![Vec::new()], 0);
        loop {
            let mut part = [0; 1000];
            match blocks.read(&mut part) {
                Ok(0) => return (parts, damaged),
                Ok(count) => parts.last_mut().unwrap().extend(&part[..count]),
                Err(error) => {
                    assert!(Damaged::is(&error), "{error}");
                    (damaged, _) = (damaged + 1, parts.push(Vec::new()));
                }
            }
        }
    }

    #[test]
    fn a_damaged_block_is_an_error_between_the_blocks_before_and_behind_it() {
        let wanted = sample(450_000);
        let file = compressed(&wanted, 1);
        let mut hurt = file.clone();
        hurt[file.len() / 2] ^= 0x10;
        let (all, end) = read(&hurt);
        let error = end.unwrap_err().to_string();
        assert!(error.contains("bzip2: the block at byte ") && wanted.starts_with(&all), "{error}");
        let (parts, damaged) = read_on(&hurt);
        assert_eq!((parts.len(), damaged), (2, 1));
        assert!(wanted.starts_with(&parts[0]) && wanted.ends_with(&parts[1]) && !parts[1].is_empty());
        assert!(parts.concat().len() >= wanted.len() - 100_000);
        // A hole of zeros, longer than a block can be.
        let hole = [&file[..file.len() / 2], &vec![0; 3 * LONGEST], &file].concat();
        let (parts, damaged) = read_on(&hole);
        assert!((1..=4).contains(&damaged) && parts.last().unwrap().ends_with(&wanted), "{damaged}");
        let (all, end) = read(&[b"BZh9".to_vec(), vec![7; LONGEST + 2 * READ]].concat());
        assert!(all.is_empty() && end.unwrap_err().to_string().contains("no end of a block"));
    }

    #[test]
    fn bits_of_a_block_that_look_like_a_mark_are_taken_for_the_block() {
        let wanted = sample(350_000);
        let file = compressed(&wanted, 1);
        let mut blocks = Blocks::new(&file[..]);
        blocks.search(usize::MAX).unwrap();
        // As if the search had found a mark in the middle of the second block, of either kind.
        for end in [false, true] {
            let mut blocks = Blocks::new(&file[..]);
            blocks.search(usize::MAX).unwrap();
            let [second, third] = [1, 2].map(|mark| blocks.marks[mark].bit);
            blocks.marks.insert(2, Mark { bit: (second + third) / 2, end });
            let mut all = Vec::new();
            blocks.read_to_end(&mut all).unwrap();
            assert!(all == wanted);
        }
    }
}
