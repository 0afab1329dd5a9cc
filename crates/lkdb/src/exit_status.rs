//! The exit statuses of commands that run something in a guest, and the words that go with them.
//!
//! A command in the guest can return the same numbers, so the reason is always said as well. 125 is what
//! `git bisect run` takes for "skip this one".

use serde::Serialize;

use crate::output::Status;

/// Why a guest command has no exit status of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NoStatus {
    /// `--timeout` came first.
    Timeout,
    /// The machine could not be started, or did not come up in time.
    NotStarted,
    /// The guest's kernel panicked.
    Panic,
    /// The machine ended under the command.
    MachineEnded,
}

impl NoStatus {
    /// The number that this process ends with.
    pub(crate) fn status(&self) -> Status {
        Status(match self {
            Self::Timeout => 124,
            Self::NotStarted => 125,
            Self::Panic => 126,
            Self::MachineEnded => 1,
        })
    }
}
