//! `tongues bench train`.

use crate::harness::Place;
use serde_json::Value;

#[test]
fn a_step_is_measured_and_impossible_sizes_are_refused() {
    let place = Place::new();
    let sizes = ["--vocab", "50", "--d", "16", "--layers", "1", "--heads", "2", "--seq", "8", "--batch", "2"];
    let run =
        |more: &[&str]| place.run(&[&["bench", "train", "--device", "cpu", "--steps", "3"], &sizes[..], more].concat());
    let said = run(&["--json"]).expect(0, &[]);
    let figures: Value = serde_json::from_str(&said.stdout).unwrap();
    // Embedding and head in one, norms, attention, feed-forward part of 48.
    assert_eq!(figures["parameters"], 50 * 16 + 3 * 16 + 4 * 16 * 16 + 3 * 16 * 48);
    for name in ["tokens_per_second", "forward_ms", "backward_ms", "optimiser_ms", "gflops", "limit_gflops", "loss"] {
        assert!(figures[name].as_f64() > Some(0.0), "{name}: {figures}");
    }
    assert_eq!(figures["precision"], "f32");
    let said = run(&["--json", "--dtype", "bf16"]).expect(0, &[]);
    let rounded: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(rounded["precision"], "bf16");
    assert!(rounded["loss"] != figures["loss"], "{rounded}");
    // Embedding, positions from padding's on, kind of segment and a norm; a layer of four maps, two maps of 64 and two norms,
    // all with biases; the head's map, norm and bias.
    let encoder = 50 * 16 + 12 * 16 + 16 + 32 + 4 * (256 + 16) + 64 * 17 + 16 * 65 + 64 + (256 + 16) + 32 + 50;
    let of = |more: &[&str]| -> Value {
        let said = run(&[&["--model", "encoder", "--json"], more].concat()).expect(0, &[]);
        serde_json::from_str(&said.stdout).unwrap()
    };
    let (exact, rounded, again) = (of(&[]), of(&["--dtype", "bf16"]), of(&["--recompute"]));
    assert_eq!(exact["parameters"], encoder);
    assert!(exact["gflops"].as_f64() > Some(0.0) && exact["forecast_bytes"].as_u64() > Some(0), "{exact}");
    assert!(rounded["loss"] != exact["loss"] && again["loss"] == exact["loss"], "{exact} {rounded} {again}");
    run(&["--dtype", "f16"]).expect(2, &["`f16`", "`f32` or `bf16`"]);
    run(&[]).expect(0, &["tokens/s", "GFLOP/s of", "peak"]);
    place.run(&["bench", "train", "--d", "10", "--heads", "3"]).expect(1, &["hidden_size 10", "heads"]);
}

/// Each size is a process of its own, whose largest resident memory the kernel tells.
#[cfg(target_os = "linux")]
#[test]
fn peak_memory_is_what_was_forecast() {
    const NEAR: f64 = 0.15;
    /// What the process itself takes does not depend on the sizes, but on the machine.
    const BESIDE: f64 = (16 << 20) as f64;
    let place = Place::new();
    let sizes = ["--vocab", "4096", "--d", "192", "--heads", "3", "--layers", "6", "--seq", "128", "--batch", "12"];
    let run = |more: &[&str]| -> [f64; 2] {
        let step = ["bench", "train", "--device", "cpu", "--steps", "1", "--json", "--threads", "2"];
        let said = place.run(&[&step, &sizes[..], more].concat()).expect(0, &[]);
        let figures: Value = serde_json::from_str(&said.stdout).unwrap();
        ["forecast_bytes", "peak_bytes"].map(|key| figures[key].as_f64().unwrap())
    };
    let near = |[forecast, peak]: [f64; 2]| (forecast - peak).abs() < NEAR * peak + BESIDE;
    let (kept, recomputed, other) = (run(&[]), run(&["--recompute"]), run(&["--optimiser", "sgd", "--average", "0.9"]));
    assert!([kept, recomputed, other].into_iter().all(near), "{kept:?}, {recomputed:?}, {other:?}");
    let sizes = ["--vocab", "4096", "--d", "256", "--hidden", "768", "--layers", "2", "--seq", "64", "--batch", "32"];
    for model in ["awd-lstm", "qrnn"] {
        let step =
            ["bench", "train", "--device", "cpu", "--steps", "1", "--json", "--threads", "2", "--dropout", "0.1"];
        let said = place.run(&[&step[..], &["--model", model], &sizes].concat()).expect(0, &[]);
        let figures: Value = serde_json::from_str(&said.stdout).unwrap();
        let found = ["forecast_bytes", "peak_bytes"].map(|key| figures[key].as_f64().unwrap());
        assert!(near(found), "{model}: {found:?}");
    }
    assert!(recomputed[1] < 0.8 * kept[1], "recomputing: {recomputed:?} against {kept:?}");
    let [kept, recomputed] =
        [&["--model", "encoder"][..], &["--model", "encoder", "--recompute", "--dropout", "0.1"]].map(run);
    assert!(near(kept) && near(recomputed), "an encoder: {kept:?}, {recomputed:?}");
    assert!(recomputed[1] < 0.8 * kept[1], "recomputing an encoder: {recomputed:?} against {kept:?}");
}

#[test]
fn recurrent_models_are_measured_too() {
    let place = Place::new();
    let sizes = ["--vocab", "50", "--d", "8", "--hidden", "12", "--layers", "2", "--seq", "6", "--batch", "2"];
    let run = |model: &str, more: &[&str]| {
        place
            .run(&[&["bench", "train", "--device", "cpu", "--steps", "1", "--model", model], &sizes[..], more].concat())
    };
    // The head is the embedding, with a bias. A layer has four gates of (inputs, units, two biases), or three of
    // (inputs, a bias), of which the first reads two inputs.
    let lstm = 50 * 9 + 4 * 12 * (8 + 12 + 2) + 4 * 8 * (12 + 8 + 2);
    let qrnn = 50 * 9 + 3 * 12 * (2 * 8 + 1) + 3 * 8 * (12 + 1);
    for (model, parameters) in [("awd-lstm", lstm), ("qrnn", qrnn)] {
        let figures: Value = serde_json::from_str(&run(model, &["--json"]).expect(0, &[]).stdout).unwrap();
        assert_eq!(figures["parameters"], parameters, "{model}");
        assert!(figures["tokens_per_second"].as_f64() > Some(0.0), "{figures}");
    }
    run("qrnn", &["--dtype", "bf16"]).expect(1, &["a recurrent model multiplies in f32"]);
}
