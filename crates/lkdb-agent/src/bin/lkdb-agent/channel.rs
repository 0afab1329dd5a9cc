//! One command: its process, the threads that move its streams, and its windows.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use lkdb_agent::credit::{Budget, Meter, STREAM_WINDOW};
use lkdb_agent::frame::MAX_DATA;
use lkdb_agent::{Exit, Report, Spawn, Stream};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::outbox::Outbox;

const PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin";
/// Enough for a loop over one buffer.
const STACK: usize = 128 * 1024;

/// A channel and the command on it.
#[derive(Debug)]
pub(crate) struct Channel {
    number: u32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// The process, until it has been waited for: after that its ID may be another's.
    process: Option<Pid>,
    /// Goes to the thread that writes stdin; dropped at its end.
    stdin: Option<Sender<Vec<u8>>>,
    /// Bytes of stdin sent to that thread and not yet granted again.
    stdin_held: u32,
    stdout: Budget,
    stderr: Budget,
    /// What is still to come of stdout, stderr and the exit.
    parts: u8,
    closed: bool,
}

impl Channel {
    /// Starts `spawn` on channel `number`. An error is one for `Report::Failed`.
    pub(crate) fn start(number: u32, spawn: &Spawn, outbox: &Arc<Outbox>) -> Result<Arc<Self>, Report> {
        let mut child = command(spawn)?.spawn().map_err(|error| not_started(spawn, &error))?;
        let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (sender, receiver) = mpsc::channel();
        let channel = Arc::new(Self {
            number,
            state: Mutex::new(State {
                process,
                stdin: spawn.stdin.then_some(sender),
                stdin_held: 0,
                stdout: Budget::default(),
                stderr: Budget::default(),
                parts: 3,
                closed: false,
            }),
            changed: Condvar::new(),
        });
        outbox.about(&channel, Report::Started(child.id()));
        channel.start_threads(&mut child, receiver, outbox);
        let (waiting, outbox) = (Arc::clone(&channel), Arc::clone(outbox));
        in_thread(move || waiting.wait(child, &outbox));
        Ok(channel)
    }

    fn start_threads(self: &Arc<Self>, child: &mut Child, stdin: Receiver<Vec<u8>>, outbox: &Arc<Outbox>) {
        if let Some(pipe) = child.stdin.take() {
            let (channel, outbox) = (Arc::clone(self), Arc::clone(outbox));
            in_thread(move || channel.feed(pipe, &stdin, &outbox));
        }
        if let Some(pipe) = child.stdout.take() {
            let (channel, outbox) = (Arc::clone(self), Arc::clone(outbox));
            in_thread(move || channel.drain(pipe, Stream::Stdout, &outbox));
        }
        if let Some(pipe) = child.stderr.take() {
            let (channel, outbox) = (Arc::clone(self), Arc::clone(outbox));
            in_thread(move || channel.drain(pipe, Stream::Stderr, &outbox));
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Whether the host no longer listens.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether everything about the command has been reported.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.lock();
        state.parts == 0 || state.closed
    }

    /// Hands bytes to the command's stdin; false when the host has overrun the window.
    pub(crate) fn stdin(&self, bytes: Vec<u8>) -> bool {
        let mut state = self.lock();
        let held = state.stdin_held.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        if held > STREAM_WINDOW {
            return false;
        }
        state.stdin_held = held;
        if let Some(sender) = &state.stdin {
            // A receiver that is gone has ended with the pipe; the exit will tell.
            let _ = sender.send(bytes);
        }
        true
    }

    /// Ends the command's stdin after what is under way.
    pub(crate) fn stdin_eof(&self) {
        self.lock().stdin = None;
    }

    /// Lets more of an output stream be sent.
    pub(crate) fn grant(&self, stream: Stream, bytes: u32) {
        self.lock().budget(stream).grant(bytes);
        self.changed.notify_all();
    }

    /// Signals the command's process group, if the command still runs.
    pub(crate) fn kill(&self, signal: i32) {
        let state = self.lock();
        if let (Some(process), Some(signal)) = (state.process, Signal::from_named_raw(signal)) {
            let _ = rustix::process::kill_process_group(process, signal);
        }
    }

    /// The host is gone: hang up, report nothing more.
    pub(crate) fn close(&self) {
        // Closed first: what the command's end would report is not for the number's next user.
        let mut state = self.lock();
        state.closed = true;
        state.stdin = None;
        drop(state);
        self.kill(Signal::HUP.as_raw());
        self.changed.notify_all();
    }

    /// Writes stdin to the command. Bytes for a command that has closed it are dropped, as a shell's pipe
    /// does, and granted all the same.
    fn feed(self: &Arc<Self>, pipe: ChildStdin, bytes: &Receiver<Vec<u8>>, outbox: &Outbox) {
        let mut pipe = Some(pipe);
        let mut meter = Meter::default();
        while let Ok(bytes) = bytes.recv() {
            if pipe.as_mut().is_some_and(|pipe| pipe.write_all(&bytes).is_err()) {
                pipe = None;
            }
            let grant = meter.taken(bytes.len());
            if let Some(grant) = grant {
                let mut state = self.lock();
                state.stdin_held = state.stdin_held.saturating_sub(grant);
                drop(state);
                outbox.about(self, Report::Credit(grant));
            }
        }
    }

    /// Sends an output stream to the host, within its window.
    fn drain(self: &Arc<Self>, mut pipe: impl Read, stream: Stream, outbox: &Outbox) {
        let mut buffer = [0; MAX_DATA - 1];
        loop {
            let granted = self.wait_for_budget(stream, buffer.len());
            let Some(space) = buffer.get_mut(..granted).filter(|space| !space.is_empty()) else { return };
            let read = match pipe.read(space) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(_) => break,
            };
            if read == 0 {
                break;
            }
            self.lock().budget(stream).grant(u32::try_from(granted - read).unwrap_or(0));
            let bytes = space.get(..read).unwrap_or_default().to_vec();
            outbox.output(self, Report::Output(stream, bytes));
        }
        self.part_ended(outbox, Report::Eof(stream));
    }

