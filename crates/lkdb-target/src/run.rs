//! Run control: resuming, stepping, waiting, stopping, letting go.
//!
//! Which CPU does what is said with `vCont`. What a stop means is the caller's to find out.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::{Error, Result, excerpt};
use crate::link::Received;
use crate::stop::{Stop, Thread, hex_number};
use crate::stub::{ANSWER, Stub};

/// What a CPU does when the machine is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It runs.
    Continue,
    /// It does one instruction.
    Step,
}

/// What each CPU does when the machine is resumed; one that nothing is said of stands still.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// CPUs by name.
    pub of: Vec<(Thread, Action)>,
    /// All others.
    pub others: Option<Action>,
}

impl Resume {
    /// Every CPU runs.
    #[must_use]
    pub const fn all() -> Self {
        Self { of: Vec::new(), others: Some(Action::Continue) }
    }

    /// One CPU does one instruction; the others stand still, or run.
    #[must_use]
    pub fn step(thread: Thread, others_run: bool) -> Self {
        Self { of: vec![(thread, Action::Step)], others: others_run.then_some(Action::Continue) }
    }

    fn packet(&self) -> String {
        use std::fmt::Write;
        let letter = |action| if action == Action::Step { 's' } else { 'c' };
        let mut packet = "vCont".to_owned();
        for (thread, action) in &self.of {
            let _ = write!(packet, ";{}:{:x}", letter(*action), thread.0);
        }
        if let Some(action) = self.others {
            let _ = write!(packet, ";{}", letter(action));
        }
        packet
    }
}

/// The single steps of one CPU. The first ones freeze the other CPUs, which is quick and keeps things in order
/// but livelocks where the code waits for another CPU (a spinlock, an interrupt between processors); after
/// those the others run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// The CPU.
    pub thread: Thread,
    /// How many more steps the others stand still.
    pub alone: u32,
}

impl Steps {
    /// Whether the others run at the next step.
    #[must_use]
    pub const fn others_run(self) -> bool {
        self.alone == 0
    }

    /// A step was done.
    pub fn count(&mut self) {
        self.alone = self.alone.saturating_sub(1);
    }
}

/// What QEMU keeps from happening while it steps a CPU, as bits of its own choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMasks {
    /// The bits there are: `ENABLE`, `NOIRQ`, `NOTIMER`, as far as the accelerator can.
    pub bits: Vec<(String, u64)>,
    /// Those that are set.
    pub set: u64,
}

impl Stub {
    /// What stepping masks (`qqemu.sstepbits`, `qqemu.sstep`).
    ///
    /// # Errors
    /// For a stub that is not QEMU's.
    pub fn step_masks(&mut self) -> Result<StepMasks> {
        let text = self.request("qqemu.sstepbits")?;
        let set = self.request("qqemu.sstep")?;
        let garbage = |request: &str, answer: &[u8], expected| Error::Garbage {
            request: request.to_owned(),
            answer: excerpt(answer),
            expected,
        };
        let bit = |item: &[u8]| {
            let mut halves = item.splitn(2, |byte| *byte == b'=');
            let (name, value) = (halves.next()?, hex_number(halves.next()?)?);
            Some((String::from_utf8_lossy(name).into_owned(), value))
        };
        let bits: Option<_> = text.split(|byte| *byte == b',').map(bit).collect();
        let bits = bits.ok_or_else(|| garbage("qqemu.sstepbits", &text, "list of bits"))?;
        let number = set.strip_prefix(b"0x").and_then(hex_number);
        let set = number.ok_or_else(|| garbage("qqemu.sstep", &set, "number"))?;
        Ok(StepMasks { bits, set })
    }

    /// Chooses what stepping masks. QEMU keeps it when the connection ends.
    ///
    /// # Errors
    /// [`Error::Refused`] for bits that the accelerator does not have.
    pub fn set_step_masks(&mut self, set: u64) -> Result<()> {
        self.ok(&format!("Qqemu.sstep={set:x}"))
    }

    /// Lets every CPU run.
    ///
    /// # Errors
    /// [`Error::Running`] when it runs already.
    pub fn resume(&mut self) -> Result<()> {
        self.go(&Resume::all())
    }

    /// Lets one CPU do one instruction; the others stand still, or run if `others_run`.
    ///
    /// # Errors
    /// [`Error::Running`] when the machine runs already.
    pub fn step(&mut self, thread: Thread, others_run: bool) -> Result<()> {
        self.go(&Resume::step(thread, others_run))
    }

    /// Lets CPUs run or step, each as said.
    ///
    /// # Errors
    /// [`Error::Running`] when the machine runs already.
    pub fn go(&mut self, how: &Resume) -> Result<()> {
        let packet = how.packet();
        if self.running {
            return Err(Error::Running(packet));
        }
        // From the first byte on: should sending fail half-way, nothing but an interrupt is safe.
        self.running = true;
        self.generation += 1;
        self.link.send(packet.as_bytes(), ANSWER)
    }

