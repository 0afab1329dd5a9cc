//! The guest's console: what it wrote, kept and handed out; what is typed, passed on.
//!
//! Output goes into one bounded log. Each reader has a position in it and waits for more. One that
//! falls so far behind that its bytes are gone is told how many it missed, unless it asked for a
//! lossless console: then the log stops growing, QEMU's socket fills, and the guest waits, as it
//! would on a real serial line.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, PoisonError};

use super::{Machine, lock};

/// How much of the past is kept.
pub(crate) const KEPT: usize = 4 << 20;
/// How far a lossless reader may be behind before the guest waits.
const LOSSLESS_BEHIND: u64 = 1 << 20;
/// The most that is read or handed out at a time.
const CHUNK: usize = 64 << 10;

/// The log of a console, and its input.
#[derive(Debug)]
pub(super) struct ConsoleLog {
    state: Mutex<State>,
    changed: Condvar,
    input: Mutex<UnixStream>,
}

#[derive(Debug, Default)]
struct State {
    kept: VecDeque<u8>,
    /// Bytes ever written; the last `kept.len()` of them are kept.
    total: u64,
    closed: bool,
    next_reader: u64,
    /// The positions of lossless readers.
    lossless: BTreeMap<u64, u64>,
}

/// A reader's place in the log.
pub(super) struct Reader<'a> {
    log: &'a ConsoleLog,
    position: u64,
    lossless: Option<u64>,
}

impl ConsoleLog {
    pub(super) fn new(input: UnixStream) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), input: Mutex::new(input) }
    }

    /// A reader from the beginning of what is kept, or from now on.
    pub(super) fn reader(&self, replay: bool, lossless: bool) -> Reader<'_> {
        let mut state = lock(&self.state);
        let position = if replay { state.total - state.kept.len() as u64 } else { state.total };
        let lossless = lossless.then(|| {
            let id = state.next_reader;
            state.next_reader += 1;
            state.lossless.insert(id, position);
            id
        });
        Reader { log: self, position, lossless }
    }

    /// Types `bytes` into the guest.
    pub(super) fn type_in(&self, bytes: &[u8]) -> std::io::Result<()> {
        lock(&self.input).write_all(bytes)
    }

    /// Makes readers ask whether they have given up.
    pub(super) fn wake(&self) {
        let _state = lock(&self.state);
        self.changed.notify_all();
    }

    /// No more output comes: readers end when they have read what there is.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    fn append(&self, bytes: &[u8]) {
        let mut state = lock(&self.state);
        while state.lossless.values().min().is_some_and(|least| state.total - least > LOSSLESS_BEHIND) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.kept.extend(bytes);
        let excess = state.kept.len().saturating_sub(KEPT);
        state.kept.drain(..excess);
        state.total += bytes.len() as u64;
        self.changed.notify_all();
    }
}

impl Reader<'_> {
    /// Waits for the next bytes. Empty: the console has ended, or the reader has `given_up`, which is
    /// asked whenever [`ConsoleLog::wake`] is called.
    pub(super) fn next(&mut self, given_up: impl Fn() -> bool) -> Vec<u8> {
        let mut state = lock(&self.log.state);
        if let Some(id) = self.lossless {
            state.lossless.insert(id, self.position);
            self.log.changed.notify_all();
        }
        while state.total == self.position && !state.closed {
            if given_up() {
                return Vec::new();
            }
            state = self.log.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let oldest = state.total - state.kept.len() as u64;
        let mut bytes = Vec::new();
        if self.position < oldest {
            bytes = format!("\r\n[lkdb: {} bytes of console output skipped]\r\n", oldest - self.position)
                .into_bytes();
            self.position = oldest;
        }
        let from = usize::try_from(self.position - oldest).unwrap_or(usize::MAX);
        bytes.extend(state.kept.iter().skip(from).take(CHUNK));
        self.position = (self.position + CHUNK as u64).min(state.total);
        bytes
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.lossless {
            lock(&self.log.state).lossless.remove(&id);
            self.log.changed.notify_all();
        }
    }
}

