//! Input made to kill parsers, through the binary: it ends in time, costs no page but its own, and every loss is counted.

use crate::harness::Place;
use crate::samples::dump;
use serde_json::Value;
use std::io::Write;

/// Page of the template namespace, by its name without it.
fn template(name: &str, text: &str) -> String {
    format!(
        "<page><title>Template:{name}</title><ns>10</ns><id>9</id><revision><text>{text}</text></revision></page>\n"
    )
}

/// Text as it stands in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Title and text of every line of `extract`.
fn documents(said: &str) -> Vec<(String, String)> {
    let document = |line: &str| {
        let document: Value = serde_json::from_str(line).unwrap();
        ["title", "text"].map(|key| document[key].as_str().unwrap().to_owned())
    };
    said.lines().map(document).map(|[title, text]| (title, text)).collect()
}

/// Each stands between pages that have to come out as they are, with the text that it has to begin with.
#[test]
fn pages_made_to_kill_cost_only_themselves() {
    let unclosed = "Suokums. [[a|b <ref name=x {{x|y {{{z [http://u <div class=navbox><table>\n{|\n|-\n| c\n''i'''b==h\n\
                    <gallery>\n<nowiki>&#x <math><poem><ref>r <syntaxhighlight><!-- ";
    let killers = [
        ("tags and a link", "<x>".repeat(14) + "[[{{x}}", ""),
        ("links in links", "Suokums. ".to_owned() + &"[[".repeat(20_000) + &"]]".repeat(20_000), "Suokums."),
        ("links that never end", "Suokums. ".to_owned() + &"[[".repeat(40_000), "Suokums."),
        ("calls in calls", "Suokums. ".to_owned() + &"{{".repeat(20_000) + &"}}".repeat(20_000), "Suokums."),
        ("calls that never end", "Suokums. ".to_owned() + &"{{x|".repeat(20_000), "Suokums."),
        ("a template in itself", "Suokums {{Self|x}}.".to_owned(), "Suokums m."),
        ("4^30 inclusions", "Suokums {{P0}}.".to_owned(), "Suokums."),
        ("unclosed", unclosed.to_owned(), "Suokums. b"),
        ("unclosed often", unclosed.replace("<!-- ", "\n").repeat(300), "Suokums. b"),
        ("tables in tables", "Suokums.\n".to_owned() + &"{|\n|".repeat(16_000), "Suokums."),
        ("one line", "Suokums ".to_owned() + &"vuords ".repeat(1_400_000) + "gols {{x}}", "Suokums vuords vuords"),
    ];
    let mut pages: Vec<(&str, String)> = Vec::new();
    for (title, source, _) in &killers {
        pages.push((title, escaped(source)));
        pages.push(("Upe", "Upe {{X|tak}} da jiurai.".to_owned()));
    }
    let templates: String = (0..30)
        .map(|level| template(&format!("P{level}"), &format!("{{{{P{}}}}}", level + 1).repeat(4)))
        .chain([
            template("P30", "x"),
            template("X", "{{{1|}}}"),
            template("Self", "m{{Self|{{{1}}}a}}{{Self|{{{1}}}b}}"),
        ])
        .collect();
    let pages: Vec<(&str, &str)> = pages.iter().map(|(title, text)| (*title, text.as_str())).collect();
    let place = Place::new();
    place.write("wiki.xml", dump(&pages).replace("</mediawiki>", &(templates + "</mediawiki>")));
    let found = place.run_measured(&["extract", "wiki.xml"]);
    let said = found.said.expect(0, &["0 failed", "too_many_steps: 1"]);
    assert!(found.seconds < 600.0, "{} s", found.seconds);
    assert!(found.peak_bytes < 1 << 30, "{} MiB", found.peak_bytes >> 20);
    let documents = documents(&said.stdout);
    assert_eq!(documents.iter().filter(|(_, text)| text == "Upe tak da jiurai.").count(), killers.len());
    for (title, _, begins) in &killers {
        let text = documents.iter().find(|(found, _)| found == title).map_or("", |(_, text)| text);
        let head: String = text.chars().take(40).collect();
        assert!(text.starts_with(begins), "{title}: {head:?}");
        assert!(!["{{", "}}", "[[", "]]", "<ref", "<!--"].iter().any(|mark| text.contains(mark)), "{title}: {head:?}");
    }
    let (_, line) = documents.iter().find(|(title, _)| title == "one line").unwrap();
    assert!(line.ends_with("vuords gols") && line.len() > 9_800_000, "{} bytes", line.len());
}

#[test]
fn a_billion_laughs_are_not_laughed() {
    let entities: String =
        (1..=9).map(|level| format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10))).collect();
    let doctype = format!("<?xml version=\"1.0\"?><!DOCTYPE mediawiki [<!ENTITY l0 \"lol\">{entities}]>");
    let place = Place::new();
    place.write("wiki.xml", doctype + &dump(&[("Smīklys", "Vysi smejās: &l9; i vēļ."), ("Upe", "Upe tak.")]));
    let found = place.run_measured(&["extract", "wiki.xml"]);
    let said = found.said.expect(0, &["2 documents", "0 failed"]);
    assert!(found.peak_bytes < 512 << 20, "{} MiB", found.peak_bytes >> 20);
    // Whom a dump calls by an entity that is none of XML's own stays as it was written.
    let texts: Vec<String> = documents(&said.stdout).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["Vysi smejās: &l9; i vēļ.", "Upe tak."]);
}

#[test]
fn blocks_of_a_bz2_damaged_in_the_middle_cost_the_pages_in_them() {
    let count = 400;
    let text = |page: usize| -> String {
        // Other words on each page, so that 400 pages are several blocks.
        let word = |n: usize| format!("{:x} ", (page * 1000 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        format!("Lopa {page}. ") + &(0..150).map(word).collect::<String>()
    };
    let pages: Vec<(String, String)> = (0..count).map(|page| (format!("L{page}"), text(page))).collect();
    let pages: Vec<(&str, &str)> = pages.iter().map(|(title, text)| (title.as_str(), text.as_str())).collect();
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(dump(&pages).as_bytes()).unwrap();
    let mut file = writer.finish().unwrap();
    let (third, two_thirds) = (file.len() / 3, 2 * file.len() / 3);
    file[third] ^= 0x10;
    file[two_thirds..two_thirds + 50].fill(0);
    let place = Place::new();
    place.write("wiki.xml.bz2", file);
    for jobs in ["1", "3"] {
        let said = place.run(&["extract", "wiki.xml.bz2", "--jobs", jobs]).expect(0, &["WARN", "bzip2: the block at"]);
        let found = documents(&said.stdout);
        let titles: Vec<&str> = found.iter().map(|(title, _)| title.as_str()).collect();
        // A block holds 100 kB, about 40 of these pages; two are lost, and the pages that they cut.
        assert!((count - 100..count - 40).contains(&titles.len()), "{} pages", titles.len());
        assert!(titles.first() == Some(&"L0") && titles.last() == Some(&"L399"), "{titles:?}");
        assert!(found.iter().all(|(title, found)| {
            let page: usize = title[1..].parse().unwrap();
            *found == text(page).trim()
        }));
        let last = said.stderr.trim_end().lines().last().unwrap();
        assert!(last.contains(" failed") && !last.contains(" 0 failed"), "{last}");
    }
}
