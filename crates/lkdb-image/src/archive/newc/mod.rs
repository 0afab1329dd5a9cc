//! newc, the cpio format that Linux unpacks as its first root file system.
//!
//! An archive is a row of records: a header of 110 ASCII bytes, the name with a NUL byte at its end,
//! zero bytes up to a multiple of 4 from the start of the archive, the content, zero bytes likewise.
//! The header is the magic `070701` and thirteen numbers of eight hexadecimal digits: inode, mode, uid,
//! gid, links, mtime, file size, device major and minor, the major and minor of a device file, name
//! size (with its NUL), checksum. `070702` is the same with the checksum in use: the sum of the
//! content's bytes, modulo 2^32. The last record is named `TRAILER!!!`. A symbolic link's content is
//! where it points. Hard links are records with one inode and device, a link count above 1, and the
//! content at the last of them (GNU cpio's custom; the kernel takes it at any).
//!
//! Sources: Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c in the
//! kernel tree; cpio(5). The older formats (binary, and "odc" with `070707`) are recognised only to be
//! refused by name, as the kernel does.

mod read;
mod write;

pub use read::{Problem, ReadError, Reader, Record};
pub use write::{WriteError, write_tree};

/// Bytes in a header.
pub const HEADER_SIZE: usize = 110;
/// The name of the record that ends an archive.
pub const TRAILER: &[u8] = b"TRAILER!!!";
/// The kernel skips records with longer names (PATH_MAX, with the NUL).
pub const MAX_NAME: usize = 4096;
/// Archives are padded to a multiple of this, as cpio's default block.
pub const BLOCK: u64 = 512;

/// Mask and values of the file type in a mode (inode(7)).
pub mod file_type {
    /// The mask.
    pub const MASK: u32 = 0o170_000;
    /// Socket.
    pub const SOCKET: u32 = 0o140_000;
    /// Symbolic link.
    pub const SYMLINK: u32 = 0o120_000;
    /// Regular file.
    pub const FILE: u32 = 0o100_000;
    /// Block device.
    pub const BLOCK: u32 = 0o060_000;
    /// Directory.
    pub const DIR: u32 = 0o040_000;
    /// Character device.
    pub const CHAR: u32 = 0o020_000;
    /// Named pipe.
    pub const FIFO: u32 = 0o010_000;
}

/// The numbers of a header, in the order they stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Inode number; what hard links share.
    pub ino: u32,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names the file has.
    pub nlink: u32,
    /// Modification time, seconds since 1970.
    pub mtime: u32,
    /// Bytes of content in this record.
    pub size: u32,
    /// Major and minor number of the device the file lay on.
    pub device: (u32, u32),
    /// Major and minor number of the device that the file is.
    pub rdev: (u32, u32),
    /// Bytes of the name, with its NUL.
    pub name_size: u32,
    /// Sum of the content's bytes in `070702` archives, else 0.
    pub check: u32,
}

/// How many zero bytes stand behind `offset` up to the next multiple of `to`.
fn padding(offset: u64, to: u64) -> u64 {
    (to - offset % to) % to
}
