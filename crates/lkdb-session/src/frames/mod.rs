//! The selected CPU's call stack, inlined calls told apart, and which of its frames commands are about.
//!
//! Physical frames are `lkdb-unwind`'s; each is one row or, with functions inlined around its address, several.
//! A stack is followed as far as somebody asks, and kept until the target moves.

mod rows;
mod variables;
mod world;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use lkdb_base::RuntimeAddr;
use lkdb_target::Thread;
use lkdb_unwind::{CodeAddress, Held, Registers, Stepper};
pub use lkdb_unwind::{End, Found, Frame, Kept};

use crate::linespec::File;
use crate::{Error, Result, Session};

pub(crate) use rows::line_at;
pub use rows::{Inline, Line, Row};
pub use variables::{Variable, is_scalar, why_gone};
pub(crate) use variables::{declared_type, ends_with_frame, meaning_in};
use world::Program;
pub(crate) use world::Tables;

/// A CPU's stack, as far as it was followed.
#[derive(Debug, Default)]
pub struct Stack {
    of: Option<(u64, Thread)>,
    /// Physical frames, innermost first; thunks are left out.
    pub frames: Vec<Frame>,
    /// What users count as frames.
    pub rows: Vec<Row>,
    /// How it ended; none while it was not followed so far.
    pub end: Option<End>,
}

impl Stack {
    /// The frame that a physical one returns to: those that were left by jumps are passed over.
    #[must_use]
    pub fn caller_of(&self, physical: usize) -> Option<&Frame> {
        self.frames.get(self.standing(physical + 1)?)
    }

    /// The first physical frame from one on that is on the stack: it was not left by a jump.
    #[must_use]
    pub fn standing(&self, from: usize) -> Option<usize> {
        let outer = self.frames.get(from..)?;
        Some(from + outer.iter().position(|frame| !frame.jumped())?)
    }

    /// Whether so many rows and the caller of the last are known, or the stack has no more.
    fn reaches(&self, rows: usize) -> bool {
        let last = rows.checked_sub(1).and_then(|last| self.rows.get(last));
        self.end.is_some() || rows == 0 || last.is_some_and(|row| row.physical + 1 < self.frames.len())
    }
}

/// What makes a frame that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameId {
    cfa: RuntimeAddr,
    function: Option<String>,
    inlined: Option<Inline>,
}

/// The stack of the selected CPU and the frame that commands are about.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    stack: RefCell<Rc<Stack>>,
    selected: Cell<usize>,
}

impl<'d> Session<'d> {
    /// The selected CPU's stack, with at least `rows` rows and the frame that called the last of them, unless it
    /// ends before: entry values and returns are the caller's.
    ///
    /// # Errors
    /// When there is no machine, or it does not tell its registers.
    pub fn stack(&self, rows: usize) -> Result<Rc<Stack>> {
        let live = self.live()?;
        let key = (live.generation(), live.selected());
        let known = Rc::clone(&self.frames.stack.borrow());
        if known.of == Some(key) && known.reaches(rows) {
            return Ok(known);
        }
        let stack = Rc::new(self.follow(key, rows)?);
        self.frames.stack.replace(Rc::clone(&stack));
        Ok(stack)
    }

    fn follow(&self, key: (u64, Thread), rows: usize) -> Result<Stack> {
        let live = self.live()?;
        let cpu = live.registers(key.1)?;
        let registers = Registers::of_cpu(live.arch(), |name| cpu.number(name));
        let program = Program::new(live.arch(), live.memory(), self);
        let mut stepper = Stepper::new(&program, registers);
        let mut stack = Stack { of: Some(key), ..Stack::default() };
        while !stack.reaches(rows) {
            let Some(frame) = stepper.next_frame() else {
                stack.end = stepper.end().cloned();
                break;
            };
            if frame.thunk && !stack.frames.is_empty() {
                continue;
            }
            for left in stack.frames.last().map(|inner| self.left_by_jumps(inner, &frame)).unwrap_or_default()
            {
                // As gdb: the innermost function that the jump was in stands for all of them.
                let rows = stack.rows.len();
                rows::append(&mut stack.rows, self.symbols(), &left, stack.frames.len(), 0);
                stack.rows.truncate(rows + 1);
                stack.frames.push(left);
            }
            let hide = if stack.frames.is_empty() { self.hidden_inlines() } else { 0 };
            rows::append(&mut stack.rows, self.symbols(), &frame, stack.frames.len(), hide);
            self.name_in_module(stack.rows.last_mut(), &frame);
            stack.frames.push(frame);
        }
        Ok(stack)
    }

