//! What the agent reads of the running kernel: its command line, release and boot ID.

use std::io;
use std::os::fd::BorrowedFd;

use lkdb_agent::Hello;
use rustix::fs::{Mode, OFlags};

/// The value of `name=` on a kernel command line (the last one, as in the kernel).
pub(crate) fn parameter<'a>(command_line: &'a str, name: &str) -> Option<&'a str> {
    let mut words = command_line.split_ascii_whitespace().rev().filter_map(|word| word.split_once('='));
    words.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Who this agent is, and in which kernel. `procfs` is one to use where /proc may not be there.
pub(crate) fn hello(procfs: Option<BorrowedFd<'_>>) -> Hello {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // A machine's clock may start at the same second on each boot; the process ID and the boot ID differ.
    let instance = (now.as_nanos() as u64) ^ (u64::from(std::process::id()) << 48);
    let boot_id = match procfs {
        Some(procfs) => read_in(procfs, "sys/kernel/random/boot_id"),
        None => std::fs::read_to_string("/proc/sys/kernel/random/boot_id"),
    }
    .unwrap_or_default();
    Hello {
        instance,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        release: rustix::system::uname().release().to_string_lossy().into_owned(),
        boot_id: boot_id.trim().to_owned(),
    }
}

/// Reads a file of the procfs that `procfs` is a hold on.
pub(crate) fn read_in(procfs: BorrowedFd<'_>, path: &str) -> io::Result<String> {
    let file = rustix::fs::openat(procfs, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    io::read_to_string(std::fs::File::from(file))
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn the_last_value_counts() {
        let line = "console=ttyS0 lkdb.agent=ttyS1 quiet lkdb.agent=ttyS2\n";
        assert_eq!(parameter(line, "lkdb.agent"), Some("ttyS2"));
        assert_eq!(parameter(line, "quiet"), None);
    }
}
