//! How a stack ends.

use std::rc::Rc;

use lkdb_base::{RuntimeAddr, Unreadable};

use crate::registers::Registers;

/// How a stack ends: cleanly, or broken for a reason with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// At the user's registers, as far as they are known: what user space goes on with.
    UserRegisters(Box<Registers>),
    /// At the start of a kernel thread.
    KernelThread,
    /// Where a processor began.
    BootEntry,
    /// At code that its tables say has no caller.
    EndOfStack,
    /// Not at its end.
    Broken(Broken),
}

/// A stack that could not be followed to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the caller of {pc} is not known: {why}")]
pub struct Broken {
    /// Where the last frame is.
    pub pc: RuntimeAddr,
    /// What is in the way.
    pub why: Why,
}

/// What is in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// No table speaks of the code, and its frame pointer leads to no caller.
    #[error("nothing describes the stack there, and no frame pointer leads on")]
    NoRow,
    /// The frame address depends on a register that is not known.
    #[error("the frame address depends on `{0}`, which is not known there")]
    Register(&'static str),
    /// The caller's frame would be at a lower address of the same stack.
    #[error("the stack does not rise: from {from} to {to}")]
    NotRising {
        /// The stack pointer.
        from: RuntimeAddr,
        /// Where the frame would be.
        to: RuntimeAddr,
    },
    /// A frame beyond the stack it would be on.
    #[error("{0} is outside of the stack")]
    OutsideStack(RuntimeAddr),
    /// A stack pointer or frame address that no code makes.
    #[error("{0} is not a place of a frame: not aligned")]
    Misaligned(RuntimeAddr),
    /// Memory of the stack that cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// What should be a return address is no address of kernel code.
    #[error("the return address {value} at {at} is not in the kernel's code")]
    NotText {
        /// What is there instead.
        value: RuntimeAddr,
        /// Where.
        at: RuntimeAddr,
    },
    /// What should be a return address has no call before it.
    #[error("the return address {value} at {at} has no call before it")]
    NotBehindCall {
        /// What is there instead.
        value: RuntimeAddr,
        /// Where.
        at: RuntimeAddr,
    },
    /// A tracer keeps the return address elsewhere.
    #[error("the return address at {at} was replaced by the tracer's `{by}`")]
    ReturnHooked {
        /// The tracer's trampoline.
        by: Rc<str>,
        /// Where the return address was.
        at: RuntimeAddr,
    },
    /// What should be saved registers cannot be such.
    #[error("there are no saved registers at {0}")]
    SavedRegisters(RuntimeAddr),
    /// The same frame a second time.
    #[error("the frame at {0} comes again")]
    Repeated(RuntimeAddr),
    /// More frames than any stack has.
    #[error("there are more than {0} frames")]
    TooMany(usize),
    /// A rule of the tables that cannot be computed.
    #[error("its tables cannot be evaluated: {0}")]
    Expression(Rc<str>),
}
