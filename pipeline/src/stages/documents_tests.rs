//! Whole runs of the stage on invented lines.

use super::*;
use crate::io::documents::{languages, read, read_rows};
use crate::progress::Silent;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

/// Asks to stop after so many looks.
struct StopAfter(AtomicI64);

impl Progress for StopAfter {
    fn begin(&self, _: &str, _: Option<u64>, _: &'static str) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
    fn interrupted(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) <= 0
    }
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// Two sources, three files, two languages; duplicates across files, a broken record, a contaminated line.
fn settings(folder: &Path) -> DocumentsSettings {
    let write = |name: &str, lines: &[String]| {
        let path = folder.join(name);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    };
    let mut news: Vec<String> =
        (0..40).map(|n| format!("{{\"text\":\"Numer {n}: itei ir ziņa par dzeivi piļsātā.\"}}")).collect();
    news[7] = "{\"text\": broken".to_owned();
    news.push("{\"text\":\"eiss\"}".to_owned());
    news.push("{\"text\":\"Sarkonuo laiva nūgrima vakar vokorā pi solys.\"}".to_owned());
    let songs = [
        "NUMER 3: itei ir ziņa  par dzeivi piļsātā.".to_owned(),
        "Dzīsme par upi, par kolnu i par mežu.".to_owned(),
        "Dzi\u{304}sme par upi, par kolnu i par mežu.".to_owned(),
    ];
    let other =
        ["Numer 5: itei ir ziņa par dzeivi piļsātā.".to_owned(), "Это совсем другой язык и алфавит.".to_owned()];
    let file = |path, language| SourceFile { path, language: tag(language) };
    DocumentsSettings {
        sources: vec![
            Source {
                name: "news".into(),
                licence: Some("CC0".into()),
                read: ReadSettings::default(),
                files: vec![file(write("news.jsonl", &news), "ltg_Latn")],
            },
            Source {
                name: "songs".into(),
                licence: None,
                read: ReadSettings { format: Some(read::Format::TextLines), ..ReadSettings::default() },
                files: vec![file(write("songs.txt", &songs), "ltg_Latn"), file(write("other.txt", &other), "lvs_Latn")],
            },
        ],
        evaluation: vec![EvaluationSet {
            name: "test".into(),
            files: vec![write(
                "test.txt",
                &["Sarkonuo laiva nūgrima.".to_owned(), "Sarkonuo laiva nūgrima vakar.".to_owned()],
            )],
            read: ReadSettings { format: Some(read::Format::TextLines), ..ReadSettings::default() },
            language: None,
        }],
        unit_items: 4,
        part_bytes: 400,
        ..DocumentsSettings::default()
    }
}

/// Every file of a folder, by path.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(
                tree(&path)
                    .into_iter()
                    .map(|(inside, bytes)| (Path::new(path.file_name().unwrap()).join(inside), bytes)),
            );
        } else {
            files.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn every_document_is_accounted_for_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("documents");
    let manifest = run(&settings(folder.path()), &output, &Silent).unwrap();
    let ltg = &manifest.counts["languages"]["ltg_Latn"];
    // 42 news and 3 songs; dropped: `eiss`, the boat, the song that shouts, the song in NFD.
    assert_eq!((&ltg["in"], &ltg["kept"], &ltg["failed"]), (&45.into(), &40.into(), &1.into()));
    assert_eq!(ltg["dropped"], serde_json::json!({"contaminated": 1, "exact_duplicate": 2, "too_short": 1}));
    let lvs = &manifest.counts["languages"]["lvs_Latn"];
    assert_eq!(lvs["dropped"], serde_json::json!({"exact_duplicate": 1, "other_script": 1}));
    assert_eq!(manifest.counts["sources"]["songs"]["in"], 5);
    assert_eq!(
        manifest.counts["contamination"],
        serde_json::json!({"evaluation_sentences": 2, "exact": 0, "ngram_13": 0, "short_sentence": 1})
    );
    assert_eq!(languages(&output.join("kept")).unwrap(), [tag("ltg_Latn")]);
    assert_eq!(languages(&output.join("rejected")).unwrap(), [tag("ltg_Latn"), tag("lvs_Latn")]);
    let kept: Vec<_> = read(&output.join("kept"), tag("ltg_Latn")).unwrap().map(|found| found.unwrap()).collect();
    assert_eq!(kept.len(), 40);
    let three = kept.iter().find(|document| document.text.starts_with("Numer 3:")).unwrap();
    assert_eq!((three.cluster_id.as_ref(), three.cluster_size), (Some(&three.id), 2));
    assert_eq!(three.licence.as_deref(), Some("CC0"));
    let rejected: Vec<_> =
        read_rows(&output.join("rejected"), tag("lvs_Latn")).unwrap().map(|row| row.unwrap()).collect();
    let reason = rejected[0].reason.as_ref().unwrap();
    assert_eq!((reason.stage, reason.reason), ("duplicates", "exact_duplicate"));
    assert!(rejected[0].document.cluster_id.as_ref().unwrap().starts_with("news:"));
    let failed = fs::read_to_string(output.join("failed.jsonl")).unwrap();
    assert!(failed.contains("news.jsonl") && failed.contains('8') && failed.lines().count() == 1, "{failed}");
    assert!(!output.join(WORK).exists());
    let before = tree(&output);
    assert_eq!(run(&settings(folder.path()), &output, &StopAfter(AtomicI64::new(0))).unwrap(), manifest);
    assert_eq!(tree(&output), before);
    // As a kill leaves it that comes after the manifest and before the units are gone.
    atomic::write(&output.join(WORK).join("key"), manifest.key.as_bytes()).unwrap();
    run(&settings(folder.path()), &output, &Silent).unwrap();
    assert_eq!(tree(&output), before);
    assert!(!output.join(WORK).exists());
}

