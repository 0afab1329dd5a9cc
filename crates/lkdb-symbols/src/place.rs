//! Where a value is: in memory, in registers, in pieces, nowhere in particular, or gone and why.
//!
//! What evaluating a location description gives (DWARF 5, section 2.6). The evaluation is
//! `lkdb-unwind`'s, since it needs a frame; reading what is there is `lkdb-value`'s.

use std::rc::Rc;
use std::sync::Arc;

use lkdb_base::RuntimeAddr;

/// A register by its DWARF number of the architecture: 7 is rsp on x86-64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DwarfRegister(pub u16);

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In memory from this address on.
    Memory(RuntimeAddr),
    /// In a register of the frame it was asked for: its low bytes.
    Register(DwarfRegister),
    /// In a register in which nothing has been put yet (`DW_OP_GNU_uninit`).
    Unset(DwarfRegister),
    /// Nowhere: these bytes are the value (`DW_OP_stack_value`, `DW_OP_implicit_value`, constants).
    Literal(Rc<[u8]>),
    /// The variable is a pointer that was optimised away, but what it points to is known
    /// (`DW_OP_implicit_pointer`): that thing's place, and the offset into it.
    Implicit(Box<Place>, i64),
    /// In parts, in the order of the value's bytes.
    Pieces(Rc<[Piece]>),
    /// Not there, and why.
    Gone(Gone),
}

/// A part of a value (`DW_OP_piece`, `DW_OP_bit_piece`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// How many bits of the value it is.
    pub bits: u64,
    /// How many bits into `place` it starts.
    pub bit_offset: u64,
    /// Where it is.
    pub place: Place,
}

/// Why a value is not there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gone {
    /// The compiler describes no place for it at all.
    OptimizedOut,
    /// It has places, but none at this address.
    NotHere,
    /// Its address is only its symbol's, and the file has no symbol of this name.
    NoSymbol(Arc<str>),
    /// It depends on a register that this frame's callees may have overwritten, which nobody saved.
    Clobbered(DwarfRegister),
    /// It is what a parameter was at the function's entry, and the call site does not tell.
    EntryValue(DwarfRegister),
    /// It is in a file alone, where there are no registers.
    NoFrame,
    /// Memory that its description goes through cannot be read.
    Unreadable(RuntimeAddr),
    /// The description is damaged, or uses what lkdb does not know: how it says so.
    Description(Arc<str>),
}
