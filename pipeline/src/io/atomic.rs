//! A file appears whole or not at all: written under a neighbouring name, synced, renamed.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file being written. Dropped without [`AtomicFile::commit`], it leaves nothing behind.
pub struct AtomicFile {
    path: PathBuf,
    beside: PathBuf,
    file: Option<BufWriter<File>>,
}

impl AtomicFile {
    /// Opens `path` with `.part` added; makes the folder where it is missing.
    pub fn create(path: &Path) -> Result<AtomicFile> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let beside = PathBuf::from(name);
        let file = File::create(&beside).map_err(Error::io("create", &beside))?;
        Ok(AtomicFile { path: path.to_owned(), beside, file: Some(BufWriter::with_capacity(1 << 18, file)) })
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs and renames. Where that fails (a full disk is often noticed only here), nothing is left behind either.
    pub fn commit(mut self) -> Result<()> {
        let writer = self.file.as_mut().expect("open until committed");
        let written = writer.flush().and_then(|()| writer.get_ref().sync_all());
        written.and_then(|()| fs::rename(&self.beside, &self.path)).map_err(Error::io("write", &self.path))?;
        self.file = None;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.as_mut().expect("open until committed").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_mut().expect("open until committed").flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// Writes `bytes` to `path`, whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_file_leaves_nothing_and_keeps_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file");
        write(&path, b"first").unwrap();
        let mut second = AtomicFile::create(&path).unwrap();
        second.write_all(b"second").unwrap();
        drop(second);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_noticed_at_the_end_leaves_nothing_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::os::unix::fs::symlink("/dev/full", folder.path().join("file.part")).unwrap();
        // Few bytes: they fit the buffer, and only `commit` hands them to the disk.
        let error = write(&path, b"few").unwrap_err();
        assert_eq!(error.to_string(), format!("{}: cannot write", path.display()));
        let Error::Io { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
