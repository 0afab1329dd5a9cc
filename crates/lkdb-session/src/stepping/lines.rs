//! `step` and `next`: to the first instruction of another line, by gdb's rules.
//!
//! Single steps within the line; a call is run through (`next`, and `step` where the callee has no lines) or
//! entered (`step`: to the end of its prologue). An exception taken on the way is run through like a call. After
//! a return into the middle of a line the caller's line is stepped to its end. A function that is inlined is a call, too:
//! at its first instruction the user stands before it, on the line that calls it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use lkdb_base::{LinkAddr, RuntimeAddr};
use lkdb_symbols::Object;
use lkdb_target::{Site, Steps, Thread};

use super::returning::Return;
use super::{step, steps_of};
use crate::frames::{self, Inline, Row, Stack, line_at};
use crate::live::{Goal, Verdict};
use crate::run::{Landing, Move};
use crate::{Result, Session};

/// Which of the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// `step`.
    Into,
    /// `next`.
    Over,
    /// `until`: as `next`, but not back to an earlier line of the function.
    Onward,
}

/// What is waited for while everything runs.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// A call's return.
    Back(Return),
    /// The end of a callee's prologue, in its frame.
    Body(Return),
    /// An interrupt behind a halt instruction.
    BehindHalt(RuntimeAddr),
}

/// A frame, told from all others: where the frame's caller's stack begins, and the function.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    cfa: Option<RuntimeAddr>,
    function: Option<String>,
    /// The inlined calls that it is in, outermost first.
    inlined: Vec<Inline>,
}

/// One `step` or `next`.
pub(super) struct Line {
    how: How,
    steps: Steps,
    wait: Option<Wait>,
    origin: Identity,
    range: Range<u64>,
    line: Option<(Rc<str>, u32)>,
    /// It has ended in a function that is inlined into the line: the user is in that.
    entered: bool,
    /// The function that it began in.
    began_in: Option<String>,
    /// It has ended in that function, in the frame whose line was stepped last: users know where they are.
    pub(super) in_frame: bool,
}

/// What is known of the place where a CPU has landed.
struct Here {
    pc: RuntimeAddr,
    identity: Identity,
    caller: Option<Identity>,
    back: Option<Return>,
    thunk: bool,
    /// The function that the user is in.
    row: Row,
    /// The line of the code itself, be it an inlined function's that is not entered yet.
    code: Option<(Rc<str>, u32)>,
    /// Where the code of that line begins and ends.
    range: Option<Range<RuntimeAddr>>,
    /// The code here begins with a statement: a good place to stop.
    statement: bool,
}

impl Line {
    pub(super) fn new(session: &mut Session<'_>, how: How) -> Result<Self> {
        let cpu = session.live()?.selected();
        let here = Here::of(session, cpu)?;
        let mut goal = Self {
            how,
            steps: steps_of(cpu),
            wait: session.behind_halt(cpu)?.map(Wait::BehindHalt),
            origin: here.identity.clone(),
            range: 0..0,
            line: None,
            entered: false,
            began_in: here.identity.function.clone(),
            in_frame: false,
        };
        goal.line = here.line();
        goal.take_range(&here);
        if how == How::Onward {
            goal.take_what_is_behind(session, here.pc);
        }
        Ok(goal)
    }

    /// Out of the inlined function whose row has this level, as gdb's `finish`: its code is interleaved with its
    /// caller's, so that there is no instruction to wait for. It ends where a statement of the caller's
    /// begins.
    pub(super) fn out_of(session: &Session<'_>, level: usize) -> Result<Self> {
        let cpu = session.live()?.selected();
        let row = session.frame(level)?;
        let stack = session.stack(level + 2)?;
        let frame = stack.frames.get(row.physical).ok_or_else(super::no_frame)?;
        let origin = Identity::of(&stack, row.physical, level + 1).ok_or_else(super::no_frame)?;
        let back = (row.physical > 0).then(|| Return::into_frame(session, frame)).transpose()?;
        Ok(Self {
            how: How::Over,
            steps: steps_of(cpu),
            wait: back.map(Wait::Back),
            began_in: origin.function.clone(),
            origin,
            range: 0..0,
            line: None,
            entered: false,
            in_frame: false,
        })
    }

    /// The code that is stepped through without a look.
    fn take_range(&mut self, here: &Here) {
        self.range = match &here.range {
            Some(range) if range.contains(&here.pc) => range.start.0..range.end.0,
            // No line: one instruction is all there is to leave.
            _ => here.pc.0..here.pc.0.saturating_add(1),
        };
    }

