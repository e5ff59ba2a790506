//! Downloads Wikipedia dumps: checked against the published SHA-1, resumed after a cut, polite to the server.
//!
//! The layout of the mirror (`{wiki}/latest/{wiki}-latest-sha1sums.txt`, dated folders) is that of dumps.wikimedia.org.

use crate::error::{Error, Result};
use crate::progress::Progress;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use ureq::{Agent, Body, http::Response};

/// The name we give ourselves, as the Wikimedia user-agent policy asks.
const USER_AGENT: &str = concat!("tongues/", env!("CARGO_PKG_VERSION"), " (+", env!("CARGO_PKG_REPOSITORY"), ")");
/// No server makes us wait longer than this at once, seconds.
const LONGEST_WAIT_SECONDS: f64 = 600.0;

/// Where dumps come from and where they go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchSettings {
    /// Root of the dump server, without a final slash.
    pub mirror: String,
    /// `YYYYMMDD` of the dump; the latest one if not given.
    pub date: Option<String>,
    /// Folder for the downloaded file.
    pub output: PathBuf,
    /// How often in a row to try again without any new byte before giving up.
    pub retries: u32,
    /// First wait between two tries, seconds; doubled each time.
    pub wait_seconds: f64,
}

impl Default for FetchSettings {
    fn default() -> Self {
        FetchSettings {
            mirror: "https://dumps.wikimedia.org".into(),
            date: None,
            output: "dumps".into(),
            retries: 5,
            wait_seconds: 2.0,
        }
    }
}

/// Downloads the articles of one Wikipedia (`ltg`, `be-tarask`) and gives the path of the finished file.
///
/// A file already there with the right SHA-1 is not downloaded again; a `.part` beside it is gone on with.
/// A wrong SHA-1 costs the file and one more try from zero, then an error names both sums.
pub fn wikipedia(code: &str, settings: &FetchSettings, progress: &dyn Progress) -> Result<PathBuf> {
    let dump = find(code, settings, progress)?;
    let path = settings.output.join(&dump.name);
    if path.is_file() && sha1_of(&path)? == dump.sha1 {
        return Ok(path);
    }
    fs::create_dir_all(&settings.output).map_err(Error::io("create", &settings.output))?;
    let part = settings.output.join(format!("{}.part", dump.name));
    let mut found = String::new();
    for _ in 0..2 {
        progress.begin(&dump.name, None, "bytes");
        let complete = download(&dump, &part, settings, progress);
        progress.end();
        complete?;
        found = sha1_of(&part)?;
        if found == dump.sha1 {
            fs::rename(&part, &path).map_err(Error::io("rename", &part))?;
            return Ok(path);
        }
        tracing::warn!(url = dump.url, found, expected = dump.sha1, "wrong SHA-1, the file is thrown away");
        fs::remove_file(&part).map_err(Error::io("remove", &part))?;
    }
    let (found, expected) = (format!("SHA-1 {found}, twice"), format!("SHA-1 {}", dump.sha1));
    Err(Error::Input { path: dump.url.into(), place: String::new(), found, expected })
}

/// What the list of sums says of the file we want.
#[derive(Debug, PartialEq)]
struct Dump {
    name: String,
    url: String,
    sha1: String,
}

fn find(code: &str, settings: &FetchSettings, progress: &dyn Progress) -> Result<Dump> {
    let formed = |text: &str, right: fn(u8) -> bool| !text.is_empty() && text.bytes().all(right);
    if !formed(code, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
        return Err(Error::Settings(format!("Wikipedia code `{code}`: expected lower-case letters, as in `ltg`")));
    }
    let date = settings.date.as_deref().unwrap_or("latest");
    if date != "latest" && !(date.len() == 8 && formed(date, |b| b.is_ascii_digit())) {
        return Err(Error::Settings(format!("date of the dump `{date}`: expected YYYYMMDD, as in `20260101`")));
    }
    let mirror = settings.mirror.trim_end_matches('/');
    let wiki = format!("{}wiki", code.replace('-', "_"));
    let url = format!("{mirror}/{wiki}/{date}/{wiki}-{date}-sha1sums.txt");
    let list = patiently(settings, progress, &url, |_| {
        let mut response = get(&url, 0)?;
        match response.status().as_u16() {
            200 => response.body_mut().read_to_string().map_err(again),
            status => Err(refused(&url, status, &response)),
        }
    })?;
    choose(&list, &wiki, mirror).ok_or_else(|| Error::Input {
        path: url.into(),
        place: String::new(),
        found: format!("no line for {wiki}-YYYYMMDD-pages-articles-multistream.xml.bz2"),
        expected: "a finished dump with its SHA-1".into(),
    })
}

/// The line `SHA1  WIKI-YYYYMMDD-pages-articles-multistream.xml.bz2` of the list.
fn choose(list: &str, wiki: &str, mirror: &str) -> Option<Dump> {
    list.lines().find_map(|line| {
        let (sha1, name) = line.split_once(char::is_whitespace)?;
        let name = name.trim();
        let rest = name.strip_prefix(wiki)?.strip_prefix('-')?;
        let date = rest.strip_suffix("-pages-articles-multistream.xml.bz2")?;
        let right = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) && sha1.len() == 40;
        right.then(|| Dump {
            name: name.to_owned(),
            url: format!("{mirror}/{wiki}/{date}/{name}"),
            sha1: sha1.to_ascii_lowercase(),
        })
    })
}

