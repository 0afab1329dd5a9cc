//! Running a long `make`: its output kept in a file, its progress counted, its first errors found.

use std::fs::File;
use std::io::{BufRead as _, BufReader, PipeReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::{Error, Progress, Result, run};

/// How many of the first error lines are shown.
const SHOWN: usize = 3;
/// Longer lines are cut where they are shown.
const WIDTH: usize = 240;

/// What a `make` left behind.
#[derive(Debug)]
pub(crate) struct Made {
    /// Its whole output.
    pub(crate) log: PathBuf,
    /// Files it made, by its lines `  CC  kernel/fork.o`.
    pub(crate) objects: u64,
}

/// Runs it; progress counts objects.
///
/// # Errors
/// When it fails: the first lines that say why, and where the rest is.
pub(crate) fn run(
    command: &mut Command,
    what: &str,
    log: &Path,
    append: bool,
    progress: &mut dyn Progress,
) -> Result<Made> {
    use std::os::unix::process::CommandExt as _;
    let mut options = File::options();
    options.create(true).write(true).append(append).truncate(!append);
    let file = options.open(log).map_err(Error::io("write", log))?;
    let (reader, writer) = std::io::pipe().map_err(Error::io("make a pipe for", log))?;
    let errors = writer.try_clone().map_err(Error::io("make a pipe for", log))?;
    command.stdin(Stdio::null()).stdout(writer).stderr(errors).process_group(0);
    tracing::debug!(?command, "run");
    let spawned = command.spawn();
    // The command holds the pipe's other end: without this the reader would never see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned.map_err(|error| run::not_started(command, error))?;
    let objects = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&objects);
    let copier = thread::spawn(move || copy(reader, file, &counter));
    progress.step(what, None);
    let status =
        run::wait(&mut child, progress, &mut |progress| progress.at(objects.load(Ordering::Relaxed)));
    progress.end();
    let status = status?;
    let first = copier.join().unwrap_or_default();
    if status.success() {
        return Ok(Made { log: log.to_owned(), objects: objects.load(Ordering::Relaxed) });
    }
    let detail = if first.is_empty() { "no line of its output says why".into() } else { first.join("; ") };
    Err(Error::Program {
        what: what.to_owned(),
        program: "make".into(),
        status: status.to_string(),
        detail: format!("{detail} (all of it: {})", log.display()),
    })
}

/// Copies the output to the log; returns the first lines that tell of errors.
fn copy(from: PipeReader, mut to: File, objects: &AtomicU64) -> Vec<String> {
    let mut errors: Vec<String> = Vec::new();
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        let _ = to.write_all(&line);
        let text = String::from_utf8_lossy(&line);
        if makes_object(&text) {
            objects.fetch_add(1, Ordering::Relaxed);
        } else if errors.len() < SHOWN && tells_error(&text) {
            errors.push(text.trim().chars().take(WIDTH).collect());
        }
        line.clear();
    }
    errors
}

/// `  CC      kernel/fork.o`: two blanks, a verb in capitals, a file.
fn makes_object(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("  ") else { return false };
    let verb = rest.split_whitespace().next().unwrap_or_default();
    !verb.is_empty()
        && verb.chars().all(|c| c.is_ascii_uppercase())
        && rest.split_whitespace().nth(1).is_some()
}

fn tells_error(line: &str) -> bool {
    const SIGNS: [&str; 6] =
        [" error: ", ": undefined reference", "*** ", "Error: ", "fatal: ", "No space left on device"];
    SIGNS.iter().any(|sign| line.contains(sign)) || line.starts_with("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    fn make(script: &str) -> (tempfile::TempDir, Result<Made>) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let made = run(&mut command, "building", &dir.path().join("log"), false, &mut Silent);
        (dir, made)
    }

    #[test]
    fn objects_are_counted_and_the_log_is_whole() {
        let (dir, made) =
            make("echo '  CC      a.o'; echo '  LD [M]  b.ko' >&2; echo '  is not one'; echo x");
        assert_eq!(made.unwrap().objects, 2);
        assert_eq!(std::fs::read_to_string(dir.path().join("log")).unwrap().lines().count(), 4);
    }

    #[test]
    fn a_failure_shows_its_first_errors() {
        let script = "echo '  CC a.o'; echo 'a.c:1:2: error: no such thing' >&2; \
                      echo 'make: *** [a.o] Error 1' >&2; exit 2";
        let (dir, made) = make(script);
        let text = made.unwrap_err().to_string();
        assert!(text.contains("a.c:1:2: error: no such thing; make: *** [a.o] Error 1"), "{text}");
        assert!(text.contains(dir.path().to_str().unwrap()), "{text}");
    }
}
