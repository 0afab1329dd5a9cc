//! QEMU as lkdb runs it: the command line, the supervisor, QMP, consoles, the state directory.
//!
//! A machine is one QEMU process with a supervisor as its parent (see [`supervisor`]). Front ends
//! reach it through [`Machine`], which speaks the protocol of [`control`]. What is inside the guest's
//! memory is not known here.

pub mod agent;
mod client;
pub mod control;
pub mod guardian;
pub mod host;
mod qmp;
pub mod ram;
pub mod spec;
pub mod state;
pub mod supervisor;

pub use client::{Console, Machine, StubLease, Watch};
pub use control::{Ended, RunState, Status};
pub use spec::{AgentPort, MachineSpec, Share};
pub use state::{StateDir, StateRoot};

use std::io;
use std::path::PathBuf;

/// Why a machine could not be started, reached or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or socket of the state directory failed.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// How it failed.
        source: io::Error,
    },
    /// The name cannot be a machine's name.
    #[error("`{0}` cannot be a machine's name: use letters, digits, `-`, `_` and `.`, at most 64 of them")]
    Name(String),
    /// A machine of that name runs.
    #[error("a machine named `{0}` runs already; `lkdb stop {0}` ends it, `--name NAME` starts another")]
    NameInUse(String),
    /// No machine of that name runs.
    #[error("no machine named `{0}` runs; `lkdb ls` lists those that do")]
    NoSuchMachine(String),
    /// No name was given, and there is not just one machine.
    #[error("{0} machines run ({1}); say which with `--machine NAME`")]
    WhichMachine(usize, String),
    /// No machine at all.
    #[error("no machine runs; `lkdb boot` starts one")]
    NoMachine,
    /// QEMU ended before the machine was up.
    #[error("QEMU could not start the machine: {0}")]
    Qemu(String),
    /// The supervisor went away or answered nonsense.
    #[error("the supervisor of `{name}` {what}")]
    Supervisor {
        /// The machine's name.
        name: String,
        /// What it did.
        what: String,
    },
    /// The supervisor refused, in its own words.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
