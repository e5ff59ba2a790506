//! The windows of a ring in the order in which they are read, each found by its number alone.
//!
//! An epoch cuts the ring at a place of its own and goes round once: each token is a target once. It has as many windows as it
//! takes to hold the ring; the last holds what is left and is filled up. Windows come in an order drawn for the epoch; where
//! several are to be read in succession, runs of so many windows come in that order, and after them what is left of the
//! ring, a shorter run.

use crate::random::Key;

/// The epochs of a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epochs {
    /// Tokens of the ring.
    length: u64,
    /// T.
    window: u64,
    /// Windows of a run.
    consecutive: u64,
    key: Key,
}

/// A window of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Where in the ring it begins.
    pub start: u64,
    /// Tokens of it, and targets after them: T, or fewer in the last of an epoch.
    pub length: usize,
    /// Whether it begins where the window before it, by number, ended.
    pub continues: bool,
}

impl Epochs {
    /// Of a ring of `length` tokens, none of these 0.
    pub fn new(length: u64, window: usize, consecutive: usize, key: Key) -> Epochs {
        Epochs { length, window: window as u64, consecutive: consecutive as u64, key }
    }

    /// Windows of an epoch.
    pub fn windows(&self) -> u64 {
        self.length.div_ceil(self.window)
    }

    /// Window number `number` (from 0) of the whole training.
    pub fn window(&self, number: u64) -> Window {
        let (epoch, number) = (number / self.windows(), number % self.windows());
        let key = self.key.stream(epoch);
        let (run, place) = (number / self.consecutive, number % self.consecutive);
        let whole_runs = self.windows() / self.consecutive;
        let run = if run < whole_runs { key.named("order").permuted(run, whole_runs) } else { run };
        let begin = (run * self.consecutive + place) * self.window; // of the epoch
        let start = (key.named("cut").below(0, self.length) + begin) % self.length;
        Window { start, length: self.window.min(self.length - begin) as usize, continues: place > 0 }
    }

    /// Targets of the first `windows` windows, as if those of an epoch came in the order of the text: exact for whole epochs,
    /// else less than a window off.
    pub fn targets(&self, windows: u64) -> u64 {
        let (epochs, rest) = (windows / self.windows(), windows % self.windows());
        epochs * self.length + self.length.min(rest * self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [u64; 9] = [1, 2, 7, 8, 9, 63, 64, 65, 1000];

    #[test]
    fn in_every_epoch_every_token_is_a_target_once() {
        for length in LENGTHS {
            for (window, consecutive) in [(1, 1), (8, 1), (8, 2), (8, 3), (8, 16), (64, 4), (2000, 1)] {
                let epochs = Epochs::new(length, window, consecutive, Key::new(3));
                for epoch in 0..4 {
                    let mut counts = vec![0; length as usize];
                    for number in 0..epochs.windows() {
                        let window = epochs.window(epoch * epochs.windows() + number);
                        for place in 1..=window.length as u64 {
                            counts[((window.start + place) % length) as usize] += 1;
                        }
                    }
                    assert!(counts.iter().all(|count| *count == 1), "{length} by {window}: {counts:?}");
                }
            }
        }
    }

    #[test]
    fn windows_that_continue_do_and_runs_are_as_long_as_asked_for() {
        for length in LENGTHS {
            for consecutive in [1, 2, 5, 100] {
                let epochs = Epochs::new(length, 8, consecutive, Key::new(3));
                let all: Vec<Window> = (0..3 * epochs.windows()).map(|number| epochs.window(number)).collect();
                let (mut runs, mut run) = (Vec::new(), 0);
                for (number, window) in all.iter().enumerate() {
                    if window.continues {
                        let before = all[number - 1];
                        assert_eq!((before.start + before.length as u64) % length, window.start);
                        run += 1;
                    } else {
                        runs.push(std::mem::replace(&mut run, 1));
                    }
                }
                let whole = runs[1..].iter().filter(|run| **run == consecutive).count() as u64;
                assert!(runs.iter().all(|run| *run <= consecutive));
                assert!(whole + 1 >= 3 * (epochs.windows() / consecutive as u64), "{length}, {consecutive}: {runs:?}");
            }
        }
    }

    #[test]
    fn epochs_differ_in_cut_and_order_and_other_keys_too() {
        let starts = |seed, epoch: u64| -> Vec<u64> {
            let epochs = Epochs::new(1000, 10, 1, Key::new(seed));
            (0..100).map(|number| epochs.window(100 * epoch + number).start).collect()
        };
        assert_eq!(starts(1, 0), starts(1, 0));
        assert_ne!(starts(1, 0), starts(2, 0));
        let cut = |epoch| starts(1, epoch)[0] % 10;
        assert!((1..10).any(|epoch| cut(epoch) != cut(0)), "the cut is drawn anew");
        let ascending = starts(1, 0).windows(2).filter(|pair| pair[1] == (pair[0] + 10) % 1000).count();
        assert!(ascending < 10, "{ascending} of 99 windows come after the one before them in the text");
    }

    #[test]
    fn targets_are_counted_by_hand() {
        let epochs = Epochs::new(25, 10, 1, Key::new(1)); // windows of 10, 10 and 5
        assert_eq!([0, 1, 2, 3, 4, 6].map(|windows| epochs.targets(windows)), [0, 10, 20, 25, 35, 50]);
        assert_eq!(Epochs::new(4, 10, 1, Key::new(1)).targets(7), 28);
    }
}
