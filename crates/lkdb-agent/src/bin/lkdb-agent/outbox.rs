//! What waits to be written to the port, and the one thread that writes it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use lkdb_agent::{Encoder, Report};

use crate::channel::Channel;
use crate::port::Port;

/// How many messages wait before output of commands has to.
const ROOM: usize = 32;
/// How many messages the host can make the agent queue at most by asking without reading.
const LIMIT: usize = 16 * 1024;
/// Bytes worth one write.
const BATCH: usize = 16 * 1024;

/// The queue of outgoing messages.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    number: u32,
    channel: Option<Arc<Channel>>,
    report: Report,
}

impl Outbox {
    /// Queues a report about the line itself, at once.
    pub(crate) fn about_line(&self, report: Report) {
        self.about_number(0, report);
    }

    /// Queues a report about a channel that is not, or no longer, in the table.
    pub(crate) fn about_number(&self, number: u32, report: Report) {
        self.put(Waiting { number, channel: None, report });
    }

    /// Queues a report about a channel, at once.
    pub(crate) fn about(&self, channel: &Arc<Channel>, report: Report) {
        self.put(Waiting { number: channel.number(), channel: Some(Arc::clone(channel)), report });
    }

    /// Queues output of a command when there is room.
    pub(crate) fn output(&self, channel: &Arc<Channel>, report: Report) {
        let queue = self.lock();
        let room = |queue: &mut Queue| queue.waiting.len() >= ROOM && !queue.closed;
        drop(self.changed.wait_while(queue, room).unwrap_or_else(PoisonError::into_inner));
        self.about(channel, report);
    }

    /// Lets every waiting thread go on: the port is gone.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Writes what is queued until the port or the outbox ends.
    pub(crate) fn write_to(&self, port: &Port) {
        let mut encoder = Encoder::new();
        let mut bytes = Vec::with_capacity(2 * BATCH);
        while let Some(batch) = self.next_batch() {
            bytes.clear();
            for waiting in batch {
                encode(&mut encoder, &waiting, &mut bytes);
            }
            if port.write_all(&bytes).is_err() {
                self.close();
            }
        }
    }

    fn next_batch(&self) -> Option<Vec<Waiting>> {
        let queue = self.lock();
        let empty = |queue: &mut Queue| queue.waiting.is_empty() && !queue.closed;
        let mut queue = self.changed.wait_while(queue, empty).unwrap_or_else(PoisonError::into_inner);
        if queue.closed {
            return None;
        }
        let count = queue.waiting.len().min(BATCH / lkdb_agent::frame::MAX_DATA);
        let batch = queue.waiting.drain(..count).collect();
        self.changed.notify_all();
        Some(batch)
    }

    fn put(&self, waiting: Waiting) {
        let mut queue = self.lock();
        if queue.waiting.len() < LIMIT && !queue.closed {
            queue.waiting.push_back(waiting);
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(encoder: &mut Encoder, waiting: &Waiting, bytes: &mut Vec<u8>) {
    // The host may use the number of a channel it has closed for another command.
    if waiting.channel.as_ref().is_some_and(|channel| channel.is_closed()) {
        return;
    }
    // Too long can only be the text of a failure about a very long path, which the short one replaces.
    if encoder.encode(waiting.number, &waiting.report, bytes).is_err() {
        let short = Report::Failed { status: 126, text: "cannot run the command".to_owned() };
        let _ = encoder.encode(waiting.number, &short, bytes);
    }
}
