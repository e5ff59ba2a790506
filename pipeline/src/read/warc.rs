//! Web archives (ISO 28500, versions 0.17 to 1.1): responses and resources are pages, conversions (WET) are texts.
//!
//! A reader of our own, so that a record that is broken, cut or of a wrong length costs itself, and reading goes on at the
//! next line that begins a record. Of a response only 200 counts.

use super::damaged::Damaged;
use super::encoding::{self, Decoding};
use super::html::{self, HtmlContent};
use super::{Item, Raw};
use encoding_rs::Encoding;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

/// Bytes of a page at most; what is longer is no page.
const LONGEST: u64 = 64 << 20;
/// Bytes of a line of a header at most.
const LONGEST_LINE: u64 = 1 << 16;

/// Buffer of Brotli's decoder, in bytes.
const BROTLI_BUFFER: usize = 1 << 14;

type Headers = BTreeMap<String, String>;

/// An archive being read.
pub(super) struct Records {
    bytes: BufReader<Box<dyn Read + Send>>,
    content: HtmlContent,
    decoding: Decoding,
    record: u64,
    /// The line that begins the next record was read.
    begun: bool,
    /// The place is known to be no beginning of a record, and that was said.
    lost: bool,
    ended: bool,
}

/// Why there is no record here.
enum Trouble {
    /// Reading may go on.
    Broken(String),
    /// It may not.
    End(String),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        if Damaged::is(&error) { Trouble::Broken(error.to_string()) } else { Trouble::End(error.to_string()) }
    }
}

impl Records {
    pub(super) fn new(bytes: Box<dyn Read + Send>, content: HtmlContent, decoding: Decoding) -> Records {
        let bytes = BufReader::with_capacity(1 << 16, bytes);
        Records { bytes, content, decoding, record: 0, begun: false, lost: false, ended: false }
    }

    /// The next record; each is one item.
    pub(super) fn next(&mut self) -> Option<Item> {
        while !self.ended {
            match self.find() {
                Ok(false) => self.ended = true,
                Ok(true) => {
                    self.record += 1;
                    self.begun = false;
                    match self.record() {
                        Ok(item) => return Some(item),
                        Err(trouble) => return Some(self.failed(trouble)),
                    }
                }
                Err(trouble) => return Some(self.failed(trouble)),
            }
        }
        None
    }

    fn failed(&mut self, trouble: Trouble) -> Item {
        let (cause, ended) = match trouble {
            Trouble::Broken(cause) => (cause, false),
            Trouble::End(cause) => (cause, true),
        };
        (self.lost, self.ended) = (true, ended);
        Item::Failed { place: format!("record {}", self.record), cause }
    }

    /// Goes to the next record; false at the end.
    fn find(&mut self) -> Result<bool, Trouble> {
        while !self.begun {
            let Some(line) = self.line()? else { return Ok(false) };
            if line.starts_with("WARC/") {
                (self.begun, self.lost) = (true, false);
            } else if !line.is_empty() && !self.lost {
                let shown: String = line.chars().take(40).collect();
                return Err(Trouble::Broken(format!(
                    "after it {shown:?}; expected a line WARC/1.0: its length is wrong"
                )));
            }
        }
        Ok(true)
    }

