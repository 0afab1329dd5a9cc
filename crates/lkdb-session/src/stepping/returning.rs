//! Waiting for a frame to return: at the return address, with the stack pointer that the return leaves.

use std::collections::BTreeSet;

use lkdb_base::RuntimeAddr;
use lkdb_target::{Site, Thread};
use lkdb_unwind::Frame;

use super::no_frame;
use crate::frames::Stack;
use crate::live::{Goal, Verdict};
use crate::run::{Landing, Move};
use crate::{Error, Result, Session};

/// Where a task comes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Return {
    /// The instruction.
    pub pc: RuntimeAddr,
    /// The stack pointer then; a stack is one task's.
    pub sp: u64,
}

impl Return {
    /// The return into `caller`.
    pub(crate) fn into_frame(session: &Session<'_>, caller: &Frame) -> Result<Self> {
        let number = session.live()?.arch().frames.stack_pointer;
        let sp = caller.registers.get(number).ok_or_else(no_frame)?;
        Ok(Self { pc: caller.pc.address(), sp })
    }

    /// The return out of a physical frame, past those that were left by jumps; none out of the outermost.
    pub(crate) fn of(session: &Session<'_>, stack: &Stack, physical: usize) -> Result<Option<Self>> {
        stack.caller_of(physical).map(|caller| Self::into_frame(session, caller)).transpose()
    }

    /// The CPU on which it has happened, if it has.
    pub(crate) fn at(self, session: &Session<'_>, landing: &Landing) -> Result<Option<Thread>> {
        for (cpu, pc) in &landing.cpus {
            if *pc == self.pc && session.stack_pointer(*cpu)? == self.sp {
                return Ok(Some(*cpu));
            }
        }
        Ok(None)
    }

    pub(super) fn site(self) -> Site {
        Site::code(self.pc)
    }
}

impl Session<'_> {
    /// The CPU that has come to one of these places, with its stack pointer below `below` on the same stack
    /// where that is asked for.
    pub(super) fn arrived(
        &self,
        landing: &Landing,
        places: &[RuntimeAddr],
        below: Option<u64>,
    ) -> Result<Option<Thread>> {
        let longest = self.live()?.arch().frames.longest_stack;
        for (cpu, _) in landing.cpus.iter().filter(|(_, pc)| places.contains(pc)) {
            let sp = self.stack_pointer(*cpu)?;
            if below.is_none_or(|below| below.wrapping_sub(sp) < longest) {
                return Ok(Some(*cpu));
            }
        }
        Ok(None)
    }

    /// A CPU's stack pointer.
    pub(super) fn stack_pointer(&self, cpu: Thread) -> Result<u64> {
        let live = self.live()?;
        let name = live.arch().register(live.arch().frames.stack_pointer).map_or("sp", |fact| fact.name);
        live.registers(cpu)?.number(name).ok_or_else(no_frame)
    }
}

/// `finish`.
pub(super) struct Finish {
    back: Return,
}

impl Finish {
    pub(super) fn new(session: &Session<'_>, level: usize) -> Result<Self> {
        let outermost = || Error::say("\"finish\" not meaningful in the outermost frame.");
        let row = session.frame(level)?;
        let stack = session.stack(level + 1)?;
        Ok(Self { back: Return::of(session, &stack, row.physical)?.ok_or_else(outermost)? })
    }
}

impl Goal for Finish {
    fn next_move(&self) -> Move {
        Move::Run
    }

    fn sites(&self) -> BTreeSet<Site> {
        BTreeSet::from([self.back.site()])
    }

    fn landed(&mut self, session: &mut Session<'_>, landing: &Landing) -> Result<Verdict> {
        Ok(self.back.at(session, landing)?.map_or(Verdict::GoOn, Verdict::Done))
    }
}

/// `until LOCATION`, `advance LOCATION`.
pub(super) struct RunTo {
    places: Vec<RuntimeAddr>,
    /// The frame that must be the innermost at the place.
    frame: Option<RuntimeAddr>,
    /// Where the selected frame returns: the task's stack pointer is below until then.
    back: Option<Return>,
}

impl RunTo {
    pub(super) fn new(session: &Session<'_>, places: &[RuntimeAddr], same_frame: bool) -> Result<Self> {
        let level = session.selected_frame();
        let row = session.frame(level)?;
        let stack = session.stack(level + 1)?;
        let back = Return::of(session, &stack, row.physical)?;
        let frame = stack.frames.get(row.physical).and_then(|frame| frame.cfa).filter(|_| same_frame);
        Ok(Self { places: places.to_vec(), frame, back })
    }
}

impl Goal for RunTo {
    fn next_move(&self) -> Move {
        Move::Run
    }

    fn sites(&self) -> BTreeSet<Site> {
        self.places.iter().map(|place| Site::code(*place)).chain(self.back.map(Return::site)).collect()
    }

    fn landed(&mut self, session: &mut Session<'_>, landing: &Landing) -> Result<Verdict> {
        if let Some(cpu) = self.back.map(|back| back.at(session, landing)).transpose()?.flatten() {
            return Ok(Verdict::Done(cpu));
        }
        let Some(cpu) = session.arrived(landing, &self.places, self.back.map(|back| back.sp))? else {
            return Ok(Verdict::GoOn);
        };
        if let Some(frame) = self.frame {
            session.look_at(cpu)?;
            let stack = session.stack(1)?;
            if stack.frames.first().and_then(|frame| frame.cfa) != Some(frame) {
                return Ok(Verdict::GoOn);
            }
        }
        Ok(Verdict::Done(cpu))
    }
}
