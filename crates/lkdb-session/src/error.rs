//! What a session cannot do, in gdb's words where gdb has them.

use std::io;
use std::path::PathBuf;

/// What a session's work gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the session could not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be mapped.
    #[error(transparent)]
    Map(#[from] lkdb_map::Error),
    /// A file that is no ELF file, or a damaged one.
    #[error("{}: {error}", path.display())]
    Elf {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: lkdb_symbols::Error,
    },
    /// The user wants no more of it.
    #[error("Quit")]
    Interrupted,
    /// A directory or file that the system refuses.
    #[error("{}: {error}.", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: SystemError,
    },
    /// Debug info that is damaged.
    #[error(transparent)]
    Dwarf(#[from] lkdb_symbols::dwarf::Error),
    /// Memory that is in none of the files.
    #[error(transparent)]
    Memory(#[from] lkdb_base::Unreadable),
    /// A type that cannot be read.
    #[error(transparent)]
    Type(#[from] lkdb_symbols::TypeError),
    /// An expression without a value.
    #[error(transparent)]
    Value(#[from] lkdb_value::Error),
    /// The stub failed, or its machine is gone.
    #[error(transparent)]
    Target(#[from] lkdb_target::Error),
    /// The kernel was not found, or is another.
    #[error(transparent)]
    Entry(#[from] crate::entry::Error),
    /// A number that no breakpoint has.
    #[error(transparent)]
    NoBreakpoint(#[from] crate::breakpoints::NoBreakpoint),
    /// Anything else: the whole sentence.
    #[error("{0}")]
    Sentence(String),
}

impl Error {
    /// An error that is one sentence.
    pub fn say(sentence: impl Into<String>) -> Self {
        Self::Sentence(sentence.into())
    }

    /// A file that the system refuses.
    pub fn io(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self::Io { path: path.into(), error: SystemError(error) }
    }
}

/// A system's error in the C library's words: no number behind them.
#[derive(Debug)]
pub struct SystemError(pub io::Error);

impl std::fmt::Display for SystemError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        f.write_str(text.split(" (os error").next().unwrap_or(&text))
    }
}
