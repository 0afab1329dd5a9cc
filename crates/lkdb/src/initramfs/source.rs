//! Where the content of an archive's files comes from on this host.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use lkdb_image::archive::Content;

/// A file's content.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// In memory.
    Bytes(Vec<u8>),
    /// On disk, read when the archive is written. With its length when the archive was planned.
    File(PathBuf, u64),
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// Large enough that reading costs few calls, small enough to stay in a cache.
const BUFFER: usize = 256 << 10;

thread_local! {
    static COPY: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

impl Content for Source {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, size) => *size,
        }
    }

    fn copy_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self::File(path, size) = self else {
            return if let Self::Bytes(bytes) = self { out.write_all(bytes) } else { Ok(()) };
        };
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let file = File::open(path).map_err(named)?;
        // One byte more than expected, so that a file that grew is noticed.
        let mut file = file.take(size + 1);
        COPY.with_borrow_mut(|buffer| {
            loop {
                let read = match file.read(buffer) {
                    Ok(0) => return Ok(()),
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(named(error)),
                };
                out.write_all(buffer.get(..read).unwrap_or_default())?;
            }
        })
    }
}
