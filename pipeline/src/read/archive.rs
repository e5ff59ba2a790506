//! Archives of files, tar and zip: every file in it is read as it would be alone. With its path in the archive the ids of
//! its documents begin. Dumps and tables in Parquet are too large for that and have to be unpacked.

use super::{Format, Item, ReadSettings, Source, bytes, source};
use crate::error::{Error, Result};
use crate::read::encoding::Decoding;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder};
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

/// Bytes of a file in an archive at most, decompressed; what is longer is a failure.
const LONGEST: u64 = 64 << 20;
/// Bytes of a block of tar; every file begins with one and fills its last.
const BLOCK: u64 = 512;
/// Where its mark is in a tar.
const MARK: usize = 257;

/// Kind of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tar,
    Zip,
}

/// By the name or first bytes; none for what is no archive.
pub(super) fn kind(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?.to_lowercase();
    let bare = [".bz2", ".gz", ".xz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    if [".tar", ".tgz", ".tbz2", ".txz"].iter().any(|end| bare.ends_with(end)) {
        return Some(Kind::Tar);
    }
    let mut begin = Vec::new();
    File::open(path).ok()?.take(BLOCK).read_to_end(&mut begin).ok()?;
    if begin.starts_with(b"PK\x03\x04") || begin.starts_with(b"PK\x05\x06") {
        return Some(Kind::Zip);
    }
    begin.get(MARK..).is_some_and(|rest| rest.starts_with(b"ustar")).then_some(Kind::Tar)
}

enum Files {
    Tar(Box<dyn Read + Send>),
    Zip { archive: ZipArchive<FileReader>, entries: IntoIter<Entry>, counter: bytes::Counter },
}

/// A file in a zip.
struct Entry {
    name: PathBuf,
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    compressed: u64,
}

/// An archive being read.
pub(super) struct Members {
    files: Files,
    settings: ReadSettings,
    decoding: Decoding,
    open: Option<(String, Source)>,
    ended: bool,
}

/// A file of an archive: its path and content, or what is wrong with it.
type Member = (PathBuf, std::result::Result<Vec<u8>, String>);

impl Members {
    /// Opens an archive, and what counts the bytes read of it.
    pub(super) fn open(
        path: &Path,
        kind: Kind,
        settings: &ReadSettings,
        decoding: Decoding,
    ) -> Result<(Members, bytes::Counter)> {
        let (files, counter) = match kind {
            Kind::Tar => {
                let (bytes, counter) = bytes::decompressed(path)?;
                (Files::Tar(bytes), counter)
            }
            Kind::Zip => {
                let file = File::open(path).map_err(Error::io("read", path))?;
                let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
                let archive = ZipArchive::from_file(file, &mut buffer).map_err(Error::format(path))?;
                let mut entries = Vec::new();
                let mut all = archive.entries(&mut buffer);
                while let Some(entry) = all.next_entry().map_err(Error::format(path))? {
                    if !entry.is_dir() {
                        entries.push(Entry {
                            name: String::from_utf8_lossy(entry.file_path().as_ref()).into_owned().into(),
                            place: entry.wayfinder(),
                            method: entry.compression_method(),
                            compressed: entry.compressed_size_hint(),
                        });
                    }
                }
                let counter = bytes::Counter::default();
                (Files::Zip { archive, entries: entries.into_iter(), counter: counter.clone() }, counter)
            }
        };
        Ok((Members { files, settings: settings.clone(), decoding, open: None, ended: false }, counter))
    }

