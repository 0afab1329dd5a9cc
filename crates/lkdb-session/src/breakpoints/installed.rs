//! What the stub was told.

use std::collections::BTreeSet;

use lkdb_base::RuntimeAddr;
use lkdb_target::{BreakpointKind, Error, Stub};

/// A kind of breakpoint, ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SiteKind {
    /// `Z0`.
    Software,
    /// `Z1`.
    Hardware,
    /// `Z2`.
    WriteWatch,
    /// `Z3`.
    ReadWatch,
    /// `Z4`.
    AccessWatch,
}

impl From<BreakpointKind> for SiteKind {
    fn from(kind: BreakpointKind) -> Self {
        match kind {
            BreakpointKind::Software => Self::Software,
            BreakpointKind::Hardware => Self::Hardware,
            BreakpointKind::WriteWatch => Self::WriteWatch,
            BreakpointKind::ReadWatch => Self::ReadWatch,
            BreakpointKind::AccessWatch => Self::AccessWatch,
        }
    }
}

impl From<SiteKind> for BreakpointKind {
    fn from(kind: SiteKind) -> Self {
        match kind {
            SiteKind::Software => Self::Software,
            SiteKind::Hardware => Self::Hardware,
            SiteKind::WriteWatch => Self::WriteWatch,
            SiteKind::ReadWatch => Self::ReadWatch,
            SiteKind::AccessWatch => Self::AccessWatch,
        }
    }
}

/// One `Z` packet's worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// Where.
    pub address: RuntimeAddr,
    /// Which kind.
    pub kind: SiteKind,
    /// How many bytes.
    pub length: u64,
}

impl Site {
    /// For code.
    #[must_use]
    pub fn code(address: RuntimeAddr) -> Self {
        Self { address, kind: SiteKind::Software, length: 1 }
    }

    /// Whether it stops a CPU by its program counter.
    #[must_use]
    pub fn is_code(self) -> bool {
        matches!(self.kind, SiteKind::Software | SiteKind::Hardware)
    }
}

/// The sites that the stub holds.
#[derive(Debug, Default)]
pub struct Installed {
    sites: BTreeSet<Site>,
}

impl Installed {
    /// Makes the stub hold `wanted` and nothing else. What is refused is returned with the reason; the
    /// others are in.
    ///
    /// # Errors
    /// When the connection fails; what the stub holds is then as recorded here.
    pub fn settle(&mut self, wanted: &BTreeSet<Site>, stub: &mut Stub) -> Result<Vec<(Site, Error)>, Error> {
        let gone: Vec<Site> = self.sites.difference(wanted).copied().collect();
        for site in gone {
            stub.remove(site.kind.into(), site.address, site.length)?;
            self.sites.remove(&site);
        }
        let new: Vec<Site> = wanted.difference(&self.sites).copied().collect();
        let mut refused = Vec::new();
        for site in new {
            match stub.insert(site.kind.into(), site.address, site.length) {
                Ok(()) => drop(self.sites.insert(site)),
                Err(error @ (Error::Refused { .. } | Error::Unsupported(_))) => refused.push((site, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    /// Takes the code breakpoints at some addresses out, to step past them; [`Installed::settle`] puts them
    /// back.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn lift(&mut self, addresses: &[RuntimeAddr], stub: &mut Stub) -> Result<(), Error> {
        let lifted = |site: &&Site| site.is_code() && addresses.contains(&site.address);
        let sites: Vec<Site> = self.sites.iter().filter(lifted).copied().collect();
        for site in sites {
            stub.remove(site.kind.into(), site.address, site.length)?;
            self.sites.remove(&site);
        }
        Ok(())
    }

    /// Whether an instruction at `address` stops a CPU before it runs.
    #[must_use]
    pub fn stops_at(&self, address: RuntimeAddr) -> bool {
        let from = Site { address, kind: SiteKind::Software, length: 0 };
        self.sites.range(from..).take_while(|site| site.address == address).any(|site| site.is_code())
    }

    /// The stub holds nothing any more: the machine reset, or the connection is another.
    pub fn forget(&mut self) {
        self.sites.clear();
    }
}
