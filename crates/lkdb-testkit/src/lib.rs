//! For tests only: a gdb stub that does as it is told, and small ELF files and BTF made to order.
//!
//! Depends on nothing of ours, so that what is tested is never tested against itself.

pub mod btf;
pub mod elf;
pub mod stub;
