//! How fast this machine multiplies a decoder's matrices, forward and backward, in f32 and in bf16, in turns:
//! `cargo run --release --workspace --example products -- [ROWS] [D] [F] [V]`. Prints medians in 10⁹ operations a second.

use tongues_pretrain::precision::Precision;
use tongues_pretrain::throughput::Product;

/// Turns of each product.
const TURNS: usize = 31;
/// Rows of logits that exist at once, of a vocabulary of 8192.
const CHUNK: usize = 256;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn main() {
    let mut sizes = std::env::args().skip(1).map(|size| size.parse().expect("a size"));
    let mut next = |default: usize| sizes.next().unwrap_or(default);
    let (rows, d, f, v) = (next(2048), next(256), next(688), next(8192));
    println!("{:32}{:>18}{:>8}{:>8}{:>8}", "product", "m × n × k", "f32", "bf16", "ratio");
    let maps = [("square map", rows, d, d), ("up", rows, d, f), ("down", rows, f, d), ("head", CHUNK, d, v)];
    for (map, rows, input, output) in maps {
        // The map's weight has a row for each output.
        let products = [
            ("", [rows, output, input], [false, true]),
            (", gradient by input", [rows, input, output], [false, false]),
            (", gradient by weight", [output, input, rows], [true, false]),
        ];
        for (what, sizes, transposed) in products {
            let mut product = Product::new(sizes, transposed);
            let mut found = [Vec::new(), Vec::new()];
            for _ in 0..TURNS {
                for (found, precision) in found.iter_mut().zip([Precision::F32, Precision::Bf16]) {
                    found.push(product.gflops(precision));
                }
            }
            let [f32, bf16] = found.map(median);
            let shape = sizes.map(|size| size.to_string()).join(" × ");
            println!("{:32}{shape:>18}{f32:8.0}{bf16:8.0}{:8.2}", format!("{map}{what}"), bf16 / f32);
        }
    }
}
