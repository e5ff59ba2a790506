//! `tongues selftest`, and how a binary with CUDA starts where there is none.

use crate::harness::Place;
use serde_json::Value;

#[test]
fn the_cpu_is_compared_and_every_comparison_told() {
    let place = Place::new();
    let said = place.run(&["selftest", "--device", "cpu", "--json"]).expect(0, &[]);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(report["failed"], 0, "{report:#}");
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in [
        "linear",
        "linear, bf16",
        "AdamW",
        "Muon",
        "training, qwen3, 12 losses",
        "checkpoint: resumed is uninterrupted",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    // Two ways to compute are compared, not one with itself: most differ in the last digits.
    let differ = checks.iter().filter(|check| check["found"].as_f64() > Some(0.0)).count();
    assert!(2 * differ > checks.len(), "{differ} of {} differ at all", checks.len());
    let told = place
        .run(&["selftest", "--device", "cpu"])
        .expect(0, &["tongues ", " on CPU, ", "tolerance", "verdict", " 0 failed"]);
    assert_eq!(told.stdout.matches(" ok\n").count(), checks.len(), "{}", told.stdout);
}

#[test]
#[cfg(not(feature = "cuda"))]
fn a_device_that_is_not_there_is_an_error() {
    Place::new().run(&["selftest", "--device", "cuda"]).expect(1, &["cannot open the device", "make cuda"]);
}

/// A library that is opened at its first call gets every argument, and is an error code where it is missing.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_cuda_library_is_opened_on_demand() {
    use std::process::Command;
    let place = Place::new();
    let arguments = "int a, double b, long c, float d, long e, long f, long g, long h, long i, double j, double k";
    place.write("names", "FUNCTION(0, mix)\nFUNCTION(1, absent)\n");
    let body = "return a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9 + j * 10 + k * 11;";
    place.write("library.c", format!("double mix({arguments}) {{ {body} }}\n"));
    let calls = "for (int round = 0; round < 2; round++) printf(\"%g\\n\", mix(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));";
    let main = format!(
        "double mix({arguments}); int absent(void); int main(void) {{ {calls} printf(\"%d\\n\", absent()); return 0; }}"
    );
    place.write("main.c", format!("#include <stdio.h>\n{main}\n"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cuda-on-demand.c");
    let folder = place.path("libraries");
    std::fs::create_dir(&folder).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(place.path("")).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let of = format!("-DFOLDER=\"{}\"", folder.display());
    let defined = ["-DLIBRARY=\"libmix.so.1\"", &of, "-DMISSING=100", "-DQUIET=1", "-DNAMES=\"names\""];
    run("cc", &[&["-O2", "-fPIC", "-I.", "-c", "-o", "door.o"], &defined[..], &[source]].concat());
    run("cc", &["-o", "main", "main.c", "door.o", "-ldl", "-lpthread"]);
    // Without the library every function gives the code (a floating point result is whatever the register holds).
    assert_eq!(run("./main", &[]).lines().last(), Some("100"));
    run("cc", &["-shared", "-fPIC", "-o", "libraries/libmix.so.1", "library.c"]);
    assert_eq!(run("./main", &[]), "506\n506\n100\n"); // 1² + 2² + ... + 11²
}
