//! Going on: `continue`, steps, `finish`, `detach`.

use lkdb_session::Session;
use lkdb_session::live::Stop;
use lkdb_session::stepping::{How, Step};
use lkdb_symbols::TypeId;
use lkdb_value::format::print;
use lkdb_value::type_text;
use serde::Serialize;

use crate::answer::{Layout, Nothing};
use crate::command::frame_line::FrameLine;
use crate::command::stopped::Stopped;
use crate::page::Page;
use crate::table::{Command, Group};
use crate::{Result, arguments};

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
    super::going_to::UNTIL,
    super::going_to::ADVANCE,
    super::going_to::JUMP,
    Command::new(&["detach"], "", "Lets the guest run on without lkdb", Group::Running, detach),
];

fn resume(session: &mut Session<'_>, arguments: &str) -> Result {
    if !arguments.is_empty() {
        ignore(session, arguments::count(arguments)?.saturating_sub(1))?;
    }
    let before = session.live()?.selected();
    let stop = session.resume()?;
    Ok(Box::new(Stopped::of(session, stop).since(before)))
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
    repeated(session, arguments, Step::Line(How::Into))
}

fn next(session: &mut Session<'_>, arguments: &str) -> Result {
    repeated(session, arguments, Step::Line(How::Over))
}

fn stepi(session: &mut Session<'_>, arguments: &str) -> Result {
    repeated(session, arguments, Step::Instruction { over: false })
}

fn nexti(session: &mut Session<'_>, arguments: &str) -> Result {
    repeated(session, arguments, Step::Instruction { over: true })
}

fn finish(session: &mut Session<'_>, arguments: &str) -> Result {
    arguments::none(arguments)?;
    let level = session.selected_frame();
    let row = session.frame(level)?;
    let from = FrameLine::of(session, level, &row);
    let ty = session.result_type(&row);
    let cpu = session.live()?.selected();
    let stop = session.finish(level)?;
    let done = stop.is_done();
    let stopped = Stopped::of(session, stop).since(cpu);
    let value = ty.filter(|_| done).map(|ty| Returned::of(session, ty)).transpose()?;
    Ok(Box::new(Finished { from, stopped, value }))
}

/// A function that returned, or something that came before.
#[derive(Debug, Serialize)]
struct Finished {
    from: FrameLine,
    #[serde(flatten)]
    stopped: Stopped,
    value: Option<Returned>,
}

/// What a function returned.
#[derive(Debug, Serialize)]
struct Returned {
    number: Option<usize>,
    #[serde(rename = "type")]
    ty: String,
    /// None where the calling convention does not tell.
    value: Option<String>,
}

impl Returned {
    fn of(session: &Session<'_>, ty: TypeId) -> Result<Self> {
        let name = type_text(session, ty);
        let Some(value) = session.returned(ty) else {
            return Ok(Self { number: None, ty: name, value: None });
        };
        let text = print(&value, session, &session.settings().print, None)?;
        let number = value.bytes(session).ok().map(|bytes| session.values().remember(bytes));
        Ok(Self { number, ty: name, value: Some(text) })
    }
}

impl Layout for Finished {
    fn lay_out(&self, page: &mut Page) {
        page.plain("Run till exit from ");
        self.from.lay_out(page);
        self.stopped.lay_out(page);
        match &self.value {
            Some(Returned { number: Some(number), value: Some(value), .. }) => {
                page.plain(format_args!("Value returned is ${number} = {value}\n"));
            }
            Some(Returned { ty, .. }) => {
                page.plain(format_args!("Value returned has type: {ty}. Cannot determine contents\n"));
            }
            None => {}
        }
    }
}

/// Steps as often as the argument says, unless something else stops the guest.
pub(super) fn repeated(session: &mut Session<'_>, arguments: &str, step: Step) -> Result {
    let times = arguments::count(arguments)?;
    let cpu = session.live()?.selected();
    if times == 0 {
        return Ok(Box::new(Stopped::of(session, Stop::Done { cpu: cpu.cpu() })));
    }
    let stepped = session.step(step, times)?;
    Ok(Box::new(Stopped::stepped(session, stepped).since(cpu)))
}

fn detach(session: &mut Session<'_>, arguments: &str) -> Result {
    arguments::none(arguments)?;
    session.detach()?;
    Ok(Box::new(Nothing {}))
}