/// Reads the console until QEMU hangs up, looking out for the kernel's last words.
pub(super) fn read_all(machine: &Machine, mut stream: UnixStream) {
    let mut buffer = vec![0; CHUNK];
    let mut lookout = PanicLookout::default();
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let bytes = buffer.get(..length).unwrap_or_default();
        machine.console.append(bytes);
        machine.life.count_console(length);
        if let Some(line) = lookout.see(bytes) {
            machine.life.update(|status| status.panic = Some(line));
        }
    }
    machine.console.close();
}

/// Finds the line that `panic()` prints (kernel/panic.c) in console output.
///
/// A machine need not have a pvpanic device, nor the kernel its driver, so the console tells. The
/// text must open its line, after at most the kernel's time stamp: a shell that echoes it does not count
/// as the kernel unless it takes pains to.
#[derive(Debug, Default)]
struct PanicLookout {
    line: Vec<u8>,
}

impl PanicLookout {
    const WORDS: &'static str = "Kernel panic - not syncing";
    const LINE_MAX: usize = 1024;

    /// Takes the next bytes; returns the panic's line once it is complete.
    fn see(&mut self, bytes: &[u8]) -> Option<String> {
        let mut found = None;
        for &byte in bytes {
            if byte == b'\n' {
                found = self.complete().or(found);
                self.line.clear();
            } else if self.line.len() < Self::LINE_MAX {
                self.line.push(byte);
            }
        }
        found
    }

    fn complete(&self) -> Option<String> {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim();
        let text = match line.strip_prefix('[') {
            Some(stamped) => stamped.split_once("] ")?.1,
            None => line,
        };
        text.starts_with(Self::WORDS).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> ConsoleLog {
        ConsoleLog::new(UnixStream::pair().unwrap().0)
    }

    #[test]
    fn a_reader_gets_the_past_only_if_it_asks() {
        let log = log();
        log.append(b"old");
        let mut replay = log.reader(true, false);
        let mut fresh = log.reader(false, false);
        log.append(b" new");
        log.close();
        assert_eq!(replay.next(|| false), b"old new");
        assert_eq!(fresh.next(|| false), b" new");
        assert_eq!(fresh.next(|| false), b"");
    }

    #[test]
    fn a_reader_left_behind_is_told_what_it_missed() {
        let log = log();
        let mut slow = log.reader(true, false);
        log.append(&vec![b'x'; KEPT + 10]);
        let text = String::from_utf8(slow.next(|| false)).unwrap();
        assert!(text.contains("[lkdb: 10 bytes of console output skipped]"));
        assert_eq!(text.matches('x').count(), CHUNK);
    }

    #[test]
    fn a_lossless_reader_makes_the_guest_wait() {
        let log = log();
        let mut reader = log.reader(true, true);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for _ in 0..20 {
                    log.append(&vec![b'y'; 1 << 20]);
                }
                log.close();
            });
            let mut total = 0;
            loop {
                match reader.next(|| false) {
                    bytes if bytes.is_empty() => break,
                    bytes => {
                        assert!(bytes.iter().all(|byte| *byte == b'y'));
                        total += bytes.len();
                    }
                }
            }
            assert_eq!(total, 20 << 20);
            writer.join().unwrap();
        });
    }

    #[test]
    fn the_kernels_last_words_are_found_across_chunks_and_a_shells_are_not() {
        let mut lookout = PanicLookout::default();
        assert_eq!(lookout.see(b"# echo Kernel panic - not syncing: no\r\n[    1.2] Kernel pan"), None);
        let line = lookout.see(b"ic - not syncing: VFS: Unable to mount root fs\r\nmore");
        assert_eq!(line.as_deref(), Some("Kernel panic - not syncing: VFS: Unable to mount root fs"));
        assert_eq!(lookout.see(&vec![b'a'; 1 << 20]), None);
        assert!(lookout.line.len() <= PanicLookout::LINE_MAX);
    }
}
