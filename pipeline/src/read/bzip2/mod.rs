//! bzip2 on all cores. A stream is a row of blocks, each begun by a mark of 48 bits at any bit of the file ([`marks`]); a
//! block is cut out and decoded ([`block`]) while others are read, and the results come out in order. Works for one stream
//! and for many, one after the other (the multistream dumps), and needs no index.
//! A damaged block is one error ([`Damaged`]) in its place; whoever reads on gets the blocks after it.
//!
//! Decoding is our own since it is most of the work of reading a dump: it takes a quarter of the library's time, mainly by
//! how it undoes the transform ([`transform`]). In a block the layers are, from the outside, [`runs`], [`transform`],
//! [`front`] and [`codes`].

mod bits;
mod block;
mod codes;
mod front;
mod marks;
mod runs;
mod transform;

use super::damaged::Damaged;
use block::{Decoder, Fault};
use marks::{Gap, Marks};
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Decodes what it reads from `R`.
pub struct Blocks<R> {
    marks: Marks<R>,
    /// Blocks being decoded, and what is between streams.
    ahead: VecDeque<Arc<Task>>,
    decoders: Decoders,
    /// No more come.
    ended: bool,
    /// What is said when all before it was given out.
    failed: Option<Error>,
    text: Vec<u8>,
    /// How much of it was given out.
    given: usize,
}

/// Decoders at rest: as many as there are threads, in the end.
type Decoders = Arc<Mutex<Vec<Decoder>>>;

/// A block to be decoded, by a thread of the pool.
struct Task {
    gap: Gap,
    state: Mutex<State>,
    done: Condvar,
}

enum State {
    Waiting,
    Running,
    Done(std::result::Result<Vec<u8>, Fault>),
}

impl<R: Read> Blocks<R> {
    /// Reads bzip2 from `input`.
    pub fn new(input: R) -> Blocks<R> {
        Blocks {
            marks: Marks::new(input),
            ahead: VecDeque::new(),
            decoders: Decoders::default(),
            ended: false,
            failed: None,
            text: Vec::new(),
            given: 0,
        }
    }

    /// Reads ahead until there are so many blocks, or no more.
    fn fill(&mut self, count: usize) {
        while self.ahead.len() < count && !self.ended {
            match self.marks.next() {
                Ok(Some(gap)) => {
                    let task = Arc::new(Task { gap, state: Mutex::new(State::Waiting), done: Condvar::new() });
                    if !task.gap.end {
                        let (task, decoders) = (task.clone(), self.decoders.clone());
                        rayon::spawn(move || task.run(&decoders));
                    }
                    self.ahead.push_back(task);
                }
                Ok(None) => self.ended = true,
                Err(error) => (self.ended, self.failed) = (true, Some(error)),
            }
        }
    }

    /// The text of the next block; none at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            self.fill(2 * rayon::current_num_threads() + 1);
            let Some(task) = self.ahead.pop_front() else { return self.failed.take().map_or(Ok(None), Err) };
            if task.gap.end {
                continue;
            }
            let fault = match task.wait(&self.decoders) {
                Ok(text) => return Ok(Some(text)),
                Err(fault) => fault,
            };
            // The mark after a block can be 48 bits of the block that happen to look like one.
            self.fill(1);
            let joined = self.ahead.front().map(|next| decode(&task.gap.joined(&next.gap), &self.decoders));
            if let Some(Ok(text)) = joined {
                self.ahead.pop_front();
                return Ok(Some(text));
            }
            let place = format!("bzip2: the block at byte {} of the file", task.gap.place);
            return Err(Damaged { place, cause: Error::new(ErrorKind::InvalidData, fault) }.into());
        }
    }
}

