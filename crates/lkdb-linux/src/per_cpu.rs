//! Per-CPU variables: one copy a CPU, `__per_cpu_offset[CPU]` behind the variable's own address
//! (include/asm-generic/percpu.h).

use lkdb_base::RuntimeAddr;
use lkdb_symbols::Place;
use lkdb_value::{Context, Error, Named};

/// More CPUs than any kernel is built for (`NR_CPUS`).
const MOST: u64 = 8192;

/// A CPU's copies of the per-CPU variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// Linux's number of the CPU, from 0.
    pub cpu: u64,
    offset: u64,
}

impl Area {
    /// The area of the CPU whose registers hold one of these numbers: the kernel keeps its offset in one, and
    /// which one that is changes in entry code. None when there is no such area: the CPU is not in Linux yet.
    ///
    /// # Errors
    /// When the kernel's memory cannot be read.
    pub fn of(context: &dyn Context, bases: &[u64]) -> Result<Option<Self>, Error> {
        let offsets = match variable(context, "__per_cpu_offset") {
            Ok(offsets) => offsets,
            // Built for one CPU: its variables are where their symbols are.
            Err(Error::NoSymbol(_)) => return Ok(Some(Self { cpu: 0, offset: 0 })),
            Err(error) => return Err(error),
        };
        for cpu in 0..cpus(context)? {
            let offset = context.memory().read_u64(offsets.offset(cpu * 8))?;
            if bases.contains(&offset) {
                return Ok(Some(Self { cpu, offset }));
            }
        }
        Ok(None)
    }

    /// This CPU's copy of what is at an address of the per-CPU section.
    #[must_use]
    pub fn copy_of(&self, address: RuntimeAddr) -> RuntimeAddr {
        RuntimeAddr(address.0.wrapping_add(self.offset))
    }
}

/// How many CPUs there can be. Kernels built for a fixed number have no variable for it.
fn cpus(context: &dyn Context) -> Result<u64, Error> {
    match variable(context, "nr_cpu_ids") {
        Ok(at) => {
            let mut bytes = [0; 4];
            context.memory().read(at, &mut bytes)?;
            Ok(u64::from(u32::from_le_bytes(bytes)).min(MOST))
        }
        Err(Error::NoSymbol(_)) => Ok(MOST),
        Err(error) => Err(error),
    }
}

/// Where a variable of the kernel's is.
pub(crate) fn variable(context: &dyn Context, name: &str) -> Result<RuntimeAddr, Error> {
    match context.global(name)? {
        Named::Variable(_, Place::Memory(address)) | Named::Bare { address, code: false, .. } => Ok(address),
        _ => Err(Error::NoSymbol(name.to_owned())),
    }
}
