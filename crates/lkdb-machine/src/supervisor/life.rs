//! How the machine is: one status, changed by whoever learns something, watched by whoever asks.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{Machine, lock};
use crate::control::{Ended, RunState, Status};
use crate::qmp;
use crate::spec::MachineSpec;

/// The status, its version, and who is being told.
#[derive(Debug)]
pub(super) struct Life {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    status: Status,
    version: u64,
    /// A client asked QEMU to end.
    stop_asked: bool,
    /// The reason that QMP's SHUTDOWN event gave.
    shutdown: Option<String>,
    /// Connections being served.
    clients: usize,
}

/// Counts a connection for as long as it lives.
pub(super) struct Served<'a>(&'a Life);

impl Life {
    pub(super) fn new(spec: &MachineSpec, qemu_pid: u32) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let status = Status {
            name: spec.name.clone(),
            state: if spec.frozen { RunState::Frozen } else { RunState::Running },
            release: spec.release.clone(),
            kernel: spec.kernel.clone(),
            vmlinux: spec.vmlinux.clone(),
            accel: spec.accel.clone(),
            smp: spec.smp,
            memory: spec.memory,
            qemu_pid,
            supervisor_pid: std::process::id(),
            started: now,
            console_bytes: 0,
            agent: None,
            panic: None,
            resets: 0,
            debugger: None,
        };
        let state = State { status, version: 0, stop_asked: false, shutdown: None, clients: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn status(&self) -> Status {
        lock(&self.state).status.clone()
    }

    /// Changes the status and wakes those who watch it.
    pub(super) fn update(&self, change: impl FnOnce(&mut Status)) {
        let mut state = lock(&self.state);
        change(&mut state.status);
        state.version += 1;
        self.changed.notify_all();
    }

    /// Counts console output. Nobody is woken for that.
    pub(super) fn count_console(&self, bytes: usize) {
        lock(&self.state).status.console_bytes += bytes as u64;
    }

    /// Waits for a status newer than `seen`; returns it with its version.
    pub(super) fn after(&self, seen: Option<u64>) -> (Status, u64) {
        let mut state = lock(&self.state);
        while seen.is_some_and(|seen| seen >= state.version) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (state.status.clone(), state.version)
    }

    /// Waits until QEMU has ended.
    pub(super) fn wait_for_end(&self) -> Status {
        let mut seen = None;
        loop {
            let (status, version) = self.after(seen);
            if matches!(status.state, RunState::Ended(_)) {
                return status;
            }
            seen = Some(version);
        }
    }

    /// Notes that whatever end comes was asked for.
    pub(super) fn stop_asked(&self) {
        lock(&self.state).stop_asked = true;
    }

    /// Says that QEMU has ended, and why.
    pub(super) fn end(&self, status: Option<ExitStatus>, said: String) {
        let mut state = lock(&self.state);
        let signal = status.and_then(|status| status.signal());
        let clean = status.is_some_and(|status| status.success());
        let ended = match (state.stop_asked, signal, state.shutdown.as_deref()) {
            (true, _, _) => Ended::Stopped,
            (_, Some(signal), _) => Ended::Killed(signal),
            (_, _, Some("guest-reset")) if clean => Ended::GuestReset,
            (_, _, Some("guest-shutdown" | "guest-panic")) if clean => Ended::GuestShutdown,
            // QEMU treats SIGTERM, SIGINT and SIGHUP as a wish to end, and exits cleanly.
            (_, _, Some("host-signal" | "host-qmp-quit" | "host-ui")) if clean => Ended::Stopped,
            _ => Ended::Failed(status.and_then(|status| status.code()), said),
        };
        state.status.state = RunState::Ended(ended);
        state.version += 1;
        self.changed.notify_all();
    }

    /// Counts a connection in.
    pub(super) fn serving(&self) -> Served<'_> {
        lock(&self.state).clients += 1;
        Served(self)
    }

    /// Waits until every connection has been served to its end, but not past `deadline`.
    pub(super) fn wait_for_farewells(&self, deadline: Instant) {
        let mut state = lock(&self.state);
        while state.clients > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn on_event(&self, event: &qmp::Event) {
        match event.name.as_str() {
            "STOP" => self.update(|status| status.state = RunState::Paused),
            "RESUME" => self.update(|status| status.state = RunState::Running),
            "RESET" if event.data["guest"] == Value::Bool(true) => self.update(|status| {
                status.resets += 1;
                status.agent = None;
                status.panic = None;
            }),
            "GUEST_PANICKED" => self.update(|status| {
                status.panic.get_or_insert_with(|| "the guest reported a panic (pvpanic)".to_owned());
            }),
            "SHUTDOWN" => {
                let reason = event.data["reason"].as_str().map(str::to_owned);
                lock(&self.state).shutdown = reason;
            }
            _ => {}
        }
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).clients -= 1;
        self.0.changed.notify_all();
    }
}

/// Follows QMP's events until QEMU hangs up.
pub(super) fn follow_events(machine: &Machine, mut events: qmp::Events) {
    loop {
        match events.next() {
            Ok(Some(event)) => {
                tracing::debug!(name = event.name, data = %event.data, "QMP event");
                if event.name == "RESET" {
                    machine.agent.reset();
                }
                machine.life.on_event(&event);
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "QMP failed");
                return;
            }
        }
    }
}
