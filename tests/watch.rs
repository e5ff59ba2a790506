//! `tongues watch`: the page and its data over HTTP, while lines are added, cut and half written.

use crate::harness::Place;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

/// Ends with the test.
struct Watching {
    child: Child,
    address: String,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came: status, headers in small letters, body.
struct Answer {
    status: String,
    headers: Vec<String>,
    body: String,
}

impl Answer {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }
}

impl Watching {
    fn start(place: &Place, folder: &str) -> Watching {
        let mut child = place.start(&["watch", folder, "--port", "0"]);
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        Watching { child, address }
    }

    fn get(&self, path: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().to_owned();
        let small = |line: &str| line.split_once(':').map(|(name, value)| format!("{}:{value}", name.to_lowercase()));
        Answer { status, headers: lines.filter_map(small).collect(), body: body.to_owned() }
    }
}

fn line(step: u64) -> String {
    format!("{{\"kind\":\"train\",\"step\":{step},\"loss\":2.5}}\n")
}

#[test]
fn the_page_and_what_was_logged_since() {
    let place = Place::new();
    let log = "run/model/training/metrics.jsonl";
    place.write("run/plan.json", "{}");
    let watching = Watching::start(&place, "run");
    let page = watching.get("/");
    assert!(page.status.contains("200") && page.header("content-type").starts_with("text/html"), "{}", page.status);
    for part in ["<svg", "metrics?from=", "bits per byte", "tokens per second", "learning rate", "memory", "samples"] {
        assert!(page.body.contains(part) || page.body.contains(&part.replace('<', "\"")), "no {part} in the page");
    }
    assert!(!page.body.contains("src=") && !page.body.contains("<link"), "the page needs nothing else");
    assert!(watching.get("/nothing").status.contains("404"));

    // Nothing yet; then two lines and half a third.
    let none = watching.get("/metrics?from=0&file=");
    assert_eq!((none.body.as_str(), none.header("next-byte"), none.header("ended")), ("", "0", "no"));
    let two = line(1) + &line(2);
    place.write(log, two.clone() + "{\"kind\":");
    let first = watching.get("/metrics?from=0&file=");
    assert_eq!((first.body.as_str(), first.header("next-byte")), (two.as_str(), two.len().to_string().as_str()));
    let rest = |since: &Answer| {
        watching.get(&format!("/metrics?from={}&file={}", since.header("next-byte"), since.header("file")))
    };
    assert_eq!(rest(&first).body, "");

    // The third line whole: only that is sent.
    place.write(log, two.clone() + &line(3));
    let third = rest(&first);
    assert_eq!((third.body.as_str(), third.header("from-byte")), (line(3).as_str(), first.header("next-byte")));

    // A resume writes a shorter file in its place, and goes on: all is sent again.
    let cut = place.write("run/model/training/cut", line(1) + &line(2) + &line(3) + &line(4));
    std::fs::rename(cut, place.path(log)).unwrap();
    let again = rest(&third);
    assert_eq!((again.header("from-byte"), again.body.lines().count()), ("0", 4));

    // After its end, and by the folder of the model.
    place.write("run/model/manifest.json", "{}");
    let model = Watching::start(&place, "run/model");
    let all = model.get("/metrics");
    assert_eq!((all.header("ended"), all.body.lines().count()), ("yes", 4));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    Place::new().run(&["watch", "nowhere"]).expect(1, &["nowhere: no such folder", "`model`"]);
}

#[cfg(unix)]
#[test]
fn asked_to_stop_it_stops() {
    let place = Place::new();
    place.write("run/plan.json", "{}");
    let mut watching = Watching::start(&place, "run");
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", watching.child.id())]).status();
    assert!(sent.unwrap().success() && watching.child.wait().unwrap().success());
}
