//! A run folder of invented figures, rendered whole and in part.

use super::write;
use polars::prelude::{Column, DataFrame, LazyFrame, ParquetWriter, PlRefPath, ScanArgsParquet, as_struct, col};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;

fn put(run: &Path, file: &str, text: &str) {
    let path = run.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Rows are (id, title, text, reason). `signals` is a struct column, as the stage writes it.
fn shard(run: &Path, place: &str, rows: &[(&str, Option<&str>, &str, &str)]) {
    let path = run.join("documents").join(place).join("part-00000.parquet");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let of = |name: &str, f: &dyn Fn(usize) -> Option<String>| {
        Column::new(name.into(), (0..rows.len()).map(f).collect::<Vec<_>>())
    };
    let mut columns = vec![
        of("id", &|n| Some(rows[n].0.into())),
        of("title", &|n| rows[n].1.map(str::to_owned)),
        of("text", &|n| Some(rows[n].2.into())),
        Column::new("words".into(), rows.iter().map(|row| row.2.split(' ').count() as u32).collect::<Vec<_>>()),
    ];
    if place.starts_with("rejected") {
        columns.push(of("stage", &|_| Some("filter".into())));
        columns.push(of("reason", &|n| Some(rows[n].3.into())));
        columns.push(of("found", &|n| Some(format!("{n} words"))));
        columns.push(of("limit", &|_| Some("5 words".into())));
    }
    let mut frame = DataFrame::new(rows.len(), columns).unwrap();
    ParquetWriter::new(File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let scan = LazyFrame::scan_parquet(PlRefPath::try_from_path(&path).unwrap(), ScanArgsParquet::default()).unwrap();
    let mut frame = scan.with_columns([as_struct(vec![col("words")]).alias("signals")]).collect().unwrap();
    ParquetWriter::new(File::create(&path).unwrap()).finish(&mut frame).unwrap();
}

/// Everything a finished run has.
fn whole(run: &Path) {
    put(
        run,
        "plan.json",
        &json!({"notice": "This wiki is synthetic: <b>no</b> figure here says anything about a real language."})
            .to_string(),
    );
    let counts = json!({"languages": {
        "ltg_Latn": {"in": 1050, "kept": 791, "failed": 1, "dropped": {"too_short": 171, "exact_duplicate": 52, "other_language": 35}, "kept_bytes": 812_400, "kept_characters": 760_012, "kept_words": 101_987},
        "arb_Arab": {"in": 400, "kept": 310, "failed": 0, "dropped": {"too_short": 60, "repeated_lines": 30}, "kept_bytes": 1_812_400, "kept_characters": 960_012, "kept_words": 201_987}},
        "sources": {"wikipedia": {"in": 1450, "kept": 1101, "failed": 1, "dropped": {"too_short": 231, "exact_duplicate": 52, "other_language": 35, "repeated_lines": 30}, "skipped": {"redirect": 195, "namespace": 954}}},
        "contamination": {"evaluation_sentences": 997, "exact": 2, "ngram_13": 5},
        "page_kinds": {"ltg_Latn": {"stub": 394, "series": 100, "article": 382, "list": 121, "disambiguation": 6}, "arb_Arab": {}},
        "series": {"arb_Arab": {"series": 0, "pages": 0, "largest": []}, "ltg_Latn": {"series": 1, "pages": 100, "largest": [
            {"id": "wikipedia:7", "title": "Audreņu <pogosts>", "pages": 100, "begins": "Audreņu pogosts irā Rēznis nūvoda daļa."}]}}});
    put(run, "documents/manifest.json", &json!({"stage": "documents", "format": 1, "key": "0", "settings": {}, "inputs": [], "counts": counts, "outputs": []}).to_string());
    let long = "Azars ir dziļš i tymss, a krostā aug prīdis. Vosorā tur brauc bārni peldētīs. ".repeat(9);
    shard(
        run,
        "kept/ltg_Latn",
        &[
            ("wikipedia:12", Some("Azars"), &long, ""),
            (
                "wikipedia:19",
                Some("<script>alert('x')</script>"),
                "Muns \"teksts\" & <img src=x onerror=alert(1)>.",
                "",
            ),
            ("wikipedia:23", None, "Zeile ir koks.\n\nTei dzeivoj mežā.", ""),
        ],
    );
    shard(
        run,
        "kept/arb_Arab",
        &[("wikipedia:4", Some("بحيرة"), "البحيرة عميقة والماء بارد، والأطفال يسبحون فيها في الصيف.", "")],
    );
    shard(
        run,
        "rejected/ltg_Latn",
        &[
            ("wikipedia:40", Some("Tukšs"), "", "too_short"),
            ("wikipedia:41", Some("Eiss"), "Eiss teksts", "too_short"),
            ("wikipedia:42", Some("Lake"), "The lake is deep and the water is cold.", "other_language"),
        ],
    );
    let row = |language, words: u64, tokens: u64| json!({"language": language, "documents": 79, "words": words, "bytes": words * 8, "tokens": tokens, "tokens_per_word": tokens as f64 / words as f64, "bytes_per_token": (words * 8) as f64 / tokens as f64, "byte_fallback_share": 0.0012, "training_sentences": 6021});
    put(
        run,
        "vocabulary/fertility.json",
        &json!([row("arb_Arab", 20_000, 33_000), row("ltg_Latn", 10_000, 18_500)]).to_string(),
    );
    let mut log = String::new();
    for step in 1..=600u32 {
        let s = f64::from(step);
        let loss = 2.4 + 6.0 * (-s / 90.0).exp() + 0.15 * (s * 1.7).sin();
        log += &format!(
            "{}\n",
            json!({"kind": "train", "step": step, "loss": loss, "learning_rate": 1e-3, "tokens": step * 8192})
        );
        if step % 50 == 0 {
            let bits = 1.6 + 2.0 * (-s / 150.0).exp();
            log += &format!(
                "{}\n",
                json!({"kind": "samples", "step": step, "languages": {"ltg_Latn": [{"prompt": "a", "text": " b"}]}})
            );
            log += &format!(
                "{}\n",
                json!({"kind": "validation", "step": step, "bits_per_byte": bits, "languages": {"ltg_Latn": bits + 0.25, "arb_Arab": bits - 0.2}})
            );
        }
    }
    put(run, "model/training/metrics.jsonl", &(log + "{\"kind\":\"train\",\"st"));
    let row = |language, bits: f64| {
        json!({"language": language, "documents": 40, "bytes": 45_000, "tokens": 12_000, "bits_per_byte": bits, "unigram_bits_per_byte": bits + 1.3, "bigram_bits_per_byte": bits + 0.6, "kneser_ney_bits_per_byte": bits + 0.2,
        "second_half": {"sentences": 321, "bytes": 9000, "bits": 40.0 * bits, "kneser_ney_bits": 44.0 * bits},
        "memorisation": {"prompt_tokens": 32, "continuation_tokens": 16, "held_out": null,
                         "training": {"documents": 97, "equal": 3, "share": 0.03, "mean_equal_tokens": 4.5}}})
    };
    put(
        run,
        "model/evaluation.json",
        &json!({"split": "test", "languages": [row("arb_Arab", 1.512), row("ltg_Latn", 1.944)]}).to_string(),
    );
    let summary = |values: [f64; 2], interval: Value| json!({"values": values, "mean": (values[0] + values[1]) / 2.0, "deviation": 0.0042, "interval": interval});
    let condition = |name: &str, languages: &[&str], values| json!({"condition": name, "languages": languages, "steps": 1500, "tokens_seen": 1_536_000, "studied_tokens_seen": 768_000, "seeds": [1, 2], "bits_per_byte": summary(values, Value::Null)});
    put(
        run,
        "comparison/results.json",
        &json!({"language": "ltg_Latn", "documents": 40, "bytes": 45_000, "training_tokens": 300_000, "kneser_ney_bits_per_byte": 2.311, "bigram_bits_per_byte": 2.6, "unigram_bits_per_byte": 3.6,
            "conditions": [condition("alone", &["ltg_Latn"], [2.412, 2.405]), condition("<relatives>", &["ltg_Latn", "lvs_Latn"], [2.351, 2.348])],
            "differences": [{"condition": "<relatives>", "reference": "alone", "seeds": [1, 2], "bits_per_byte": summary([-0.061, -0.057], json!([-0.0844, -0.0336])), "lower": 2, "documents_interval": [-0.071, -0.047]}]})
        .to_string(),
    );
    let labels = ["geography", "health", "science/technology", "sports", "<travel>"];
    let confusion: Vec<Vec<u64>> =
        (0..5).map(|i| (0..5).map(|j| if i == j { 80 + i * 9 } else { (i * 7 + j * 3) % 11 }).collect()).collect();
    let method = |name: &str, labels: u64, f1: f64, confusion: Value| json!({"method": name, "labels_used": labels, "seeds": [0, 1, 2], "accuracy": [], "macro_f1": [], "accuracy_mean": f1 + 0.03, "accuracy_deviation": 0.012, "macro_f1_mean": f1, "macro_f1_deviation": 0.021, "confusion": confusion});
    let none = || Value::Array(Vec::new());
    put(run, "classifier/topics/results.json", &json!({"task": "topics", "language": "ltg_Latn", "train": 701, "validation": 99, "test": 204, "labels": labels, "methods": [
        method("majority", 701, 0.057, none()), method("character_ngrams", 701, 0.548, none()), method("from_scratch", 701, 0.402, none()), method("pretrained", 701, 0.613, json!(confusion)),
        method("character_ngrams", 100, 0.372, none()), method("pretrained", 100, 0.455, none())]}).to_string());
}

fn page(run: &Path) -> String {
    fs::read_to_string(write(run, None).unwrap()).unwrap()
}

#[test]
fn a_whole_run_shows_every_part() {
    let folder = tempfile::tempdir().unwrap();
    // Kept for the eye where a folder is named: `TONGUES_REPORT_FIXTURE=/tmp/run cargo test a_whole_run`.
    let run = std::env::var_os("TONGUES_REPORT_FIXTURE").map_or_else(|| folder.path().join("run"), Into::into);
    whole(&run);
    let html = page(&run);
    let expected = [
        "791 of 1,050 documents kept (75.3 %)", // 791 / 1050 = 0.7533
        "namespace 954",
        "other language",
        "found <bdi>2 words</bdi>, limit <bdi>5 words</bdi>",
        "1.85", // 18,500 tokens / 10,000 words
        "as a killed run leaves one: 1.",
        "3.244",                                  // unigram of ltg_Latn: 1.944 + 1.3
        "2.144",                                  // Kneser–Ney of ltg_Latn: 1.944 + 0.2
        "<td>321</td><td>77.8</td><td>85.5</td>", // 40 · 1.944 and 44 · 1.944
        "given their first 32 tokens it writes the next 16",
        "<td>3 of 97</td><td>–</td><td>4.5</td><td>–</td>",
        "<td>2.4085 ± 0.0042</td>", // alone: (2.412 + 2.405) / 2
        "<td>-0.0590 ± 0.0042</td><td>2 of 2</td><td>-0.0844 to -0.0336</td><td>-0.0710 to -0.0470</td>",
        "61.3 ± 2.1",
        "--share:81", // the first row of the confusion is 80, 3, 6, 9, 1: 80 / 99 = 0.81
        "البحيرة",
        "<i class=\"t5\" style=\"flex-grow:100\"></i>", // series, the fifth kind
        "stub <b>394</b> (39.3 %)",                     // 394 / 1003 = 0.3928
        "1 series of 100 pages",
        "<td><bdi>Audreņu &lt;pogosts&gt;</bdi></td><td>100</td><td class=\"begins\" dir=\"auto\">Audreņu pogosts irā",
    ];
    for text in expected {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("class=\"missing\""), "nothing is missing");
    let in_order = ["article <b>382", "stub <b>394", "list <b>121", "disambiguation <b>6", "series <b>100"];
    let places: Vec<_> = in_order.iter().map(|kind| html.find(kind).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!((html.matches("id=\"kinds\"").count(), html.matches("class=\"series\"").count()), (1, 1));
}

#[test]
fn an_encoder_shows_hidden_tokens_in_place_of_bits_per_byte() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path());
    let row = json!({"language": "ltg_Latn", "documents": 40, "bytes": 45_000, "masked_tokens": 1800, "masked_loss": 3.25, "masked_accuracy": 0.375, "pseudo_likelihood": {"sentences": 9, "bytes": 900, "tokens": 300, "pseudo_bits_per_byte": 1.125}});
    let evaluation =
        json!({"split": "test", "masks": {"share": 0.15, "replaced_by": "<mask>", "window": 128}, "languages": [row]});
    put(folder.path(), "model/evaluation.json", &evaluation.to_string());
    fs::remove_dir_all(folder.path().join("comparison")).unwrap(); // of decoders
    let line = json!({"kind": "validation", "step": 50, "masked_loss": 4.5, "languages": {"ltg_Latn": 4.5}});
    put(folder.path(), "model/training/metrics.jsonl", &format!("{line}\n"));
    let html = page(folder.path());
    for text in ["15 % of the tokens of the test split", "3.250", "37.5", "1.125", "Nats per hidden token"] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("Kneser") && !folder.path().join("report/evaluation.json").exists());
    let rows = fs::read(folder.path().join("report/validation.json")).unwrap();
    let rows: Value = serde_json::from_slice(&rows).unwrap();
    assert_eq!((&rows[0]["masked_loss"], &rows[0]["bits_per_byte"]), (&json!(4.5), &Value::Null));
}