#[test]
fn neither_threads_nor_interruptions_change_a_byte() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let whole = folder.path().join("whole");
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool(1).install(|| run(&settings, &whole, &Silent)).unwrap();
    let wanted = tree(&whole);
    let cut = folder.path().join("cut");
    let mut stops = 0;
    while let Err(error) = pool(3).install(|| run(&settings, &cut, &StopAfter(AtomicI64::new(3 + stops)))) {
        assert!(matches!(error, Error::Interrupted), "{error}");
        assert!(!cut.join("manifest.json").exists());
        stops += 1;
        assert!(stops < 100);
    }
    assert!(stops > 2, "it was interrupted {stops} times");
    assert_eq!(tree(&cut), wanted);
}

#[test]
fn a_finished_unit_is_not_computed_again_and_other_settings_start_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    let output = folder.path().join("documents");
    assert!(run(&settings, &output, &StopAfter(AtomicI64::new(6))).is_err());
    let unit = output.join(WORK).join("000-000000-000000.parquet");
    let times = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let before = times(&unit);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(run(&settings, &output, &StopAfter(AtomicI64::new(7))).is_err());
    assert_eq!(times(&unit), before);
    settings.filter.minimum_characters = 1;
    assert!(run(&settings, &output, &StopAfter(AtomicI64::new(7))).is_err());
    assert_ne!(times(&unit), before);
    let manifest = run(&settings, &output, &Silent).unwrap();
    assert_eq!(manifest.counts["languages"]["ltg_Latn"]["dropped"]["too_short"], serde_json::Value::Null);
}

#[test]
fn a_finished_stage_stays_when_data_and_run_move_and_not_when_a_text_changes() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = first.path().join("documents");
    let manifest = run(&settings(first.path()), &from, &Silent).unwrap();
    let moved = settings(second.path());
    let to = second.path().join("documents");
    fs::rename(&from, &to).unwrap();
    let times = || fs::metadata(to.join(FILE)).unwrap().modified().unwrap();
    let before = times();
    assert_eq!(run(&moved, &to, &Silent).unwrap().key, manifest.key);
    assert_eq!(times(), before);
    fs::write(second.path().join("other.txt"), "Pavisam cits teksts par upēm un mežiem.\n").unwrap();
    assert_ne!(run(&moved, &to, &Silent).unwrap().key, manifest.key);
}

