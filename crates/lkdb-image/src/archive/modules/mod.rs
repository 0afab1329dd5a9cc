//! Kernel modules: what a module file says of itself, what its tree says of it, and in which order
//! modules must be loaded.
//!
//! A tree is `/lib/modules/RELEASE` with depmod's text files in it, or, where nobody ran depmod (a
//! package that was only unpacked, a build tree), just the module files.

mod closure;
mod index;
mod info;

pub use closure::{Loading, Step};
pub use index::{Index, Module, WhatIs};
pub use info::{InfoError, ModuleInfo};

use crate::compress::Compression;

/// The name of the module in a file, as the kernel has it (`virtio_console` for
/// `…/virtio-console.ko.xz`); `None` if that is no module file's name.
#[must_use]
pub fn name_of_file(path: &str) -> Option<String> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let (stem, compression) = file.rsplit_once(".ko")?;
    let known = compression.is_empty() || compression_of_file(path).is_some();
    (known && !stem.is_empty()).then(|| normal(stem))
}

/// What a module file is compressed with, by its name.
#[must_use]
pub fn compression_of_file(path: &str) -> Option<Compression> {
    match path.rsplit_once(".ko")?.1 {
        ".gz" => Some(Compression::Gzip),
        ".xz" => Some(Compression::Xz),
        ".zst" => Some(Compression::Zstd),
        _ => None,
    }
}

/// A module's name as the kernel has it: the makefiles' `-` become `_`.
#[must_use]
pub fn normal(name: &str) -> String {
    name.replace('-', "_")
}
