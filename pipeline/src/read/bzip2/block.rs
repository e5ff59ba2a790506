//! One block: its head, and its symbols to the last column.

use super::bits::Bits;
use super::codes::{Codes, LONGEST};
use super::front::Front;
use super::marks::MARK;
use super::runs;
use super::transform::Transform;

/// Bytes of the largest block before its runs are in full.
const LARGEST: usize = 900_000;
/// Symbols that one table is for.
const GROUP: usize = 50;
/// What tells the length of a run of the value met last, in digits of value 1 and 2.
const DIGITS: usize = 2;

/// What blocks are decoded with, one after the other.
#[derive(Default)]
pub(super) struct Decoder {
    column: Vec<u8>,
    short: Vec<u8>,
    transform: Transform,
}

/// What is wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("its head is none")]
    Head,
    #[error("its codes are none")]
    Codes,
    #[error("it has a code that stands for nothing")]
    Symbol,
    #[error("it is longer than a block can be")]
    TooLong,
    #[error("it does not end where the next one begins")]
    End,
    #[error("its checksum is another")]
    Checksum,
    #[error("it is of a kind that bzip2 gave up before 1.0")]
    Randomised,
}

impl Decoder {
    /// The text of the block whose mark is at the bits `from` of `bytes` and which ends before the bit `to`.
    pub fn decode(&mut self, bytes: &[u8], from: usize, to: usize) -> Result<Vec<u8>, Fault> {
        let mut bits = Bits::new(bytes, from + MARK);
        let checksum = bits.take(32) as u32;
        if bits.take(1) == 1 {
            return Err(Fault::Randomised);
        }
        let origin = bits.take(24);
        let values = values(&mut bits);
        let tables = bits.take(3);
        let groups = bits.take(15);
        if values.is_empty() || !(2..=6).contains(&tables) || groups == 0 {
            return Err(Fault::Head);
        }
        let selectors = selectors(&mut bits, tables, groups).ok_or(Fault::Head)?;
        let lengths: Option<Vec<Vec<u8>>> = (0..tables).map(|_| lengths(&mut bits, values.len() + 2)).collect();
        // A table that no group has may be damaged.
        let codes: Vec<Option<Codes>> = lengths.ok_or(Fault::Codes)?.iter().map(|some| Codes::new(some)).collect();
        self.symbols(&mut bits, &codes, &selectors, &values)?;
        if bits.position() != to {
            return Err(Fault::End);
        }
        if origin >= self.column.len() {
            return Err(Fault::Head);
        }
        self.short.clear();
        self.transform.undo(&self.column, origin, &mut self.short);
        let text = runs::expanded(&self.short).ok_or(Fault::End)?;
        if runs::checksum(&text) == checksum { Ok(text) } else { Err(Fault::Checksum) }
    }

    /// Reads the last column.
    fn symbols(
        &mut self,
        bits: &mut Bits,
        codes: &[Option<Codes>],
        selectors: &[u8],
        values: &[u8],
    ) -> Result<(), Fault> {
        let column = &mut self.column;
        column.clear();
        column.resize(LARGEST, 0);
        let end = values.len() + 1;
        let mut front = Front::new(values);
        // A run, and the value of its next digit of 1.
        let (mut length, mut run, mut digit) = (0, 0usize, 1usize);
        for selector in selectors {
            let codes = codes[usize::from(*selector)].as_ref().ok_or(Fault::Codes)?;
            for _ in 0..GROUP {
                bits.fill();
                let symbol = codes.next(bits).ok_or(Fault::Symbol)?;
                if symbol < DIGITS {
                    run += digit << symbol;
                    digit <<= 1;
                    if run > LARGEST {
                        return Err(Fault::TooLong);
                    }
                    continue;
                }
                if run > 0 {
                    column.get_mut(length..length + run).ok_or(Fault::TooLong)?.fill(front.first());
                    (length, run, digit) = (length + run, 0, 1);
                }
                if symbol == end {
                    column.truncate(length);
                    return Ok(());
                }
                *column.get_mut(length).ok_or(Fault::TooLong)? = front.take(symbol - 1);
                length += 1;
            }
        }
        Err(Fault::End)
    }
}

/// The values that the block has.
fn values(bits: &mut Bits) -> Vec<u8> {
    let sixteens = bits.take(16);
    let has = |sixteen: &usize| sixteens >> (15 - sixteen) & 1 == 1;
    let mut values = Vec::new();
    for sixteen in (0..16).filter(has) {
        let those = bits.take(16);
        values.extend((0..16).filter(|value| those >> (15 - value) & 1 == 1).map(|value| (16 * sixteen + value) as u8));
    }
    values
}

/// Which of `tables` each group has.
fn selectors(bits: &mut Bits, tables: usize, groups: usize) -> Option<Vec<u8>> {
    let mut front: Vec<u8> = (0..tables as u8).collect();
    let mut selectors = Vec::with_capacity(groups);
    for _ in 0..groups {
        bits.fill();
        let index = (!(bits.peek(6) as u8) << 2).leading_zeros() as usize;
        let index = index.min(tables);
        if index >= tables {
            return None;
        }
        bits.drop(index as u32 + 1);
        front[..=index].rotate_right(1);
        selectors.push(front[0]);
    }
    Some(selectors)
}

/// The lengths of a table's codes for so many symbols.
fn lengths(bits: &mut Bits, symbols: usize) -> Option<Vec<u8>> {
    let mut length = bits.take(5) as u32;
    let mut lengths = Vec::with_capacity(symbols);
    for _ in 0..symbols {
        loop {
            if !(1..=LONGEST).contains(&length) {
                return None;
            }
            if bits.take(1) == 0 {
                break;
            }
            length = if bits.take(1) == 0 { length + 1 } else { length.wrapping_sub(1) };
        }
        lengths.push(length as u8);
    }
    Some(lengths)
}
