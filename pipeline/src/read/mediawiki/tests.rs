//! Dumps as they are and as they should not be.

use super::*;
use crate::read::bytes::Text;
use crate::read::damaged::Damaged;
use std::path::Path;

const HEAD: &str = "<mediawiki version=\"0.10\"><siteinfo><base>https://xy.wikipedia.org/wiki/Main</base><namespaces>\
    <namespace key=\"0\" case=\"first-letter\" /><namespace key=\"6\">Fails</namespace></namespaces></siteinfo>";

fn page(title: &str, extra: &str, text: &str) -> String {
    format!(
        "<page><title>{title}</title>{extra}<id>7</id><revision><id>9</id><timestamp>2020-01-02T00:00:00Z</timestamp>\
         <contributor><username>u</username><id>3</id></contributor>{text}</revision></page>"
    )
}

fn read(xml: String) -> Vec<Item> {
    let mut pages = Pages::open(Path::new("f"), Box::new(std::io::Cursor::new(xml.into_bytes()))).unwrap();
    std::iter::from_fn(|| pages.next()).collect()
}

#[test]
fn articles_are_documents_and_everything_else_is_skipped_by_kind() {
    let xml = [
        HEAD,
        &page("A &amp; B?", "<ns>0</ns>", "<model>wikitext</model><text>x &lt;b&gt; &#263; &amp;nbsp;</text>"),
        &page("R", "<ns>0</ns><redirect title=\"A\" />", "<text>#REDIRECT [[A]]</text>"),
        &page("R", "<ns>0</ns>", "<text>#Redirect [[A]]</text>"),
        &page("Fails:X", "<ns>6</ns>", "<text>x</text>"),
        &page("fails:X", "", "<text>x</text>"),
        &page("C", "<ns>0</ns>", "<model>json</model><text>{}</text>"),
        &page("D", "<ns>0</ns>", "<text bytes=\"0\" />"),
        "</mediawiki>",
    ]
    .concat();
    let all = read(xml);
    let Item::Document(raw) = &all[0] else { panic!("{all:?}") };
    assert_eq!((raw.id.as_str(), raw.title.as_deref()), ("7", Some("A & B?")));
    assert_eq!(raw.url.as_deref(), Some("https://xy.wikipedia.org/wiki/A_%26_B%3F"));
    assert_eq!(raw.timestamp.as_deref(), Some("2020-01-02T00:00:00Z"));
    assert_eq!(raw.body, Body::Wikitext("x <b> ć &nbsp;".to_owned()));
    let kinds: Vec<&str> = all[1..]
        .iter()
        .map(|item| match item {
            Item::Skipped(kind) => *kind,
            _ => panic!("{item:?}"),
        })
        .collect();
    assert_eq!(kinds, ["redirect", "redirect", "namespace", "namespace", "not_wikitext", "empty"]);
}

#[test]
fn of_a_history_the_latest_revision_counts() {
    let revision = |day: u8, text: &str| {
        format!("<revision><timestamp>2020-01-0{day}T00:00:00Z</timestamp><text>{text}</text></revision>")
    };
    let xml = format!(
        "<mediawiki><page><title>A</title><id>1</id>{}{}{}</page></mediawiki>",
        revision(1, "old"),
        revision(3, "new"),
        revision(2, "late")
    );
    let Item::Document(raw) = &read(xml)[0] else { panic!() };
    assert_eq!((raw.timestamp.as_deref(), &raw.body), (Some("2020-01-03T00:00:00Z"), &Body::Wikitext("new".into())));
}

#[test]
fn a_cut_dump_gives_its_whole_pages_and_one_failure_with_its_place() {
    let whole = page("A", "", "<text>a</text>");
    let cut = page("Bē", "", "<text>long text &amp; more</text>");
    for end in [cut.len() - 1, cut.find("&amp;").unwrap() + 3, cut.find("<text>").unwrap() + 9] {
        let all = read(format!("{HEAD}{whole}{}", &cut[..end]));
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(matches!(&all[0], Item::Document(_)));
        let Item::Failed { place, cause } = &all[1] else { panic!("{all:?}") };
        assert!(place.contains("\"Bē\"") && place.contains("byte"), "{place}");
        assert!(!cause.is_empty());
    }
    let all = read(format!("{HEAD}{whole}"));
    assert!(matches!(&all[1], Item::Failed { place, .. } if place.contains("after page \"A\"")), "{all:?}");
}

