//! What the kernel's names mean: ELF, DWARF, BTF, kallsyms and System.map behind one answer.
//!
//! Works on bytes it is handed (the caller maps the file) and parses nothing nobody asked for: a name or
//! an address is found without a look at DWARF, in milliseconds on a vmlinux of hundreds of megabytes.

pub mod btf;
pub mod dwarf;
pub mod elf;
pub mod index;
pub mod names;
pub mod object;
pub mod place;
mod relocate;
mod relocation;
mod start;
mod store;
pub mod symbols;
mod symtab;
pub mod system_map;
mod table;
mod tail;
pub mod types;

pub use btf::Btf;
pub use dwarf::{DieRef, Dwarf, UnitId};
pub use elf::{Elf, Error, Section, Segment};
pub use object::{Moved, Object, Placement, Symbolic};
pub use place::{DwarfRegister, Gone, Piece, Place};
pub use relocation::{Layout, Rela, RelaSymbol};
pub use start::Start;
pub use store::Store;
pub use symbols::{Located, OtherDefinition, Symbols};
pub use symtab::{MinimalSymbols, RawSymbols};
pub use system_map::SystemMap;
pub use table::{Nearest, Symbol, SymbolKind, SymbolTable};
pub use types::{ObjectId, TypeError, TypeId, TypeSource};