#[test]
fn what_cannot_work_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = settings(folder.path());
    let mut twice = good.clone();
    twice.sources[1].name = "news".into();
    let error = run(&twice, folder.path(), &Silent).unwrap_err().to_string();
    assert!(error.contains("two sources named `news`"), "{error}");
    let mut beyond = good.clone();
    beyond.filter.repetition.top_2gram_share = f32::NAN;
    let error = run(&beyond, folder.path(), &Silent).unwrap_err().to_string();
    assert!(error.contains("`repetition.top_2gram_share` is NaN; expected a number from 0 to 1"), "{error}");
    let mut missing = good.clone();
    missing.sources[0].files[0].path = folder.path().join("nowhere.jsonl");
    let error = run(&missing, folder.path(), &Silent).unwrap_err().to_string();
    assert!(error.contains("nowhere.jsonl"), "{error}");
    let empty = folder.path().join("empty.xml");
    let page = "<page><title>A</title><ns>0</ns><id>1</id><redirect title=\"B\"/><revision><id>2</id><text>#REDIRECT [[B]]</text></revision></page>";
    fs::write(
        &empty,
        format!("<mediawiki xml:lang=\"ltg\"><siteinfo><dbname>ltgwiki</dbname></siteinfo>{page}</mediawiki>"),
    )
    .unwrap();
    let mut wiki = good;
    wiki.sources[0].files[0].path = empty;
    let error = run(&wiki, folder.path(), &Silent).unwrap_err().to_string();
    assert!(error.contains("empty.xml") && error.contains("without an article") && error.contains("`news`"), "{error}");
    assert!(serde_json::from_str::<DocumentsSettings>("{\"sorces\": []}").is_err());
}

/// A dump in two files, templates in the second; the first is read in three units.
#[test]
fn templates_of_a_dump_in_files_reach_all_of_them_and_are_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let page = |title: &str, namespace: u8, text: &str| {
        format!(
            "<page><title>{title}</title><ns>{namespace}</ns><id>{title}</id><revision><text>{text}</text></revision></page>"
        )
    };
    let write = |name: &str, pages: &[String]| {
        let path = folder.path().join(name);
        let head = "<mediawiki><siteinfo><base>https://ltg.wikipedia.org/wiki/A</base></siteinfo>";
        fs::write(&path, format!("{head}{}</mediawiki>", pages.concat())).unwrap();
        SourceFile { path, language: tag("ltg_Latn") }
    };
    let articles: Vec<String> =
        (0..10).map(|n| page(&format!("L{n}"), 0, &format!("Itei ir {{{{gods|{n}}}}} ziņa nu piļsātys."))).collect();
    let last = [
        page("Template:Gods", 10, "{{#expr:1990+{{{1}}}}} goda"),
        page("Template:Bez gola", 10, &"{{#if:".repeat(150)),
        page(
            "Daudz",
            0,
            &("Itei ir gara ziņa nu piļsātys.".to_owned() + &"{{#if:".repeat(150) + "x" + &"}}".repeat(150)),
        ),
    ];
    let mut settings = DocumentsSettings {
        sources: vec![Source {
            name: "wiki".into(),
            licence: None,
            read: ReadSettings::default(),
            files: vec![write("a.xml", &articles), write("b.xml", &last)],
        }],
        unit_items: 4,
        ..DocumentsSettings::default()
    };
    let output = folder.path().join("documents");
    let manifest = run(&settings, &output, &Silent).unwrap();
    let texts: Vec<String> =
        read(&output.join("kept"), tag("ltg_Latn")).unwrap().map(|document| document.unwrap().text).collect();
    assert_eq!(texts.len(), 11);
    assert_eq!(
        (texts[0].as_str(), texts[9].as_str()),
        ("Itei ir 1990 goda ziņa nu piļsātys.", "Itei ir 1999 goda ziņa nu piļsātys.")
    );
    assert_eq!(
        manifest.counts["templates"]["wiki"],
        serde_json::json!({
            "expanded": 10, "included": 10, "missing": 0, "articles": 0, "invoked": 0, "modules": 0, "module_errors": {},
            "unknown": 0, "loops": 0, "unexpanded": {"too_deep": 1}
        })
    );
    let list = fs::read_to_string(output.join("unexpanded.jsonl")).unwrap();
    assert_eq!(list.lines().count(), 1);
    assert!(list.contains("\"place\":\"Daudz\"") && list.contains("\"cause\":\"too_deep\""), "{list}");

    // Killed after its first unit, it gives the same bytes; without templates it is another run.
    let again = folder.path().join("again");
    let mut looks = 1;
    while let Err(error) = run(&settings, &again, &StopAfter(AtomicI64::new(looks))) {
        assert!(matches!(error, Error::Interrupted), "{error}");
        looks += 1;
    }
    assert!(looks > 3 && tree(&output) == tree(&again));
    settings.sources[0].read.templates = read::TemplateUse::Drop;
    assert_ne!(run(&settings, &again, &Silent).unwrap().key, manifest.key);
}