#[test]
fn after_a_broken_page_the_next_one_is_read() {
    let good = |title: &str| page(title, "", "<text>a</text>");
    let unclosed = page("B", "", "<text>b</text>").replace("</page>", "");
    let garbage = "<page><title>C</title><revision><text>c</te<<xt></revision></page>";
    let all = read(format!("{HEAD}{}{unclosed}{}{garbage}{}</mediawiki>", good("A"), good("D"), good("E")));
    let said: Vec<String> = all
        .iter()
        .map(|item| match item {
            Item::Document(raw) => raw.title.clone().unwrap(),
            Item::Failed { place, .. } => format!("failed: {place}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(said[0], "A");
    assert!(said[1].starts_with("failed: page \"B\""), "{said:?}");
    assert_eq!(said[2], "D");
    assert_eq!(said.last().unwrap(), "E", "{said:?}");
}

#[test]
fn a_head_of_another_wikipedia_is_not_believed() {
    let head = HEAD.replace("xy.wiki", "en.wiki");
    let open = || {
        let xml = format!("{head}{}</mediawiki>", page("A", "", "<text>a</text>"));
        Pages::open(Path::new("f"), Box::new(std::io::Cursor::new(xml.into_bytes()))).unwrap()
    };
    let url = |mut pages: Pages| match pages.next() {
        Some(Item::Document(raw)) => (raw.url.unwrap(), pages.head().site().language().to_owned()),
        other => panic!("{other:?}"),
    };
    let mut pages = open();
    assert_eq!(pages.claim("ltg_Latn".parse().unwrap()).as_deref(), Some("en.wikipedia.org"));
    assert_eq!(url(pages), ("https://ltg.wikipedia.org/wiki/A".to_owned(), "ltg".to_owned()));
    for believed in ["eng_Latn", "und_Zyyy"] {
        let mut pages = open();
        assert_eq!(pages.claim(believed.parse().unwrap()), None, "{believed}");
        assert_eq!(url(pages).1, "en");
    }
}

#[test]
fn deleted_texts_and_names_and_missing_heads_are_no_obstacle() {
    let deleted = "<page><title>A</title><ns>0</ns><id>1</id><revision><id>2</id>\
        <timestamp>2020-01-02T00:00:00Z</timestamp><contributor deleted=\"deleted\" /><comment deleted=\"deleted\" />\
        <text deleted=\"deleted\" /></revision></page>";
    let bytes = "<text xml:space=\"preserve\"> b\n c</text><sha1>x</sha1>";
    let all = read(format!("{deleted}<page><title>B</title><ns>0</ns><id>3</id><revision>{bytes}</revision></page>"));
    assert_eq!(all[0], Item::Skipped("empty"));
    let Item::Document(raw) = &all[1] else { panic!("{all:?}") };
    assert_eq!((raw.id.as_str(), &raw.url, &raw.timestamp), ("3", &None, &None));
    assert_eq!(raw.body, Body::Wikitext(" b\n c".to_owned()));
    assert_eq!(all.len(), 2);
}

#[test]
fn what_is_no_dump_is_refused_with_what_it_is() {
    let said = |text: &str| {
        let text: Text = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        Pages::open(Path::new("f"), text).err().expect("refused").to_string()
    };
    assert!(said("<!DOCTYPE html><html><body>404</body></html>").contains("found an HTML page"));
    assert!(said("").contains("an empty file"));
    assert!(said("{\"Ab\":1}").contains("found \"{\\\"Ab\\\":1}\", which is no XML"));
    assert!(said("<mediawiki></mediawiki>").contains("found no <page>; expected a MediaWiki XML export"));
}

/// A text that breaks off in the middle, as at a damaged block.
struct Damage(VecDeque<Vec<u8>>, usize);

impl std::io::Read for Damage {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        unreachable!("it is read by its buffer")
    }
}

impl std::io::BufRead for Damage {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.0.front().is_some_and(|part| self.1 == part.len()) {
            (self.1, _) = (0, self.0.pop_front());
            if !self.0.is_empty() {
                return Err(Damaged { place: "block".to_owned(), cause: std::io::Error::other("x") }.into());
            }
        }
        Ok(self.0.front().map_or(&[], |part| &part[self.1..]))
    }

    fn consume(&mut self, count: usize) {
        self.1 += count;
    }
}

/// What a dump of 300 pages of 6 KB gives, page 150 of which is another, and reading breaks off where `\0` is.
fn told(page_150: &str) -> Vec<String> {
    let one = |number: usize| page(&format!("P{number}"), "", &format!("<text>{}</text>", "lopa ".repeat(1200)));
    let mut xml = HEAD.to_owned();
    for number in 0..300 {
        xml += &if number == 150 { page_150.to_owned() } else { one(number) };
        xml += "\n  ";
    }
    xml += "</mediawiki>";
    let parts = xml.split('\0').map(|part| part.as_bytes().to_vec()).collect();
    let mut pages = Pages::open(Path::new("f"), Box::new(Damage(parts, 0))).unwrap();
    let tell = |item| match item {
        Item::Document(raw) => raw.title.unwrap(),
        Item::Failed { place, cause } => format!("{}: {cause}", place.split(',').next().unwrap()),
        Item::Skipped(kind) => kind.to_owned(),
    };
    let all: Vec<String> = std::iter::from_fn(|| pages.next()).map(tell).collect();
    let around =
        all.iter().position(|told| told == "P149").unwrap() + 1..all.iter().position(|told| told == "P151").unwrap();
    let (before, behind) = (&all[..around.start], &all[around.end..]);
    assert!(before.iter().enumerate().all(|(number, told)| *told == format!("P{number}")), "{before:?}");
    assert!(behind.iter().enumerate().all(|(number, told)| *told == format!("P{}", number + 151)), "{behind:?}");
    assert_eq!((before.len(), behind.len()), (150, 149));
    all[around].to_vec()
}

#[test]
fn pieces_of_a_dump_are_read_as_the_whole_would_be() {
    let good = page("P150", "", "<text>x</text>");
    assert_eq!(told(&good), ["P150"]);
    assert_eq!(told(&format!("<!-- <page><title>no</title> -->{good}<![CDATA[<page>]]>")), ["P150"]);
    assert_eq!(told(&page("P150", "", "<text><![CDATA[<page> </page>]]></text>")), ["P150"]);
    assert_eq!(told(&good.replace("<page>", "<page a='b'>")), ["P150"]);
    assert_eq!(told(&good.replace("</page>", "")), ["page \"P150\": another <page> begins inside this page"]);
    let crossed = told(&good.replace("</revision>", "</wrong>"));
    assert!(crossed.len() == 1 && crossed[0].starts_with("page \"P150\": ill-formed"), "{crossed:?}");
    // With all its revisions it is longer than what is held.
    let history = "<revision><timestamp>2019-01-02T00:00:00Z</timestamp><text>old</text></revision>".repeat(80_000);
    assert_eq!(told(&good.replace("<id>7</id>", &format!("<id>7</id>{history}"))), ["P150"]);
    // Damage inside of a page, and between two.
    let hurt = told(&good.replace("<text>", "<text>y\0"));
    assert!(hurt.len() == 1 && hurt[0].starts_with("page \"P150\": I/O error: block is damaged"), "{hurt:?}");
    let hurt = told(&format!("{good}\0"));
    assert!(hurt.len() == 2 && hurt[0] == "P150" && hurt[1].starts_with("after page \"P150\": I/O"), "{hurt:?}");
}
