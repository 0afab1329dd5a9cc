//! Breakpoints and watchpoints: set, listed, switched, deleted.

use lkdb_session::Session;
use lkdb_session::breakpoints::{Access, Breakpoint, Location, What, Wish};
use serde::Serialize;

use super::display::{self, behind_display};
use super::stop_when::When;
use crate::answer::{Layout, Nothing};
use crate::page::{Page, Style};
use crate::table::{Command, Group, Repeat, Takes};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[
    place(&["break", "b", "br", "brea"], "Stops the guest when a CPU comes by a place\nthread: only when it is that CPU; if: only when the expression is true, in the frame there.", |session, at| {
        set(session, at, false, false)
    }),
    place(&["tbreak", "tb"], "The same, once", |session, at| set(session, at, false, true)),
    place(&["hbreak", "hb"], "A breakpoint in a debug register of the processor", |session, at| {
        set(session, at, true, false)
    }),
    place(&["thbreak", "thb"], "The same, once", |session, at| set(session, at, true, true)),
    watchpoint(&["watch"], "Stops the guest when a value is changed\nWhat the expression goes through is watched, too; -l: only what it leads to now. A watchpoint with locals ends with their frame.", |session, what| {
        watch(session, what, Access::Write)
    }),
    watchpoint(&["rwatch"], "Stops the guest when data is read", |session, what| {
        watch(session, what, Access::Read)
    }),
    watchpoint(&["awatch"], "Stops the guest when data is read or written", |session, what| {
        watch(session, what, Access::ReadWrite)
    }),
    numbers(&["delete", "d"], "Deletes breakpoints; without numbers, all of them", delete),
    numbers(&["enable"], "Makes breakpoints stop again", |session, numbers| switch(session, numbers, true)),
    numbers(&["disable", "dis", "disa"], "Keeps breakpoints from stopping", |session, numbers| {
        switch(session, numbers, false)
    }),
    Command::new(
        &["condition"],
        "NUMBER [EXPRESSION]",
        "Stops at a breakpoint only when an expression is true\nEvaluated in the frame of the CPU that comes by; without an expression, the breakpoint stops always.",
        Group::Breakpoints,
        condition,
    )
    .repeats(Repeat::Never)
    .takes(Takes::Expression),
    Command::new(
        &["ignore"],
        "NUMBER COUNT",
        "Lets a breakpoint be passed so many times",
        Group::Breakpoints,
        ignore,
    )
    .repeats(Repeat::Never),
];

pub(crate) const INFO: &[Command] = &[Command::new(
    &["breakpoints", "b", "watchpoints"],
    "[NUMBER]…",
    "The breakpoints and watchpoints, and how often they were hit",
    Group::Status,
    info,
)];

const fn place(names: &'static [&'static str], help: &'static str, run: crate::table::Run) -> Command {
    Command::new(names, "[PLACE] [thread NUMBER] [if EXPRESSION]", help, Group::Breakpoints, run)
        .repeats(Repeat::Never)
        .takes(Takes::Location)
}

const fn watchpoint(names: &'static [&'static str], help: &'static str, run: crate::table::Run) -> Command {
    Command::new(
        names,
        "[-l | -location] EXPRESSION [thread NUMBER] [if EXPRESSION]",
        help,
        Group::Breakpoints,
        run,
    )
    .repeats(Repeat::Never)
    .takes(Takes::Expression)
}

const fn numbers(names: &'static [&'static str], help: &'static str, run: crate::table::Run) -> Command {
    Command::new(names, "[breakpoints | display] [NUMBER | FROM-TO]…", help, Group::Breakpoints, run)
        .repeats(Repeat::Never)
}

fn set(session: &mut Session<'_>, text: &str, hardware: bool, temporary: bool) -> Result {
    session.live()?;
    let When { what, thread, condition } = When::read(text)?;
    let spec = if what.is_empty() {
        format!("*{:#x}", session.frame(session.selected_frame())?.pc.0)
    } else {
        what.to_owned()
    };
    let wish = Wish { temporary, condition, thread };
    let number = session.set_breakpoint(What::Code { spec, hardware }, wish)?;
    said(session, number)
}

fn watch(session: &mut Session<'_>, text: &str, access: Access) -> Result {
    let When { what, thread, condition } = When::read(text)?;
    let located = ["-location", "-l"].into_iter().find_map(|flag| {
        what.strip_prefix(flag).filter(|rest| rest.starts_with(char::is_whitespace)).map(str::trim)
    });
    let expression = located.unwrap_or(what);
    if expression.is_empty() {
        return Err(Error::say("Argument required (expression to compute)."));
    }
    let wish = Wish { temporary: false, condition, thread };
    let number = session.set_watchpoint(expression, access, located.is_some(), wish)?;
    said(session, number)
}

fn said(session: &Session<'_>, number: u32) -> Result {
    let breakpoint = session.breakpoints().get(number).map_err(lkdb_session::Error::from)?;
    Ok(Box::new(IsSet { breakpoint: breakpoint.clone() }))
}

