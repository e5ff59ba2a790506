//! How much memory training takes, told before it begins.
//!
//! [`Forecast`] adds up what is there all the time (weights, the optimiser's moments, an average, the text) and the most
//! that one step holds beside: activations, gradients and buffers, which are never all there at once. What a step holds
//! is told by its architecture ([`Sizes`]; see `models/memory.rs`, `models/encoder_memory.rs` and
//! `models/recurrent/memory.rs`), which plays the step
//! through on a [`Ledger`]. How near this comes is measured by `benches/memory.py`; docs/log.md has its table.

use crate::average::Policy;
use crate::models::weights::HEAD;
use crate::optimiser::Rule;
use crate::train::TrainSettings;
use serde::Serialize;

/// Bytes of a number: weights, gradients, moments and activations are f32.
const NUMBER: u64 = 4;
/// Bytes the libraries below take beside, whatever the sizes: packed blocks of OpenBLAS, stacks, a batch's ids.
const BESIDE: u64 = 12 << 20;
/// Working copies of a matrix while Muon makes it orthogonal.
const COPIES_OF_MUON: u64 = 8;

/// A trained tensor.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Numbers along each axis.
    pub axes: Vec<usize>,
    /// Whether its rows are looked up.
    pub is_embedding: bool,
}

impl Shape {
    fn count(&self) -> u64 {
        self.axes.iter().map(|&axis| axis as u64).product()
    }

    /// What Muon turns.
    fn is_hidden_matrix(&self) -> bool {
        self.axes.len() == 2 && !self.is_embedding && self.name != HEAD
    }
}

/// What a forecast asks of an architecture.
pub trait Sizes {
    /// All trained tensors.
    fn shapes(&self) -> Vec<Shape>;
    /// Operations of the matrix products for one token, forward and backward: 6 for each number of a matrix that is
    /// multiplied with (Kaplan et al. 2020, §2.1; the embedding counts once, as the head), and 6 · H · K for each key that
    /// a query sees, once for the scores and once for the values.
    fn products_per_token(&self) -> f64;
    /// Plays one forward and one backward pass over `rows` windows on the ledger, from empty to empty but for the
    /// gradients of all weights.
    fn step(&self, rows: usize, pass: Pass, ledger: &mut Ledger);
}

/// How a step is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Whether blocks run again in the backward pass.
    pub recompute: bool,
    /// Whether the fused operations run (f32 in main memory), or the plain ones.
    pub fused: bool,
}

/// Numbers held now, and the most at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    now: u64,
    most: u64,
}

impl Ledger {
    /// Takes so many numbers.
    pub fn hold(&mut self, numbers: usize) {
        self.now += numbers as u64;
        self.most = self.most.max(self.now);
    }

    /// Gives so many numbers back.
    pub fn free(&mut self, numbers: usize) {
        self.now -= numbers as u64;
    }

    /// Numbers held.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The most that were held at one time.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Takes so many numbers and gives them back.
    pub fn pass(&mut self, numbers: usize) {
        self.hold(numbers);
        self.free(numbers);
    }
}

/// Training text: its tokens, `<s>` and `</s>` of every document included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Text {
    /// Tokens.
    pub tokens: u64,
    /// Documents.
    pub documents: u64,
}

impl Text {
    /// The mapped files, which have tokens of two bytes, and of each document its number and where it begins.
    fn bytes(self) -> u64 {
        2 * self.tokens + 12 * self.documents
    }
}

/// Bytes at the peak of training, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// The process before.
    pub process: u64,
    /// The model.
    pub weights: u64,
    /// What the optimiser remembers.
    pub optimiser: u64,
    /// The average of the weights.
    pub average: u64,
    /// Training text.
    pub text: u64,
    /// The most that a step holds beside: activations, gradients, buffers.
    pub step: u64,
}

