//! The guardian of a stub whose QEMU has no supervisor of ours: it was started by somebody else.
//!
//! A debugger that dies leaves its breakpoints in the guest, and the next hit stops the guest for good. So `lkdb
//! attach` starts a process that takes the stub, lends it, keeps a duplicate, and cleans up when its client is
//! gone: what a supervisor does for its own machine. Client and guardian share a socket pair, the guardian's
//! standard input; what is said on it is the `Stub` lease of [`crate::control`], without the request.

use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lkdb_target::Address;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::client::StubLease;
use crate::control::Reply;
use crate::supervisor::serve::{lend, says_keep};
use crate::supervisor::stub::Stub;
use crate::{Error, Result};

/// A connection to a stub comes about at once, or in TCP's time.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Serves the client at the other end of `client`: the whole of the process `lkdb guard ADDRESS`.
///
/// # Errors
/// When the client cannot be talked to.
pub fn run(address: Address, client: OwnedFd) -> std::io::Result<()> {
    // A terminal's Ctrl-C is for the client.
    let _ = rustix::process::setsid();
    let client = UnixStream::from(client);
    let stub = Stub::new(address);
    let lease = match stub.lend(std::process::id()) {
        Ok(lease) => lease,
        Err(why) => {
            let mut line = serde_json::to_vec(&Reply::Error(why))?;
            line.push(b'\n');
            return (&client).write_all(&line);
        }
    };
    let lent = lend(&client, &lease);
    if lent.is_ok() && says_keep(&client) {
        lease.hang_up();
    } else {
        lease.settle();
    }
    lent
}

/// Takes the stub of a QEMU that is not ours, through a guardian. That stops the guest. `program` is lkdb, which
/// becomes the guardian.
///
/// # Errors
/// When nobody listens there.
pub fn take(address: &Address, program: &Path) -> Result<StubLease> {
    let (ours, theirs) = UnixStream::pair().map_err(Error::io("cannot start", program))?;
    let mut child = Command::new(program)
        .arg("guard")
        .arg(address.to_string())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::io("cannot run", program))?;
    // It outlives us if need be; if it ends before, somebody must wait for it.
    std::thread::spawn(move || child.wait());
    let failed = |why: String| Error::Supervisor { name: address.to_string(), what: why };
    ours.set_read_timeout(Some(ANSWER_WITHIN)).map_err(|error| failed(error.to_string()))?;
    let mut buffer = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [std::io::IoSliceMut::new(&mut buffer)];
    let received = recvmsg(ours.as_fd(), &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .map_err(|errno| failed(format!("lent no stub: {errno}")))?;
    let line = buffer.get(..received.bytes).unwrap_or_default();
    match serde_json::from_slice(line) {
        Ok(Reply::Ok(_)) => {}
        Ok(Reply::Error(why)) => return Err(Error::Refused(why)),
        Err(_) => return Err(failed("lent no stub".to_owned())),
    }
    let stub = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let stub = stub.ok_or_else(|| failed("lent no stub".to_owned()))?;
    Ok(StubLease::new(stub, ours))
}
