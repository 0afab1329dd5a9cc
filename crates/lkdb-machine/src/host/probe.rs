//! Running the probe guest under KVM, with a limit.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};

use super::accel::Kvm;
use super::sector;

/// How long a guest may take; under TCG, slower than any KVM, it takes 0.3 s.
const LIMIT: Duration = Duration::from_secs(3);
/// QEMU's own words that are kept of a failure.
const STDERR_LIMIT: u64 = 64 * 1024;

/// Tries a guest with the host's processor, then with QEMU's default model.
pub(super) fn kvm(qemu: &Path) -> Kvm {
    let with_host = match run(qemu, &["-accel", "kvm", "-cpu", "host"], LIMIT) {
        Ok(()) => return Kvm::Works { cpu_host: true },
        Err(symptom) => symptom,
    };
    match run(qemu, &["-accel", "kvm"], LIMIT) {
        Ok(()) => Kvm::Works { cpu_host: false },
        Err(symptom) if symptom == with_host => Kvm::Broken(symptom),
        Err(symptom) => Kvm::Broken(format!("{symptom}; with -cpu host, {with_host}")),
    }
}

/// Boots the probe guest; an error is the symptom, as part of a sentence.
pub(super) fn run(qemu: &Path, options: &[&str], limit: Duration) -> Result<(), String> {
    let disk = disk().map_err(|error| format!("no file for the probe guest could be made: {error}"))?;
    let mut child = command(qemu, options, disk.path())
        .spawn()
        .map_err(|error| format!("{} could not be run: {error}", qemu.display()))?;
    limit_processor_time(&child, limit);
    let stderr = child.stderr.take().map(collect);
    let lives = wait_for_words(&mut child, limit);
    // Either it has done its work, or it never will.
    let ended = if lives == Life::Ended { None } else { child.kill().err() };
    let status = child.wait();
    let words = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
    match (lives, ended) {
        (Life::Seen, _) => Ok(()),
        (Life::None, _) => Err(format!("a guest gave no sign of life in {} s", limit.as_secs_f32())),
        (Life::Ended, _) => Err(symptom(status, &words)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// The guest said its words.
    Seen,
    /// It said nothing in time.
    None,
    /// QEMU ended first.
    Ended,
}

fn command(qemu: &Path, options: &[&str], disk: &Path) -> Command {
    let mut drive = String::from("if=ide,format=raw,file=");
    // A comma in a value is written twice.
    let _ = write!(drive, "{}", disk.to_string_lossy().replace(',', ",,"));
    let mut command = Command::new(qemu);
    command.args(options).args(["-drive", &drive]);
    command.args(["-m", "16", "-nodefaults", "-no-user-config", "-no-reboot"]);
    command.args(["-display", "none", "-serial", "stdio"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn disk() -> io::Result<tempfile::NamedTempFile> {
    let mut disk = tempfile::NamedTempFile::new()?;
    disk.write_all(&sector::bytes())?;
    disk.flush()?;
    Ok(disk)
}

/// A broken KVM spins. Should lkdb be killed meanwhile, QEMU ends by this.
fn limit_processor_time(child: &Child, limit: Duration) {
    let seconds = Some(limit.as_secs() + 2);
    if let Some(process) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::prlimit(
            Some(process),
            Resource::Cpu,
            Rlimit { current: seconds, maximum: seconds },
        );
    }
}

fn collect(stderr: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.take(STDERR_LIMIT).read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

fn wait_for_words(child: &mut Child, limit: Duration) -> Life {
    let Some(stdout) = child.stdout.take() else { return Life::None };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Firmware may write lines of its own before.
        let mut lines = BufReader::new(stdout.take(STDERR_LIMIT)).split(b'\n').map_while(Result::ok);
        let seen = lines.any(|line| line.ends_with(sector::WORDS));
        let _ = sender.send(if seen { Life::Seen } else { Life::Ended });
    });
    receiver.recv_timeout(limit).unwrap_or(Life::None)
}

/// What a QEMU that ended by itself says about why: its first line with an error, else its last.
fn symptom(status: io::Result<ExitStatus>, words: &str) -> String {
    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    let lines = || words.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().find(|line| line.contains("error")).or_else(|| lines().next_back());
    match error {
        Some(line) => format!("QEMU ended ({how}): {line}"),
        None => format!("QEMU ended ({how}) without a word"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::host::testing::program;

    /// A QEMU that does what the shell script says.
    fn probe(script: &str) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let file = program(dir.path(), "qemu", script);
        run(&file, &[], Duration::from_millis(1500))
    }

    #[test]
    fn a_guest_that_speaks_lives_even_after_firmware_noise() {
        assert_eq!(probe("echo SeaBIOS; echo 'lkdb lives'; exec sleep 60"), Ok(()));
    }

    #[test]
    fn a_silent_guest_is_given_up_in_time() {
        let start = Instant::now();
        assert_eq!(probe("exec sleep 60"), Err("a guest gave no sign of life in 1.5 s".into()));
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_qemu_that_aborts_is_quoted() {
        let script =
            "echo 'qemu: error: failed to set MSR 0x10a to 0x69' >&2; echo 'Assertion' >&2; kill -ABRT $$";
        let symptom = probe(script).unwrap_err();
        assert!(symptom.contains("SIGABRT") && symptom.ends_with("MSR 0x10a to 0x69"), "{symptom}");
        assert_eq!(probe("exit 1"), Err("QEMU ended (exit status: 1) without a word".into()));
    }
}
