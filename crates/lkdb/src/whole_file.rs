//! Files that appear whole or not at all: written under a temporary name beside their own, and renamed.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Makes `path` with what `fill` writes; it appears whole or not at all. Gives its length.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut File) -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let failed = || format!("cannot write {}", path.display());
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    if !directory.is_dir() {
        bail!("cannot write {}: {} is no directory", path.display(), directory.display());
    }
    let mut temporary = tempfile::Builder::new()
        .prefix(".lkdb-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)
        .with_context(failed)?;
    fill(temporary.as_file_mut()).with_context(failed)?;
    let length = temporary.as_file().metadata().with_context(failed)?.len();
    temporary.persist(path).map_err(|error| error.error).with_context(failed)?;
    Ok(length)
}
