//! One gdb stub for two debuggers: both see the same stopped machine, and only one of them moves it.
//!
//! The leader's bytes go through unchanged. The follower may look as much as it likes; its breakpoints are
//! acknowledged and go nowhere, and when it lets the machine run it waits until it is told where the leader's stop
//! was. They must not talk at the same time: the test asks one after the other.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use crate::fixture::{Lkdb, PATIENCE};

/// The shared stub of a machine.
pub(super) struct Relay {
    shared: Arc<Shared>,
    pipe: Child,
    dir: PathBuf,
}

struct Shared {
    stub: Mutex<Box<dyn Write + Send>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the stub's answers go while the follower asks.
    asks: Option<Sender<Vec<u8>>>,
    leader: Option<UnixStream>,
    follower: Option<UnixStream>,
    /// The last stop reply.
    stop: Vec<u8>,
    /// The CPUs that each has chosen (`Hg`). A stop makes its CPU the one that is chosen.
    leaders_cpu: Vec<u8>,
    followers_cpu: Vec<u8>,
    /// The follower waits for the machine to stop.
    parked: bool,
}

impl Relay {
    /// Takes the stub of a machine, which stops it, and listens in `dir`.
    pub(super) fn new(lkdb: &Lkdb, name: &str, dir: &Path) -> Self {
        let mut command = lkdb.command(&["stub-pipe", name]);
        let mut pipe = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stub, mut from_stub) = (pipe.stdin.take().unwrap(), pipe.stdout.take().unwrap());
        let shared = Arc::new(Shared {
            stub: Mutex::new(Box::new(stub)),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let relay = Self { shared, pipe, dir: dir.to_owned() };
        let shared = Arc::clone(&relay.shared);
        thread::spawn(move || units(&mut from_stub, |unit| shared.said(unit)));
        for (path, serve) in [
            (relay.leader(), Shared::lead as fn(&Shared, UnixStream)),
            (relay.follower(), Shared::follow as fn(&Shared, UnixStream)),
        ] {
            let (listener, shared) = (UnixListener::bind(path).unwrap(), Arc::clone(&relay.shared));
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    serve(&shared, stream);
                }
            });
        }
        relay
    }

    /// The socket of the one that moves the machine.
    pub(super) fn leader(&self) -> PathBuf {
        self.dir.join("leader")
    }

    /// The socket of the one that only looks.
    pub(super) fn follower(&self) -> PathBuf {
        self.dir.join("follower")
    }

    /// Waits until the follower waits for the machine.
    pub(super) fn until_parked(&self) {
        let state = self.shared.state();
        let (state, late) =
            self.shared.changed.wait_timeout_while(state, PATIENCE, |state| !state.parked).unwrap();
        assert!(!late.timed_out(), "the follower does not let the machine run");
        drop(state);
    }

    /// Whether the follower waits for the machine.
    pub(super) fn is_parked(&self) -> bool {
        self.shared.state().parked
    }

    /// Tells the follower of the leader's last stop, as one of the CPU that the leader took it for; or, if it will
    /// not have that, that somebody wanted it to stop.
    pub(super) fn release(&self, cpu: u8, patience: bool) {
        let mut state = self.shared.state();
        assert!(state.parked, "the follower does not wait");
        state.parked = false;
        state.followers_cpu = format!("p01.{cpu:02x}").into_bytes();
        let signal = if patience { "05" } else { "02" };
        let stop = [format!("T{signal}thread:").as_bytes(), &state.followers_cpu, b";"].concat();
        let reply = framed(&stop);
        state.follower.as_mut().unwrap().write_all(&reply).unwrap();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.pipe.kill();
        let _ = self.pipe.wait();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn send(&self, bytes: &[u8]) {
        let mut stub = self.stub.lock().unwrap();
        // At the end nobody is there to be told.
        let _ = stub.write_all(bytes).and_then(|()| stub.flush());
    }

    /// Something that the stub said.
    fn said(&self, unit: &[u8]) {
        let mut state = self.state();
        let body = payload(unit);
        if let Some(asks) = &state.asks {
            if let Some(body) = body {
                let _ = asks.send(body.to_vec());
            }
            return;
        }
        if let Some(stop) = body.filter(|body| matches!(body.first(), Some(b'T' | b'S'))) {
            state.stop = stop.to_vec();
            state.leaders_cpu = thread_of(stop).to_vec();
        }
        if let Some(leader) = &mut state.leader {
            // It may have gone.
            let _ = leader.write_all(unit);
        }
    }

    fn lead(&self, mut stream: UnixStream) {
        self.state().leader = Some(stream.try_clone().unwrap());
        units(&mut stream, |unit| {
            if let Some(cpu) = payload(unit).and_then(|body| body.strip_prefix(b"Hg")) {
                self.state().leaders_cpu = cpu.to_vec();
            }
            self.send(unit);
        });
    }

    fn follow(&self, mut stream: UnixStream) {
        self.state().follower = Some(stream.try_clone().unwrap());
        units(&mut stream, |unit| {
            let Some(body) = payload(unit) else { return };
            let _ = self.state().follower.as_mut().unwrap().write_all(b"+");
            let Some(answer) = self.answer(body) else { return };
            let _ = self.state().follower.as_mut().unwrap().write_all(&framed(&answer));
        });
    }

    /// What the follower is told; none when it must wait.
    fn answer(&self, body: &[u8]) -> Option<Vec<u8>> {
        let begins = |word: &str| body.starts_with(word.as_bytes());
        if begins("vCont;") || begins("c") || begins("s") {
            self.state().parked = true;
            self.changed.notify_all();
            return None;
        }
        if let Some(cpu) = body.strip_prefix(b"Hg") {
            // Which one 0 or -1 means is the stub's matter.
            if cpu.contains(&b'1') || cpu.contains(&b'2') {
                self.state().followers_cpu = cpu.to_vec();
            }
            return Some(b"OK".to_vec());
        }
        if ["Hc", "Z", "z", "D", "k", "vKill", "!"].iter().any(|word| begins(word)) {
            return Some(b"OK".to_vec());
        }
        if ["M", "X", "G", "P", "Q"].iter().any(|word| begins(word)) {
            return Some(Vec::new());
        }
        if body == b"?" {
            return Some(self.state().stop.clone());
        }
        let (leaders, followers) = {
            let state = self.state();
            (state.leaders_cpu.clone(), state.followers_cpu.clone())
        };
        let choose = |cpu: &[u8]| self.exchange(&[b"Hg", cpu].concat());
        let differs = !followers.is_empty() && leaders != followers;
        if differs {
            choose(&followers);
        }
        let answer = self.exchange(body);
        if differs {
            choose(&leaders);
        }
        Some(answer)
    }

    fn exchange(&self, body: &[u8]) -> Vec<u8> {
        let (sender, receiver) = channel();
        self.state().asks = Some(sender);
        self.send(&framed(body));
        let answer = receiver.recv_timeout(PATIENCE).expect("the stub answers");
        self.send(b"+");
        self.state().asks = None;
        answer
    }
}

