//! A server of our own on loopback that behaves badly in every way we promise to survive.

use super::*;
use crate::progress::Silent;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// What the server does with the n-th request for the dump; after the last, `Whole`.
#[derive(Clone, Copy)]
enum Act {
    Whole,
    /// Announces everything, sends so many bytes, hangs up.
    Cut(usize),
    /// Sends everything whatever Range was asked for.
    IgnoreRange,
    /// Announces so many bytes and sends as many, though the file is longer.
    Short(usize),
    /// Announces more than there is.
    Long(usize),
    Wrong,
    /// A Content-Range other than the one asked for.
    Elsewhere,
    Status(u16, &'static str),
}

struct Server {
    mirror: String,
    /// Range header of each request for the dump.
    ranges: Arc<Mutex<Vec<Option<String>>>>,
}

const NAME: &str = "be_x_oldwiki-20260101-pages-articles-multistream.xml.bz2";

fn bytes() -> Vec<u8> {
    (0..50_000u32).flat_map(|n| n.to_le_bytes()).collect()
}

fn sha1(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn serve(acts: &[Act]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let (acts, seen, body) = (acts.to_vec(), ranges.clone(), bytes());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(|line| line.ok());
            let Some(first) = lines.next() else { continue };
            let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            assert!(headers.iter().any(|h| h.to_lowercase().starts_with("user-agent: tongues/")), "{headers:?}");
            let range = headers.iter().find_map(|h| h.to_lowercase().strip_prefix("range: ").map(str::to_owned));
            let mut send = |status: &str, length: usize, extra: &str, body: &[u8]| {
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{extra}Connection: close\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            };
            if first.contains("/be_x_oldwiki/latest/be_x_oldwiki-latest-sha1sums.txt ") {
                let other = "0000000000000000000000000000000000000000  be_x_oldwiki-20260101-pages-articles.xml.bz2\n";
                let list = format!("{other}{}  {NAME}\n", sha1(&body));
                send("200 OK", list.len(), "", list.as_bytes());
                continue;
            }
            if !first.contains(&format!("/be_x_oldwiki/20260101/{NAME} ")) {
                send("404 Not Found", 0, "", b"");
                continue;
            }
            let from = range.as_ref().map_or(0, |r| r["bytes=".len()..r.len() - 1].parse().unwrap());
            let turn = seen.lock().unwrap().len();
            seen.lock().unwrap().push(range);
            let content_range = format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len());
            let (status, extra) = if from > 0 { ("206 Partial Content", &*content_range) } else { ("200 OK", "") };
            match acts.get(turn).copied().unwrap_or(Act::Whole) {
                Act::Whole if from >= body.len() => send("416 Range Not Satisfiable", 0, "", b""),
                Act::Whole => send(status, body.len() - from, extra, &body[from..]),
                Act::Cut(n) => send(status, body.len() - from, extra, &body[from..from + n]),
                Act::IgnoreRange => send("200 OK", body.len(), "", &body),
                Act::Short(n) => send("200 OK", n, "", &body),
                Act::Long(n) => send(status, body.len() - from + n, extra, &body[from..]),
                Act::Wrong => send("200 OK", body.len(), "", &vec![7; body.len()]),
                Act::Elsewhere => send(status, body.len(), "Content-Range: bytes 1-9/10\r\n", &body),
                Act::Status(code, extra) => send(&format!("{code} No"), 0, extra, b""),
            }
        }
    });
    Server { mirror, ranges }
}

fn settings(server: &Server, folder: &Path) -> FetchSettings {
    FetchSettings {
        mirror: server.mirror.clone(),
        output: folder.to_owned(),
        retries: 3,
        wait_seconds: 0.001,
        ..FetchSettings::default()
    }
}

