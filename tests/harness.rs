//! A folder, the binary, and what it said.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A temporary folder to run the binary in.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a command said.
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// What a command said and took.
pub struct Measured {
    pub said: Said,
    pub seconds: f64,
    pub peak_bytes: u64,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The binary with `arguments`, to be run in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tongues"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    /// Begins a run whose end is somebody else's business.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// As [`Place::run`], with wall time and peak memory (0 where the system does not tell).
    pub fn run_measured(&self, arguments: &[&str]) -> Measured {
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tongues"))
            .args(arguments)
            .current_dir(self.folder.path())
            .stdout(File::create(self.path("stdout")).unwrap())
            .stderr(File::create(self.path("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut peak_bytes = 0;
        let status = loop {
            peak_bytes = peak_bytes.max(peak_memory(child.id()));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let read = |name: &str| std::fs::read_to_string(self.path(name)).unwrap();
        let said = Said { code: status.code().unwrap_or(-1), stdout: read("stdout"), stderr: read("stderr") };
        Measured { said, seconds: began.elapsed().as_secs_f64(), peak_bytes }
    }

    /// Every file under `name` with its bytes, sorted.
    pub fn tree(&self, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        walk(&self.path(name), &self.path(name), &mut files);
        files.sort();
        files
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    #[track_caller]
    pub fn expect(self, code: i32, parts: &[&str]) -> Said {
        let all = format!("exit {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr);
        assert_eq!(self.code, code, "{all}");
        for part in parts {
            assert!(self.stdout.contains(part) || self.stderr.contains(part), "missing `{part}` in\n{all}");
        }
        self
    }
}

/// The most memory the process has had in use so far, bytes.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, files);
        } else {
            // What a link leads to may have no end, as `/dev/full`.
            let link = entry.file_type().unwrap().is_symlink();
            let bytes = if link { Vec::new() } else { std::fs::read(&path).unwrap() };
            files.push((path.strip_prefix(root).unwrap().to_owned(), bytes));
        }
    }
}
