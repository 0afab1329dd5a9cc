//! Breakpoints: what the user asked for, where that is, and what the stub was told.
//!
//! Three things with three lives. A [`Breakpoint`] is an intention: it outlives the kernel's unpacking,
//! a reboot and a module's unloading. Its [`Location`]s are where it is now: they are found anew whenever
//! the kernel's place changes. What the stub was told last its client knows
//! ([`lkdb_target::Stub::inserted`]); before each resume it is made equal to what is [`Table::wanted`], by as
//! few packets as that takes.
//!
//! A condition is text that is evaluated anew at each hit, in the frame of the CPU that came by; a watchpoint's
//! expression likewise, so that it follows the pointers it goes through. Debug registers are counted here before
//! a stub is asked for more than there are.
//!
//! Names are resolved elsewhere ([`crate::linespec`]); running and stopping is [`crate::run`]'s.

mod condition;
mod resolve;
mod slots;
mod table;
mod watch;

pub(crate) use condition::Verdict;
pub use resolve::Wish;
pub use table::{NoBreakpoint, Table};
pub use watch::{Touched, Watched};

use lkdb_base::RuntimeAddr;
use serde::Serialize;

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breakpoint {
    /// Its number, from 1 on; never used again.
    pub number: u32,
    /// What stops the target.
    pub what: What,
    /// Deleted at its first stop.
    pub temporary: bool,
    /// Whether it stops the target at all.
    pub enabled: bool,
    /// How many hits to let pass.
    pub ignore: u64,
    /// How often it was hit, those let pass included.
    pub hits: u64,
    /// An expression that must be true.
    pub condition: Option<String>,
    /// The CPU, counted from 1, that alone is stopped.
    pub thread: Option<u64>,
    /// Where it is now; none while that is unknown.
    pub locations: Vec<Location>,
    /// Of a watchpoint: what is compared.
    #[serde(skip)]
    pub(crate) watched: Option<Watched>,
}

/// What stops the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Coming by an instruction.
    Code {
        /// Where, as typed: `start_kernel`, `fork.c:2700`, `*0xffffffff81000000`.
        spec: String,
        /// In a debug register, not by patching code (under TCG no difference).
        hardware: bool,
    },
    /// Touching data.
    Data {
        /// What, as typed: `jiffies`, `-location task->flags`.
        expression: String,
        /// Which touch.
        access: Access,
    },
}

/// Which touch of data stops the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// `watch`: a write that changes it.
    Write,
    /// `rwatch`.
    Read,
    /// `awatch`.
    ReadWrite,
}

/// One place of a breakpoint: a name may mean several (inlined copies, statics of one name).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Location {
    /// Its number within the breakpoint, from 1 on: `2.1`.
    pub number: u32,
    /// Whether this place stops the target.
    pub enabled: bool,
    /// Where it is in memory.
    #[serde(serialize_with = "hex")]
    pub address: RuntimeAddr,
    /// Bytes from there on: 1 for code, as x86 stubs want it.
    pub length: u64,
    /// The function there, with an inlined one as its own.
    pub function: Option<String>,
    /// The source file, as DWARF names it.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<u64>,
}

/// A place that a breakpoint was found at, before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is in memory.
    pub address: RuntimeAddr,
    /// Bytes from there on: 1 for code.
    pub length: u64,
    /// The function there.
    pub function: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<u64>,
}

impl Breakpoint {
    /// What the stub must do for this kind of breakpoint.
    #[must_use]
    pub fn kind(&self) -> lkdb_target::BreakpointKind {
        use lkdb_target::BreakpointKind as Kind;
        match &self.what {
            What::Code { hardware: false, .. } => Kind::Software,
            What::Code { hardware: true, .. } => Kind::Hardware,
            What::Data { access: Access::Write, .. } => Kind::WriteWatch,
            What::Data { access: Access::Read, .. } => Kind::ReadWatch,
            What::Data { access: Access::ReadWrite, .. } => Kind::AccessWatch,
        }
    }

    /// What the user typed for its place.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.what {
            What::Code { spec, .. } => spec,
            What::Data { expression, .. } => expression,
        }
    }

    /// Gives it new places. One that was there before keeps its being disabled.
    pub fn move_to(&mut self, found: Vec<Found>) {
        let disabled: Vec<_> =
            self.locations.iter().filter(|old| !old.enabled).map(Location::place).collect();
        let locate = |(number, found): (u32, Found)| Location {
            number,
            enabled: true,
            address: found.address,
            length: found.length,
            function: found.function,
            file: found.file,
            line: found.line,
        };
        self.locations = (1..).zip(found).map(locate).collect();
        for location in &mut self.locations {
            location.enabled = !disabled.contains(&location.place());
        }
    }
}

impl Location {
    /// What stays the same when the kernel moves.
    fn place(&self) -> (u32, Option<String>, Option<u64>) {
        (self.number, self.function.clone(), self.line)
    }
}

fn hex<S: serde::Serializer>(address: &RuntimeAddr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}
