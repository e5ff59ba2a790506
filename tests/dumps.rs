//! Dumps as they come: in UTF-16, cut in the middle, or with nothing in them that is kept.

use crate::harness::Place;
use crate::samples::{STAGES, assert_same, dump, recipe};
use tongues_pipeline::io::documents;

const RIVERS: [(&str, &str); 3] = [
    ("Rēzekne", "Rēzekne ira upe Latgolā, kas īsasuoc nu azara i tak iz Lubuona pusi. Upis garums ira 116 kilometri."),
    ("Dubna", "Dubna ira upe Latgolā &amp; Daugovys pīteka. Jei īsasuoc nu Cierpa azara i tak cauri daudzim azarim 𐌀."),
    ("Malta", "Malta ira upe Latgolā, Rēzeknis pīteka. Jei īsasuoc nu Rušona azara, sovā celā sateik vierīni azaru."),
];

#[test]
fn a_dump_in_utf_16_gives_the_same_documents_as_in_utf_8() {
    let place = Place::new();
    let text = dump(&RIVERS);
    let head = |encoding: &str| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>\n{text}");
    let utf16 = || std::iter::once(0xfeff).chain(head("UTF-16").encode_utf16().collect::<Vec<u16>>());
    place.write("utf8/wiki.xml", head("UTF-8"));
    place.write("utf8_marked/wiki.xml", format!("\u{feff}{}", head("UTF-8")));
    place.write("little/wiki.xml", utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    place.write("big/wiki.xml", utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>());
    place.write("r.toml", recipe("wiki.xml"));
    for folder in ["utf8", "utf8_marked", "little", "big"] {
        place.run(&["pipeline", "r.toml", "--data", folder, "--output", &format!("out_{folder}")]).expect(0, &[]);
        let kept = place.tree(&format!("out_{folder}/documents/kept"));
        assert_same(&kept, &place.tree("out_utf8/documents/kept"), folder);
    }
    let texts = kept(&place, "out_big");
    assert_eq!(texts.len(), 3);
    assert_eq!(texts[1], RIVERS[1].1.replace("&amp;", "&"));
}

#[test]
fn a_dump_cut_in_the_middle_of_a_page_gives_its_whole_pages_and_one_failure_with_its_place() {
    let place = Place::new();
    let text = dump(&RIVERS);
    // In the middle of a word of the third page; behind that page, before the end of the dump.
    let middle = text.find("Rušona").unwrap();
    let end = text.find("</mediawiki>").unwrap();
    for (name, at, pages, spot) in
        [("middle", middle, 2, "page \\\"Malta\\\", byte "), ("end", end, 3, "after page \\\"Malta\\\", byte ")]
    {
        place.write("wiki.xml", &text[..at]);
        place.write("r.toml", recipe("wiki.xml"));
        let said = place.run(&["pipeline", "r.toml", "--output", name]).expect(0, &["WARN", "wiki.xml", "Malta"]);
        assert_eq!(said.stderr.matches("WARN").count(), 1, "{}", said.stderr);
        assert_eq!(kept(&place, name).len(), pages, "{name}");
        let failed = std::fs::read_to_string(place.path(name).join("documents/failed.jsonl")).unwrap();
        assert_eq!(failed.lines().count(), 1, "{failed}");
        assert!(
            failed.contains("wiki.xml") && failed.contains(spot) && failed.contains("\"source\":\"wiki\""),
            "{failed}"
        );
        let manifest = std::fs::read_to_string(place.path(name).join("documents/manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let counts = &manifest["counts"]["languages"]["ltg_Latn"];
        assert_eq!(
            (&counts["in"], &counts["kept"], &counts["failed"]),
            (&(pages + 1).into(), &pages.into(), &1.into())
        );
    }
}

#[test]
fn a_dump_of_which_nothing_is_kept_is_told_before_the_vocabulary() {
    let place = Place::new();
    place.write("wiki.xml", dump(&[("A", "Eiss."), ("B", "Vys.")]));
    place.write("r.toml", recipe("wiki.xml"));
    place
        .run(&["run", "r.toml", "--output", "out"])
        .expect(1, &["documents/kept", "too_short", "found no kept document"]);
    assert!(!place.path("out").join(STAGES[1]).exists());
}

/// Texts of the kept Latgalian documents.
fn kept(place: &Place, output: &str) -> Vec<String> {
    let tag = "ltg_Latn".parse().unwrap();
    let documents = documents::read(&place.path(output).join("documents/kept"), tag).unwrap();
    documents.map(|document| document.unwrap().text).collect()
}
