//! `lkdb ls`, `console`, `exec`, `stop`: machines that run already.

use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use comfy_table::{Table, presets};
use lkdb_agent::Spawn;
use lkdb_base::size;
use lkdb_machine::{Machine, RunState, StateRoot, Watch};
use serde::Serialize;

use crate::exit_status::NoStatus;
use crate::guest_command::{self, Outcome};
use crate::output::{Context, Render, Status};
use crate::terminal::{End, Session};

#[derive(Debug, clap::Args)]
pub(crate) struct LsArgs {}

#[derive(Debug, clap::Args)]
pub(crate) struct ConsoleArgs {
    /// The machine (default: the only one)
    name: Option<String>,
    /// Do not show what the guest wrote before
    #[arg(long)]
    no_replay: bool,
    /// Print what the guest has written so far, and end
    #[arg(long, conflicts_with = "no_replay")]
    dump: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExecArgs {
    /// The machine (default: the only one)
    name: Option<String>,
    /// Kill the command after so many seconds, and exit with 124
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// The directory to run it in
    #[arg(long, value_name = "DIR", default_value = "/")]
    cwd: String,
    /// Set a variable for it
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    /// The machines (default: the only one)
    names: Vec<String>,
    /// Every machine
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

/// Seconds on a command line: a number above zero, fractions allowed.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    Duration::try_from_secs_f64(number)
        .ok()
        .filter(|duration| !duration.is_zero() && number <= 1e9)
        .ok_or_else(|| format!("`{text}` is not a number of seconds above zero"))
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The machine that a command means: its own argument, else `--machine`, else the only one.
pub(crate) fn find(name: Option<&str>, context: &Context) -> anyhow::Result<Machine> {
    Ok(Machine::find(&StateRoot::open()?, name.or(context.machine()))?)
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listing(Vec<lkdb_machine::Status>);

impl Render for Listing {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.0.is_empty() {
            return writeln!(out, "no machine runs");
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["NAME", "STATE", "KERNEL", "CPUS", "MEMORY", "ACCEL", "PID", "UP", "NOTES"]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for status in &self.0 {
            table.add_row([
                status.name.clone(),
                status.state.to_string(),
                status.release.clone().unwrap_or_else(|| status.kernel.display().to_string()),
                status.smp.to_string(),
                size::binary(status.memory),
                status.accel.clone(),
                status.qemu_pid.to_string(),
                uptime(now.saturating_sub(status.started)),
                notes(status),
            ]);
        }
        writeln!(out, "{}", table.trim_fmt())
    }
}

fn uptime(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

fn notes(status: &lkdb_machine::Status) -> String {
    let mut notes = Vec::new();
    notes.extend(status.panic.clone());
    notes.extend(status.debugger.map(|pid| format!("debugged by {pid}")));
    notes.join("; ")
}

pub(crate) fn ls(_args: &LsArgs, context: &Context) -> anyhow::Result<Status> {
    let machines = Machine::all(&StateRoot::open()?)?;
    // One that ends while we look is simply not listed.
    let statuses = machines.iter().filter_map(|machine| machine.status().ok()).collect();
    context.show(&Listing(statuses))?;
    Ok(Status::OK)
}

pub(crate) fn console(args: &ConsoleArgs, context: &Context) -> anyhow::Result<Status> {
    let machine = find(args.name.as_deref(), context)?;
    if args.dump {
        return dump_console(&machine);
    }
    let (console, early) = machine.console(!args.no_replay, false)?;
    context.note(format!("console of `{}`; Ctrl-A x leaves it, Ctrl-A h helps", machine.name()));
    let mut watch = machine.watch(false)?;
    let session = Session::start(console, early)?;
    let end = session.wait();
    drop(session);
    match end {
        End::Closed => {
            let status = watch.until_ended()?;
            context.note(format!("machine `{}` ended: {}", machine.name(), status.state));
            Ok(Status::OK)
        }
        End::Quit | End::LetGo => Ok(Status::OK),
        End::Signal(signal) => Ok(Status(u8::try_from(128 + signal).unwrap_or(255))),
    }
}

/// Prints what is kept of the console: as many bytes as the guest had written when asked.
fn dump_console(machine: &Machine) -> anyhow::Result<Status> {
    let log = machine.console_log()?;
    io::stdout().write_all(&log).context("cannot write to standard output")?;
    Ok(Status::OK)
}

pub(crate) fn exec(args: ExecArgs, context: &Context) -> anyhow::Result<Status> {
    let machine = find(args.name.as_deref(), context)?;
    let mut watch = machine.watch(false)?;
    if let Some(status) = watch.next(None)?
        && matches!(status.state, RunState::Paused | RunState::Frozen)
    {
        let by = status.debugger.map(|pid| format!(" by the debugger of process {pid}")).unwrap_or_default();
        context.note(format!("machine `{}` is stopped{by}; the command waits until it runs", machine.name()));
    }
    let bytes = |text: String| text.into_bytes();
    let spawn = Spawn {
        argv: args.command.into_iter().map(bytes).collect(),
        env: args.env.into_iter().map(|(name, value)| (bytes(name), bytes(value))).collect(),
        cwd: bytes(args.cwd),
        stdin: true,
    };
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let outcome = guest_command::run(machine.exec()?, spawn, deadline)?;
    match outcome {
        Outcome::Exited(exit) => Ok(Status(exit.shell_status())),
        Outcome::TimedOut => {
            context.say(format!("timed out after {} s", args.timeout.unwrap_or_default().as_secs_f64()));
            Ok(NoStatus::Timeout.status())
        }
        Outcome::Failed { status, text } => {
            context.say(text);
            Ok(Status(status))
        }
        Outcome::Gone => {
            let status = watch.until_ended()?;
            let name = machine.name();
            match status.panic {
                Some(panic) => {
                    context.say(format!("the guest of machine `{name}` panicked: {panic}"));
                    Ok(NoStatus::Panic.status())
                }
                None => {
                    context.say(format!("machine `{name}` ended: {}", status.state));
                    Ok(NoStatus::MachineEnded.status())
                }
            }
        }
    }
}

/// Stops a machine whose command ends. Returns the state it was in when that was not expected.
pub(super) fn stop_watched(machine: &Machine, watch: &mut Watch) -> anyhow::Result<RunState> {
    match machine.stop() {
        Ok(()) => Ok(RunState::Running),
        Err(lkdb_machine::Error::NoSuchMachine(_)) => Ok(watch.until_ended()?.state),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn stop(args: &StopArgs, context: &Context) -> anyhow::Result<Status> {
    let machines = match (args.all, args.names.as_slice()) {
        (true, _) => Machine::all(&StateRoot::open()?)?,
        (false, []) => vec![find(None, context)?],
        (false, names) => {
            names.iter().map(|name| find(Some(name), context)).collect::<anyhow::Result<_>>()?
        }
    };
    for machine in machines {
        match machine.stop() {
            // It ended by itself meanwhile: what was asked for.
            Err(lkdb_machine::Error::NoSuchMachine(_)) if args.all => {}
            other => other?,
        }
    }
    Ok(Status::OK)
}
