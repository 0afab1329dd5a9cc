//! When QEMU was launched, and when its guest ran: told by QEMU itself, so that a debugger which starts its
//! own machine can be measured from outside.
//!
//! A program of QEMU's name, first on PATH, notes the clock and becomes QEMU with two of its trace events on:
//! each stop and each resumption that its stub knows of, with the time (`-msg timestamp=on`). It is this task
//! under another name, since a shell's start (and lkdb asking a script for its version each time, which it does
//! not of a program) would be counted as the debugger's.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};

const QEMU: &str = "qemu-system-x86_64";
/// What lies beside the witness: QEMU itself, and what is noted.
const REAL: &str = "real";
const LAUNCH: &str = "launch";
const EVENTS: &str = "events";

/// The program on PATH, and what it notes.
pub(super) struct Witness {
    dir: tempfile::TempDir,
}

/// The clock at the ends of each part of a session, since 1970.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Times {
    launch: Duration,
    /// Each time the guest ran: from, until.
    runs: Vec<(Duration, Duration)>,
}

/// Where a session's time went, in seconds.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Parts {
    /// From the debugger's start to QEMU's.
    pub(super) before: f64,
    /// From QEMU's start to the guest's first instruction.
    pub(super) starting: f64,
    /// The guest's own.
    pub(super) guest: f64,
    /// At stops on the way.
    pub(super) between: f64,
    /// From the last stop to the last answer.
    pub(super) after: f64,
}

impl Parts {
    /// What is the debugger's: all but the guest's own, and the time that QEMU needs to start.
    pub(super) fn own(self) -> f64 {
        self.before + self.between + self.after
    }
}

/// Under QEMU's name this program notes the clock and becomes QEMU; the error where it cannot. Nothing under its own.
pub(crate) fn as_qemu() -> Option<anyhow::Error> {
    let this = std::env::current_exe().ok()?;
    (this.file_name()? == QEMU).then(|| become_qemu(this.parent()?).err())?
}

fn become_qemu(dir: &Path) -> anyhow::Result<Infallible> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut qemu = Command::new(dir.join(REAL));
    qemu.args(&arguments);
    // A frozen machine, and not `--version`.
    if arguments.iter().any(|argument| argument == "-S") {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
        fs::write(dir.join(LAUNCH), now.as_secs_f64().to_string()).context("cannot note the launch")?;
        qemu.args(["-msg", "timestamp=on", "-trace", "gdbstub_hit_break", "-trace", "gdbstub_op_continue*"]);
        qemu.arg("-D").arg(dir.join(EVENTS));
    }
    Err(qemu.exec()).context("cannot become QEMU")
}

impl Witness {
    pub(super) fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a folder for a program")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let real = std::env::split_paths(&path).map(|dir| dir.join(QEMU)).find(|file| file.is_file());
        let real = real.with_context(|| format!("no {QEMU} on PATH"))?;
        let beside = || format!("cannot make a program in {}", dir.path().display());
        std::os::unix::fs::symlink(real, dir.path().join(REAL)).with_context(beside)?;
        let this = std::env::current_exe().context("cannot find this program")?;
        fs::copy(this, dir.path().join(QEMU)).with_context(beside)?;
        Ok(Self { dir })
    }

    /// Forgets the session before.
    pub(super) fn forget(&self) {
        // What is not there is forgotten.
        let _ = fs::remove_file(self.dir.path().join(EVENTS));
        let _ = fs::remove_file(self.dir.path().join(LAUNCH));
    }

    /// PATH for the debugger.
    pub(super) fn path(&self) -> anyhow::Result<OsString> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(PathBuf::from(self.dir.path())).chain(std::env::split_paths(&path));
        std::env::join_paths(all).context("a folder with a colon")
    }

    /// Where the time went of a session that began at `start` and gave its last answer at `end`.
    pub(super) fn parts(&self, start: SystemTime, end: SystemTime) -> anyhow::Result<Parts> {
        let read = |name: &str| {
            fs::read_to_string(self.dir.path().join(name)).with_context(|| format!("QEMU left no {name}"))
        };
        let times = Times::read(&read(LAUNCH)?, &read(EVENTS)?)?;
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).context("a clock before 1970");
        times.parts(since(start)?, since(end)?)
    }
}

impl Times {
    /// From the clock at the launch, and from lines such as `1234@1763871234.567890:gdbstub_hit_break …`.
    fn read(launch: &str, events: &str) -> anyhow::Result<Self> {
        let seconds = |text: &str| text.trim().parse().map(Duration::from_secs_f64).context("no time");
        let mut times = Self { launch: seconds(launch)?, runs: Vec::new() };
        let mut running = None;
        for line in events.lines() {
            let Some((stamp, event)) = line.split_once(':') else { continue };
            let Some((_, stamp)) = stamp.split_once('@') else { continue };
            if event.starts_with("gdbstub_op_continue") {
                // One for each CPU: the first counts.
                running.get_or_insert(seconds(stamp)?);
            } else if event.starts_with("gdbstub_hit_break")
                && let Some(from) = running.take()
            {
                times.runs.push((from, seconds(stamp)?));
            }
        }
        Ok(times)
    }

    fn parts(&self, start: Duration, end: Duration) -> anyhow::Result<Parts> {
        let (Some(first), Some(last)) = (self.runs.first(), self.runs.last()) else {
            anyhow::bail!("QEMU's stub saw no stop")
        };
        ensure!(start <= self.launch && self.launch <= first.0 && last.1 <= end, "clocks disagree: {self:?}");
        let guest: Duration = self.runs.iter().map(|(from, to)| to.saturating_sub(*from)).sum();
        Ok(Parts {
            before: (self.launch - start).as_secs_f64(),
            starting: (first.0 - self.launch).as_secs_f64(),
            guest: guest.as_secs_f64(),
            between: (last.1 - first.0).saturating_sub(guest).as_secs_f64(),
            after: (end - last.1).as_secs_f64(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_time_is_not_the_debuggers() {
        let events = "7@12.000000:gdbstub_op_continue_cpu x\n7@12.000001:gdbstub_op_continue_cpu x\n\
                      7@12.500000:gdbstub_hit_break x\n7@12.750000:gdbstub_op_continue x\n\
                      7@14.000000:gdbstub_hit_break x\n7@14.000001:gdbstub_hit_break x\n";
        let times = Times::read("11.5\n", events).unwrap();
        let parts = times.parts(Duration::from_secs(11), Duration::from_millis(14_125)).unwrap();
        let expected = Parts { before: 0.5, starting: 0.5, guest: 1.75, between: 0.25, after: 0.125 };
        assert_eq!(parts, expected);
        assert_eq!(parts.own(), 0.875);
        assert!(times.parts(Duration::from_secs(12), Duration::from_secs(15)).is_err());
        assert!(Times::read("soon", events).is_err());
    }
}