#[test]
fn text_of_others_is_escaped_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path());
    let html = page(folder.path());
    assert!(
        !html.contains("<script")
            && !html.contains("<img")
            && !html.contains("<travel>")
            && !html.contains("<relatives>")
            && !html.contains("<b>no</b>")
    );
    assert!(html.contains("&lt;script&gt;") && html.contains("&lt;travel&gt;") && html.contains("&lt;b&gt;no&lt;"));
    assert!(!html.contains("http://") && !html.contains("https://"), "the page needs nothing else");
}

#[test]
fn an_empty_run_says_in_words_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let html = page(folder.path());
    for words in
        ["No documents were prepared", "No vocabulary was trained", "No model was trained", "No classifier was trained"]
    {
        assert!(html.contains(words), "{words}");
    }
    assert_eq!(html.matches("class=\"missing\"").count(), 7); // documents, kept, rejected, vocabulary, training, evaluation, tasks
    assert!(!html.contains("id=\"comparison\""), "most runs compare nothing");
    assert!(!html.contains("id=\"kinds\"") && !html.contains("class=\"series\""), "there are no pages");
    assert!(write(&folder.path().join("nowhere"), None).is_err());
}

#[test]
fn broken_files_are_named_and_the_rest_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path());
    put(folder.path(), "vocabulary/fertility.json", "[{\"language\"");
    put(folder.path(), "documents/kept/ltg_Latn/part-00000.parquet", "not Parquet");
    put(folder.path(), "classifier/other/results.json", "{}");
    put(folder.path(), "comparison/results.json", "{\"language\":");
    let html = page(folder.path()).replace("&#x2f;", "/");
    for text in [
        "vocabulary/fertility.json is there but could not be read",
        "documents/kept could not be read",
        "classifier/other/results.json is there",
        "comparison/results.json is there",
        "61.3 ± 2.1",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!folder.path().join("report/fertility.json").exists());
}

#[test]
fn tables_hold_the_figures_and_are_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path());
    let html = page(folder.path());
    let path = folder.path().join("report/documents.parquet");
    let first = fs::read(&path).unwrap();
    assert_eq!(page(folder.path()), html);
    assert_eq!(fs::read(&path).unwrap(), first);
    let rows: Value = serde_json::from_slice(&fs::read(folder.path().join("report/documents.json")).unwrap()).unwrap();
    let rows = rows.as_array().unwrap();
    // languages: 3 + 3 reasons, 3 + 2 reasons; source: 3 + 4 reasons + 2 kinds skipped
    assert_eq!(rows.len(), 6 + 5 + 9);
    let scan = LazyFrame::scan_parquet(PlRefPath::try_from_path(&path).unwrap(), ScanArgsParquet::default()).unwrap();
    let frame = scan.collect().unwrap();
    let counts: Vec<u64> = frame.column("documents").unwrap().u64().unwrap().into_no_null_iter().collect();
    assert_eq!(counts, rows.iter().map(|row| row["documents"].as_u64().unwrap()).collect::<Vec<_>>());
}
