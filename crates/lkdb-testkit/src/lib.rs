//! For tests only: a gdb stub that does as it is told, and small ELF files made to order.
//!
//! Depends on nothing of ours, so that what is tested is never tested against itself.

pub mod elf;
pub mod stub;
