//! The readers of symbols over whole files.

mod dwarf;
mod elf;
