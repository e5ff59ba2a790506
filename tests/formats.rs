//! Every format through a recipe: what a source's documents are, and that their ids are unique.

use crate::harness::Place;
use crate::samples::dump;
use serde_json::Value;
use std::collections::BTreeSet;
use tongues_pipeline::Document;
use tongues_pipeline::io::documents;

/// Five different sentences; a filter wants some words.
const TEXTS: [&str; 5] = [
    "Rēzekne ira upe Latgolā, kas īsasuoc nu azara i tak iz Lubuona pusi.",
    "Dubna ira upe Latgolā i Daugovys pīteka, jei tak cauri daudzim azarim.",
    "Malta ira upe Latgolā, Rēzeknis pīteka, i sovā celā sateik vierīni azaru.",
    "Vīnā dīnā pa upi atguoja laiva ar lobdeibu, i vysi cylvāki suoka runuot.",
    "Vacajā sātā dzeivoj divi bruoli i jūs muosa, kas roksta gruomotys.",
];

fn recipe(sources: &[String]) -> String {
    sources.concat() + "[filter]\nminimum_characters = 1\n"
}

fn source(name: &str, path: &str, more: &str) -> String {
    format!("[[source]]\nname = \"{name}\"\npath = \"{path}\"\nlanguage = \"ltg_Latn\"\n{more}")
}

/// The documents of a run, kept and dropped.
fn all(place: &Place, output: &str) -> Vec<Document> {
    let tag = "ltg_Latn".parse().unwrap();
    let folders = ["kept", "rejected"].map(|name| place.path(output).join("documents").join(name));
    let there = folders.iter().filter(|folder| folder.join("ltg_Latn").exists());
    there.flat_map(|folder| documents::read(folder, tag).unwrap()).map(|document| document.unwrap()).collect()
}

