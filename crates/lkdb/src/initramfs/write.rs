//! Writes planned archives to files: compressed while they are read, under a temporary name at first.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lkdb_image::archive::{Compressor, Packing, Tree, append_padding, newc};

use super::Source;

/// Writes the tree as an archive, compressed, into `out`.
pub(super) fn archive<W: Write>(tree: &Tree<Source>, packing: Packing, out: W) -> anyhow::Result<W> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let compressor = Compressor::new(packing, threads, out).context("cannot start the compressor")?;
    // Headers and small files in one piece; larger pieces go past this buffer.
    let buffered = BufWriter::with_capacity(128 << 10, compressor);
    let buffered = newc::write_tree(tree, buffered)?;
    let compressor = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(compressor.finish()?)
}

/// Makes `path` with what `fill` writes; it appears whole or not at all. Gives its length.
pub(super) fn whole_file(
    path: &Path,
    fill: impl FnOnce(&mut File) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
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

/// Copies the initramfs `base` to `out` and puts the tree behind it as an archive of its own, so that
/// the kernel unpacks it over what `base` has.
pub(super) fn appended(
    base: &Path,
    tree: &Tree<Source>,
    packing: Packing,
    out: &mut File,
) -> anyhow::Result<()> {
    let mut from = File::open(base).with_context(|| format!("cannot read {}", base.display()))?;
    let length = io::copy(&mut from, out)?;
    let padding = [0; 8];
    out.write_all(padding.get(..append_padding(length)).unwrap_or(&padding))?;
    archive(tree, packing, out)?;
    Ok(())
}
