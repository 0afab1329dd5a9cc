//! BusyBox's source: a tree, an archive, or Debian's source package, fetched through apt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lkdb_base::Arch;

use crate::apt::Apt;
use crate::unpack;
use crate::{Cache, Error, Progress, Result, run, tools};

/// Copies or unpacks the source into `into`.
pub(crate) fn copy(source: &Path, into: &Path, progress: &mut dyn Progress) -> Result<()> {
    let source = source.canonicalize().map_err(Error::io("open", source))?;
    if source.extension().is_some_and(|extension| extension == "dsc") {
        tools::require([tools::DPKG_SOURCE].iter())?;
        let mut command = Command::new("dpkg-source");
        command.args(["--no-check", "-x"]).arg(&source).arg(into);
        return step(&mut command, "unpacking BusyBox", progress);
    }
    fs::create_dir_all(into).map_err(Error::io("make", into))?;
    if source.is_dir() {
        version(&source)?;
        let mut command = Command::new("cp");
        command.arg("-a").arg(source.join(".")).arg(into);
        return step(&mut command, "copying BusyBox", progress);
    }
    unpack::tar(&source, into, progress)
}

fn step(command: &mut Command, what: &str, progress: &mut dyn Progress) -> Result<()> {
    progress.step(what, None);
    let done = run::text(command, what, progress);
    progress.end();
    done.map(drop)
}

/// The version by the topmost Makefile.
///
/// # Errors
/// When this is no BusyBox.
pub(crate) fn version(tree: &Path) -> Result<String> {
    let none = || {
        Error::Unfit(format!(
            "{} is no BusyBox source tree: it has no Makefile, Config.in and libbb",
            tree.display()
        ))
    };
    if !tree.join("Config.in").is_file() || !tree.join("libbb").is_dir() {
        return Err(none());
    }
    let makefile = fs::read_to_string(tree.join("Makefile")).map_err(|_| none())?;
    let value = |name: &str| {
        let line =
            makefile.lines().find(|line| line.split('=').next().is_some_and(|left| left.trim() == name))?;
        line.split_once('=').map(|(_, value)| value.trim())
    };
    let numbers = [value("VERSION"), value("PATCHLEVEL"), value("SUBLEVEL")];
    let numbers: Vec<&str> = numbers.into_iter().flatten().collect();
    if numbers.is_empty() { Err(none()) } else { Ok(numbers.join(".")) }
}

/// Fetches the distribution's source package of BusyBox and returns its `.dsc`.
///
/// # Errors
/// When this host has no apt, its sources have no source packages, or the download fails.
pub fn fetch_source(cache: &Cache, arch: &Arch, progress: &mut dyn Progress) -> Result<PathBuf> {
    let _lock = cache.lock(progress)?;
    let mut apt = Apt::open_for_source(cache.root(), arch)?;
    if apt.stale() {
        apt.update(progress)?;
    }
    apt.download_source("busybox", progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_known_by_its_makefile() {
        let dir = tempfile::tempdir().unwrap();
        assert!(version(dir.path()).unwrap_err().to_string().contains("no BusyBox source tree"));
        fs::create_dir(dir.path().join("libbb")).unwrap();
        fs::write(dir.path().join("Config.in"), "").unwrap();
        fs::write(dir.path().join("Makefile"), "VERSION = 1\nPATCHLEVEL = 35\nSUBLEVEL = 0\nNAME = x\n")
            .unwrap();
        assert_eq!(version(dir.path()).unwrap(), "1.35.0");
    }
}
