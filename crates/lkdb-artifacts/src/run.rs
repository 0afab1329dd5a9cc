//! Running other programs: output kept within bounds, the caller's wish to stop obeyed, failures told.
//!
//! Which programs, and what their output means, is known elsewhere.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Error, Progress, Result};

/// More output than this is cut: nothing we run for its output says more.
const OUTPUT_LIMIT: u64 = 64 << 20;

/// How often a running program is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Runs it to its end and returns what it wrote; `tick` is called some times a second meanwhile.
/// The program leads a process group of its own, so that all of it ends when the user stops the work.
///
/// # Errors
/// When it can't be started, or the user stopped it. Its own failure is in the status.
pub(crate) fn output(
    command: &mut Command,
    progress: &mut dyn Progress,
    tick: &mut dyn FnMut(&mut dyn Progress),
) -> Result<Output> {
    command.stdin(Stdio::null());
    started(command, progress, tick)
}

/// [`output`] of a program that reads its answers from `input`.
pub(crate) fn fed(command: &mut Command, input: Stdio, progress: &mut dyn Progress) -> Result<Output> {
    command.stdin(input);
    started(command, progress, &mut |_| {})
}

fn started(
    command: &mut Command,
    progress: &mut dyn Progress,
    tick: &mut dyn FnMut(&mut dyn Progress),
) -> Result<Output> {
    use std::os::unix::process::CommandExt as _;
    tracing::debug!(?command, "run");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| not_started(command, error))?;
    let stdout = child.stdout.take().map(drain);
    let stderr = child.stderr.take().map(drain);
    let status = wait(&mut child, progress, tick)?;
    Ok(Output { status, stdout: collect(stdout), stderr: collect(stderr) })
}

/// Waits for a child that leads its own process group; kills the group when the user stops the work.
pub(crate) fn wait(
    child: &mut Child,
    progress: &mut dyn Progress,
    tick: &mut dyn FnMut(&mut dyn Progress),
) -> Result<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(error) => {
                kill_group(child);
                return Err(Error::Unfit(format!("cannot wait for a child process: {error}")));
            }
        }
        if progress.cancelled() {
            kill_group(child);
            return Err(Error::Cancelled);
        }
        tick(progress);
        thread::sleep(TICK);
    }
}

/// Runs it and returns its standard output as text; `what` names the purpose in the error.
///
/// # Errors
/// As [`output`], and when it fails.
pub(crate) fn text(command: &mut Command, what: &str, progress: &mut dyn Progress) -> Result<String> {
    let output = output(command, progress, &mut |_| {})?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(command, what, &output))
}

/// The error of a program that ended badly.
pub(crate) fn failed(command: &Command, what: &str, output: &Output) -> Error {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("E: ")).collect();
    let lines = if errors.is_empty() { last_lines(&stderr, 3) } else { errors };
    Error::Program {
        what: what.to_owned(),
        program: name(command),
        status: output.status.to_string(),
        detail: if lines.is_empty() { "it said nothing".into() } else { lines.join("; ") },
    }
}

/// The error of a program that could not even be started.
pub(crate) fn not_started(command: &Command, error: io::Error) -> Error {
    let program = name(command);
    if error.kind() == io::ErrorKind::NotFound {
        return Error::NoProgram { remedy: crate::tools::remedy(&program), program };
    }
    Error::Io { action: "run", path: program.into(), error }
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn last_lines(text: &str, count: usize) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().to_vec()
}

fn kill_group(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, Signal::TERM);
        // It gets a second to tidy up behind itself.
        for _ in 0..20 {
            if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            thread::sleep(TICK);
        }
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = child.wait();
}

fn drain<R: Read + Send + 'static>(mut from: R) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.by_ref().take(OUTPUT_LIMIT).read_to_end(&mut bytes);
        let _ = io::copy(&mut from, &mut io::sink());
        bytes
    })
}

fn collect(reader: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    reader.and_then(|handle| handle.join().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    #[derive(Default)]
    struct StopAtOnce;
    impl Progress for StopAtOnce {
        fn step(&mut self, _: &str, _: Option<u64>) {}
        fn at(&mut self, _: u64) {}
        fn end(&mut self) {}
        fn note(&mut self, _: &str) {}
        fn cancelled(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_failure_tells_the_last_lines() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo a >&2; echo b >&2; exit 3"]);
        let error = text(&mut command, "a test", &mut Silent).unwrap_err().to_string();
        assert_eq!(error, "a test: `sh` failed (exit status: 3): a; b");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = text(&mut Command::new("lkdb-no-such-program"), "x", &mut Silent).unwrap_err();
        assert!(error.to_string().starts_with("not installed: lkdb-no-such-program; "), "{error}");
    }

    #[test]
    fn stopping_ends_the_whole_group() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & sleep 1000; wait"]);
        let stopped = output(&mut command, &mut StopAtOnce, &mut |_| {});
        assert!(matches!(stopped, Err(Error::Cancelled)));
    }
}
