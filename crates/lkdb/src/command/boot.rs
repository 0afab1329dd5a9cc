//! `lkdb boot`: a machine without a debugger, its console here; or one command in it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lkdb_agent::{Exit, Spawn};
use lkdb_artifacts::KernelSet;
use lkdb_machine::{Ended, Machine, RunState, Watch};
use serde::Serialize;

use super::machines::seconds;
use crate::exit_status::NoStatus;
use crate::guest_command::{self, Outcome};
use crate::launch::{self, Wish};
use crate::options::MachineOptions;
use crate::output::{Context, Render, Status};
use crate::terminal::{End, Session};
use crate::whereabouts;

/// How much of the console is shown when a boot fails.
const LAST_LINES: usize = 15;
const LAST_BYTES: usize = 16 << 10;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status with CMD: the command's own; 124 when --timeout came first, 125 when the \
    machine could not be started, 126 when the guest's kernel panicked. The reason is on standard error, too. \
    So `git bisect run lkdb boot --kernel . -- CMD` skips kernels that do not boot."
)]
pub(crate) struct Args {
    /// Start the machine and leave it running
    #[arg(short, long, conflicts_with = "command")]
    detach: bool,
    /// How long a boot may be silent, or (with CMD) take, before lkdb says where it hangs
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    boot_timeout: Duration,
    /// Kill CMD after so many seconds, and exit with 124
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "command")]
    timeout: Option<Duration>,
    #[command(flatten)]
    machine: MachineOptions,
    /// A command to run in the guest, and its arguments; the machine ends with it
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<Status> {
    if args.command.is_empty() { interactive(&args, context) } else { one_command(args, context) }
}

fn interactive(args: &Args, context: &Context) -> anyhow::Result<Status> {
    let wish = Wish { frozen: false, end_on_reset: false };
    let prepared = launch::prepare(&args.machine, wish, context)?;
    if args.machine.dry_run {
        return launch::show_line(prepared, context);
    }
    let (machine, kernel) = prepared.start()?;
    let watch = machine.watch(!args.detach)?;
    if args.detach {
        context.note(format!(
            "machine `{0}` runs; `lkdb console {0}` shows its console, `lkdb stop {0}` ends it",
            machine.name()
        ));
        return Ok(Status::OK);
    }
    context.note(format!(
        "booting {} as `{}`; Ctrl-A x ends it, Ctrl-A h helps",
        kernel.release,
        machine.name()
    ));
    let (console, early) = machine.console(true, true)?;
    let session = Session::start(console, early)?;
    let end = match session.wait_until(Instant::now() + args.boot_timeout) {
        Some(end) => end,
        None => {
            if machine.status().is_ok_and(|status| status.console_bytes == 0) {
                say_where(&machine, &kernel, args.boot_timeout, context);
            }
            session.wait()
        }
    };
    drop(session);
    finish_console(end, &machine, watch, context)
}

/// What follows the end of a console that owns its machine.
fn finish_console(
    end: End,
    machine: &Machine,
    mut watch: Watch,
    context: &Context,
) -> anyhow::Result<Status> {
    match end {
        End::LetGo => {
            watch.release()?;
            context.note(format!("machine `{}` goes on", machine.name()));
            Ok(Status::OK)
        }
        End::Quit => machine.stop().map(|()| Status::OK).map_err(Into::into),
        End::Signal(signal) => {
            machine.stop()?;
            Ok(Status(u8::try_from(128 + signal).unwrap_or(255)))
        }
        End::Closed => {
            let status = watch.until_ended()?;
            context.note(format!("machine `{}` ended: {}", machine.name(), status.state));
            let wanted = [Ended::GuestShutdown, Ended::GuestReset, Ended::Stopped].map(RunState::Ended);
            Ok(if wanted.contains(&status.state) { Status::OK } else { Status::FAILED })
        }
    }
}

/// What `lkdb boot -- CMD` comes to, for `--json`; a person has seen the command's own output.
#[derive(Debug, Serialize)]
struct Verdict {
    /// What this process exits with.
    status: u8,
    /// Why the command has no status of its own, if it has none.
    reason: Option<NoStatus>,
    /// The signal that ended the command, if one did.
    signal: Option<i32>,
    /// The same in words.
    text: Option<String>,
}

