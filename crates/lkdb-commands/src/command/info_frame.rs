//! `info frame`: all that is known of the selected frame.

use lkdb_session::Session;
use lkdb_session::frames::{Frame, Kept, Row};

use serde::Serialize;

use super::variables::Argument;
use crate::answer::Layout;
use crate::page::{Page, Style};
use crate::table::{Command, Group};
use crate::{Error, Result};

pub(crate) const INFO: &[Command] = &[Command::new(
    &["frame", "f"],
    "",
    "All about the selected frame: its address, its caller, where registers are saved",
    Group::Status,
    frame,
)];

/// A frame.
#[derive(Debug, Serialize)]
struct Facts {
    level: usize,
    address: Option<String>,
    #[serde(skip)]
    counter: &'static str,
    pc: String,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    saved_pc: Option<String>,
    /// It was left by a jump to the frame before.
    jumped: bool,
    /// The level of the frame that it is inlined into.
    inlined_into: Option<usize>,
    /// The address of the frame that called it.
    called_by: Option<String>,
    /// The address of the frame that it called.
    caller_of: Option<String>,
    language: Option<&'static str>,
    /// Where frame bases were before location descriptions: gdb's arithmetic.
    base: Option<String>,
    arguments: Option<Vec<Argument>>,
    /// Where the caller's stack pointer is, or what it is.
    caller_sp: Option<String>,
    /// Registers of the caller that are on the stack, and where.
    saved: Vec<(&'static str, String)>,
}

fn frame(session: &mut Session<'_>, rest: &str) -> Result {
    crate::arguments::none(rest)?;
    if session.live().is_err() {
        return Err(Error::say("No stack."));
    }
    let level = session.selected_frame();
    Ok(Box::new(facts(session, level)?))
}

fn facts(session: &Session<'_>, level: usize) -> Result<Facts> {
    let row = session.frame(level)?;
    let arch = session.live()?.arch();
    let outer = session.frame(level + 1).ok();
    let inner = level.checked_sub(1).and_then(|inner| session.frame(inner).ok());
    let arguments = Argument::all(session, level);
    let mut stack = session.stack(level + 2)?;
    while stack.standing(row.physical).is_none_or(|own| own + 1 == stack.frames.len()) && stack.end.is_none()
    {
        stack = session.stack(stack.rows.len() + 1)?;
    }
    let at = |row: &Row| stack.frames.get(row.physical);
    let address = |frame: Option<&Frame>| frame.and_then(|frame| frame.cfa).map(|cfa| cfa.to_string());
    let own = at(&row);
    let (inlined, jumped) = (row.inlined.is_some(), own.is_some_and(Frame::jumped));
    // What it would return to: of a function that was left by a jump, what the one that has a frame returns to.
    let next = |physical: usize| stack.frames.get(physical + 1);
    let caller = stack.standing(row.physical).and_then(next);
    // Before it jumped nothing was on its stack but what it returns to.
    let jumped_again = jumped && next(row.physical).is_some_and(Frame::jumped) && arch.frames.call_pushes;
    // An inlined function has its registers from where its physical frame's are.
    let (unwound, from) = match inlined {
        _ if jumped => (None, own),
        true => (own, row.physical.checked_sub(1).and_then(|inner| stack.frames.get(inner))),
        false => (caller, own),
    };
    let pointer = arch.frames.stack_pointer;
    let sp = match unwound.or(caller) {
        _ if jumped => {
            let own = own.and_then(|frame| frame.cfa);
            own.map(|cfa| if jumped_again { cfa.0.wrapping_sub(8) } else { cfa.0 })
        }
        Some(frame) => frame.registers.get(pointer),
        None => own.and_then(|frame| frame.cfa).map(|cfa| cfa.0),
    };
    let in_register = inlined && row.physical == 0;
    let caller_sp = match arch.register(pointer).filter(|_| in_register) {
        Some(fact) => Some(format!("in {}", fact.name)),
        None => sp.map(|sp| format!("is {sp:#x}")),
    };
    // Only what this frame saved, not what those before it did.
    let saves = !from.is_some_and(Frame::jumped);
    let saved = arch.registers.iter().filter(|fact| saves && fact.dwarf != pointer).filter_map(|fact| {
        let held = unwound?.registers.held(fact.dwarf)?;
        let own = from.and_then(|frame| frame.registers.held(fact.dwarf));
        match held.at {
            Kept::Memory(at) if own != Some(held) => Some((fact.name, at.to_string())),
            _ => None,
        }
    });
    let base = own.filter(|_| !inlined && !jumped).and_then(|frame| session.old_base(frame));
    Ok(Facts {
        level,
        address: address(own),
        counter: arch.program_counter,
        pc: row.pc.to_string(),
        function: row.function.clone(),
        file: row.line.as_ref().map(|line| line.file.to_string()),
        line: row.line.as_ref().map(|line| line.line),
        saved_pc: caller.map(|caller| caller.pc.address().to_string()),
        jumped,
        inlined_into: inlined.then_some(level + 1),
        called_by: outer.filter(|_| !inlined).and_then(|outer| {
            let without_tables = || Some(format!("{:#x}", session.old_base(at(&outer)?)?.wrapping_add(16)));
            address(at(&outer)).or_else(without_tables)
        }),
        caller_of: inner.and_then(|inner| address(at(&inner))),
        language: session.language_of(&row),
        base: base.map(|base| format!("{base:#x}")),
        arguments,
        caller_sp,
        saved: saved.collect(),
    })
}

impl Facts {
    fn put_place(&self, page: &mut Page) {
        let at = self.address.as_deref().unwrap_or("an unknown address");
        page.plain(format_args!("Stack level {}, frame at ", self.level)).put(Style::Address, at);
        page.plain(format_args!(":\n {} = ", self.counter)).put(Style::Address, &self.pc);
        if let Some(function) = &self.function {
            page.plain(" in ").put(Style::Function, function);
        }
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            page.plain(" (").put(Style::File, file).plain(format_args!(":{line})"));
        }
        if let Some(saved) = &self.saved_pc {
            page.plain(format_args!("; saved {} = ", self.counter)).put(Style::Address, saved);
        }
        page.plain("\n");
    }

