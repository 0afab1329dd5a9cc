//! The gdb stub, lent: how long, and what becomes of the guest afterwards.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use crate::control::KEEP;

/// The gdb stub, for as long as this lives.
#[derive(Debug)]
pub struct StubLease {
    stub: Option<OwnedFd>,
    control: UnixStream,
}

impl StubLease {
    /// A stub that was lent, for as long as `control` is open.
    pub(crate) fn new(stub: OwnedFd, control: UnixStream) -> Self {
        Self { stub: Some(stub), control }
    }

    /// The connection to the stub.
    #[must_use]
    pub fn take(&mut self) -> Option<OwnedFd> {
        self.stub.take()
    }

    /// Ends the lease and leaves the guest as it is: stopped, for the next client to take over.
    ///
    /// # Errors
    /// When the supervisor is gone.
    pub fn end_keeping_stopped(mut self) -> io::Result<()> {
        drop(self.stub.take());
        self.control.write_all(&[KEEP])?;
        self.wait_for_end()
    }

    /// Ends the lease; every breakpoint goes and the guest runs when this returns.
    ///
    /// # Errors
    /// When the supervisor is gone.
    pub fn end(mut self) -> io::Result<()> {
        drop(self.stub.take());
        self.wait_for_end()
    }

    fn wait_for_end(&mut self) -> io::Result<()> {
        self.control.shutdown(std::net::Shutdown::Write)?;
        while self.control.read(&mut [0; 64])? > 0 {}
        Ok(())
    }
}
