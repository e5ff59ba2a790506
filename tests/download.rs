//! `tongues fetch wikipedia` against a server in this test that cuts and spoils what it sends.

use crate::harness::Place;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const NAME: &str = "ltgwiki-20260101-pages-articles-multistream.xml.bz2";
/// Of [`bytes`], from `sha1sum`.
const SHA1: &str = "b235e273589abc1bb10f287e46155645c62c81e6";

fn bytes() -> Vec<u8> {
    (0..60_000u32).map(|n| ((n * n + n / 251) % 256) as u8).collect()
}

/// Serves the list of sums, and the dump: first cut in the middle, then, what is asked for from there on, with other
/// bytes, then as it is. Gives the address and the `Range` of every request for the dump.
fn serve() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let Some(first) = head.first() else { continue };
            let range =
                head.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
            let from: usize = range.as_deref().map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
            let mut body = bytes();
            let (mut status, mut sent) = ("200 OK".to_owned(), body.len());
            if first.contains("/ltgwiki/latest/ltgwiki-latest-sha1sums.txt ") {
                body = format!("{SHA1}  {NAME}\n").into_bytes();
                sent = body.len();
            } else if first.contains(&format!("/ltgwiki/20260101/{NAME} ")) {
                let mut seen = seen.lock().unwrap();
                match seen.len() {
                    0 => sent = 20_000,
                    1 => body = vec![7; body.len()],
                    _ => {}
                }
                seen.push(range.unwrap_or_default());
                if from > 0 {
                    status =
                        format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", body.len() - 1, body.len());
                }
            } else {
                (status, body, sent) = ("404 Not Found".to_owned(), Vec::new(), 0);
            }
            let length = body.len() - from;
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[from..sent]));
        }
    });
    (mirror, asked)
}

#[test]
fn a_cut_and_a_wrong_sum_are_survived_and_a_wiki_that_is_not_there_is_named() {
    let (mirror, asked) = serve();
    let place = Place::new();
    let arguments = ["fetch", "wikipedia", "ltg", "xx", "--output", "dumps", "--mirror", &mirror];
    let said = place.run(&arguments).expect(1, &["wrong SHA-1", "error: 1 of 2 dumps failed: xx", "404"]);
    // What is asked for: all; the rest after the cut, which brings a wrong sum; all again.
    assert_eq!(*asked.lock().unwrap(), ["", "20000-", ""]);
    assert_eq!(said.stdout, format!("dumps/{NAME}\n"));
    assert!(place.tree("dumps") == [(NAME.into(), bytes())], "one whole file and nothing else");
    // A second call finds the file and asks for nothing but the sums.
    place.run(&["fetch", "wikipedia", "ltg", "--output", "dumps", "--mirror", &mirror]).expect(0, &[NAME]);
    assert_eq!(asked.lock().unwrap().len(), 3);
}
