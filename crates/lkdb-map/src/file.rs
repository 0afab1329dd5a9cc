//! Files mapped into memory, read-only: kernels, vmlinux, debug files.
//!
//! Not for guest memory, and not for files that another process writes: a slice of those could
//! change under its reader.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

/// Why a file is not mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not there, or may not be read.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A directory, a pipe, a device.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
}

/// A file's bytes. An empty file is an empty slice.
#[derive(Debug)]
pub struct Mapped(Option<Mmap>);

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Maps a regular file.
///
/// # Errors
/// When it cannot be read or is no regular file; the error names the path.
pub fn map(path: impl AsRef<Path>) -> Result<Mapped, Error> {
    let path = path.as_ref();
    let whole = |error| Error::Io { path: path.to_owned(), error };
    let file = File::open(path).map_err(whole)?;
    let facts = file.metadata().map_err(whole)?;
    if !facts.is_file() {
        return Err(Error::NotAFile(path.to_owned()));
    }
    if facts.len() == 0 {
        return Ok(Mapped(None));
    }
    // SAFETY: the mapping is private and read-only, and outlives every slice lent from it (`Deref`
    // borrows). What cannot be ruled out is another process that truncates or rewrites the file in
    // place meanwhile. Truncated: touching a page that is gone ends this process with SIGBUS; nothing
    // of ours is ever written through the mapping, so nothing is left half done by that. Rewritten:
    // old or new bytes are seen, and every access to them is bounds-checked. Package tools, linkers
    // and lkdb itself replace such files by renaming a new one over them, which leaves the mapping be.
    let mapping = unsafe { Mmap::map(&file) }.map_err(whole)?;
    Ok(Mapped(Some(mapping)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_mapped_and_an_empty_one_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vmlinux");
        std::fs::write(&path, b"\x7fELF").unwrap();
        assert_eq!(*map(&path).unwrap(), *b"\x7fELF");
        std::fs::write(&path, b"").unwrap();
        assert!(map(&path).unwrap().is_empty());
    }

    #[test]
    fn what_is_not_a_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("none");
        assert!(map(&missing).unwrap_err().to_string().contains("none"));
        assert!(map(directory.path()).unwrap_err().to_string().ends_with("is not a file"));
    }
}
