//! Why the machine stands still.

use lkdb_target::Thread;
use serde::Serialize;

use crate::breakpoints::Touched;

/// Why the machine stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// A CPU came to breakpoints.
    Breakpoint {
        /// The CPU, counted from 0.
        cpu: u64,
        /// Their numbers, and those of their locations.
        numbers: Vec<(u32, u32)>,
        /// Those of them that have other locations, too.
        #[serde(skip)]
        several: Vec<u32>,
        /// Those of them that are gone now, being temporary.
        deleted: Vec<u32>,
        /// Those of them whose condition has no value, and why.
        failed: Vec<(u32, String)>,
    },
    /// A CPU touched watched data.
    Watchpoint {
        /// The CPU, counted from 0.
        cpu: u64,
        /// The watchpoints.
        touched: Vec<Touched>,
        /// The address that was touched.
        address: u64,
        /// Those of them whose condition has no value, and why.
        failed: Vec<(u32, String)>,
    },
    /// The frame has returned whose locals were watched.
    ScopeEnded {
        /// The CPU, counted from 0.
        cpu: u64,
        /// The watchpoints that are gone with it.
        numbers: Vec<u32>,
    },
    /// A command that moves is done: a step, a return.
    Done {
        /// The CPU, counted from 0: a task may have gone on at another.
        cpu: u64,
    },
    /// The user interrupted it, or another hand did (QMP).
    Interrupted {
        /// The CPU, counted from 0.
        cpu: u64,
    },
    /// It reset while a command waited for something of the kernel that ran before.
    Reset,
    /// It is gone.
    Gone {
        /// What became of it, where somebody knows.
        why: Option<String>,
    },
}

impl Stop {
    /// Whether the command that moved the machine came to its end; else something else stopped it first.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }

    /// The CPU that it is about.
    #[must_use]
    pub fn cpu(&self) -> Option<Thread> {
        match self {
            Self::Breakpoint { cpu, .. }
            | Self::Watchpoint { cpu, .. }
            | Self::ScopeEnded { cpu, .. }
            | Self::Done { cpu }
            | Self::Interrupted { cpu } => Some(Thread(cpu + 1)),
            Self::Reset | Self::Gone { .. } => None,
        }
    }
}