impl Render for Verdict {
    fn render(&self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Verdict {
    fn without_status(reason: NoStatus, text: impl Into<String>) -> Self {
        Self { status: reason.status().0, reason: Some(reason), signal: None, text: Some(text.into()) }
    }

    fn exited(exit: Exit) -> Self {
        let signal = match exit {
            Exit::Signal(signal) => Some(signal),
            Exit::Status(_) => None,
        };
        Self { status: exit.shell_status(), reason: None, signal, text: None }
    }
}

fn one_command(args: Args, context: &Context) -> anyhow::Result<Status> {
    let wish = Wish { frozen: false, end_on_reset: true };
    let verdict = match launch::prepare(&args.machine, wish, context) {
        Ok(prepared) if args.machine.dry_run => return launch::show_line(prepared, context),
        Ok(prepared) => match prepared.start() {
            Ok((machine, kernel)) => in_guest(&args, &machine, &kernel, context)?,
            Err(error) => Verdict::without_status(NoStatus::NotStarted, format!("{error:#}")),
        },
        Err(error) => Verdict::without_status(NoStatus::NotStarted, format!("{error:#}")),
    };
    if let Some(text) = &verdict.text {
        context.say(text);
    }
    let status = Status(verdict.status);
    context.show(&verdict)?;
    Ok(status)
}

fn in_guest(
    args: &Args,
    machine: &Machine,
    kernel: &KernelSet,
    context: &Context,
) -> anyhow::Result<Verdict> {
    let mut watch = machine.watch(true)?;
    let console = ConsoleTail::follow(machine)?;
    let verdict = match wait_for_agent(&mut watch, args.boot_timeout)? {
        Boot::Up => run_command(args, machine, watch)?,
        Boot::Silent => {
            say_where(machine, kernel, args.boot_timeout, context);
            let text = format!("the guest was not up after {} s", args.boot_timeout.as_secs_f64());
            Verdict::without_status(NoStatus::NotStarted, text)
        }
        Boot::Panicked(panic) => Verdict::without_status(NoStatus::Panic, panic),
        Boot::Ended(state) => Verdict::without_status(
            NoStatus::NotStarted,
            format!("the machine ended before it was up: {state}"),
        ),
    };
    match machine.stop() {
        Ok(()) | Err(lkdb_machine::Error::NoSuchMachine(_) | lkdb_machine::Error::Supervisor { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if verdict.reason.as_ref().is_some_and(|reason| *reason != NoStatus::Timeout) {
        console.show(context);
    }
    Ok(verdict)
}

enum Boot {
    Up,
    Silent,
    Panicked(String),
    Ended(RunState),
}

fn wait_for_agent(watch: &mut Watch, within: Duration) -> anyhow::Result<Boot> {
    let deadline = Instant::now() + within;
    loop {
        let Some(status) = watch.next(Some(deadline))? else { return Ok(Boot::Silent) };
        match (status.panic, status.agent, status.state) {
            (Some(panic), _, _) => return Ok(Boot::Panicked(panic)),
            (None, _, state @ RunState::Ended(_)) => return Ok(Boot::Ended(state)),
            (None, Some(_), _) => return Ok(Boot::Up),
            (None, None, _) => {}
        }
    }
}

/// Runs the command. The watch goes on beside it: a panic ends the wait for a command that hangs with it.
fn run_command(args: &Args, machine: &Machine, watch: Watch) -> anyhow::Result<Verdict> {
    let connection = machine.exec()?;
    let other_end = connection.try_clone()?;
    let lookout = thread::spawn(move || look_out(watch, &other_end));
    let argv = args.command.iter().map(|word| word.clone().into_bytes()).collect();
    let spawn = Spawn { argv, stdin: true, ..Spawn::default() };
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let outcome = guest_command::run(connection, spawn, deadline)?;
    match outcome {
        Outcome::Exited(exit) => return Ok(Verdict::exited(exit)),
        Outcome::TimedOut => {
            let text = format!("timed out after {} s", args.timeout.unwrap_or_default().as_secs_f64());
            return Ok(Verdict::without_status(NoStatus::Timeout, text));
        }
        // A command that was not found, say: the guest is alive, and its shell's status stands.
        Outcome::Failed { status: status @ (126 | 127), text } => {
            return Ok(Verdict { status, reason: None, signal: None, text: Some(text) });
        }
        Outcome::Failed { .. } | Outcome::Gone => {}
    }
    Ok(match lookout.join() {
        Ok(Some(Boot::Panicked(panic))) => Verdict::without_status(NoStatus::Panic, panic),
        Ok(Some(Boot::Ended(state))) => {
            Verdict::without_status(NoStatus::MachineEnded, format!("the machine ended: {state}"))
        }
        _ => Verdict::without_status(NoStatus::MachineEnded, "the machine is gone"),
    })
}

/// Waits for the guest's end, and hangs up on whoever still waits for the command.
fn look_out(mut watch: Watch, connection: &UnixStream) -> Option<Boot> {
    let end = loop {
        match watch.next(None) {
            Ok(Some(status)) => match (status.panic, status.state) {
                (Some(panic), _) => break Some(Boot::Panicked(panic)),
                (None, state @ RunState::Ended(_)) => break Some(Boot::Ended(state)),
                _ => {}
            },
            Ok(None) => {}
            Err(_) => break None,
        }
    };
    let _ = connection.shutdown(Shutdown::Both);
    end
}

fn say_where(machine: &Machine, kernel: &KernelSet, after: Duration, context: &Context) {
    context.note(format!("the boot is silent after {} s; the processors are at", after.as_secs_f64()));
    match whereabouts::of(machine, kernel) {
        Ok(places) => places.iter().for_each(|place| context.note(format!("  {place}"))),
        Err(error) => context.note(format!("  (no telling: {error:#})")),
    }
}

/// The last of what the guest wrote, kept on this side since it is wanted when the machine is gone.
struct ConsoleTail(JoinHandle<Vec<u8>>);

impl ConsoleTail {
    fn follow(machine: &Machine) -> anyhow::Result<Self> {
        let (mut console, mut tail) = machine.console(true, false)?;
        Ok(Self(thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length @ 1..) = console.read(&mut buffer) {
                tail.extend_from_slice(buffer.get(..length).unwrap_or_default());
                let excess = tail.len().saturating_sub(LAST_BYTES);
                tail.drain(..excess);
            }
            tail
        })))
    }

    /// Prints the last lines. The machine has ended.
    fn show(self, context: &Context) {
        let tail = self.0.join().unwrap_or_default();
        let text = String::from_utf8_lossy(&tail);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LAST_LINES)) {
            context.note(format!("console: {line}"));
        }
    }
}
