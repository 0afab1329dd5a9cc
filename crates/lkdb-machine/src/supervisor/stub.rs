//! Lending QEMU's gdb stub: to one client at a time, and cleaning up behind it.
//!
//! A stub connection that drops on a running guest leaves its breakpoints in, and the next hit stops
//! the guest for good. So the supervisor keeps a duplicate of the descriptor it lends. When the
//! client's lease ends it shuts that down, which ends the connection whoever else holds it, and connects
//! anew: that stops the guest, whatever it was doing, on a line without half a packet in it. `?` then
//! removes every breakpoint and `D` lets the guest run.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use lkdb_target::Address;
use rustix::net::{Shutdown, shutdown};

use super::lock;

/// The guard of the one stub.
#[derive(Debug)]
pub(crate) struct Stub {
    address: Address,
    holder: Mutex<Option<u32>>,
}

/// One client's hold on the stub.
pub(crate) struct Lease<'a> {
    stub: &'a Stub,
    connection: OwnedFd,
}

impl Stub {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, holder: Mutex::new(None) }
    }

    /// Connects to the stub for the process `client`. Connecting stops the guest.
    pub(crate) fn lend(&self, client: u32) -> Result<Lease<'_>, String> {
        let mut holder = lock(&self.holder);
        if let Some(other) = *holder {
            return Err(format!("process {other} has the debug stub of this machine; end it first"));
        }
        let connection = self
            .address
            .connect()
            .map_err(|error| format!("cannot reach the gdb stub at {}: {error}", self.address))?;
        *holder = Some(client);
        Ok(Lease { stub: self, connection })
    }
}

impl Lease<'_> {
    /// The connection to lend.
    pub(crate) fn connection(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    /// Ends the connection and leaves the guest as it is.
    pub(crate) fn hang_up(&self) {
        let _ = shutdown(&self.connection, Shutdown::Both);
    }

    /// Ends the connection, removes every breakpoint and lets the guest run.
    pub(crate) fn settle(&self) {
        self.hang_up();
        if let Err(error) = self.release_guest() {
            tracing::warn!(%error, "cannot clean up the gdb stub");
        }
    }

    fn release_guest(&self) -> lkdb_target::Result<()> {
        let mut stub = lkdb_target::Stub::new(self.stub.address.connect()?)?;
        stub.why()?;
        stub.detach()
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        *lock(&self.stub.holder) = None;
    }
}
