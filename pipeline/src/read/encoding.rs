//! Bytes as UTF-8 text, whatever encoding they are in; what it was and what could not be decoded is told.
//!
//! In this order: what the caller says; a byte order mark; UTF-16 by its zeros; UTF-8 where the bytes are valid; what an
//! XML or HTML head declares; what the bytes look like (`chardetng`, as browsers do, and Mac Roman by its quotation
//! marks, which browsers never guess). Text is ASCII until the first other byte, however far into the file that is.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, MACINTOSH, UTF_8, UTF_16BE, UTF_16LE};
use std::io::{BufRead, BufReader, Error, Read, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Buffer of the decoder, in bytes.
const BUFFER: usize = 1 << 16;
/// Bytes from the first that is no ASCII on by which the encoding is chosen.
const SAMPLE: usize = 1 << 18;
/// Bytes of the beginning in which a declaration is looked for, as browsers do.
const HEAD: usize = 1024;

/// What was found in a file so far.
#[derive(Debug, Clone, Default)]
pub struct Decoding(Arc<Found>);

#[derive(Debug, Default)]
struct Found {
    encoding: OnceLock<&'static Encoding>,
    replaced: AtomicU64,
}

impl Decoding {
    /// The standard name of the encoding; none while nothing but ASCII was seen.
    pub fn name(&self) -> Option<&'static str> {
        self.0.encoding.get().map(|encoding| encoding.name())
    }

    /// Places where bytes were no text and U+FFFD stands.
    pub fn replaced(&self) -> u64 {
        self.0.replaced.load(Ordering::Relaxed)
    }
}

/// The text of `bytes` in UTF-8 without a byte order mark; a carriage return alone, as on old Macs, is a line feed.
pub fn decode(bytes: impl Read, encoding: Option<&'static Encoding>, decoding: Decoding) -> impl BufRead {
    let source = BufReader::with_capacity(BUFFER, bytes);
    BufReader::with_capacity(
        BUFFER,
        Decoded {
            source,
            asked: encoding,
            decoder: None,
            pending: Vec::new(),
            owed: None,
            begun: false,
            head: Vec::new(),
            before: None,
            ready: Vec::new(),
            at: 0,
            carriage: false,
            ended: false,
            decoding,
        },
    )
}

struct Decoded<R> {
    source: BufReader<R>,
    asked: Option<&'static Encoding>,
    /// None while all is ASCII.
    decoder: Option<Decoder>,
    /// Taken from the source for the choice, not decoded yet.
    pending: Vec<u8>,
    /// What went wrong behind `pending`.
    owed: Option<Error>,
    begun: bool,
    /// The beginning, for declarations.
    head: Vec<u8>,
    /// The last byte that was ASCII: what an apostrophe stands after.
    before: Option<u8>,
    ready: Vec<u8>,
    at: usize,
    /// A carriage return is owed.
    carriage: bool,
    ended: bool,
    decoding: Decoding,
}

impl<R: Read> Decoded<R> {
    /// Reads on until `pending` has `wanted` bytes, or the file ends, or something is wrong, which is said when all
    /// before it was given out.
    fn fill(&mut self, wanted: usize) {
        while self.pending.len() < wanted && self.owed.is_none() {
            match self.source.fill_buf() {
                Ok([]) => return,
                Ok(bytes) => {
                    let count = bytes.len().min(wanted - self.pending.len());
                    self.pending.extend_from_slice(&bytes[..count]);
                    self.source.consume(count);
                }
                Err(error) => self.owed = Some(error),
            }
        }
    }

    /// Looks at the first bytes: a mark, or zeros.
    fn begin(&mut self) {
        self.fill(HEAD);
        self.head.clone_from(&self.pending);
        let marked = Encoding::for_bom(&self.head).map(|(encoding, _)| encoding);
        let encoding = marked.or(self.asked).or_else(|| by_zeros(&self.head));
        self.begun = true;
        if let Some(encoding) = encoding {
            self.decide(encoding);
        }
    }

    fn decide(&mut self, encoding: &'static Encoding) {
        self.decoder = Some(encoding.new_decoder());
        let _ = self.decoding.0.encoding.set(encoding);
    }

