//! Going on: `continue`, and what a stop looks like.

use lkdb_session::Session;
use lkdb_session::live::Stop;
use lkdb_session::stepping::{How, Outcome};
use serde::Serialize;

use crate::answer::Layout;
use crate::command::stack::FrameLine;
use crate::page::Page;
use crate::table::{Command, Group};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new(
        &["continue", "c", "fg"],
        "[N]",
        "Lets the guest run until something stops it\nN: the breakpoint that it stands at is ignored N - 1 times.",
        Group::Running,
        resume,
    ),
    Command::new(
        &["step", "s"],
        "[N]",
        "Goes on to another source line, into the functions that are called",
        Group::Running,
        step,
    ),
    Command::new(
        &["next", "n"],
        "[N]",
        "Goes on to another source line of this function",
        Group::Running,
        next,
    ),
    Command::new(&["stepi", "si"], "[N]", "One instruction", Group::Running, stepi),
    Command::new(&["nexti", "ni"], "[N]", "One instruction; calls are one", Group::Running, nexti),
    Command::new(
        &["finish", "fin"],
        "",
        "Goes on until the selected frame returns\nWhichever CPU the task then runs on.",
        Group::Running,
        finish,
    ),
    Command::new(&["detach"], "", "Lets the guest run on without lkdb", Group::Running, detach),
];

fn resume(session: &mut Session<'_>, arguments: &str) -> Result {
    if !arguments.is_empty() {
        let times: u64 = arguments.parse().map_err(|_| Error::say(format!("Bad count: {arguments}.")))?;
        ignore(session, times.saturating_sub(1))?;
    }
    let stop = session.resume()?;
    Ok(Box::new(Stopped::of(session, stop)))
}

/// Lets the breakpoint that the guest stands at be passed `times` times.
fn ignore(session: &mut Session<'_>, times: u64) -> Result<()> {
    let numbers = match session.live()?.stop() {
        Some(Stop::Breakpoint { numbers, .. }) => numbers.clone(),
        _ => Vec::new(),
    };
    for (number, _) in numbers {
        if let Ok(breakpoint) = session.breakpoints_mut().get_mut(number) {
            breakpoint.ignore = times;
        }
    }
    Ok(())
}

fn step(session: &mut Session<'_>, arguments: &str) -> Result {
    repeated(session, arguments, |session| session.step_line(How::Into))
}

fn next(session: &mut Session<'_>, arguments: &str) -> Result {
    repeated(session, arguments, |session| session.step_line(How::Over))
}

fn stepi(session: &mut Session<'_>, arguments: &str) -> Result {
    repeated(session, arguments, |session| session.step_instruction(false))
}

fn nexti(session: &mut Session<'_>, arguments: &str) -> Result {
    repeated(session, arguments, |session| session.step_instruction(true))
}

fn finish(session: &mut Session<'_>, arguments: &str) -> Result {
    crate::arguments::none(arguments)?;
    let level = session.selected_frame();
    let outcome = session.finish(level)?;
    Ok(Box::new(Stopped::of(session, outcome.stop)))
}

/// Does a step as often as the argument says, unless something else stops the guest.
fn repeated(
    session: &mut Session<'_>,
    arguments: &str,
    step: fn(&mut Session<'_>) -> lkdb_session::Result<Outcome>,
) -> Result {
    let bad = || Error::say(format!("Bad count: {arguments}."));
    let times: u64 = if arguments.is_empty() { 1 } else { arguments.parse().map_err(|_| bad())? };
    for _ in 1..times {
        let outcome = step(session)?;
        if !outcome.done {
            return Ok(Box::new(Stopped::of(session, outcome.stop)));
        }
    }
    let stop = match times {
        0 => session.live()?.stop().cloned().unwrap_or(Stop::Interrupted { cpu: 0 }),
        _ => step(session)?.stop,
    };
    Ok(Box::new(Stopped::of(session, stop)))
}

fn detach(session: &mut Session<'_>, arguments: &str) -> Result {
    crate::arguments::none(arguments)?;
    session.detach()?;
    Ok(Box::new(crate::answer::Nothing {}))
}

/// Why and where the guest stands.
#[derive(Debug, Serialize)]
pub(crate) struct Stopped {
    stop: Stop,
    frame: Option<FrameLine>,
}

impl Stopped {
    pub(crate) fn of(session: &Session<'_>, stop: Stop) -> Self {
        let frame = stop.cpu().and_then(|_| session.frame(0).ok());
        Self { stop, frame: frame.map(|row| FrameLine::new(0, &row)) }
    }
}

impl Layout for Stopped {
    fn lay_out(&self, page: &mut Page) {
        match &self.stop {
            Stop::Breakpoint { numbers, deleted, .. } => {
                let numbers: Vec<_> = numbers.iter().map(|(number, _)| number.to_string()).collect();
                let kind = if !deleted.is_empty() { "Temporary breakpoint" } else { "Breakpoint" };
                page.plain(format_args!("\n{kind} {}, ", numbers.join(" and ")));
            }
            Stop::Watchpoint { numbers, .. } => {
                let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
                page.plain(format_args!("\nHardware watchpoint {}\n", numbers.join(" and ")));
            }
            Stop::Interrupted { .. } => drop(page.plain("\nThe guest was interrupted.\n")),
            Stop::Reset => drop(page.plain("\nThe machine has reset.\n")),
            Stop::Gone { why: Some(why) } => drop(page.plain(format_args!("The machine is gone: {why}.\n"))),
            Stop::Gone { why: None } => drop(page.plain("The machine is gone.\n")),
            Stop::Done { .. } => {}
        }
        if let Some(frame) = &self.frame {
            frame.describe(page);
        }
    }
}
