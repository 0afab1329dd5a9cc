//! The supervisor: the process that is QEMU's parent and owns its sockets.
//!
//! QMP serves one client and the gdb stub one, yet a debugger, `ls`, `exec` and `console` are wanted
//! together and must survive each other. So each machine has one supervisor, which outlives the
//! command that started it. It listens on the control socket (see [`crate::control`]) and serves each
//! connection in a thread of its own; a thread each reads QMP's events, the console and the agent's
//! port. When QEMU ends, everybody is told why, the state directory goes, and the supervisor with it.
//!
//! QEMU is bound to the supervisor's life by the kernel (`PR_SET_PDEATHSIG`, set by [`tether`]
//! between fork and exec), so no QEMU outlives a killed supervisor unseen.

mod agent;
mod console;
mod life;
pub(crate) mod serve;
pub(crate) mod stub;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::control::{self, Reply};
use crate::qmp;
use crate::spec::{AGENT_SOCKET, CONSOLE_SOCKET, MachineSpec, QMP_SOCKET, STUB_SOCKET, Wiring};
use crate::{Error, Result};
use agent::Agent;
use console::ConsoleLog;
pub(crate) use console::KEPT as CONSOLE_KEPT;
use life::Life;
use stub::Stub;

/// The file in the state directory that tells the supervisor what to start.
pub(crate) const SPEC: &str = "machine.json";
/// The file in the state directory where the supervisor complains.
pub(crate) const LOG: &str = "supervisor.log";
/// How much of what QEMU says on stderr is kept.
const STDERR_KEPT: usize = 16 << 10;
/// How long the last words to clients may take, once QEMU is gone.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the threads share.
#[derive(Debug)]
struct Machine {
    qemu: Pid,
    life: Life,
    qmp: qmp::Commands,
    console: ConsoleLog,
    agent: Agent,
    stub: Stub,
}

/// Runs a machine to its end: the whole of the process `lkdb supervise DIR`.
///
/// Standard input holds the state directory's lock, and standard output takes one [`Reply`] line:
/// whether the machine came up. `program` is lkdb itself, for [`tether`].
///
/// # Errors
/// When the machine could not be started, after having said so on standard output.
pub fn run(dir: &Path, program: &Path) -> Result<()> {
    // A terminal's Ctrl-C is for the command that started us.
    let _ = rustix::process::setsid();
    let started = start(dir, program);
    let reply = match &started {
        Ok(_) => Reply::Ok(serde_json::Value::Null),
        Err(error) => Reply::Error(error.to_string()),
    };
    say_once(&reply);
    let outcome = started.map(|started| started.run_to_the_end(dir));
    let _ = fs::remove_dir_all(dir);
    outcome
}

/// The one line on standard output. Whoever waits for it may be gone already.
fn say_once(reply: &Reply) {
    let Ok(mut line) = serde_json::to_vec(reply) else { return };
    line.push(b'\n');
    let _ = io::stdout().write_all(&line).and_then(|()| io::stdout().flush());
}

/// Becomes `argv`, to be killed when `parent` ends: the whole of the process `lkdb tether`.
///
/// # Errors
/// When `argv` can't be run; otherwise this does not return.
pub fn tether(parent: u32, argv: &[OsString]) -> io::Error {
    let bound = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if let Err(errno) = bound {
        return errno.into();
    }
    // It may have ended before the signal was set.
    let alive =
        rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().get().cast_unsigned() == parent);
    let Some((program, arguments)) = argv.split_first().filter(|_| alive) else {
        return io::Error::other("the supervisor is gone");
    };
    Command::new(program).args(arguments).exec()
}

/// A machine that is up, and the threads and listeners that make it go on.
struct Started {
    machine: Arc<Machine>,
    child: Child,
    control: UnixListener,
    events: qmp::Events,
    console: UnixStream,
    agent: UnixStream,
    stderr: JoinHandle<String>,
}

/// The sockets that QEMU connects to.
struct Listeners {
    qmp: UnixListener,
    console: UnixListener,
    agent: UnixListener,
    control: UnixListener,
}

/// QEMU's ends of them.
struct Connected {
    qemu: Pid,
    qmp: (qmp::Commands, qmp::Events),
    console: UnixStream,
    agent: UnixStream,
}