/// Calls `each` with every packet, with its frame, and every byte between them, until the stream ends.
fn units(stream: &mut impl Read, mut each: impl FnMut(&[u8])) {
    let mut waiting: Vec<u8> = Vec::new();
    let mut buffer = [0; 1 << 16];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        waiting.extend(&buffer[..length]);
        let mut done = 0;
        while let Some(length) = unit(&waiting[done..]) {
            each(&waiting[done..done + length]);
            done += length;
        }
        waiting.drain(..done);
    }
}

/// The length of the first packet or byte.
fn unit(bytes: &[u8]) -> Option<usize> {
    if *bytes.first()? != b'$' {
        return Some(1);
    }
    let end = bytes.iter().position(|byte| *byte == b'#')? + 3;
    (end <= bytes.len()).then_some(end)
}

fn payload(unit: &[u8]) -> Option<&[u8]> {
    unit.strip_prefix(b"$").map(|rest| &rest[..rest.len() - 3])
}

fn framed(body: &[u8]) -> Vec<u8> {
    let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", body, format!("#{sum:02x}").as_bytes()].concat()
}

/// Of `T05thread:p01.02;`.
fn thread_of(stop: &[u8]) -> &[u8] {
    let word = b"thread:";
    let Some(at) = stop.windows(word.len()).position(|window| window == word) else { return b"" };
    let rest = &stop[at + word.len()..];
    &rest[..rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len())]
}

#[test]
fn packets_are_told_from_what_stands_between_them() {
    let mut found = Vec::new();
    units(&mut &b"+$OK#9a\x03$T05thread:p01.02;#00$m"[..], |unit| found.push(unit.to_vec()));
    assert_eq!(found, [&b"+"[..], b"$OK#9a", b"\x03", b"$T05thread:p01.02;#00"]);
    assert_eq!(thread_of(payload(&found[3]).unwrap()), b"p01.02");
    assert_eq!(framed(b"OK"), b"$OK#9a");
}
