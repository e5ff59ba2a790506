//! Folders as inputs: the files in them.

use super::{Format, archive};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The files under a folder, however deep, in the order of their paths: those whose names tell that they can be read, or,
/// where a `format` is given, all. Hidden files and folders are passed over, links to folders not followed.
///
/// # Errors
/// A folder that cannot be read.
pub fn files_in(folder: &Path, format: Option<Format>) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            let entry = entry.map_err(Error::io("read", &folder))?;
            let kind = entry.file_type().map_err(Error::io("read", &folder))?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if path.is_file()
                && (format.is_some() || Format::guess(&path).is_some() || archive::kind(&path).is_some())
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_is_found_in_the_order_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["b.txt", "a/z/c.html.gz", "a/LICENSE", ".git/d.txt", "a/.e.txt", "a-b.tar"];
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let found = |format| -> Vec<String> {
            let files = files_in(folder.path(), format).unwrap();
            files.iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(found(None), ["a/z/c.html.gz", "a-b.tar", "b.txt"]);
        assert_eq!(found(Some(Format::TextFile)), ["a/LICENSE", "a/z/c.html.gz", "a-b.tar", "b.txt"]);
        assert!(files_in(&folder.path().join("none"), None).is_err());
    }
}
