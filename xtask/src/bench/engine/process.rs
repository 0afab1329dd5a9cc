//! One run of a program, measured: its time from start to exit, and the most memory it had.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

/// How often memory is looked at. The kernel keeps the highest whole RSS itself, but not the anonymous.
const LOOKS: Duration = Duration::from_micros(500);

/// Bytes, at the highest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    pub(super) anonymous: u64,
    pub(super) whole: u64,
}

/// Runs it to its end; how long that took. Its output must hold all of `words`, so that nobody is quick by
/// not answering.
pub(super) fn time(mut command: Command, words: &[String]) -> anyhow::Result<Duration> {
    command.stdin(Stdio::null());
    let start = Instant::now();
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let took = start.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    for word in words {
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains(word), "{command:?} does not say `{word}`:\n{said}{errors}");
    }
    Ok(took)
}

/// Runs it to its end once more, watching its memory.
pub(super) fn memory(mut command: Command) -> anyhow::Result<Memory> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = Memory::default();
    while child.try_wait()?.is_none() {
        most.see(&fs::read_to_string(&status).unwrap_or_default());
        thread::sleep(LOOKS);
    }
    Ok(most)
}

impl Memory {
    /// Of a running process: anonymous now, whole at the highest.
    pub(super) fn of(pid: u32) -> Self {
        let mut memory = Self::default();
        memory.see(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default());
        memory
    }

    /// Takes in what another run needed.
    pub(super) fn include(&mut self, other: Self) {
        self.anonymous = self.anonymous.max(other.anonymous);
        self.whole = self.whole.max(other.whole);
    }

    /// Takes in what /proc/PID/status says now.
    fn see(&mut self, status: &str) {
        let of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        };
        self.anonymous = self.anonymous.max(of("RssAnon:").unwrap_or(0));
        self.whole = self.whole.max(of("VmHWM:").unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_kept() {
        let mut most = Memory::default();
        most.see("VmHWM:\t    20 kB\nRssAnon:\t       7 kB\n");
        most.see("VmHWM:\t    30 kB\nRssAnon:\t       3 kB\n");
        assert_eq!((most.anonymous, most.whole), (7 << 10, 30 << 10));
    }

    #[test]
    fn a_run_that_does_not_answer_is_an_error() {
        let mut command = Command::new("echo");
        command.arg("nothing");
        assert!(time(command, &["answer".to_owned()]).is_err());
    }
}
