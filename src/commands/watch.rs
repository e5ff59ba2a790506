//! `tongues watch`: one page on localhost that draws `metrics.jsonl` of a run, while it goes on and after.
//!
//! `/` is the page, `/metrics?from=BYTE&file=ID` what was logged since: whole lines only, with the headers `From-Byte`,
//! `Next-Byte`, `File` (another one after a resume has cut lines away: all is sent again) and `Ended`.

use super::print;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tiny_http::{Header, Request, Response, Server};
use tongues_pipeline::progress::STOP;

/// The page, with all it needs.
const PAGE: &str = include_str!("watch.html");
/// How often it is looked whether to stop.
const PATIENCE: Duration = Duration::from_millis(200);

/// Serves until asked to stop. Prints the address.
pub fn run(folder: &Path, port: u16) -> Result<()> {
    if !folder.is_dir() {
        bail!("{}: no such folder; expected that of a run, or its `model`", folder.display());
    }
    let server = Server::http(("127.0.0.1", port))
        .map_err(|error| anyhow::anyhow!("{error}"))
        .with_context(|| format!("cannot listen on port {port} of this machine"))?;
    let address = server.server_addr().to_ip().context("the server listens on no port")?;
    print(&format!("http://{address}/"));
    while !STOP.load(Ordering::Relaxed) {
        if let Some(request) = server.recv_timeout(PATIENCE).context("cannot wait for a reader")? {
            answer(request, folder);
        }
    }
    Ok(())
}

/// Answers one request. A reader who has gone away is no error.
fn answer(request: Request, folder: &Path) {
    let url = request.url().to_owned();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let sent = match path {
        "/" => {
            request.respond(Response::from_string(PAGE).with_header(header("Content-Type", "text/html; charset=utf-8")))
        }
        "/name" => request.respond(Response::from_string(folder.display().to_string())),
        "/metrics" => match since(folder, query) {
            Ok(new) => {
                let mut response = Response::from_data(new.lines);
                let ended = if new.ended { "yes" } else { "no" };
                let (from, next) = (new.from.to_string(), new.next.to_string());
                for (name, value) in
                    [("From-Byte", &*from), ("Next-Byte", &next), ("File", &new.file), ("Ended", ended)]
                {
                    response.add_header(header(name, value));
                }
                request.respond(response.with_header(header("Content-Type", "application/jsonl; charset=utf-8")))
            }
            Err(error) => request.respond(Response::from_string(error.to_string()).with_status_code(500)),
        },
        _ => request.respond(Response::from_string("no such page").with_status_code(404)),
    };
    if let Err(error) = sent {
        tracing::debug!("{url}: {error}");
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("names and values here are plain ASCII")
}

/// What was logged.
struct New {
    lines: Vec<u8>,
    from: u64,
    next: u64,
    file: String,
    ended: bool,
}

/// The folder with `training/` in it: the model's.
fn model_folder(folder: &Path) -> PathBuf {
    let inside = folder.join("model");
    if inside.is_dir() { inside } else { folder.to_owned() }
}

/// The lines after the byte that `query` names, if they are of the file it names; all otherwise. None where nothing was
/// logged yet.
fn since(folder: &Path, query: &str) -> Result<New> {
    let asked = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let model = model_folder(folder);
    let path = model.join("training/metrics.jsonl");
    let reading = || format!("{}: cannot read", path.display());
    let ended = model.join("manifest.json").exists();
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(New { lines: Vec::new(), from: 0, next: 0, file: String::new(), ended });
        }
        other => other.with_context(reading)?,
    };
    let metadata = file.metadata().with_context(reading)?;
    let id = identity(&metadata);
    let from = asked("from").and_then(|from| from.parse().ok()).unwrap_or(0);
    let from = if asked("file") == Some(&id) && from <= metadata.len() { from } else { 0 };
    file.seek(SeekFrom::Start(from)).with_context(reading)?;
    let mut lines = Vec::new();
    file.read_to_end(&mut lines).with_context(reading)?;
    lines.truncate(lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)); // half a line comes later
    let next = from + lines.len() as u64;
    Ok(New { lines, from, next, file: id, ended })
}

/// Tells a file from another one written in its place.
#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> String {
    std::os::unix::fs::MetadataExt::ino(metadata).to_string()
}

/// Tells a file from another one written in its place.
#[cfg(not(unix))]
fn identity(metadata: &std::fs::Metadata) -> String {
    let created = metadata.created().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    created.map_or(0, |since| since.as_nanos()).to_string()
}
