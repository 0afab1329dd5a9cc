//! Breakpoints as the stub knows them: `Z` and `z` packets. What they are for is not known here.

use lkdb_base::RuntimeAddr;

use crate::error::Result;
use crate::stub::Stub;

/// The kinds of the `Z` packet. Under TCG the first two are alike: QEMU compares the program counter,
/// patches nothing, and needs no memory to be mapped at the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakpointKind {
    /// `Z0`: under KVM patched into memory, which must be there.
    Software,
    /// `Z1`: under KVM a debug register, of which there are four.
    Hardware,
    /// `Z2`: stops when the bytes are written.
    WriteWatch,
    /// `Z3`: stops when the bytes are read.
    ReadWatch,
    /// `Z4`: stops on both.
    AccessWatch,
}

impl BreakpointKind {
    fn digit(self) -> u8 {
        match self {
            Self::Software => 0,
            Self::Hardware => 1,
            Self::WriteWatch => 2,
            Self::ReadWatch => 3,
            Self::AccessWatch => 4,
        }
    }
}

impl Stub {
    /// Sets a breakpoint. `length` is the watched bytes, or 1 for a breakpoint on x86.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) where the stub has no more of that kind.
    pub fn insert(&mut self, kind: BreakpointKind, address: RuntimeAddr, length: u64) -> Result<()> {
        self.ok(&format!("Z{},{:x},{length:x}", kind.digit(), address.0))
    }

    /// Removes a breakpoint that was set with the same three values.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) where there is none.
    pub fn remove(&mut self, kind: BreakpointKind, address: RuntimeAddr, length: u64) -> Result<()> {
        self.ok(&format!("z{},{:x},{length:x}", kind.digit(), address.0))
    }
}
