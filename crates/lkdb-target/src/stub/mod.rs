//! A client of QEMU's gdb stub: the handshake, requests and their answers, run control.
//!
//! What QEMU (7.2 to 11) does with the protocol, by trial and by reading `gdbstub.c`:
//!
//! - **Connecting stops the machine**, and a guest that ran makes 7.2 send a stop reply nobody asked for
//!   before its first answer. Only one client is served; a second one connects and never gets an answer.
//! - **`?` deletes every breakpoint** and tells why the machine stands still. So it opens each session. 7.2
//!   deletes one CPU's only, the one that `Hc` names; so it is asked once for each.
//! - **`D` lets the machine run and works only while it stands still.** Dropping the connection without it
//!   leaves the machine as it is: a stopped one stays stopped, for the next client; a running one runs on
//!   with our breakpoints in, and the next hit stops it for good.
//! - **While the machine runs, only 0x03 may be sent**: any other byte pauses it and is lost. Hence
//!   [`Error::Running`] instead of sending.
//! - Threads are CPUs, counted from 1. `vCont?` offers `c;C;s;S`. Stop replies never say `swbreak`.
//! - `p` and `P` answer nothing until target.xml has been read; so it is read at the start.
//! - Stepping one CPU lets the others stand, with interrupts and timers masked as `qqemu.sstepbits` tells.
//! - Resets are invisible here, and so is a guest's panic.

mod registers;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::breakpoint::Site;
use crate::error::{Error, Result, excerpt};
use crate::link::{Link, Received};
use crate::registers::{RegisterLayout, Registers};
use crate::stop::{Stop, Thread, hex_number};

/// How long an answer may take. QEMU answers in 50 µs, unless its main loop is busy with something else.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// How many requests are sent before the first answer is read. Their answers must fit the sockets' buffers.
pub(crate) const AT_ONCE: usize = 16;

/// What the stub can do, from its answer to `qSupported`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// The longest packet it takes, in bytes.
    pub packet_size: usize,
    /// It has target.xml.
    pub target_xml: bool,
    /// It is replaying a recording and can step back. Sending `bs` to one that cannot aborts QEMU 7.2.
    pub reverse: bool,
    /// It names processes (`p1.1`), and wants one named. QEMU remembers a client that asked for this even
    /// when another connects, so every client asks: else `D` alone is refused behind gdb.
    pub multiprocess: bool,
}

/// A connection to a stub.
#[derive(Debug)]
pub struct Stub {
    pub(crate) link: Link,
    features: Features,
    layout: Option<Arc<RegisterLayout>>,
    pub(crate) selected: Option<Thread>,
    pub(crate) running: bool,
    pub(crate) generation: u64,
    pub(crate) inserted: Vec<Site>,
    pub(crate) last_stop: Option<Stop>,
    /// What `g` was answered, of one generation.
    kept: (u64, Vec<(Thread, Registers)>),
}

impl Stub {
    /// Takes a connected stream socket (Unix or TCP) and shakes hands. The machine stands still then.
    ///
    /// # Errors
    /// [`Error::Timeout`] when nothing answers, which is also what a second client of one stub sees.
    pub fn new(socket: impl Into<OwnedFd>) -> Result<Self> {
        let features = Features { packet_size: 512, ..Features::default() };
        let link = Link::new(socket.into());
        let mut stub = Self {
            link,
            features,
            layout: None,
            selected: None,
            running: false,
            generation: 0,
            inserted: Vec::new(),
            last_stop: None,
            kept: (0, Vec::new()),
        };
        stub.features = stub.supported()?;
        Ok(stub)
    }

    /// What the stub can do.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Whether the machine runs, as far as this connection has told it to.
    #[must_use]
    pub fn running(&self) -> bool {
        self.running
    }

