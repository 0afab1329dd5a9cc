//! Call stacks: `backtrace`, `frame`, `up`, `down`.

use lkdb_session::Session;
use lkdb_session::frames::{End, Found, Frame};
use serde::Serialize;

use super::frame_line::{FrameLine, SourceLine};
use super::variables::Variables;
use crate::answer::Layout;
use crate::page::{Page, Style};
use crate::table::{Command, Group};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new(
        &["backtrace", "bt", "where"],
        "[full] [N | -N]",
        "The call stack\nfull: with the locals of each frame; N: only the innermost N frames; -N: only the outermost N.",
        Group::Stack,
        backtrace,
    ),
    Command::new(&["frame", "f"], "[LEVEL]", "Shows or selects a frame", Group::Stack, frame),
    Command::new(&["up"], "[N]", "Selects a frame further out", Group::Stack, up),
    Command::new(&["down"], "[N]", "Selects a frame further in", Group::Stack, down),
];

pub(crate) const INFO: &[Command] = &[Command::new(
    &["stack", "s"],
    "[full] [N | -N]",
    "The call stack, as backtrace shows it",
    Group::Status,
    backtrace,
)];

/// More frames than any stack has.
const ALL: usize = 4096;

fn backtrace(session: &mut Session<'_>, arguments: &str) -> Result {
    let bad = || Error::say(format!("No symbol \"{arguments}\" in current context."));
    let words: Vec<_> = arguments.split_whitespace().collect();
    let full = words.iter().any(|word| FULL.contains(word));
    let words: Vec<_> = words.into_iter().filter(|word| !FULL.contains(word)).collect();
    let count: Option<i64> = match words.as_slice() {
        [] => None,
        [one] => Some(one.parse().or_else(|_| number(session, one))?),
        _ => return Err(bad()),
    };
    let wanted = match count {
        Some(count @ 0..) => usize::try_from(count).unwrap_or(ALL),
        _ => ALL,
    };
    let stack = session.stack(wanted.saturating_add(1))?;
    let from = match count {
        Some(count) if count < 0 => {
            stack.rows.len().saturating_sub(usize::try_from(count.unsigned_abs()).unwrap_or(ALL))
        }
        _ => 0,
    };
    let more = stack.rows.len() > wanted;
    let ends = stack.end.as_ref().filter(|_| !more);
    let mut frames = Vec::new();
    for (level, row) in stack.rows.iter().enumerate().skip(from).take(wanted) {
        let line = FrameLine::of(session, level, row);
        let locals = if full { Some(Variables::locals(session, level)?) } else { None };
        let frame = stack.frames.get(row.physical);
        let interrupted = frame.is_some_and(|frame| matches!(frame.found, Found::Interrupted { .. }));
        let jumped = frame.is_some_and(Frame::jumped);
        frames.push(Entry { line, interrupted, jumped, locals });
    }
    Ok(Box::new(Backtrace { frames, more, ends: ends.map(kind), end: ends.and_then(broken) }))
}

/// The words that ask for locals.
const FULL: [&str; 2] = ["full", "-full"];

/// A number that an expression gives.
fn number(session: &Session<'_>, text: &str) -> Result<i64> {
    let value = session.evaluate(text)?;
    let number = session.integer_of(&value)?;
    i64::try_from(number).map_err(|_| Error::say(format!("Bad count: {text}.")))
}

/// Why a stack is not shown to its end; none when it is.
fn broken(end: &End) -> Option<String> {
    match end {
        End::Broken(broken) => Some(broken.to_string()),
        _ => None,
    }
}

/// What a stack ends at.
fn kind(end: &End) -> &'static str {
    match end {
        End::UserRegisters(_) => "user registers",
        End::KernelThread => "kernel thread",
        End::BootEntry => "boot entry",
        End::EndOfStack => "end of stack",
        End::Broken(_) => "broken",
    }
}

fn frame(session: &mut Session<'_>, arguments: &str) -> Result {
    if !arguments.is_empty() {
        let level = arguments.parse().map_err(|_| Error::say(format!("No frame at level {arguments}.")))?;
        session.select_frame(level)?;
    }
    shown(session)
}

fn up(session: &mut Session<'_>, arguments: &str) -> Result {
    let count = count(arguments)?;
    let now = session.selected_frame();
    let last = session.stack(now.saturating_add(count).saturating_add(1))?.rows.len().saturating_sub(1);
    if now >= last && count > 0 {
        return Err(Error::say("Initial frame selected; you can't go up."));
    }
    session.select_frame(now.saturating_add(count).min(last))?;
    shown(session)
}

fn down(session: &mut Session<'_>, arguments: &str) -> Result {
    let count = count(arguments)?;
    let now = session.selected_frame();
    if now == 0 && count > 0 {
        return Err(Error::say("Bottom (innermost) frame selected; you can't go down."));
    }
    session.select_frame(now.saturating_sub(count))?;
    shown(session)
}

/// A number of frames.
fn count(arguments: &str) -> Result<usize> {
    Ok(usize::try_from(crate::arguments::count(arguments)?).unwrap_or(usize::MAX))
}

/// The selected frame with its source line.
fn shown(session: &mut Session<'_>) -> Result {
    let level = session.selected_frame();
    let row = session.frame(level)?;
    Ok(Box::new(Shown { frame: FrameLine::of(session, level, &row), source: SourceLine::at(session, &row) }))
}

/// A frame that was selected.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    frame: FrameLine,
    source: Option<SourceLine>,
}

impl Layout for Shown {
    fn lay_out(&self, page: &mut Page) {
        self.frame.lay_out(page);
        if let Some(source) = &self.source {
            source.lay_out(page);
        }
    }
}

/// A frame of a call stack.
#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    line: FrameLine,
    /// An interrupt or exception came in it: it called nothing.
    interrupted: bool,
    /// It is not on the stack: it was left by a jump to the frame before.
    jumped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    locals: Option<Variables>,
}

/// A call stack.
#[derive(Debug, Serialize)]
struct Backtrace {
    frames: Vec<Entry>,
    /// There are more frames than were asked for.
    more: bool,
    /// What the stack ends at; none when it was not followed so far.
    ends: Option<&'static str>,
    /// Why the stack is not shown to its end.
    end: Option<String>,
}

impl Layout for Backtrace {
    fn lay_out(&self, page: &mut Page) {
        for frame in &self.frames {
            frame.line.lay_out(page);
            if let Some(locals) = &frame.locals {
                locals.indented(page, 8);
            }
        }
        if self.more {
            page.plain("(More stack frames follow...)\n");
        }
        if let Some(end) = &self.end {
            page.put(Style::Warning, format_args!("Backtrace stopped: {end}\n"));
        }
    }
}