    /// Waits until the machine stops.
    ///
    /// # Errors
    /// [`Error::StillRunning`] after `timeout`; the machine then still runs.
    pub fn wait(&mut self, timeout: Duration) -> Result<Stop> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Received::Packet(packet) = self.link.receive(left)? else {
                return Err(Error::StillRunning(timeout));
            };
            // `O` is console output from the stub.
            if let Some(stop) = Stop::parse(&packet) {
                self.running = false;
                // A stop makes the CPU that it names the one that `g` and `p` mean.
                self.selected = stop.thread();
                self.last_stop = Some(stop.clone());
                return Ok(stop);
            }
            let unasked = matches!(packet.first(), Some(b'O')) && packet != b"OK";
            if !unasked {
                let (request, expected) = ("vCont".to_owned(), "stop reply");
                return Err(Error::Garbage { request, answer: excerpt(&packet), expected });
            }
        }
    }

    /// Whether the stub's end of the connection is gone, as far as the system knows.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let stub = self.link.socket();
        let mut fds = [PollFd::from_borrowed_fd(stub, PollFlags::RDHUP)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(gone)
    }

    /// Waits until the stub has something to say or `other` can be read (a signal's pipe, a machine's
    /// events), whichever comes first. Whether it was `other`; `None` when time ran out.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn wait_beside(&self, other: BorrowedFd<'_>, timeout: Duration) -> Result<Option<bool>> {
        if self.link.has_arrived() {
            return Ok(Some(false));
        }
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let stub = self.link.socket();
            let mut fds = [PollFd::new(&other, PollFlags::IN), PollFd::from_borrowed_fd(stub, PollFlags::IN)];
            match poll(&mut fds, Some(&limit)) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    let [other, stub] = fds;
                    // A stop that is there is told first.
                    return Ok(Some(stub.revents().is_empty() && !other.revents().is_empty()));
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
    }

    /// Stops a running machine and waits until it has. A stop that happened by itself meanwhile is
    /// returned instead, and so is the last one of a machine that stands still.
    ///
    /// # Errors
    /// [`Error::StillRunning`] when it does not stop within `timeout`.
    pub fn interrupt(&mut self, timeout: Duration) -> Result<Stop> {
        if !self.running {
            return match &self.last_stop {
                Some(stop) => Ok(stop.clone()),
                None => self.why(),
            };
        }
        self.link.interrupt(timeout)?;
        self.wait(timeout)
    }

    /// Resumes and waits for a stop; when none comes in time, interrupts, and returns `None`.
    ///
    /// # Errors
    /// When the connection fails, or the machine does not even stop when interrupted.
    pub fn run_for(&mut self, timeout: Duration) -> Result<Option<Stop>> {
        self.resume()?;
        match self.wait(timeout) {
            Ok(stop) => Ok(Some(stop)),
            Err(Error::StillRunning(_)) => self.interrupt(ANSWER).map(|_| None),
            Err(error) => Err(error),
        }
    }

    /// Ends the session: stops the machine if it runs, removes what was inserted and lets the machine run. To
    /// leave it stopped, drop the stub instead.
    ///
    /// # Errors
    /// When the machine does not stop, or the stub refuses.
    pub fn detach(mut self) -> Result<()> {
        if self.running {
            let _ = self.interrupt(ANSWER)?;
        }
        self.remove_all()?;
        self.ok(if self.features().multiprocess { "D;1" } else { "D" })
    }

    /// Runs a command of QEMU's human monitor and returns what it printed (`qRcmd`).
    ///
    /// # Errors
    /// When the stub has no monitor, or prints without end.
    pub fn monitor(&mut self, command: &str) -> Result<String> {
        const LONGEST: usize = 8 << 20;
        // It may change anything.
        self.generation += 1;
        let request = format!("qRcmd,{}", crate::packet::to_hex(command.as_bytes()));
        let mut answer = self.request(&request)?;
        let mut text = Vec::new();
        loop {
            let garbage = |answer: &[u8]| Error::Garbage {
                request: format!("monitor {command}"),
                answer: excerpt(answer),
                expected: "monitor output",
            };
            match answer.as_slice() {
                b"OK" => return Ok(String::from_utf8_lossy(&text).into_owned()),
                [b'O', digits @ ..] if text.len() < LONGEST => {
                    text.extend(crate::packet::from_hex(digits).ok_or_else(|| garbage(&answer))?);
                }
                [b'E', _, _] => return Err(Error::Refused { request, code: excerpt(&answer) }),
                _ => return Err(garbage(&answer)),
            }
            answer = match self.link.receive(ANSWER)? {
                Received::Packet(packet) => packet,
                Received::Nothing => return Err(Error::Timeout { request, after: ANSWER }),
            };
        }
    }
}

impl AsFd for Stub {
    /// To wait for it. Nothing may be read from it or written to it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.socket()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_said_as_vcont_says_them() {
        assert_eq!(Resume::all().packet(), "vCont;c");
        assert_eq!(Resume::step(Thread(17), false).packet(), "vCont;s:11");
        let mixed = Resume {
            of: vec![(Thread(2), Action::Continue), (Thread(1), Action::Step)],
            others: Some(Action::Continue),
        };
        assert_eq!(mixed.packet(), "vCont;c:2;s:1;c");
    }

    #[test]
    fn steps_let_the_others_run_after_a_while() {
        let mut steps = Steps { thread: Thread(1), alone: 2 };
        let mut next = || {
            let step = Resume::step(steps.thread, steps.others_run());
            steps.count();
            step.packet()
        };
        let packets: Vec<_> = (0..4).map(|_| next()).collect();
        assert_eq!(packets, ["vCont;s:1", "vCont;s:1", "vCont;s:1;c", "vCont;s:1;c"]);
    }
}