    /// Changes whenever the target may have changed: at each resume, and when memory or registers are written.
    /// What was read of it holds as long as this stays the same.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn supported(&mut self) -> Result<Features> {
        const REQUEST: &str = "qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+;xmlRegisters=i386";
        let answer = self.request(REQUEST)?;
        let garbage = || Error::Garbage {
            request: "qSupported".to_owned(),
            answer: excerpt(&answer),
            expected: "list of features with a usable PacketSize",
        };
        let mut features = Features::default();
        for item in answer.split(|byte| *byte == b';') {
            match item {
                b"qXfer:features:read+" => features.target_xml = true,
                b"multiprocess+" => features.multiprocess = true,
                b"ReverseStep+" => features.reverse = true,
                _ => {
                    if let Some(size) = item.strip_prefix(b"PacketSize=") {
                        let size = hex_number(size).and_then(|size| usize::try_from(size).ok());
                        features.packet_size = size.ok_or_else(garbage)?;
                    }
                }
            }
        }
        if features.packet_size < 160 {
            return Err(garbage());
        }
        Ok(features)
    }

    /// Sends a payload and returns the answer's, whatever it is.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        if self.running {
            return Err(Error::Running(excerpt(request)));
        }
        self.link.send(request, ANSWER)?;
        let late = || Error::Timeout { request: excerpt(request), after: ANSWER };
        let deadline = Instant::now() + ANSWER;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Received::Packet(answer) = self.link.receive(left)? else { return Err(late()) };
            // The stop reply that 7.2 sends unasked on connecting to a running guest.
            if request.starts_with(b"qSupported") && Stop::parse(&answer).is_some() {
                continue;
            }
            return Ok(answer);
        }
    }

    /// Sends requests that are answered with data, many at a time, and returns what they were answered.
    ///
    /// # Errors
    /// As [`Stub::request`], for the first that was not answered with data. All were sent.
    pub(crate) fn requests(&mut self, requests: &[String]) -> Result<Vec<Vec<u8>>> {
        let mut answers = Vec::with_capacity(requests.len());
        for some in requests.chunks(AT_ONCE) {
            answers.extend(self.exchange_all(some)?);
        }
        requests.iter().zip(answers).map(|(request, answer)| data(request, answer)).collect()
    }

    /// Sends a few requests at once.
    pub(crate) fn exchange_all(&mut self, requests: &[String]) -> Result<Vec<Vec<u8>>> {
        if let (true, Some(first)) = (self.running, requests.first()) {
            return Err(Error::Running(first.clone()));
        }
        let payloads: Vec<_> = requests.iter().map(|request| request.clone().into_bytes()).collect();
        self.link.exchange_all(&payloads, ANSWER)
    }

    /// Sends a request that is answered with data.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on an empty answer, [`Error::Refused`] on `E…`.
    pub fn request(&mut self, request: &str) -> Result<Vec<u8>> {
        let answer = self.exchange(request.as_bytes())?;
        data(request, answer)
    }

    /// Sends a request that is answered with `OK`.
    pub(crate) fn ok(&mut self, request: &str) -> Result<()> {
        let answer = self.request(request)?;
        expect_ok(request, &answer)
    }

    /// Sends requests that are each answered with `OK`, many at a time.
    pub(crate) fn all_ok(&mut self, requests: &[String]) -> Result<()> {
        let answers = self.requests(requests)?;
        requests.iter().zip(answers).try_for_each(|(request, answer)| expect_ok(request, &answer))
    }

    /// Asks why the machine stands still, and has the stub forget every breakpoint, also an earlier client's.
    ///
    /// # Errors
    /// When the answer is no stop reply.
    pub fn why(&mut self) -> Result<Stop> {
        self.inserted.clear();
        let answer = self.request("?")?;
        let stop = Stop::parse(&answer).ok_or_else(|| Error::Garbage {
            request: "?".to_owned(),
            answer: excerpt(&answer),
            expected: "stop reply",
        })?;
        self.forget_on_every_cpu()?;
        self.last_stop = Some(stop.clone());
        Ok(stop)
    }

    /// QEMU 7.2 forgets, at `?`, the breakpoints of one CPU: of the one that `Hc` names.
    fn forget_on_every_cpu(&mut self) -> Result<()> {
        let threads = match self.threads() {
            Ok(threads) => threads,
            // Another stub than QEMU's.
            Err(Error::Unsupported(_) | Error::Refused { .. } | Error::Garbage { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let (Some((first, others)), false) = (threads.split_first(), threads.len() == 1) else {
            return Ok(());
        };
        for thread in others {
            self.exchange(format!("Hc{:x}", thread.0).as_bytes())?;
            self.exchange(b"?")?;
        }
        self.exchange(format!("Hc{:x}", first.0).as_bytes())?;
        Ok(())
    }

    /// The CPUs.
    ///
    /// # Errors
    /// When the list does not end or holds things that are no threads.
    pub fn threads(&mut self) -> Result<Vec<Thread>> {
        const MOST: usize = 64 * 1024;
        let mut threads = Vec::new();
        let mut request = "qfThreadInfo";
        loop {
            let answer = self.request(request)?;
            let garbage = || Error::Garbage {
                request: request.to_owned(),
                answer: excerpt(&answer),
                expected: "list of threads",
            };
            match answer.as_slice() {
                b"l" => return Ok(threads),
                [b'm', list @ ..] if threads.len() < MOST => {
                    for thread in list.split(|byte| *byte == b',') {
                        threads.push(Thread::parse(thread).ok_or_else(garbage)?);
                    }
                }
                _ => return Err(garbage()),
            }
            request = "qsThreadInfo";
        }
    }

    /// Chooses the CPU that registers and virtual memory mean from now on.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such CPU.
    pub fn select(&mut self, thread: Thread) -> Result<()> {
        if self.selected != Some(thread) {
            self.ok(&format!("Hg{:x}", thread.0))?;
            self.selected = Some(thread);
        }
        Ok(())
    }
}

/// An answer that must be data.
fn data(request: &str, answer: Vec<u8>) -> Result<Vec<u8>> {
    match answer.as_slice() {
        [] => Err(Error::Unsupported(request.to_owned())),
        [b'E', code @ ..] if code.len() == 2 || code.first() == Some(&b'.') => {
            Err(Error::Refused { request: request.to_owned(), code: excerpt(code) })
        }
        _ => Ok(answer),
    }
}

fn expect_ok(request: &str, answer: &[u8]) -> Result<()> {
    if answer == b"OK" {
        return Ok(());
    }
    Err(Error::Garbage { request: request.to_owned(), answer: excerpt(answer), expected: "OK" })
}
