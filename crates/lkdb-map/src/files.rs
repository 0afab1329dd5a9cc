//! The files of a session: mapped when asked for, and lent until the session ends.

use std::path::Path;

use typed_arena::Arena;

use crate::file::{self, Error, Mapped};

/// Keeps every file it maps, so that what is read from one (symbols, types, lines) can borrow it.
#[derive(Default)]
pub struct Files {
    kept: Arena<Mapped>,
}

impl Files {
    /// No file yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps a regular file.
    ///
    /// # Errors
    /// When it cannot be read or is no regular file; the error names the path.
    pub fn map(&self, path: impl AsRef<Path>) -> Result<&[u8], Error> {
        Ok(&*self.kept.alloc(file::map(path)?))
    }
}
