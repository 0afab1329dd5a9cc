//! As process 1 of a user's own initramfs: leave a serving child behind, then become the real init.
//!
//! The archive that lkdb appends holds only `/lkdb`; the user's files stay as they are. Everything the
//! agent needs it makes in there, and the port is opened before the real init runs, because that one may
//! move to another root and delete this one.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::{kernel, port};

/// Our own directory in the guest's root.
const HOME: &str = "/lkdb";
/// Where an init is looked for, as the kernel does (init/main.c: kernel_init).
const CANDIDATES: [&str; 6] = ["/init", "/linuxrc", "/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];

/// Runs as process 1; comes back only when no init can be run.
pub(crate) fn run() -> ExitCode {
    let command_line = command_line().unwrap_or_default();
    if let Err(error) = leave_agent(&command_line) {
        say(&format!("lkdb-agent: commands cannot be run in this guest: {error}"));
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let named = kernel::parameter(&command_line, "lkdb.init");
    let candidates = named.map_or_else(|| CANDIDATES.to_vec(), |named| vec![named]);
    for candidate in &candidates {
        // Comes back only on failure; a missing candidate leaves the next one.
        let error = Command::new(candidate).args(&arguments).exec();
        if error.kind() != io::ErrorKind::NotFound {
            say(&format!("lkdb-agent: cannot start {candidate}: {error}"));
        }
    }
    say(&format!("lkdb-agent: no init found; tried {}", candidates.join(", ")));
    ExitCode::FAILURE
}

/// Starts the child that serves the port.
fn leave_agent(command_line: &str) -> io::Result<()> {
    let name = kernel::parameter(command_line, "lkdb.agent")
        .ok_or_else(|| io::Error::other("no lkdb.agent= on the kernel's command line"))?;
    let port = port::open_privately(name, Path::new(HOME))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot open {name}: {error}")))?;
    let program = std::env::args_os().next().unwrap_or_else(|| "/lkdb/init".into());
    // The '@' tells systemd to leave this process alone when it changes to the real root.
    Command::new(program)
        .arg0("@lkdb-agent")
        .arg(crate::ON_STDIN)
        .stdin(Stdio::from(port))
        .process_group(0)
        .spawn()
        .map(drop)
}

fn command_line() -> io::Result<String> {
    kernel::read_in(private_procfs()?.as_fd(), "cmdline")
}

/// A procfs that is mounted nowhere any more, held by this descriptor alone.
pub(crate) fn private_procfs() -> io::Result<OwnedFd> {
    let point = Path::new(HOME).join("proc");
    match std::fs::create_dir(&point) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("proc", &point, "proc", flags, None)?;
    let opened = rustix::fs::open(&point, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    rustix::mount::unmount(&point, UnmountFlags::DETACH)?;
    Ok(opened?)
}

/// One line for the guest's console, which is stdout if the root has a /dev/console.
fn say(line: &str) {
    let _ = rustix::io::write(rustix::stdio::stderr(), format!("{line}\n").as_bytes());
}