    fn put_neighbours(&self, page: &mut Page) {
        let mut parts = Vec::new();
        if self.jumped {
            parts.push(" tail call frame".to_owned());
        } else if let Some(level) = self.inlined_into {
            parts.push(format!(" inlined into frame {level}"));
        } else if let Some(at) = &self.called_by {
            parts.push(format!(" called by frame at {at}"));
        } else {
            parts.push(" Outermost frame: outermost".to_owned());
        }
        parts.extend(self.caller_of.as_ref().map(|at| format!(" caller of frame at {at}")));
        page.plain(parts.join(",")).plain("\n");
    }
}

impl Layout for Facts {
    fn lay_out(&self, page: &mut Page) {
        self.put_place(page);
        self.put_neighbours(page);
        if let Some(language) = self.language {
            page.plain(format_args!(" source language {language}.\n"));
        }
        match &self.base {
            None => drop(page.plain(" Arglist at unknown address.\n Locals at unknown address,")),
            Some(base) => {
                page.plain(format_args!(" Arglist at {base}, args: "));
                for (index, argument) in self.arguments.iter().flatten().enumerate() {
                    page.plain(if index == 0 { "" } else { ", " });
                    argument.put(page);
                }
                page.plain(format_args!("\n Locals at {base},"));
            }
        }
        if let Some(sp) = &self.caller_sp {
            page.plain(format_args!(" Previous frame's sp {sp}\n"));
        }
        if !self.saved.is_empty() {
            page.plain(" Saved registers:\n ");
            for (index, (name, at)) in self.saved.iter().enumerate() {
                page.plain(if index == 0 { " " } else { ", " });
                page.put(Style::Variable, name).plain(" at ").put(Style::Address, at);
            }
            page.plain("\n");
        }
    }
}