    /// For `until`: all of the function up to the line's end, with code of the line's behind it that no statement begins.
    fn take_what_is_behind(&mut self, session: &Session<'_>, pc: RuntimeAddr) {
        if let Some(entry) = session.function_entry(pc) {
            self.range.start = self.range.start.min(entry.0);
        }
        while let Some((line, Some(more))) = session.line_of_code(RuntimeAddr(self.range.end))
            && !line.statement
            && self.line.as_ref().is_some_and(|(file, number)| (&line.file, line.line) == (file, *number))
            && more.end.0 > self.range.end
        {
            self.range.end = more.end.0;
        }
    }

    /// What to do at a place that was stepped to.
    fn judge(&mut self, session: &mut Session<'_>, cpu: Thread) -> Result<Verdict> {
        let pc = session.live()?.pc(cpu);
        // `until` has the whole function before it: where that begins it may have been called anew.
        let anew = |pc: RuntimeAddr| self.how == How::Onward && pc.0 == self.range.start;
        if pc.is_some_and(|pc| self.range.contains(&pc.0) && !anew(pc)) {
            self.wait = session.behind_halt(cpu)?.map(Wait::BehindHalt);
            return Ok(Verdict::GoOn);
        }
        session.look_at(cpu)?;
        session.stand_before_inlined(0)?;
        let here = Here::of(session, cpu)?;
        if here.thunk {
            return Ok(Verdict::GoOn);
        }
        if here.caller.as_ref().is_some_and(|caller| caller.cfa == self.origin.cfa)
            && here.identity.cfa != self.origin.cfa
        {
            return self.called(session, &here);
        }
        self.in_frame = here.identity == self.origin && here.identity.function == self.began_in;
        self.moved_on(session, &here, cpu)
    }

    /// In a function that the line has called, or in an exception that it has raised.
    fn called(&mut self, session: &Session<'_>, here: &Here) -> Result<Verdict> {
        self.in_frame = false;
        let tracers = session.live()?.arch().frames.entry_tracers;
        let tracer = here.row.function.as_deref().is_some_and(|name| tracers.contains(&name));
        let body = (self.how == How::Into && here.row.line.is_some() && here.row.described && !tracer)
            .then(|| session.body_of(here.pc))
            .flatten();
        self.wait = match (body, here.back) {
            (Some(body), _) if body == here.pc => return Ok(Verdict::Done(self.steps.thread)),
            (Some(body), _) => Some(Wait::Body(Return { pc: body, sp: here.sp() })),
            (None, Some(back)) => Some(Wait::Back(back)),
            (None, None) => return Ok(Verdict::Done(self.steps.thread)),
        };
        Ok(Verdict::GoOn)
    }

    /// In the same function, in one inlined into it, or in a caller.
    fn moved_on(&mut self, session: &Session<'_>, here: &Here, cpu: Thread) -> Result<Verdict> {
        let same = here.identity == self.origin;
        let before_inlined = session.inlined_from(here.pc) > 0;
        if same && before_inlined {
            // Before an inlined call: on the same line it is part of that, on another it ends the step.
            let on_line = here.line() == self.line;
            if on_line && self.how != How::Into {
                return Ok(Verdict::GoOn);
            }
            // Then it is in that, and no longer in the frame that it began in.
            self.entered = on_line;
            self.in_frame &= !on_line;
            return Ok(Verdict::Done(cpu));
        }
        if here.identity.is_within(&self.origin) {
            return Ok(if self.how == How::Into { Verdict::Done(cpu) } else { Verdict::GoOn });
        }
        let Some(line) = here.code.clone() else { return Ok(Verdict::Done(cpu)) };
        let begins = self.line.as_ref() != Some(&line)
            && here.range.as_ref().is_some_and(|range| range.start == here.pc);
        if begins && here.statement {
            return Ok(Verdict::Done(cpu));
        }
        self.take_range(here);
        // What begins in the middle of a statement does not count, and in the middle of a line that one is
        // stepped to its end.
        if !(begins && same) {
            self.origin = here.identity.clone();
            self.line = Some(line).filter(|_| !begins);
        }
        self.wait = session.behind_halt(cpu)?.map(Wait::BehindHalt);
        Ok(Verdict::GoOn)
    }
}

impl Identity {
    /// Of a physical frame, without the inlined calls whose rows are before `from`.
    fn of(stack: &Stack, physical: usize, from: usize) -> Option<Self> {
        let frame = stack.frames.get(physical)?;
        let rows = stack.rows.iter().skip(from).filter(|row| row.physical == physical);
        let function = rows.clone().next_back().and_then(|row| row.function.clone());
        let inlined = rows.rev().filter_map(|row| row.inlined).collect();
        Some(Self { cfa: frame.cfa, function, inlined })
    }

