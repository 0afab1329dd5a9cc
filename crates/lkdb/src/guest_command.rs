//! A command in the guest, joined to this process: stdin, stdout and stderr, signals, exit status.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::Context as _;
use lkdb_agent::credit::{Budget, Meter};
use lkdb_agent::frame::{Decoder, Encoder, Event, MAX_DATA};
use lkdb_agent::{Exit, Report, Request, Spawn, Stream};
use lkdb_machine::control::EXEC_CHANNEL;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How a command in the guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// By itself.
    Exited(Exit),
    /// It could not be run, or the line to it failed: a shell's status, and why.
    Failed { status: u8, text: String },
    /// The deadline came first; it was killed.
    TimedOut,
    /// The connection to the supervisor ended: the machine is gone.
    Gone,
}

/// Runs `spawn` over a connection from [`lkdb_machine::Machine::exec`].
pub(crate) fn run(
    connection: UnixStream,
    spawn: Spawn,
    deadline: Option<Instant>,
) -> anyhow::Result<Outcome> {
    let wants_stdin = spawn.stdin;
    let requests = Arc::new(Requests {
        state: Mutex::new(Sending { encoder: Encoder::new(), stdin: Budget::default() }),
        granted: Condvar::new(),
        connection: connection.try_clone()?,
        over: AtomicBool::new(false),
    });
    requests.send(&Request::Spawn(spawn))?;
    forward_signals(&requests)?;
    if wants_stdin {
        let requests = Arc::clone(&requests);
        thread::spawn(move || feed_stdin(&requests));
    }
    let outcome = follow(connection, &requests, deadline);
    requests.over.store(true, Ordering::Relaxed);
    outcome
}

/// The sending half, shared by the threads that have something to say.
struct Requests {
    state: Mutex<Sending>,
    granted: Condvar,
    connection: UnixStream,
    over: AtomicBool,
}

struct Sending {
    encoder: Encoder,
    stdin: Budget,
}

impl Requests {
    fn send(&self, request: &Request) -> anyhow::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        state.encoder.encode(EXEC_CHANNEL, request, &mut bytes)?;
        (&self.connection).write_all(&bytes).context("the machine is gone")
    }

    /// Waits until some of `wanted` bytes of stdin may be sent.
    fn reserve(&self, wanted: usize) -> usize {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match state.stdin.take(wanted) {
                0 => state = self.granted.wait(state).unwrap_or_else(PoisonError::into_inner),
                granted => return granted,
            }
        }
    }

    fn grant(&self, bytes: u32) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stdin.grant(bytes);
        self.granted.notify_all();
    }
}

/// Ctrl-C and its like are the guest command's; a second one ends us, too.
fn forward_signals(requests: &Arc<Requests>) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let requests = Arc::clone(requests);
    thread::spawn(move || {
        let mut seen = false;
        for signal in signals.forever() {
            let told = !seen
                && !requests.over.load(Ordering::Relaxed)
                && requests.send(&Request::Kill(signal)).is_ok();
            if !told {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            seen = true;
        }
    });
    Ok(())
}

fn feed_stdin(requests: &Requests) {
    let mut buffer = vec![0; MAX_DATA];
    let mut stdin = io::stdin();
    while let Ok(length @ 1..) = stdin.read(&mut buffer) {
        let mut left = buffer.get(..length).unwrap_or_default();
        while !left.is_empty() {
            let (now, later) = left.split_at(requests.reserve(left.len()));
            if requests.send(&Request::Stdin(now.to_vec())).is_err() {
                return;
            }
            left = later;
        }
    }
    let _ = requests.send(&Request::StdinEof);
}

/// Takes in the reports until the command is over.
fn follow(
    mut connection: UnixStream,
    requests: &Requests,
    deadline: Option<Instant>,
) -> anyhow::Result<Outcome> {
    let mut decoder = Decoder::<Report>::new();
    let mut command = Following::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            let _ = requests.send(&Request::Kill(signal_hook::consts::SIGKILL));
            return Ok(Outcome::TimedOut);
        }
        connection.set_read_timeout(left)?;
        let length = match connection.read(&mut buffer) {
            Ok(0) => return Ok(Outcome::Gone),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Outcome::Gone),
            Err(error) => return Err(error).context("the connection to the machine's supervisor failed"),
        };
        for event in decoder.push(buffer.get(..length).unwrap_or_default()) {
            if let Event::Message { message, .. } = event
                && let Some(outcome) = command.take(message, requests)?
            {
                return Ok(outcome);
            }
        }
    }
}

/// What has been heard of the command so far.
#[derive(Default)]
struct Following {
    exit: Option<Exit>,
    ended_streams: u8,
    stdout: Meter,
    stderr: Meter,
}

impl Following {
    fn take(&mut self, report: Report, requests: &Requests) -> anyhow::Result<Option<Outcome>> {
        match report {
            Report::Output(stream, bytes) => {
                let meter = match stream {
                    Stream::Stdout => {
                        write_through(io::stdout(), &bytes)?;
                        &mut self.stdout
                    }
                    Stream::Stderr => {
                        write_through(io::stderr(), &bytes)?;
                        &mut self.stderr
                    }
                };
                if let Some(granted) = meter.taken(bytes.len()) {
                    requests.send(&Request::Credit(stream, granted))?;
                }
            }
            Report::Credit(bytes) => requests.grant(bytes),
            Report::Eof(_) => self.ended_streams += 1,
            Report::Exited(exit) => self.exit = Some(exit),
            Report::Failed { status, text } => return Ok(Some(Outcome::Failed { status, text })),
            Report::Hello(_) | Report::Pong(_) | Report::Received(_) | Report::Started(_) => {}
        }
        let over = self.exit.filter(|_| self.ended_streams >= 2);
        Ok(over.map(Outcome::Exited))
    }
}

fn write_through(mut out: impl Write, bytes: &[u8]) -> anyhow::Result<()> {
    out.write_all(bytes).and_then(|()| out.flush()).context("cannot pass on the command's output")
}
