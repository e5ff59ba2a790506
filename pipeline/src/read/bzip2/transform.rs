//! The Burrows–Wheeler transform undone.
//!
//! The last column of the sorted rotations tells for each of its bytes where the next one stands. Following that from
//! byte to byte would wait for memory at every step, since the places are all over a table larger than the caches near
//! the core. So the way is begun at many places of the table at once, and the pieces are put together afterwards: each
//! ends where another begins.

/// Ways followed side by side.
const LANES: usize = 8;
/// Bytes of a piece, about.
const PIECE: usize = 512;
/// Entries of the table; a power of two, so that no place needs a check.
const PLACES: usize = 1 << 20;
/// Set in the entry of a piece's last byte.
const LAST: u32 = 1 << 31;

/// Memory that is used again for every block.
pub(super) struct Transform {
    /// By place: place of the next byte << 8 | byte.
    table: Box<[u32; PLACES]>,
    /// What is met on each way, one behind the other; pages of memory that nothing was written to cost nothing.
    lanes: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Bytes of a lane, and the place behind them.
#[derive(Clone, Copy, Default)]
struct Piece {
    lane: usize,
    from: usize,
    to: usize,
    next: usize,
}

/// A piece being followed.
#[derive(Clone, Copy, Default)]
struct Way {
    piece: usize,
    from: usize,
}

#[inline(always)]
fn place(entry: u32) -> usize {
    entry as usize >> 8 & (PLACES - 1)
}

impl Default for Transform {
    fn default() -> Transform {
        let table = vec![0; PLACES].into_boxed_slice().try_into().expect("as many");
        Transform { table, lanes: vec![0; LANES * PLACES], pieces: Vec::new() }
    }
}

impl Transform {
    /// Adds the text whose rotation number `origin` it was to `text`, of its last column, 1 to 900,000 bytes.
    pub fn undo(&mut self, column: &[u8], origin: usize, text: &mut Vec<u8>) {
        self.link(column);
        // A piece begins at every 512th place, and at the first byte.
        let first = place(self.table[origin]);
        self.table[origin] |= LAST;
        let regular = column.len().div_ceil(PIECE);
        let piece_at = |place: usize| if place.is_multiple_of(PIECE) { place / PIECE } else { regular };
        let count = regular + usize::from(!first.is_multiple_of(PIECE));
        self.follow(count, |piece| if piece == regular { first } else { piece * PIECE });
        let end = text.len() + column.len();
        let mut piece = piece_at(first);
        // A text that repeats itself is several rounds of one way.
        while text.len() < end {
            let Piece { lane, from, to, next } = self.pieces[piece];
            let to = to.min(from + end - text.len());
            text.extend_from_slice(&self.lanes[lane * PLACES..][from..to]);
            piece = piece_at(next);
        }
    }

    /// Fills the table.
    fn link(&mut self, column: &[u8]) {
        let mut next = [0u32; 256];
        for byte in column {
            next[usize::from(*byte)] += 1;
        }
        let mut sum = 0;
        for place in &mut next {
            (*place, sum) = (sum, sum + *place);
        }
        for (entry, byte) in self.table.iter_mut().zip(column) {
            *entry = u32::from(*byte);
        }
        let mut index = 0;
        for piece in column.chunks(PIECE) {
            let mut mark = LAST;
            for byte in piece {
                let place = &mut next[usize::from(*byte)];
                self.table[*place as usize & (PLACES - 1)] |= index << 8 | mark;
                *place += 1;
                index += 1;
                mark = 0;
            }
        }
    }

    /// Follows all pieces from where they begin.
    fn follow(&mut self, count: usize, begin: impl Fn(usize) -> usize) {
        self.pieces.clear();
        self.pieces.resize(count, Piece::default());
        let mut waiting = 0..count;
        let (mut ways, mut at, mut met) = ([Way::default(); LANES], [0; LANES], 0);
        if count < LANES {
            for piece in waiting {
                met = self.alone(0, Way { piece, from: met }, begin(piece), met);
            }
            return;
        }
        for (lane, piece) in waiting.by_ref().take(LANES).enumerate() {
            (ways[lane].piece, at[lane]) = (piece, begin(piece));
        }
        let mut resting = [false; LANES];
        let lanes: &mut [[u8; PLACES]; LANES] = self.lanes.as_chunks_mut().0.try_into().expect("as many");
        while resting == [false; LANES] {
            let (mut entries, mut all) = ([0; LANES], 0);
            for lane in 0..LANES {
                let entry = self.table[at[lane]];
                lanes[lane][met & (PLACES - 1)] = entry as u8;
                (at[lane], entries[lane], all) = (place(entry), entry, all | entry);
            }
            met += 1;
            if all & LAST == 0 {
                continue;
            }
            for lane in (0..LANES).filter(|lane| entries[*lane] & LAST != 0) {
                let Way { piece, from } = ways[lane];
                self.pieces[piece] = Piece { lane, from, to: met, next: at[lane] };
                match waiting.next() {
                    Some(piece) => (ways[lane], at[lane]) = (Way { piece, from: met }, begin(piece)),
                    None => resting[lane] = true,
                }
            }
        }
        for lane in (0..LANES).filter(|lane| !resting[*lane]) {
            self.alone(lane, ways[lane], at[lane], met);
        }
    }

    /// Follows one piece to its end; gives how many bytes the lane has then.
    fn alone(&mut self, lane: usize, way: Way, mut at: usize, mut met: usize) -> usize {
        loop {
            let entry = self.table[at];
            self.lanes[lane * PLACES + met] = entry as u8;
            (at, met) = (place(entry), met + 1);
            if entry & LAST != 0 {
                self.pieces[way.piece] = Piece { lane, from: way.from, to: met, next: at };
                return met;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last column of the sorted rotations of `text`, and which of them is `text`.
    fn column(text: &[u8]) -> (Vec<u8>, usize) {
        let twice = [text, text].concat();
        let mut order: Vec<usize> = (0..text.len()).collect();
        order.sort_by_key(|from| &twice[*from..from + text.len()]);
        let last = order.iter().map(|from| twice[from + text.len() - 1]).collect();
        (last, order.iter().position(|from| *from == 0).unwrap())
    }

    #[test]
    fn texts_come_back_whatever_the_number_of_pieces() {
        assert_eq!(column(b"banana"), (b"nnbaaa".to_vec(), 3));
        let noise = |length: u64| (0..length).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8);
        let texts: [Vec<u8>; 9] = [
            b"x".to_vec(),
            b"banana".to_vec(),
            vec![b'a'; 5000],
            b"abc".repeat(4000),
            noise(511).collect(),
            noise(512).collect(),
            noise(513).collect(),
            noise(20_000).collect(),
            noise(3000).chain("Lobdīn! ".bytes().cycle().take(9000)).collect(),
        ];
        let mut transform = Transform::default();
        for text in texts {
            let (column, origin) = column(&text);
            let mut found = b"before".to_vec();
            transform.undo(&column, origin, &mut found);
            assert!(found == [b"before", &text[..]].concat(), "{} bytes", text.len());
        }
    }
}
