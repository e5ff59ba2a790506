//! Tidiness: the map of `docs/architecture.md` and the rules of the house, read off the sources.

use crate::harness::Place;
use std::path::{Path, PathBuf};

/// Crates from the bottom to the top; each may use those before it.
const ROOMS: [&str; 4] = ["languages", "pipeline", "pretrain", "finetune"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the workspace, relative to its root, with its text.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for room in ROOMS.iter().chain(&["src", "tests"]) {
        walk(&root().join(room), "rs", &mut files);
    }
    let named = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/"), text)
    };
    files.into_iter().map(named).collect()
}

fn walk(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            walk(&path, ending, files);
        } else if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
}

/// Fails with all of `found`, one a line.
#[track_caller]
fn none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn imports_between_crates_run_one_way() {
    for (level, room) in ROOMS.iter().enumerate() {
        let manifest = std::fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
        let used =
            sections.iter().filter_map(|section| manifest.get(*section)?.as_table()).flat_map(|table| table.keys());
        let ours: Vec<&str> = used.filter_map(|name| name.strip_prefix("tongues-")).collect();
        let wrong = ours.iter().filter(|name| !ROOMS[..level].contains(name)).map(|name| format!("{room} uses {name}"));
        none(wrong.collect(), "languages ← pipeline ← pretrain ← finetune ← src");
        assert!(level == 0 || ours.contains(&ROOMS[0]), "{room} names no crate below it: is this test blind?");
    }
}

#[test]
fn every_file_says_what_lives_in_it() {
    let sources = sources();
    assert!(sources.len() > 100, "{} files found", sources.len());
    let bare = sources.iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path.clone());
    none(bare.collect(), "a file opens with `//!`");
}

#[test]
fn libraries_print_nothing() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        if !ROOMS.iter().any(|room| path.starts_with(&format!("{room}/src/"))) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if ["println!", "eprintln!", "print!", "eprint!", "dbg!"].iter().any(|name| calls(code, name)) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none(found, "libraries report through `Progress` and `tracing`");
}

/// Whether `code` has the macro `name` and not one whose name only ends with it.
fn calls(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn a_heavy_dependency_has_one_room() {
    let rooms: [(&str, &[&str]); 6] = [
        ("parquet", &["pipeline/src/io/"]),
        ("arrow", &["pipeline/src/io/", "pipeline/src/tokens/"]),
        ("polars", &["pipeline/src/report/"]),
        ("sentencepiece", &["pipeline/src/vocabulary/"]),
        ("candle_core", &["pretrain/", "finetune/"]),
        ("candle_nn", &["pretrain/", "finetune/"]),
    ];
    let sources = sources();
    for (name, allowed) in rooms {
        let users: Vec<&String> = sources.iter().filter(|(_, text)| uses(text, name)).map(|(path, _)| path).collect();
        let at_home = |path: &str| allowed.iter().any(|room| path.starts_with(room));
        assert!(
            users.iter().any(|path| at_home(path)) || name == "candle_nn",
            "nobody uses {name}: is this test blind?"
        );
        let strangers = users.iter().filter(|path| !at_home(path)).map(|path| format!("{path} uses {name}"));
        none(strangers.collect(), "docs/architecture.md, rooms");
    }
}

/// Whether a line of code names something in the crate `name`.
fn uses(text: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let import = format!("use {name};");
    text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).any(|line| {
        let named = |(at, _): (usize, &str)| {
            !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '"'))
        };
        line.contains(&import) || line.match_indices(&path).any(named)
    })
}

/// A recipe of the repository may name files that are not here; its keys have to be right all the same.
#[test]
fn every_recipe_has_known_keys_only() {
    let mut recipes = Vec::new();
    walk(&root().join("recipes"), "toml", &mut recipes);
    assert!(!recipes.is_empty());
    let place = Place::new();
    for path in recipes {
        let recipe = path.to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut arguments = vec!["run", recipe, "--dry-run"];
        let places = ["dump=wiki.xml", "language=ltg_Latn"];
        for set in places.iter().filter(|set| text.contains(&format!("${{{}}}", set.split('=').next().unwrap()))) {
            arguments.extend(["--set", set]);
        }
        let said = place.run(&arguments);
        assert!(matches!(said.code, 0 | 2), "{recipe}: exit {}\n{}", said.code, said.stderr);
        // Nothing but files may be missing.
        let wrong =
            said.stderr.lines().skip(1).filter(|line| !line.contains("no such file") && !line.contains("no file for"));
        none(wrong.map(|line| format!("{recipe}: {line}")).collect(), "recipes are right but for files");
        // The same recipe with a key too many is refused, so the check above has looked.
        place.write("more.toml", format!("speling = 1\n{text}"));
        arguments[1] = "more.toml";
        place.run(&arguments).expect(2, &["unknown section or key `speling`"]);
    }
}