    /// A line without its end.
    fn line(&mut self) -> Result<Option<String>, Trouble> {
        let mut line = Vec::new();
        let read = (&mut self.bytes).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        let text = String::from_utf8_lossy(&line);
        Ok((read > 0).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn record(&mut self) -> Result<Item, Trouble> {
        let mut lines = Vec::new();
        loop {
            match self.line()? {
                Some(line) if line.is_empty() => break,
                Some(line) if line.starts_with("WARC/") => {
                    self.begun = true;
                    return Err(Trouble::Broken("another record begins in its header".to_owned()));
                }
                Some(line) => lines.push(line),
                None => return Err(Trouble::End("the file ends inside its header: it was cut".to_owned())),
            }
        }
        let headers = headers(&lines);
        let header = |name: &str| headers.get(name).map(String::as_str);
        let Some(length) = header("content-length").and_then(|length| length.parse::<u64>().ok()) else {
            return Err(Trouble::Broken(format!("content-length {:?}; expected a number", header("content-length"))));
        };
        let kind = header("warc-type").unwrap_or_default();
        let other = match kind {
            "response" | "resource" | "conversion" => None,
            "request" => Some("request"),
            "metadata" => Some("metadata"),
            "warcinfo" => Some("warcinfo"),
            "revisit" => Some("revisit"),
            _ => Some("other_record"),
        };
        if length > LONGEST || other.is_some() {
            let passed = std::io::copy(&mut (&mut self.bytes).take(length), &mut std::io::sink())?;
            return match other {
                _ if passed < length => Err(Trouble::End(format!("{passed} of {length} bytes: it was cut"))),
                Some(kind) => Ok(Item::Skipped(kind)),
                None => Err(Trouble::Broken(format!("{length} bytes; expected at most {LONGEST}"))),
            };
        }
        let mut block = Vec::new();
        (&mut self.bytes).take(length).read_to_end(&mut block)?;
        if (block.len() as u64) < length {
            return Err(Trouble::End(format!("{} of {length} bytes: it was cut", block.len())));
        }
        self.document(kind, &headers, block)
    }

    fn document(&self, kind: &str, record: &Headers, block: Vec<u8>) -> Result<Item, Trouble> {
        let is_http = record.get("content-type").is_some_and(|kind| kind.starts_with("application/http"));
        let (headers, body) = if kind == "response" && is_http {
            match http(&block).map_err(Trouble::Broken)? {
                (200, headers, body) => (headers, body),
                _ => return Ok(Item::Skipped("http_status")),
            }
        } else {
            (record.clone(), block)
        };
        let kind = headers.get("content-type").map(|kind| kind.to_ascii_lowercase()).unwrap_or_default();
        let charset = kind.split_once("charset=").map(|(_, label)| label.trim_matches(['"', '\'', ' ']));
        let charset = charset.and_then(|label| Encoding::for_label(label.split(';').next()?.as_bytes()));
        let looks_html = || {
            let begin = String::from_utf8_lossy(&body[..body.len().min(512)]).to_ascii_lowercase();
            begin.contains("<html") || begin.contains("<!doctype html")
        };
        let is_html = kind.contains("html") || kind.is_empty() && looks_html();
        if !is_html && !kind.starts_with("text/plain") {
            return Ok(Item::Skipped("not_text"));
        }
        let text = encoding::whole(&body, charset, &self.decoding);
        if text.trim().is_empty() {
            return Ok(Item::Skipped("empty"));
        }
        let id = record.get("warc-record-id").map(|id| id.trim_matches(['<', '>']).trim_start_matches("urn:uuid:"));
        let id = id.map_or_else(|| self.record.to_string(), str::to_owned);
        let mut raw = if is_html { html::raw(id, text, self.content) } else { Raw::plain(id, text) };
        let address = record.get("warc-target-uri").map(|address| address.trim_matches(['<', '>']).to_owned());
        raw.url = address.or(raw.url);
        raw.timestamp = record.get("warc-date").cloned();
        Ok(Item::Document(raw))
    }
}

/// Lines `Name: value`; a line that begins with a space goes on with the one before. Names in lower case.
fn headers(lines: &[String]) -> Headers {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        match (line.starts_with([' ', '\t']), line.split_once(':'), headers.last_mut()) {
            (true, _, Some((_, value))) => *value = format!("{value} {}", line.trim()),
            (_, Some((name, value)), _) => headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned())),
            _ => {}
        }
    }
    headers.into_iter().collect()
}

/// Status, headers and body of an HTTP response, the body without transfer and content encodings.
fn http(block: &[u8]) -> Result<(u16, Headers, Vec<u8>), String> {
    let find =
        |wanted: &[u8]| block.windows(wanted.len()).position(|found| found == wanted).map(|at| (at, wanted.len()));
    let (end, blank) = find(b"\r\n\r\n").or_else(|| find(b"\n\n")).ok_or("no end of the HTTP header")?;
    let head = String::from_utf8_lossy(&block[..end]);
    let lines: Vec<String> = head.lines().map(str::to_owned).collect();
    let status = lines.first().and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    let status = status.ok_or_else(|| format!("{:?}; expected HTTP and a status", lines.first()))?;
    let headers = headers(&lines[1..]);
    let mut body = block[end + blank..].to_vec();
    let header = |name: &str| headers.get(name).map(|value| value.to_ascii_lowercase()).unwrap_or_default();
    // Crawlers often store the body as it was decoded and leave the header as it came.
    if header("transfer-encoding").contains("chunked") {
        body = unchunked(&body).unwrap_or(body);
    }
    let body = decompressed(&header("content-encoding"), body)?;
    Ok((status, headers, body))
}

/// A body without its content encoding.
fn decompressed(encoding: &str, body: Vec<u8>) -> Result<Vec<u8>, String> {
    let decoder: Box<dyn Read + '_> = if encoding.contains("gzip") && body.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::read::MultiGzDecoder::new(&body[..]))
    } else if encoding.split(',').any(|name| name.trim() == "br") && !looks_like_markup(&body) {
        Box::new(brotli_decompressor::Decompressor::new(&body[..], BROTLI_BUFFER))
    } else {
        return Ok(body);
    };
    let mut whole = Vec::new();
    let read = decoder.take(LONGEST).read_to_end(&mut whole);
    read.map_err(|error| format!("its body cannot be decompressed: {error}"))?;
    Ok(whole)
}

/// Brotli has no mark of its own; what is a page already begins with a tag.
fn looks_like_markup(body: &[u8]) -> bool {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    text.first() == Some(&b'<') && text.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || b"!?".contains(byte))
}