impl Forecast {
    /// Of training a model in this process, as it is now. Where the operations are not fused, it is an estimate of the
    /// device's memory, and process and text are not in it.
    pub fn new(sizes: &dyn Sizes, settings: &TrainSettings, text: Text, fused: bool) -> Forecast {
        let shapes = sizes.shapes();
        let count = |wanted: &dyn Fn(&Shape) -> bool| -> u64 {
            shapes.iter().filter(|shape| wanted(shape)).map(Shape::count).sum()
        };
        let weights = count(&|_| true);
        let hidden = count(&Shape::is_hidden_matrix);
        let optimiser = match settings.optimiser.rule {
            Rule::AdamW => 2 * weights,
            Rule::Muon => hidden + 2 * (weights - hidden),
            Rule::Sgd if settings.optimiser.momentum != Some(0.0) => weights,
            Rule::Sgd | Rule::NtAsgd => 0,
        };
        let mut ledger = Ledger::default();
        sizes.step(settings.batch_size, Pass { recompute: settings.recompute, fused }, &mut ledger);
        // With accumulation, the sum of the passes before is there too.
        let before = if settings.accumulation > 1 { weights } else { 0 };
        let largest = shapes.iter().filter(|shape| shape.is_hidden_matrix()).map(Shape::count).max().unwrap_or(0);
        let update = match settings.optimiser.rule {
            Rule::Muon => weights + COPIES_OF_MUON * largest,
            _ => weights,
        };
        let average = if settings.averaging() == Policy::Off { 0 } else { weights };
        let (process, text) = if fused { (resident(), text.bytes()) } else { (0, 0) };
        Forecast {
            process,
            weights: NUMBER * weights,
            optimiser: NUMBER * optimiser,
            average: NUMBER * average,
            text,
            step: NUMBER * (before + ledger.most).max(update) + BESIDE,
        }
    }

    /// Bytes at the peak.
    pub fn peak(&self) -> u64 {
        self.process + self.beyond()
    }

    /// Bytes at the peak that are not taken yet.
    pub fn beyond(&self) -> u64 {
        self.weights + self.optimiser + self.average + self.text + self.step
    }
}

/// Settings that take less memory for the same batches, each changed alone, with their forecasts; in words. A shorter
/// window is another model, and is named last.
pub fn remedies(
    sizes: &dyn Sizes,
    settings: &TrainSettings,
    text: Text,
    fused: bool,
    shorter: Option<(&dyn Sizes, String)>,
) -> Vec<(String, Forecast)> {
    let of = |settings: &TrainSettings| Forecast::new(sizes, settings, text, fused);
    let mut all = Vec::new();
    if !settings.recompute {
        all.push(("recompute = true".to_owned(), of(&TrainSettings { recompute: true, ..settings.clone() })));
    }
    if settings.batch_size > 1 {
        let (batch_size, accumulation) = (settings.batch_size.div_ceil(2), 2 * settings.accumulation);
        let half = TrainSettings { batch_size, accumulation, ..settings.clone() };
        all.push((format!("batch_size = {batch_size} with accumulation = {accumulation}"), of(&half)));
    }
    if let Some((sizes, way)) = shorter {
        all.push((way, Forecast::new(sizes, settings, text, fused)));
    }
    // The process itself grows and shrinks from one look at it to the next.
    let before = of(settings).beyond();
    all.retain(|(_, forecast)| forecast.beyond() < before);
    all
}

/// What to say before training that is forecast to take more than `free` bytes.
pub fn warning(forecast: &Forecast, free: u64, remedies: &[(String, Forecast)]) -> Option<String> {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    if forecast.beyond() <= free {
        return None;
    }
    let ways: Vec<String> =
        remedies.iter().map(|(way, forecast)| format!("{way} takes {} MiB", mib(forecast.peak()))).collect();
    let ways = if ways.is_empty() { "a smaller model takes less".to_owned() } else { ways.join(", ") };
    let (peak, free) = (mib(forecast.peak()), mib(forecast.process + free));
    Some(format!("training is forecast to take {peak} MiB at its peak, and there are {free} MiB for it; {ways}"))
}

/// Resident memory of this process, bytes; 0 where the system does not tell.
pub fn resident() -> u64 {
    status("VmRSS:")
}

/// Largest resident memory of this process so far, bytes; 0 where the system does not tell.
pub fn peak() -> u64 {
    status("VmHWM:")
}

fn status(key: &str) -> u64 {
    kilobytes(&std::fs::read_to_string("/proc/self/status").unwrap_or_default(), key).unwrap_or(0)
}

