//! A debugger that is talked to while it runs: commands in, answers out, cut at markers that it echoes.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::fixture::Running;

/// How often it is looked whether a debugger waits for something else than we do.
const LOOK: Duration = Duration::from_millis(2);

/// A debugger.
pub(super) struct Debugger {
    running: Running,
    asked: u64,
    said: String,
}

impl Debugger {
    /// Errors come where answers come.
    pub(super) fn start(plain: Command) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(plain.get_program()).args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Self { running: Running::new(command), asked: 0, said: String::new() }
    }

    /// gdb on a file, with its index in `cache`.
    pub(super) fn gdb(file: &Path, cache: &Path) -> Self {
        let mut command = Command::new("gdb");
        let index = format!("set index-cache directory {}", cache.display());
        command.args(["-nx", "-q", "-iex", "set index-cache enabled on", "-iex", &index]);
        let settings =
            ["prompt", "confirm off", "pagination off", "width 0", "height 0", "style enabled off"];
        for setting in settings {
            command.args(["-iex", &format!("set {setting}")]);
        }
        command.arg(file).env_remove("DEBUGINFOD_URLS").env("LC_ALL", OsStr::new("C"));
        let mut gdb = Self::start(command);
        gdb.ask("echo");
        gdb
    }

    /// Gives it a command.
    pub(super) fn send(&mut self, command: &str) {
        self.asked += 1;
        self.running.type_in(&format!("{command}\necho \\n{}\\n\n", marker(self.asked)));
    }

    /// What it answered.
    pub(super) fn answer(&mut self) -> String {
        let text = self.running.wait_for(&format!("{}\n", marker(self.asked)));
        text.trim_matches('\n').to_owned()
    }

    /// The same; none if it waits for something else.
    pub(super) fn answer_unless(&mut self, mut waits: impl FnMut() -> bool) -> Option<String> {
        loop {
            while let Some(line) = self.running.line(LOOK) {
                if line == marker(self.asked) {
                    return Some(std::mem::take(&mut self.said).trim_matches('\n').to_owned());
                }
                self.said += &line;
                self.said.push('\n');
            }
            if waits() {
                return None;
            }
        }
    }

    /// Gives it a command and waits for the answer.
    pub(super) fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.answer()
    }
}

fn marker(number: u64) -> String {
    format!("@@@@ {number} @@@@")
}