/// Goes on with `part` until it is as long as the server says, or its sum is right whatever the server says.
fn download(dump: &Dump, part: &Path, settings: &FetchSettings, progress: &dyn Progress) -> Result<()> {
    patiently(settings, progress, &dump.url, |furthest| {
        let outcome = piece(&dump.url, part, progress);
        let length = fs::metadata(part).map(|meta| meta.len()).unwrap_or(0);
        let gained = length > *furthest;
        *furthest = length.max(*furthest);
        match outcome {
            Err(Trouble::Again { .. }) if length > 0 && sha1_of(part).map_err(Trouble::Final)? == dump.sha1 => Ok(()),
            Err(Trouble::Again { cause, wait, .. }) => Err(Trouble::Again { cause, wait, gained }),
            other => other,
        }
    })
}

/// One request: appends what comes to `part`, or starts it over where the server does not go on.
fn piece(url: &str, part: &Path, progress: &dyn Progress) -> std::result::Result<(), Trouble> {
    let have = fs::metadata(part).map(|meta| meta.len()).unwrap_or(0);
    let mut response = get(url, have)?;
    let announced = response.body().content_length();
    let (start, total) = match response.status().as_u16() {
        200 => (0, announced),
        206 => match content_range(&response) {
            Some((start, total)) if start == have => (start, total),
            _ => {
                fs::remove_file(part).map_err(|e| Trouble::Final(Error::io("remove", part)(e)))?;
                return Err(again("Content-Range is not what was asked for"));
            }
        },
        416 => {
            // Nothing after what we have: whole, or longer than it should be. The sum decides; if wrong, from zero.
            return Ok(());
        }
        status => return Err(refused(url, status, &response)),
    };
    let file = OpenOptions::new().create(true).write(true).truncate(start == 0).append(start > 0).open(part);
    let mut file = file.map_err(|e| Trouble::Final(Error::io("write", part)(e)))?;
    progress.note(&total.map_or_else(|| "length unknown".into(), |n| format!("of {n} bytes")));
    let (mut reader, mut length, mut buffer) = (response.body_mut().as_reader(), start, vec![0; 1 << 17]);
    loop {
        if progress.interrupted() {
            return Err(Trouble::Final(Error::Interrupted));
        }
        let n = reader.read(&mut buffer).map_err(again)?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n]).map_err(|e| Trouble::Final(Error::io("write", part)(e)))?;
        length += n as u64;
        progress.advance(n as u64);
    }
    file.sync_all().map_err(|e| Trouble::Final(Error::io("write", part)(e)))?;
    match total {
        Some(total) if total > length => Err(again(format!("cut after {length} of {total} bytes"))),
        _ => Ok(()),
    }
}

/// `bytes 10-99/100` as (10, Some(100)).
fn content_range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let value = response.headers().get("content-range")?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = value.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Why a try did not succeed.
enum Trouble {
    /// Worth another try, at the earliest after `wait` seconds; `gained` when it brought new bytes.
    Again { cause: String, wait: Option<f64>, gained: bool },
    /// Not worth one.
    Final(Error),
}

fn again(cause: impl std::fmt::Display) -> Trouble {
    Trouble::Again { cause: cause.to_string(), wait: None, gained: false }
}

fn refused(url: &str, status: u16, response: &Response<Body>) -> Trouble {
    if status == 429 || (500..600).contains(&status) {
        let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        return Trouble::Again { cause: format!("status {status}"), wait: after, gained: false };
    }
    let expected = "status 200 (is the code of the Wikipedia right, and the date one the mirror still keeps?)";
    let found = format!("status {status}");
    Trouble::Final(Error::Input { path: url.into(), place: String::new(), found, expected: expected.into() })
}

/// Repeats `attempt` with growing waits; its argument is the greatest length seen so far.
fn patiently<T>(
    settings: &FetchSettings,
    progress: &dyn Progress,
    url: &str,
    mut attempt: impl FnMut(&mut u64) -> std::result::Result<T, Trouble>,
) -> Result<T> {
    let (mut failures, mut furthest) = (0, 0);
    loop {
        let (cause, wait, gained) = match attempt(&mut furthest) {
            Ok(value) => return Ok(value),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Again { cause, wait, gained }) => (cause, wait, gained),
        };
        failures = if gained { 1 } else { failures + 1 };
        if failures > settings.retries {
            return Err(Error::Format { path: url.into(), cause: format!("{cause}; gave up after {failures} tries") });
        }
        let own = settings.wait_seconds * f64::from(1u32 << (failures - 1).min(16));
        let seconds = wait.unwrap_or(0.0).max(own).clamp(0.0, LONGEST_WAIT_SECONDS);
        tracing::warn!(url, cause, seconds, "trying again");
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < until {
            if progress.interrupted() {
                return Err(Error::Interrupted);
            }
            std::thread::sleep(until.saturating_duration_since(Instant::now()).min(Duration::from_millis(100)));
        }
    }
}

fn get(url: &str, from: u64) -> std::result::Result<Response<Body>, Trouble> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(USER_AGENT)
        .accept_encoding("identity") // the dump is compressed already, and a Range counts its own bytes
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(120)))
        .timeout_per_read(Some(Duration::from_secs(120)))
        .build()
        .new_agent();
    let mut request = agent.get(url);
    if from > 0 {
        request = request.header("Range", format!("bytes={from}-"));
    }
    request.call().map_err(|error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Trouble::Final(Error::Settings(format!(
            "{url}: {error}; expected a mirror as in https://dumps.wikimedia.org"
        ))),
        other => again(other),
    })
}

fn sha1_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let (mut hash, mut buffer) = (Sha1::new(), vec![0; 1 << 17]);
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => hash.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests;