    /// The next item of any file; a file that cannot be read is one.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        loop {
            if let Some((name, source)) = &mut self.open {
                if let Some(item) = source.next()? {
                    return Ok(Some(of_member(item, name)));
                }
                self.open = None;
            }
            if self.ended {
                return Ok(None);
            }
            let (name, content) = match self.files.next() {
                Ok(None) => return Ok(None),
                Ok(Some(member)) => member,
                Err(cause) => {
                    self.ended = true; // Where the next file begins is not known.
                    return Ok(Some(Item::Failed { place: "the archive".to_owned(), cause }));
                }
            };
            if is_hidden(&name) {
                continue;
            }
            let place = name.display().to_string();
            match content.map(|content| self.enter(&name, content)) {
                Ok(Ok(Some(source))) => self.open = Some((place, source)),
                Ok(Ok(None)) => return Ok(Some(Item::Skipped("no_format"))),
                Ok(Err(error)) => return Ok(Some(Item::Failed { place, cause: error.to_string() })),
                Err(cause) => return Ok(Some(Item::Failed { place, cause })),
            }
        }
    }

    /// A file as a source of its own; none where nothing tells its format.
    fn enter(&self, name: &Path, content: Vec<u8>) -> Result<Option<Source>> {
        let raw = BufReader::new(Cursor::new(content));
        let mut plain = Vec::new();
        let bytes = bytes::plain(raw).map_err(Error::io("decompress", name))?;
        bytes.take(LONGEST).read_to_end(&mut plain).map_err(Error::io("decompress", name))?;
        let Some(format) = self.settings.format.or_else(|| Format::of_bytes(Format::guess(name), &plain)) else {
            return Ok(None);
        };
        let refuse = |found: &str| Error::Input {
            path: name.to_owned(),
            place: String::new(),
            found: found.to_owned(),
            expected: "a smaller file; unpack the archive and give the file itself".to_owned(),
        };
        match format {
            Format::Mediawiki => return Err(refuse("a dump in an archive")),
            Format::Parquet => return Err(refuse("a Parquet table in an archive")),
            _ if plain.is_empty() => return Ok(Some(Source::Once(Some(Item::Skipped("empty"))))),
            _ => {}
        }
        source(name, format, Box::new(Cursor::new(plain)), &self.settings, &self.decoding).map(Some)
    }
}

impl Files {
    /// The next file. An error: what comes cannot be told.
    fn next(&mut self) -> std::result::Result<Option<Member>, String> {
        match self {
            Files::Tar(bytes) => next_of_tar(bytes),
            Files::Zip { archive, entries, counter } => {
                let Some(Entry { name, place, method, compressed }) = entries.next() else { return Ok(None) };
                counter.add(compressed);
                Ok(Some((name, content(archive, place, method).map_err(|error| error.to_string()))))
            }
        }
    }
}

/// The next file of a tar; links and devices are passed over.
fn next_of_tar(bytes: &mut Box<dyn Read + Send>) -> std::result::Result<Option<Member>, String> {
    let text = |error: std::io::Error| error.to_string();
    loop {
        let mut archive = tar::Archive::new(&mut *bytes);
        let Some(entry) = archive.entries().map_err(text)?.next() else { return Ok(None) };
        let mut entry = entry.map_err(text)?;
        let size = entry.size();
        let is_file = matches!(entry.header().entry_type(), tar::EntryType::Regular | tar::EntryType::Continuous);
        let name = entry.path().map_err(text)?.into_owned();
        let member = if !is_file {
            None
        } else if size > LONGEST {
            Some((name, Err(format!("{size} bytes; expected at most {LONGEST}"))))
        } else {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(text)?;
            if (content.len() as u64) < size {
                return Err(format!("it ends inside {}: it was cut", name.display()));
            }
            Some((name, Ok(content)))
        };
        // To the next header: what was not read of the file, and what fills its last block.
        std::io::copy(&mut entry, &mut std::io::sink()).map_err(text)?;
        drop(entry);
        std::io::copy(&mut bytes.take(size.next_multiple_of(BLOCK) - size), &mut std::io::sink()).map_err(text)?;
        if let Some(member) = member {
            return Ok(Some(member));
        }
    }
}

/// The content of a file in a zip, its checksum compared.
fn content(
    archive: &ZipArchive<FileReader>,
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
) -> std::io::Result<Vec<u8>> {
    let invalid = |cause: String| std::io::Error::new(std::io::ErrorKind::InvalidData, cause);
    let entry = archive.get_entry(place).map_err(|error| invalid(error.to_string()))?;
    let plain: Box<dyn Read> = match method {
        CompressionMethod::STORE => Box::new(entry.reader()),
        CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(BufReader::new(entry.reader()))),
        other => return Err(invalid(format!("compression {other:?}; expected stored or deflated"))),
    };
    let mut content = Vec::new();
    entry.verifying_reader(plain).take(LONGEST + 1).read_to_end(&mut content)?;
    match content.len() as u64 > LONGEST {
        true => Err(invalid(format!("more than {LONGEST} bytes"))),
        false => Ok(content),
    }
}

/// What systems leave beside the files: `.DS_Store`, `__MACOSX/`.
fn is_hidden(name: &Path) -> bool {
    name.iter().any(|part| part.to_str().is_some_and(|part| part.starts_with('.') && part != "." || part == "__MACOSX"))
}

