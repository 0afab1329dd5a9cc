//! The loop over the port: takes requests, keeps the table of channels.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread;

use lkdb_agent::credit::LINK_WINDOW;
use lkdb_agent::{Decoder, Event, Report, Request, Spawn};

use crate::channel::Channel;
use crate::kernel;
use crate::outbox::Outbox;
use crate::port::Port;
use crate::root::InitRoot;

/// Commands at once; each takes four threads.
const MAX_CHANNELS: usize = 256;

/// Serves the port until it is gone.
pub(crate) fn serve(port: Port, root: Option<InitRoot>) -> io::Result<()> {
    let outbox = Arc::new(Outbox::default());
    let hello = kernel::hello(root.as_ref().map(InitRoot::procfs));
    let mut server =
        Server { outbox: Arc::clone(&outbox), root, channels: HashMap::new(), received: 0, acknowledged: 0 };
    outbox.about_line(Report::Hello(hello.clone()));
    let writer = {
        let port = port.clone();
        thread::spawn(move || outbox.write_to(&port))
    };
    let mut decoder = Decoder::new();
    let mut buffer = [0; 16 * 1024];
    let ended = loop {
        match port.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(read) => {
                for event in decoder.push(buffer.get(..read).unwrap_or_default()) {
                    server.take(event, &hello);
                }
            }
            Err(error) => break Err(error),
        }
    };
    server.end_all();
    server.outbox.close();
    let _ = writer.join();
    ended
}

struct Server {
    outbox: Arc<Outbox>,
    root: Option<InitRoot>,
    channels: HashMap<u32, Arc<Channel>>,
    /// Bytes of frames since the host's Hello, and how many of them it has been told.
    received: u64,
    acknowledged: u64,
}

impl Server {
    fn take(&mut self, event: Event<Request>, hello: &lkdb_agent::Hello) {
        match event {
            Event::Message { message: Request::Hello, .. } => {
                self.end_all();
                (self.received, self.acknowledged) = (0, 0);
                self.outbox.about_line(Report::Hello(hello.clone()));
            }
            Event::Message { channel, message, size } => {
                self.received = self.received.saturating_add(u64::from(size));
                self.answer(channel, message);
                if self.received - self.acknowledged >= u64::from(LINK_WINDOW / 4) {
                    self.acknowledged = self.received;
                    self.outbox.about_line(Report::Received(self.received));
                }
            }
            Event::Lost => self.fail_all("data was lost on the way to the guest"),
            Event::Malformed(malformed) => self.fail_all(&malformed.to_string()),
        }
    }

    fn answer(&mut self, number: u32, request: Request) {
        if let Request::Ping(ping) = request {
            return self.outbox.about_line(Report::Pong(ping));
        }
        if let Request::Spawn(spawn) = request {
            return self.spawn(number, &spawn);
        }
        // A channel that has just ended: the request crossed its last report.
        let Some(channel) = self.channels.get(&number) else { return };
        match request {
            Request::Stdin(bytes) => {
                if !channel.stdin(bytes) {
                    self.fail(number, 125, "more stdin was sent than its window allows");
                }
            }
            Request::StdinEof => channel.stdin_eof(),
            Request::Credit(stream, bytes) => channel.grant(stream, bytes),
            Request::Kill(signal) => channel.kill(signal),
            Request::Close => {
                channel.close();
                self.channels.remove(&number);
            }
            Request::Hello | Request::Ping(_) | Request::Spawn(_) => {}
        }
    }

    fn spawn(&mut self, number: u32, spawn: &Spawn) {
        self.channels.retain(|_, channel| !channel.is_over());
        if self.channels.contains_key(&number) {
            return self.fail(number, 125, "this channel is in use");
        }
        if self.channels.len() >= MAX_CHANNELS {
            return self.refuse(number, 125, &format!("{MAX_CHANNELS} commands run already"));
        }
        if let Some(Err(error)) = self.root.as_ref().map(InitRoot::follow) {
            return self.refuse(number, 126, &format!("cannot enter init's root directory: {error}"));
        }
        match Channel::start(number, spawn, &self.outbox) {
            Ok(channel) => drop(self.channels.insert(number, channel)),
            Err(report) => self.report_unopened(number, report),
        }
    }

    /// Ends a channel with a failure.
    fn fail(&mut self, number: u32, status: u8, text: &str) {
        if let Some(channel) = self.channels.remove(&number) {
            channel.close();
        }
        self.refuse(number, status, text);
    }

    fn fail_all(&mut self, text: &str) {
        let numbers: Vec<u32> = self.channels.keys().copied().collect();
        for number in numbers {
            self.fail(number, 125, text);
        }
    }

    fn refuse(&self, number: u32, status: u8, text: &str) {
        self.report_unopened(number, Report::Failed { status, text: text.to_owned() });
    }

    fn report_unopened(&self, number: u32, report: Report) {
        self.outbox.about_number(number, report);
    }

    fn end_all(&mut self) {
        for (_, channel) in self.channels.drain() {
            channel.close();
        }
    }
}
