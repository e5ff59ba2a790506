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
    run(&["--dtype", "f16"]).expect(2, &["`f16`", "`f32` or `bf16`"]);
    run(&[]).expect(0, &["tokens/s", "GFLOP/s of", "peak"]);
    place.run(&["bench", "train", "--d", "10", "--heads", "3"]).expect(1, &["hidden_size 10", "heads"]);
}
