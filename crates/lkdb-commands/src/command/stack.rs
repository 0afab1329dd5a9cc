//! Call stacks: `backtrace`, `frame`, `up`, `down`.

use lkdb_session::Session;
use lkdb_session::frames::Row;
use serde::Serialize;

use crate::answer::Layout;
use crate::page::{Page, Style};
use crate::table::{Command, Group};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new(
        &["backtrace", "bt", "where"],
        "[N | -N]",
        "The call stack\nN: only the innermost N frames; -N: only the outermost N.",
        Group::Stack,
        backtrace,
    ),
    Command::new(&["frame", "f"], "[LEVEL]", "Shows or selects a frame", Group::Stack, frame),
    Command::new(&["up"], "[N]", "Selects a frame further out", Group::Stack, up),
    Command::new(&["down"], "[N]", "Selects a frame further in", Group::Stack, down),
];

/// More frames than any stack has.
const ALL: usize = 4096;

fn backtrace(session: &mut Session<'_>, arguments: &str) -> Result {
    let bad = || Error::say(format!("No symbol \"{arguments}\" in current context."));
    let count: Option<i64> =
        if arguments.is_empty() { None } else { Some(arguments.parse().map_err(|_| bad())?) };
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
    let rows = stack.rows.iter().enumerate().skip(from).take(wanted);
    let frames = rows.map(|(level, row)| FrameLine::new(level, row)).collect();
    let more = stack.rows.len() > wanted;
    let end = stack.end.as_ref().filter(|_| !more).and_then(broken);
    Ok(Box::new(Backtrace { frames, more, end }))
}

/// Why a stack is not shown to its end; none when it is.
fn broken(end: &lkdb_session::frames::End) -> Option<String> {
    match end {
        lkdb_session::frames::End::Broken(broken) => Some(broken.to_string()),
        _ => None,
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

fn count(arguments: &str) -> Result<usize> {
    if arguments.is_empty() {
        return Ok(1);
    }
    arguments.parse().map_err(|_| Error::say(format!("Bad count: {arguments}.")))
}

/// The selected frame with its source line.
fn shown(session: &mut Session<'_>) -> Result {
    let level = session.selected_frame();
    let row = session.frame(level)?;
    Ok(Box::new(FrameLine::new(level, &row)))
}

/// A call stack.
#[derive(Debug, Serialize)]
struct Backtrace {
    frames: Vec<FrameLine>,
    /// There are more frames than were asked for.
    more: bool,
    /// Why the stack is not shown to its end.
    end: Option<String>,
}

impl Layout for Backtrace {
    fn lay_out(&self, page: &mut Page) {
        for frame in &self.frames {
            frame.lay_out(page);
        }
        if self.more {
            page.plain("(More stack frames follow...)\n");
        }
        if let Some(end) = &self.end {
            page.put(Style::Warning, format_args!("Backtrace stopped: {end}\n"));
        }
    }
}

/// One frame on a line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FrameLine {
    level: usize,
    /// The address, in hex.
    pc: String,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    inlined: bool,
    /// The address is shown: it is not where its line begins.
    #[serde(skip)]
    with_address: bool,
}

impl FrameLine {
    pub(crate) fn new(level: usize, row: &Row) -> Self {
        Self {
            level,
            pc: format!("{:#018x}", row.pc),
            function: row.function.clone(),
            file: row.line.as_ref().map(|line| line.file.to_string()),
            line: row.line.as_ref().map(|line| line.line),
            inlined: row.inlined.is_some(),
            with_address: row.within_line || row.line.is_none(),
        }
    }

    /// From the address on.
    pub(crate) fn describe(&self, page: &mut Page) {
        if self.with_address {
            page.put(Style::Address, &self.pc).plain(" in ");
        }
        page.put(Style::Function, self.function.as_deref().unwrap_or("??")).plain(" ()");
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            page.plain(" at ").put(Style::File, file).plain(":").plain(line);
        }
        page.plain("\n");
    }
}

impl Layout for FrameLine {
    fn lay_out(&self, page: &mut Page) {
        page.plain(format_args!("#{:<3}", self.level));
        self.describe(page);
    }
}
