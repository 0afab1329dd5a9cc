//! What one move of the target came to.

use lkdb_base::RuntimeAddr;
use lkdb_target::{Stop, Thread};

use super::{Move, TRAP};

/// Why the stub says that the target stands still. What it means is the session's to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A CPU came to a breakpoint, or did its step: the stub does not say which.
    Trap,
    /// A CPU touched watched data at this address.
    Watch(RuntimeAddr),
    /// It was interrupted, by us or by another hand (QMP's `stop`).
    Interrupt,
    /// The machine is gone.
    Gone,
}

/// Where the target stands after a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// Why.
    pub cause: Cause,
    /// The CPU that the stub names.
    pub cpu: Thread,
    /// Where each CPU stands.
    pub cpus: Vec<(Thread, RuntimeAddr)>,
    /// The user asked for it.
    pub wanted: bool,
}

impl Landing {
    pub(super) fn new(how: Move, stop: &Stop, cpus: &[(Thread, RuntimeAddr)], wanted: bool) -> Self {
        let asked = match how {
            Move::Step { cpu, .. } => Some(cpu),
            Move::Run => None,
        };
        let first = cpus.first().map_or(Thread(1), |(cpu, _)| *cpu);
        let (cause, named) = match stop {
            Stop::Signal { watch: Some(address), thread, .. } => {
                (Cause::Watch(RuntimeAddr(*address)), *thread)
            }
            Stop::Signal { signal: TRAP, thread, .. } => (Cause::Trap, *thread),
            Stop::Signal { thread, .. } => (Cause::Interrupt, *thread),
            Stop::Exited(_) | Stop::Killed(_) => (Cause::Gone, None),
        };
        Self { cause, cpu: named.or(asked).unwrap_or(first), cpus: cpus.to_vec(), wanted }
    }

    /// Where the CPU stands that the stub names.
    #[must_use]
    pub fn pc(&self) -> Option<RuntimeAddr> {
        self.cpus.iter().find(|(cpu, _)| *cpu == self.cpu).map(|(_, pc)| *pc)
    }
}
