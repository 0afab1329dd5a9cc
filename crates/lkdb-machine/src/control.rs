//! What a front end and a supervisor say to each other.
//!
//! The supervisor listens on `control.sock` in the machine's state directory, a Unix stream socket
//! that only the user can reach. A connection carries one request: a line of JSON. The supervisor
//! answers with a line of JSON, a [`Reply`]; what follows depends on the request:
//!
//! - `Status`, `Qmp`, `Stop`: nothing, the connection ends. (`Stop` answers when QEMU is gone.)
//! - `Watch`: a [`Status`] line at once and after each change, until the machine has ended. With
//!   `hold`, the machine belongs to this connection: when it closes, the machine is stopped, unless the
//!   client said [`KEEP`]. So a front end that dies, however it dies, leaves no machine behind.
//! - `Console`: raw bytes both ways: what the guest wrote (from `replay` on, the kept part of the
//!   past first), and what to type.
//! - `Exec`: `lkdb_agent` frames both ways, on channel 1; the supervisor renumbers channels, so
//!   that any number of clients share the one port.
//! - `Stub`: the reply carries a descriptor (SCM_RIGHTS) connected to QEMU's gdb stub, and the lease
//!   lasts as long as the connection. A client that says [`KEEP`] before it ends leaves the
//!   guest as it is; otherwise the supervisor, which kept a duplicate, removes every breakpoint and
//!   lets the guest run, since a stub connection dropped on a running guest leaves its breakpoints
//!   in, and the next hit would stop the guest for good.
//!
//! - `Ram`: the data is a list of [`RamPiece`], and the reply carries the descriptors of the files they lie in,
//!   in order. Asking neither stops the guest nor takes the stub: whoever only looks needs no more.
//!
//! A request line is at most [`REQUEST_MAX`] bytes. Both ends are the same program, so there is no
//! version; unknown requests are refused.

use serde::{Deserialize, Serialize};

/// The socket's name in the state directory.
pub const SOCKET: &str = "control.sock";
/// The longest request line: a command line of the guest and its environment fit.
pub const REQUEST_MAX: u64 = 4 << 20;
/// Guest RAM is in at most this many files: one, or one for each NUMA node.
pub const RAM_FILES_MAX: usize = 16;
/// Said by a client that lets go and wants the machine left as it is: running, or stopped.
pub const KEEP: u8 = b'k';
/// The channel of an exec connection, as its client sees it.
pub const EXEC_CHANNEL: u32 = 1;

/// What a client asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How the machine is.
    Status,
    /// How the machine is, again at each change.
    Watch {
        /// Stop the machine when this connection ends.
        hold: bool,
    },
    /// The guest's console.
    Console {
        /// Begin with what is kept of the past.
        replay: bool,
        /// Let the guest wait rather than lose output when this client is slow.
        lossless: bool,
    },
    /// A channel to the guest's agent.
    Exec,
    /// The gdb stub.
    Stub,
    /// The files that hold guest RAM.
    Ram,
    /// A QMP command.
    Qmp {
        /// Its name.
        execute: String,
        /// Its arguments, or null.
        arguments: serde_json::Value,
    },
    /// End QEMU.
    Stop,
}

/// The first line that comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Granted; `data` depends on the request.
    Ok(serde_json::Value),
    /// Refused: why.
    Error(String),
}

/// A piece of guest-physical memory and where it lies in a file.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct RamPiece {
    /// Its first byte, as the guest counts.
    pub physical: u64,
    /// How many bytes.
    pub size: u64,
    /// Which of the descriptors.
    pub file: usize,
    /// Where in that file.
    pub offset: u64,
}

/// How a machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Whether its processors run.
    pub state: RunState,
    /// The kernel's release, as far as known.
    pub release: Option<String>,
    /// The image that was booted.
    pub kernel: std::path::PathBuf,
    /// The vmlinux that goes with it.
    pub vmlinux: Option<std::path::PathBuf>,
    /// `tcg` or `kvm`.
    pub accel: String,
    /// Processors.
    pub smp: u32,
    /// RAM in bytes.
    pub memory: u64,
    /// QEMU's process.
    pub qemu_pid: u32,
    /// The supervisor's process.
    pub supervisor_pid: u32,
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// Bytes the guest wrote to its console so far.
    pub console_bytes: u64,
    /// What the guest's agent said of itself, once it has.
    pub agent: Option<String>,
    /// The guest's last words, if it panicked.
    pub panic: Option<String>,
    /// How often the guest has reset.
    pub resets: u32,
    /// Who has the gdb stub, if anybody.
    pub debugger: Option<u32>,
}

/// Whether a machine's processors run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// They have not run yet.
    Frozen,
    /// They run.
    Running,
    /// They are stopped, by a debugger or by QMP.
    Paused,
    /// QEMU is gone.
    Ended(Ended),
}

/// Why QEMU is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The guest powered itself off.
    GuestShutdown,
    /// The guest reset, on a machine that ends at a reset.
    GuestReset,
    /// A client asked for it.
    Stopped,
    /// Somebody killed QEMU: the signal's number.
    Killed(i32),
    /// QEMU gave up: its exit status and what it said.
    Failed(Option<i32>, String),
}

impl std::fmt::Display for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frozen => f.write_str("frozen"),
            Self::Running => f.write_str("running"),
            Self::Paused => f.write_str("paused"),
            Self::Ended(ended) => ended.fmt(f),
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GuestShutdown => f.write_str("the guest powered off"),
            Self::GuestReset => f.write_str("the guest reset"),
            Self::Stopped => f.write_str("it was stopped"),
            Self::Killed(signal) => write!(f, "QEMU was killed by signal {signal}"),
            Self::Failed(status, said) => {
                f.write_str("QEMU gave up")?;
                if let Some(status) = status {
                    write!(f, " with status {status}")?;
                }
                match said.trim() {
                    "" => Ok(()),
                    said => write!(f, ": {said}"),
                }
            }
        }
    }
}
