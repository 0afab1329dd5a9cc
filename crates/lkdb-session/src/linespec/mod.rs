//! Places in the code, as users name them: `FUNC`, `FILE:LINE`, `FILE:FUNC`, `LINE`, `+N`, `-N`, `*EXPR`, and
//! system calls by their plain names.
//!
//! Two readings, as in gdb: for a breakpoint a name means the code behind the prologue of a function and of
//! each of its inlined copies; for a listing it means lines.

mod parse;
pub(crate) mod resolve;
mod variable;

use std::rc::Rc;

use lkdb_base::{LinkAddr, RuntimeAddr};
use lkdb_symbols::{ObjectId, UnitId};

pub use parse::{Spec, parse};

/// What places are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A breakpoint.
    Code,
    /// `list`, `info line`.
    Lines,
}

/// A source file, as the compiler named it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct File {
    /// The object whose debug info names it.
    pub object: ObjectId,
    /// The unit that names it; a header has many, and which one was meant matters to `info source`.
    pub unit: Option<UnitId>,
    /// As gdb prints it: with the directory of the line table, relative to that of compilation.
    pub name: Rc<str>,
    /// `DW_AT_comp_dir`.
    pub directory: Option<Rc<str>>,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The object it is in.
    pub object: ObjectId,
    /// Its address; none for a line without code.
    pub address: Option<LinkAddr>,
    /// Where that runs; none when it is not in memory.
    pub runs_at: Option<RuntimeAddr>,
    /// The function it is in, or that was named.
    pub function: Option<Rc<str>>,
    /// The file; none without line information.
    pub file: Option<File>,
    /// The line; 0 without line information.
    pub line: u32,
    /// What the line's code is, for a place that was named by its line: where it begins and ends. None: no
    /// line of the file from there on has any.
    pub span: Option<(LinkAddr, LinkAddr)>,
    /// It was named by its line.
    pub by_line: bool,
}