    /// Whether this is a function inlined into `other`, or into one that is.
    fn is_within(&self, other: &Self) -> bool {
        self.cfa == other.cfa
            && self.inlined.len() > other.inlined.len()
            && self.inlined.starts_with(&other.inlined)
    }
}

impl Goal for Line {
    fn next_move(&self) -> Move {
        if self.wait.is_some() { Move::Run } else { step(self.steps) }
    }

    fn sites(&self) -> BTreeSet<Site> {
        let site = self.wait.map(|wait| match wait {
            Wait::Back(to) | Wait::Body(to) => to.site(),
            Wait::BehindHalt(pc) => Site::code(pc),
        });
        site.into_iter().collect()
    }

    fn entered(&self) -> usize {
        usize::from(self.entered)
    }

    fn landed(&mut self, session: &mut Session<'_>, landing: &Landing) -> Result<Verdict> {
        match self.wait {
            None => {
                self.steps.count();
                self.judge(session, self.steps.thread)
            }
            Some(Wait::BehindHalt(pc)) => {
                if landing.cpus.contains(&(self.steps.thread, pc)) {
                    self.wait = None;
                    return self.judge(session, self.steps.thread);
                }
                Ok(Verdict::GoOn)
            }
            Some(Wait::Body(to)) => {
                let there = session.arrived(landing, &[to.pc], Some(to.sp))?;
                Ok(there.map_or(Verdict::GoOn, Verdict::Done))
            }
            Some(Wait::Back(back)) => match back.at(session, landing)? {
                Some(cpu) => {
                    self.wait = None;
                    self.steps = steps_of(cpu);
                    self.judge(session, cpu)
                }
                None => Ok(Verdict::GoOn),
            },
        }
    }
}

impl Here {
    fn of(session: &mut Session<'_>, cpu: Thread) -> Result<Self> {
        if session.live()?.selected() != cpu {
            session.look_at(cpu)?;
        }
        let row = session.frame(0)?;
        let stack = session.stack(1)?;
        let identity = |physical: usize| Identity::of(&stack, physical, 0);
        let back = Return::of(session, &stack, 0)?;
        let thunk = stack.frames.first().is_some_and(|frame| frame.thunk);
        let (code, range) = session.line_of_code(row.pc).unzip();
        Ok(Self {
            pc: row.pc,
            identity: identity(0).ok_or_else(super::no_frame)?,
            caller: stack.standing(1).and_then(identity),
            back,
            thunk,
            range: range.flatten(),
            statement: code.as_ref().is_some_and(|code| code.statement),
            code: code.map(|code| (code.file, code.line)),
            row,
        })
    }

    fn line(&self) -> Option<(Rc<str>, u32)> {
        self.row.line.as_ref().map(|line| (Rc::clone(&line.file), line.line))
    }

    /// Where the callee's frame ends: its own stack pointers are below.
    fn sp(&self) -> u64 {
        self.identity.cfa.map_or(u64::MAX, |cfa| cfa.0)
    }
}

impl<'d> Session<'d> {
    /// The line of the code at an address, whoever's it is, and where its code begins and ends.
    fn line_of_code(&self, pc: RuntimeAddr) -> Option<(frames::Line, Option<Range<RuntimeAddr>>)> {
        let place = self.symbols().locate(pc)?;
        let object = self.symbols().object(place.object)?;
        let (line, range) = line_at(object.dwarf()?, place.address)?;
        let bounds = object.runtime(range.start).zip(object.runtime(range.end));
        Some((line, bounds.map(|(start, end)| start..end)))
    }

    /// The function around an address: its file, and where it begins there.
    fn function_around(&self, pc: RuntimeAddr) -> Option<(&Object<'d>, LinkAddr)> {
        let place = self.symbols().locate(pc)?;
        let object = self.symbols().object(place.object)?;
        Some((object, object.dwarf()?.function_at(place.address).ok()??.entry))
    }

    /// Where the function around an address begins.
    fn function_entry(&self, pc: RuntimeAddr) -> Option<RuntimeAddr> {
        let (object, entry) = self.function_around(pc)?;
        object.runtime(entry)
    }

    /// Where the body of the function around an address begins, behind its prologue.
    fn body_of(&self, pc: RuntimeAddr) -> Option<RuntimeAddr> {
        let (object, entry) = self.function_around(pc)?;
        object.runtime(object.start(entry).ok()?.address)
    }
}