fn manifest(place: &Place, output: &str) -> Value {
    let text = std::fs::read_to_string(place.path(output).join("documents/manifest.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn page(text: &str) -> String {
    format!("<html><head><title>T</title></head><body><nav>menu</nav><p>{text}</p></body></html>")
}

#[test]
fn web_archives_bibles_tables_and_pages_are_sources_of_a_recipe() {
    let place = Place::new();
    let record = |block: &str| {
        format!(
            "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Record-ID: <urn:uuid:r1>\r\nWARC-Date: 2020-01-02T03:04:05Z\r\n\
             WARC-Target-URI: https://a.lv/x\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{block}\r\n\r\n",
            block.len()
        )
    };
    place.write("a.warc", record(&page(TEXTS[0])) + "no record\r\n");
    place.write("b.html", page(TEXTS[1]));
    place.write(
        "c.xml",
        format!(
            "<osis><chapter osisID='Mark.1'><verse sID='Mark.1.1' osisID='Mark.1.1'/>{}<verse eID='Mark.1.1'/></chapter></osis>",
            TEXTS[2]
        ),
    );
    place.write("d.csv", format!("number,body,from\n7,\"{}\",https://b.lv\n", TEXTS[3]));
    place.write("e.tsv", format!("text\n{}\n", TEXTS[4]));
    let columns = "text_column = \"body\"\nid_column = \"number\"\nurl_column = \"from\"\n";
    let sources = [
        source("archive", "a.warc", ""),
        source("page", "b.html", "html_content = \"whole\"\n"),
        source("bible", "c.xml", "licence = \"public domain\"\n"),
        source("comma", "d.csv", columns),
        source("tab", "e.tsv", ""),
    ];
    place.write("r.toml", recipe(&sources));
    place.run(&["pipeline", "r.toml", "--output", "out"]).expect(0, &["length is wrong"]);
    let found = all(&place, "out");
    let of = |name: &str| found.iter().find(|document| document.source == name).unwrap();
    for (name, text) in ["archive", "page", "bible", "comma", "tab"].iter().zip(TEXTS) {
        assert_eq!(of(name).text, text, "{name}");
    }
    assert_eq!((of("archive").id.as_str(), of("archive").url.as_deref()), ("archive:r1", Some("https://a.lv/x")));
    assert_eq!(of("archive").timestamp.as_deref(), Some("2020-01-02T03:04:05Z"));
    assert_eq!((of("bible").id.as_str(), of("bible").licence.as_deref()), ("bible:Mark.1", Some("public domain")));
    assert_eq!((of("comma").id.as_str(), of("comma").url.as_deref()), ("comma:7", Some("https://b.lv")));
    let counts = &manifest(&place, "out")["counts"]["languages"]["ltg_Latn"];
    assert_eq!((&counts["in"], &counts["failed"]), (&6.into(), &1.into()));

    // What the run wrote is Parquet, and may be a source with other columns.
    let columns = "format = \"parquet\"\ntext_column = \"text\"\nid_column = \"id\"\ntitle_column = \"source\"\n";
    place.write("again.toml", recipe(&[source("again", "out/documents/kept/ltg_Latn/*.parquet", columns)]));
    place.run(&["pipeline", "again.toml", "--output", "again"]).expect(0, &[]);
    let ids: BTreeSet<String> = all(&place, "again").into_iter().map(|document| document.id).collect();
    let wanted = found.iter().map(|document| format!("again:{}", document.id)).collect();
    assert_eq!(ids, wanted);
    assert!(all(&place, "again").iter().any(|document| document.title.as_deref() == Some("bible")));
}

#[test]
fn encodings_other_than_utf_8_are_in_the_manifest() {
    let place = Place::new();
    let in_windows_1257 = |text: &str| encoded(text);
    place.write("old/a.txt", in_windows_1257(TEXTS[0]));
    place.write("old/b.txt", in_windows_1257(TEXTS[1]));
    place.write("new.txt", TEXTS[2]);
    place.write("bad.txt", [TEXTS[3].as_bytes(), b" \xff\xfe\xff"].concat());
    let sources = [
        source("old", "old", "encoding = \"windows-1257\"\n"),
        source("new", "new.txt", ""),
        source("bad", "bad.txt", "encoding = \"utf-8\"\n"),
    ];
    place.write("r.toml", recipe(&sources));
    place.run(&["pipeline", "r.toml", "--output", "out"]).expect(0, &[]);
    let counts = &manifest(&place, "out")["counts"]["encodings"];
    assert_eq!(counts["old"]["windows-1257"], 2, "{counts}");
    assert!(counts["bad"]["replaced"].as_u64() > Some(0), "{counts}");
    assert_eq!(all(&place, "out").iter().filter(|document| TEXTS[..3].contains(&document.text.as_str())).count(), 3);
    place.write("w.toml", recipe(&[source("old", "old", "encoding = \"windows-99\"\n")]));
    place.run(&["pipeline", "w.toml"]).expect(2, &["encoding", "label of the Encoding Standard"]);
}

/// `text` in windows-1257, as far as these texts need it.
fn encoded(text: &str) -> Vec<u8> {
    let letters = [('ā', 0xe2), ('ē', 0xe7), ('ī', 0xee), ('ņ', 0xf2), ('ū', 0xfb), ('š', 0xf0), ('ž', 0xfe)];
    let byte = |c: char| match letters.iter().find(|(letter, _)| *letter == c) {
        Some((_, byte)) => *byte,
        None => u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or_else(|| panic!("no byte for {c}")),
    };
    text.chars().map(byte).collect()
}

#[test]
fn folders_and_archives_are_sources_and_inputs() {
    let place = Place::new();
    place.write("pages/a/1.html", page(TEXTS[0]));
    place.write("pages/b/1.html", page(TEXTS[1]));
    place.write("pages/LICENSE", "CC0");
    place.write("pages/.git/2.html", page("hidden"));
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in [("a/1.html", TEXTS[2]), ("b/1.html", TEXTS[3])] {
        let content = page(text);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    place.write("more.tar", builder.into_inner().unwrap());
    let said = place.run(&["extract", "pages", "more.tar"]).expect(0, &["4 records: 4 documents"]);
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1:1", "1-2:1", "more:a/1.html:1", "more:b/1.html:1"]);
    assert!(lines.iter().zip(TEXTS).all(|(line, text)| line["text"] == text));
    place.run(&["extract", "pages/a", "--format", "text_file"]).expect(0, &["1 documents"]);
    std::fs::create_dir(place.path("empty")).unwrap();
    place.run(&["extract", "empty"]).expect(1, &["empty", "no file", "--format"]);

    place.write("r.toml", recipe(&[source("pages", "pages", ""), source("more", "more.tar", "")]));
    place.run(&["pipeline", "r.toml", "--output", "out"]).expect(0, &[]);
    let found = all(&place, "out");
    let ids: BTreeSet<&str> = found.iter().map(|document| document.id.as_str()).collect();
    assert_eq!(ids, BTreeSet::from(["more:a/1.html:1", "more:b/1.html:1", "pages:0:1", "pages:1:1"]));
}

#[test]
fn ids_are_unique_across_the_files_and_sources_of_a_recipe() {
    let place = Place::new();
    for (number, texts) in TEXTS[..4].chunks(2).enumerate() {
        place.write(&format!("wiki{number}.xml"), dump(&[("A", texts[0]), ("B", texts[1])]));
    }
    place.write("wiki.xml", dump(&[("A", TEXTS[4])]));
    place.write("r.toml", recipe(&[source("wikis", "wiki?.xml", ""), source("wiki", "wiki.xml", "")]));
    place.run(&["pipeline", "r.toml", "--output", "out"]).expect(0, &[]);
    let ids: Vec<String> = all(&place, "out").into_iter().map(|document| document.id).collect();
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), unique.len()), (5, 5), "{ids:?}");
    // `wikis` and file 0 would be `wikis:0` and page 1.
    place.write("c.toml", recipe(&[source("wikis:0", "wiki.xml", "")]));
    place.run(&["pipeline", "c.toml"]).expect(2, &["wikis:0", "colon"]);
}

