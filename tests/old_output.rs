//! What is there already, where a run is to write or what it is to read: not ours, spoilt, or from another recipe.

use crate::harness::Place;
use crate::samples::{STAGES, assert_same, dump, recipe};

const TEXT: &str = "Rēzekne ira upe Latgolā, kas īsasuoc nu azara i tak iz Lubuona pusi.";

/// A folder with a dump and the recipe `r.toml` for it.
fn place() -> Place {
    let place = Place::new();
    place.write("wiki.xml", dump(&[("Rēzekne", TEXT)]));
    place.write("r.toml", recipe("wiki.xml"));
    place
}

#[test]
fn a_file_where_the_output_should_be_a_folder_is_a_mistake_of_the_command_line() {
    let place = place();
    place.write("out", "mine");
    place.run(&["run", "r.toml", "--output", "out"]).expect(2, &["output out: found a file; expected a folder"]);
    assert_eq!(std::fs::read(place.path("out")).unwrap(), b"mine");
}

#[cfg(unix)]
#[test]
fn a_folder_that_must_not_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    std::fs::create_dir(place.path("out")).unwrap();
    std::fs::set_permissions(place.path("out"), std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(place.path("out/probe"), "").is_ok() {
        return; // Whoever runs this may write everywhere.
    }
    place
        .run(&["run", "r.toml", "--output", "out"])
        .expect(1, &["out/plan.json", "cannot create", "Permission denied"]);
}

#[test]
fn a_manifest_that_is_none_is_named_with_what_to_do() {
    let place = place();
    place.run(&["pipeline", "r.toml", "--output", "out"]).expect(0, &[]);
    let whole = place.tree("out/documents");
    let manifest = std::fs::read(place.path("out/documents/manifest.json")).unwrap();
    place.write("out/documents/manifest.json", &manifest[..manifest.len() / 2]);
    let spoilt = place.tree("out/documents");
    let wanted = ["out/documents/manifest.json", "no manifest", "delete the folder out/documents"];
    place.run(&["pipeline", "r.toml", "--output", "out"]).expect(1, &wanted);
    assert_same(&place.tree("out/documents"), &spoilt, "a refused run");
    std::fs::remove_dir_all(place.path("out/documents")).unwrap();
    place.run(&["pipeline", "r.toml", "--output", "out"]).expect(0, &[]);
    assert_same(&place.tree("out/documents"), &whole, "as the message advises");
}

#[test]
fn an_output_that_is_not_as_its_manifest_says_is_named_with_what_to_do() {
    let place = Place::new();
    let name = place.sample();
    place.run(&["vocabulary", &name, "--output", "out"]).expect(0, &[]);
    for (stage, file) in [
        ("documents", "kept/glg_Latn/part-00000.parquet"),
        ("vocabulary", "tokenizer.model"),
        ("tokens", "glg_Latn/train-00000.arrow"),
    ] {
        let path = place.path("out").join(stage).join(file);
        let whole = std::fs::read(&path).unwrap();
        let sizes = format!("found {} bytes; expected {} bytes", whole.len() - 8, whole.len());
        std::fs::write(&path, &whole[..whole.len() - 8]).unwrap();
        let wanted = [&format!("out/{stage}/{file}: {sizes}"), &format!("delete the folder out/{stage}")[..]];
        place.run(&["vocabulary", &name, "--output", "out"]).expect(1, &wanted);
        std::fs::remove_file(&path).unwrap();
        let wanted =
            [&format!("out/{stage}/{file}: found no such file"), &format!("delete the folder out/{stage}")[..]];
        place.run(&["vocabulary", &name, "--output", "out"]).expect(1, &wanted);
        std::fs::write(&path, &whole).unwrap();
    }
    place.run(&["vocabulary", &name, "--output", "out"]).expect(0, &[]);
}

#[test]
fn a_folder_of_somebody_else_is_not_cleared() {
    let place = place();
    place.write("out/documents/kept/letter.txt", "mine");
    let wanted = ["out/documents/kept: found a folder without a manifest beside it", "expected", "another `--output`"];
    place.run(&["pipeline", "r.toml", "--output", "out"]).expect(1, &wanted);
    assert_eq!(std::fs::read(place.path("out/documents/kept/letter.txt")).unwrap(), b"mine");
}

#[test]
fn a_language_that_left_the_recipe_leaves_the_output_too() {
    let place = Place::new();
    let name = place.sample();
    place.run(&["vocabulary", &name, "--output", "out"]).expect(0, &[]);
    let all = std::fs::read_to_string(place.path(&name)).unwrap();
    let cut = all.match_indices("[[source]]").nth(3).unwrap().0;
    place.write("fewer.toml", format!("{}[vocabulary]\nsize = 700\n", &all[..cut]));
    place.run(&["vocabulary", "fewer.toml", "--output", "out"]).expect(0, &[]);
    place.run(&["vocabulary", "fewer.toml", "--output", "new"]).expect(0, &[]);
    for stage in STAGES {
        assert_same(&place.tree(&format!("out/{stage}")), &place.tree(&format!("new/{stage}")), stage);
    }
}

#[test]
fn a_recipe_in_another_encoding_is_told_with_the_line() {
    let place = place();
    place.write("latin.toml", b"# first line\nname = \"Sal\xe1ma\"\n");
    place.run(&["run", "latin.toml"]).expect(2, &["latin.toml: 1 mistake", "line 2: the byte 0xe1 is no UTF-8"]);
    let utf16: Vec<u8> = "name = \"x\"\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    place.write("utf16.toml", [&[0xff, 0xfe], &utf16[..]].concat());
    place.run(&["run", "utf16.toml"]).expect(2, &["line 1: the byte 0xff is no UTF-8"]);
    // The mark that some editors put in front of UTF-8 is no mistake.
    place.write("marked.toml", format!("\u{feff}{}", recipe("wiki.xml")));
    place.run(&["run", "marked.toml", "--dry-run"]).expect(0, &["wiki.xml"]);
}

#[test]
fn two_sources_of_one_name_would_give_two_documents_one_id() {
    let place = place();
    place.write("r.toml", recipe("wiki.xml").repeat(2));
    place.run(&["run", "r.toml", "--output", "out"]).expect(2, &["line 7: two of `[[source]]` are named `wiki`"]);
    assert!(!place.path("out").exists());
}