/// An item with the file it is from.
fn of_member(item: Item, name: &str) -> Item {
    match item {
        Item::Document(mut raw) => {
            raw.id = format!("{name}:{}", raw.id);
            Item::Document(raw)
        }
        Item::Failed { place, cause } => Item::Failed { place: format!("{name}, {place}"), cause },
        skipped => skipped,
    }
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;
    use std::io::Write;

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
        for (name, content) in files {
            let (mut entry, config) =
                archive.new_file(name).compression_method(CompressionMethod::DEFLATE).start().unwrap();
            let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
            let mut writer = config.wrap(encoder);
            writer.write_all(content).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
        archive.finish().unwrap();
        out
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn read(name: &str, bytes: &[u8], settings: &ReadSettings) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut reader = open(&path, settings).unwrap();
        let told = |item| match item {
            Item::Document(raw) => format!("{}|{}", raw.id, super::super::to_text(&raw, None).text),
            Item::Skipped(kind) => kind.to_owned(),
            Item::Failed { place, cause } => format!("{place}: {cause}"),
        };
        let all = std::iter::from_fn(|| reader.next().unwrap()).map(told).collect();
        assert_eq!(reader.bytes_read() > 0, !bytes.is_empty());
        all
    }

    const LONG: &str =
        "a/very/long/folder/name/that/needs/a/header/of/its/own/because/tar/has/only/one/hundred/bytes/for/it/lopa.txt";

    #[test]
    fn files_of_an_archive_are_read_as_if_they_were_alone() {
        let lines = gz("{\"text\":\"Vīns\"}\n{\"text\":\"Div\"}\nno\n".as_bytes());
        let files: [(&str, &[u8]); 8] = [
            ("a/upe.html", "<html><body><p>Upe tak.</p></body></html>".as_bytes()),
            ("__MACOSX/a/._upe.html", b"junk"),
            (LONG, "Lopa".as_bytes()),
            ("b.jsonl.gz", &lines),
            ("LICENSE", b"CC0"),
            ("c/tukss.txt", b""),
            ("windows.txt", b"<?xml encoding='windows-1257'?>\xfbdens"),
            ("wiki.xml", b"<mediawiki><page></page></mediawiki>"),
        ];
        let wanted = [
            "a/upe.html:1|Upe tak.".to_owned(),
            format!("{LONG}:1|Lopa"),
            "b.jsonl.gz:1|Vīns".to_owned(),
            "b.jsonl.gz:2|Div".to_owned(),
            "b.jsonl.gz, line 3: no JSON: expected ident at line 1 column 2".to_owned(),
            "no_format".to_owned(),
            "empty".to_owned(),
            "windows.txt:1|<?xml encoding='windows-1257'?>ūdens".to_owned(),
            "wiki.xml: wiki.xml: found a dump in an archive; expected a smaller file; unpack the archive and give the file itself".to_owned(),
        ];
        let settings = ReadSettings::default();
        for (name, bytes) in
            [("a.tar", tar(&files)), ("a.tgz", gz(&tar(&files))), ("a", tar(&files)), ("a.zip", zip(&files))]
        {
            assert_eq!(read(name, &bytes, &settings), wanted, "{name}");
        }
        let settings = ReadSettings { format: Some(Format::TextLines), ..settings };
        assert_eq!(read("a.tar.gz", &gz(&tar(&[("LICENSE", b"CC0\nx")])), &settings), ["LICENSE:1|CC0", "LICENSE:2|x"]);
    }

    #[test]
    fn a_cut_or_damaged_archive_gives_what_is_whole() {
        let files: [(&str, &[u8]); 2] = [("a.txt", b"one"), ("b.txt", &[b'x'; 2000])];
        let settings = ReadSettings::default();
        let whole = tar(&files);
        let said = read("a.tar", &whole[..whole.len() - 1024 - 1500], &settings);
        assert_eq!((said.len(), said[0].as_str()), (2, "a.txt:1|one"), "{said:?}");
        assert!(said[1].starts_with("the archive: ") && said[1].contains("b.txt"), "{said:?}");
        let mut hurt = zip(&files);
        let at = hurt.windows(5).position(|found| found == b"a.txt").unwrap() + 6;
        hurt[at] ^= 0xff;
        let said = read("a.zip", &hurt, &settings);
        assert!(said[0].starts_with("a.txt: ") && said[1].starts_with("b.txt:1|xxx"), "{said:?}");
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), b"PK\x03\x04 and no more").unwrap();
        assert!(open(path.path(), &settings).is_err());
    }
}
