//! The pieces inside a SentencePiece `.model` file (a protocol buffer, `sentencepiece_model.proto`), which the encoder does
//! not tell.

/// What a piece is for; in the order of the file format's numbers, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string of text.
    Normal,
    /// `<unk>`.
    Unknown,
    /// `<s>`, `</s>`, `<pad>`: never found in text.
    Control,
    /// Given by the user, always one piece.
    UserDefined,
    /// Never used.
    Unused,
    /// One byte of a character without a piece.
    Byte,
}

impl Kind {
    /// In the file.
    const ALL: [Kind; 6] = [Kind::Normal, Kind::Unknown, Kind::Control, Kind::UserDefined, Kind::Unused, Kind::Byte];

    fn number(self) -> u8 {
        self as u8 + 1
    }

    fn of_number(number: u64) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| u64::from(kind.number()) == number)
    }
}

/// One entry; its id is its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The text, with `▁` for a space.
    pub text: String,
    /// Natural logarithm of its probability; 0 for special pieces.
    pub score: f32,
    /// What it is for.
    pub kind: Kind,
}

/// Reads all pieces in order; `None` where the bytes are no such file.
pub fn pieces(model: &[u8]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut fields = Fields(model);
    while let Some(field) = fields.next()? {
        if let (1, Value::Bytes(bytes)) = field {
            pieces.push(piece(bytes)?);
        }
    }
    Some(pieces)
}

fn piece(bytes: &[u8]) -> Option<Piece> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: Kind::Normal };
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(text)) => piece.text = std::str::from_utf8(text).ok()?.to_owned(),
            (2, Value::Fixed32(bits)) => piece.score = f32::from_bits(bits),
            (3, Value::Number(kind)) => {
                piece.kind = Kind::of_number(kind)?;
            }
            _ => {}
        }
    }
    Some(piece)
}

/// A file of a unigram model with these pieces, which puts a space before a text and makes one of several, and whose
/// characters are replaced by a compiled `character_map` first; empty: none are.
pub fn write(pieces: &[Piece], character_map: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    for piece in pieces {
        let mut message = Vec::new();
        bytes_field(1, piece.text.as_bytes(), &mut message);
        message.push(2 << 3 | 5); // four bytes
        message.extend(piece.score.to_le_bytes());
        message.extend([3 << 3, piece.kind.number()]);
        bytes_field(1, &message, &mut file);
    }
    bytes_field(2, &[3 << 3, 1], &mut file); // TrainerSpec { model_type = 3: UNIGRAM }
    let mut normalizer = Vec::new();
    bytes_field(2, character_map, &mut normalizer);
    for number in [3, 4, 5] {
        normalizer.extend([number << 3, 1]); // add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces
    }
    bytes_field(3, &normalizer, &mut file);
    file
}

fn bytes_field(number: u8, content: &[u8], to: &mut Vec<u8>) {
    to.push(number << 3 | 2);
    let mut length = content.len();
    while length >= 0x80 {
        to.push(length as u8 | 0x80);
        length >>= 7;
    }
    to.push(length as u8);
    to.extend(content);
}

enum Value<'a> {
    Number(u64),
    Fixed32(u32),
    Fixed64,
    Bytes(&'a [u8]),
}

/// The fields of a message, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// `Some(None)` at the end, `None` where the bytes break off.
    #[allow(clippy::type_complexity)]
    fn next(&mut self) -> Option<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some(Some((key >> 3, value)))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_written_by_hand_is_read_and_a_broken_one_refused() {
        // Two pieces: "ab" with score -1.5, kind left out; "<s>" with kind 3; then field 9, a number, passed over.
        let mut bytes = vec![0x0a, 9, 0x0a, 2, b'a', b'b', 0x15];
        bytes.extend((-1.5f32).to_le_bytes());
        bytes.extend([0x0a, 7, 0x0a, 3, b'<', b's', b'>', 0x18, 3, 0x48, 0x96, 0x01]);
        let read = pieces(&bytes).unwrap();
        assert_eq!(read[0], Piece { text: "ab".into(), score: -1.5, kind: Kind::Normal });
        assert_eq!(read[1], Piece { text: "<s>".into(), score: 0.0, kind: Kind::Control });
        assert_eq!(read.len(), 2);
        assert_eq!(pieces(&bytes[..8]), None);
        assert_eq!(pieces(&write(&read, &[7; 300])).unwrap(), read);
    }
}
