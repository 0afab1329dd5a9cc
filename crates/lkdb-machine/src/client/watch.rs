//! How a machine fares: its statuses, and the hold that keeps it alive.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::ANSWER_WITHIN;
use crate::control::{KEEP, RunState, Status};
use crate::state::StateDir;
use crate::{Error, Result};

/// The statuses of a machine, as they change.
#[derive(Debug)]
pub struct Watch {
    lines: BufReader<UnixStream>,
    partial: Vec<u8>,
    dir: StateDir,
}

impl Watch {
    /// Of the machine in `dir`, whose supervisor tells a status a line.
    pub(super) fn new(lines: BufReader<UnixStream>, dir: StateDir) -> Self {
        Self { lines, partial: Vec::new(), dir }
    }

    /// Waits for the next status, at most until `deadline`. `None`: the deadline came first.
    ///
    /// # Errors
    /// When the supervisor goes away without having said that the machine ended.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Status>> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            let timeout = self.lines.get_ref().set_read_timeout(left);
            match timeout.and_then(|()| self.lines.read_until(b'\n', &mut self.partial)) {
                Ok(0) => return Err(self.gone("is gone".to_owned())),
                Ok(_) => {
                    let line = std::mem::take(&mut self.partial);
                    return serde_json::from_slice(&line)
                        .map(Some)
                        .map_err(|error| self.gone(format!("answers nonsense: {error}")));
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(self.gone(error.to_string())),
            }
        }
    }

    /// The latest status of those that have come, if any has, without waiting.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub fn latest(&mut self) -> Result<Option<Status>> {
        let mut latest = None;
        loop {
            let ready = !self.lines.buffer().is_empty() || readable(self.lines.get_ref());
            let status = if ready { self.next(Some(Instant::now() + ANSWER_WITHIN))? } else { None };
            match status {
                Some(status) => latest = Some(status),
                None => return Ok(latest),
            }
        }
    }

    /// Waits until QEMU has ended and the machine's name is free again.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub fn until_ended(&mut self) -> Result<Status> {
        loop {
            if let Some(status) = self.next(None)?
                && matches!(status.state, RunState::Ended(_))
            {
                self.dir.wait_until_free();
                return Ok(status);
            }
        }
    }

    /// Gives up the hold: the machine goes on without this watch.
    ///
    /// # Errors
    /// When the supervisor is gone.
    pub fn release(self) -> io::Result<()> {
        self.lines.get_ref().write_all(&[KEEP])
    }

    fn gone(&self, what: String) -> Error {
        Error::Supervisor { name: self.dir.name().to_owned(), what }
    }
}

/// Whether something can be read now.
fn readable(stream: &UnixStream) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok_and(|count| count > 0)
}

impl AsFd for Watch {
    /// To wait for the next status together with other things. Only [`Watch::next`] and [`Watch::latest`] may
    /// read from it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lines.get_ref().as_fd()
    }
}
