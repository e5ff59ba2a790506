//! gzip of one member or many. A damaged member is one error ([`Damaged`]) in its place, and whoever reads on gets the
//! members after it: in a WARC file each record is one.

use super::damaged::Damaged;
use flate2::bufread::GzDecoder;
use std::io::{BufRead, Error, ErrorKind, Read, Result};

/// The beginning of a member: its magic and its only method.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Decodes what it reads from `R`.
pub struct Members<R> {
    state: State<R>,
    members: u64,
}

enum State<R> {
    Inside(Box<GzDecoder<R>>),
    Between(R),
    Ended,
}

impl<R: BufRead> Members<R> {
    /// Reads gzip from `input`.
    pub fn new(input: R) -> Members<R> {
        Members { state: State::Between(input), members: 0 }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(mut input) => {
                    // Padding after the last member is no member.
                    if !find_magic(&mut input)? {
                        return Ok(0);
                    }
                    self.members += 1;
                    self.state = State::Inside(Box::new(GzDecoder::new(input)));
                }
                State::Inside(mut decoder) => match decoder.read(buffer) {
                    Ok(0) if !buffer.is_empty() => self.state = State::Between(decoder.into_inner()),
                    Ok(count) => {
                        self.state = State::Inside(decoder);
                        return Ok(count);
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => self.state = State::Inside(decoder),
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                        return Err(Error::new(error.kind(), "gzip: the file ends before its last member does"));
                    }
                    Err(cause) => {
                        self.state = State::Between(decoder.into_inner());
                        let place = format!("gzip: member {}", self.members);
                        return Err(Damaged { place, cause }.into());
                    }
                },
            }
        }
    }
}

/// Goes to where a member begins; false where none does.
fn find_magic(input: &mut impl BufRead) -> Result<bool> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        // The rest of a magic may stand in the next buffer: what looks like its beginning at the end is taken for it.
        let begins = |at: &usize| bytes[*at..].iter().zip(MAGIC).all(|(byte, wanted)| *byte == wanted);
        match (0..bytes.len()).find(begins) {
            Some(0) => return Ok(true),
            Some(at) => input.consume(at),
            None => {
                let count = bytes.len();
                input.consume(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn read_on(file: &[u8]) -> (Vec<u8>, Vec<String>) {
        let (mut members, mut all, mut errors) = (Members::new(file), Vec::new(), Vec::new());
        loop {
            match members.read_to_end(&mut all) {
                Ok(_) => return (all, errors),
                Err(error) => errors.push(error.to_string()),
            }
        }
    }

    #[test]
    fn members_follow_one_another_and_padding_is_none() {
        let file = [member(b"a"), member(b""), member(b"b"), vec![0; 512]].concat();
        assert_eq!(read_on(&file), (b"ab".to_vec(), Vec::new()));
    }

    #[test]
    fn a_damaged_member_is_an_error_and_the_next_one_is_read() {
        let noise: Vec<u8> = (0..5000u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8).collect();
        let mut broken = member(&noise);
        let middle = broken.len() / 2;
        broken[middle..middle + 40].fill(0xff);
        let (all, errors) = read_on(&[member(b"a"), broken, member(b"b")].concat());
        assert!(all.starts_with(b"a") && all.ends_with(b"b"));
        assert!(errors.iter().any(|error| error.contains("gzip: member 2")), "{errors:?}");
        let cut = member(b"abc");
        let (_, errors) = read_on(&cut[..cut.len() - 3]);
        assert!(errors[0].contains("ends before"), "{errors:?}");
    }
}
