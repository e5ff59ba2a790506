//! Work on all cores whose results come out in the order in which it went in, while more is read: a thread gives the work
//! out, the pool does it, and the caller takes the results.

use crate::error::Result;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// Results that may wait for the one before them, a thread.
const AHEAD: usize = 2;

/// Hands what `produce` gives to `work` on all cores, and its results to `each`, in order. What is underway is bounded by
/// the number of threads. `produce` is told where nobody wants more: `each` said no, or `work` panicked.
pub(crate) fn in_order<I: Send, O: Send>(
    produce: impl FnOnce(&mut dyn FnMut(I) -> bool) + Send,
    work: impl Fn(I) -> O + Sync,
    mut each: impl FnMut(O) -> Result<()>,
) -> Result<()> {
    let work = &work;
    rayon::in_place_scope(|pool| {
        std::thread::scope(|threads| {
            let (sender, results) = sync_channel(AHEAD * rayon::current_num_threads());
            threads.spawn(move || {
                produce(&mut |input| {
                    let (done, result) = sync_channel(1);
                    let wanted = sender.send(result).is_ok();
                    if wanted {
                        pool.spawn(move |_| drop(done.send(work(input))));
                    }
                    wanted
                });
            });
            while let Some(result) = wait(&results) {
                // None: it panicked, which the scope tells.
                let Some(output) = wait(&result) else { break };
                each(output)?;
            }
            Ok(())
        })
    })
}

/// The same on this thread alone.
pub(crate) fn one_by_one<I, O>(
    produce: impl FnOnce(&mut dyn FnMut(I) -> bool),
    work: impl Fn(I) -> O,
    mut each: impl FnMut(O) -> Result<()>,
) -> Result<()> {
    let mut result = Ok(());
    produce(&mut |input| {
        result = each(work(input));
        result.is_ok()
    });
    result
}

/// What comes next; none where nothing does any more. A thread of the pool works on what others wait for meanwhile.
fn wait<T>(receiver: &Receiver<T>) -> Option<T> {
    if rayon::current_thread_index().is_none() {
        return receiver.recv().ok();
    }
    loop {
        match receiver.try_recv() {
            Ok(value) => return Some(value),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {
                if rayon::yield_now() != Some(rayon::Yield::Executed) {
                    std::thread::yield_now();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn squares(each: impl FnMut(usize) -> Result<()>) -> (Result<()>, usize) {
        let given = AtomicUsize::new(0);
        let produce = |give: &mut dyn FnMut(usize) -> bool| {
            for number in 0..1000 {
                given.store(number, Ordering::Relaxed);
                if !give(number) {
                    return;
                }
            }
        };
        // The first ones take longest.
        let work = |number: usize| {
            std::thread::sleep(std::time::Duration::from_micros(if number.is_multiple_of(5) { 300 } else { 0 }));
            number * number
        };
        let result = in_order(produce, work, each);
        (result, given.into_inner())
    }

    #[test]
    fn results_come_in_order_in_and_outside_of_a_pool() {
        let run = || {
            let mut got = Vec::new();
            squares(|square| {
                got.push(square);
                Ok(())
            })
            .0
            .unwrap();
            assert!(got.iter().copied().eq((0..1000).map(|number| number * number)));
        };
        run();
        for threads in [1, 3] {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
        }
    }

    #[test]
    fn a_refusal_ends_it_soon() {
        let (result, given) = squares(|square| if square == 100 { Err(Error::Interrupted) } else { Ok(()) });
        assert!(matches!(result, Err(Error::Interrupted)));
        assert!(given <= 10 + 2 * AHEAD * rayon::current_num_threads() + 2, "{given}");
    }

    #[test]
    #[should_panic(expected = "seven")]
    fn a_panic_is_the_callers() {
        let produce = |give: &mut dyn FnMut(usize) -> bool| assert!(!(0..1000).all(give));
        let _ = in_order(produce, |number| assert!(number != 7, "seven"), |()| Ok(()));
    }
}
