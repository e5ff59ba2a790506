//! Finds OpenBLAS, for the products of matrices on the CPU; without it `gemm` multiplies.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(openblas)");
    if std::env::var_os("CARGO_FEATURE_OPENBLAS").is_none() {
        return;
    }
    match pkg_config::Config::new().atleast_version("0.3").probe("openblas") {
        Ok(_) => println!("cargo::rustc-cfg=openblas"),
        Err(_) => println!(
            "cargo::warning=OpenBLAS is not there, so training will be slower; `make install-missing` installs it"
        ),
    }
}