fn delete(session: &mut Session<'_>, arguments: &str) -> Result {
    if let Some(rest) = behind_display(arguments) {
        return display::undisplay(session, rest);
    }
    let arguments = without_kind(arguments);
    if arguments.is_empty() {
        session.breakpoints_mut().clear();
        return nothing();
    }
    for (number, _) in chosen(session, arguments)? {
        session.breakpoints_mut().delete(number).map_err(lkdb_session::Error::from)?;
    }
    nothing()
}

fn switch(session: &mut Session<'_>, arguments: &str, enabled: bool) -> Result {
    if let Some(rest) = behind_display(arguments) {
        return display::switch(session, rest, enabled);
    }
    let arguments = without_kind(arguments);
    if arguments.is_empty() {
        let numbers: Vec<u32> = session.breakpoints().iter().map(|one| one.number).collect();
        for number in numbers {
            session.enable_breakpoint(number, enabled)?;
        }
        return nothing();
    }
    for (number, location) in chosen(session, arguments)? {
        let Some(location) = location else {
            session.enable_breakpoint(number, enabled)?;
            continue;
        };
        let breakpoint = session.breakpoints_mut().get_mut(number).map_err(lkdb_session::Error::from)?;
        let place = breakpoint.locations.iter_mut().find(|place| place.number == location);
        place.ok_or_else(|| Error::say(format!("Bad breakpoint location number '{location}'")))?.enabled =
            enabled;
    }
    nothing()
}

fn ignore(session: &mut Session<'_>, arguments: &str) -> Result {
    let mut words = arguments.split_whitespace();
    let number = words.next().and_then(|word| word.parse().ok());
    let count = words.next().and_then(|word| word.parse::<u64>().ok());
    let (Some(number), Some(count)) = (number, count) else {
        return Err(Error::say("Argument required (a breakpoint number and a count)."));
    };
    session.breakpoints_mut().get_mut(number).map_err(lkdb_session::Error::from)?.ignore = count;
    let crossings = match count {
        0 => format!("Will stop next time breakpoint {number} is reached."),
        1 => format!("Will ignore next crossing of breakpoint {number}."),
        _ => format!("Will ignore next {count} crossings of breakpoint {number}."),
    };
    Ok(crate::answer::Text::line(crossings))
}

fn info(session: &mut Session<'_>, arguments: &str) -> Result {
    let wanted = chosen(session, arguments)?;
    let all = session.breakpoints().iter();
    let asked =
        |one: &&Breakpoint| wanted.is_empty() || wanted.iter().any(|(number, _)| *number == one.number);
    let breakpoints = all.filter(asked).cloned().collect();
    let registers = session
        .debug_registers()
        .filter(|_| session.live().is_ok())
        .map(|most| (session.debug_registers_taken(), most));
    Ok(Box::new(List { breakpoints, registers }))
}

fn condition(session: &mut Session<'_>, arguments: &str) -> Result {
    let (word, rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    if word.is_empty() {
        return Err(Error::say("Argument required (breakpoint number)."));
    }
    let bad = || Error::say(format!("Bad breakpoint argument: '{word}'"));
    let number: u32 = word.parse().map_err(|_| bad())?;
    let condition = Some(rest.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    let unconditional = condition.is_none();
    session.set_condition(number, condition)?;
    if unconditional {
        return Ok(crate::answer::Text::line(format!("Breakpoint {number} now unconditional.")));
    }
    nothing()
}

fn nothing() -> Result {
    Ok(Box::new(Nothing {}))
}

/// `delete breakpoints 1`: the word is gdb's, and says nothing.
fn without_kind(arguments: &str) -> &str {
    let word = arguments.split_whitespace().next().unwrap_or_default();
    let kind = word.len() >= 2 && "breakpoints".starts_with(word);
    if kind { arguments.get(word.len()..).unwrap_or_default().trim() } else { arguments }
}

/// Breakpoints by number, `NUMBER.LOCATION` and `FROM-TO`; each must be there.
fn chosen(session: &Session<'_>, arguments: &str) -> Result<Vec<(u32, Option<u32>)>> {
    let bad = |word: &str| Error::say(format!("Bad breakpoint number '{word}'"));
    let mut found = Vec::new();
    for word in arguments.split_whitespace() {
        let (number, rest) = word.split_at(word.find(['.', '-']).unwrap_or(word.len()));
        let number: u32 = number.parse().map_err(|_| bad(word))?;
        match rest.split_at_checked(1) {
            Some((".", location)) => found.push((number, Some(location.parse().map_err(|_| bad(word))?))),
            Some(("-", last)) => {
                let last: u32 = last.parse().map_err(|_| bad(word))?;
                let between = session.breakpoints().iter().map(|one| one.number);
                found.extend(between.filter(|one| (number..=last).contains(one)).map(|one| (one, None)));
            }
            _ => found.push((number, None)),
        }
        session.breakpoints().get(number).map_err(lkdb_session::Error::from)?;
    }
    Ok(found)
}

/// A breakpoint that was just set.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct IsSet {
    breakpoint: Breakpoint,
}

impl Layout for IsSet {
    fn lay_out(&self, page: &mut Page) {
        let one = &self.breakpoint;
        if let What::Data { expression, .. } = &one.what {
            page.plain(format_args!("{} {}: {expression}\n", kind(one), one.number));
            return;
        }
        page.plain(format_args!("{} {}", kind(one), one.number));
        match one.locations.as_slice() {
            [] => drop(page.plain(format_args!(" ({}) pending.", one.text()))),
            [only] => {
                page.plain(" at ").put(Style::Address, format_args!("{:#x}", only.address));
                if let (Some(file), Some(line)) = (&only.file, only.line) {
                    page.plain(": file ").put(Style::File, file).plain(format_args!(", line {line}."));
                }
            }
            [first, ..] => {
                page.plain(" at ").put(Style::Address, format_args!("{:#x}", first.address));
                page.plain(format_args!(": {}. ({} locations)", one.text(), one.locations.len()));
            }
        }
        page.plain("\n");
    }
}

/// What gdb calls it.
pub(super) fn kind(breakpoint: &Breakpoint) -> &'static str {
    match (&breakpoint.what, breakpoint.temporary) {
        (What::Code { hardware: false, .. }, false) => "Breakpoint",
        (What::Code { hardware: false, .. }, true) => "Temporary breakpoint",
        (What::Code { hardware: true, .. }, false) => "Hardware assisted breakpoint",
        (What::Code { hardware: true, .. }, true) => "Temporary hardware assisted breakpoint",
        (What::Data { access: Access::Write, .. }, _) => "Hardware watchpoint",
        (What::Data { access: Access::Read, .. }, _) => "Hardware read watchpoint",
        (What::Data { access: Access::ReadWrite, .. }, _) => "Hardware access (read/write) watchpoint",
    }
}

