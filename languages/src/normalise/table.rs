//! What is to be known of each character, reckoned for 256 neighbours when the first of them is met: a text has few
//! scripts, and a run should not begin with all of Unicode.

use std::sync::OnceLock;

/// Characters that the table knows: the first two planes.
pub(super) const KNOWN: usize = 0x20000;
/// Characters of a part.
const PART: usize = 256;

/// Figures of all characters.
pub(super) struct Table<T: 'static> {
    parts: [OnceLock<Box<[T; PART]>>; KNOWN / PART],
    /// Of a character.
    of: fn(char) -> T,
    /// Of what is no character.
    none: T,
}

impl<T: Copy> Table<T> {
    pub(super) const fn new(of: fn(char) -> T, none: T) -> Table<T> {
        Table { parts: [const { OnceLock::new() }; KNOWN / PART], of, none }
    }

    /// Of a character.
    pub(super) fn get(&self, c: char) -> T {
        self.at(c as usize)
    }

    /// The same by its number.
    pub(super) fn at(&self, code: usize) -> T {
        let of = |code: usize| char::from_u32(code as u32).map_or(self.none, self.of);
        let Some(part) = self.parts.get(code / PART) else { return of(code) };
        part.get_or_init(|| Box::new(std::array::from_fn(|at| of(code - code % PART + at))))[code % PART]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_answers_as_its_function() {
        static TABLE: Table<bool> = Table::new(char::is_alphabetic, false);
        for code in 0..=0x10FFFF {
            assert_eq!(TABLE.at(code), char::from_u32(code as u32).is_some_and(char::is_alphabetic), "{code:x}");
        }
    }
}
