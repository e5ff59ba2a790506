//! What every fuzz target is held to, beside never panicking: an input of at most 64 KiB takes at most two seconds of
//! computing and 512 MiB of memory. Computing is counted, not time, so that a busy or suspended machine accuses nobody.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tongues_languages::Tag;
use tongues_pipeline::extract;
use tongues_pipeline::read::Raw;
use tongues_pipeline::wikitext::{PageText, Wiki};

/// Longest input, in bytes: a long page.
pub const LONGEST: usize = 64 << 10;
/// Seconds of computing by all threads for one input.
const SECONDS: u64 = 2;
/// Bytes that Rust code has allocated at once for one input, beyond what there was before.
const BYTES: i64 = 512 << 20;
/// Seconds of computing after which an input is taken never to end.
const ENDLESS: u64 = 20;

/// The system's allocator, which counts.
struct Counting;

static ALLOCATED: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

fn allocated(bytes: i64) {
    let now = ALLOCATED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        allocated(size as i64 - layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// When the input that is being read began, in microseconds of computing; 0 between inputs.
static BEGAN: AtomicU64 = AtomicU64::new(0);
static WATCH: Once = Once::new();

/// Microseconds that all threads of this process have computed.
fn computed() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every system that libFuzzer runs on, and `time` is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

/// Aborts where an input does not end, at which libFuzzer keeps the input.
fn watch() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let began = BEGAN.load(Ordering::Relaxed);
        if began > 0 && computed().saturating_sub(began) > ENDLESS * 1_000_000 {
            eprintln!("no end after {ENDLESS} s of computing");
            std::process::abort();
        }
    }
}

/// Runs `step` and panics where it took more than an input may take.
pub fn bounded<T>(step: impl FnOnce() -> T) -> T {
    WATCH.call_once(|| drop(std::thread::spawn(watch)));
    let (began, before) = (computed(), ALLOCATED.load(Ordering::Relaxed));
    BEGAN.store(began, Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let done = step();
    BEGAN.store(0, Ordering::Relaxed);
    let (took, peak) = (computed() - began, PEAK.load(Ordering::Relaxed) - before);
    assert!(took <= SECONDS * 1_000_000, "{} ms of computing; at most {SECONDS} s", took / 1000);
    assert!(peak <= BYTES, "{} MiB of memory; at most {} MiB", peak >> 20, BYTES >> 20);
    done
}

/// The text of a record by the way that every text takes.
pub fn text_of(raw: &Raw, wiki: Option<&Wiki>) -> PageText {
    let page = extract::text_of(raw, wiki, language(), false);
    assert!(page.text.trim() == page.text, "white space around the text");
    page
}

/// Any language that has a profile.
pub fn language() -> Tag {
    "ltg_Latn".parse().expect("a tag")
}

/// A file in memory, for what is read from a path.
pub struct Memory {
    file: std::fs::File,
    path: PathBuf,
}

impl Default for Memory {
    fn default() -> Self {
        // SAFETY: the name is a C string, and the descriptor is a new one that nobody else has.
        let file = unsafe {
            use std::os::fd::FromRawFd;
            std::fs::File::from_raw_fd(libc::memfd_create(c"input".as_ptr(), 0))
        };
        let path = format!("/proc/self/fd/{}", file.as_raw_fd()).into();
        Memory { file, path }
    }
}

impl Memory {
    /// Its path, once it holds `bytes`.
    pub fn with(&mut self, bytes: &[u8]) -> &Path {
        self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0))).expect("a file in memory");
        self.file.write_all(bytes).expect("room in memory");
        &self.path
    }
}
