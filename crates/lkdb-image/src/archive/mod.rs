//! initramfs archives: the newc format, the tree that goes into one, what lkdb's own root holds.
//!
//! No I/O: writers take `impl Write`, readers bytes, and a file's content is a [`Content`], so the
//! caller decides whether it lies in memory or on disk. Unpacking compressed streams is in
//! [`crate::compress`].
//!
//! # What Linux unpacks
//!
//! The kernel's buffer format (Documentation/driver-api/early-userspace/buffer-format.rst,
//! init/initramfs.c) is any number of *members*, one behind the other: each a newc archive, or newc
//! archives compressed as one stream, with zero bytes between them. Later files replace earlier ones.
//! [`parts`] reads that; [`newc`] reads and writes one archive; [`Tree`] is what one is written from.

pub mod busybox;
mod compressor;
pub mod list;
pub mod modules;
pub mod newc;
mod parts;
pub mod recipe;
#[cfg(test)]
mod tests;
mod tree;

pub use compressor::{Compressor, Packing};
pub use parts::{Part, Parts, PartsError, Records, append_padding};
pub use tree::{Content, Entry, Kind, Tree, TreeError};
