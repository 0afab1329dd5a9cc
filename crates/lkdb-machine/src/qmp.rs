//! QMP, QEMU's control protocol, as far as lkdb speaks it.
//!
//! QMP is JSON, an object a line, over a stream. QEMU greets with `{"QMP": …}`; after
//! `qmp_capabilities` it takes `{"execute": NAME, "arguments": {…}, "id": N}` and answers
//! `{"return": …, "id": N}` or `{"error": {"class": …, "desc": …}, "id": N}`. In between come events,
//! `{"event": NAME, "data": {…}}`, unasked. Source: QEMU's docs/interop/qmp-spec.
//!
//! [`connect`] gives a sender for commands and a receiver for events apart, so that a thread may wait
//! for events while others ask. Closed enums of commands break across QEMU's versions, so names and
//! arguments are plain.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use serde_json::{Value, json};

/// No answer or event of QEMU's is near this long; a longer one is not QMP.
const LINE_MAX: u64 = 16 << 20;
/// QEMU answers in milliseconds unless it hangs or the host swaps.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A command that did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QmpError {
    #[error("QMP: {0}")]
    Io(#[from] io::Error),
    #[error("QEMU closed its QMP connection")]
    Closed,
    #[error("QEMU did not answer `{command}` within {} seconds", ANSWER_WITHIN.as_secs())]
    Silent { command: String },
    #[error("QEMU sent something that is not QMP: {0}")]
    Nonsense(String),
    #[error("QEMU refused `{command}`: {why}")]
    Refused { command: String, why: String },
}

type Waiting = Arc<Mutex<HashMap<u64, mpsc::Sender<Result<Value, String>>>>>;

/// The commanding half.
#[derive(Debug)]
pub(crate) struct Commands {
    stream: Mutex<UnixStream>,
    waiting: Waiting,
    next_id: AtomicU64,
}

/// The listening half. Somebody must keep calling [`Events::next`], or no command is ever answered.
#[derive(Debug)]
pub(crate) struct Events {
    stream: BufReader<UnixStream>,
    waiting: Waiting,
}

/// An event, as QEMU names it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// Waits for QEMU's greeting and leaves negotiation mode.
pub(crate) fn connect(stream: UnixStream) -> Result<(Commands, Events), QmpError> {
    let waiting = Waiting::default();
    let mut events = Events { stream: BufReader::new(stream.try_clone()?), waiting: Arc::clone(&waiting) };
    let greeting = events.read_object()?.ok_or(QmpError::Closed)?;
    if greeting.get("QMP").is_none() {
        return Err(QmpError::Nonsense(greeting.to_string()));
    }
    let commands = Commands { stream: Mutex::new(stream), waiting, next_id: AtomicU64::new(0) };
    commands.send(&json!({ "execute": "qmp_capabilities" }))?;
    // The answer is the next object: no event comes before negotiation is over.
    match events.read_object()?.ok_or(QmpError::Closed)? {
        answer if answer.get("return").is_some() => Ok((commands, events)),
        other => Err(QmpError::Nonsense(other.to_string())),
    }
}

impl Commands {
    /// Runs one command and waits for its answer.
    pub(crate) fn execute(&self, command: &str, arguments: &Value) -> Result<Value, QmpError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = mpsc::channel();
        lock(&self.waiting).insert(id, sender);
        let mut object = json!({ "execute": command, "id": id });
        if !arguments.is_null() {
            object["arguments"] = arguments.clone();
        }
        let sent = self.send(&object);
        let outcome = sent.and_then(|()| match answer.recv_timeout(ANSWER_WITHIN) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(why)) => Err(QmpError::Refused { command: command.to_owned(), why }),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(QmpError::Silent { command: command.to_owned() }),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(QmpError::Closed),
        });
        lock(&self.waiting).remove(&id);
        outcome
    }

    fn send(&self, object: &Value) -> Result<(), QmpError> {
        let mut line = object.to_string();
        line.push('\n');
        Ok(lock(&self.stream).write_all(line.as_bytes())?)
    }
}

impl Events {
    /// Waits for the next event, handing answers to those who asked. `None`: QEMU hung up.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, QmpError> {
        while let Some(object) = self.read_object()? {
            if let Some(name) = object.get("event").and_then(Value::as_str) {
                let data = object.get("data").cloned().unwrap_or(Value::Null);
                return Ok(Some(Event { name: name.to_owned(), data }));
            }
            let asked = object.get("id").and_then(Value::as_u64);
            let asker = asked.and_then(|id| lock(&self.waiting).remove(&id));
            let answer = match (object.get("return"), object.get("error")) {
                (Some(value), _) => Ok(value.clone()),
                (None, Some(error)) => Err(error["desc"].as_str().unwrap_or("no reason given").to_owned()),
                (None, None) => return Err(QmpError::Nonsense(object.to_string())),
            };
            if let Some(asker) = asker {
                let _ = asker.send(answer); // It may have stopped waiting.
            }
        }
        lock(&self.waiting).clear();
        Ok(None)
    }

    fn read_object(&mut self) -> Result<Option<Value>, QmpError> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(LINE_MAX).read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        serde_json::from_slice(&line).map(Some).map_err(|_| {
            QmpError::Nonsense(String::from_utf8_lossy(line.get(..80).unwrap_or(&line)).into_owned())
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Plays QEMU: sends `script` lines, each after having read one line where it says so.
    fn qemu(script: &'static [(bool, &'static str)]) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut reader = BufReader::new(theirs.try_clone().unwrap());
            for (reads_first, text) in script {
                if *reads_first {
                    reader.read_line(&mut String::new()).unwrap();
                }
                (&theirs).write_all(text.as_bytes()).unwrap();
                (&theirs).write_all(b"\n").unwrap();
            }
        });
        ours
    }

    #[test]
    fn answers_reach_those_who_asked_and_events_the_listener() {
        let stream = qemu(&[
            (false, r#"{"QMP": {}}"#),
            (true, r#"{"return": {}}"#),
            (true, r#"{"event": "STOP", "data": {"a": 1}}"#),
            (false, r#"{"return": {"running": false}, "id": 0}"#),
            (true, r#"{"error": {"class": "GenericError", "desc": "no such"}, "id": 1}"#),
        ]);
        let (commands, mut events) = connect(stream).unwrap();
        let listener = thread::spawn(move || {
            let first = events.next().unwrap().unwrap();
            assert!(events.next().unwrap().is_none());
            first.name
        });
        let answer = commands.execute("query-status", &Value::Null).unwrap();
        assert_eq!(answer["running"], false);
        let refused = commands.execute("x", &json!({})).unwrap_err();
        assert_eq!(refused.to_string(), "QEMU refused `x`: no such");
        assert_eq!(listener.join().unwrap(), "STOP");
    }

    #[test]
    fn a_peer_that_is_not_qemu_is_found_out() {
        assert!(matches!(connect(qemu(&[(false, "SSH-2.0-x")])), Err(QmpError::Nonsense(_))));
        assert!(matches!(connect(qemu(&[])), Err(QmpError::Closed)));
        assert!(matches!(
            connect(qemu(&[(false, r#"{"QMP": {}}"#)])),
            Err(QmpError::Closed | QmpError::Io(_))
        ));
    }
}
