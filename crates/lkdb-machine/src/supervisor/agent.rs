//! The guest's agent: any number of clients share its one port.
//!
//! `lkdb_agent::frame` is the protocol. Each client's connection carries one command on channel
//! [`EXEC_CHANNEL`]; here each gets a channel number of its own on the port. Credits pass between
//! client and agent untouched, so a slow client holds up only itself, and what is queued for it stays
//! within its windows. What the host sends to the guest stays within the link's window, since the
//! guest's serial driver would drop the rest.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use lkdb_agent::credit::LINK_WINDOW;
use lkdb_agent::frame::{Decoder, Encoder, Event};
use lkdb_agent::{Hello, Report, Request};

use super::{Machine, lock};
use crate::control::EXEC_CHANNEL;

/// The agent's port, and the clients that use it.
#[derive(Debug)]
pub(super) struct Agent {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    port: UnixStream,
    encoder: Encoder,
    link: Link,
    /// Bytes sent since our Hello, and how many of them the agent has.
    sent: u64,
    received: u64,
    next_channel: u32,
    channels: BTreeMap<u32, Sender<Report>>,
    closed: bool,
}

/// How far the two sides have greeted each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// No agent has been heard of.
    Silent,
    /// This agent said Hello and we answered; its second Hello is to come.
    Greeted(u64),
    /// Commands may be sent to this agent.
    Up(u64),
}

/// One command's place on the port.
pub(super) struct Channel<'a> {
    agent: &'a Agent,
    number: u32,
}

impl Agent {
    pub(super) fn new(port: UnixStream) -> Self {
        let state = State {
            port,
            encoder: Encoder::new(),
            link: Link::Silent,
            sent: 0,
            received: 0,
            next_channel: 1,
            channels: BTreeMap::new(),
            closed: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits for the agent and opens a channel; reports come through the receiver. `None`: the machine
    /// ended first.
    pub(super) fn open(&self) -> Option<(Channel<'_>, Receiver<Report>)> {
        let mut state = lock(&self.state);
        while !matches!(state.link, Link::Up(_)) {
            if state.closed {
                return None;
            }
            state = self.wait(state);
        }
        let number = state.next_channel;
        state.next_channel = state.next_channel.checked_add(1).unwrap_or(1);
        let (sender, reports) = channel();
        state.channels.insert(number, sender);
        Some((Channel { agent: self, number }, reports))
    }

    /// The machine has ended: so has every channel, and clients find out why from the machine's status.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.link = Link::Silent;
        state.channels.clear();
        self.changed.notify_all();
    }

    /// The machine has reset, and the agent went with its kernel. What is sent before the next one is heard of
    /// meets a kernel that drops part of it, and the agent would take its greeting for the rest of a cut-off frame.
    pub(super) fn reset(&self) {
        let mut state = lock(&self.state);
        state.link = Link::Silent;
        state.fail_all("the guest has reset");
        self.changed.notify_all();
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in one event from the port. Returns the agent's greeting once it is up.
    fn take(&self, event: Event<Report>) -> Option<Hello> {
        let mut state = lock(&self.state);
        let mut up = None;
        match event {
            Event::Message { channel: 0, message: Report::Hello(hello), .. } => {
                up = state.on_hello(hello);
            }
            Event::Message { channel: 0, message: Report::Received(bytes), .. } => {
                state.received = bytes.min(state.sent);
            }
            Event::Message { channel, message, .. } => {
                if let Some(client) = state.channels.get(&channel) {
                    let _ = client.send(message); // It may have gone.
                }
            }
            Event::Lost => state.fail_all("bytes were lost on the agent's port"),
            Event::Malformed(malformed) => tracing::warn!(%malformed, "the agent"),
        }
        self.changed.notify_all();
        up
    }
}

impl State {
    /// A new agent's Hello is answered with ours, which makes both sides start counting anew.
    fn on_hello(&mut self, hello: Hello) -> Option<Hello> {
        if self.link == Link::Greeted(hello.instance) {
            self.link = Link::Up(hello.instance);
            return Some(hello);
        }
        self.fail_all("the guest's agent started anew");
        self.link = Link::Greeted(hello.instance);
        let _ = self.write(0, &Request::Hello);
        (self.sent, self.received) = (0, 0);
        None
    }

    fn fail_all(&mut self, why: &str) {
        for (_, client) in std::mem::take(&mut self.channels) {
            let _ = client.send(Report::Failed { status: 125, text: why.to_owned() });
        }
    }

    fn write(&mut self, channel: u32, request: &Request) -> Result<(), String> {
        let mut bytes = Vec::new();
        self.encoder.encode(channel, request, &mut bytes).map_err(|error| error.to_string())?;
        self.sent += bytes.len() as u64;
        self.port.write_all(&bytes).map_err(|error| format!("the agent's port: {error}"))
    }
}

impl Channel<'_> {
    /// Sends a request on this channel, waiting for room on the line.
    pub(super) fn send(&self, request: &Request) -> Result<(), String> {
        let mut state = lock(&self.agent.state);
        // A frame goes out as soon as nothing keeps the line from taking one of the largest size.
        let room = u64::from(LINK_WINDOW) - lkdb_agent::frame::MAX_PAYLOAD as u64;
        while !state.closed && state.channels.contains_key(&self.number) && state.sent - state.received > room
        {
            state = self.agent.wait(state);
        }
        if !state.channels.contains_key(&self.number) {
            return Err("the channel is over".to_owned());
        }
        state.write(self.number, request)
    }
}

impl Drop for Channel<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.agent.state);
        if state.channels.remove(&self.number).is_some() {
            let _ = state.write(self.number, &Request::Close);
        }
    }
}

