//! Lending QEMU's gdb stub: to one client at a time, and cleaning up behind it.
//!
//! A stub connection that drops on a running guest leaves its breakpoints in, and the next hit stops
//! the guest for good. So the supervisor keeps a duplicate of the descriptor it lends. When the
//! client's lease ends it shuts that down, which ends the connection whoever else holds it, and connects
//! anew: that stops the guest, whatever it was doing, on a line without half a packet in it. `?` then
//! removes every breakpoint and `D` lets the guest run.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;

use super::lock;

/// The guard of the one stub.
#[derive(Debug)]
pub(super) struct Stub {
    path: PathBuf,
    holder: Mutex<Option<u32>>,
}

/// One client's hold on the stub.
pub(super) struct Lease<'a> {
    stub: &'a Stub,
    connection: UnixStream,
}

impl Stub {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, holder: Mutex::new(None) }
    }

    /// Connects to the stub for the process `client`. Connecting stops the guest.
    pub(super) fn lend(&self, client: u32) -> Result<Lease<'_>, String> {
        let mut holder = lock(&self.holder);
        if let Some(other) = *holder {
            return Err(format!("process {other} has the debug stub of this machine; end it first"));
        }
        let connection = UnixStream::connect(&self.path)
            .map_err(|error| format!("cannot reach QEMU's gdb stub: {error}"))?;
        *holder = Some(client);
        Ok(Lease { stub: self, connection })
    }
}

impl Lease<'_> {
    /// The connection to lend.
    pub(super) fn connection(&self) -> &UnixStream {
        &self.connection
    }

    /// Ends the connection and leaves the guest as it is.
    pub(super) fn hang_up(&self) {
        let _ = self.connection.shutdown(Shutdown::Both);
    }

    /// Ends the connection, removes every breakpoint and lets the guest run.
    pub(super) fn settle(&self) {
        self.hang_up();
        if let Err(error) = self.release_guest() {
            tracing::warn!(%error, "cannot clean up the gdb stub");
        }
    }

    fn release_guest(&self) -> lkdb_target::Result<()> {
        let mut stub = lkdb_target::Stub::new(UnixStream::connect(&self.stub.path)?)?;
        stub.why()?;
        stub.detach()
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        *lock(&self.stub.holder) = None;
    }
}