fn start(dir: &Path, program: &Path) -> Result<Started> {
    let path = dir.join(SPEC);
    let text = fs::read(&path).map_err(Error::io("cannot read", &path))?;
    let spec: MachineSpec =
        serde_json::from_slice(&text).map_err(|error| Error::io("cannot read", path)(error.into()))?;
    let listeners = Listeners::bind(dir)?;
    let mut child = spawn(&spec, dir, program)?;
    let stderr = child.stderr.take();
    let stderr = thread::spawn(move || last_words(stderr));
    let connected = match listeners.accept(&child) {
        Ok(connected) => connected,
        Err(why) => return Err(failed_start(child, stderr, &why)),
    };
    let Connected { qemu, qmp: (commands, events), console, agent } = connected;
    let second = |stream: &UnixStream| stream.try_clone().map_err(Error::io("cannot use a socket in", dir));
    let machine = Arc::new(Machine {
        life: Life::new(&spec, child.id()),
        qemu,
        qmp: commands,
        console: ConsoleLog::new(second(&console)?),
        agent: Agent::new(second(&agent)?),
        stub: Stub::new(lkdb_target::Address::Unix(dir.join(STUB_SOCKET))),
    });
    Ok(Started { machine, child, control: listeners.control, events, console, agent, stderr })
}

impl Listeners {
    fn bind(dir: &Path) -> Result<Self> {
        let listen = |name| {
            let path = dir.join(name);
            UnixListener::bind(&path).map_err(Error::io("cannot listen on", path))
        };
        Ok(Self {
            qmp: listen(QMP_SOCKET)?,
            console: listen(CONSOLE_SOCKET)?,
            agent: listen(AGENT_SOCKET)?,
            control: listen(control::SOCKET)?,
        })
    }

    fn accept(&self, child: &Child) -> Result<Connected, String> {
        let text = |error: io::Error| error.to_string();
        let qemu = Pid::from_raw(child.id().cast_signed()).ok_or("it has no process ID")?;
        let pidfd = rustix::process::pidfd_open(qemu, PidfdFlags::empty()).map_err(|e| text(e.into()))?;
        let qmp = accept(&self.qmp, &pidfd).map_err(text)?;
        let console = accept(&self.console, &pidfd).map_err(text)?;
        let agent = accept(&self.agent, &pidfd).map_err(text)?;
        let qmp = qmp::connect(qmp).map_err(|error| error.to_string())?;
        Ok(Connected { qemu, qmp, console, agent })
    }
}

/// QEMU, stopped when we end, its sockets in `dir`.
fn spawn(spec: &MachineSpec, dir: &Path, program: &Path) -> Result<Child> {
    let mut command = Command::new(program);
    command.arg("tether").arg(std::process::id().to_string()).arg("--");
    command.args(spec.command_line(Wiring::Supervised(dir)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().map_err(Error::io("cannot run", PathBuf::from(program)))
}

/// Waits for QEMU to connect, or to end.
fn accept(listener: &UnixListener, qemu: &OwnedFd) -> io::Result<UnixStream> {
    loop {
        let mut fds = [PollFd::new(listener, PollFlags::IN), PollFd::new(qemu, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) if fds[0].revents().contains(PollFlags::IN) => return Ok(listener.accept()?.0),
            Ok(_) if !fds[1].revents().is_empty() => return Err(io::Error::other("it ended at once")),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn failed_start(mut child: Child, stderr: JoinHandle<String>, why: &str) -> Error {
    let _ = child.kill();
    let status = child.wait();
    let said = stderr.join().unwrap_or_default();
    Error::Qemu(match (said.trim(), status) {
        ("", Ok(status)) => format!("{why} ({status})"),
        ("", Err(error)) => format!("{why} ({error})"),
        (said, _) => said.to_owned(),
    })
}

/// Reads QEMU's stderr to its end and keeps the last of it.
fn last_words(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut buffer) {
        kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let excess = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

impl Started {
    /// Serves everybody until QEMU has ended and all have been told.
    fn run_to_the_end(mut self, dir: &Path) {
        let readers = [
            spawn_reader(&self.machine, self.console, console::read_all),
            spawn_reader(&self.machine, self.agent, agent::read_all),
            spawn_reader(&self.machine, self.events, life::follow_events),
        ];
        let server = Arc::clone(&self.machine);
        thread::spawn(move || serve::accept_all(&server, &self.control));
        // The thread that spawned QEMU must be the one that stays: its end would kill QEMU.
        let status = self.child.wait();
        // What QEMU and the guest said last is taken in before anybody hears of the end.
        for reader in readers {
            let _ = reader.join();
        }
        let said = self.stderr.join().unwrap_or_default();
        let _ = fs::remove_file(dir.join(control::SOCKET));
        self.machine.life.end(status.ok(), said);
        self.machine.console.close();
        self.machine.agent.close();
        self.machine.life.wait_for_farewells(Instant::now() + FAREWELL);
    }
}

fn spawn_reader<S: Send + 'static>(
    machine: &Arc<Machine>,
    source: S,
    read: impl FnOnce(&Machine, S) + Send + 'static,
) -> JoinHandle<()> {
    let machine = Arc::clone(machine);
    thread::spawn(move || read(&machine, source))
}

/// Whoever panicked while holding a lock must not take the rest of the machine with it.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