    /// More bytes of the file: those pending first.
    fn more(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            if let Some(error) = self.owed.take() {
                return Err(error);
            }
            let bytes = self.source.fill_buf()?;
            let count = bytes.len();
            self.pending.extend_from_slice(bytes);
            self.source.consume(count);
        }
        Ok(())
    }

    /// Decodes some bytes into `ready`.
    fn advance(&mut self) -> Result<()> {
        if !self.begun {
            self.begin();
        }
        self.more()?;
        let last = self.pending.is_empty();
        self.ready.clear();
        self.at = 0;
        if self.decoder.is_none() {
            let ascii = self.pending.iter().position(|byte| !byte.is_ascii()).unwrap_or(self.pending.len());
            if ascii > 0 || last {
                self.ready.extend(self.pending.drain(..ascii));
                self.before = self.ready.last().copied();
                self.ended = last;
                self.line_ends(last);
                return Ok(());
            }
            self.fill(SAMPLE);
            let sample: Vec<u8> = self.before.iter().chain(&self.pending).copied().collect();
            self.decide(choose(&self.head, &sample, None));
        }
        let decoder = self.decoder.as_mut().expect("just made");
        let (mut taken, mut replaced) = (0, 0);
        self.ready.resize(decoder.max_utf8_buffer_length(self.pending.len()).unwrap_or(0) + 16, 0);
        let mut written = 0;
        loop {
            let (result, read, wrote) =
                decoder.decode_to_utf8_without_replacement(&self.pending[taken..], &mut self.ready[written..], last);
            (taken, written) = (taken + read, written + wrote);
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => self.ready.resize(2 * self.ready.len() + 16, 0),
                DecoderResult::Malformed(..) => {
                    replaced += 1;
                    if self.ready.len() < written + 3 {
                        self.ready.resize(2 * self.ready.len() + 16, 0);
                    }
                    self.ready[written..written + 3].copy_from_slice("\u{fffd}".as_bytes());
                    written += 3;
                }
            }
        }
        self.pending.clear();
        self.ready.truncate(written);
        self.decoding.0.replaced.fetch_add(replaced, Ordering::Relaxed);
        self.ended = last;
        self.line_ends(last);
        Ok(())
    }

    /// Carriage returns that no line feed follows become line feeds.
    fn line_ends(&mut self, last: bool) {
        if !self.carriage && !self.ready.contains(&b'\r') {
            return;
        }
        let mut out = Vec::with_capacity(self.ready.len() + 1);
        for byte in self.ready.drain(..) {
            if std::mem::take(&mut self.carriage) {
                out.push(if byte == b'\n' { b'\r' } else { b'\n' });
            }
            if byte == b'\r' { self.carriage = true } else { out.push(byte) }
        }
        if last && std::mem::take(&mut self.carriage) {
            out.push(b'\n');
        }
        self.ready = out;
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.at == self.ready.len() && !self.ended {
            self.advance()?;
        }
        let n = buffer.len().min(self.ready.len() - self.at);
        buffer[..n].copy_from_slice(&self.ready[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// UTF-16 without a mark: half of the bytes are zero, all on one side.
fn by_zeros(head: &[u8]) -> Option<&'static Encoding> {
    let zeros = |from: usize| head.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), head.len() / 2);
    match pairs {
        0 => None,
        _ if even == 0 && 3 * odd >= pairs => Some(UTF_16LE),
        _ if odd == 0 && 3 * even >= pairs => Some(UTF_16BE),
        _ => None,
    }
}

/// The text of all these bytes, of which a server said `told`.
pub(super) fn whole(bytes: &[u8], told: Option<&'static Encoding>, decoding: &Decoding) -> String {
    let head = &bytes[..bytes.len().min(HEAD)];
    let encoding =
        Encoding::for_bom(head).map(|(encoding, _)| encoding).or_else(|| by_zeros(head)).unwrap_or_else(|| {
            let ascii = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(bytes.len());
            if ascii == bytes.len() {
                UTF_8
            } else {
                choose(head, &bytes[ascii.saturating_sub(1)..bytes.len().min(ascii + SAMPLE)], told)
            }
        });
    let (text, _, broken) = encoding.decode(bytes);
    if broken {
        decoding.0.replaced.fetch_add(text.matches('\u{fffd}').count() as u64, Ordering::Relaxed);
    }
    text.into_owned()
}

