//! Following init to another root: after `switch_root` commands must run in the system it started.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use crate::init;

/// A hold on process 1's root directory, through a procfs that no later unmount takes away.
#[derive(Debug)]
pub(crate) struct InitRoot {
    procfs: OwnedFd,
}

impl InitRoot {
    /// Takes hold, with a procfs of our own; `None` where the kernel has no procfs.
    pub(crate) fn open() -> Option<Self> {
        init::private_procfs().ok().map(|procfs| Self { procfs })
    }

    /// That procfs.
    pub(crate) fn procfs(&self) -> BorrowedFd<'_> {
        self.procfs.as_fd()
    }

    /// Makes process 1's root ours.
    pub(crate) fn follow(&self) -> std::io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&self.procfs, "1/root", flags, Mode::empty())?;
        rustix::process::fchdir(&root)?;
        rustix::process::chroot(".")?;
        Ok(())
    }
}