#[test]
fn a_wiki_whose_head_is_anothers_has_its_own_names_all_the_same() {
    let place = Place::new();
    let head = "<siteinfo><base>https://en.wikipedia.org/wiki/Main</base><namespaces><namespace key=\"14\">Category\
                </namespace></namespaces></siteinfo>";
    let text = format!("{}\n\n[[Rummad:Upes]]\n[[Rummad:Latgola|x]]\n[[en:Rezekne]]", TEXTS[0]);
    let wiki = dump(&[("Rēzekne", &text)]);
    let begin = wiki.find("<siteinfo>").unwrap();
    let end = wiki.find("</siteinfo>").unwrap() + "</siteinfo>".len();
    let taiss = "<page><title>Taiss:Gols</title><ns>10</ns><id>2</id><revision><text>gols</text></revision></page>";
    let with_head = |head: &str| {
        let wiki = format!("{}{head}{}", &wiki[..begin], &wiki[end..]);
        wiki.replace("pusi.", "pusi, {{Taiss:gols}}.").replace("</mediawiki>", &format!("{taiss}</mediawiki>"))
    };
    for (name, head) in [("lying.xml", head), ("headless.xml", "")] {
        place.write(name, with_head(head));
        let said = place.run(&["extract", name, "--language", "ltg_Latn"]).expect(0, &[]);
        let line: Value = serde_json::from_str(said.stdout.lines().next().unwrap()).unwrap();
        assert_eq!(line["text"], TEXTS[0].replace("pusi.", "pusi, gols."), "{name}");
    }
    // A head that is right is believed: such links are pages there.
    place.write("right.xml", with_head(&head.replace("en.", "ltg.")));
    let said = place.run(&["extract", "right.xml", "--language", "ltg_Latn"]).expect(0, &[]);
    assert!(said.stdout.contains("Rummad:Upes"), "{}", said.stdout);
}
