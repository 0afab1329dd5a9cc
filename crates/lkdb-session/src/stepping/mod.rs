//! Stepping: `stepi`, `step`, `next`, `finish`, `until`, `advance`. Each is a [`crate::live::Goal`].
//!
//! A step belongs to a task, and a task to its stack: `current` is wrong in entry code, and the CPU may change.
//! So a command that waits for a call to return waits at the return address *with the stack pointer that the
//! return leaves behind*: other tasks, interrupts and recursion come by that address with another one, and the
//! task that is meant may come by on any CPU.
//!
//! Instructions are stepped with the other CPUs frozen (and, QEMU's default, interrupts masked); after
//! [`ALONE`] of them the others run as well, since the code may be waiting for one.

mod instruction;
mod lines;
mod returned;
mod returning;

use lkdb_base::RuntimeAddr;
use lkdb_symbols::dwarf::Block;
use lkdb_target::{Steps, Thread};

use crate::live::Stop;
use crate::run::Move;
use crate::{Error, Result, Session};

pub use lines::How;
pub use returning::Return;

/// What a step goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `stepi`, and `nexti`.
    Instruction {
        /// A call is one instruction.
        over: bool,
    },
    /// `step`, `next`, and `until` without an argument.
    Line(How),
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stepped {
    /// What ended it.
    pub stop: Stop,
    /// It is done, in the function and frame that it began in: users know where they are.
    pub in_frame: bool,
}

/// Steps with the other CPUs frozen: more than any line of straight code takes, fewer than a user notices.
const ALONE: u32 = 2000;

/// The single steps of one CPU.
fn steps_of(cpu: Thread) -> Steps {
    Steps { thread: cpu, alone: ALONE }
}

/// The next of them.
fn step(steps: Steps) -> Move {
    Move::Step { cpu: steps.thread, others_run: steps.others_run() }
}

impl Session<'_> {
    /// Steps so many times, at least once, unless something else stops the machine before.
    ///
    /// # Errors
    /// When there is no machine, or it cannot be moved.
    pub fn step(&mut self, step: Step, times: u64) -> Result<Stepped> {
        for _ in 1..times {
            let stop = match step {
                // Where it leads is asked of the last one alone.
                Step::Instruction { over } => self.one_instruction(over)?,
                Step::Line(how) => self.one_line(how)?.stop,
            };
            if !stop.is_done() {
                return Ok(Stepped { stop, in_frame: false });
            }
        }
        match step {
            Step::Instruction { over } => self.last_instruction(over),
            Step::Line(how) => self.one_line(how),
        }
    }

    fn one_instruction(&mut self, over: bool) -> Result<Stop> {
        let cpu = self.live()?.selected();
        let mut goal = instruction::Instruction::new(self, cpu, over)?;
        self.proceed(&mut goal)
    }

    /// One instruction, and whether it stays in its frame.
    fn last_instruction(&mut self, over: bool) -> Result<Stepped> {
        let place =
            |session: &Self| (session.frame(0).ok().and_then(|row| row.function), session.frame_id(0));
        let (function, frame) = place(self);
        let stop = self.one_instruction(over)?;
        let (now, frame_now) = place(self);
        // Entry code has frames whose address is not known.
        let same = function == now && frame.zip(frame_now).is_none_or(|(before, now)| before == now);
        let in_frame = stop.is_done() && same && function.is_some();
        Ok(Stepped { stop, in_frame })
    }

    fn one_line(&mut self, how: How) -> Result<Stepped> {
        if self.enter_inlined(how)? {
            let cpu = self.live()?.selected().cpu();
            return Ok(Stepped { stop: Stop::Done { cpu }, in_frame: false });
        }
        let mut goal = lines::Line::new(self, how)?;
        let stop = self.proceed(&mut goal)?;
        let in_frame = stop.is_done() && goal.in_frame;
        Ok(Stepped { stop, in_frame })
    }

    /// `finish`: until the frame of this level returns, or the inlined function is left. A return is told when it
    /// did.
    ///
    /// # Errors
    /// gdb's words for a frame that returns to nobody.
    pub fn finish(&mut self, level: usize) -> Result<Stop> {
        if self.frame(level)?.inlined.is_some() {
            let mut goal = lines::Line::out_of(self, level)?;
            return self.proceed(&mut goal);
        }
        let mut goal = returning::Finish::new(self, level)?;
        self.proceed(&mut goal)
    }

    /// `until LOCATION` and, where another frame will do, `advance LOCATION`: to a place that the selected frame's task
    /// comes to, or until that frame returns.
    ///
    /// # Errors
    /// When the location means nothing, there is no machine, or it cannot be moved.
    pub fn run_to(&mut self, location: &str, same_frame: bool) -> Result<Stop> {
        self.reach_kernel()?;
        let places = self.code_addresses(location)?;
        let mut goal = returning::RunTo::new(self, &places, same_frame)?;
        self.proceed(&mut goal)
    }

    /// `jump`: the selected CPU goes on at an address.
    ///
    /// # Errors
    /// When its program counter cannot be set.
    pub fn jump(&mut self, to: RuntimeAddr) -> Result<Stop> {
        let live = self.live()?;
        live.write_register(live.arch().program_counter, &to.0.to_le_bytes())?;
        self.forget_frames();
        self.resume()
    }

    /// At the first instruction of inlined functions the user is not in them yet, but for `entered` of them.
    pub(crate) fn stand_before_inlined(&mut self, entered: usize) -> Result<()> {
        let Some(pc) = self.program_counter().filter(|_| entered < usize::MAX) else { return Ok(()) };
        let hidden = self.inlined_from(pc).saturating_sub(entered);
        self.live_mut()?.hide_inlines(hidden);
        self.forget_frames();
        Ok(())
    }

    /// How many inlined calls an address is the first instruction of: where they are entered, also after code of others
    /// that the compiler has put between theirs.
    fn inlined_from(&self, pc: RuntimeAddr) -> usize {
        let begin = || {
            let place = self.symbols().locate(pc)?;
            let scopes = self.symbols().object(place.object)?.dwarf()?.scopes_at(place.address).ok()??;
            let blocks = scopes.inlined_at(place.address);
            let before = lkdb_base::LinkAddr(place.address.0.wrapping_sub(1));
            let begins = |block: &Block<'_>| block.entry() == place.address || !block.covers(before);
            Some(blocks.take_while(|(block, _)| begins(block)).count())
        };
        begin().unwrap_or_default()
    }

    /// `step` at the first instruction of inlined functions enters one, without any move.
    fn enter_inlined(&mut self, how: How) -> Result<bool> {
        let live = self.live_mut()?;
        let enters = how == How::Into && live.hidden_inlines() > 0;
        if enters {
            live.hide_inlines(live.hidden_inlines() - 1);
            self.forget_frames();
        }
        Ok(enters)
    }
}

fn no_frame() -> Error {
    Error::say("No frame selected.")
}
