//! Running and stopping: one move of the target at a time, and what it came to.
//!
//! QEMU's stub has no step-over: resumed on a breakpoint, a CPU hits it again at once. So a CPU that stands
//! on one is stepped past it with the breakpoint lifted and the other CPUs frozen, which none of them can
//! use to slip by. Nor is its step sure to do anything: under TCG a CPU that is kicked as it resumes (a
//! device's timer) leaves its block before the first instruction, and `cpu_tb_exec` (accel/tcg/cpu-exec.c,
//! QEMU 7.2) reports the step done all the same. A step that left every register as it was is therefore
//! made again; `jmp .` is the instruction that stays, so a few times at most. And a stop hides others:
//! several CPUs may have come to breakpoints at the same moment, and the stub names one of them. So every
//! CPU's program counter is read at each stop, and a [`Landing`] tells of all.
//!
//! What a stop means to the user (which breakpoint, is its condition true, is a step done) is decided by the
//! caller: [`crate::stepping`] and the session's `resume`.

mod landing;
#[cfg(test)]
mod tests;

use std::cell::{RefCell, RefMut};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lkdb_base::RuntimeAddr;
use lkdb_target::{Error, Site, Stop, Stub, Thread};

pub use landing::{Cause, Landing};

/// `SIGTRAP` in gdb's own counting of signals.
const TRAP: u8 = 5;
/// How often a wait looks up for Ctrl-C. A stop itself is noticed at once.
const LOOK_UP: Duration = Duration::from_millis(50);
/// How long QEMU may take to stop when told to: its main loop may be busy with the guest's disk.
const TO_STOP: Duration = Duration::from_secs(10);
/// How often a step is made that does nothing. Being kicked twice in a row is rare already.
const STEPS_MADE: u32 = 4;

/// A move of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Every CPU runs until something stops them.
    Run,
    /// One CPU does one instruction; the others stand still, which can livelock in spinlocks and waits for
    /// other CPUs, or run meanwhile.
    Step {
        /// Which.
        cpu: Thread,
        /// Whether the others run.
        others_run: bool,
    },
}

/// The CPUs of a machine, and the stub that moves them.
#[derive(Debug)]
pub struct Runner {
    stub: Rc<RefCell<Stub>>,
    at: Vec<(Thread, RuntimeAddr)>,
    program_counter: &'static str,
    refused: Vec<(Site, Error)>,
}

impl Runner {
    /// Takes a stub whose machine stands still. `program_counter` is the register's name in target.xml.
    ///
    /// # Errors
    /// When the CPUs cannot be read.
    pub fn new(stub: Rc<RefCell<Stub>>, program_counter: &'static str) -> Result<Self, Error> {
        let mut runner = Self { stub, at: Vec::new(), program_counter, refused: Vec::new() };
        runner.read_cpus(None)?;
        Ok(runner)
    }

