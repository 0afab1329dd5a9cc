//! One connection to a stub: sends packets and waits for their answers, each within a deadline.
//!
//! Knows framing and acknowledgement, not what packets mean. The socket's own flags are never changed:
//! the descriptor may be a duplicate, whose flags its lender shares.
//!
//! Two things make it quick. The acknowledgement of an answer goes out with the next request, in one write:
//! each write wakes QEMU. And several requests may be sent before the first answer is read
//! ([`Link::exchange_all`]): QEMU takes the next packet in place of an acknowledgement.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::error::{Error, Result, excerpt};
use crate::packet::{Decoder, Event, encode};

/// How many times a damaged packet is asked for again.
const RETRIES: usize = 5;

#[derive(Debug)]
pub(crate) struct Link {
    socket: OwnedFd,
    decoder: Decoder,
    arrived: VecDeque<Event>,
    /// What the last read gave.
    buffer: Vec<u8>,
    /// Packets taken and not acknowledged yet.
    owed: usize,
}

/// Whether a packet came, or time ran out.
pub(crate) enum Received {
    Packet(Vec<u8>),
    Nothing,
}

impl Link {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            decoder: Decoder::default(),
            arrived: VecDeque::new(),
            buffer: vec![0; 64 << 10],
            owed: 0,
        }
    }

    /// Sends a payload and waits until the stub has taken it.
    ///
    /// A packet that arrives before the acknowledgement is no answer to it and is dropped.
    pub(crate) fn send(&mut self, payload: &[u8], timeout: Duration) -> Result<()> {
        tracing::trace!(target: "lkdb_target::packet", "-> {}", excerpt(payload));
        let deadline = Instant::now() + timeout;
        let late = || Error::Timeout { request: excerpt(payload), after: timeout };
        let packet = encode(payload);
        for _ in 0..RETRIES {
            self.write_with_owed(&packet, deadline)?.ok_or_else(late)?;
            loop {
                match self.event(deadline)?.ok_or_else(late)? {
                    Event::Ack => return Ok(()),
                    Event::Nak => break,
                    Event::Packet(early) => {
                        tracing::debug!("unasked packet dropped: {}", excerpt(&early));
                        self.owed += 1;
                    }
                    Event::Damaged => self.write(b"-", deadline)?.ok_or_else(late)?,
                    Event::TooLong => return Err(Error::TooLong(crate::packet::LONGEST)),
                }
            }
        }
        Err(Error::Damaged)
    }

    /// The next packet, acknowledged, or [`Received::Nothing`] when none came within `timeout`.
    pub(crate) fn receive(&mut self, timeout: Duration) -> Result<Received> {
        let deadline = Instant::now() + timeout;
        let mut damaged = 0;
        loop {
            let Some(event) = self.event(deadline)? else { return Ok(Received::Nothing) };
            let answer: &[u8] = match event {
                Event::Packet(payload) => {
                    tracing::trace!(target: "lkdb_target::packet", "<- {}", excerpt(&payload));
                    self.owed += 1;
                    return Ok(Received::Packet(payload));
                }
                Event::Damaged if damaged < RETRIES => b"-",
                Event::Damaged => return Err(Error::Damaged),
                Event::TooLong => return Err(Error::TooLong(crate::packet::LONGEST)),
                Event::Ack | Event::Nak => continue,
            };
            damaged += 1;
            if self.write(answer, deadline)?.is_none() {
                return Ok(Received::Nothing);
            }
        }
    }

    /// Sends all of `payloads` at once and waits for as many answers, in order. Only for requests that each
    /// have one answer; a few dozen at a time, so that both ends' buffers hold them.
    pub(crate) fn exchange_all(&mut self, payloads: &[Vec<u8>], timeout: Duration) -> Result<Vec<Vec<u8>>> {
        let deadline = Instant::now() + timeout;
        let first = payloads.first().map(|payload| excerpt(payload)).unwrap_or_default();
        let late = || Error::Timeout { request: format!("{first} and others"), after: timeout };
        let mut bytes = Vec::new();
        for payload in payloads {
            tracing::trace!(target: "lkdb_target::packet", "=> {}", excerpt(payload));
            bytes.extend(encode(payload));
        }
        self.write_with_owed(&bytes, deadline)?.ok_or_else(late)?;
        let (mut answers, mut taken) = (Vec::with_capacity(payloads.len()), 0);
        while answers.len() < payloads.len() {
            match self.event(deadline)?.ok_or_else(late)? {
                Event::Ack => taken += 1,
                Event::Packet(answer) => {
                    self.owed += 1;
                    if taken > answers.len() {
                        tracing::trace!(target: "lkdb_target::packet", "<= {}", excerpt(&answer));
                        answers.push(answer);
                    }
                }
                // What would be sent again is only the last of them.
                Event::Nak | Event::Damaged => return Err(Error::Damaged),
                Event::TooLong => return Err(Error::TooLong(crate::packet::LONGEST)),
            }
        }
        Ok(answers)
    }

    /// Writes `bytes` behind the acknowledgements that are owed.
    fn write_with_owed(&mut self, bytes: &[u8], deadline: Instant) -> Result<Option<()>> {
        if self.owed == 0 {
            return self.write(bytes, deadline);
        }
        let mut whole = vec![b'+'; std::mem::take(&mut self.owed)];
        whole.extend_from_slice(bytes);
        self.write(&whole, deadline)
    }

    /// The descriptor, to wait for it together with others.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether something has arrived that [`receive`](Self::receive) would take without waiting for the socket.
    pub(crate) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    /// Sends the byte that stops a running target.
    pub(crate) fn interrupt(&mut self, timeout: Duration) -> Result<()> {
        tracing::trace!(target: "lkdb_target::packet", "-> 0x03");
        let late = || Error::Timeout { request: "interrupt".to_owned(), after: timeout };
        self.write(&[3], Instant::now() + timeout)?.ok_or_else(late)
    }

    fn event(&mut self, deadline: Instant) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.arrived.pop_front() {
                return Ok(Some(event));
            }
            // An answer takes a while: to try first would be a call more for each.
            if !self.wait(PollFlags::IN, deadline)? {
                return Ok(None);
            }
            let count = match recv(&self.socket, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
                Ok((0, _)) | Err(Errno::CONNRESET | Errno::PIPE) => return Err(Error::Closed),
                Ok((count, _)) => count,
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(error) => return Err(std::io::Error::from(error).into()),
            };
            self.decoder.push_all(self.buffer.get(..count).unwrap_or_default(), &mut self.arrived);
            // A flood without pause must not outlast the deadline.
            if self.arrived.is_empty() && Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// `None` when the stub would not take the bytes in time.
    fn write(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<Option<()>> {
        while !bytes.is_empty() {
            match send(&self.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if !self.wait(PollFlags::OUT, deadline)? {
                        return Ok(None);
                    }
                }
                Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => return Err(Error::Closed),
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
        Ok(Some(()))
    }

    /// Whether the socket got ready before the deadline.
    fn wait(&self, what: PollFlags, deadline: Instant) -> Result<bool> {
        loop {
            // With no time left it looks once.
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::from_borrowed_fd(self.socket.as_fd(), what)];
            let limit = rustix::event::Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut fds, Some(&limit)) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
    }
}

impl Drop for Link {
    /// The next client should not find an answer that nobody took.
    fn drop(&mut self) {
        let _ = self.write_with_owed(b"", Instant::now());
    }
}