/// Runs against `acts` and gives what was asked for, request by request.
fn check(acts: &[Act]) -> (Result<()>, Vec<Option<String>>) {
    let (folder, server) = (tempfile::tempdir().unwrap(), serve(acts));
    let outcome = wikipedia("be-x-old", &settings(&server, folder.path()), &Silent).map(|path| {
        assert_eq!(path, folder.path().join(NAME));
        assert!(fs::read(&path).unwrap() == bytes(), "bytes differ");
    });
    let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    if outcome.is_ok() {
        assert_eq!(left, [NAME], "nothing but the file is left");
    }
    let ranges = server.ranges.lock().unwrap().clone();
    (outcome, ranges)
}

fn from(n: usize) -> Option<String> {
    Some(format!("bytes={n}-"))
}

#[test]
fn cuts_are_resumed_where_they_happened() {
    let (outcome, ranges) = check(&[Act::Cut(70_000), Act::Cut(30_000)]);
    outcome.unwrap();
    assert_eq!(ranges, [None, from(70_000), from(100_000)]);
}

#[test]
fn a_server_without_range_is_asked_once_more_from_the_start() {
    let (outcome, ranges) = check(&[Act::Cut(70_000), Act::IgnoreRange]);
    outcome.unwrap();
    assert_eq!(ranges, [None, from(70_000)]);
    let (outcome, ranges) = check(&[Act::Cut(70_000), Act::Elsewhere]);
    outcome.unwrap();
    assert_eq!(ranges, [None, from(70_000), None]);
}

#[test]
fn lies_about_the_length_are_found_out() {
    // Announced too short: the sum is wrong, the second try from zero is right.
    let (outcome, ranges) = check(&[Act::Short(1_000)]);
    outcome.unwrap();
    assert_eq!(ranges, [None, None]);
    // Announced too long: everything came, which the sum shows.
    let (outcome, ranges) = check(&[Act::Long(5)]);
    outcome.unwrap();
    assert_eq!(ranges, [None]);
}

#[test]
fn a_wrong_sum_costs_one_more_try_and_then_names_both() {
    check(&[Act::Wrong]).0.unwrap();
    let (outcome, ranges) = check(&[Act::Wrong, Act::Wrong]);
    let message = outcome.unwrap_err().to_string();
    assert!(message.contains(&sha1(&bytes())) && message.contains(&sha1(&vec![7; 200_000])), "{message}");
    assert_eq!(ranges.len(), 2);
}

#[test]
fn busy_servers_are_given_time_and_dead_ones_up() {
    let began = Instant::now();
    check(&[Act::Status(429, "Retry-After: 1\r\n"), Act::Status(503, "")]).0.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    let (outcome, ranges) = check(&[Act::Status(503, ""); 9]);
    assert!(outcome.unwrap_err().to_string().contains("status 503"));
    assert_eq!(ranges.len(), 4); // one try and three retries
    let (outcome, ranges) = check(&[Act::Status(403, ""); 9]);
    assert!(outcome.unwrap_err().to_string().contains("status 403"));
    assert_eq!(ranges.len(), 1);
}

#[test]
fn a_file_already_there_is_kept_and_a_spoilt_one_replaced() {
    let (folder, server) = (tempfile::tempdir().unwrap(), serve(&[]));
    let settings = settings(&server, folder.path());
    let path = wikipedia("be-x-old", &settings, &Silent).unwrap();
    wikipedia("be-x-old", &settings, &Silent).unwrap();
    assert_eq!(server.ranges.lock().unwrap().len(), 1);
    fs::write(&path, b"spoilt").unwrap();
    wikipedia("be-x-old", &settings, &Silent).unwrap();
    assert!(fs::read(&path).unwrap() == bytes());
}

#[test]
fn wrong_codes_and_dates_stop_before_any_request() {
    let server = Server { mirror: "http://127.0.0.1:1".into(), ranges: Arc::default() };
    let mut settings = settings(&server, Path::new("nowhere"));
    for code in ["", "../x", "LTG", "ltg?"] {
        assert!(matches!(wikipedia(code, &settings, &Silent), Err(Error::Settings(_))), "{code}");
    }
    settings.date = Some("yesterday".into());
    assert!(matches!(wikipedia("ltg", &settings, &Silent), Err(Error::Settings(_))));
}
