//! Which gdb there is, how new it is, and whether it has Python.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The oldest gdb whose Python can do what the Python file needs.
pub(crate) const OLDEST: Version = Version { major: 7, minor: 4 };

/// gdb's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A gdb that runs.
#[derive(Debug, Clone)]
pub(crate) struct Gdb {
    pub(crate) program: PathBuf,
    pub(crate) version: Version,
    /// Without Python modules are not followed.
    pub(crate) python: bool,
}

/// Finds a gdb: `$LKDB_GDB` if that is set, else `gdb`, else `gdb-multiarch`, along `PATH`.
///
/// # Errors
/// When there is none that is new enough; says what to install.
pub(crate) fn find() -> anyhow::Result<Gdb> {
    const INSTALL: &str =
        "install gdb (Debian: apt install gdb; Fedora, RHEL: dnf install gdb; Arch: pacman -S gdb)";
    if let Some(program) = std::env::var_os("LKDB_GDB").filter(|program| !program.is_empty()) {
        let gdb = probe(program.clone())
            .with_context(|| format!("$LKDB_GDB is `{}`, which does not work", program.display()))?;
        return new_enough(gdb);
    }
    let mut too_old = None;
    for program in ["gdb", "gdb-multiarch"] {
        match probe(program.into()).and_then(new_enough) {
            Ok(gdb) => return Ok(gdb),
            Err(error) if error.downcast_ref::<std::io::Error>().is_some() => {}
            Err(error) => too_old = Some(error),
        }
    }
    match too_old {
        Some(error) => Err(error.context(INSTALL)),
        None => bail!("there is no gdb on this host: {INSTALL}, or name one in $LKDB_GDB"),
    }
}

/// What the host check shows: as [`find`], any failure as its text.
pub(crate) fn find_for_doctor() -> Result<Gdb, String> {
    find().map_err(|error| format!("{error:#}"))
}

fn new_enough(gdb: Gdb) -> anyhow::Result<Gdb> {
    if gdb.version < OLDEST {
        bail!("{} is gdb {}, and lkdb needs {OLDEST} or newer", gdb.program.display(), gdb.version);
    }
    Ok(gdb)
}

/// Asks a program whether it is a gdb. One start answers both questions.
fn probe(program: OsString) -> anyhow::Result<Gdb> {
    let output = Command::new(&program)
        .args(["-nx", "-q", "-batch", "-ex", "show version", "-ex", "python print('lkdb-' + 'python')"])
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(version) = version_in(&text) else {
        bail!("`{}` does not answer like a gdb", program.display());
    };
    Ok(Gdb { program: program.into(), version, python: text.contains("lkdb-python") })
}

/// The version in gdb's first line: `GNU gdb (Debian 13.1-3) 13.1`,
/// `GNU gdb (GDB) Red Hat Enterprise Linux 10.2-13.el9`.
fn version_in(text: &str) -> Option<Version> {
    let line = text.lines().find(|line| line.starts_with("GNU gdb"))?;
    let number = line.split_whitespace().next_back()?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0);
    Some(Version { major, minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        for (line, major, minor) in [
            ("GNU gdb (Debian 13.1-3) 13.1\nCopyright", 13, 1),
            ("GNU gdb (GDB) Red Hat Enterprise Linux 10.2-13.el9", 10, 2),
            ("GNU gdb (GDB) Fedora Linux 16.2-1.fc41", 16, 2),
            ("GNU gdb (GDB) 7.4", 7, 4),
            ("GNU gdb (GDB) 17.0.50.20250601-git", 17, 0),
        ] {
            assert_eq!(version_in(line), Some(Version { major, minor }), "{line}");
        }
        assert_eq!(version_in("hello"), None);
    }

    #[test]
    fn a_program_that_is_no_gdb_is_told_apart() {
        assert!(probe("true".into()).unwrap_err().to_string().contains("does not answer like a gdb"));
        let missing = probe("/nowhere/gdb".into()).unwrap_err();
        assert!(missing.downcast_ref::<std::io::Error>().is_some());
    }
}
