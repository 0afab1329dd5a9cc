//! What the kernel's names mean: so far the ELF symbol table, `System.map`, sections and build IDs.
//!
//! Works on bytes it is handed (the caller maps the file) and parses nothing nobody asked for: a name or
//! an address is found without a look at DWARF, in milliseconds on a vmlinux of hundreds of megabytes.

pub mod elf;
pub mod system_map;
mod table;

pub use elf::{Elf, Error, Section, Segment};
pub use system_map::SystemMap;
pub use table::{Nearest, Symbol, SymbolKind, SymbolTable};
