//! Moving the machine until there is something to tell.
//!
//! A command that moves is a [`Goal`]: it says how to move next and, at each landing, whether it is done. What all
//! of them share is here: the kernel is found on the way, breakpoints are put in place, hits are counted, several
//! at once are told one after the other, resets are noticed.

use std::collections::BTreeSet;

use lkdb_base::RuntimeAddr;
use lkdb_target::{Site, Thread};

use super::{Hit, Kernel, Stop};
use crate::breakpoints::Breakpoint;
use crate::run::{Cause, Landing, Move};
use crate::{Error, Result, Session};

/// What a command wants of the machine's moves.
pub trait Goal {
    /// How to move next.
    fn next_move(&self) -> Move;

    /// Breakpoints of its own, for this move.
    fn sites(&self) -> BTreeSet<Site>;

    /// What it makes of a landing at which the user's breakpoints did not stop.
    ///
    /// # Errors
    /// When it cannot go on; the machine stands still then.
    fn landed(&mut self, session: &mut Session<'_>, landing: &Landing) -> Result<Verdict>;

    /// Whether it can outlive a reset: what it waits for belongs to the kernel that ran.
    fn outlives_reset(&self) -> bool {
        false
    }
}

/// What a goal says at a landing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    GoOn,
    /// It is done, on this CPU.
    Done(Thread),
}

/// `continue`: no wish but what the user's breakpoints say.
#[derive(Debug, Clone, Copy, Default)]
struct Onward;

impl Goal for Onward {
    fn next_move(&self) -> Move {
        Move::Run
    }

    fn sites(&self) -> BTreeSet<Site> {
        BTreeSet::new()
    }

    fn landed(&mut self, _: &mut Session<'_>, _: &Landing) -> Result<Verdict> {
        Ok(Verdict::GoOn)
    }

    fn outlives_reset(&self) -> bool {
        true
    }
}

