//! One instruction of one CPU.

use std::collections::BTreeSet;

use lkdb_base::RuntimeAddr;
use lkdb_target::{Site, Steps, Thread};

use super::returning::Return;
use super::{step, steps_of};
use crate::live::{Goal, Verdict};
use crate::run::{Landing, Move};
use crate::{Result, Session};

/// The longest instruction of any architecture.
const LONGEST: usize = 15;

/// `stepi` and `nexti`.
pub(super) struct Instruction {
    steps: Steps,
    over: bool,
    /// The instruction behind a halt, which is waited for: a halted CPU does no step.
    behind_halt: Option<RuntimeAddr>,
    /// A call is being waited for.
    back: Option<Return>,
    from: RuntimeAddr,
    from_sp: u64,
}

impl Instruction {
    pub(super) fn new(session: &Session<'_>, cpu: Thread, over: bool) -> Result<Self> {
        let behind_halt = session.behind_halt(cpu)?;
        let from_sp = session.stack_pointer(cpu)?;
        let from = session.code_at(cpu)?.0;
        Ok(Self { steps: steps_of(cpu), over, behind_halt, back: None, from, from_sp })
    }
}

impl Goal for Instruction {
    fn next_move(&self) -> Move {
        if self.behind_halt.is_some() || self.back.is_some() { Move::Run } else { step(self.steps) }
    }

    fn sites(&self) -> BTreeSet<Site> {
        let halt = self.behind_halt.map(Site::code);
        halt.into_iter().chain(self.back.map(Return::site)).collect()
    }

    /// Whoever steps by instructions is in the inlined calls at once, as in gdb.
    fn entered(&self) -> usize {
        usize::MAX
    }

    fn landed(&mut self, session: &mut Session<'_>, landing: &Landing) -> Result<Verdict> {
        self.steps.count();
        let cpu = self.steps.thread;
        if let Some(back) = self.back {
            return Ok(back.at(session, landing)?.map_or(Verdict::GoOn, Verdict::Done));
        }
        if let Some(behind) = self.behind_halt {
            return Ok(if landing.cpus.contains(&(cpu, behind)) {
                Verdict::Done(cpu)
            } else {
                Verdict::GoOn
            });
        }
        if self.over && session.stack_pointer(cpu)? <= self.from_sp {
            session.look_at(cpu)?;
            let stack = session.stack(1)?;
            let back = Return::of(session, &stack, 0)?;
            // A call returns right behind itself, with the stack as it was.
            let behind = |back: &Return| back.pc.0.wrapping_sub(self.from.0) <= LONGEST as u64;
            self.back = back.filter(|back| behind(back) && back.sp == self.from_sp);
            if self.back.is_some() {
                return Ok(Verdict::GoOn);
            }
        }
        Ok(Verdict::Done(cpu))
    }
}

impl Session<'_> {
    /// Makes stack and registers be those of a CPU that is being moved.
    pub(crate) fn look_at(&mut self, cpu: Thread) -> Result<()> {
        self.live_mut()?.select(cpu)?;
        self.forget_frames();
        Ok(())
    }

    /// The address behind the instruction that a CPU stands on, if that waits for an interrupt: single-stepped
    /// with interrupts masked it would wait for ever.
    pub(super) fn behind_halt(&self, cpu: Thread) -> Result<Option<RuntimeAddr>> {
        let code = self.code_at(cpu)?;
        let halts = self.live()?.arch().halts;
        let found = halts.iter().find(|halt| code.1.starts_with(halt));
        Ok(found.map(|halt| code.0.offset(halt.len() as u64)))
    }

    /// Where a CPU stands, and the bytes of the instruction there.
    fn code_at(&self, cpu: Thread) -> Result<(RuntimeAddr, Vec<u8>)> {
        let pc = self.live()?.pc(cpu).ok_or_else(super::no_frame)?;
        let mut bytes = vec![0; LONGEST];
        while !bytes.is_empty() && self.memory().read(pc, &mut bytes).is_err() {
            bytes.pop();
        }
        Ok((pc, bytes))
    }
}
