//! Serving control connections: one request each, a thread each. The protocol is in [`crate::control`].

use std::io::{BufRead, BufReader, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::Value;

use super::Machine;
use super::agent::serve_client;
use crate::control::{KEEP, RAM_FILES_MAX, REQUEST_MAX, RamPiece, Reply, Request, RunState};

/// Takes connections until the process ends.
pub(super) fn accept_all(machine: &Arc<Machine>, listener: &UnixListener) {
    for connection in listener.incoming().flatten() {
        let machine = Arc::clone(machine);
        thread::spawn(move || {
            let _served = machine.life.serving();
            if let Err(error) = serve(&machine, &connection) {
                tracing::debug!(%error, "a control connection failed");
            }
        });
    }
}

fn serve(machine: &Machine, connection: &UnixStream) -> std::io::Result<()> {
    // One byte at a time is not needed: a client sends nothing behind its request before the reply.
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut line = Vec::new();
    (&mut reader).take(REQUEST_MAX).read_until(b'\n', &mut line)?;
    let request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(error) => return reply(connection, &Reply::Error(format!("not a request: {error}"))),
    };
    match request {
        Request::Status => granted(connection, serde_json::to_value(machine.life.status())?),
        Request::Watch { hold } => watch(machine, connection, hold),
        Request::Console { replay, lossless } => console(machine, connection, replay, lossless),
        Request::Exec => {
            granted(connection, Value::Null)?;
            serve_client(machine, connection)
        }
        Request::Stub => stub(machine, connection),
        Request::Ram => ram(machine, connection),
        Request::Qmp { execute, arguments } => {
            let answer = machine.qmp.execute(&execute, &arguments);
            reply(connection, &answer.map_or_else(|error| Reply::Error(error.to_string()), Reply::Ok))
        }
        Request::Stop => {
            stop(machine);
            let status = machine.life.wait_for_end();
            granted(connection, serde_json::to_value(status)?)
        }
    }
}

fn reply(mut connection: &UnixStream, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    connection.write_all(&line)
}

fn granted(connection: &UnixStream, data: Value) -> std::io::Result<()> {
    reply(connection, &Reply::Ok(data))
}

/// Ends QEMU. The kernel has the last word: a QEMU that hangs cannot refuse it.
fn stop(machine: &Machine) {
    machine.life.stop_asked();
    let _ = rustix::process::kill_process(machine.qemu, rustix::process::Signal::KILL);
}

/// Sends the status at each change. The client's end of the connection is watched too.
fn watch(machine: &Machine, connection: &UnixStream, hold: bool) -> std::io::Result<()> {
    granted(connection, Value::Null)?;
    let reader = connection.try_clone()?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let released = says_keep(&reader);
            if hold && !released && !matches!(machine.life.status().state, RunState::Ended(_)) {
                stop(machine);
            }
        });
        let mut seen = None;
        let told = loop {
            let (status, version) = machine.life.after(seen);
            let mut line = serde_json::to_vec(&status)?;
            line.push(b'\n');
            let ended = matches!(status.state, RunState::Ended(_));
            match (&*connection).write_all(&line) {
                Ok(()) if !ended => seen = Some(version),
                told => break told,
            }
        };
        let _ = connection.shutdown(Shutdown::Both);
        told
    })
}

fn console(machine: &Machine, connection: &UnixStream, replay: bool, lossless: bool) -> std::io::Result<()> {
    // The reader's place is taken before the reply, so nothing written after it is missed.
    let mut output = machine.console.reader(replay, lossless);
    granted(connection, Value::Null)?;
    let mut input = connection.try_clone()?;
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = input.read(&mut buffer) {
                if machine.console.type_in(buffer.get(..length).unwrap_or_default()).is_err() {
                    return;
                }
            }
            // The client is gone: make the writing half notice, even while the guest is silent.
            machine.console.wake();
        });
        let told = loop {
            match output.next(|| hung_up(connection)) {
                bytes if bytes.is_empty() => break Ok(()),
                bytes => {
                    if let Err(error) = (&*connection).write_all(&bytes) {
                        break Err(error);
                    }
                }
            }
        };
        let _ = connection.shutdown(Shutdown::Both);
        told
    })
}

/// Whether the client has closed its end for good. A client that only has no more input has not.
fn hung_up(connection: &UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(connection, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

fn stub(machine: &Machine, connection: &UnixStream) -> std::io::Result<()> {
    let client =
        rustix::net::sockopt::socket_peercred(connection)?.pid.as_raw_nonzero().get().cast_unsigned();
    let lease = match machine.stub.lend(client) {
        Ok(lease) => lease,
        Err(why) => return reply(connection, &Reply::Error(why)),
    };
    machine.life.update(|status| status.debugger = Some(client));
    let lent = lend(connection, &lease);
    let kept = lent.is_ok() && says_keep(connection);
    if kept {
        lease.hang_up();
    } else if !matches!(machine.life.status().state, RunState::Ended(_)) {
        lease.settle();
    }
    drop(lease);
    machine.life.update(|status| status.debugger = None);
    lent
}

/// Lends the files with guest RAM.
fn ram(machine: &Machine, connection: &UnixStream) -> std::io::Result<()> {
    let monitor = |command: &str| {
        let arguments = serde_json::json!({ "command-line": command });
        let answer = machine.qmp.execute("human-monitor-command", &arguments);
        let answer = answer.map_err(|error| error.to_string())?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    };
    let pid = machine.qemu.as_raw_nonzero().get().cast_unsigned();
    let found = match crate::ram::find(pid, monitor) {
        Ok(found) if found.files.len() <= RAM_FILES_MAX => found,
        Ok(_) => return reply(connection, &Reply::Error("guest RAM lies in too many files".to_owned())),
        Err(error) => return reply(connection, &Reply::Error(error.to_string())),
    };
    let piece = |piece: &lkdb_map::Piece| RamPiece {
        physical: piece.physical.0,
        size: piece.size,
        file: piece.file,
        offset: piece.offset,
    };
    let pieces: Vec<_> = found.pieces.iter().map(piece).collect();
    let fds: Vec<_> = found.files.iter().map(AsFd::as_fd).collect();
    send_with(connection, &Reply::Ok(serde_json::to_value(pieces)?), &fds)
}

/// Sends the reply, with the stub's connection as its ancillary data.
pub(crate) fn lend(connection: &UnixStream, lease: &super::stub::Lease<'_>) -> std::io::Result<()> {
    send_with(connection, &Reply::Ok(Value::Null), &[lease.connection()])
}

/// Sends a reply with descriptors as its ancillary data.
pub(crate) fn send_with(
    connection: &UnixStream,
    reply: &Reply,
    fds: &[BorrowedFd<'_>],
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RAM_FILES_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(fds));
    sendmsg(connection, &[std::io::IoSlice::new(&line)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits until the client hangs up; whether it asked for the machine to be left as it is.
pub(crate) fn says_keep(mut connection: &UnixStream) -> bool {
    let mut byte = [0];
    let mut keep = false;
    while let Ok(1) = connection.read(&mut byte) {
        keep |= byte[0] == KEEP;
    }
    keep
}
