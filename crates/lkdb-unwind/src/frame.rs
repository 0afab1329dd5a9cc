//! One row of a call stack. Inlined calls within it are not told apart here.

use lkdb_base::RuntimeAddr;
use lkdb_symbols::{DwarfRegister, Gone};

use crate::registers::Registers;

/// Where a frame is in the code. Which of the two it is decides what its tables are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeAddress {
    /// The instruction to be executed next: of a stopped or interrupted frame.
    Instruction(RuntimeAddr),
    /// Where a call returns to.
    Return(RuntimeAddr),
}

impl CodeAddress {
    /// What users see as the frame's address.
    #[must_use]
    pub fn address(self) -> RuntimeAddr {
        match self {
            Self::Instruction(address) | Self::Return(address) => address,
        }
    }

    /// What lines, scopes and tables are asked for: an address within the call, since what is behind it may
    /// belong to another block, or to another function where the callee never returns.
    #[must_use]
    pub fn lookup(self) -> RuntimeAddr {
        match self {
            Self::Instruction(address) => address,
            Self::Return(address) => RuntimeAddr(address.0.wrapping_sub(1)),
        }
    }
}

/// How a frame was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is where the stack begins.
    Start,
    /// By a call of it, in the tables of this source.
    Called(Source),
    /// It was interrupted; its registers were saved here.
    Interrupted {
        /// Where.
        at: RuntimeAddr,
        /// All of them, not only those that the processor saves.
        full: bool,
    },
    /// Not on the stack: it has left by a jump to the function of the frame before, as call sites tell. Its
    /// registers are those of its caller.
    Jumped,
    /// A guess: by the frame pointer, or by what the stack pointer points to.
    Guessed,
}

/// Which tables told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// ORC: few registers.
    Orc,
    /// DWARF's call frame information.
    Cfi,
    /// The frame's place by ORC, registers by DWARF.
    Both,
}

/// A frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Where it is in the code.
    pub pc: CodeAddress,
    /// Its registers, as far as they are known.
    pub registers: Registers,
    /// Its canonical frame address; none where it has none or it is not known.
    pub cfa: Option<RuntimeAddr>,
    /// How it was found.
    pub found: Found,
    /// It is in a jump or return thunk, which is no function of the source.
    pub thunk: bool,
}

impl Frame {
    /// It is not on the stack: it was left by a jump.
    #[must_use]
    pub fn jumped(&self) -> bool {
        self.found == Found::Jumped
    }

    /// A register's value.
    ///
    /// # Errors
    /// [`Gone::Clobbered`] when functions it called may have changed it.
    pub fn register(&self, register: DwarfRegister) -> Result<u64, Gone> {
        self.registers.get(register.0).ok_or(Gone::Clobbered(register))
    }
}