    /// The stub. Nobody holds it across calls.
    pub fn stub(&self) -> RefMut<'_, Stub> {
        self.stub.borrow_mut()
    }

    /// Where each CPU stands.
    #[must_use]
    pub fn cpus(&self) -> &[(Thread, RuntimeAddr)] {
        &self.at
    }

    /// Where one CPU stands.
    #[must_use]
    pub fn pc(&self, cpu: Thread) -> Option<RuntimeAddr> {
        self.at.iter().find(|(thread, _)| *thread == cpu).map(|(_, pc)| *pc)
    }

    /// Makes the stub hold these breakpoints and no others, but for those it refuses.
    fn settle(&mut self, wanted: &BTreeSet<Site>) -> Result<(), Error> {
        let mut stub = self.stub.borrow_mut();
        let held: BTreeSet<Site> = stub.inserted().iter().copied().collect();
        for site in held.difference(wanted) {
            stub.remove(site.kind, site.address, site.length)?;
        }
        self.refused.clear();
        for site in wanted.difference(&held) {
            match stub.insert(site.kind, site.address, site.length) {
                Ok(()) => {}
                Err(error @ (Error::Refused { .. } | Error::Unsupported(_))) => {
                    self.refused.push((*site, error))
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes the code breakpoints at some addresses out, to step past them; [`Self::settle`] puts them back.
    /// Whether there were any.
    fn lift(&mut self, addresses: &[RuntimeAddr]) -> Result<bool, Error> {
        let mut stub = self.stub.borrow_mut();
        let lifted = |site: &Site| site.is_code() && addresses.contains(&site.address);
        let sites: Vec<Site> = stub.inserted().iter().copied().filter(lifted).collect();
        for site in &sites {
            stub.remove(site.kind, site.address, site.length)?;
        }
        Ok(!sites.is_empty())
    }

    /// Moves the target, with `wanted` in place, and waits until it stands still again, or until
    /// `interrupt` is set and the target was stopped for that.
    ///
    /// # Errors
    /// When the connection fails, or the machine does not stop when it is told to.
    pub fn go(
        &mut self,
        how: Move,
        wanted: &BTreeSet<Site>,
        interrupt: &AtomicBool,
    ) -> Result<Landing, Error> {
        let mut alone = None;
        let stop = match how {
            Move::Run => match self.step_off(self.standing(wanted).collect(), interrupt)? {
                Some(stop) => stop,
                None => {
                    self.settle(wanted)?;
                    self.stub().resume()?;
                    self.wait(interrupt)?
                }
            },
            Move::Step { cpu, others_run } => {
                // A breakpoint that is lifted would let the others slip by.
                let here: Vec<_> = self.pc(cpu).into_iter().collect();
                let lifted = self.lift(&here)?;
                let others_run = others_run && !lifted;
                // One that others stand on would stop them at once.
                let standing: Vec<_> = self.standing(wanted).filter(|(other, _)| *other != cpu).collect();
                match if others_run { self.step_off(standing, interrupt)? } else { None } {
                    Some(stop) => stop,
                    None => {
                        if !self.standing(wanted).any(|(standing, _)| standing == cpu) {
                            self.settle(wanted)?;
                        }
                        alone = (!others_run).then_some(cpu);
                        if others_run {
                            self.stub().step(cpu, true)?;
                            self.wait(interrupt)?
                        } else {
                            self.step_alone(cpu, interrupt)?
                        }
                    }
                }
            }
        };
        if !matches!(stop, Stop::Exited(_) | Stop::Killed(_)) {
            match alone {
                Some(cpu) => self.read_one(cpu)?,
                None => self.read_cpus(stop.thread())?,
            }
        }
        Ok(Landing::new(how, &stop, &self.at, interrupt.load(Ordering::Relaxed)))
    }

    /// The CPUs that stand on one of these breakpoints, and where.
    fn standing(&self, wanted: &BTreeSet<Site>) -> impl Iterator<Item = (Thread, RuntimeAddr)> {
        let on = |pc: RuntimeAddr| wanted.iter().any(|site| site.address == pc && site.is_code());
        self.at.iter().copied().filter(move |(_, pc)| on(*pc))
    }

    /// Steps CPUs off the breakpoints they stand on, one after the other. A stop for another reason than
    /// the step is returned.
    fn step_off(
        &mut self,
        standing: Vec<(Thread, RuntimeAddr)>,
        interrupt: &AtomicBool,
    ) -> Result<Option<Stop>, Error> {
        if standing.is_empty() {
            return Ok(None);
        }
        let places: Vec<_> = standing.iter().map(|(_, pc)| *pc).collect();
        self.lift(&places)?;
        for (cpu, _) in standing {
            let stop = self.step_alone(cpu, interrupt)?;
            // A watched access, say, is a stop like any other.
            if !is_step(&stop) {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// One instruction of a CPU while the others stand still.
    fn step_alone(&mut self, cpu: Thread, interrupt: &AtomicBool) -> Result<Stop, Error> {
        let mut before = self.stub().registers(cpu)?;
        let mut made = 0;
        loop {
            self.stub().step(cpu, false)?;
            let stop = self.wait(interrupt)?;
            made += 1;
            if !is_step(&stop) || made == STEPS_MADE {
                return Ok(stop);
            }
            let after = self.stub().registers(cpu)?;
            if after != before {
                return Ok(stop);
            }
            tracing::debug!("a step of {cpu} did nothing");
            before = after;
        }
    }

    /// Waits for a stop; stops the target itself when the user wants it.
    fn wait(&mut self, interrupt: &AtomicBool) -> Result<Stop, Error> {
        loop {
            if interrupt.load(Ordering::Relaxed) {
                return self.stub().interrupt(TO_STOP);
            }
            match self.stub().wait(LOOK_UP) {
                Err(Error::StillRunning(_)) => {}
                other => return other,
            }
        }
    }

    /// A register was changed: maybe the program counter.
    ///
    /// # Errors
    /// When the CPUs cannot be read.
    pub fn read_again(&mut self) -> Result<(), Error> {
        self.read_cpus(None)
    }

    /// The breakpoints that the stub refused at the last move, each told once.
    pub fn refused(&mut self) -> Vec<(Site, Error)> {
        std::mem::take(&mut self.refused)
    }

    /// Of a CPU that moved alone. All its registers are read, since whoever asks for one asks for more.
    fn read_one(&mut self, cpu: Thread) -> Result<(), Error> {
        let registers = self.stub().registers(cpu)?;
        let pc = registers.number(self.program_counter);
        let pc = pc.ok_or_else(|| Error::NoRegister(self.program_counter.to_owned()))?;
        for (_, at) in self.at.iter_mut().filter(|(thread, _)| *thread == cpu) {
            *at = RuntimeAddr(pc);
        }
        Ok(())
    }

    /// Where all stand. Of the CPU that the stop names all registers are read: it is looked at, or stepped on.
    fn read_cpus(&mut self, named: Option<Thread>) -> Result<(), Error> {
        let mut stub = self.stub.borrow_mut();
        let threads = match self.at.as_slice() {
            [] => stub.threads()?,
            known => known.iter().map(|(thread, _)| *thread).collect(),
        };
        let counters = stub.register_of(&threads, self.program_counter, named)?;
        drop(stub);
        self.at = counters.into_iter().map(|(cpu, pc)| (cpu, RuntimeAddr(pc))).collect();
        Ok(())
    }
}

/// The stop that ends a step, and that of a breakpoint.
fn is_step(stop: &Stop) -> bool {
    matches!(stop, Stop::Signal { signal: TRAP, watch: None, .. })
}
