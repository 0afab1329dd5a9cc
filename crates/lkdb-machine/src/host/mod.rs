//! What this host offers: its QEMU, and an accelerator that has been seen to work.
//!
//! Nothing here starts machines for users; the one guest that runs is the probe's.

mod accel;
mod probe;
mod qemu;
mod sector;

pub use accel::{Accel, Choice, Kvm, Wanted, accel, kvm};
pub use qemu::{MINIMUM, Qemu, Version, banner, qemu, qemu_told};

use std::path::PathBuf;

/// What the host lacks.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No QEMU for that architecture.
    #[error(
        "no QEMU for {arch} guests: {program} is neither on PATH nor in /usr/libexec; \
         install {package} (`lkdb doctor` names it for other systems)"
    )]
    NoQemu {
        /// The guest's architecture.
        arch: &'static str,
        /// The program that was looked for.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// A program that does not say it is QEMU.
    #[error("{} does not answer --version as QEMU does: {said}", path.display())]
    NotQemu {
        /// The program.
        path: PathBuf,
        /// What it said, or why it could not be run.
        said: String,
    },
    /// Older than lkdb can use.
    #[error("{} is QEMU {version}, and lkdb needs {MINIMUM} or newer (RAM in a memfd)", path.display())]
    TooOld {
        /// The program.
        path: PathBuf,
        /// Its version.
        version: Version,
    },
    /// `--accel kvm` on a host where it does not work.
    #[error("KVM does not work here: {0}; `--accel tcg` does")]
    NoKvm(String),
}

/// Results of looking at the host.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod testing {
    //! Programs that stand in for QEMU.

    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// Makes `name` in `dir` a program that does what the shell script says. Another process writes it:
    /// were it open for writing here, a child forked meanwhile would keep it from being run.
    pub(super) fn program(dir: &Path, name: &str, script: &str) -> PathBuf {
        let file = dir.join(name);
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 755 "$0""#;
        let status = Command::new("sh").arg("-c").arg(write).arg(&file).arg(script).status().unwrap();
        assert!(status.success());
        file
    }
}
