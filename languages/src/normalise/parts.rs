//! What composing asks of a character and of two of them, in tables: a mark asks for four of these figures, and the library
//! would look each up.

use super::table;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical};

/// What composing asks of a character.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    /// Its combining class.
    pub class: u8,
    /// That of the last character it is made of.
    pub last_class: u8,
    /// Whether it is made of nothing but itself.
    pub undivided: bool,
    /// Its column in [`Pairs`], as a mark.
    column: u8,
    /// Its row there, as what a mark stands behind.
    row: u16,
}

/// What is known of the characters of the first two planes.
pub(super) struct Known {
    parts: Box<[Parts]>,
    pairs: Pairs,
}

pub(super) static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let none = Parts { class: 0, last_class: 0, undivided: true, column: NEVER, row: 0 };
    let mut parts: Box<[Parts]> =
        (0..table::KNOWN as u32).map(|code| char::from_u32(code).map_or(none, parts_of)).collect();
    let pairs = Pairs::new(&mut parts);
    Known { parts, pairs }
});

/// What two characters compose to, in rows of what stands before and columns of what follows; 0 is nothing.
struct Pairs {
    columns: usize,
    composed: Vec<u16>,
}

/// Column of characters that compose with nothing before them, and row of those that nothing composes with.
const NEVER: u8 = 0;
/// Column of those that the library is asked about: Hangul, whose pairs are thousands, and what composes to a character of
/// the second plane.
const ASK: u8 = u8::MAX;

impl Pairs {
    fn new(parts: &mut [Parts]) -> Pairs {
        let mut found = Vec::new();
        let mut pieces = Vec::new();
        for c in (0..table::KNOWN as u32).filter_map(char::from_u32) {
            pieces.clear();
            decompose_canonical(c, |part| pieces.push(part));
            let Some((last, before)) = pieces.split_last().filter(|(_, before)| !before.is_empty()) else { continue };
            // All but the last character, composed, are the first of the pair.
            let mut before = before.iter().copied().nfc();
            if let (Some(first), None) = (before.next(), before.next())
                && compose(first, *last) == Some(c)
            {
                found.push((first, *last, c));
            }
        }
        let (mut rows, mut columns) = (1, 1);
        for (_, last, c) in &found {
            if *c > '\u{FFFF}' || ('가'..='힣').contains(c) {
                parts[*last as usize].column = ASK;
            }
        }
        found.retain(|(_, last, _)| parts[*last as usize].column != ASK);
        for (first, last, _) in &found {
            let row = &mut parts[*first as usize].row;
            if *row == 0 {
                (*row, rows) = (rows, rows + 1);
            }
            let column = &mut parts[*last as usize].column;
            if *column == NEVER {
                (*column, columns) = (columns, columns + 1);
                assert!(columns < ASK, "the standard has some sixty such marks");
            }
        }
        let columns = usize::from(columns);
        let mut composed = vec![0; usize::from(rows) * columns];
        for (first, last, c) in found {
            let (row, column) = (parts[first as usize].row, parts[last as usize].column);
            composed[usize::from(row) * columns + usize::from(column)] = c as u16;
        }
        Pairs { columns, composed }
    }
}

/// What two characters compose to.
#[inline]
pub(super) fn pair(known: &Known, first: char, last: char) -> Option<char> {
    let (Some(before), Some(mark)) = (known.parts.get(first as usize), known.parts.get(last as usize)) else {
        return compose(first, last);
    };
    match mark.column {
        ASK => compose(first, last),
        column => match known.pairs.composed[usize::from(before.row) * known.pairs.columns + usize::from(column)] {
            0 => None,
            code => char::from_u32(u32::from(code)),
        },
    }
}

fn parts_of(c: char) -> Parts {
    let (mut last, mut undivided) = (c, true);
    decompose_canonical(c, |part| {
        last = part;
        undivided &= part == c;
    });
    let (class, last_class) = (canonical_combining_class(c), canonical_combining_class(last));
    Parts { class, last_class, undivided, column: NEVER, row: 0 }
}

#[inline]
pub(super) fn parts(known: &Known, c: char) -> Parts {
    known.parts.get(c as usize).copied().unwrap_or_else(|| parts_of(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::compose::tests::alphabet;

    #[test]
    fn pairs_are_the_library_s() {
        let alphabet = alphabet();
        let marks: Vec<char> = alphabet.iter().copied().filter(|c| crate::normalise::clean::class(*c) > 0).collect();
        for first in &alphabet {
            for last in &marks {
                assert_eq!(pair(&KNOWN, *first, *last), compose(*first, *last), "{first:?} {last:?}");
            }
        }
    }
}