    /// Takes what may be sent of `stream`; 0 when the channel is closed.
    fn wait_for_budget(&self, stream: Stream, wanted: usize) -> usize {
        let spent = |state: &mut State| state.budget(stream).left() == 0 && !state.closed;
        let state = self.changed.wait_while(self.lock(), spent);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.closed { 0 } else { state.budget(stream).take(wanted) }
    }

    fn wait(self: &Arc<Self>, mut child: Child, outbox: &Outbox) {
        // First without reaping, so that no signal is ever sent to an ID that was given away.
        let process = self.lock().process;
        if let Some(process) = process {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let wait = || rustix::process::waitid(WaitId::Pid(process), options);
            while matches!(wait(), Err(rustix::io::Errno::INTR)) {}
        }
        self.lock().process = None;
        let exit = child.wait().map_or(Exit::Status(125), exit_of);
        self.part_ended(outbox, Report::Exited(exit));
    }

    fn part_ended(self: &Arc<Self>, outbox: &Outbox, report: Report) {
        // First counted, then said: on the last report the host may use the number again.
        let mut state = self.lock();
        state.parts = state.parts.saturating_sub(1);
        drop(state);
        outbox.about(self, report);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn budget(&mut self, stream: Stream) -> &mut Budget {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

fn command(spawn: &Spawn) -> Result<Command, Report> {
    let failed = |text: &str| Report::Failed { status: 125, text: text.to_owned() };
    let (program, arguments) = spawn.argv.split_first().ok_or_else(|| failed("no command given"))?;
    let mut command = Command::new(OsStr::from_bytes(program));
    command.args(arguments.iter().map(|argument| OsStr::from_bytes(argument)));
    command.env_clear().env("PATH", PATH).env("HOME", "/root").env("TERM", "linux");
    for (name, value) in &spawn.env {
        command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
    }
    let directory: &[u8] = if spawn.cwd.is_empty() { b"/" } else { &spawn.cwd };
    command.current_dir(OsStr::from_bytes(directory));
    // A pipe even without stdin, dropped at once: the guest may have no /dev/null.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0);
    Ok(command)
}

fn not_started(spawn: &Spawn, error: &io::Error) -> Report {
    let name = spawn.argv.first().map(|name| String::from_utf8_lossy(name)).unwrap_or_default();
    match error.kind() {
        io::ErrorKind::NotFound => Report::Failed { status: 127, text: format!("{name}: not found") },
        _ => Report::Failed { status: 126, text: format!("{name}: {error}") },
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match status.signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Status(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)),
    }
}

fn in_thread(work: impl FnOnce() + Send + 'static) {
    // No thread to be had means no memory: the stream stays silent, and its pipe closes.
    let _ = thread::Builder::new().stack_size(STACK).spawn(work);
}