/// The encoding of a text that is no pure ASCII; `head` is its beginning, `sample` begins with its last ASCII byte, `told`
/// is what a server said.
fn choose(head: &[u8], sample: &[u8], told: Option<&'static Encoding>) -> &'static Encoding {
    let (valid, invalid) = sequences(sample);
    if valid > invalid {
        return UTF_8; // perhaps damaged
    }
    let declared = told.or_else(|| declared(head)).filter(|encoding| *encoding != UTF_8);
    declared.unwrap_or_else(|| {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(sample, false);
        let guess = detector.guess(None, Utf8Detection::Deny);
        if is_mac_roman(sample) { MACINTOSH } else { guess }
    })
}

/// Characters of several bytes that are valid UTF-8, and places that are not.
fn sequences(mut bytes: &[u8]) -> (usize, usize) {
    let (mut valid, mut invalid) = (0, 0);
    let long = |text: &str| text.chars().filter(|c| !c.is_ascii()).count();
    loop {
        match std::str::from_utf8(bytes) {
            Ok(text) => return (valid + long(text), invalid),
            Err(error) => {
                let (good, rest) = bytes.split_at(error.valid_up_to());
                valid += long(std::str::from_utf8(good).expect("valid up to there"));
                // The sample may end inside a character.
                let Some(length) = error.error_len() else { return (valid, invalid) };
                invalid += 1;
                bytes = &rest[length..];
            }
        }
    }
}

/// What the declaration of an XML file or a `<meta>` of a web page says.
fn declared(head: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let xml = head.trim_start().starts_with("<?xml").then(|| head.find("encoding=")).flatten().map(|at| at + 9);
    let meta = head.find("<meta").and_then(|from| head[from..].find("charset=").map(|at| from + at + 8));
    let label = &head[xml.or(meta)?..];
    let label = label.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(['"', '\'', ' ', '>', ';', '/', '?']).unwrap_or(label.len());
    Encoding::for_label(&label.as_bytes()[..end])
}

/// In Mac Roman 0xD2 to 0xD5 are the quotation marks, in the encodings of Windows accented capitals: these, the
/// apostrophes first of all, stand right after a small letter (`n\xD5olulala`), as no capital does.
fn is_mac_roman(sample: &[u8]) -> bool {
    let high = sample.iter().filter(|byte| **byte >= 0x80).count();
    let quotes = sample.windows(2).filter(|pair| {
        let apostrophe =
            matches!(pair[1], 0xd2..=0xd5) && (pair[0].is_ascii_lowercase() || pair[0].is_ascii_punctuation());
        let opening = matches!(pair[0], 0xd2 | 0xd4) && pair[1].is_ascii_alphabetic();
        apostrophe || opening
    });
    3 * quotes.count() >= high
        && high > 0
        && sample.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1] == 0xd5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{BIG5, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252, WINDOWS_1257};

    fn read(bytes: &[u8], asked: Option<&'static Encoding>) -> (String, Option<&'static str>, u64) {
        let (decoding, mut text) = (Decoding::default(), String::new());
        decode(bytes, asked, decoding.clone()).read_to_string(&mut text).unwrap();
        (text, decoding.name(), decoding.replaced())
    }

    #[test]
    fn encodings_are_told_by_mark_zeros_declaration_and_looks() {
        let russian = "Река течёт через город, и все люди говорят о ней. ".repeat(5);
        let greek = "<html><head><meta charset='iso-8859-7'></head><body>";
        let (windows, _, _) = WINDOWS_1251.encode(&russian);
        assert_eq!(read(&windows, None), (russian.clone(), Some("windows-1251"), 0));
        let japanese = "川は町を通って流れ、皆がそれについて話しています。".repeat(5);
        assert_eq!(read(&SHIFT_JIS.encode(&japanese).0, None), (japanese, Some("Shift_JIS"), 0));
        let chinese = "河流穿過城市，所有人都在談論它。".repeat(5);
        assert_eq!(read(&BIG5.encode(&chinese).0, None), (chinese, Some("Big5"), 0));
        let page = [greek.as_bytes(), b"\xe1\xe2"].concat();
        assert_eq!(read(&page, None), (format!("{greek}αβ"), Some("ISO-8859-7"), 0));
        // What is declared and not true; what is asked for.
        let latin =
            [b"<?xml version='1.0' encoding='utf-8'?><a>".as_slice(), &WINDOWS_1252.encode("à côté").0].concat();
        assert!(read(&latin, None).0.ends_with("à côté"));
        assert_eq!(read(&[b"<?xml encoding='latin1'?>", "ćš".as_bytes()].concat(), None).1, Some("UTF-8"));
        let latvian = WINDOWS_1257.encode("ūdens tek").0.into_owned();
        assert_eq!(read(&latvian, Some(WINDOWS_1257)), ("ūdens tek".to_owned(), Some("windows-1257"), 0));
        for little in [true, false] {
            let wide: Vec<u8> = "<mediawiki>ć"
                .encode_utf16()
                .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
                .collect();
            let name = if little { "UTF-16LE" } else { "UTF-16BE" };
            assert_eq!(read(&wide, None), ("<mediawiki>ć".to_owned(), Some(name), 0));
            let mark: &[u8] = if little { b"\xff\xfe" } else { b"\xfe\xff" };
            assert_eq!(read(&[mark, &wide].concat(), None).0, "<mediawiki>ć");
        }
        assert_eq!(read(b"plain\n", None), ("plain\n".to_owned(), None, 0));
    }

    #[test]
    fn ascii_of_any_length_may_stand_before() {
        let bytes =
            [&b"a".repeat(3 * SAMPLE)[..], &WINDOWS_1251.encode(&" река течёт через город".repeat(4)).0].concat();
        let (text, name, _) = read(&bytes, None);
        assert!(text.ends_with(
            "aa река течёт через город река течёт через город река течёт через город река течёт через город"
        ));
        assert_eq!(name, Some("windows-1251"));
    }

    #[test]
    fn damaged_utf_8_stays_utf_8_and_its_damage_is_counted() {
        let bytes = [&"ūdens tek ".repeat(9).into_bytes()[..], b"\xff\xd5 ", "ć".as_bytes(), b"\xc3"].concat();
        let (text, name, replaced) = read(&bytes, None);
        assert!(text.ends_with("tek \u{fffd}\u{fffd} ć\u{fffd}"), "{text}");
        assert_eq!((name, replaced), (Some("UTF-8"), 3));
    }

    #[test]
    fn mac_roman_is_told_by_its_apostrophes() {
        let (text, name, _) =
            read(b"teeka emabega w'oluggi, n\xd5olulala n'aluteeka\rEdda ow\xd5ebbeere \xd2Bwe\xd3", None);
        assert_eq!(
            (text.as_str(), name),
            ("teeka emabega w'oluggi, n’olulala n'aluteeka\nEdda ow’ebbeere “Bwe”", Some("macintosh"))
        );
        // One alone, behind much ASCII.
        let (text, name, _) = read(&[&b"a ".repeat(SAMPLE)[..], b"naye n\xd5omutamiivu"].concat(), None);
        assert!(text.ends_with("naye n’omutamiivu") && name == Some("macintosh"), "{name:?}");
        // Capitals of Windows.
        let (text, name, _) = read(b"\xd3NDE EST\xc1 LA CANCI\xd3N, qu\xe9 ma\xf1ana?", None);
        assert_eq!((text.as_str(), name), ("ÓNDE ESTÁ LA CANCIÓN, qué mañana?", Some("windows-1252")));
    }

    #[test]
    fn line_ends_at_borders_of_buffers() {
        let bytes = "a\r\nb\rc\r".repeat(BUFFER / 3);
        assert_eq!(read(bytes.as_bytes(), None).0, "a\r\nb\nc\n".repeat(BUFFER / 3));
    }
}
