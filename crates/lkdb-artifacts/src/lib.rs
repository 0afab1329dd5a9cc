//! Getting kernels, sources, debug files and BusyBox, and keeping them in the cache.
//!
//! Runs the distribution's package tools, `make`, and a debuginfod client; knows the cache's layout.
//! Reads no boot images (lkdb-image does), starts no machine, prints nothing: progress goes to the
//! caller's [`Progress`].

mod apt;
pub mod build;
pub mod busybox;
mod cache;
pub mod config;
pub mod debuginfod;
pub mod disk;
mod elf;
mod error;
mod fetch;
mod headers;
mod kconfig;
mod kernel_set;
mod make;
mod progress;
mod release;
#[cfg(test)]
mod robust;
mod run;
mod source;
pub mod tools;
mod tree;
mod unpack;
pub mod version;

pub use cache::Cache;
pub use error::Error;
pub use fetch::{FetchOptions, FetchReport, fetch};
pub use kernel_set::KernelSet;
pub use progress::{Progress, Silent};

/// What every fallible call of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;
