//! The outermost layer of a block, and the checksum of what comes out of it.

/// Bytes looked at together.
const TOGETHER: usize = 32;
/// Equal bytes behind which stands how many more of them follow.
const RUN: usize = 4;

/// A text with its runs in full, of one whose runs were shortened; none where it ends inside of one.
pub(super) fn expanded(short: &[u8]) -> Option<Vec<u8>> {
    let mut text: Vec<u8> = Vec::with_capacity(short.len() + short.len() / 16);
    let (mut at, mut run) = (0, 0);
    while at < short.len() {
        if run == 0
            && let Some(some) = short.get(at..at + TOGETHER + RUN - 1)
            && !has_run(some.try_into().expect("as many"))
        {
            text.extend_from_slice(&some[..TOGETHER]);
            at += TOGETHER;
            continue;
        }
        let byte = short[at];
        run = if run > 0 && text.last() == Some(&byte) { run + 1 } else { 1 };
        text.push(byte);
        at += 1;
        if run == RUN {
            text.resize(text.len() + usize::from(*short.get(at)?), byte);
            (at, run) = (at + 1, 0);
        }
    }
    Some(text)
}

/// Whether a run begins in the first 32 bytes.
#[inline(always)]
fn has_run(some: &[u8; TOGETHER + RUN - 1]) -> bool {
    let mut found = 0;
    for index in 0..TOGETHER {
        let equal = |next: usize| u8::from(some[index] == some[index + next]);
        found |= equal(1) & equal(2) & equal(3);
    }
    found != 0
}

/// By a byte and how many bytes come behind it.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = ((byte as u32) << 24, 0);
        while bit < 8 {
            sum = sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut behind = 1;
    while behind < 8 {
        let mut byte = 0;
        while byte < 256 {
            let sum = tables[behind - 1][byte];
            tables[behind][byte] = sum << 8 ^ tables[0][(sum >> 24) as usize];
            byte += 1;
        }
        behind += 1;
    }
    tables
}

/// CRC-32 with the highest bit first, eight bytes at a time.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        let [a, b, c, d] = (sum ^ u32::from_be_bytes([eight[0], eight[1], eight[2], eight[3]])).to_be_bytes();
        let all = [a, b, c, d, eight[4], eight[5], eight[6], eight[7]];
        sum = (0..8).fold(0, |sum, index| sum ^ TABLES[7 - index][usize::from(all[index])]);
    }
    for byte in rest {
        sum = sum << 8 ^ TABLES[0][usize::from((sum >> 24) as u8 ^ byte)];
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(short: &[u8], wanted: Option<&[u8]>) {
        assert_eq!(expanded(short).as_deref(), wanted);
    }

    #[test]
    fn four_equal_bytes_say_how_many_follow() {
        check(b"", Some(b""));
        check(b"aaabaab", Some(b"aaabaab"));
        check(b"aaaa\0aaaa\x02b", Some(b"aaaaaaaaaab"));
        check(b"aaaa\x61a", Some(&[b'a'; 4 + 97 + 1]));
        check(b"baaaa", None);
        // At every place of what is looked at together.
        for before in 0..3 * TOGETHER {
            let text = |run: &[u8]| [&b"xy".repeat(before)[..before], run, &b"zw".repeat(40)].concat();
            check(&text(b"aaaa\x03"), Some(&text(b"aaaaaaa")));
            check(&text(b"aaab"), Some(&text(b"aaab")));
        }
    }

    #[test]
    fn the_checksum_is_the_one_that_is_published() {
        // CRC-32/BZIP2 in Greg Cook's catalogue of CRCs.
        assert_eq!(checksum(b"123456789"), 0xfc89_1918);
        assert_eq!(checksum(b""), 0);
        let bytes: Vec<u8> = (0..100).collect();
        let slowly =
            bytes.iter().fold(u32::MAX, |sum, byte| sum << 8 ^ TABLES[0][usize::from((sum >> 24) as u8 ^ byte)]);
        assert_eq!(checksum(&bytes), !slowly);
    }
}
