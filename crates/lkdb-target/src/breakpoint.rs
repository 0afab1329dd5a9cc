//! Breakpoints as the stub knows them: `Z` and `z` packets. What they are for is not known here.

use lkdb_base::RuntimeAddr;

use crate::error::Result;
use crate::stub::Stub;

/// The kinds of the `Z` packet. Under TCG the first two are alike: QEMU compares the program counter,
/// patches nothing, and needs no memory to be mapped at the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// One `Z` packet's worth: where the stub is to stop a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// Where.
    pub address: RuntimeAddr,
    /// Which kind.
    pub kind: BreakpointKind,
    /// The watched bytes, or 1 for a breakpoint on x86.
    pub length: u64,
}

impl Site {
    /// For code.
    #[must_use]
    pub fn code(address: RuntimeAddr) -> Self {
        Self { address, kind: BreakpointKind::Software, length: 1 }
    }

    /// Whether it stops a CPU by its program counter.
    #[must_use]
    pub fn is_code(self) -> bool {
        matches!(self.kind, BreakpointKind::Software | BreakpointKind::Hardware)
    }

    fn request(&self, letter: char) -> String {
        format!("{letter}{},{:x},{:x}", self.kind.digit(), self.address.0, self.length)
    }
}

impl Stub {
    /// Sets a breakpoint. `length` is the watched bytes, or 1 for a breakpoint on x86.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) where the stub has no more of that kind.
    pub fn insert(&mut self, kind: BreakpointKind, address: RuntimeAddr, length: u64) -> Result<()> {
        let site = Site { address, kind, length };
        self.ok(&site.request('Z'))?;
        self.inserted.push(site);
        Ok(())
    }

    /// Removes a breakpoint that was set with the same three values.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) where there is none.
    pub fn remove(&mut self, kind: BreakpointKind, address: RuntimeAddr, length: u64) -> Result<()> {
        let site = Site { address, kind, length };
        self.ok(&site.request('z'))?;
        if let Some(index) = self.inserted.iter().position(|one| *one == site) {
            self.inserted.swap_remove(index);
        }
        Ok(())
    }

    /// What the stub holds, as far as it was told by this connection.
    #[must_use]
    pub fn inserted(&self) -> &[Site] {
        &self.inserted
    }

    /// Removes every breakpoint, in one exchange.
    ///
    /// # Errors
    /// When the stub refuses one.
    pub fn remove_all(&mut self) -> Result<()> {
        let requests: Vec<_> = self.inserted.iter().map(|one| one.request('z')).collect();
        self.all_ok(&requests)?;
        self.inserted.clear();
        Ok(())
    }
}
