//! Writes planned archives: compressed while they are read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
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
