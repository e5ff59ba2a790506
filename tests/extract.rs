//! `tongues extract`.

use crate::harness::Place;
use crate::samples::dump;
use serde_json::Value;

/// Two articles, a redirect, a talk page, an article that is only a template.
const DUMP: &str = r#"<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="ltg">
<siteinfo><sitename>Vikipedeja</sitename><dbname>ltgwiki</dbname><base>https://ltg.wikipedia.org/wiki/Suokuma_puslopa</base>
<namespaces><namespace key="0" /><namespace key="1">Sprīža</namespace></namespaces></siteinfo>
<page><title>Lobdīn</title><ns>0</ns><id>1</id><revision><id>7</id><timestamp>2025-01-02T03:04:05Z</timestamp><text>'''Lobdīn''' ir [[vuords|vuordi]].&lt;ref&gt;x&lt;/ref&gt;

== Nūdaļa ==
* pyrmais
* ūtrais</text></revision></page>
<page><title>Vuordi</title><ns>0</ns><id>2</id><redirect title="Lobdīn" /><revision><id>8</id><text>#REDIRECT [[Lobdīn]]</text></revision></page>
<page><title>Sprīža:Lobdīn</title><ns>1</ns><id>3</id><revision><id>9</id><text>sprīža</text></revision></page>
<page><title>Tukšs</title><ns>0</ns><id>4</id><revision><id>10</id><text>{{veidne}}</text></revision></page>
<page><title>Upe</title><ns>0</ns><id>5</id><revision><id>11</id><text>Upe tak.</text></revision></page>
</mediawiki>
"#;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_dump_becomes_lines_on_stdout_or_a_file_or_parquet() {
    let place = Place::new();
    place.write("ltgwiki.xml", DUMP);
    let said = place.run(&["extract", "ltgwiki.xml", "--language", "ltg_Latn"]).expect(0, &[]);
    let documents = lines(&said.stdout);
    assert_eq!(documents.len(), 2);
    let first = &documents[0];
    assert_eq!(first["text"], "Lobdīn ir vuordi.\n\nNūdaļa\n\n- pyrmais\n- ūtrais");
    assert_eq!((first["title"].as_str(), first["language"].as_str()), (Some("Lobdīn"), Some("ltg_Latn")));
    assert_eq!(
        (first["source"].as_str(), first["timestamp"].as_str()),
        (Some("ltgwiki"), Some("2025-01-02T03:04:05Z"))
    );
    assert!(first["url"].as_str().unwrap().starts_with("https://ltg.wikipedia.org/"), "{first}");
    assert!(first["licence"].as_str().unwrap().contains("BY-SA"), "{first}");
    let counted = "5 records: 3 documents (1 without text), 1 namespace, 1 redirect, 0 failed; ";
    assert!(said.stderr.trim_end().lines().last().unwrap().contains(counted), "{}", said.stderr);

    // The same in a file, whatever the number of threads; and as Parquet, which is an input too.
    place.run(&["extract", "ltgwiki.xml", "--language", "ltg_Latn", "-o", "a.jsonl", "--jobs", "1"]).expect(0, &[]);
    assert_eq!(std::fs::read_to_string(place.path("a.jsonl")).unwrap(), said.stdout);
    place.run(&["extract", "ltgwiki.xml", "--language", "ltg_Latn", "-o", "a.parquet"]).expect(0, &[counted]);
    let again = place.run(&["extract", "a.parquet", "a.jsonl"]).expect(0, &["4 records: 4 documents"]);
    let texts: Vec<Value> = lines(&again.stdout).iter().map(|line| line["text"].clone()).collect();
    let twice: Vec<Value> = documents.iter().chain(&documents).map(|line| line["text"].clone()).collect();
    assert_eq!(texts, twice);
}

/// A page of the template namespace.
fn template(name: &str, text: &str) -> String {
    format!("<page><title>Taiss:{name}</title><ns>10</ns><id>9</id><revision><text>{text}</text></revision></page>\n")
}

#[test]
fn templates_are_expanded_or_left_out() {
    let place = Place::new();
    let templates = [
        template("Goduds", "{{#switch:{{{1}}}|15=XV|16=XVI}} godu symts"),
        template("Gs", "#REDIRECT [[Template:Goduds]]"),
        // 2^40 inclusions.
        (0..40).map(|i| template(&format!("D{i}"), &format!("{{{{D{}}}}}{{{{D{}}}}}", i + 1, i + 1))).collect(),
    ];
    let pages = [("Pyrmuo", "{{gs|15}} beja seņ, {{PAGENAME}}.{{Navi}}"), ("Ūtruo", "Teksts{{D0}}.")];
    let dump = dump(&pages).replace("</mediawiki>", &(templates.concat() + "</mediawiki>"));
    place.write("ltgwiki.xml", dump);
    let said = place.run(&["extract", "ltgwiki.xml"]).expect(0, &["1 pages expanded", "(too_many_steps: 1)", "Ūtruo"]);
    let texts = |stdout: &str| -> Vec<String> {
        lines(stdout).iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&said.stdout), ["XV godu symts beja seņ, Pyrmuo.", "Teksts."]);
    let same = place.run(&["extract", "ltgwiki.xml", "--jobs", "1"]).expect(0, &[]);
    assert_eq!(same.stdout, said.stdout);
    let dropped = place.run(&["extract", "ltgwiki.xml", "--templates", "drop"]).expect(0, &[]);
    assert_eq!(texts(&dropped.stdout), ["beja seņ.", "Teksts."]);
    assert!(!dropped.stderr.contains("expanded"), "{}", dropped.stderr);
}