/// The number after `key` in a file of lines `key  number kB`, in bytes.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Bytes that this process can still take: what the machine has available, and what its control group allows.
pub fn free() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = kilobytes(&read("/proc/meminfo")?, "MemAvailable:")?;
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let group = || {
        let (most, now) = (number("/sys/fs/cgroup/memory.max")?, number("/sys/fs/cgroup/memory.current")?);
        // Pages of files that nobody uses are given up when memory runs short.
        let statistics = read("/sys/fs/cgroup/memory.stat")?;
        let spare = statistics.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse::<u64>().ok());
        Some(most.saturating_sub(now.saturating_sub(spare.unwrap_or(0))))
    };
    Some(group().map_or(machine, |group| group.min(machine)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimiser::OptimiserSettings;

    /// 100 numbers looked up, a hidden matrix of 6, a norm of 4; a row of a step takes 50, half of it when recomputed.
    #[derive(Clone)]
    struct Toy;

    impl Sizes for Toy {
        fn shapes(&self) -> Vec<Shape> {
            let shape =
                |name: &str, axes: &[usize], is_embedding| Shape { name: name.into(), axes: axes.into(), is_embedding };
            vec![shape("embedding", &[25, 4], true), shape("map", &[2, 3], false), shape("norm", &[4], false)]
        }

        fn products_per_token(&self) -> f64 {
            36.0
        }

        fn step(&self, rows: usize, pass: Pass, ledger: &mut Ledger) {
            ledger.hold(110);
            ledger.pass(rows * if pass.recompute { 25 } else { 50 });
        }
    }

    fn of(settings: &TrainSettings) -> Forecast {
        Forecast::new(&Toy, settings, Text { tokens: 1000, documents: 10 }, true)
    }

    #[test]
    fn parts_by_hand() {
        let settings = TrainSettings { batch_size: 4, ..Default::default() };
        let forecast = of(&settings);
        assert_eq!((forecast.weights, forecast.optimiser, forecast.average), (4 * 110, 8 * 110, 0));
        assert_eq!(forecast.text, 2 * 1000 + 120);
        assert_eq!(forecast.step, 4 * (110 + 4 * 50) + BESIDE);
        assert_eq!(forecast.beyond(), 440 + 880 + 2120 + 1240 + BESIDE);
        let step = |settings: TrainSettings| of(&settings).step - BESIDE;
        assert_eq!(step(TrainSettings { recompute: true, ..settings.clone() }), 4 * 210);
        // The sum of the passes before; and where a step is small, Muon's update: all gradients, eight times the matrix.
        assert_eq!(step(TrainSettings { accumulation: 2, ..settings.clone() }), 4 * (110 + 310));
        let muon = OptimiserSettings { rule: Rule::Muon, ..Default::default() };
        let small = TrainSettings { batch_size: 0, ..settings.clone() };
        assert_eq!(
            [step(small.clone()), step(TrainSettings { optimiser: muon, ..small })],
            [4 * 110, 4 * (110 + 8 * 6)]
        );
        let with = |rule, average| {
            let optimiser = OptimiserSettings { rule, ..Default::default() };
            let forecast = of(&TrainSettings { optimiser, average, ..settings.clone() });
            (forecast.optimiser / 4, forecast.average / 4)
        };
        assert_eq!(with(Rule::Muon, 0.9), (6 + 2 * 104, 110));
        assert_eq!(with(Rule::Sgd, 0.0), (110, 0));
        assert_eq!(with(Rule::NtAsgd, 0.0), (0, 110));
    }

    #[test]
    fn what_is_too_much_is_said_with_what_takes_less() {
        let settings = TrainSettings { batch_size: 1 << 20, ..Default::default() };
        let forecast = of(&settings);
        let all = remedies(&Toy, &settings, Text::default(), true, None);
        assert_eq!(warning(&forecast, forecast.beyond(), &all), None);
        let said = warning(&forecast, forecast.beyond() - 1, &all).unwrap();
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        for part in [
            format!("{} MiB at its peak", mib(forecast.peak())),
            format!("recompute = true takes {} MiB", mib(all[0].1.peak())),
            format!("batch_size = 524288 with accumulation = 2 takes {} MiB", mib(all[1].1.peak())),
        ] {
            assert!(said.contains(&part), "{said}: no {part}");
        }
        // What does not help is not named.
        let least = TrainSettings { batch_size: 1, recompute: true, ..settings };
        assert!(remedies(&Toy, &least, Text::default(), true, Some((&Toy, "context_length = 4".into()))).is_empty());
    }

    #[test]
    fn the_system_is_understood() {
        let text = "VmPeak:\t  100 kB\nVmHWM:\t   17 kB\nVmRSS:\t x kB\n";
        assert_eq!(
            (kilobytes(text, "VmHWM:"), kilobytes(text, "VmRSS:"), kilobytes(text, "VmSwap:")),
            (Some(17 << 10), None, None)
        );
        if cfg!(target_os = "linux") {
            assert!(resident() > 1 << 20 && peak() > 1 << 20 && free().is_some_and(|bytes| bytes > 0));
        }
    }
}