impl Session<'_> {
    /// Lets the machine run until something stops it.
    ///
    /// # Errors
    /// When the connection fails, or the kernel is not found where it must be.
    pub fn resume(&mut self) -> Result<Stop> {
        self.proceed(&mut Onward)
    }

    /// Moves the machine until the goal is reached or something else stops it, and selects the CPU that this is
    /// about.
    ///
    /// # Errors
    /// When the connection fails, the kernel is not found where it must be, or the goal cannot go on.
    pub fn proceed(&mut self, goal: &mut dyn Goal) -> Result<Stop> {
        let live = self.live_mut()?;
        live.notice_writes()?;
        live.moves += 1;
        self.reach_kernel()?;
        let stop = match self.queued()? {
            Some(stop) => stop,
            None => loop {
                if let Some(stop) = self.one_move(goal)? {
                    break stop;
                }
            },
        };
        // Ctrl-C was for the machine, and has been served.
        self.interrupt().clear();
        if matches!(stop, Stop::Gone { .. }) {
            return Ok(Stop::Gone { why: self.drop_machine() });
        }
        let live = self.live_mut()?;
        if let Some(cpu) = stop.cpu() {
            live.select(cpu)?;
        }
        live.know_kernel_tables();
        live.stop = Some(stop.clone());
        live.hidden = None;
        self.forget_frames();
        Ok(stop)
    }

    /// One move, and what it comes to for the user; none when it goes on.
    fn one_move(&mut self, goal: &mut dyn Goal) -> Result<Option<Stop>> {
        let mut wanted = self.breakpoints().wanted();
        wanted.append(&mut goal.sites());
        let interrupt = self.interrupt().flag();
        let live = self.live_mut()?;
        wanted.extend(live.arch.reset_vector.map(Site::code));
        let before = live.runner.cpus().to_vec();
        let landing = live.runner.go(goal.next_move(), &wanted, &interrupt)?;
        if let Some((site, error)) = live.runner.refused().into_iter().next() {
            return Err(Error::say(format!("the breakpoint at {} cannot be set: {error}", site.address)));
        }
        match landing.cause {
            Cause::Gone => return Ok(Some(Stop::Gone { why: None })),
            Cause::Watch(address) => {
                if let Some(stop) = self.touched(&landing, address)? {
                    return Ok(Some(stop));
                }
            }
            Cause::Trap if self.has_reset(&landing)? => return self.after_reset(goal),
            Cause::Trap | Cause::Interrupt => {}
        }
        self.queue_hits(&landing, &before, goal.next_move())?;
        if let Some(stop) = self.queued()? {
            return Ok(Some(stop));
        }
        if landing.cause == Cause::Interrupt {
            return Ok(Some(Stop::Interrupted { cpu: landing.cpu.cpu() }));
        }
        match goal.landed(self, &landing)? {
            Verdict::Done(cpu) => Ok(Some(Stop::Done { cpu: cpu.cpu() })),
            Verdict::GoOn if landing.wanted => Err(Error::Interrupted),
            Verdict::GoOn => Ok(None),
        }
    }

    /// A CPU stands at its reset vector.
    fn has_reset(&self, landing: &Landing) -> Result<bool> {
        /// What the program counter shows there: the segment's base is not part of it.
        const OFFSET: u64 = 0xffff;
        let vector = self.live()?.arch.reset_vector;
        let there = |pc: RuntimeAddr| vector.is_some_and(|vector| vector.0 & OFFSET == pc.0 || vector == pc);
        Ok(landing.pc().is_some_and(there))
    }

    /// The kernel that ran is gone; the next one may lie elsewhere.
    fn after_reset(&mut self, goal: &dyn Goal) -> Result<Option<Stop>> {
        let live = self.live_mut()?;
        live.kernel = live.boot.map_or(Kernel::Unknown, Kernel::ToCome);
        self.kernel_moved()?;
        if !goal.outlives_reset() {
            return Ok(Some(Stop::Reset));
        }
        self.reach_kernel()?;
        Ok(None)
    }

    /// Counts the hits of this landing, and queues those that stop.
    fn queue_hits(&mut self, landing: &Landing, before: &[(Thread, RuntimeAddr)], how: Move) -> Result<()> {
        for (cpu, pc) in &landing.cpus {
            // Frozen CPUs stand where they stood; what they hit there was told when they came.
            let stood = match how {
                Move::Step { cpu: moved, .. } => *cpu != moved && before.contains(&(*cpu, *pc)),
                Move::Run => false,
            };
            if !stood && self.counts(*pc) {
                self.live_mut()?.queue.push(Hit { cpu: *cpu, pc: *pc });
            }
        }
        // The CPU that the stub names comes first.
        let named = landing.cpu;
        self.live_mut()?.queue.sort_by_key(|hit| hit.cpu != named);
        Ok(())
    }

    /// Counts a hit at every breakpoint there; whether one of them stops.
    fn counts(&mut self, pc: RuntimeAddr) -> bool {
        let mut stops = false;
        for (number, _) in self.breakpoints().at(pc) {
            stops |= self.breakpoints_mut().get_mut(number).is_ok_and(Breakpoint::counts);
        }
        stops
    }

    /// The next hit that was queued, if it is still one: its CPU may have been moved, its breakpoint deleted.
    fn queued(&mut self) -> Result<Option<Stop>> {
        loop {
            let live = self.live_mut()?;
            if live.queue.is_empty() {
                return Ok(None);
            }
            let hit = live.queue.remove(0);
            if live.pc(hit.cpu) != Some(hit.pc) {
                continue;
            }
            let numbers = self.breakpoints().at(hit.pc);
            if numbers.is_empty() {
                continue;
            }
            let temporary = |number: &u32| self.breakpoints().get(*number).is_ok_and(|one| one.temporary);
            let deleted: Vec<u32> = numbers.iter().map(|(number, _)| *number).filter(temporary).collect();
            for number in &deleted {
                let _ = self.breakpoints_mut().delete(*number);
            }
            return Ok(Some(Stop::Breakpoint { cpu: hit.cpu.cpu(), numbers, deleted }));
        }
    }

    /// The watchpoints that a touch at `address` stops for.
    fn touched(&mut self, landing: &Landing, address: RuntimeAddr) -> Result<Option<Stop>> {
        let mut numbers = self.breakpoints().watching(address);
        numbers.retain(|number| self.breakpoints_mut().get_mut(*number).is_ok_and(Breakpoint::counts));
        let cpu = landing.cpu.cpu();
        Ok((!numbers.is_empty()).then_some(Stop::Watchpoint { cpu, numbers, address: address.0 }))
    }
}