impl<R: Read> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.given == self.text.len() && !buffer.is_empty() {
            match self.next()? {
                Some(text) => (self.text, self.given) = (text, 0),
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.text.len() - self.given);
        buffer[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

impl Task {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes it, unless somebody does.
    fn run(&self, decoders: &Decoders) {
        match &mut *self.state() {
            state @ State::Waiting => *state = State::Running,
            _ => return,
        }
        let decoded = decode(&self.gap, decoders);
        *self.state() = State::Done(decoded);
        self.done.notify_one();
    }

    /// What it gave. A thread of the pool does it itself where nobody has begun: it never waits for what only the pool
    /// could do. Others leave it to the pool, so that no more decoders are in memory than it has threads.
    fn wait(&self, decoders: &Decoders) -> std::result::Result<Vec<u8>, Fault> {
        if rayon::current_thread_index().is_some() {
            self.run(decoders);
        }
        let mut state = self.state();
        loop {
            if let State::Done(decoded) = &mut *state {
                return std::mem::replace(decoded, Ok(Vec::new()));
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn decode(gap: &Gap, decoders: &Decoders) -> std::result::Result<Vec<u8>, Fault> {
    let at_rest = || decoders.lock().unwrap_or_else(PoisonError::into_inner);
    let decoder = at_rest().pop();
    let mut decoder = decoder.unwrap_or_default();
    let decoded = decoder.decode(&gap.bytes, gap.from, gap.to);
    at_rest().push(decoder);
    match decoded {
        Err(Fault::Randomised) => by_the_library(gap),
        decoded => decoded,
    }
}

/// For what is too rare for a decoder of our own.
fn by_the_library(gap: &Gap) -> std::result::Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    ::bzip2::read::BzDecoder::new(&gap.stream()[..]).read_to_end(&mut text).map_err(|_| Fault::Randomised)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::marks::{LONGEST, Mark, READ};
    use super::*;
    use ::bzip2::Compression;
    use ::bzip2::write::BzEncoder;
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
        // As if the search had found a mark in the middle of the second block, of either kind.
        for end in [false, true] {
            let mut blocks = Blocks::new(&file[..]);
            blocks.marks.search(usize::MAX).unwrap();
            let [second, third] = [1, 2].map(|mark| blocks.marks.marks[mark].bit);
            blocks.marks.marks.insert(2, Mark { bit: (second + third) / 2, end });
            let mut all = Vec::new();
            blocks.read_to_end(&mut all).unwrap();
            assert!(all == wanted);
        }
    }

    #[test]
    fn blocks_of_the_old_kind_are_read_too() {
        // What was shuffled begins behind 600 bytes.
        let mut file = compressed(&sample(500), 1);
        file[4 + 6 + 4] |= 0x80;
        let (all, end) = read(&file);
        assert!(end.is_ok() && all == sample(500));
    }

    /// The block of a file that has one.
    fn block(file: &[u8]) -> Gap {
        Marks::new(file).next().unwrap().unwrap()
    }

    #[test]
    fn damaged_blocks_are_judged_as_the_library_does() {
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let decoders = Decoders::default();
        let mut whole = 0;
        for length in [1, 3, 40, 700, 3000] {
            let file = compressed(&sample(length), 1);
            let good = block(&file);
            for _ in 0..400 {
                let mut gap = block(&file);
                // Behind the mark; the checksum stays as it is.
                let (first, count) = (10, gap.bytes.len() - 10);
                for _ in 0..1 + random(3) {
                    match random(4) {
                        0 => gap.bytes[first + random(count)] = random(256) as u8,
                        1 => gap.to -= random(gap.to - 8 * first),
                        2 => gap.to = good.to.min(gap.to + random(9)),
                        _ => gap.bytes[first + random(count)] ^= 1 << random(8),
                    }
                }
                let (ours, library) = (decode(&gap, &decoders), by_the_library(&gap).ok());
                let (fault, ours) = (ours.as_ref().err().copied(), ours.ok());
                whole += usize::from(ours.is_some());
                assert!(ours == library, "{length} bytes: {fault:?}, by the library {}", library.is_some());
            }
        }
        assert!((1..1000).contains(&whole), "{whole}");
    }
}
