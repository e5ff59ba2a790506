//! Compiles the shim over SentencePiece's C++ trainer; the library itself comes with `sentencepiece-sys`.

fn main() {
    println!("cargo:rerun-if-changed=src/vocabulary/trainer.cc");
    cc::Build::new().cpp(true).std("c++17").warnings(true).file("src/vocabulary/trainer.cc").compile("tongues_trainer");
    // `-bundle`: the folder with these libraries is known to the final link only. The trainer needs the library
    // proper, so it stands first.
    println!("cargo:rustc-link-lib=static:-bundle=sentencepiece_train");
    println!("cargo:rustc-link-lib=static:-bundle=sentencepiece");
}
