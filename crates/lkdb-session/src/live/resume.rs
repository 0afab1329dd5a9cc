//! Moving the machine until there is something to tell.
//!
//! A command that moves is a [`Goal`]: it says how to move next and, at each landing, whether it is done. What all
//! of them share is here: the kernel is found on the way, breakpoints are put in place, hits are counted, several
//! at once are told one after the other, resets are noticed.

use std::collections::BTreeSet;

use lkdb_base::RuntimeAddr;
use lkdb_target::{BreakpointKind, Site, Thread};

use super::{Kernel, Stop};
use crate::breakpoints::{Breakpoint, Verdict as HitVerdict};
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

    /// How many inlined calls that begin where it has ended the user is in.
    fn entered(&self) -> usize {
        0
    }

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
        self.begin_moving()?;
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
        self.forget_frames();
        if !matches!(stop, Stop::Breakpoint { .. } | Stop::Reset) {
            self.stand_before_inlined(goal.entered())?;
        }
        Ok(stop)
    }

    /// What comes before every move.
    fn begin_moving(&mut self) -> Result<()> {
        self.refresh_watchpoints()?;
        let live = self.live_mut()?;
        let moved = live.notice_writes()?;
        live.moves += 1;
        live.hidden = None;
        self.forget_frames();
        // As in gdb, a breakpoint where the user has put a CPU is hit at once.
        self.queue_hits(&moved, None)?;
        self.reach_kernel()
    }

    /// One move, and what it comes to for the user; none when it goes on.
    fn one_move(&mut self, goal: &mut dyn Goal) -> Result<Option<Stop>> {
        self.check_debug_registers()?;
        let mut wanted = self.breakpoints().wanted(self.longest_watch());
        wanted.append(&mut goal.sites());
        wanted.extend(self.scope_ends());
        let interrupt = self.interrupt().flag();
        let live = self.live_mut()?;
        wanted.extend(live.arch.reset_vector.map(Site::code));
        let before = live.runner.cpus().to_vec();
        let landing = live.runner.go(goal.next_move(), &wanted, &interrupt)?;
        if let Some((site, error)) = live.runner.refused().into_iter().next() {
            return Err(refusal(&site, &error));
        }
        match landing.cause {
            Cause::Gone => return Ok(Some(Stop::Gone { why: None })),
            Cause::Trap if self.has_reset(&landing)? => return self.after_reset(goal),
            Cause::Trap | Cause::Watch(_) | Cause::Interrupt => {}
        }
        let came = came(&landing, &before, goal.next_move());
        self.queue_hits(&came, Some(landing.cpu))?;
        if let Cause::Watch(address) = landing.cause
            && let Some(stop) = self.touched(landing.cpu, address)?
        {
            return Ok(Some(stop));
        }
        if let Some(stop) = self.ended_scopes(&landing)? {
            return Ok(Some(stop));
        }
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
        self.drop_locals_watched();
        self.kernel_moved()?;
        if !goal.outlives_reset() {
            return Ok(Some(Stop::Reset));
        }
        self.reach_kernel()?;
        Ok(None)
    }

    /// Queues the CPUs that have come to breakpoints. The one that the stub names comes first.
    fn queue_hits(&mut self, came: &[(Thread, RuntimeAddr)], named: Option<Thread>) -> Result<()> {
        let on = |(_, pc): &&(Thread, RuntimeAddr)| !self.breakpoints().at(*pc).is_empty();
        let hits: Vec<_> = came.iter().filter(on).copied().collect();
        let queue = &mut self.live_mut()?.queue;
        queue.extend(hits);
        queue.sort_by_key(|(cpu, _)| Some(*cpu) != named);
        Ok(())
    }

    /// The next of the queued hits that stops. Each is judged when its turn comes, for what the user has said since:
    /// its CPU may have been moved, its breakpoint deleted or told to ignore it.
    fn queued(&mut self) -> Result<Option<Stop>> {
        loop {
            let live = self.live_mut()?;
            if live.queue.is_empty() {
                return Ok(None);
            }
            let (cpu, pc) = live.queue.remove(0);
            if live.pc(cpu) == Some(pc)
                && let Some(stop) = self.hit(cpu, pc)?
            {
                return Ok(Some(stop));
            }
        }
    }

    /// Counts the hits of a CPU that has come to a place; the stop, where one of its breakpoints stops it.
    fn hit(&mut self, cpu: Thread, pc: RuntimeAddr) -> Result<Option<Stop>> {
        let (mut numbers, mut failed) = (Vec::new(), Vec::new());
        for place in self.breakpoints().at(pc) {
            match self.judge_hit(place.0, cpu)? {
                HitVerdict::Passes => continue,
                HitVerdict::Stops => {}
                HitVerdict::Failed(why) => failed.push((place.0, why)),
            }
            numbers.push(place);
        }
        if numbers.is_empty() {
            return Ok(None);
        }
        let those = |are: fn(&Breakpoint) -> bool| -> Vec<u32> {
            let is = |number: &u32| self.breakpoints().get(*number).is_ok_and(are);
            numbers.iter().map(|(number, _)| *number).filter(is).collect()
        };
        let several = those(|one| one.locations.len() > 1);
        let deleted = those(|one| one.temporary);
        for number in &deleted {
            let _ = self.breakpoints_mut().delete(*number);
        }
        Ok(Some(Stop::Breakpoint { cpu: cpu.cpu(), numbers, several, deleted, failed }))
    }
}

/// The CPUs that a move has brought where they stand. Frozen ones stand where they stood; what they hit there was
/// told when they came.
fn came(landing: &Landing, before: &[(Thread, RuntimeAddr)], how: Move) -> Vec<(Thread, RuntimeAddr)> {
    let stood = |(cpu, pc): &(Thread, RuntimeAddr)| match how {
        Move::Step { cpu: moved, .. } => *cpu != moved && before.contains(&(*cpu, *pc)),
        Move::Run => false,
    };
    landing.cpus.iter().copied().filter(|cpu| !stood(cpu)).collect()
}

/// The stub does not take a breakpoint.
fn refusal(site: &Site, error: &lkdb_target::Error) -> Error {
    let what = match site.kind {
        BreakpointKind::Software => "breakpoint",
        BreakpointKind::Hardware => "hardware breakpoint",
        _ => "hardware watchpoint",
    };
    let advice = match site.kind {
        BreakpointKind::Software => "the memory may not be there yet; try `hbreak'",
        _ => "the machine may have no debug register left for it; delete or disable another",
    };
    Error::say(format!("Could not insert the {what} at {}: {error}: {advice}.", site.address))
}
