//! How fast texts are brought into their one spelling, on one core: `normalise TAG FILE…`, the median of nine passes, in
//! time of the processor's own (Linux's `/proc`), so that other programs on the machine count little.
//! What comes out is compared with what `unicode-normalization` says.
#![allow(clippy::print_stdout)]

use tongues_languages::normalise::{Changes, Normaliser};
use unicode_normalization::{UnicodeNormalization, is_nfc};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let normaliser = Normaliser::new(arguments.next().ok_or("which language? normalise TAG FILE…")?.parse()?);
    let texts: Vec<String> = arguments.map(std::fs::read_to_string).collect::<Result<_, _>>()?;
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut changes = Changes::default();
    let mut seconds: Vec<f64> = (0..9)
        .map(|_| {
            changes = Changes::default();
            let start = processor_seconds();
            texts.iter().for_each(|text| changes += std::hint::black_box(normaliser.normalise(text)).1);
            processor_seconds() - start
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let lines = || texts.iter().flat_map(|text| text.lines());
    let differs = |line: &&str| {
        let ours = normaliser.normalise(line).0;
        !is_nfc(&ours) || ours != normaliser.normalise(&line.nfc().collect::<String>()).0
    };
    println!("{} of {} lines differ from the library's", lines().filter(differs).count(), lines().count());
    println!("{:.0} MB/s, {bytes} bytes; {changes:?}", bytes as f64 / seconds[4] / 1e6);
    Ok(())
}

/// Time that this process was on a processor.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux counts the time of processes");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.expect("the first figure is nanoseconds on a processor") / 1e9
}
