//! Room on disk: asked before work begins, so that it does not end half-way.

use std::path::Path;

use crate::{Error, Result};

/// Bytes free for this user on the file system of `dir`.
///
/// # Errors
/// When `dir` is not there.
pub fn free(dir: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(dir).map_err(|e| Error::io("look at", dir)(e.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Fails when the file system of `dir` has less than `need` bytes free for this user.
pub(crate) fn require(dir: &Path, need: u64, hint: &'static str) -> Result<()> {
    let free = free(dir)?;
    if free < need {
        return Err(Error::NoSpace { path: dir.to_owned(), need, free, hint });
    }
    Ok(())
}