/// Reads the agent's port until QEMU hangs up.
pub(super) fn read_all(machine: &Machine, mut port: UnixStream) {
    let mut decoder = Decoder::<Report>::new();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = port.read(&mut buffer) {
        for event in decoder.push(buffer.get(..length).unwrap_or_default()) {
            if let Some(hello) = machine.agent.take(event) {
                let words = format!("lkdb-agent {} on {}", hello.version, hello.release);
                machine.life.update(|status| {
                    status.agent = Some(words);
                    status.release = Some(hello.release);
                });
            }
        }
    }
}

/// Passes one client's command to the agent and back, until either side is done.
pub(super) fn serve_client(machine: &Machine, client: &UnixStream) -> std::io::Result<()> {
    let mut encoder = Encoder::new();
    let mut tell = |report: &Report| {
        let mut bytes = Vec::new();
        encoder
            .encode(EXEC_CHANNEL, report, &mut bytes)
            .map_err(std::io::Error::other)
            .and_then(|()| (&*client).write_all(&bytes))
    };
    let Some((channel, reports)) = machine.agent.open() else { return Ok(()) };
    let reader = client.try_clone()?;
    std::thread::scope(|scope| {
        // When the client goes, or says what does not fit, its channel goes, and the loop below with it.
        scope.spawn(move || pass_requests(reader, &channel));
        let told = reports.iter().try_for_each(|report| tell(&report));
        let _ = client.shutdown(std::net::Shutdown::Both);
        told
    })
}

fn pass_requests(mut client: UnixStream, channel: &Channel<'_>) {
    let mut decoder = Decoder::<Request>::new();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        for event in decoder.push(buffer.get(..length).unwrap_or_default()) {
            let Event::Message { channel: EXEC_CHANNEL, message, .. } = event else { return };
            if let Err(why) = channel.send(&message) {
                tracing::debug!(why, "exec request not passed on");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Event<Report> {
        let (version, release, boot_id) = ("1".to_owned(), "6.1".to_owned(), "b".to_owned());
        Event::Message {
            size: 0,
            channel: 0,
            message: Report::Hello(Hello { instance: 7, version, release, boot_id }),
        }
    }

    #[test]
    fn nothing_is_sent_to_an_agent_that_went_with_a_reset() {
        let (port, mut guest) = UnixStream::pair().unwrap();
        let agent = Agent::new(port);
        agent.take(hello());
        assert!(agent.take(hello()).is_some(), "greeted twice, it is up");
        let (channel, reports) = agent.open().unwrap();
        agent.reset();
        assert!(matches!(reports.recv().unwrap(), Report::Failed { status: 125, .. }));
        assert!(channel.send(&Request::Hello).is_err());
        drop(channel);
        drop(agent);
        let mut sent = Vec::new();
        guest.read_to_end(&mut sent).unwrap();
        assert_eq!(sent.len(), lkdb_agent::frame::HEADER, "our greeting, and no more: {sent:?}");
    }
}
