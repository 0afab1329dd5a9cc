//! A small host side for the tests: an agent on a pseudo-terminal, and its reports as they come.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use lkdb_agent::credit::Budget;
use lkdb_agent::frame::MAX_DATA;
use lkdb_agent::{Decoder, Encoder, Event, Exit, Report, Request, Spawn, Stream};
use rustix::pty::OpenptFlags;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a command did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Option<Exit>,
    pub(crate) failed: Option<(u8, String)>,
    eofs: usize,
}

impl Outcome {
    fn is_over(&self) -> bool {
        self.failed.is_some() || (self.exit.is_some() && self.eofs == 2)
    }
}

pub(crate) struct Host {
    agent: Child,
    line: File,
    encoder: Encoder,
    reports: Receiver<(u32, Report)>,
    /// Reports of other channels than the one just waited for.
    pending: VecDeque<(u32, Report)>,
}

impl Host {
    /// An agent that has said hello.
    pub(crate) fn new() -> Self {
        let master =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let mut line = File::from(master);
        // Noise from before the agent has the line.
        line.write_all(b"[    0.000000] Linux version 6.1\r\n\xf5lk").unwrap();
        let agent =
            Command::new(env!("CARGO_BIN_EXE_lkdb-agent")).arg(slave.to_str().unwrap()).spawn().unwrap();
        let (sender, reports) = mpsc::channel();
        let mut reader = line.try_clone().unwrap();
        thread::spawn(move || {
            let (mut decoder, mut buffer) = (Decoder::new(), [0; 4096]);
            // A master reads EIO while nobody has the slave open.
            loop {
                match reader.read(&mut buffer) {
                    Ok(length) => {
                        for event in decoder.push(&buffer[..length]) {
                            let Event::Message { channel, message, .. } = event else {
                                panic!("the agent's line: {event:?}")
                            };
                            if sender.send((channel, message)).is_err() {
                                return;
                            }
                        }
                    }
                    Err(_) if sender.send((0, Report::Pong(u64::MAX))).is_ok() => {
                        thread::sleep(Duration::from_millis(5));
                    }
                    Err(_) => return,
                }
            }
        });
        let mut host = Self { agent, line, encoder: Encoder::new(), reports, pending: VecDeque::new() };
        host.wait(0, |report| matches!(report, Report::Hello(_)).then_some(()));
        host
    }

    pub(crate) fn send(&mut self, channel: u32, request: &Request) {
        let mut frame = Vec::new();
        self.encoder.encode(channel, request, &mut frame).unwrap();
        self.line.write_all(&frame).unwrap();
    }

    /// Waits for the report on `channel` that `wanted` takes; others of the channel are dropped.
    pub(crate) fn wait<T>(&mut self, channel: u32, mut wanted: impl FnMut(Report) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let (ours, others) = self.pending.drain(..).partition(|(number, _)| *number == channel);
        self.pending = others;
        let mut ours: VecDeque<(u32, Report)> = ours;
        loop {
            let (number, report) = ours.pop_front().unwrap_or_else(|| {
                let left = until.saturating_duration_since(Instant::now());
                self.reports.recv_timeout(left).expect("a report of the agent in time")
            });
            if number != channel {
                self.pending.push_back((number, report));
            } else if let Some(found) = wanted(report) {
                for rest in ours.into_iter().rev() {
                    self.pending.push_front(rest);
                }
                return found;
            }
        }
    }

    pub(crate) fn spawn(&mut self, channel: u32, argv: &[&str], stdin: bool) {
        let argv = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
        self.send(channel, &Request::Spawn(Spawn { argv, stdin, ..Spawn::default() }));
    }

    /// Runs to the end, sending `stdin` as the window allows and granting output as it comes.
    pub(crate) fn finish(&mut self, channel: u32, stdin: &[u8]) -> Outcome {
        let (mut outcome, mut budget, mut at) = (Outcome::default(), Budget::default(), 0);
        loop {
            while at < stdin.len() {
                let size = budget.take((stdin.len() - at).min(MAX_DATA));
                if size == 0 {
                    break;
                }
                self.send(channel, &Request::Stdin(stdin[at..at + size].to_vec()));
                at += size;
                if at == stdin.len() {
                    self.send(channel, &Request::StdinEof);
                }
            }
            match self.wait(channel, Some) {
                Report::Output(stream, bytes) => {
                    self.send(channel, &Request::Credit(stream, u32::try_from(bytes.len()).unwrap()));
                    match stream {
                        Stream::Stdout => outcome.stdout.extend(bytes),
                        Stream::Stderr => outcome.stderr.extend(bytes),
                    }
                }
                Report::Credit(bytes) => budget.grant(bytes),
                Report::Eof(_) => outcome.eofs += 1,
                Report::Exited(exit) => outcome.exit = Some(exit),
                Report::Failed { status, text } => outcome.failed = Some((status, text)),
                _ => {}
            }
            if outcome.is_over() {
                return outcome;
            }
        }
    }

    /// Takes the line away and waits for the agent's end.
    pub(crate) fn hang_up(self) -> ExitStatus {
        let Self { mut agent, mut line, mut encoder, reports, .. } = self;
        drop(reports);
        // An answer wakes the reading thread, which finds nobody and lets go of the line.
        let mut frame = Vec::new();
        encoder.encode(0, &Request::Ping(0), &mut frame).unwrap();
        line.write_all(&frame).unwrap();
        drop(line);
        agent.wait().unwrap()
    }
}