#[test]
fn a_wiki_has_its_own_magic_words_redirects_and_articles_in_articles() {
    let place = Place::new();
    let pages = [
        ("Liste", "x&lt;onlyinclude&gt;\n* Lobs&lt;/onlyinclude&gt;"),
        ("Upe", "{{SEITENNAME}} ist: {{:Liste}}"),
        ("A", "#NAZYNOMS [[Upe]]"),
        ("B", "#NAZYNOMS [[Upe]]"),
        ("C", "#NAZYNOMS [[Liste]]"),
        ("D", "#NAZYNOMS [[Upe]] {{x}}"),
        ("E", "#WEITERLEITUNG [[Upe]] {{x}}"),
    ];
    place.write("wiki.xml", dump(&pages).replace("</mediawiki>", &(template("Pad", "pad") + "</mediawiki>")));
    let said = place.run(&["extract", "wiki.xml", "--language", "deu_Latn"]).expect(0, &["5 redirect", "1 inclusions"]);
    let texts: Vec<Value> = lines(&said.stdout).iter().map(|line| line["text"].clone()).collect();
    assert_eq!(texts, ["x\n\n- Lobs", "Upe ist:\n\n- Lobs"]);
}

#[test]
fn modules_run_where_they_are_asked_for() {
    let place = Place::new();
    let module = |name: &str, lua: &str| {
        format!(
            "<page><title>Modulis:{name}</title><ns>828</ns><id>9</id><revision><model>Scribunto</model><text>{lua}\
             </text></revision></page>\n"
        )
    };
    let parts = [
        template("Garums", "{{#invoke:Upe|garums|{{{1}}}}}"),
        module(
            "Upe",
            "local vineiba = mw.loadData('Module:Upe/dati').vineiba\nlocal p = {}\nfunction p.garums(frame)\n\
             return mw.getContentLanguage():formatNum(frame.args[1]) .. ' ' .. vineiba\nend\n\
             function p.slykts() error('slykta upe') end\nreturn p",
        ),
        module("Upe/dati", "return { vineiba = 'km' }"),
    ];
    let pages = [("Pyrmuo", "Upe ir {{garums|1234}} gara."), ("Ūtruo", "Teksts{{#invoke:Upe|slykts}}.")];
    place.write("ltgwiki.xml", dump(&pages).replace("</mediawiki>", &(parts.concat() + "</mediawiki>")));
    let texts = |stdout: &str| -> Vec<String> {
        lines(stdout).iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    let run = ["extract", "ltgwiki.xml", "--modules", "run"];
    let said = place.run(&run).expect(0, &["1 calls ran, 1 failed (Upe.slykts: error: 1)", "slykta upe"]);
    assert_eq!(texts(&said.stdout), ["Upe ir 1,234 km gara.", "Teksts."]);
    let same = place.run(&[&run[..], &["--jobs", "1"]].concat()).expect(0, &[]);
    assert_eq!(same.stdout, said.stdout);
    let dropped = place.run(&["extract", "ltgwiki.xml"]).expect(0, &["2 modules"]);
    assert_eq!(texts(&dropped.stdout), ["Upe ir gara.", "Teksts."]);
}

#[test]
fn web_pages_archives_bibles_and_tables_are_told_by_name_or_first_bytes() {
    let place = Place::new();
    let sentence = "Vīnā dīnā pa upi atguoja laiva ar lobdeibu, i vysi cylvāki suoka runuot par tū.";
    let page = format!(
        "<html><head><title>Laiva</title></head><body><ul><li><a href=a>Sports</a></ul><p>{sentence}</p>\
         <p><a href=b>Nu avizis, 3. marta</a></p></body></html>"
    );
    let record = |kind: &str, block: &str| {
        format!(
            "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{kind}>\r\nWARC-Target-URI: https://a.lv/\r\n\
             Content-Type: text/html\r\nContent-Length: {}\r\n\r\n{block}\r\n\r\n",
            block.len()
        )
    };
    let warc =
        [record("warcinfo", "x"), record("resource", &page), "no record\r\n".to_owned(), record("resource", &page)];
    place.write("archive", warc.concat());
    place.write("page", &page);
    let bible = "<?xml version='1.0'?><cesDoc><div id='b.MAT.1' type='chapter'><seg type='verse'>Vīns</seg>\
                 <seg type='verse'>Div</seg></div></cesDoc>";
    place.write("bible.xml", bible);
    let texts = |said: &str| -> Vec<String> {
        lines(said).iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    let counted = "6 records: 4 documents (0 without text), 1 warcinfo, 1 failed";
    let said = place.run(&["extract", "archive", "page", "bible.xml"]).expect(0, &[counted, "length is wrong"]);
    assert_eq!(texts(&said.stdout), [sentence, sentence, sentence, "Vīns\nDiv"]);
    assert_eq!(lines(&said.stdout)[0]["url"], "https://a.lv/");
    let whole = place.run(&["extract", "page", "--html", "whole"]).expect(0, &[]);
    assert_eq!(texts(&whole.stdout), [format!("Sports\n\n{sentence}\n\nNu avizis, 3. marta")]);

    place.write("rows.jsonl", "{\"content\":\"Vīns\",\"metadata\":{\"url\":\"https://b.lv\"},\"date\":\"2020\"}\n");
    let columns = ["--column", "text=content", "--column", "url=metadata.url", "--column", "timestamp=date"];
    let said = place.run(&[&["extract", "rows.jsonl"], &columns[..]].concat()).expect(0, &[]);
    let line = &lines(&said.stdout)[0];
    assert_eq!(
        (&line["text"], &line["url"], &line["timestamp"]),
        (&"Vīns".into(), &"https://b.lv".into(), &"2020".into())
    );
    place.run(&["extract", "rows.jsonl", "--column", "body=content"]).expect(1, &["expected text, id, title, url"]);

    // "ūdens tek" and quotation marks of old Macs.
    place.write("old.txt", b"n\xd5olulala n'aluteeka ow\xd5ebbeere\rEdda");
    let said =
        place.run(&["extract", "old.txt", "--format", "text_lines"]).expect(0, &["encodings: 1 files in macintosh"]);
    assert_eq!(texts(&said.stdout).len(), 2);
    place.write("windows.txt", b"\xfbdens tek");
    let said =
        place.run(&["extract", "windows.txt", "--encoding", "windows-1257"]).expect(0, &["1 files in windows-1257"]);
    assert_eq!(texts(&said.stdout), ["ūdens tek"]);
    place.run(&["extract", "windows.txt", "--encoding", "windows-99"]).expect(1, &["label of the Encoding Standard"]);
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_left_behind() {
    let place = Place::new();
    place.run(&["extract"]).expect(2, &["<INPUT>..."]);
    place.run(&["extract", "none.xml", "-o", "a.jsonl"]).expect(1, &["cannot extract none.xml"]);
    place.write("a.txt", "kas");
    place.run(&["extract", "a.txt", "-o", "a.csv"]).expect(1, &["a.csv", ".jsonl or .parquet"]);
    place.run(&["extract", "a.txt", "--format", "wiki"]).expect(2, &["unknown variant `wiki`", "mediawiki"]);
    place.run(&["extract", "a.txt", "--language", "latgalian"]).expect(2, &["latgalian"]);
    place.write("b.xml", "<!DOCTYPE html><html>404</html>");
    place.run(&["extract", "b.xml", "-o", "a.jsonl"]).expect(1, &["cannot extract b.xml"]);
    place.run(&["extract", "b.xml", "none.xml", "-o", "a.jsonl"]).expect(1, &["none of 2 inputs could be read"]);
    assert!(!place.path("a.jsonl").exists() && !place.path("a.jsonl.part").exists());
}

#[test]
fn an_input_that_cannot_be_read_stops_no_other() {
    let place = Place::new();
    place.write("a.txt", "kas");
    place.write("b.xml", "<!DOCTYPE html><html>404</html>");
    place.write("c.txt", "tys");
    let wanted = ["cannot extract b.xml: b.xml: found an HTML page", "2 records: 2 documents", "error: 1 of 3 inputs"];
    place.run(&["extract", "a.txt", "b.xml", "c.txt", "-o", "a.jsonl"]).expect(1, &wanted);
    let written = lines(&std::fs::read_to_string(place.path("a.jsonl")).unwrap());
    assert_eq!(written.iter().map(|line| line["text"].as_str().unwrap()).collect::<Vec<_>>(), ["kas", "tys"]);
}

#[test]
fn ids_tell_the_files_of_a_folder_apart() {
    let place = Place::new();
    let files = ["a/upe.1997.1.html", "a/upe.1997.2.html", "b/upe.1997.1.html", "b/upe"];
    for file in files {
        place.write(file, "<html><body><p>Upe tak da jiurai.</p></body></html>");
    }
    let said = place.run(&[&["extract"], &files[..]].concat()).expect(0, &["4 documents"]);
    let ids: Vec<_> = lines(&said.stdout).iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, ["upe.1997.1:1", "upe.1997.2:1", "upe.1997.1-2:1", "upe:1"]);
}