/// The chunks of a body joined; none where it is not in chunks.
fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.iter().take(100).position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&body[..end]).ok()?.trim();
        let length = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        body = &body[end + 1..];
        if length == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(..length)?);
        body = &body[length..];
        body = body.strip_prefix(b"\r\n").or_else(|| body.strip_prefix(b"\n"))?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Body;
    use super::*;

    fn record(kind: &str, extra: &str, block: &[u8]) -> Vec<u8> {
        let head = format!(
            "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{kind}-1>\r\nWARC-Date: 2020-01-02T03:04:05Z\r\n\
             WARC-Target-URI: https://a.lv/{kind}\r\n{extra}Content-Length: {}\r\n\r\n",
            block.len()
        );
        [head.as_bytes(), block, b"\r\n\r\n"].concat()
    }

    fn response(headers: &str, body: &[u8]) -> Vec<u8> {
        let block = [format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), body].concat();
        record("response", "Content-Type: application/http; msgtype=response\r\n", &block)
    }

    fn read(file: Vec<u8>) -> Vec<Item> {
        let bytes = Box::new(std::io::Cursor::new(file));
        let mut records = Records::new(bytes, HtmlContent::Main, Decoding::default());
        std::iter::from_fn(|| records.next()).collect()
    }

    fn said(item: &Item) -> String {
        match item {
            Item::Document(raw) => match &raw.body {
                Body::Text(text) | Body::Html(text, _) | Body::Wikitext(text) => text.clone(),
            },
            Item::Skipped(kind) => (*kind).to_owned(),
            Item::Failed { place, cause } => format!("{place}: {cause}"),
        }
    }

    #[test]
    fn responses_are_pages_conversions_are_texts_and_the_rest_is_skipped_by_kind() {
        let missing = record("response", "Content-Type: application/http\r\n", b"HTTP/1.1 404 Not Found\r\n\r\nno");
        let file = [
            record("warcinfo", "", b"software: x\r\n"),
            record("request", "", b"GET / HTTP/1.1\r\n\r\n"),
            response("Content-Type: text/html; charset=windows-1257\r\n", b"<html><title>T</title><p>\xfbdens"),
            response(
                "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n",
                b"3\r\n<p>\r\n2;x=y\r\nab\r\n0\r\n\r\n",
            ),
            response("Content-Type: image/png\r\n", b"\x89PNG"),
            missing,
            record("conversion", "Content-Type: text/plain\r\n", "viņs\n\ndivi".as_bytes()),
            record("unheard-of", "", b"x"),
        ];
        let all = read(file.concat());
        let wanted = [
            "warcinfo",
            "request",
            "<html><title>T</title><p>ūdens",
            "<p>ab",
            "not_text",
            "http_status",
            "viņs\n\ndivi",
            "other_record",
        ];
        assert_eq!(all.iter().map(said).collect::<Vec<_>>(), wanted);
        let Item::Document(raw) = &all[2] else { panic!() };
        assert_eq!((raw.id.as_str(), raw.title.as_deref()), ("response-1", Some("T")));
        assert_eq!(raw.url.as_deref(), Some("https://a.lv/response"));
        assert_eq!(raw.timestamp.as_deref(), Some("2020-01-02T03:04:05Z"));
    }

    #[test]
    fn bodies_are_decompressed_unless_the_crawler_did() {
        let page = "<p>Lobdīn!".repeat(100);
        let mut brotli = Vec::new();
        brotli::BrotliCompress(&mut page.as_bytes(), &mut brotli, &brotli::enc::BrotliEncoderParams::default())
            .unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, page.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let head =
            |encoding: &str| format!("Content-Type: text/html; charset=utf-8\r\nContent-Encoding: {encoding}\r\n");
        let bodies = [("br", &brotli[..]), ("BR", page.as_bytes()), ("gzip", &gzip), ("gzip", page.as_bytes())];
        let file: Vec<u8> = bodies.iter().flat_map(|(encoding, body)| response(&head(encoding), body)).collect();
        let all: Vec<String> = read(file).iter().map(said).collect();
        assert!(all.len() == 4 && all.iter().all(|text| *text == page), "{all:?}");
        let cut = read(response(&head("br"), &brotli[..brotli.len() / 2]));
        assert!(said(&cut[0]).contains("cannot be decompressed"), "{cut:?}");
    }

    #[test]
    fn a_broken_record_costs_itself() {
        let text = |text: &str| record("conversion", "Content-Type: text/plain\r\n", text.as_bytes());
        let replace =
            |record: Vec<u8>, from: &str, to: &str| String::from_utf8(record).unwrap().replace(from, to).into_bytes();
        let short = replace(text("lobdīn visim\nūtruo rinda"), "Content-Length: 26", "Content-Length: 7");
        assert_ne!(short, text("lobdīn visim\nūtruo rinda"));
        let nameless = replace(text("x"), "Content-Length: 1", "Content-Length: what");
        let cut = text("gola nav");
        let file = [text("a"), short, text("b"), nameless, text("c"), cut[..cut.len() - 8].to_vec()].concat();
        let all: Vec<String> = read(file).iter().map(said).collect();
        assert_eq!(
            (all[0].as_str(), all[1].as_str(), all[3].as_str(), all[5].as_str()),
            ("a", "lobdīn", "b", "c"),
            "{all:?}"
        );
        assert!(all[2].contains("its length is wrong") && all[4].contains("expected a number"), "{all:?}");
        assert!(all[6].contains("it was cut") && all.len() == 7, "{all:?}");
    }
}