/// `info breakpoints`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List {
    breakpoints: Vec<Breakpoint>,
    /// How many debug registers are taken, and how many there are; none without a limit.
    #[serde(skip)]
    registers: Option<(u64, u64)>,
}

impl Layout for List {
    fn lay_out(&self, page: &mut Page) {
        if self.breakpoints.is_empty() {
            page.plain("No breakpoints or watchpoints.\n");
            return;
        }
        page.put(Style::Title, "Num     Type           Disp Enb Address            What\n");
        for one in &self.breakpoints {
            row(page, one);
        }
        if let Some((taken, most)) = self.registers {
            page.plain(format_args!("Debug registers: {taken} of {most} taken.\n"));
        }
    }
}

fn row(page: &mut Page, one: &Breakpoint) {
    let kind = match &one.what {
        What::Code { hardware: false, .. } => "breakpoint",
        What::Code { hardware: true, .. } => "hw breakpoint",
        What::Data { access: Access::Write, .. } => "hw watchpoint",
        What::Data { access: Access::Read, .. } => "read watchpoint",
        What::Data { access: Access::ReadWrite, .. } => "acc watchpoint",
    };
    let (disposition, enabled) = (if one.temporary { "del" } else { "keep" }, yes(one.enabled));
    page.plain(format_args!("{:<7} {kind:<14} {disposition:<4} {enabled:<3} ", one.number));
    match (&one.what, one.locations.as_slice()) {
        (What::Data { expression, .. }, _) => drop(page.plain(format_args!("{:18} {expression}\n", ""))),
        (_, []) => drop(page.plain(format_args!("{:<18} {}\n", "<PENDING>", one.text()))),
        (_, [only]) => place_of(page, only),
        (_, _) => drop(page.plain(format_args!("{:<18} \n", "<MULTIPLE>"))),
    }
    if let Some(condition) = &one.condition {
        page.plain(format_args!("\tstop only if {condition}\n"));
    }
    if let Some(thread) = one.thread {
        page.plain(format_args!("\tstop only in thread {thread}\n"));
    }
    if one.hits > 0 {
        let s = if one.hits == 1 { "" } else { "s" };
        page.plain(format_args!("\tbreakpoint already hit {} time{s}\n", one.hits));
    }
    if one.ignore > 0 {
        page.plain(format_args!("\tignore next {} hits\n", one.ignore));
    }
    if one.locations.len() > 1 {
        for place in &one.locations {
            let number = format!("{}.{}", one.number, place.number);
            page.plain(format_args!("{number:<7} {:<14} {:<4} {:<3} ", "", "", yes(place.enabled)));
            place_of(page, place);
        }
    }
}

fn yes(enabled: bool) -> &'static str {
    if enabled { "y" } else { "n" }
}

fn place_of(page: &mut Page, place: &Location) {
    page.put(Style::Address, format_args!("{:#018x}", place.address)).plain(" ");
    match (&place.function, &place.file, place.line) {
        (Some(function), Some(file), Some(line)) => {
            page.plain("in ").put(Style::Function, function).plain(" at ").put(Style::File, file);
            page.plain(format_args!(":{line}"));
        }
        (Some(function), ..) => drop(page.plain(format_args!("in {function}"))),
        _ => {}
    }
    page.plain("\n");
}
