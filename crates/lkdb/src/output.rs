//! How commands speak: data as text or JSON on stdout, notes, errors and progress on stderr.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::Global;

/// What a command ends with; see the table of exit statuses in the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u8);

impl Status {
    /// Done.
    pub(crate) const OK: Status = Status(0);
    /// The thing failed, and was said by the command itself.
    pub(crate) const FAILED: Status = Status(1);
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(status.0)
    }
}

/// Data that can be shown to a person. `--json` shows the same data through serde.
pub(crate) trait Render: Serialize {
    /// Writes it as text, with a newline at its end.
    fn render(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// What every command is handed: how to speak, and which machine is meant.
#[derive(Debug)]
pub(crate) struct Context {
    json: bool,
    machine: Option<String>,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Self {
        Self { json: global.json, machine: global.machine.clone() }
    }

    /// Whether data goes out as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// `--machine NAME`, if given.
    pub(crate) fn machine(&self) -> Option<&str> {
        self.machine.as_deref()
    }

    /// Prints data: text, or JSON when asked for. A reader that went away (`| head`) is no error.
    pub(crate) fn show<T: Render>(&self, data: &T) -> anyhow::Result<()> {
        let mut out = anstream::AutoStream::auto(io::stdout().lock());
        let written = if self.json {
            serde_json::to_writer(&mut out, data).map_err(io::Error::from).and_then(|()| writeln!(out))
        } else {
            data.render(&mut out)
        };
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.context("cannot write to standard output"),
        }
    }

    /// One line on stderr about what is being done. Goes unsaid under `--json`.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if !self.json {
            let _ = writeln!(anstream::stderr(), "lkdb: {text}");
        }
    }

    /// One line on stderr about how it ended, `--json` or not.
    pub(crate) fn say(&self, text: impl std::fmt::Display) {
        let _ = writeln!(anstream::stderr(), "lkdb: {text}");
    }

    /// One line on stderr that must be seen, `--json` or not.
    pub(crate) fn warn(&self, text: impl std::fmt::Display) {
        let _ = writeln!(anstream::stderr(), "lkdb: warning: {text}");
    }

    /// The error line: what, where, what to do. Under `--json` also as an object on stdout.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        if self.json {
            let _ = writeln!(io::stdout(), "{}", serde_json::json!({ "error": text }));
        }
        let _ = writeln!(anstream::stderr(), "lkdb: {text}");
    }

    /// A bar over bytes (or a spinner where `total` is unknown), on a terminal only.
    pub(crate) fn progress(&self, what: &str, total: Option<u64>) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match total {
            Some(total) => {
                (ProgressBar::new(total), "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
            }
            None => (ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}

/// Diagnostics of the library crates, on stderr: warnings always, more with `-v` and `-vv`.
pub(crate) fn trace_to_stderr(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let default = match verbose {
        0 => "warn",
        1 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("LKDB_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).without_time().init();
}
