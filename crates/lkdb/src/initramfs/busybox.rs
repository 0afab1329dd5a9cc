//! Finds a BusyBox for the guest, and asks it for its applets.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use lkdb_artifacts::Cache;
use lkdb_base::Arch;
use lkdb_image::archive::busybox::{self, Applet};

use crate::kept::Kept;

/// A BusyBox that fits the guest.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) version: String,
    pub(super) bytes: Vec<u8>,
    pub(super) applets: Vec<Applet>,
}

/// `--busybox FILE`, or the host's own.
pub(super) fn find(asked: Option<&Path>, arch: &'static Arch) -> anyhow::Result<Found> {
    if let Some(path) = asked {
        return open(path, arch).with_context(|| format!("--busybox {} cannot be used", path.display()));
    }
    let mut reasons = Vec::new();
    for path in candidates() {
        match open(&path, arch) {
            Ok(found) => return Ok(found),
            Err(reason) => reasons.push(format!("{}: {reason:#}", path.display())),
        }
    }
    let seen = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
    bail!(
        "no static BusyBox for {} is on this host{seen}: install the package busybox-static (Debian) or \
         busybox (Fedora, Arch), build one with `lkdb busybox build`, or name one with --busybox FILE",
        arch.name
    )
}

/// Files in $PATH and the usual places that may be one.
fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/lib/busybox/bin"].map(PathBuf::from);
    let mut found: Vec<PathBuf> = Vec::new();
    for dir in std::env::split_paths(&path).chain(usual) {
        for name in ["busybox", "busybox.static", "busybox-static"] {
            // /bin is often /usr/bin: the same file need not be looked at twice.
            let Ok(file) = dir.join(name).canonicalize() else { continue };
            if file.is_file() && !found.contains(&file) {
                found.push(file);
            }
        }
    }
    found
}

fn open(path: &Path, arch: &'static Arch) -> anyhow::Result<Found> {
    let bytes = std::fs::read(path)?;
    let facts = busybox::check(&bytes, Some(arch))?;
    let mut applets = Vec::new();
    if facts.arch.name == std::env::consts::ARCH {
        applets = asked(path).unwrap_or_default();
    }
    if applets.is_empty() {
        applets = busybox::applets_of_binary(&bytes);
    }
    Ok(Found { path: path.to_owned(), version: facts.version, bytes, applets })
}

/// What the program itself says; not every BusyBox is built with this option.
fn asked(path: &Path) -> Option<Vec<Applet>> {
    // By an absolute path, or the program would be looked for in $PATH.
    let path = path.canonicalize().ok()?;
    let mut command = Command::new(&path);
    // BusyBox goes by the name it is called by.
    std::os::unix::process::CommandExt::arg0(&mut command, "busybox");
    let mut list = || {
        let output = command.arg("--list-full").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8(output.stdout).ok())?
    };
    let list = match Cache::open() {
        Ok(cache) => Kept::of(&cache).said("busybox --list-full", &path, || list().ok_or(())).ok()?,
        Err(_) => list()?,
    };
    Some(busybox::applets_of_list(&list))
}
