//! Running programs, saying what is run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The cargo that runs this task, in the workspace's root.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// A headline for what comes next.
pub(crate) fn headline(text: &str) {
    eprintln!("== {text}");
}

/// Runs it to its end, its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// What it writes to stdout; its stderr goes where ours goes.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = shown(command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(output.status.success(), "`{shown}` failed ({})", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` wrote something that is no text"))
}

/// How to build `lkdb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As tests do: soon there, and what dependencies do is fast.
    Dev,
    /// As users have it.
    Release,
}

/// Builds `lkdb` and returns its path.
pub(crate) fn build_lkdb(profile: Profile) -> anyhow::Result<PathBuf> {
    headline("building lkdb");
    let (name, directory) = match profile {
        Profile::Dev => ("dev", "debug"),
        Profile::Release => ("release", "release"),
    };
    run(&mut cargo(["build", "--quiet", "--profile", name, "--package", "lkdb"]))?;
    let target = crate::metadata::Metadata::of_workspace()?.target_directory;
    let program = target.join(directory).join("lkdb");
    ensure!(program.is_file(), "cargo built lkdb, but not at {}", program.display());
    Ok(program)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    shell_words::join(words.map(|word| word.to_string_lossy().into_owned()))
}

/// Whether a program is on PATH, or where administration programs lie.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    dirs.map(|dir| dir.join(name)).any(|file| rustix::fs::access(&file, rustix::fs::Access::EXEC_OK).is_ok())
}
