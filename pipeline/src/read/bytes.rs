//! Bytes of a file as text: decompressed by magic bytes, decoded ([`super::encoding`]), counted as they are read.

use crate::error::{Error, Result};
use crate::read::bzip2::Blocks;
use crate::read::encoding::{Decoding, decode};
use crate::read::gzip_members::Members;
use encoding_rs::Encoding;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Buffer between the layers, in bytes.
const BUFFER: usize = 1 << 16;

/// First bytes of compressed files.
const BZIP2: &[u8] = b"BZh";
const XZ: &[u8] = b"\xfd7zXZ\0";

/// How many bytes of the file itself have been taken, for a progress bar.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Bytes so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// So many more.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

struct Counted<R> {
    inner: R,
    counter: Counter,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.counter.add(n as u64);
        Ok(n)
    }
}

/// A file as valid UTF-8: bytes that are no text become U+FFFD, a byte order mark is dropped.
pub type Text = Box<dyn BufRead + Send>;

/// What is known of a file as it is read.
#[derive(Debug, Clone, Default)]
pub struct Meters {
    /// Of the (compressed) bytes.
    pub counter: Counter,
    /// The encoding.
    pub decoding: Decoding,
}

/// The bytes of `path` without compression.
pub fn decompressed(path: &Path) -> Result<(Box<dyn Read + Send>, Counter)> {
    let counter = Counter::default();
    let file = File::open(path).map_err(Error::io("read", path))?;
    let raw = BufReader::with_capacity(BUFFER, Counted { inner: file, counter: counter.clone() });
    Ok((plain(raw).map_err(Error::io("read", path))?, counter))
}

/// Whether decompressing `path` costs so much that it is not to be done twice.
pub fn is_dear(path: &Path) -> bool {
    let mut magic = Vec::new();
    let read = File::open(path).and_then(|file| file.take(XZ.len() as u64).read_to_end(&mut magic));
    read.is_ok() && (magic.starts_with(BZIP2) || magic.starts_with(XZ))
}

/// Bytes without compression, which is told by magic bytes.
pub fn plain(mut raw: BufReader<impl Read + Send + 'static>) -> std::io::Result<Box<dyn Read + Send>> {
    let magic = raw.fill_buf()?;
    Ok(if magic.starts_with(BZIP2) {
        Box::new(Blocks::new(raw))
    } else if magic.starts_with(&[0x1f, 0x8b]) {
        Box::new(Members::new(raw))
    } else if magic.starts_with(XZ) {
        Box::new(liblzma::read::XzDecoder::new_multi_decoder(raw))
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::stream::read::Decoder::with_buffer(raw)?)
    } else {
        Box::new(raw)
    })
}

/// Bytes as text; the encoding is told by themselves where none is given.
pub fn text(plain: Box<dyn Read + Send>, encoding: Option<&'static Encoding>, decoding: &Decoding) -> Text {
    Box::new(decode(plain, encoding, decoding.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let (plain, counter) = decompressed(&path).unwrap();
        let mut all = String::new();
        text(plain, None, &Decoding::default()).read_to_string(&mut all).unwrap();
        assert_eq!(counter.get(), bytes.len() as u64);
        all
    }

    #[test]
    fn every_compression_gives_the_same_text_also_in_several_members() {
        let whole = "Lobdīn! 例え".repeat(20_000);
        let bz2 = |text: &str| {
            let mut writer = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
            writer.write_all(text.as_bytes()).unwrap();
            writer.finish().unwrap()
        };
        let gz = |text: &str| {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(text.as_bytes()).unwrap();
            writer.finish().unwrap()
        };
        let xz = |text: &str| {
            let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 0);
            writer.write_all(text.as_bytes()).unwrap();
            writer.finish().unwrap()
        };
        let zst = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(read(whole.as_bytes()), whole);
        assert_eq!(read(&[bz2(&whole), bz2("end")].concat()), format!("{whole}end"));
        assert_eq!(read(&[gz(&whole), gz("end")].concat()), format!("{whole}end"));
        assert_eq!(read(&[xz(&whole), xz("end")].concat()), format!("{whole}end"));
        assert_eq!(read(&[zst(&whole), zst("end")].concat()), format!("{whole}end"));
    }

    #[test]
    fn marks_are_no_text_and_bad_bytes_are_replaced() {
        assert_eq!(read(b"\xef\xbb\xbfab"), "ab");
        assert_eq!(read(b"\xff\xfea\0\x07\x01"), "ać");
        assert_eq!(read(b"\xfe\xff\0a\x01\x07"), "ać");
        assert_eq!(read(b"\xef\xbb\xbfa\xffb\xc3"), "a\u{fffd}b\u{fffd}");
        assert_eq!(read(b""), "");
    }
}
