//! What can go wrong in getting things: one line each, saying what, where, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use lkdb_base::size;

/// Why a kernel, source or BusyBox could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written or made.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried: `read`, `make`, `rename`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not. Not called `source`, as it is told already.
        error: io::Error,
    },
    /// Programs this work needs are not installed.
    #[error("not installed: {program}; {remedy}")]
    NoProgram {
        /// Their names.
        program: String,
        /// What to install.
        remedy: String,
    },
    /// A program failed.
    #[error("{what}: `{program}` failed ({status}): {detail}")]
    Program {
        /// What it was run for.
        what: String,
        /// Its name.
        program: String,
        /// Its exit status.
        status: String,
        /// The lines of its output that say why.
        detail: String,
    },
    /// The user asked to stop.
    #[error("interrupted; run the same command again to go on where it stopped")]
    Cancelled,
    /// Not enough room on the file system.
    #[error(
        "{} has {} free, and {} are needed{hint}",
        path.display(), size::human(*free), size::human(*need)
    )]
    NoSpace {
        /// A folder on that file system.
        path: PathBuf,
        /// Bytes needed.
        need: u64,
        /// Bytes free for this user.
        free: u64,
        /// How to get along with less.
        hint: &'static str,
    },
    /// No kernel answers to that name.
    #[error("{0}")]
    NoKernel(String),
    /// What was found, got or asked for cannot be used, and why.
    #[error("{0}")]
    Unfit(String),
    /// This host has no package tools that lkdb can use.
    #[error("{0}")]
    NoProvider(String),
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| {
            // What other crates wrap says the path a second time.
            let error = match rustix::io::Errno::from_io_error(&error) {
                Some(errno) => errno.into(),
                None => error.kind().into(),
            };
            Self::Io { action, path, error }
        }
    }
}
