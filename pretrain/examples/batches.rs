//! How long a batch takes to be read from token files: `cargo run --workspace --example batches -- TOKENS [ROWS WINDOW]`,
//! the folder of the stage `tokens` of a run. Prints microseconds: the median, and what one of a hundred exceeds.

use std::path::Path;
use std::time::Instant;
use tongues_pipeline::tokens::Corpus;
use tongues_pretrain::batch::Sampler;

const BATCHES: usize = 10_000;

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().ok_or("the folder of the stage `tokens` is missing")?;
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |text| text.parse::<usize>());
    let (rows, window) = (number(1, 8)?, number(2, 256)?);
    let corpus = Corpus::open(Path::new(folder))?;
    let began = Instant::now();
    let sampler = Sampler::new(&corpus, (1, 2), window, 0.5, 1)?;
    println!("{} tokens of {} languages, ready after {:?}", sampler.tokens(), sampler.shares().len(), began.elapsed());
    for consecutive in [1, 32] {
        let sampler = sampler.clone().consecutive(consecutive);
        let mut times = Vec::with_capacity(BATCHES);
        for batch in 0..BATCHES as u64 {
            let began = Instant::now();
            std::hint::black_box(sampler.batch(batch, rows));
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        let (median, late) = (times[BATCHES / 2], times[BATCHES * 99 / 100]);
        println!("{rows} x {window}, {consecutive} in succession: {median:.1} us, {late:.1} us at the 99th of 100");
    }
    Ok(())
}
