//! This terminal as the guest's console: raw mode, the escape key, and back again whatever happens.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use lkdb_machine::Console;
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Ctrl-A, as in QEMU's own multiplexer.
const ESCAPE: u8 = 0x01;
const HELP: &str = "\r\nCtrl-A x  end\r\nCtrl-A d  let go: leave the machine running\r\n\
                    Ctrl-A Ctrl-A  send Ctrl-A\r\nCtrl-A h  this help\r\n";

/// Why a console session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The user typed Ctrl-A X.
    Quit,
    /// The user typed Ctrl-A D.
    LetGo,
    /// The console itself ended: QEMU is gone.
    Closed,
    /// This process was asked to end.
    Signal(i32),
}

/// Raw mode of standard input, undone when dropped.
pub(crate) struct RawMode(Option<Termios>);

impl RawMode {
    /// Sets raw mode if standard input is a terminal.
    pub(crate) fn set() -> Self {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Self(None);
        }
        let Ok(before) = termios::tcgetattr(&stdin) else { return Self(None) };
        let mut raw = before.clone();
        raw.make_raw();
        let set = termios::tcsetattr(&stdin, OptionalActions::Now, &raw);
        Self(set.is_ok().then_some(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}

/// A console session that goes on in threads until something ends it.
pub(crate) struct Session {
    ends: Receiver<End>,
    _raw: RawMode,
}

impl Session {
    /// Joins this terminal (or standard input and output) to the console. `early` was read already.
    pub(crate) fn start(console: Console, early: Vec<u8>) -> io::Result<Self> {
        let (sender, ends) = channel();
        let input = console.try_clone()?;
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let raw = RawMode::set();
        let on_signal = sender.clone();
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let _ = on_signal.send(End::Signal(signal));
            }
        });
        let on_output = sender.clone();
        thread::spawn(move || show(console, &early, &on_output));
        thread::spawn(move || type_in(input, &sender));
        Ok(Self { ends, _raw: raw })
    }

    /// Waits for the end until `deadline`.
    pub(crate) fn wait_until(&self, deadline: Instant) -> Option<End> {
        match self.ends.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(end) => Some(end),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(End::Closed),
        }
    }

    /// Waits for the end.
    pub(crate) fn wait(&self) -> End {
        self.ends.recv().unwrap_or(End::Closed)
    }
}

fn show(mut console: Console, early: &[u8], ends: &Sender<End>) {
    let mut out = io::stdout();
    let mut buffer = vec![0; 64 << 10];
    let mut shown = out.write_all(early).and_then(|()| out.flush());
    while shown.is_ok() {
        match console.read(&mut buffer) {
            Ok(length @ 1..) => {
                shown = out.write_all(buffer.get(..length).unwrap_or_default()).and_then(|()| out.flush());
            }
            _ => break,
        }
    }
    let _ = ends.send(if shown.is_ok() { End::Closed } else { End::Quit });
}

fn type_in(mut console: Console, ends: &Sender<End>) {
    let mut keys = Keys::default();
    let mut buffer = [0; 4096];
    let mut stdin = io::stdin();
    // At the end of a script on standard input the console stays: its output is still to come.
    while let Ok(length @ 1..) = stdin.read(&mut buffer) {
        let (typed, action) = keys.take(buffer.get(..length).unwrap_or_default());
        if console.write_all(&typed).is_err() {
            return;
        }
        match action {
            Some(Action::End(end)) => {
                let _ = ends.send(end);
                return;
            }
            Some(Action::Help) => _ = io::stderr().write_all(HELP.as_bytes()),
            None => {}
        }
    }
}

/// What an escape sequence asks for.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    End(End),
    Help,
}

/// Tells escape sequences from what is typed into the guest.
#[derive(Debug, Default)]
struct Keys {
    escaped: bool,
}

impl Keys {
    /// Splits input into what the guest gets and what lkdb is to do after that.
    fn take(&mut self, input: &[u8]) -> (Vec<u8>, Option<Action>) {
        let mut typed = Vec::with_capacity(input.len());
        let mut action = None;
        for &key in input {
            if !std::mem::take(&mut self.escaped) {
                self.escaped = key == ESCAPE;
                if !self.escaped {
                    typed.push(key);
                }
                continue;
            }
            match key {
                b'x' | b'X' => return (typed, Some(Action::End(End::Quit))),
                b'd' | b'D' => return (typed, Some(Action::End(End::LetGo))),
                b'h' | b'H' | b'?' => action = Some(Action::Help),
                ESCAPE | b'a' => typed.push(ESCAPE),
                other => typed.extend([ESCAPE, other]),
            }
        }
        (typed, action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escape_key_is_seen_across_reads_and_sent_when_doubled() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"ls\x01\x01"), (b"ls\x01".to_vec(), None));
        assert_eq!(keys.take(b"a\x01"), (b"a".to_vec(), None));
        assert_eq!(keys.take(b"xyz"), (Vec::new(), Some(Action::End(End::Quit))));
        assert_eq!(Keys::default().take(b"\x01q"), (b"\x01q".to_vec(), None));
        assert_eq!(Keys::default().take(b"\x01h!"), (b"!".to_vec(), Some(Action::Help)));
    }
}
