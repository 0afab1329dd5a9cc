//! Memory and values into files: what `dump` does.
//!
//! A file is there whole or not at all: it is written under another name and renamed.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lkdb_base::RuntimeAddr;

use crate::{Error, Result, Session};

/// What is read at once: enough to forget the price of a call, little enough to stay in a cache.
const PIECE: usize = 256 << 10;

impl Session<'_> {
    /// Writes the bytes from `start` up to `end` to a file; how many.
    ///
    /// # Errors
    /// When a byte cannot be read (the error names the first) or the file not written, and at a user's
    /// interrupt. The file is then as it was.
    pub fn dump_memory(&self, path: &Path, start: RuntimeAddr, end: RuntimeAddr) -> Result<u64> {
        let length = end.0.checked_sub(start.0).filter(|&length| length > 0);
        let length = length.ok_or_else(|| Error::say("Invalid memory address range (start >= end)."))?;
        let memory = self.memory();
        write_whole(path, |file| {
            let mut buffer = vec![0; PIECE.min(usize::try_from(length).unwrap_or(PIECE))];
            let mut done = 0;
            while done < length {
                self.interrupt().check()?;
                let left = usize::try_from(length - done).unwrap_or(PIECE).min(buffer.len());
                let (piece, _) = buffer.split_at_mut(left);
                memory.read(RuntimeAddr(start.0 + done), piece)?;
                file.write_all(piece).map_err(|error| Error::io(path, error))?;
                done += left as u64;
            }
            Ok(length)
        })
    }

    /// Writes bytes to a file.
    ///
    /// # Errors
    /// When it cannot be written; it is then as it was.
    pub fn dump_bytes(&self, path: &Path, bytes: &[u8]) -> Result<u64> {
        write_whole(path, |file| {
            file.write_all(bytes).map_err(|error| Error::io(path, error))?;
            Ok(bytes.len() as u64)
        })
    }
}

/// Has a file written; a device or pipe takes what comes as it comes.
fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<u64>) -> Result<u64> {
    let io = |error: io::Error| Error::io(path, error);
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return write(&mut OpenOptions::new().write(true).open(path).map_err(io)?);
    }
    // Through a link the file is meant, not the link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What the umask leaves of these, as for any file that a program makes.
    let mode = PermissionsExt::from_mode(0o666);
    let mut file =
        tempfile::Builder::new().prefix(".dump").permissions(mode).tempfile_in(folder).map_err(io)?;
    let written = write(&mut file)?;
    file.persist(&path).map_err(|error| io(error.error))?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        std::fs::write(&path, "before").unwrap();
        let failed = write_whole(&path, |file| {
            file.write_all(b"half").unwrap();
            Err(Error::Interrupted)
        });
        assert!(matches!(failed, Err(Error::Interrupted)));
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(write_whole(&path, |file| Ok(file.write(b"whole").unwrap() as u64)).unwrap(), 5);
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn devices_are_written_to() {
        let wrote = write_whole(Path::new("/dev/null"), |file| Ok(file.write(b"gone").unwrap() as u64));
        assert_eq!(wrote.unwrap(), 4);
        assert!(!Path::new("/dev/null").is_file());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = write_whole(Path::new("/nowhere/at/all"), |_| Ok(0)).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/at/all: No such file or directory.");
    }
}
