//! Boot files: kernel images (identified, unpacked, described) and newc archives.
//!
//! No I/O here: callers map or read files and hand in the bytes.

pub mod archive;
pub mod compress;
pub mod config;
pub mod kernel;
