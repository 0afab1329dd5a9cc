//! End to end: the program as users run it, on a real kernel in a real QEMU. One binary, a module a
//! paragraph of what lkdb promises.
//!
//! `cargo xtask test` installs what these need and fetches the kernel. Nothing is skipped silently: slow
//! ones say so and run under `--slow`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "all of this is tests")]

mod attach;
mod bisect;
mod boot;
mod busybox;
mod changing;
mod code;
mod differential;
mod displays;
mod dump;
mod fixture;
mod gdb;
mod images;
mod initramfs;
mod kernel_build;
mod kernels;
mod lifecycle;
mod load;
mod module;
mod prompt;
mod readme;
mod stacks;
mod stepping;
mod stops;
mod trouble;
mod walks;