    /// A row of no file's may be a module's.
    fn name_in_module(&self, row: Option<&mut Row>, frame: &Frame) {
        let Some(row) = row.filter(|row| row.function.is_none()) else { return };
        if let Some(found) = self.module_function(frame.pc.lookup()) {
            (row.function, row.module) = (Some(found.name), Some(found.module));
        }
    }

    /// The frames between one and its caller that were left by jumps, innermost first.
    fn left_by_jumps(&self, inner: &Frame, caller: &Frame) -> Vec<Frame> {
        let CodeAddress::Return(call) = caller.pc else { return Vec::new() };
        let jumps = || {
            let (from, to) =
                (self.symbols().locate(caller.pc.lookup())?, self.symbols().locate(inner.pc.lookup())?);
            let object = self.symbols().object(from.object).filter(|_| from.object == to.object)?;
            let jumps = object.jumps_between(object.link(call)?, to.address).ok()?;
            Some(jumps.into_iter().filter_map(|behind| object.runtime(behind)).collect())
        };
        let frame = |behind: RuntimeAddr| {
            let mut frame = Frame {
                pc: CodeAddress::Return(behind),
                cfa: inner.cfa,
                found: Found::Jumped,
                ..caller.clone()
            };
            let Ok(frames) = self.live().map(|live| live.arch().frames) else { return frame };
            let computed = |value| Held { value, at: Kept::Computed };
            frame.registers.set(frames.program_counter, computed(behind.0));
            // It had jumped before the function it came to returned.
            let pushed = if frames.call_pushes { 8 } else { 0 };
            if let Some(cfa) = inner.cfa {
                frame.registers.set(frames.stack_pointer, computed(cfa.0.wrapping_sub(pushed)));
            }
            frame
        };
        let jumps: Vec<RuntimeAddr> = jumps().unwrap_or_default();
        jumps.into_iter().map(frame).collect()
    }

    /// A row of the stack.
    ///
    /// # Errors
    /// gdb's words for having no stack, or not so many frames.
    pub fn frame(&self, level: usize) -> Result<Row> {
        let stack = self.stack(level + 1)?;
        stack.rows.get(level).cloned().ok_or_else(|| Error::say(format!("No frame at level {level}.")))
    }

    /// What makes a frame that one while its function runs; none where its address is not known.
    #[must_use]
    pub fn frame_id(&self, level: usize) -> Option<FrameId> {
        let row = self.frame(level).ok()?;
        let stack = self.stack(level + 1).ok()?;
        let frame = stack.frames.get(row.physical)?;
        Some(FrameId { cfa: frame.cfa?, function: row.function, inlined: row.inlined })
    }

    /// The source line of a row.
    #[must_use]
    pub fn source_of(&self, row: &Row) -> Option<(File, u32)> {
        let (line, place) = (row.line.as_ref()?, row.place?);
        let dwarf = self.symbols().object(place.object)?.dwarf()?;
        let unit = dwarf.unit(dwarf.unit_at(place.address).ok()??).ok()?;
        let directory = Some(unit.directory).filter(|dir| !dir.is_empty()).map(Rc::from);
        let (name, id) = (Rc::clone(&line.file), Some(unit.id));
        Some((File { object: place.object, unit: id, name, directory }, line.line))
    }

    /// The level of the frame that commands are about.
    #[must_use]
    pub fn selected_frame(&self) -> usize {
        self.frames.selected.get()
    }

    /// Makes commands be about a frame.
    ///
    /// # Errors
    /// When there is none of this level.
    pub fn select_frame(&mut self, level: usize) -> Result<()> {
        if self.stack(level + 1)?.rows.len() <= level {
            return Err(Error::say(format!("No frame at level {level}.")));
        }
        self.frames.selected.set(level);
        Ok(())
    }

    /// The physical frames from a row's on: what its variables are evaluated in.
    ///
    /// # Errors
    /// As [`Session::frame`].
    pub fn frames_from(&self, level: usize) -> Result<Vec<Frame>> {
        let row = self.frame(level)?;
        // Entry values of entry values come from further out.
        let stack = self.stack(level + 8)?;
        Ok(stack.frames.get(row.physical..).unwrap_or_default().to_vec())
    }

    /// Forgets the stack and the choice of a frame: the target moved, or another CPU was chosen.
    pub(crate) fn forget_frames(&mut self) {
        self.frames = Frames::default();
    }

    /// How many inlined calls around the innermost address the user is not in yet: the target stands at their first
    /// instruction, and steps into them one by one.
    fn hidden_inlines(&self) -> usize {
        self.live().map_or(0, super::live::Live::hidden_inlines)
    }
}
